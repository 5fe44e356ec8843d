//! The clock of a scenario: steps in order, reactions of people to messages, and the world's work
//! at every instant in between.

use std::collections::{BTreeMap, BTreeSet};

use dacapo_engine::compact::{CollectCompactly as _, SortCompactly as _};
use dacapo_engine::history::Record;
use dacapo_engine::ids::{CampaignId, ContactId, ElementId};
use dacapo_engine::problem::Problem;
use dacapo_engine::simulation::{Observed, World};
use dacapo_engine::statistics::Outcome;
use dacapo_engine::time::Instant;

use super::observing::{about, observe, reword, zone_of};
use super::people::Person;
use super::reading;
use super::steps::Planned;
use super::words::words_of;
use super::{Bounds, LONGEST_LOOK};
use crate::journey::{self, Ended, Journey, Standing, Waiting, local, shown};
use crate::scenario::{Scenario, ScenarioStep, Until};
use crate::wrong::wrong;

/// See the module.
pub(super) struct Player<'a> {
    pub(super) world: World,
    scenario: &'a Scenario,
    pub(super) bounds: &'a Bounds,
    /// How many pieces of work were done.
    pub(super) events: usize,
    pub(super) journey: Journey,
    /// When who reacts by which step, in order.
    reactions: BTreeSet<(Instant, u64, usize, ContactId)>,
    /// How often somebody has reacted by a step.
    reacted: BTreeMap<(usize, ContactId), u32>,
    /// The records of history, each with where its entries begin.
    recorded: Vec<(usize, ContactId, Record)>,
    sequence: u64,
}

impl<'a> Player<'a> {
    /// A world in which nothing has happened yet.
    pub(super) fn new(
        world: World,
        scenario: &'a Scenario,
        bounds: &'a Bounds,
        mut campaigns: Vec<CampaignId>,
    ) -> Self {
        campaigns.sort_compactly();
        let journey = Journey {
            name: scenario.name.clone(),
            time_zone: world.account.zone,
            began: world.now(),
            ended: world.now(),
            ended_because: Ended::NothingDue,
            campaigns,
            entries: Vec::new(),
            messages: Vec::new(),
            enrollments: Vec::new(),
            contacts: BTreeMap::new(),
        };
        Self {
            world,
            scenario,
            bounds,
            events: 0,
            journey,
            reactions: BTreeSet::new(),
            reacted: BTreeMap::new(),
            recorded: Vec::new(),
            sequence: 0,
        }
    }

    /// A contact is posted at the beginning.
    pub(super) fn arrives(&mut self, person: &Person<'_>) -> Result<(), Problem> {
        let zone = self.world.account.zone;
        let patch = reading::patch(&self.world, person.post, &person.path, zone)?;
        let words = words_of(&patch, Some(person.post));
        self.posts(&person.id, &patch, &words, None)?;
        self.settle(&[], &person.path)
    }

    /// All steps, and what comes of them.
    pub(super) fn plays(&mut self, planned: &[Planned<'_>]) -> Result<(), Problem> {
        let mut sequential = (0..)
            .zip(planned)
            .filter(|(_, it): &(usize, _)| it.step.when_sent.is_none())
            .peekable();
        // What the contacts were sent at the beginning.
        for message in self.journey.messages.clone() {
            let to = ContactId::new(message.to.as_str());
            if let (Outcome::Sent, Ok(to)) = (message.outcome, to) {
                self.reacts(planned, &to, &message.element, message.at);
            }
        }
        let mut last = self.world.now();
        let limit = self.journey.began + self.bounds.length;
        loop {
            let next = match sequential.peek() {
                Some((nth, step)) => Some((self.when(step, last)?, *nth)),
                None => None,
            };
            let reaction = self.reactions.first().map(|(at, ..)| *at);
            let soonest = next.map(|(at, _)| at).into_iter().chain(reaction).min();
            let Some(at) = soonest else { break };
            let end = self.end(last, next.is_none());
            let path = match next {
                Some((step_at, nth)) if step_at == at => format!("then[{nth}]"),
                Some(_) | None => "then".to_owned(),
            };
            if at > limit {
                return Err(self.too_long(&path));
            }
            if let (Some(end), Some((step_at, _))) = (end, next)
                && step_at > end
            {
                let message = format!(
                    "the scenario ends at {}, before this step",
                    local(end, self.world.account.zone)
                );
                return Err(wrong(
                    "contradiction",
                    path,
                    message,
                    "let `until` be later, or remove it",
                ));
            }
            if end.is_some_and(|end| at > end) {
                break;
            }
            self.advance(at, planned, &path)?;
            // The work of the instant may have made somebody react at once.
            if self.first_reaction(at, planned)? {
                continue;
            }
            if let Some((step_at, nth)) = next
                && step_at <= at
            {
                sequential.next();
                last = at;
                self.does(nth, &planned[nth], planned[nth].contact.as_ref())?;
                self.settle(planned, &planned[nth].path)?;
            }
        }
        self.looks_on(last, planned, limit)
    }

    /// Does the first reaction that is due by now, if there is one.
    fn first_reaction(&mut self, at: Instant, planned: &[Planned<'_>]) -> Result<bool, Problem> {
        let Some(first) = self.reactions.first().cloned().filter(|first| first.0 <= at) else {
            return Ok(false);
        };
        self.reactions.remove(&first);
        let (_, _, nth, contact) = first;
        self.does(nth, &planned[nth], Some(&contact))?;
        self.settle(planned, &planned[nth].path)?;
        Ok(true)
    }

    /// After the last step: until nothing is due, or it is long enough.
    fn looks_on(
        &mut self,
        last: Instant,
        planned: &[Planned<'_>],
        limit: Instant,
    ) -> Result<(), Problem> {
        let said = self.end(last, true);
        let end = said.unwrap_or(last + LONGEST_LOOK);
        if end > limit && said.is_some() {
            return Err(self.too_long("until"));
        }
        let end = end.min(limit);
        loop {
            let reaction = self.reactions.first().map(|(at, ..)| *at);
            let due = self.world.next_instant().into_iter().chain(reaction).min();
            let Some(at) = due.filter(|at| *at <= end) else {
                (self.journey.ended, self.journey.ended_because) = match (due, said) {
                    (_, Some(end)) => (end, Ended::Until),
                    (None, None) => (self.world.now(), Ended::NothingDue),
                    (Some(_), None) => (end, Ended::LongAfter),
                };
                return Ok(());
            };
            self.advance(at, planned, "until")?;
            self.first_reaction(at, planned)?;
        }
    }

    /// Where the scenario says that it ends, as far as that is known yet.
    fn end(&self, last: Instant, was_last: bool) -> Option<Instant> {
        match self.scenario.until? {
            Until::At(moment) => Some(moment.instant(self.world.account.zone)),
            Until::For(span) => was_last.then(|| span.after(last, self.world.account.zone)),
        }
    }

    /// When the next step happens.
    fn when(&self, planned: &Planned<'_>, last: Instant) -> Result<Instant, Problem> {
        let zone = match &planned.contact {
            Some(contact) => zone_of(&self.world, contact),
            None => self.world.account.zone,
        };
        let ScenarioStep { at, after, on, .. } = planned.step;
        let at = match (at, after, on) {
            // Instants of the scenario itself are the account's.
            (Some(moment), ..) => moment.instant(self.world.account.zone),
            (None, Some(span), _) => span.after(last, zone),
            (None, None, Some(on)) => on.after(last, zone),
            (None, None, None) => last,
        };
        if at < last {
            let local = |at| local(at, self.world.account.zone);
            let message = format!("{} is before the step before it, {}", local(at), local(last));
            let remedy = "write the steps in the order in which they happen";
            return Err(wrong("contradiction", format!("{}.at", planned.path), message, remedy));
        }
        Ok(at)
    }

    /// Moves the clock, working at every instant on the way.
    fn advance(&mut self, to: Instant, planned: &[Planned<'_>], path: &str) -> Result<(), Problem> {
        self.settle(planned, path)?;
        while let Some(due) = self.world.next_instant()
            && due <= to
            && self.reactions.first().is_none_or(|(at, ..)| due <= *at)
        {
            self.world.jump_to(due);
            self.settle(planned, path)?;
        }
        self.world.jump_to(self.reactions.first().map_or(to, |(at, ..)| to.min(*at)));
        Ok(())
    }

    /// Works until nothing is left to do at this instant, and tells what was observed.
    fn settle(&mut self, planned: &[Planned<'_>], path: &str) -> Result<(), Problem> {
        while self.world.perform_next() {
            self.events += 1;
            if self.events > self.bounds.events {
                return Err(self.too_much(path, self.bounds.events, "events are performed"));
            }
        }
        self.tell(planned);
        if self.journey.messages.len() > self.bounds.messages {
            return Err(self.too_much(path, self.bounds.messages, "messages are settled"));
        }
        Ok(())
    }

    fn tell(&mut self, planned: &[Planned<'_>]) {
        let observed: Vec<Observed> = self.world.observed.drain(..).collect();
        for one in &observed {
            if let Observed::History(subject, _, record) = one {
                let first = self.journey.entries.len();
                self.recorded.push((first, subject.clone(), record.clone()));
            }
            observe(&self.world, one, &mut self.journey);
            if let Observed::Message(message) = one
                && message.outcome == Outcome::Sent
            {
                let person = message.contact.person();
                self.reacts(planned, &person, &message.element, message.at);
            }
        }
    }

    /// A message was sent: who reacts to it, and when.
    fn reacts(
        &mut self,
        planned: &[Planned<'_>],
        person: &ContactId,
        element: &ElementId,
        at: Instant,
    ) {
        for (nth, it) in planned.iter().enumerate() {
            if it.step.when_sent.as_ref() != Some(element)
                || it.contact.as_ref().is_some_and(|contact| contact != person)
            {
                continue;
            }
            let times = self.reacted.entry((nth, person.clone())).or_default();
            if it.step.times.is_some_and(|most| *times >= most) {
                continue;
            }
            *times += 1;
            let zone = zone_of(&self.world, person);
            let when = match (it.step.after, it.step.on) {
                (Some(span), _) => span.after(at, zone),
                (None, Some(on)) => on.after(at, zone),
                (None, None) => at,
            };
            self.sequence += 1;
            self.reactions.insert((when, self.sequence, nth, person.clone()));
        }
    }

    pub(super) fn too_much(&self, path: &str, most: usize, what: &str) -> Problem {
        wrong(
            "too_many",
            path,
            format!(
                "more than {most} {what} by {}",
                local(self.world.now(), self.world.account.zone)
            ),
            "let `until` be earlier, or bound reactions with `times`",
        )
    }

    fn too_long(&self, path: &str) -> Problem {
        wrong(
            "too_long",
            path,
            format!("it is more than {} days after the beginning", self.bounds.length.num_days()),
            "let the scenario be shorter",
        )
    }

    /// The journey with what is true at the end.
    pub(super) fn finished(self) -> Journey {
        let Self { world, journey: mut told, recorded, .. } = self;
        for (first, subject, record) in &recorded {
            reword(&world, subject, record, *first, &mut told);
        }
        for ((subject, campaign), enrollment) in world.enrollments() {
            let waits = enrollment.tokens.iter().map(|token| Waiting {
                element: token.element.clone(),
                since: token.since,
                due: token.due(),
            });
            told.enrollments.push(Standing {
                contact: subject.person().to_string(),
                about: about(&world, subject),
                campaign: campaign.clone(),
                status: enrollment.status,
                run: enrollment.run,
                waits: waits.collect(),
                parked: enrollment.parked.as_ref().and(enrollment.eligible_at),
                parked_entries: enrollment
                    .parked_entries
                    .iter()
                    .map(|entry| entry.element.clone())
                    .collect(),
            });
        }
        for contact in world.contacts().filter(|contact| contact.object.is_none()) {
            let person = journey::Person {
                time_zone: world.account.zone_of(contact),
                tags: contact.tags.keys().map(ToString::to_string).collect(),
                fields: contact
                    .fields
                    .iter()
                    .map(|(key, value)| (key.clone(), shown(value)))
                    .collect_compactly(),
                consent: contact.consent,
                suppressed: contact.suppressed,
            };
            told.contacts.insert(contact.id.to_string(), person);
        }
        told
    }
}
