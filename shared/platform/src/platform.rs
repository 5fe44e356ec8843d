//! The platform: one account's store and ports, behind every function.

use std::sync::{Arc, Mutex, PoisonError};

use dacapo_engine::campaign::format::Sender;
use dacapo_engine::ids::{AccountId, ContactId};
use dacapo_engine::time::Span;

use crate::Instant;
use crate::catalog::{CatalogCache, Pinned};
use crate::error::Error;
use crate::handlers::KnownTags;
use crate::keys::Keys;
use crate::last_id::LastId;
use crate::ports::{BlockingWork, Caller, Clock, Entropy, Inline, Mailer, Outbox};
use crate::rate_limited_log::RateLimitedLog;
use crate::redriving::Reading;
use crate::table::{Body, Item, Key, Table, TableError, Write};

/// How often a write that lost a race is tried again.
pub(crate) const TRIES: u32 = 16;

/// The ports.
#[derive(Clone)]
pub struct Ports {
    /// What is stored.
    pub table: Arc<dyn Table>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// Timers and queues.
    pub outbox: Arc<dyn Outbox>,
    /// Mail.
    pub mailer: Arc<dyn Mailer>,
    /// Webhooks.
    pub caller: Arc<dyn Caller>,
}

/// What holds where nobody has said anything: from whoever runs the platform.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Defaults {
    /// Who mail comes from.
    pub sender: Option<Sender>,
    /// The restart delay (R12) of versions that are published from now on.
    pub restart_delay: Option<Span>,
}

/// What is warned about now and then, not every time.
#[derive(Default)]
pub(crate) struct Warned {
    pub(crate) mail: RateLimitedLog,
    pub(crate) webhooks: RateLimitedLog,
}

/// One account, with the ports. Cheap to clone.
#[derive(Clone)]
pub struct Platform {
    /// The ports.
    pub ports: Ports,
    /// Where everything is stored.
    pub keys: Keys,
    /// Where the API is reached from outside, without a slash at the end: for unsubscribe links.
    pub public_url: String,
    /// What holds where nobody has said anything.
    pub defaults: Defaults,
    /// Whether no other process writes to the table: then this one knows the newest revision of the
    /// catalog without reading it.
    pub alone: bool,
    /// Where work goes that others should not wait for.
    pub blocking_work: Arc<dyn BlockingWork>,
    /// How dead letters are read.
    pub reading: Reading,
    pub(crate) catalog: Arc<CatalogCache>,
    pub(crate) known_tags: Arc<KnownTags>,
    pub(crate) last_id: Arc<LastId>,
    pub(crate) warned: Arc<Warned>,
    /// What is read once for one invocation.
    pub(crate) pinned: Option<Arc<Pinned>>,
}

impl Platform {
    /// The platform of an account.
    pub fn new(account: AccountId, ports: Ports, public_url: String) -> Self {
        let catalog = Arc::new(CatalogCache::default());
        let (keys, defaults) = (Keys::of(account), Defaults::default());
        let (known_tags, last_id, warned) = (Arc::default(), Arc::default(), Arc::default());
        let (alone, pinned) = (false, None);
        Self {
            ports,
            keys,
            public_url,
            defaults,
            alone,
            blocking_work: Arc::new(Inline),
            reading: Reading::default(),
            catalog,
            known_tags,
            last_id,
            warned,
            pinned,
        }
    }

    /// Does busy work where it holds up nobody else. `None` if it was broken off.
    pub(crate) async fn run_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let answer = Arc::new(Mutex::new(None));
        let put = Arc::clone(&answer);
        self.blocking_work
            .run(Box::new(move || {
                let made = work();
                *put.lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
            }))
            .await;
        answer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Now.
    pub fn now(&self) -> Instant {
        self.ports.clock.now()
    }

    /// A new contact's id.
    pub(crate) fn new_contact_id(&self) -> ContactId {
        self.last_id.next(self.now(), &*self.ports.entropy)
    }

    /// An identity for a write, by which a lost answer is recognised.
    pub(crate) fn new_write_id(&self) -> String {
        self.ports.entropy.text(8)
    }

    pub(crate) async fn get(&self, key: &Key) -> Result<Option<Item>, TableError> {
        self.ports.table.get(key, crate::table::Consistency::Strong).await
    }

    pub(crate) async fn write(&self, writes: Vec<Write>) -> Result<(), TableError> {
        self.ports.table.write(writes, None).await
    }
}

/// Whether a refused write is the caller's own earlier one, whose answer was lost: its write id
/// tells.
pub(crate) fn is_own(current: Option<&Item>, write_id: &str) -> bool {
    current.and_then(write_id_of).is_some_and(|written| written == write_id)
}

/// The identity of the write that an item came from.
pub(crate) fn write_id_of(item: &Item) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Written {
        w: String,
    }
    item.body.read::<Written>().ok().map(|written| written.w)
}

/// Reads a stored body.
pub(crate) fn read<T: serde::de::DeserializeOwned>(item: &Item) -> Result<T, Error> {
    Ok(item.body.read()?)
}

/// An item without anything but its body.
pub(crate) fn item<T: serde::Serialize>(key: Key, value: &T) -> Result<Item, Error> {
    Ok(Item::new(key, Body::of(value)?))
}
