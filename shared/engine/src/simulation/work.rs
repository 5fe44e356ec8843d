//! The work around `decide`: what the change feed, the performers of effects and the delivery queue
//! do.

use std::collections::btree_map::Entry;

use super::rendering::Rendered;
use super::{Observed, SimulatedMessage, World};
use crate::condition::Reads;
use crate::contact::{Author, Change, Contact};
use crate::decide::{
    Advance, ContactWrite, Decision, Delivery, Effect, Event, Ignored, Situation, Source, decide,
    why_no_effect,
};
use crate::enrollment::Enrollment;
use crate::history::{Cause, Changed, MOST_NO_EFFECTS, NoEffect, Trace};
use crate::ids::{CampaignId, ContactId};
use crate::statistics::{Gauge, Outcome};
use crate::status::Status;
use crate::time::Instant;

/// A piece of work that waits. Performing it is idempotent.
#[derive(Debug, Clone, PartialEq)]
pub enum SimulatedWork {
    /// The change feed: a contact after a write.
    Contact {
        /// The `rev` before the write.
        before: u64,
        /// The contact after it.
        image: Box<Contact>,
    },
    /// The change feed: what a decision asked for.
    Effects {
        /// The contact.
        contact: ContactId,
        /// The campaign.
        campaign: CampaignId,
        /// The enrollment's `rev` after the decision.
        rev: u64,
        /// What it asked for.
        effects: Vec<Effect>,
    },
    /// Something for one enrollment.
    Event(ContactId, CampaignId, Event),
}

/// A timer that is set.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// The instant.
    pub at: Instant,
    /// The contact.
    pub contact: ContactId,
    /// The campaign.
    pub campaign: CampaignId,
    /// What it sends.
    pub event: Event,
}

impl Due {
    /// What is due at the same instant is ordered by contact, campaign, run and step.
    fn order(&self) -> (Instant, &ContactId, &CampaignId, u32, u32) {
        let (run, step) = self.event.run_and_step();
        (self.at, &self.contact, &self.campaign, run, step)
    }
}

impl Eq for Due {}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

impl World {
    /// Performs a piece of work.
    pub fn perform(&mut self, work: SimulatedWork) {
        match work {
            SimulatedWork::Contact { before, image } => self.contact_changed(before, &image),
            SimulatedWork::Effects { contact, campaign, rev, effects } => {
                for (index, effect) in (0..).zip(effects) {
                    self.perform_effect(&contact, &campaign, rev, index, effect);
                }
            }
            SimulatedWork::Event(contact, campaign, event) => {
                self.apply_event(&contact, &campaign, &event);
            }
        }
    }

    /// The campaigns that are about the subject, in order of id.
    pub(super) fn campaigns_about(&self, subject: &ContactId) -> Vec<CampaignId> {
        let about = self.campaigns.iter().filter(|(_, campaign)| campaign.is_about(subject));
        about.map(|(id, _)| id.clone()).collect()
    }

    /// Every campaign about the subject decides about the change, in order of id (R10). Then what
    /// objects are concerned by is passed on to them (R72). If it has no effect in any, that is
    /// recorded (R60).
    fn contact_changed(&mut self, before: u64, image: &Contact) {
        let mut asked = Vec::new();
        for campaign in self.campaigns_about(&image.id) {
            let enrollment = self.enrollment(&image.id, &campaign).cloned();
            let seen = enrollment.as_ref().map_or(0, |enrollment| enrollment.seen);
            if seen < image.rev {
                self.decide(image, &campaign, before.max(seen), &Event::Changed, true);
                self.follow(&image.id, &campaign);
            }
            asked.push((campaign, enrollment));
        }
        let is_passed_on = self.pass_on(before, image);
        if let Some(change) = image.recent.last().filter(|change| change.rev == image.rev)
            && change.person.is_none()
            && !is_passed_on
            && !matches!(change.by, Author::Element(..))
            && asked.iter().all(|(campaign, _)| self.is_quiet(&image.id, campaign, image.rev))
            && self.traced.insert((image.id.clone(), image.rev))
        {
            let is_read = |what: &Changed| self.reads(|reads| what.is_in(reads));
            let because = Cause::of(change, |key| image.fields.get(key).cloned(), is_read);
            let no_effect = self.why_no_effect(image, change, &asked, false);
            let trace = Trace { at: change.at, because, unchanged: false, no_effect };
            self.observed.push(Observed::Nothing(image.id.clone(), trace));
        }
    }

    /// Whether any element of any campaign reads this.
    pub(super) fn reads(&self, is_read: impl Fn(&Reads) -> bool) -> bool {
        let mut versions = self.campaigns.values().flat_map(|campaign| campaign.versions.values());
        versions.any(|graph| is_read(graph.reads()))
    }

    /// Whether a change of the contact had no effect in the campaign that decided about it.
    fn is_quiet(&self, contact: &ContactId, campaign: &CampaignId, rev: u64) -> bool {
        // A decision that has only seen changes is usually not committed.
        let is_quiet = |it: &Enrollment| it.seen < rev || it.no_effect.contains(&rev);
        self.enrollment(contact, campaign).is_none_or(is_quiet)
    }

    /// What read the sent values, by the enrollments as they were read.
    pub(super) fn why_no_effect(
        &self,
        contact: &Contact,
        change: &Change,
        asked: &[(CampaignId, Option<Enrollment>)],
        unchanged: bool,
    ) -> Vec<NoEffect> {
        let statuses = |other: &CampaignId| self.status_in(&contact.id, other);
        let mut all = Vec::new();
        for (id, enrollment) in asked {
            let Some(campaign) = self.campaigns.get(id) else { continue };
            let situation = Situation {
                account: &self.account,
                campaign,
                contact,
                person: self.person_of(&contact.id),
                baseline: contact.rev,
                enrollment: enrollment.as_ref(),
                statuses: &statuses,
                is_image: true,
                now: change.at,
            };
            all.extend(why_no_effect(&situation, change, unchanged));
        }
        all.truncate(MOST_NO_EFFECTS);
        all
    }

    /// A milestone may have come since the change: then the latest contact has to be decided on.
    fn follow(&mut self, contact: &ContactId, campaign: &CampaignId) {
        let count = self.campaigns.get(campaign).map_or(0, |campaign| campaign.timeline.count());
        let enrollment = self.enrollment(contact, campaign);
        if enrollment.is_some_and(|enrollment| enrollment.is_behind(count)) {
            let event = Event::Changed;
            self.waiting.push(SimulatedWork::Event(contact.clone(), campaign.clone(), event));
        }
    }

    /// The subject's status in another campaign, in which it may be the person (R71).
    fn status_in(&self, subject: &ContactId, campaign: &CampaignId) -> Option<Status> {
        let Some(other) = self.campaigns.get(campaign) else {
            return self.elsewhere.get(campaign).copied();
        };
        let there = other.subject_in(subject)?;
        self.enrollment(&there, campaign).map(|enrollment| enrollment.status)
    }

    fn apply_event(&mut self, contact: &ContactId, campaign: &CampaignId, event: &Event) {
        let Some(latest) = self.contacts.get(contact).cloned() else { return };
        if let Event::DeliveryDue { run, step } = event
            && self.settled_before(contact, campaign, *run, *step)
        {
            return;
        }
        let baseline = match self.enrollment(contact, campaign) {
            Some(enrollment) => enrollment.seen,
            None => latest.recent.first().map_or(latest.rev, |change| change.rev - 1),
        };
        self.decide(&latest, campaign, baseline, event, false);
    }

    fn decide(
        &mut self,
        contact: &Contact,
        id: &CampaignId,
        baseline: u64,
        event: &Event,
        is_image: bool,
    ) {
        let Some(campaign) = self.campaigns.get(id) else { return };
        let enrollment = self.enrollment(&contact.id, id);
        let statuses = |other: &CampaignId| self.status_in(&contact.id, other);
        let person = self.person_of(&contact.id);
        if contact.id.is_object() && person.is_none() {
            return;
        }
        let baseline = enrollment.map_or(baseline, |enrollment| enrollment.seen.max(baseline));
        let situation = Situation {
            account: &self.account,
            campaign,
            contact,
            person,
            baseline,
            enrollment,
            statuses: &statuses,
            is_image,
            now: self.now,
        };
        match decide(&situation, event) {
            Decision::Advance(advance) => {
                let again = advance.ask_again;
                self.commit(&contact.id, id, *advance, event);
                if again {
                    let latest = self.contacts[&contact.id].clone();
                    self.decide(&latest, id, baseline, event, false);
                }
            }
            // It is recorded only once the contact has dropped changes that were not noted as seen.
            Decision::Seen(next) => {
                if is_image && enrollment.is_some_and(|it| contact.changes_after(it.seen).is_none())
                {
                    self.enrollments.insert((contact.id.clone(), id.clone()), *next);
                }
            }
            Decision::Deliver(delivery) => self.deliver(&contact.id, id, &delivery),
            Decision::Ignore(Ignored::Behind) => {
                // The feed has the older changes; the event waits for it.
                let work = SimulatedWork::Event(contact.id.clone(), id.clone(), event.clone());
                self.waiting.push(work);
            }
            Decision::Ignore(ignored) => {
                self.observed.push(Observed::Ignored(
                    contact.id.clone(),
                    id.clone(),
                    event.clone(),
                    ignored,
                ));
            }
        }
    }

    /// Commits the enrollment and the campaign's writes together; the feed carries both.
    fn commit(
        &mut self,
        contact: &ContactId,
        campaign: &CampaignId,
        advance: Advance,
        event: &Event,
    ) {
        let Advance { enrollment, writes, person_writes, effects, records, delta, ignored, .. } =
            advance;
        if let Some(ignored) = ignored {
            self.observed.push(Observed::Ignored(
                contact.clone(),
                campaign.clone(),
                event.clone(),
                ignored,
            ));
        }
        self.apply_writes(contact, &writes);
        self.apply_writes(&contact.person(), &person_writes);
        for record in records {
            self.observed.push(Observed::History(contact.clone(), campaign.clone(), record));
        }
        let key = (contact.clone(), campaign.clone());
        let gauges = Gauge::between(self.enrollments.get(&key), Some(&enrollment));
        let statistics = self.statistics.entry(campaign.clone()).or_default();
        statistics.add(&delta);
        statistics.add(&gauges);
        let rev = enrollment.rev;
        self.enrollments.insert(key, enrollment);
        let (contact, campaign) = (contact.clone(), campaign.clone());
        self.waiting.push(SimulatedWork::Effects { contact, campaign, rev, effects });
    }

    fn apply_writes(&mut self, subject: &ContactId, writes: &[ContactWrite]) {
        let Some(latest) = self.contacts.get_mut(subject).filter(|_| !writes.is_empty()) else {
            return;
        };
        let before = latest.rev;
        ContactWrite::apply_all(writes, latest, self.now);
        if latest.rev > before {
            latest.note_known_catalog(before, Some(self.catalog));
            let image = Box::new(latest.clone());
            self.waiting.push(SimulatedWork::Contact { before, image });
        }
    }

    fn perform_effect(
        &mut self,
        contact: &ContactId,
        campaign: &CampaignId,
        rev: u64,
        index: u32,
        effect: Effect,
    ) {
        let due =
            |at, event| Due { at, contact: contact.clone(), campaign: campaign.clone(), event };
        match effect {
            Effect::Schedule { run, step, due: at } => {
                self.timers.insert(due(at, Event::TimerDue { run, step, due: at }));
            }
            Effect::Cancel { run, step, due: at } => {
                self.timers.remove(&due(at, Event::TimerDue { run, step, due: at }));
            }
            Effect::Recheck { run, due: at } => {
                self.timers.insert(due(at, Event::RecheckDue { run, due: at }));
            }
            Effect::Deliver { run, step, .. } => {
                let event = Event::DeliveryDue { run, step };
                self.waiting.push(SimulatedWork::Event(contact.clone(), campaign.clone(), event));
            }
            Effect::RecordMessage { run, step, element, outcome, reason, .. } => {
                let key = (contact.clone(), campaign.clone(), run, step);
                if let Entry::Vacant(unsettled) = self.ledger.entry(key) {
                    unsettled.insert((outcome, Some(reason.clone())));
                    self.observed.push(Observed::Message(SimulatedMessage {
                        contact: contact.clone(),
                        campaign: campaign.clone(),
                        run,
                        step,
                        element,
                        at: self.now,
                        outcome,
                        reason: Some(reason),
                        subject: String::new(),
                        text: String::new(),
                        html: None,
                    }));
                }
            }
            Effect::Call { element, .. } => {
                self.observed.push(Observed::Called(contact.clone(), campaign.clone(), element));
            }
            Effect::Command { campaign: target, command, causality } => {
                let from = Source {
                    campaign: campaign.clone(),
                    object: contact.is_object().then(|| contact.clone()),
                    rev,
                    index,
                };
                let event = Event::Commanded { from, command, causality };
                let there = self.campaigns.get(&target).map(|target| target.subject_in(contact));
                if let Some(there) = there.unwrap_or_else(|| Some(contact.clone())) {
                    self.waiting.push(SimulatedWork::Event(there, target, event));
                }
            }
            Effect::StatusChanged { causality } => {
                let readers: Vec<CampaignId> = self
                    .campaigns
                    .iter()
                    .filter(|(id, other)| {
                        *id != campaign
                            && other
                                .versions
                                .values()
                                .any(|graph| graph.reads().campaigns.contains(campaign))
                    })
                    .map(|(id, _)| id.clone())
                    .collect();
                for reader in readers {
                    let from = Source {
                        campaign: campaign.clone(),
                        object: contact.is_object().then(|| contact.clone()),
                        rev,
                        index,
                    };
                    let event = Event::StatusChanged { from, causality };
                    for subject in self.readers_of_status(contact, &reader) {
                        let work = SimulatedWork::Event(subject, reader.clone(), event.clone());
                        self.waiting.push(work);
                    }
                }
            }
        }
    }

    /// Sends a message, once (R30), and settles it.
    fn deliver(&mut self, contact: &ContactId, campaign: &CampaignId, delivery: &Delivery) {
        let (run, step) = (delivery.run, delivery.step);
        let (outcome, reason, rendered) = match self.render(contact, campaign, delivery) {
            Ok(rendered) => (self.mail_service, self.why_not_sent(), rendered),
            Err(error) => (Outcome::Failed, Some(error), Rendered::default()),
        };
        let Rendered { subject, text, html } = rendered;
        let key = (contact.clone(), campaign.clone(), run, step);
        self.ledger.insert(key, (outcome, reason.clone()));
        self.observed.push(Observed::Message(SimulatedMessage {
            contact: contact.clone(),
            campaign: campaign.clone(),
            run,
            step,
            element: delivery.element.clone(),
            at: self.now,
            outcome,
            reason,
            subject,
            text,
            html,
        }));
        self.settled_before(contact, campaign, run, step);
    }

    /// What the mail service answers for a message that it does not send (R31).
    fn why_not_sent(&self) -> Option<String> {
        match self.mail_service {
            Outcome::Sent | Outcome::Suppressed => None,
            Outcome::Failed => Some("the mail service refused it".to_owned()),
            Outcome::Unknown => Some("the mail service gave no answer".to_owned()),
        }
    }

    /// Reports again what the ledger knows of a message, without another check: it has left, or
    /// never will (R30). Returns whether the ledger knows it.
    fn settled_before(
        &mut self,
        contact: &ContactId,
        campaign: &CampaignId,
        run: u32,
        step: u32,
    ) -> bool {
        let key = (contact.clone(), campaign.clone(), run, step);
        let Some((outcome, reason)) = self.ledger.get(&key).cloned() else { return false };
        let event = Event::Settled { run, step, outcome, reason };
        self.waiting.push(SimulatedWork::Event(contact.clone(), campaign.clone(), event));
        true
    }

    /// What happens next and when, for one contact and campaign (R61).
    pub fn next_due(&self, contact: &ContactId, campaign: &CampaignId) -> Option<Instant> {
        let enrollment: &Enrollment = self.enrollment(contact, campaign)?;
        enrollment
            .tokens
            .iter()
            .filter_map(crate::enrollment::Token::due)
            .chain(enrollment.parked.as_ref().and(enrollment.eligible_at))
            .min()
    }
}
