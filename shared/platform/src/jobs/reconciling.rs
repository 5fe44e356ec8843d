//! What contacts wait for from timers and queues is ordered again, from the table alone.
//!
//! Timers and queues are not part of the table: after a restore, or in a new stack over a kept
//! table, they are empty. What has to be in them follows from the table:
//!
//! | in the table | is ordered |
//! |---|---|
//! | a token that rests until an instant | its timer |
//! | a parked trigger | its recheck |
//! | a token or a record whose message is not settled | the message; the ledger decides (R30) |
//! | a webhook call that is not over | the call |
//! | a pause that ends by itself | its timer, when the job begins (`lifecycle`) |
//!
//! Each has a name, or a record that says how far it is, so ordering it again is idempotent. A page
//! may be done again, and a job be requested twice.
//!
//! A table that was restored has lost its change feed, too. Writes shortly before the instant are
//! handed to the feed's handlers once more; these are idempotent.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;
use dacapo_engine::campaign::format::Purpose;
use dacapo_engine::decide::{Effect, Event, missing_changes_seen, outstanding};
use dacapo_engine::ids::{CampaignId, ContactId};
use futures_util::StreamExt as _;

use super::ContactOutcome;
use crate::Instant;
use crate::call_ledger::{CallLedger, CallRecord};
use crate::catalog::CatalogStore;
use crate::contacts::{Contacts, read_contact};
use crate::enrollments::{Decisions, EventOutcome, StoredEnrollment, read_stored};
use crate::error::{Error, Retryability};
use crate::handlers::{
    ContactChanges, ContactImage, EffectHandler, EnrollmentImage, Performed, Quarantine,
};
use crate::keys::{Keys, OBJECT, fed, subject_in};
use crate::messages::{MessageRecord, MessageStatus};
use crate::orders::Orders;
use crate::ports::{Order, Queue, WebhookCall};
use crate::store::{Store, read};
use crate::table::{Item, Query};

/// How many contacts are looked at at once.
const CONTACTS_AT_ONCE: usize = 16;

/// How long the change feed keeps what it has not delivered.
const FEED_KEEPS: TimeDelta = TimeDelta::hours(24);

/// Orders again what contacts wait for.
pub(crate) struct Reconciler {
    pub(crate) store: Arc<Store>,
    pub(crate) catalog: Arc<CatalogStore>,
    pub(crate) contacts: Arc<Contacts>,
    pub(crate) calls: Arc<CallLedger>,
    pub(crate) orders: Arc<Orders>,
    pub(crate) decisions: Arc<Decisions>,
    pub(crate) quarantine: Arc<Quarantine>,
    pub(crate) effects: Arc<EffectHandler>,
    pub(crate) contact_changes: Arc<ContactChanges>,
}

impl Reconciler {
    /// Orders again what these contacts wait for.
    pub(super) async fn reconciled(
        &self,
        restored_to: Option<Instant>,
        contacts: &[ContactId],
    ) -> Result<Vec<ContactOutcome>, Error> {
        let since = restored_to.map(|at| at - FEED_KEEPS);
        let each: Vec<_> = contacts.iter().map(|id| self.reconciled_one(since, id)).collect();
        let each = futures_util::stream::iter(each).buffered(CONTACTS_AT_ONCE);
        let each: Vec<_> = each.collect().await;
        let (mut outcomes, mut orders) = (Vec::with_capacity(contacts.len()), Vec::new());
        for found in each {
            let mut waits_for = Vec::new();
            outcomes.push(match found {
                Ok(found) if found.is_empty() => ContactOutcome::Skipped,
                Ok(found) => {
                    waits_for = found;
                    ContactOutcome::Done
                }
                Err(Error::Behind) => ContactOutcome::Late,
                Err(error) if error.retryability() == Retryability::Permanent => {
                    ContactOutcome::Failed(error.to_string())
                }
                Err(error) => return Err(error),
            });
            orders.push(waits_for);
        }
        match self.order_any(orders.concat()).await {
            Err(error) if error.retryability() == Retryability::Permanent => {}
            ordered => return ordered.map(|()| outcomes),
        }
        // One of the orders is refused permanently. Giving each by itself shows whose it is.
        for (outcome, orders) in outcomes.iter_mut().zip(orders) {
            match self.order_any(orders).await {
                Err(error) if error.retryability() == Retryability::Permanent => {
                    *outcome = ContactOutcome::Failed(error.to_string());
                }
                ordered => ordered?,
            }
        }
        Ok(outcomes)
    }

    async fn order_any(&self, orders: Vec<Order>) -> Result<(), Error> {
        if orders.is_empty() { Ok(()) } else { self.orders.give(orders).await }
    }

    /// What a contact waits for, as orders. Writes after `since`, which the feed may not have
    /// delivered, are handed on first.
    async fn reconciled_one(
        &self,
        since: Option<Instant>,
        id: &ContactId,
    ) -> Result<Vec<Order>, Error> {
        let mut orders = match since {
            Some(since) => self.bring_again(id, since).await?,
            None => Vec::new(),
        };
        let Some(contact) = self.contacts.get(id).await? else { return Ok(Vec::new()) };
        let loaded = self.catalog.after(contact.updated_at).await?;
        let mut queued = BTreeSet::new();
        if !id.is_object() && !loaded.catalog.objects.is_empty() {
            for object in self.objects_of(id).await? {
                // A future that calls itself is on the heap.
                orders.extend(Box::pin(self.reconciled_one(since, &object)).await?);
            }
        }
        for (campaign, mut enrollment) in self.decisions.enrollments(id).await? {
            let timeline = loaded.campaigns.get(&campaign).map(|campaign| &campaign.timeline);
            let is_behind = timeline.is_some_and(|now| enrollment.is_behind(now.count()));
            if enrollment.seen < contact.rev || is_behind {
                if let EventOutcome::Undecidable(why) =
                    self.decisions.apply_event(id, &campaign, &Event::Changed).await?
                {
                    self.quarantine.hold_undecided(id, &campaign, &why).await?;
                }
                let Some(now) = self.decisions.state(id, &campaign).await? else { continue };
                enrollment = now.enrollment;
            }
            if enrollment.tokens.is_empty() && enrollment.parked.is_none() {
                continue;
            }
            let graph = self.catalog.version(&campaign, enrollment.version).await?;
            for effect in outstanding(&enrollment, &graph) {
                if let Effect::Deliver { run, step, .. } = effect {
                    queued.insert((campaign.clone(), run, step));
                }
                orders.extend(self.orders.order_of(id, &campaign, &effect));
            }
        }
        orders.extend(self.unsettled_messages(id, &queued).await?);
        orders.extend(self.unsettled_calls(id, loaded.catalog.sent_until).await?);
        Ok(orders)
    }

    /// Messages that were tried, or are being sent, and whose contact has left the step: their
    /// outcome still has to be recorded. Those that are `queued` have their order already.
    async fn unsettled_messages(
        &self,
        id: &ContactId,
        queued: &BTreeSet<(CampaignId, u32, u32)>,
    ) -> Result<Vec<Order>, Error> {
        let mut orders = Vec::new();
        for stored in self.items_of(id, &format!("{}#", Keys::MESSAGES)).await? {
            let record: MessageRecord = read(&stored)?;
            let MessageRecord {
                campaign,
                run,
                step,
                version,
                channel,
                ref content_key,
                status,
                ..
            } = record;
            let is_open = match status {
                MessageStatus::Claimed | MessageStatus::Released => true,
                MessageStatus::Settled(_) => false,
            };
            let name = (campaign, run, step);
            if !is_open || queued.contains(&name) {
                continue;
            }
            let (campaign, ..) = name;
            let purpose = match version {
                0 => None,
                version => {
                    let graph = self.catalog.version(&campaign, version).await?;
                    channel.purpose(&graph.document, content_key)
                }
            };
            let purpose = purpose.unwrap_or(Purpose::Marketing);
            let effect = Effect::Deliver { run, step, channel, purpose };
            orders.extend(self.orders.order_of(id, &campaign, &effect));
        }
        Ok(orders)
    }

    /// Calls that were queued and are not over. Those that were queued until `sent_until` are taken
    /// to have been made.
    async fn unsettled_calls(
        &self,
        id: &ContactId,
        sent_until: Option<Instant>,
    ) -> Result<Vec<Order>, Error> {
        let mut orders = Vec::new();
        for stored in self.items_of(id, Keys::CALLS).await? {
            let record: CallRecord = read(&stored)?;
            if record.over.is_some() {
                continue;
            }
            let call = WebhookCall {
                contact: id.clone(),
                campaign: record.campaign.clone(),
                run: record.run,
                step: record.step,
                version: record.version,
                element: record.element.clone(),
            };
            if sent_until.is_some_and(|until| record.at <= until) {
                self.calls.went(&call, record, true).await?;
            } else {
                orders.push(self.orders.call_order(call));
            }
        }
        Ok(orders)
    }

    /// Writes about a contact after `since` are handed to the handlers of the change feed as if the
    /// feed delivered them again: what it had not delivered before the restore is lost. Answers
    /// what else is to be ordered then.
    async fn bring_again(&self, id: &ContactId, since: Instant) -> Result<Vec<Order>, Error> {
        let mut images = Vec::new();
        let mut campaigns = Vec::new();
        for stored in self.items_of(id, &Keys::enrollments_of(id)).await? {
            let Some((_, Some(campaign))) = fed(&stored.key) else { continue };
            let decided = read_stored(&stored)?;
            campaigns.push((campaign, decided.enrollment.seen));
            if decided.last_decided().is_none_or(|at| at >= since) {
                // The state before is lost; only a first decision is known to have had none.
                let old = (decided.enrollment.rev > 1).then(|| stored.clone());
                let key = stored.key.clone();
                images.push(EnrollmentImage { key, old, new: Some(stored) });
            }
        }
        let Performed { mut orders, failed } = self.effects.performed(&images).await?;
        failed.map_or(Ok(()), Err)?;
        // Timers, messages and calls are ordered once, from the present state of the table.
        orders.retain(|order| match order {
            Order::Send { queue: Queue::Timers, .. } => true,
            Order::Send { .. } | Order::Schedule { .. } | Order::Cancel { .. } => false,
        });
        let Some(stored) = self.store.get(&self.store.keys.contact(id)).await? else {
            return Ok(orders);
        };
        let contact = read_contact(&stored)?;
        let before = contact.recent.first().map_or(contact.rev, |first| first.rev - 1);
        for (campaign, seen) in &campaigns {
            let sees = (*seen).clamp(before, contact.rev);
            if sees != *seen {
                self.see_what_is_left(id, campaign, *seen, sees).await?;
            }
        }
        if contact.updated_at >= since {
            let old = Item { rev: Some(before), ..stored.clone() };
            self.contact_changes
                .handle(&ContactImage { old: Some(old), new: Some(stored) })
                .await?;
        }
        Ok(orders)
    }

    /// Some changes will not come any more: those that the contact no longer carries, and those of
    /// which a restore has kept only the enrollment's half of a transaction. An enrollment goes on
    /// with those that are there.
    async fn see_what_is_left(
        &self,
        id: &ContactId,
        campaign: &CampaignId,
        was_seen: u64,
        now_seen: u64,
    ) -> Result<(), Error> {
        self.decisions
            .rewrite(id, campaign, |before| {
                let before = before?;
                let next = missing_changes_seen(&before.enrollment, was_seen, now_seen)?;
                let deferred = before.deferred.clone();
                Some(StoredEnrollment { deferred, ..StoredEnrollment::of(next) })
            })
            .await
    }

    /// The objects of a contact.
    async fn objects_of(&self, person: &ContactId) -> Result<Vec<ContactId>, Error> {
        let partition = self.store.keys.contact_partition(person);
        let items = self.store.all(Query::of(&partition).prefix(OBJECT).strong()).await?;
        Ok(items.iter().filter_map(|item| subject_in(&item.key)).collect())
    }

    /// The items about a contact, or about an object, whose sort keys have this prefix.
    async fn items_of(&self, id: &ContactId, prefix: &str) -> Result<Vec<Item>, Error> {
        let partition = self.store.keys.contact_partition(id);
        let mut items = self.store.all(Query::of(&partition).prefix(prefix).strong()).await?;
        items.retain(|item| subject_in(&item.key).as_ref() == Some(id));
        Ok(items)
    }
}
