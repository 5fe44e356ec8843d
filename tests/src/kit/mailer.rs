//! A mail service that keeps the mails it receives.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use dacapo_platform::mail::Mail;
use dacapo_platform::ports::{Mailer, MessageService, SendError, SendMode};

/// A mailer that accepts and keeps every mail. Stands for SES.
#[derive(Debug)]
pub struct CapturingMailer {
    mode: SendMode,
    sent: Mutex<Vec<Mail>>,
    silent: AtomicBool,
}

impl CapturingMailer {
    /// Mail leaves in this way: by [`SendMode::Sent`] it is kept here, by [`SendMode::Captured`]
    /// the platform keeps it in its own ledger and never calls this.
    #[must_use]
    pub fn new(mode: SendMode) -> Self {
        Self { mode, sent: Mutex::default(), silent: AtomicBool::new(false) }
    }

    /// The mails that were sent, oldest first.
    pub fn sent(&self) -> Vec<Mail> {
        self.kept().clone()
    }

    /// How many mails were sent.
    pub fn count(&self) -> usize {
        self.kept().len()
    }

    /// From now on it accepts mail without an answer, or answers again.
    pub fn set_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::SeqCst);
    }

    /// The id that it answers for the nth mail, counted from 0. It is as long as those of SES.
    #[must_use]
    pub fn message_id(nth: usize) -> String {
        format!("0100019{nth:09x}-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9-000000")
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Mail>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl MessageService for CapturingMailer {
    fn mode(&self) -> SendMode {
        self.mode
    }

    async fn pause(&self, _: Duration) {}
}

#[async_trait]
impl Mailer for CapturingMailer {
    async fn send(&self, mail: &Mail) -> Result<String, SendError> {
        if self.mode == SendMode::Captured {
            return Err(SendError::Refused("the platform captures its mail itself".to_owned()));
        }
        let mut sent = self.kept();
        let id = Self::message_id(sent.len());
        sent.push(mail.clone());
        if self.silent.load(Ordering::SeqCst) {
            return Err(SendError::Unknown("no answer".to_owned()));
        }
        Ok(id)
    }
}
