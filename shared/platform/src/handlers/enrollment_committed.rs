//! The change feed, enrollment items: the effects of decisions are performed.
//!
//! History and statistics come first (`recording`); every other effect is idempotent by its name.
//! An effect that fails holds back only what has to come after it for the same contact.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;
use dacapo_engine::campaign::subject_in;
use dacapo_engine::compact::CollectCompactly as _;
use dacapo_engine::decide::{Delivery, Effect, Event, Source};
use dacapo_engine::history::{Happened, Record};
use dacapo_engine::ids::{CampaignId, ContactId, ElementId};
use dacapo_engine::time::day_of;

use super::quarantine::Quarantine;
use super::recording::{Committed, History};
use crate::Instant;
use crate::call_ledger::CallLedger;
use crate::catalog::{CatalogStore, Loaded};
use crate::enrollments::{Decisions, StoredEnrollment, instant_of, read_state, read_stored};
use crate::erasure::comes_after_last_erasure;
use crate::error::Error;
use crate::keys::fed;
use crate::messages::{MessageLedger, MessageRecord, MessageStatus};
use crate::orders::Orders;
use crate::ports::{Done, EnrollmentEvent, Order, Queue, QueueMessage, WebhookCall};
use crate::store::Store;
use crate::table::{Consistency, Item, Key};

/// A change of a status this long after a publication is certain to see it; an earlier one may not.
const CATALOG_LAG: TimeDelta = TimeDelta::seconds(2);

/// An enrollment in the change feed, before and after a decision.
#[derive(Debug, Clone)]
pub struct EnrollmentImage {
    /// Its key.
    pub key: Key,
    /// Before; nothing if it is new.
    pub old: Option<Item>,
    /// After; nothing if it was erased.
    pub new: Option<Item>,
}

/// The outcome of the effects of decisions.
#[derive(Default)]
pub(crate) struct Performed {
    /// The orders that are left to be given.
    pub(crate) orders: Vec<Order>,
    /// Why some of the effects could not be performed.
    pub(crate) failed: Option<Error>,
}

/// The handler of enrollments in the change feed.
pub struct EffectHandler {
    pub(crate) store: Arc<Store>,
    pub(crate) catalog: Arc<CatalogStore>,
    pub(crate) messages: Arc<MessageLedger>,
    pub(crate) calls: Arc<CallLedger>,
    pub(crate) orders: Arc<Orders>,
    pub(crate) decisions: Arc<Decisions>,
    pub(crate) quarantine: Arc<Quarantine>,
    pub(crate) history: Arc<History>,
}

/// The decisions in these images.
fn decisions_in(images: &[EnrollmentImage]) -> Result<Vec<Committed>, Error> {
    let mut decisions = Vec::new();
    for image in images {
        let (Some((contact, Some(campaign))), Some(new)) = (fed(&image.key), &image.new) else {
            continue;
        };
        let stored = read_stored(new)?;
        if Some(stored.stamp) == new.rev {
            let before = image.old.as_ref().map(read_state).transpose()?;
            let before = before.map(|state| state.enrollment);
            decisions.push(Committed { contact, campaign, stored, before });
        }
    }
    Ok(decisions)
}

impl EffectHandler {
    /// Performs the effects of the decisions of a batch. Idempotent.
    ///
    /// # Errors
    ///
    /// Retryable errors, and permanent ones. For a decision that was recorded every other effect
    /// has been performed then, except commands to other campaigns that come after it. The error
    /// does not say whose effects in the batch failed.
    pub async fn perform_all(&self, images: &[EnrollmentImage]) -> Result<(), Error> {
        let mut decisions = decisions_in(images)?;
        self.leave_out_the_erased(&mut decisions).await?;
        let Performed { orders, failed } = self.perform_decisions(decisions).await?;
        let ordered = if orders.is_empty() { Ok(()) } else { self.orders.give(orders).await };
        match (failed, ordered) {
            (None, ordered) => ordered,
            (Some(failed), Ok(())) => Err(failed),
            (Some(failed), Err(error)) => Err(failed.or(error)),
        }
    }

    /// The same but for the orders that are left to be given.
    ///
    /// # Errors
    ///
    /// If nothing was performed: a decision cannot be read, or recorded.
    pub(crate) async fn performed(&self, images: &[EnrollmentImage]) -> Result<Performed, Error> {
        self.perform_decisions(decisions_in(images)?).await
    }

    /// Leaves out decisions about erased contacts that come later than any feed brings them: they
    /// were handed in by a user, and nothing would erase again what they write. Decisions that
    /// come in time cost no read.
    async fn leave_out_the_erased(&self, decisions: &mut Vec<Committed>) -> Result<(), Error> {
        let now = self.store.now();
        let is_old = |decision: &&Committed| {
            let earlier = decision.stored.earlier.iter().flat_map(|earlier| &earlier.records);
            let newest = earlier.chain(&decision.stored.records).map(|record| record.at).max();
            newest.is_some_and(|at| comes_after_last_erasure(at, now))
        };
        let old: BTreeSet<_> =
            decisions.iter().filter(is_old).map(|decision| decision.contact.clone()).collect();
        if old.is_empty() {
            return Ok(());
        }
        let keys: Vec<_> = old.iter().map(|contact| self.store.keys.contact(contact)).collect();
        let stored = self.store.table.get_many(&keys, Consistency::Strong).await?;
        let erased = old.iter().zip(&stored).filter(|(_, stored)| stored.is_none());
        let erased: BTreeSet<_> = erased.map(|(contact, _)| contact.clone()).collect_compactly();
        decisions.retain(|decision| !erased.contains(&decision.contact));
        Ok(())
    }

    async fn perform_decisions(&self, mut decisions: Vec<Committed>) -> Result<Performed, Error> {
        self.fill_in_days(&mut decisions).await?;
        self.history.record(&decisions).await?;
        let mut performed = Performed::default();
        let mut failed = BTreeSet::new();
        for decision in &decisions {
            if failed.contains(&decision.contact) {
                continue;
            }
            let mut may_deliver = true;
            for (index, effect) in (0..).zip(&decision.stored.effects) {
                // Commands reach other campaigns in the order of the path (R11).
                if is_for_other_campaigns(effect) && !may_deliver {
                    continue;
                }
                let orders = &mut performed.orders;
                if let Err(error) = self.perform(decision, index, effect, orders).await {
                    may_deliver &= !is_for_other_campaigns(effect);
                    failed.insert(&decision.contact);
                    performed.failed = Some(error.after(performed.failed.take()));
                }
            }
        }
        Ok(performed)
    }

    /// A decision says on which day it counts. A correction without a decision is counted on the
    /// account's day.
    async fn fill_in_days(&self, decisions: &mut [Committed]) -> Result<(), Error> {
        let open = |decision: &Committed| {
            decision.stored.day.is_none() && !decision.stored.delta.of_a_day().is_empty()
        };
        if !decisions.iter().any(open) {
            return Ok(());
        }
        let zone = self.catalog.current().await?.account.zone;
        for decision in decisions.iter_mut().filter(|decision| open(decision)) {
            let at = instant_of(&decision.stored.records, &decision.stored.enrollment);
            decision.stored.day = Some(day_of(at, zone));
        }
        Ok(())
    }

    /// Performs an effect, or adds the orders that perform it.
    async fn perform(
        &self,
        decision: &Committed,
        index: u32,
        effect: &Effect,
        orders: &mut Vec<Order>,
    ) -> Result<(), Error> {
        let source = || Source {
            campaign: decision.campaign.clone(),
            object: Some(&decision.contact).filter(|id| id.is_object()).cloned(),
            rev: decision.stored.stamp,
            index,
        };
        let order = match effect {
            Effect::Schedule { .. }
            | Effect::Cancel { .. }
            | Effect::Recheck { .. }
            | Effect::Deliver { .. } => {
                self.orders.order_of(&decision.contact, &decision.campaign, effect)
            }
            Effect::RecordMessage { run, step, element, channel, content_key, outcome, reason } => {
                let delivery = Delivery {
                    version: decision.stored.enrollment.version,
                    run: *run,
                    step: *step,
                    element: element.clone(),
                    channel: *channel,
                    content_key: content_key.clone(),
                };
                let (status, now) = (MessageStatus::Settled(*outcome), self.store.now());
                let record = MessageRecord {
                    reason: Some(reason.clone()),
                    n: 1,
                    ..MessageRecord::of(&decision.campaign, &delivery, status, now)
                };
                self.messages.record(&decision.contact, record).await?;
                None
            }
            Effect::Call { run, step, version, element } => {
                let call = WebhookCall {
                    contact: decision.contact.clone(),
                    campaign: decision.campaign.clone(),
                    run: *run,
                    step: *step,
                    version: *version,
                    element: element.clone(),
                };
                // A call that was due before a restore, and may have been made then, is over.
                let sent_until = self.catalog.current().await?.catalog.sent_until;
                let at = called_at(&decision.stored, element).unwrap_or_else(|| self.store.now());
                let over = sent_until.is_some_and(|until| at <= until);
                self.calls.note(&call, at, over).await?.then(|| self.orders.call_order(call))
            }
            Effect::Command { campaign, command, causality } => {
                let event =
                    Event::Commanded { from: source(), command: *command, causality: *causality };
                let subject = match decision.contact.is_object() {
                    true => {
                        let loaded = self.catalog.current().await?;
                        let head = loaded.catalog.campaigns.get(campaign);
                        let per = head.and_then(|head| head.per.as_ref());
                        subject_in(per, &decision.contact)
                    }
                    // A campaign about objects takes no command about a contact.
                    false => Some(decision.contact.clone()),
                };
                if let Some(subject) = subject {
                    self.deliver_event(&subject, campaign, event, orders).await?;
                }
                None
            }
            Effect::StatusChanged { .. } if self.is_status_unread(decision) => None,
            Effect::StatusChanged { causality } => {
                let loaded = self.catalog.current().await?;
                for asking in loaded.asking_for(&decision.campaign) {
                    for subject in self.subjects_in(&loaded, asking, &decision.contact).await? {
                        let event = Event::StatusChanged { from: source(), causality: *causality };
                        self.deliver_event(&subject, asking, event, orders).await?;
                    }
                }
                None
            }
        };
        orders.extend(order);
        Ok(())
    }

    /// Whom a change of a subject's status concerns in a campaign that asks for it: the same
    /// subject or the person; if the campaign is about objects and the status is the person's, all
    /// objects that are in it.
    async fn subjects_in(
        &self,
        loaded: &Loaded,
        asking: &CampaignId,
        subject: &ContactId,
    ) -> Result<Vec<ContactId>, Error> {
        let Some(other) = loaded.campaigns.get(asking) else { return Ok(Vec::new()) };
        let Some(kind) = other.per().filter(|_| !subject.is_object()) else {
            return Ok(other.subject_in(subject).into_iter().collect());
        };
        let enrolled = self.decisions.states_of_objects(subject, Some(kind)).await?.into_iter();
        Ok(enrolled
            .filter(|(_, campaign, state)| {
                campaign == asking && !state.enrollment.tokens.is_empty()
            })
            .map(|(object, ..)| object)
            .collect())
    }

    /// Whether the decision found, at most [`CATALOG_LAG`] ago, that no campaign asks for the
    /// status.
    fn is_status_unread(&self, decision: &Committed) -> bool {
        let as_of = decision.stored.status_unread_as_of;
        as_of.is_some_and(|as_of| self.store.now() <= as_of + CATALOG_LAG)
    }

    /// Delivers an event to another campaign at once; by a message if it has to wait for the feed.
    /// A command that is sent after one that waits goes with it: commands arrive in the order of
    /// the path (R11).
    async fn deliver_event(
        &self,
        contact: &ContactId,
        campaign: &CampaignId,
        event: Event,
        orders: &mut Vec<Order>,
    ) -> Result<(), Error> {
        if let Event::Commanded { .. } = event
            && let Some(first) = orders.iter_mut().find_map(|it| waiting(it, contact, campaign))
        {
            first.then.push(event);
            return Ok(());
        }
        let outcome = self.decisions.apply_event(contact, campaign, &event).await;
        match self.quarantine.done(contact, campaign, outcome).await? {
            Done::Soon => {
                let (contact, campaign) = (contact.clone(), campaign.clone());
                let event = EnrollmentEvent::new(contact, campaign, event);
                let message = QueueMessage::EnrollmentEvent(event);
                let at = self.store.now();
                orders.push(Order::Send { queue: Queue::Timers, at, message });
            }
            Done::Yes | Done::NotBefore(_) | Done::NotTried(_) => {}
        }
        Ok(())
    }
}

/// The message of a command that waits, if the order is one for this enrollment.
fn waiting<'o>(
    order: &'o mut Order,
    contact: &ContactId,
    campaign: &CampaignId,
) -> Option<&'o mut EnrollmentEvent> {
    match order {
        Order::Send { message: QueueMessage::EnrollmentEvent(waiting), .. }
            if matches!(waiting.event, Event::Commanded { .. })
                && (&waiting.contact, &waiting.campaign) == (contact, campaign) =>
        {
            Some(waiting)
        }
        Order::Send { .. } | Order::Schedule { .. } | Order::Cancel { .. } => None,
    }
}

/// Whether an effect is for other campaigns.
fn is_for_other_campaigns(effect: &Effect) -> bool {
    match effect {
        Effect::Command { .. } | Effect::StatusChanged { .. } => true,
        Effect::Schedule { .. }
        | Effect::Cancel { .. }
        | Effect::Recheck { .. }
        | Effect::Deliver { .. }
        | Effect::RecordMessage { .. }
        | Effect::Call { .. } => false,
    }
}

/// When a decision reached a webhook, according to its lines.
fn called_at(stored: &StoredEnrollment, element: &ElementId) -> Option<Instant> {
    let deferred = stored.deferred.iter().flat_map(|deferred| &deferred.records);
    let mut records = deferred.chain(&stored.records).rev();
    let calls = |record: &&Record| {
        let mut lines = record.lines.iter();
        lines.any(|line| line.what == Happened::Called && line.element.as_ref() == Some(element))
    };
    records.find(calls).map(|record| record.at)
}
