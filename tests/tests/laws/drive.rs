//! Drives a world as real queues do: in random order where no order is promised.
//!
//! | in order | why |
//! |---|---|
//! | the feed, for a contact | it orders per item |
//! | the effects of an enrollment | it orders per item |
//! | the commands of one campaign to another about a contact | they are sent while those effects are performed |
//! | what one campaign tells another of its status | the same; but commands may wait for the feed, so they are apart |
//! | jobs | they have a sequence number |
//!
//! Everything else is delivered in any order, repeats at any later time.

use std::collections::BTreeMap;

use dacapo_engine::decide::{Event, Ignored};
use dacapo_engine::enrollment::Enrollment;
use dacapo_engine::ids::{CampaignId, ContactId};
use dacapo_engine::simulation::{Due, Observed, SimulatedWork, World};
use dacapo_engine::time::Instant;

/// More work than any story makes: a story that makes more never comes to rest.
const MOST_WORK: usize = 20_000;

pub(crate) type Key = (ContactId, CampaignId);

/// Work that is done in order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OrderingKey {
    Feed(ContactId),
    Effects(ContactId, CampaignId),
    Command(ContactId, CampaignId, CampaignId),
    Status(ContactId, CampaignId, CampaignId),
    Jobs(ContactId, CampaignId),
}

pub(crate) fn ordering_key(work: &SimulatedWork) -> Option<OrderingKey> {
    match work {
        SimulatedWork::Contact { image, .. } => Some(OrderingKey::Feed(image.id.clone())),
        SimulatedWork::Effects { contact, campaign, .. } => {
            Some(OrderingKey::Effects(contact.clone(), campaign.clone()))
        }
        SimulatedWork::Event(contact, campaign, event) => match event {
            Event::Commanded { from, .. } => {
                let from = from.campaign.clone();
                Some(OrderingKey::Command(contact.clone(), campaign.clone(), from))
            }
            Event::StatusChanged { from, .. } => {
                let from = from.campaign.clone();
                Some(OrderingKey::Status(contact.clone(), campaign.clone(), from))
            }
            Event::MassStop { .. } | Event::EnrollExisting { .. } | Event::MassRelease { .. } => {
                Some(OrderingKey::Jobs(contact.clone(), campaign.clone()))
            }
            Event::Changed
            | Event::TimerDue { .. }
            | Event::RecheckDue { .. }
            | Event::DeliveryDue { .. }
            | Event::Settled { .. }
            | Event::ByHand { .. }
            | Event::Released { .. } => None,
        },
    }
}

/// The ordering key of the work.
pub(crate) fn contact_of(work: &SimulatedWork) -> &ContactId {
    match work {
        SimulatedWork::Contact { image, .. } => &image.id,
        SimulatedWork::Effects { contact, .. } | SimulatedWork::Event(contact, ..) => contact,
    }
}

/// A piece of work that was performed, with the state before it.
pub(crate) struct Performed<'a> {
    pub(crate) work: &'a SimulatedWork,
    pub(crate) before: &'a BTreeMap<Key, Enrollment>,
    pub(crate) now: Instant,
    /// What it made.
    pub(crate) made: &'a [SimulatedWork],
    /// Its visible effects.
    pub(crate) observed: &'a [Observed],
    pub(crate) world: &'a World,
}

impl Performed<'_> {
    pub(crate) fn before(&self, key: &Key) -> Option<&Enrollment> {
        self.before.get(key)
    }

    pub(crate) fn after(&self, key: &Key) -> Option<&Enrollment> {
        self.world.enrollment(&key.0, &key.1)
    }
}

/// An observer of every piece of work.
pub(crate) trait Watch {
    /// Before it.
    fn before(&mut self, _: &World, _: &SimulatedWork) {}
    /// After it.
    fn after(&mut self, _: &Performed<'_>) {}
    /// Whether nothing waits and no timer is due.
    fn at_rest(&mut self, _: &World) {}
}

/// No observer.
pub(crate) struct Unwatched;
impl Watch for Unwatched {}

/// See the module.
#[derive(Clone)]
pub(crate) struct Drive {
    pub(crate) world: World,
    /// The waiting work.
    pub(crate) queue: Vec<SimulatedWork>,
    /// The performed work, oldest first.
    pub(crate) done: Vec<SimulatedWork>,
    /// Timers that a repeat has set a second time.
    late: Vec<Due>,
    /// Work that found no enrollment and made none, or found a pause: no state records it.
    forgotten: Vec<SimulatedWork>,
}

impl Drive {
    pub(crate) fn new(world: World) -> Self {
        let mut drive = Self {
            world,
            queue: Vec::new(),
            done: Vec::new(),
            late: Vec::new(),
            forgotten: Vec::new(),
        };
        drive.collect();
        drive
    }

    /// Moves the world's new work into the queue.
    pub(crate) fn collect(&mut self) {
        let made = self.taken();
        self.queue.extend(made);
    }

    fn taken(&mut self) -> Vec<SimulatedWork> {
        let mut made = Vec::new();
        while !self.world.waiting().is_empty() {
            made.push(self.world.take_waiting(0));
        }
        made
    }

    /// The indices of the work that may be performed next.
    pub(crate) fn available(&self) -> Vec<usize> {
        let mut by_key = Vec::new();
        let mut available = Vec::new();
        for (place, work) in self.queue.iter().enumerate() {
            match ordering_key(work) {
                Some(ordering_key) if by_key.contains(&ordering_key) => {}
                Some(ordering_key) => {
                    by_key.push(ordering_key);
                    available.push(place);
                }
                None => available.push(place),
            }
        }
        available
    }

    /// Performs the work at an index. Returns whether it was possible: work that waits for the feed
    /// goes back.
    pub(crate) fn perform(&mut self, place: usize, watch: &mut dyn Watch) -> bool {
        let work = self.queue.remove(place);
        if self.perform_now(&work, watch) {
            self.done.push(work);
            return true;
        }
        self.queue.insert(place, work);
        false
    }

    /// Performs a piece of work. Returns whether it was possible.
    fn perform_now(&mut self, work: &SimulatedWork, watch: &mut dyn Watch) -> bool {
        watch.before(&self.world, work);
        let before: BTreeMap<Key, Enrollment> = self
            .world
            .enrollments()
            .map(|(key, enrollment)| (key.clone(), enrollment.clone()))
            .collect();
        let now = self.world.now();
        let seen = self.world.observed.len();
        self.world.perform(work.clone());
        let mut made = self.taken();
        let is_behind = made.iter().position(|made| made == work);
        if let Some(place) = is_behind {
            made.remove(place);
        }
        watch.after(&Performed {
            work,
            before: &before,
            now,
            made: &made,
            observed: &self.world.observed[seen..],
            world: &self.world,
        });
        self.queue.extend(made);
        let held_back = self.world.observed[seen..]
            .iter()
            .any(|one| matches!(one, Observed::Ignored(_, _, _, Ignored::Paused)));
        if let SimulatedWork::Event(contact, campaign, _) = work
            && (held_back || self.world.enrollment(contact, campaign).is_none())
        {
            self.forgotten.push(work.clone());
        }
        is_behind.is_none()
    }

    /// The timers that are due.
    pub(crate) fn due(&self) -> Vec<Due> {
        self.world.timers().take_while(|due| due.at <= self.world.now()).cloned().collect()
    }

    /// Fires a timer that is due.
    pub(crate) fn fire(&mut self, due: &Due, watch: &mut dyn Watch) {
        if self.world.take_timer(due) {
            let work =
                SimulatedWork::Event(due.contact.clone(), due.campaign.clone(), due.event.clone());
            if self.perform_now(&work, watch) {
                self.done.push(work);
            } else {
                self.queue.push(work);
            }
        }
    }

    /// Performs all waiting and due work, in order.
    pub(crate) fn settle(&mut self, watch: &mut dyn Watch) {
        for _ in 0..MOST_WORK {
            let performed = self.available().into_iter().any(|place| self.perform(place, watch));
            if performed {
                continue;
            }
            assert!(self.queue.is_empty(), "nothing of this can be performed: {:?}", self.queue);
            match self.due().first() {
                Some(due) => self.fire(&due.clone(), watch),
                None => {
                    watch.at_rest(&self.world);
                    return;
                }
            }
        }
        let last = self.done.len().saturating_sub(20);
        panic!("the world never comes to rest: {:?}", &self.done[last..]);
    }

    /// Moves the clock with the system at work: every timer fires at its instant.
    pub(crate) fn advance_to(&mut self, to: Instant, watch: &mut dyn Watch) {
        self.settle(watch);
        for _ in 0..MOST_WORK {
            let first = self.world.timers().next().map(|due| due.at);
            match first {
                Some(due) if due <= to => self.world.jump_to(due),
                Some(_) | None => {
                    self.world.jump_to(to);
                    self.settle(watch);
                    return;
                }
            }
            self.settle(watch);
        }
        panic!("the world never comes to rest");
    }

    /// Brings every enrollment of the contact up to date, as any repeat would do besides.
    pub(crate) fn refresh(&mut self, contact: &ContactId, campaigns: &[CampaignId]) {
        for _ in 0..MOST_WORK {
            for campaign in campaigns {
                let work = SimulatedWork::Event(contact.clone(), campaign.clone(), Event::Changed);
                self.perform_now(&work, &mut Unwatched);
            }
            let feed = Some(OrderingKey::Feed(contact.clone()));
            match self.queue.iter().position(|work| ordering_key(work) == feed) {
                Some(place) => self.perform(place, &mut Unwatched),
                None => return,
            };
        }
    }

    /// Repeats performed work. Ordered work is repeated in order from there, and so is the work
    /// that it makes. A timer that it sets a second time fires a second time when it is due.
    pub(crate) fn repeat(&mut self, nth: usize) {
        let again = self.done[nth].clone();
        let ordering_key_of_it = ordering_key(&again);
        let mut echo: Vec<SimulatedWork> = match ordering_key_of_it {
            Some(_) => self.done[nth..]
                .iter()
                .filter(|w| ordering_key(w) == ordering_key_of_it)
                .cloned()
                .collect(),
            None => vec![again],
        };
        let timers: Vec<Due> = self.world.timers().cloned().collect();
        let queued = self.queue.len();
        let mut performed = 0;
        while performed < echo.len() {
            let work = echo[performed].clone();
            performed += 1;
            if !self.is_a_repeat(&work, queued) {
                continue;
            }
            self.perform_now(&work, &mut Unwatched);
            echo.extend(self.queue.drain(queued..));
            assert!(performed < MOST_WORK, "a repeat never comes to rest");
        }
        let set: Vec<Due> =
            self.world.timers().filter(|due| !timers.contains(due)).cloned().collect();
        for due in set {
            self.world.take_timer(&due);
            self.late.push(due);
        }
    }

    /// Work that still waits is no repeat, but the same work delivered twice. Work that no state
    /// records would be new, and so would be work that a version published meanwhile orders.
    fn is_a_repeat(&self, work: &SimulatedWork, queued: usize) -> bool {
        let key = ordering_key(work);
        let is_told = matches!(key, Some(OrderingKey::Command(..) | OrderingKey::Status(..)));
        let was_told = !is_told || self.done.contains(work);
        was_told && !self.queue[..queued].contains(work) && !self.forgotten.contains(work)
    }

    /// Fires the timers that were set a second time and are due.
    pub(crate) fn fire_late(&mut self) {
        let now = self.world.now();
        let (due, late) = std::mem::take(&mut self.late).into_iter().partition(|due| due.at <= now);
        self.late = late;
        let due: Vec<Due> = due;
        for due in due {
            self.done.push(SimulatedWork::Event(due.contact, due.campaign, due.event));
            self.repeat(self.done.len() - 1);
            self.done.pop();
        }
    }
}
