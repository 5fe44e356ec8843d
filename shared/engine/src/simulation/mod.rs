//! A world in memory: contacts, campaigns, a clock that is set by the test, and everything that the
//! platform would do around `decide`.
//!
//! It promises what the platform promises: changes of a contact are processed in order, effects
//! follow the commit, timers fire in order of time. A test may perform the waiting work in another
//! order, or twice, as real queues do ([`World::waiting`], [`World::perform`]).

mod objects;
mod rendering;
mod resuming;
mod traces;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::account::Account;
use crate::campaign::format::{Document, ObjectDefinition};
use crate::campaign::graph::Graph;
use crate::campaign::{Campaign, Reached, Timeline};
use crate::contact::{Author, Consent, Contact, Patch};
use crate::decide::{Event, Ignored};
use crate::enrollment::{Enrollment, Status};
use crate::field::FieldType;
use crate::history::{Command, Record, Trace};
use crate::ids::{CampaignId, ContactId, ElementId, FieldKey, ObjectType};
use crate::statistics::{Outcome, Tally};
use crate::time::Instant;
pub use objects::ObjectKey;
pub use work::{Due, SimulatedWork};

/// A message as the contact gets it, or as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatedMessage {
    /// The contact.
    pub contact: ContactId,
    /// The campaign.
    pub campaign: CampaignId,
    /// The run.
    pub run: u32,
    /// The step.
    pub step: u32,
    /// The element.
    pub element: ElementId,
    /// When it was settled.
    pub at: Instant,
    /// How it was settled.
    pub outcome: Outcome,
    /// Why it was not sent.
    pub reason: Option<String>,
    /// The rendered subject, if it was sent.
    pub subject: String,
    /// The rendered text, if it was sent; empty if the e-mail has none.
    pub text: String,
    /// The rendered HTML, if it was sent and the e-mail has some.
    pub html: Option<String>,
}

/// Something to be reported, in the order in which it happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Observed {
    /// A message was settled.
    Message(SimulatedMessage),
    /// Lines were added to a contact's history.
    History(ContactId, CampaignId, Record),
    /// What was sent about a contact had no effect (R60).
    Nothing(ContactId, Trace),
    /// A webhook was called.
    Called(ContactId, CampaignId, ElementId),
    /// An event was ignored.
    Ignored(ContactId, CampaignId, Event, Ignored),
}

/// How a message was settled, and why it was not sent.
type Settlement = (Outcome, Option<String>);

/// See the module.
#[derive(Debug, Clone)]
pub struct World {
    /// The account.
    pub account: Account,
    /// What happened, oldest first.
    pub observed: Vec<Observed>,
    /// The mail service's result for a message that it receives: sent, failed or unknown.
    pub mail_service: Outcome,
    now: Instant,
    fields: BTreeMap<FieldKey, FieldType>,
    campaigns: BTreeMap<CampaignId, Campaign>,
    object_types: BTreeMap<ObjectType, ObjectDefinition>,
    /// Contacts, and their objects.
    contacts: BTreeMap<ContactId, Contact>,
    /// What the keys of objects stand for.
    keys: BTreeMap<(ObjectType, String), objects::SubjectOfKey>,
    enrollments: BTreeMap<(ContactId, CampaignId), Enrollment>,
    /// The statuses in campaigns that are not in the world.
    elsewhere: BTreeMap<CampaignId, Status>,
    statistics: BTreeMap<CampaignId, Tally>,
    /// How each message was settled, and why it was not sent (R30).
    ledger: BTreeMap<(ContactId, CampaignId, u32, u32), Settlement>,
    waiting: Vec<SimulatedWork>,
    timers: BTreeSet<Due>,
    /// When pauses end by themselves, and who said so (R26).
    pause_ends: BTreeMap<CampaignId, (Instant, String)>,
    jobs: u64,
    /// How often anything was published, paused or resumed.
    catalog: u64,
    /// The changes that had no effect, each reported once.
    traced: BTreeSet<(ContactId, u64)>,
    /// The writes that changed nothing, each reported once until something happens.
    without_change: Vec<traces::Identity>,
}

impl World {
    /// An empty world.
    pub fn new(account: Account, now: Instant) -> Self {
        Self {
            account,
            observed: Vec::new(),
            mail_service: Outcome::Sent,
            now,
            fields: BTreeMap::new(),
            campaigns: BTreeMap::new(),
            object_types: BTreeMap::new(),
            contacts: BTreeMap::new(),
            keys: BTreeMap::new(),
            enrollments: BTreeMap::new(),
            elsewhere: BTreeMap::new(),
            statistics: BTreeMap::new(),
            ledger: BTreeMap::new(),
            waiting: Vec::new(),
            timers: BTreeSet::new(),
            pause_ends: BTreeMap::new(),
            jobs: 0,
            catalog: 0,
            traced: BTreeSet::new(),
            without_change: Vec::new(),
        }
    }

    /// The instant.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Publishes a validated document (R50). Returns the version.
    pub fn publish(&mut self, document: Document, migrate: bool, enroll_existing: bool) -> u32 {
        let id = document.id.clone();
        let campaign = self.campaigns.entry(id.clone()).or_insert_with(|| Campaign {
            id: id.clone(),
            timeline: Timeline::default(),
            versions: BTreeMap::new(),
        });
        let version = campaign.versions.keys().last().map_or(1, |last| last + 1);
        let graph = Graph::new(version, document, &self.fields, &self.object_types);
        self.fields
            .extend(graph.document.fields.iter().map(|(key, field)| (key.clone(), field.kind)));
        for (kind, of) in &graph.document.objects {
            let fields = of.fields.iter().map(|(key, field)| (key.clone(), field.clone()));
            self.object_types.entry(kind.clone()).or_default().fields.extend(fields);
        }
        campaign.versions.insert(version, Arc::new(graph));
        self.reach(&id, Reached::Published { version, migrate });
        self.apply_milestones_to_all(&id);
        if enroll_existing {
            self.enroll_existing(&id);
        }
        version
    }

    /// Checks the starts for every contact that may enter (R6).
    pub fn enroll_existing(&mut self, id: &CampaignId) {
        self.jobs += 1;
        self.for_every_subject(id, &Event::EnrollExisting { job: self.jobs });
    }

    /// Pauses a campaign (R51).
    pub fn pause(&mut self, id: &CampaignId) {
        self.pause_ends.remove(id);
        if !self.is_paused(id) {
            self.reach(id, Reached::Paused {});
        }
    }

    /// Pauses a campaign until an instant, at which it goes on by itself (R26). `by` is the name of
    /// the API key that asks.
    pub fn pause_until(&mut self, id: &CampaignId, until: Instant, by: &str) {
        self.pause(id);
        self.pause_ends.insert(id.clone(), (until, by.to_owned()));
    }

    /// Resumes the campaigns whose pause is over. Returns whether there were any.
    fn end_pauses(&mut self) -> bool {
        let over = self.pause_ends.iter().filter(|(_, (until, _))| *until <= self.now);
        let over: Vec<_> = over.map(|(id, (_, by))| (id.clone(), by.clone())).collect();
        for (id, by) in &over {
            self.resume(id, false, by);
        }
        !over.is_empty()
    }

    /// Resumes a campaign (R51); one that runs is left as it is. `by` is the name of the API key
    /// that asks.
    pub fn resume(&mut self, id: &CampaignId, skip: bool, by: &str) {
        self.pause_ends.remove(id);
        if self.is_paused(id) {
            self.reach(id, Reached::Resumed { skip, by: Some(by.to_owned()) });
            self.apply_milestones_to_all(id);
        }
    }

    fn is_paused(&self, id: &CampaignId) -> bool {
        let standing = self.campaigns.get(id).and_then(|campaign| campaign.timeline.standing());
        standing.is_some_and(|standing| standing.paused)
    }

    fn reach(&mut self, id: &CampaignId, what: Reached) {
        let Some(campaign) = self.campaigns.get_mut(id) else { return };
        self.catalog += 1;
        let before = campaign.timeline.count();
        campaign.timeline.reach(self.now, what);
        campaign.timeline.written_in(before, self.catalog);
    }

    /// Every enrollment is to apply the campaign's new milestones.
    fn apply_milestones_to_all(&mut self, id: &CampaignId) {
        for (contact, campaign) in self.enrollments.keys() {
            if campaign == id {
                let work = SimulatedWork::Event(contact.clone(), id.clone(), Event::Changed);
                self.waiting.push(work);
            }
        }
    }

    /// Creates or changes a contact (R1). Returns whether anything changed.
    pub fn write(&mut self, id: &ContactId, patch: &Patch, by: Author) -> bool {
        let now = self.now;
        let contact = self
            .contacts
            .entry(id.clone())
            .or_insert_with(|| Contact::new(id.clone(), Consent::Subscribed, now));
        let before = contact.rev;
        let changed = contact.apply(patch, by.clone(), None, now, 0).is_some();
        if changed {
            contact.note_known_catalog(before, Some(self.catalog));
            let image = Box::new(contact.clone());
            self.waiting.push(SimulatedWork::Contact { before, image });
        } else {
            let image = Box::new(contact.clone());
            self.nothing_changed(&image, patch, by);
        }
        changed
    }

    /// The job *Stop campaign* on every contact of the campaign (R16).
    pub fn mass_stop(&mut self, id: &CampaignId, reset_contacts: bool, reset_statistics: bool) {
        self.jobs += 1;
        let event = Event::MassStop {
            job: self.jobs,
            name: format!("job {}", self.jobs),
            reset_contacts,
            reset_statistics,
        };
        self.for_every_subject(id, &event);
    }

    /// A user starts, resets or stops one contact by hand.
    pub fn by_hand(&mut self, contact: &ContactId, id: &CampaignId, command: Command, by: Author) {
        let event = Event::ByHand { command, by, call: None };
        self.waiting.push(SimulatedWork::Event(contact.clone(), id.clone(), event));
    }

    /// Releases a held enrollment (R40).
    pub fn release(&mut self, contact: &ContactId, id: &CampaignId, by: Author) {
        let event = Event::Released { by, call: None };
        self.waiting.push(SimulatedWork::Event(contact.clone(), id.clone(), event));
    }

    /// Performs all that waits, in order, without moving the clock.
    pub fn settle(&mut self) {
        while self.perform_next() {}
    }

    /// Performs the next piece of what waits or is due, without moving the clock. Returns whether
    /// there was any.
    pub fn perform_next(&mut self) -> bool {
        if !self.waiting.is_empty() {
            let work = self.waiting.remove(0);
            self.perform(work);
            return true;
        }
        if self.end_pauses() {
            return true;
        }
        match self.timers.first() {
            Some(due) if due.at <= self.now => {
                let due = due.clone();
                self.timers.remove(&due);
                self.perform(SimulatedWork::Event(due.contact, due.campaign, due.event));
                true
            }
            Some(_) | None => false,
        }
    }

    /// Moves the clock, firing what comes due in order of time and settling at every instant.
    /// Returns how many timers fired.
    pub fn advance_to(&mut self, to: Instant) -> usize {
        let mut fired = 0;
        self.settle();
        while let Some(due) = self.next_instant()
            && due <= to
        {
            self.now = self.now.max(due);
            fired += self.timers.iter().take_while(|timer| timer.at <= self.now).count();
            self.settle();
        }
        self.now = self.now.max(to);
        fired
    }

    /// When a timer is due or a pause ends next.
    pub fn next_instant(&self) -> Option<Instant> {
        let ends = self.pause_ends.values().map(|(until, _)| *until);
        self.timers.first().map(|due| due.at).into_iter().chain(ends).min()
    }

    /// Moves the clock without performing anything: as if the system were down.
    pub fn jump_to(&mut self, to: Instant) {
        self.now = self.now.max(to);
    }

    /// What waits to be performed.
    pub fn waiting(&self) -> &[SimulatedWork] {
        &self.waiting
    }

    /// Takes one piece of the waiting work, to perform it out of order.
    pub fn take_waiting(&mut self, nth: usize) -> SimulatedWork {
        self.waiting.remove(nth)
    }

    /// The timers that are set.
    pub fn timers(&self) -> impl Iterator<Item = &Due> {
        self.timers.iter()
    }

    /// Takes a timer that is due, to perform it out of order.
    pub fn take_timer(&mut self, due: &Due) -> bool {
        self.timers.remove(due)
    }

    /// A contact.
    pub fn contact(&self, id: &ContactId) -> Option<&Contact> {
        self.contacts.get(id)
    }

    /// The contacts, and their objects.
    pub fn contacts(&self) -> impl Iterator<Item = &Contact> {
        self.contacts.values()
    }

    /// A campaign.
    pub fn campaign(&self, id: &CampaignId) -> Option<&Campaign> {
        self.campaigns.get(id)
    }

    /// An enrollment.
    pub fn enrollment(&self, contact: &ContactId, campaign: &CampaignId) -> Option<&Enrollment> {
        self.enrollments.get(&(contact.clone(), campaign.clone()))
    }

    /// All enrollments.
    pub fn enrollments(&self) -> impl Iterator<Item = (&(ContactId, CampaignId), &Enrollment)> {
        self.enrollments.iter()
    }

    /// A campaign's statistics.
    pub fn statistics(&self, campaign: &CampaignId) -> Tally {
        self.statistics.get(campaign).cloned().unwrap_or_default()
    }

    /// The types of the account's fields.
    pub fn fields(&self) -> &BTreeMap<FieldKey, FieldType> {
        &self.fields
    }

    /// Declares a field of the account.
    pub fn declare(&mut self, key: FieldKey, kind: FieldType) {
        self.fields.insert(key, kind);
    }

    /// The messages so far.
    pub fn messages(&self) -> impl Iterator<Item = &SimulatedMessage> {
        self.observed.iter().filter_map(|observed| match observed {
            Observed::Message(message) => Some(message),
            Observed::History(..)
            | Observed::Nothing(..)
            | Observed::Called(..)
            | Observed::Ignored(..) => None,
        })
    }
}
