//! Objects that have been kept long enough go (R74).
//!
//! An object without tokens whose last change is older than its type's `keep` is deleted with its
//! keys and enrollments. Nothing is stored or ordered for that when an object is written: the lists
//! of objects are looked through, once a day at most, and not before one can be due.
//!
//! | step | why it is safe |
//! |---|---|
//! | a round is due: the catalog says that the next is in a day | a crash puts it off for a day |
//! | a step looks at a part of the lists, and orders the next | its message says where it goes on |
//! | an object goes in one transaction | object and enrollments are as they were read |
//! | the last step says in the catalog when the next round is due | a lost one comes in a day |
//!
//! Nothing waits for it: it may come late, and twice. An id holds the time at which it was made, so
//! an object that is younger than `keep` is not even read.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;
use dacapo_engine::ids::{CampaignId, ContactId};
use dacapo_engine::time::{Span, Zone};

use crate::Instant;
use crate::catalog::{Catalog, CatalogStore, Loaded};
use crate::contacts::{Contacts, read_contact};
use crate::enrollments::read_stored;
use crate::erasure::{LAST_ERASURE_AFTER, enrollment_deleted, object_deleted};
use crate::error::{Error, Retryability};
use crate::keys::{Keys, SHARDS, fed};
use crate::last_id::made_at;
use crate::object_keys::delete_keys;
use crate::objects::Objects;
use crate::orders::Orders;
use crate::ports::{Done, ExpiryStep, Order, Queue, QueueMessage};
use crate::store::{Store, TRIES};
use crate::table::{Condition, Consistency, Item, MOST_WRITES, Query, Write};

/// The time from one round to the next, at least.
const BETWEEN_ROUNDS: TimeDelta = TimeDelta::days(1);

/// How many ids of a list are looked at together.
const PAGE: usize = 200;

/// How many pages a step looks at.
const PAGES_A_STEP: usize = 100;

/// How long a step takes, and a little more.
const STEP_TAKES: TimeDelta = TimeDelta::seconds(10);

/// Deletes objects that have been kept long enough.
pub struct Expiry {
    pub(crate) store: Arc<Store>,
    pub(crate) catalog: Arc<CatalogStore>,
    pub(crate) contacts: Arc<Contacts>,
    pub(crate) objects: Arc<Objects>,
    pub(crate) orders: Arc<Orders>,
}

/// What came of looking at an object.
enum Looked {
    /// It is gone.
    Gone,
    /// It stays, until this instant at least.
    Stays(Instant),
}

/// How the objects of a type are kept.
#[derive(Clone, Copy)]
struct Retention {
    keep: Span,
    zone: Zone,
}

impl Retention {
    /// When an object goes that was last changed at an instant: not before no feed brings that
    /// change any more.
    fn until(self, changed: Instant) -> Instant {
        self.keep.after(changed, self.zone).max(changed + LAST_ERASURE_AFTER)
    }
}

impl Expiry {
    /// Orders that the objects are looked through, if that is due. To be called from time to time:
    /// it reads the catalog.
    ///
    /// # Errors
    ///
    /// Retryable errors.
    pub async fn look(&self) -> Result<(), Error> {
        let loaded = self.catalog.current().await?;
        let catalog = &loaded.catalog;
        let Some(first) = catalog.objects.keys().next() else { return Ok(()) };
        let is_early = catalog.objects_due.is_some_and(|due| self.store.now() < due);
        if is_early || catalog.erased_by.is_some() {
            return Ok(());
        }
        let step = ExpiryStep { kind: first.clone(), shard: 0, after: None, due: None };
        self.next_round(|_, _, now| Some(now + BETWEEN_ROUNDS)).await?;
        self.order(step).await
    }

    /// Looks at a part of the lists, and orders the next step. Idempotent.
    ///
    /// # Errors
    ///
    /// Retryable errors.
    pub(crate) async fn step(&self, step: &ExpiryStep) -> Result<Done, Error> {
        let loaded = self.catalog.current().await?;
        let mut step = step.clone();
        let until = self.store.now() + STEP_TAKES;
        for _ in 0..PAGES_A_STEP {
            let Some(definition) = loaded.catalog.objects.get(&step.kind) else { break };
            let after = step.after.as_deref();
            let listed = self.objects.listed(&step.kind, step.shard, after, PAGE).await?;
            if listed.is_empty() {
                if !advance(&mut step, &loaded.catalog) {
                    self.round_is_over(step.due).await?;
                    return Ok(Done::Yes);
                }
                continue;
            }
            let kept = Retention { keep: definition.kept(), zone: loaded.account.zone };
            let late = self.look_at(&listed, kept, until, &mut step).await?;
            if late || self.store.now() >= until {
                break;
            }
        }
        if loaded.catalog.erased_by.is_none() && loaded.catalog.objects.contains_key(&step.kind) {
            self.order(step).await?;
        }
        Ok(Done::Yes)
    }

    /// Looks at some objects, and notes in the step how far it came and what is due next. `true` if
    /// there was no time for the rest.
    async fn look_at(
        &self,
        listed: &[ContactId],
        kept: Retention,
        until: Instant,
        step: &mut ExpiryStep,
    ) -> Result<bool, Error> {
        let mut old = Vec::new();
        for id in listed {
            let made = id.object().and_then(|(_, name)| made_at(name));
            match made.map(|made| kept.until(made)).filter(|due| *due > self.store.now()) {
                Some(due) => sooner(&mut step.due, due),
                None => old.push(id),
            }
        }
        let keys: Vec<_> = old.iter().map(|id| self.store.keys.contact(id)).collect();
        let stored = match keys.is_empty() {
            true => Vec::new(),
            false => self.store.table.get_many(&keys, Consistency::Eventual).await?,
        };
        for (id, stored) in old.into_iter().zip(&stored) {
            let looked = match stored.as_ref().map(read_contact) {
                // The list is late.
                None => Ok(Looked::Gone),
                Some(Ok(object)) if kept.until(object.updated_at) > self.store.now() => {
                    Ok(Looked::Stays(kept.until(object.updated_at)))
                }
                Some(Ok(_)) => self.expire(id, kept).await,
                Some(Err(error)) => Err(error),
            };
            match looked {
                Ok(Looked::Gone) => {}
                Ok(Looked::Stays(at)) => sooner(&mut step.due, at),
                Err(error) if error.retryability() == Retryability::Permanent => {
                    tracing::warn!(
                        object = id.as_str(), %error, "it is not known how long it is kept"
                    );
                }
                Err(error) => return Err(error),
            }
            step.after = Some(id.to_string());
            if self.store.now() >= until {
                return Ok(true);
            }
        }
        step.after = listed.last().map(ToString::to_string);
        Ok(false)
    }

    /// Deletes an object with its keys and enrollments, if it is due and nothing waits. One
    /// transaction: whatever comes in between is refused by it, or refuses it.
    async fn expire(&self, id: &ContactId, kept: Retention) -> Result<Looked, Error> {
        for _ in 0..TRIES {
            let now = self.store.now();
            let Some(object) = self.contacts.get(id).await? else { return Ok(Looked::Gone) };
            let mut due = kept.until(object.updated_at);
            let loaded = self.catalog.after(Instant::MAX_UTC).await?;
            let mut writes = object_deleted(&self.store, &object)?;
            let mut enrolled = BTreeSet::new();
            for stored in self.enrollments(id).await? {
                let Some((_, Some(campaign))) = fed(&stored.key) else { continue };
                let state = read_stored(&stored)?;
                if state.enrollment.waits() {
                    due = due.max(now + BETWEEN_ROUNDS);
                }
                // What was decided is performed first.
                due = due.max(state.last_decided().map_or(due, |at| at + LAST_ERASURE_AFTER));
                writes.extend(enrollment_deleted(&self.store.keys, id, &campaign, &stored));
                enrolled.insert(campaign);
            }
            if due > now {
                return Ok(Looked::Stays(due));
            }
            let others = campaigns_about(&loaded, id).filter(|other| !enrolled.contains(*other));
            let enrollment = |other| self.store.keys.enrollment(id, other);
            writes.extend(others.map(|other| Write::check(enrollment(other), Condition::Absent)));
            let Some(room) = MOST_WRITES.checked_sub(writes.len()) else {
                let object = id.as_str();
                tracing::warn!(
                    object,
                    "it stays: too many campaigns are about it to delete it at once"
                );
                return Ok(Looked::Stays(now + BETWEEN_ROUNDS));
            };
            let Some(keys) = delete_keys(&self.store, &object, room).await? else { continue };
            writes.extend(keys);
            if self.store.write_if_first(writes).await? {
                tracing::debug!(object = id.as_str(), "it was kept long enough and is deleted");
                return Ok(Looked::Gone);
            }
        }
        Err(Error::Contended(TRIES))
    }

    async fn enrollments(&self, id: &ContactId) -> Result<Vec<Item>, Error> {
        let partition = self.store.keys.contact_partition(id);
        let prefix = Keys::enrollments_of(id);
        self.store.all(Query::of(&partition).prefix(&prefix).strong()).await
    }

    /// Says when the next round is due: when the first object is that was seen, or the first that
    /// is made from now on.
    async fn round_is_over(&self, due: Option<Instant>) -> Result<(), Error> {
        self.next_round(|catalog, before, now| {
            // Somebody has changed a `keep` since: the next round comes at once.
            let before = before?;
            let zone = catalog.account().zone;
            let new = catalog.objects.values();
            let new = new.map(|of| Retention { keep: of.kept(), zone }.until(now));
            new.chain(due).min().map(|due| due.max(before))
        })
        .await
    }

    async fn next_round(
        &self,
        at: impl Fn(&Catalog, Option<Instant>, Instant) -> Option<Instant>,
    ) -> Result<(), Error> {
        let now = self.store.now();
        self.catalog
            .change(|catalog| {
                catalog.objects_due = at(catalog, catalog.objects_due, now);
                Ok::<_, Error>(((), Vec::new()))
            })
            .await
    }

    async fn order(&self, step: ExpiryStep) -> Result<(), Error> {
        let (at, message) = (self.store.now(), QueueMessage::ExpireObjects(step));
        self.orders.give(vec![Order::Send { queue: Queue::Jobs, at, message }]).await
    }
}

/// The sooner of two instants, of which the first may not be known yet.
fn sooner(due: &mut Option<Instant>, at: Instant) {
    *due = Some(due.map_or(at, |due| due.min(at)));
}

/// Goes on to the next list. `false` if that was the last one.
fn advance(step: &mut ExpiryStep, catalog: &Catalog) -> bool {
    step.after = None;
    step.shard += 1;
    if step.shard < SHARDS {
        return true;
    }
    step.shard = 0;
    match catalog.objects.keys().find(|kind| **kind > step.kind) {
        Some(next) => {
            step.kind = next.clone();
            true
        }
        None => false,
    }
}

/// The campaigns in which an object may be enrolled at any time.
fn campaigns_about<'a>(
    loaded: &'a Loaded,
    id: &ContactId,
) -> impl Iterator<Item = &'a CampaignId> + use<'a> {
    let kind = id.object().map(|(kind, _)| kind);
    let published = loaded.catalog.campaigns.iter().filter(|(_, head)| head.standing().is_some());
    published.filter(move |(_, head)| head.per == kind).map(|(campaign, _)| campaign)
}
