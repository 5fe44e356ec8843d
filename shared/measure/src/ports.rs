//! The other ports, for measuring: a clock that is told, chance that is the same every time, an
//! outbox that keeps its orders, a mail service that takes everything.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use dacapo_engine::hash::stable;
use dacapo_platform::Instant;
use dacapo_platform::mail::Mail;
use dacapo_platform::ports::{
    Caller, Clock, Entropy, MailError, Mailer, NotTaken, Order, Outbox, Post, Request, Unavailable,
};

/// Milliseconds. Every look takes one, so that nothing happens at the same instant.
pub(crate) struct Ticking(pub(crate) AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Instant {
        let now = self.0.fetch_add(1, Ordering::SeqCst);
        Instant::from_timestamp_millis(now).unwrap_or_default()
    }
}

#[derive(Default)]
pub(crate) struct InOrder(AtomicU64);

impl Entropy for InOrder {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let nth = self.0.fetch_add(1, Ordering::SeqCst).to_string();
            chunk.copy_from_slice(&stable(&["measured", &nth]).to_le_bytes()[..chunk.len()]);
        }
    }
}

#[derive(Default)]
pub(crate) struct Ordered(Mutex<Vec<Order>>);

impl Ordered {
    pub(crate) fn take(&self) -> Vec<Order> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Outbox for Ordered {
    async fn dispatch(&self, orders: Vec<Order>) -> Vec<NotTaken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(orders);
        Vec::new()
    }
}

/// Takes every mail, and counts.
#[derive(Default)]
pub(crate) struct Sent(pub(crate) AtomicU64);

#[async_trait]
impl Mailer for Sent {
    fn post(&self) -> Post {
        Post::Sent
    }

    async fn send(&self, _: &Mail) -> Result<String, MailError> {
        let nth = self.0.fetch_add(1, Ordering::SeqCst);
        // As long as those of SES.
        Ok(format!("0100019{nth:09x}-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9-000000"))
    }
}

pub(crate) struct Nobody;

#[async_trait]
impl Caller for Nobody {
    async fn call(&self, _: &Request) -> Result<u16, Unavailable> {
        Err(Unavailable("nobody is called here".to_owned()))
    }
}
