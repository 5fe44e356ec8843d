//! A dead letter is done again: a user requests it, and the handler of such work reads the dead
//! letter anew and does it.
//!
//! A request marks the dead letter and puts [`QueueMessage::Redrive`] into [`Queue::Jobs`]. From
//! there a dead letter of another queue is led to that queue, so that no worker needs an additional
//! port. The dead letter is deleted when it is done. If it fails again, it keeps the reason, and
//! waits for the next request. A repeat finds a dead letter that is deleted, or not requested, and
//! does nothing.

use std::future::Future;
use std::panic::catch_unwind;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::dead_letters::{DeadLetterBody, DeadLetterKind, DeadLetters, StoredDeadLetter, reason};
use crate::error::{Error, Retryability, caught, panic_words};
use crate::handlers::{ContactImage, EnrollmentImage, Report};
use crate::orders::Orders;
use crate::ports::{Done, Order, Queue, QueueMessage, Redrive};
use crate::store::{Store, TRIES};
use crate::table::{Body, Item, Key, TableError, Write};

/// How dead letters are read: in the format in which the work was delivered. Each answers why it
/// cannot be read.
#[derive(Debug, Clone, Copy)]
pub struct DeadLetterReaders {
    /// [`DeadLetterKind::Change`]
    pub change: fn(&str) -> Result<ContactImage, String>,
    /// [`DeadLetterKind::Decision`]
    pub decision: fn(&str) -> Result<EnrollmentImage, String>,
    /// [`DeadLetterKind::Message`]
    pub message: fn(&str) -> Result<QueueMessage, String>,
    /// [`DeadLetterKind::Report`]
    pub reports: fn(&str) -> Result<Vec<Report>, String>,
}

impl Default for DeadLetterReaders {
    /// In the platform's own format: [`written`], and messages as they are stored.
    fn default() -> Self {
        Self {
            change: |raw| {
                let (_, old, new) = read_change(raw)?;
                Ok(ContactImage { old, new })
            },
            decision: |raw| {
                let (key, old, new) = read_change(raw)?;
                Ok(EnrollmentImage { key, old, new })
            },
            message: |raw| serde_json::from_str(raw).map_err(|error| error.to_string()),
            reports: |_| Err("no mail service reports here".to_owned()),
        }
    }
}

/// A change of the feed as a dead letter keeps it.
#[derive(Serialize, Deserialize)]
struct WrittenChange {
    pk: String,
    sk: String,
    old: Option<WrittenItem>,
    new: Option<WrittenItem>,
}

/// The parts of an item that decisions need: neither its place in the index nor its expiry.
#[derive(Serialize, Deserialize)]
struct WrittenItem {
    rev: Option<u64>,
    /// The text of the body.
    body: String,
}

/// A change of the feed as text.
pub fn written(key: &Key, old: Option<&Item>, new: Option<&Item>) -> String {
    let item = |item: &Item| WrittenItem { rev: item.rev, body: item.body.as_str().to_owned() };
    let (pk, sk) = (key.pk.clone(), key.sk.clone());
    let change = WrittenChange { pk, sk, old: old.map(item), new: new.map(item) };
    serde_json::to_string(&change).unwrap_or_else(|_| unreachable!("texts and numbers are JSON"))
}

fn read_change(raw: &str) -> Result<(Key, Option<Item>, Option<Item>), String> {
    let change: WrittenChange = serde_json::from_str(raw).map_err(|error| error.to_string())?;
    let WrittenChange { pk, sk, old, new } = change;
    let key = Key::new(pk, sk);
    let item = |written: WrittenItem| Item {
        rev: written.rev,
        ..Item::new(key.clone(), Body::stored(written.body))
    };
    let (old, new) = (old.map(item), new.map(item));
    if old.is_none() && new.is_none() {
        return Err(NOT_KEPT.to_owned());
    }
    Ok((key, old, new))
}

/// Why a dead letter cannot be done again whose change was too large to be kept.
pub const NOT_KEPT: &str = "the change was too large to be kept: only its key and revision are \
                            here; run POST /v1/mass-actions/reconcile, then delete this letter";

/// A change as text, smaller each time, for a dead letter that cannot hold all of it: without what
/// was before, and at last only its key. What was before counts by its revision alone.
pub fn written_smaller(key: &Key, old: Option<&Item>, new: Option<&Item>) -> Vec<String> {
    let mut smaller = Vec::new();
    if new.is_some() {
        let old = old.map(|old| Item { body: Body::stored("{}".to_owned()), ..old.clone() });
        smaller.push(written(key, old.as_ref(), new));
    }
    smaller.push(written(key, None, None));
    smaller
}

/// Has dead letters done again.
pub struct Redriving {
    pub(crate) store: Arc<Store>,
    pub(crate) orders: Arc<Orders>,
    pub(crate) dead_letters: Arc<DeadLetters>,
    /// How they are read.
    pub reading: DeadLetterReaders,
}

impl Redriving {
    /// Requests that a dead letter is done again; answers the dead letter as it is then. `None` if
    /// there is no such dead letter. A dead letter that is requested twice is done once.
    ///
    /// # Errors
    ///
    /// What the table and the outbox answer; requesting it again goes on where it stopped.
    pub async fn redrive(&self, id: &str) -> Result<Option<StoredDeadLetter>, Error> {
        for _ in 0..TRIES {
            let Some(dead_letter) = self.dead_letters.get(id).await? else { return Ok(None) };
            let body = DeadLetterBody { asked: Some(self.store.now()), ..dead_letter.body.clone() };
            match self.rewrite(&dead_letter, &body).await {
                Ok(()) => {}
                Err(Error::Table(TableError::Conflict { .. } | TableError::Contended)) => continue,
                Err(error) => return Err(error),
            }
            let contact = body.contact.clone();
            let redrive = Redrive { letter: dead_letter.id.clone(), contact, in_own_queue: false };
            self.orders.give(vec![self.redrive_order(Queue::Jobs, redrive)]).await?;
            return Ok(Some(StoredDeadLetter { body, ..dead_letter }));
        }
        Err(Error::Contended(TRIES))
    }

    async fn rewrite(
        &self,
        dead_letter: &StoredDeadLetter,
        body: &DeadLetterBody,
    ) -> Result<(), Error> {
        let key = self.store.keys.dead_letter(&dead_letter.id);
        let write =
            self.dead_letters.write_of(&key, body, dead_letter.rev + 1, dead_letter.unchanged)?;
        Ok(self.store.write(vec![write]).await?)
    }

    fn redrive_order(&self, queue: Queue, redrive: Redrive) -> Order {
        Order::Send { queue, at: self.store.now(), message: QueueMessage::Redrive(redrive) }
    }

    /// The dead letter that is to be done; `None` if there is nothing left to do.
    pub(crate) async fn requested(
        &self,
        redrive: &Redrive,
    ) -> Result<Option<StoredDeadLetter>, Error> {
        let dead_letter = self.dead_letters.get(&redrive.letter).await?;
        Ok(dead_letter.filter(|dead_letter| dead_letter.body.asked.is_some()))
    }

    /// Leads a dead letter to the queue of its message. `true` if it was led on; `false` if it is
    /// in that queue already.
    pub(crate) async fn send_to_own_queue(
        &self,
        redrive: &Redrive,
        message: &QueueMessage,
        takes: impl Fn(Queue) -> bool,
    ) -> Result<bool, Error> {
        let queue = message.queue();
        if redrive.in_own_queue || takes(queue) {
            return Ok(false);
        }
        let redrive = Redrive { in_own_queue: true, ..redrive.clone() };
        self.orders.give(vec![self.redrive_order(queue, redrive)]).await?;
        Ok(true)
    }

    /// Does the work of a dead letter, and deletes or updates the dead letter.
    pub(crate) async fn do_again(
        &self,
        dead_letter: StoredDeadLetter,
        work: impl Future<Output = Result<Done, Error>>,
    ) -> Result<Done, Error> {
        match caught(work).await {
            Ok(Done::Yes) => {
                let key = self.store.keys.dead_letter(&dead_letter.id);
                match self.store.write(vec![Write::delete(key, dead_letter.unchanged)]).await {
                    // It was kept anew meanwhile, or is deleted.
                    Ok(()) | Err(TableError::Conflict { .. }) => Ok(Done::Yes),
                    Err(error) => Err(error.into()),
                }
            }
            Ok(later @ (Done::Soon | Done::NotBefore(_) | Done::NotTried(_))) => Ok(later),
            Err(error) => match error.retryability() {
                Retryability::Retryable => Err(error),
                Retryability::Permanent => {
                    self.keep_failed_again(dead_letter, &error.to_string()).await
                }
            },
        }
    }

    /// It failed again: the dead letter keeps the reason.
    pub(crate) async fn keep_failed_again(
        &self,
        dead_letter: StoredDeadLetter,
        why: &str,
    ) -> Result<Done, Error> {
        let why = reason(why);
        let (id, by) = (dead_letter.id.as_str(), dead_letter.body.by.as_str());
        tracing::error!(letter = id, by, why, "a dead letter could not be done this time either");
        let tries = dead_letter.body.tries + 1;
        let body = DeadLetterBody { why, tries, asked: None, ..dead_letter.body.clone() };
        match self.rewrite(&dead_letter, &body).await {
            // It was kept anew, or deleted.
            Ok(()) | Err(Error::Table(TableError::Conflict { .. })) => Ok(Done::Yes),
            Err(error) => Err(error),
        }
    }
}

/// The work of a dead letter, by kind.
pub(crate) enum DeadLetterWork {
    Change(ContactImage),
    Decision(EnrollmentImage),
    Message(QueueMessage),
    Reports(Vec<Report>),
}

impl Redriving {
    /// Reads a dead letter of any kind, or answers why it is unreadable.
    pub(crate) fn work_of(&self, body: &DeadLetterBody) -> Result<DeadLetterWork, String> {
        let (reading, raw) = (self.reading, body.raw.as_str());
        match body.kind {
            DeadLetterKind::Change => read_as(reading.change, raw).map(DeadLetterWork::Change),
            DeadLetterKind::Decision => {
                read_as(reading.decision, raw).map(DeadLetterWork::Decision)
            }
            DeadLetterKind::Message => self.message_of(body).map(DeadLetterWork::Message),
            DeadLetterKind::Report => read_as(reading.reports, raw).map(DeadLetterWork::Reports),
        }
    }

    /// Reads a dead letter that is a message.
    pub(crate) fn message_of(&self, body: &DeadLetterBody) -> Result<QueueMessage, String> {
        match body.kind {
            DeadLetterKind::Message => read_as(self.reading.message, &body.raw),
            DeadLetterKind::Change | DeadLetterKind::Decision | DeadLetterKind::Report => {
                Err("it is no message".to_owned())
            }
        }
    }
}

/// Reading may panic: that may be why it is a dead letter.
fn read_as<T>(read: fn(&str) -> Result<T, String>, raw: &str) -> Result<T, String> {
    let panicked = |panic: Box<_>| Error::Panicked(panic_words(&*panic)).to_string();
    catch_unwind(|| read(raw)).unwrap_or_else(|panic| Err(panicked(panic)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_read_as_it_was_written() {
        let key = Key::new("p", "s");
        let body = Body::stored(r#"{"score":0.1,"big":18446744073709551615,"text":"\"é\""}"#);
        let old = Item::new(key.clone(), body.clone()).rev(7);
        for (old, new) in [(None, Some(&old)), (Some(&old), None), (Some(&old), Some(&old))] {
            let (its, before, after) = read_change(&written(&key, old, new)).unwrap();
            assert_eq!((its, before.as_ref(), after.as_ref()), (key.clone(), old, new));
            assert!(before.or(after).is_some_and(|item| item.body.as_str() == body.as_str()));
        }
        assert!(read_change("{}").is_err());
    }
}
