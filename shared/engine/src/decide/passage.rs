//! A decision in the making: the next state, and what has been asked for so far.
//!
//! Only this file touches the list of tokens. It promises that a token that ends leaves nothing behind: its
//! timer is cancelled, and a message that has not left is dropped, with a line in the history (R18).

use std::borrow::Cow;

use super::{Advance, ContactWrite, Decision, Effect, Ignored, Situation};
use crate::campaign::Standing;
use crate::campaign::graph::Graph;
use crate::condition::View;
use crate::contact::{Causality, Chain, Contact};
use crate::enrollment::{DayCount, Enrollment, Guard, MessageRest, Rest, Status, Token};
use crate::history::{Cause, Happened, Line, Record};
use crate::ids::ElementId;
use crate::statistics::{Counter, Tally};
use crate::time::{Instant, Zone, day_of};

pub(super) use super::moving::{Ended, Moving};

pub(super) struct Passage<'a> {
    pub(super) situation: &'a Situation<'a>,
    pub(super) next: Enrollment,
    pub(super) graph: &'a Graph,
    /// The contact that is looked at: as the change left it, or the latest, with what the path has written.
    pub(super) view: Cow<'a, Contact>,
    /// The latest contact with everything that this decision has written.
    pub(super) latest: Cow<'a, Contact>,
    /// The instant of the occasion.
    pub(super) now: Instant,
    pub(super) cause: Cause,
    pub(super) causality: Causality,
    pub(super) moving: Vec<Moving>,
    pub(super) effects: Vec<Effect>,
    pub(super) delta: Tally,
    /// Whether a milestone that concerns the enrollment was applied: that is committed, whatever came of it, so that no
    /// later look applies it again.
    pub(super) reached: bool,
    /// The place in its chain of the path that went on last.
    pub(super) path: Option<Causality>,
    pub(super) writes: Vec<ContactWrite>,
    records: Vec<Record>,
}

impl<'a> Passage<'a> {
    pub(super) fn begin(situation: &'a Situation<'a>) -> Result<Self, Ignored> {
        let campaign = situation.campaign;
        let timeline = &campaign.timeline;
        let standing = timeline.standing().ok_or(Ignored::NotPublished)?;
        let next = situation.enrollment.cloned().unwrap_or_else(|| {
            // Whoever was never in has nothing to do with what came before.
            let unseen = situation.contact.changes_after(situation.baseline).unwrap_or(&[]);
            let milestones =
                unseen.first().map_or(timeline.count(), |first| timeline.before(first));
            Enrollment::new(standing.version, situation.baseline, milestones)
        });
        let graph = campaign.versions.get(&next.version).ok_or(Ignored::NoVersion)?;
        let passage = Self {
            situation,
            next,
            graph,
            view: Cow::Borrowed(situation.contact),
            latest: Cow::Borrowed(situation.contact),
            now: situation.now,
            cause: Cause::Timer,
            causality: Causality { chain: Chain::of_write(situation.contact.rev), depth: 0 },
            moving: Vec::new(),
            effects: Vec::new(),
            delta: Tally::default(),
            reached: false,
            path: None,
            writes: Vec::new(),
            records: Vec::new(),
        };
        let carried = situation.contact.changes_after(situation.baseline).is_some();
        if carried || passage.is_quarantined() { Ok(passage) } else { Err(Ignored::Behind) }
    }

    /// Whether a change could not be decided, and waits with those after it.
    pub(super) fn is_quarantined(&self) -> bool {
        self.next.status == Status::Held && self.next.held == Some(Guard::Undecided)
    }

    /// How much has been done so far: lines, effects, writes.
    pub(super) fn done(&self) -> (usize, usize, usize) {
        let lines = self.records.iter().map(|record| record.lines.len()).sum();
        (lines, self.effects.len(), self.writes.len())
    }

    /// Without tokens an enrollment is on the newest version (R50): never again on an older one, although a change from
    /// before the publishing may come late.
    pub(super) fn choose_version(&mut self, standing: Standing) {
        if self.next.tokens.is_empty()
            && self.moving.is_empty()
            && (self.situation.enrollment.is_none() || standing.version > self.next.version)
            && let Some(graph) = self.situation.campaign.versions.get(&standing.version)
        {
            self.go_over_to(graph);
        }
    }

    /// Goes over to another version. An id whose type has changed is another element, which has not fired (R50).
    pub(super) fn go_over_to(&mut self, newest: &'a Graph) {
        let before = self.graph;
        self.next.fired.retain(|id| match (before.element(id), newest.element(id)) {
            (Some((_, one)), Some((_, other))) => {
                std::mem::discriminant(one) == std::mem::discriminant(other)
            }
            (Some(_) | None, None) | (None, Some(_)) => true,
        });
        self.next.version = newest.version;
        self.graph = newest;
    }

    /// How the campaign stands on the occasion: after the milestones that were applied.
    pub(super) fn standing(&self) -> Result<Standing, Ignored> {
        let timeline = &self.situation.campaign.timeline;
        timeline.standing_after(self.next.milestones).ok_or(Ignored::NotPublished)
    }

    /// Refuses while the campaign is paused (R51).
    pub(super) fn unless_paused(&self) -> Result<Standing, Ignored> {
        let standing = self.standing()?;
        if standing.paused { Err(Ignored::Paused) } else { Ok(standing) }
    }

    pub(super) fn zone(&self) -> Zone {
        self.situation.account.zone_of(&self.view)
    }

    /// Judges something on the contact that is looked at.
    pub(super) fn judged<T>(&self, judge: impl FnOnce(&View<'_>) -> T) -> T {
        judge(&View {
            contact: &self.view,
            statuses: self.situation.statuses,
            now: self.now,
            zone: self.zone(),
        })
    }

    pub(super) fn line(&mut self, element: Option<&ElementId>, what: Happened) {
        let line = Line { run: self.next.run, element: element.cloned(), what };
        match self.records.last_mut() {
            Some(record) if record.because == self.cause => record.lines.push(line),
            _ => self.records.push(Record {
                at: self.now,
                because: self.cause.clone(),
                lines: vec![line],
            }),
        }
    }

    pub(super) fn count(&mut self, counter: &Counter<'_>) {
        self.delta.count(counter);
    }

    /// The token at a step of a run (R18).
    pub(super) fn token(&self, run: u32, step: u32) -> Result<&Token, Ignored> {
        if self.situation.enrollment.is_none() {
            return Err(Ignored::NeverEnrolled);
        }
        if run != self.next.run {
            return Err(Ignored::StaleRun);
        }
        self.next.token(step).ok_or(Ignored::LeftStep)
    }

    /// Lets a token rest.
    pub(super) fn rest(&mut self, moving: &Moving, step: u32, rest: Rest) {
        let at_email = match rest {
            Rest::Message(_) => true,
            Rest::Wait(_) | Rest::Date(_) | Rest::Event | Rest::Goal => false,
        };
        let token = Token {
            element: moving.to.clone(),
            step,
            since: moving.at,
            rest,
            causality: moving.causality,
            not_after: moving.not_after.filter(|_| at_email),
            // An e-mail alone is no rest: one that is not sent lets go at once (R41).
            moves: if at_email { moving.moves } else { 0 },
            queued_on: None,
        };
        if let Some(due) = token.due() {
            self.effects.push(Effect::Schedule { run: self.next.run, step, due });
        }
        self.next.tokens.push(token);
    }

    /// Changes what a resting token rests for.
    pub(super) fn rest_again(&mut self, step: u32, rest: Rest) {
        let run = self.next.run;
        let Some(token) = self.next.tokens.iter_mut().find(|token| token.step == step) else {
            return;
        };
        let before = token.due();
        token.rest = rest;
        let after = token.due();
        if before != after {
            self.effects.extend(before.map(|due| Effect::Cancel { run, step, due }));
            self.effects.extend(after.map(|due| Effect::Schedule { run, step, due }));
        }
    }

    /// Takes a token from where it rests, because what it rested for has come.
    pub(super) fn take(&mut self, step: u32) -> Option<Token> {
        let place = self.next.tokens.iter().position(|token| token.step == step)?;
        let token = self.next.tokens.remove(place);
        self.path = Some(token.causality);
        Some(token)
    }

    /// Sends a token on. `None`, or an element that does not exist, is the end of its path.
    pub(super) fn send_on(&mut self, to: Option<&ElementId>, mut moving: Moving) {
        self.path = Some(moving.causality);
        if let Some(to) = to
            && self.graph.element(to).is_some()
        {
            moving.to = to.clone();
            self.moving.push(moving);
        }
    }

    /// A token that an occasion sets going.
    pub(super) fn set_going(&self, from: &ElementId) -> Moving {
        Moving {
            to: from.clone(),
            at: self.now,
            causality: self.causality,
            not_after: None,
            skipping: false,
            moves: 0,
        }
    }

    /// A token that goes on from its rest at an instant; a rest of an hour or more begins a new chain (R42).
    pub(super) fn going_on(&self, token: &Token, at: Instant) -> Moving {
        let rested = at.max(self.now) - token.since;
        let (causality, moves) = if rested >= chrono::TimeDelta::hours(1) {
            (Causality { chain: self.chain_of(token), depth: 0 }, 0)
        } else {
            (token.causality, token.moves)
        };
        Moving {
            to: token.element.clone(),
            at: at.max(token.since),
            causality,
            not_after: None,
            skipping: false,
            moves,
        }
    }

    fn chain_of(&self, token: &Token) -> Chain {
        let campaign = &self.situation.campaign.id;
        Chain(crate::hash::stable(&[
            campaign.as_str(),
            &self.next.run.to_string(),
            &token.step.to_string(),
        ]))
    }

    /// Ends the resting and moving tokens that are upstream of an event or goal (R9).
    pub(super) fn end_upstream(&mut self, target: usize) -> Ended {
        let graph = self.graph;
        let upstream = |element: &ElementId| {
            graph.element(element).is_some_and(|(place, _)| graph.is_upstream(place, target))
        };
        let (moving, kept): (Vec<Moving>, Vec<Moving>) =
            std::mem::take(&mut self.moving).into_iter().partition(|token| upstream(&token.to));
        self.moving = kept;
        let tokens = std::mem::take(&mut self.next.tokens);
        let (ended, kept): (Vec<Token>, Vec<Token>) =
            tokens.into_iter().partition(|token| upstream(&token.element));
        self.next.tokens = kept;
        for token in &ended {
            self.ended(token);
        }
        Ended {
            many: moving.len() + ended.len(),
            on_its_way: moving.into_iter().max_by_key(|token| (token.causality.depth, token.moves)),
        }
    }

    /// Ends every token.
    pub(super) fn end_all(&mut self) {
        self.moving.clear();
        for token in std::mem::take(&mut self.next.tokens) {
            self.ended(&token);
        }
    }

    /// Nothing of a token that ended has any effect (R18).
    pub(super) fn ended(&mut self, token: &Token) {
        if let Some(due) = token.due() {
            self.effects.push(Effect::Cancel { run: self.next.run, step: token.step, due });
        }
        match token.rest {
            Rest::Message(MessageRest::Queued) => {
                self.message_not_sent(token);
                self.line(Some(&token.element), Happened::MessageDropped);
            }
            Rest::Message(MessageRest::Window(_)) => {
                self.line(Some(&token.element), Happened::MessageDropped);
            }
            Rest::Message(MessageRest::Settled)
            | Rest::Wait(_)
            | Rest::Date(_)
            | Rest::Event
            | Rest::Goal => {}
        }
    }

    /// The account's calendar day of the occasion (R40, R43).
    pub(super) fn today(&self) -> chrono::NaiveDate {
        day_of(self.now, self.situation.account.zone)
    }

    /// Gives a queued message back to the day on which it counted: it did not leave (R43).
    pub(super) fn message_not_sent(&mut self, token: &Token) {
        let arrived = day_of(token.since, self.situation.account.zone);
        let queued_on = token.queued_on.unwrap_or(arrived);
        if let Some(count) = self.next.messages_on.as_mut()
            && count.day == queued_on
        {
            count.count = count.count.saturating_sub(1);
        }
    }

    /// Whether what was due at an instant is taken to have happened then: the table was restored to before it (R30).
    pub(super) fn is_before_restore(&self, at: Instant) -> bool {
        self.situation.account.sent_until.is_some_and(|until| at <= until)
    }

    /// Whether a token rests at the element, and so has been counted there.
    pub(super) fn rests_at(&self, id: &ElementId) -> bool {
        self.next.tokens.iter().any(|token| token.element == *id)
    }

    /// Counts one more on the day.
    pub(super) fn one_more(count: Option<DayCount>, day: chrono::NaiveDate) -> Option<DayCount> {
        Some(DayCount { day, count: DayCount::on(count, day) + 1 })
    }

    /// A guard stops the contact: all tokens end, visible and counted (R40 to R43).
    pub(super) fn hold(&mut self, element: Option<&ElementId>, guard: Guard) {
        self.line(element, Happened::Held { guard });
        self.end_all();
        self.next.parked = None;
        self.forget_parked_entries();
        self.next.restart_chain = None;
        self.next.status = Status::Held;
        self.next.held = Some(guard);
    }

    /// Whether anything happened that must be committed.
    pub(super) fn is_material(&self) -> bool {
        if self.reached {
            return true;
        }
        if !(self.records.is_empty() && self.effects.is_empty() && self.writes.is_empty()) {
            return true;
        }
        match self.situation.enrollment {
            Some(before) => {
                let seen = Enrollment {
                    seen: before.seen,
                    quiet: before.quiet.clone(),
                    milestones: before.milestones,
                    ..self.next.clone()
                };
                seen != *before
            }
            None => false,
        }
    }

    /// The answer.
    pub(super) fn finish(mut self, ignored: Option<Ignored>) -> Decision {
        if !self.is_material() {
            return match (self.situation.enrollment, ignored) {
                (Some(before), None | Some(Ignored::AlreadyApplied)) if *before != self.next => {
                    self.next.rev += 1;
                    Decision::Seen(Box::new(self.next))
                }
                (_, ignored) => Decision::Ignore(ignored.unwrap_or(Ignored::NothingConcerned)),
            };
        }
        self.settle_status();
        self.keep_told();
        if self.situation.enrollment.is_none() {
            self.next.created = Some(self.records.first().map_or(self.now, |record| record.at));
        }
        let before = self.situation.enrollment.map(|before| before.status);
        if before != Some(self.next.status) {
            self.effects.push(Effect::StatusChanged { causality: self.causality });
        }
        self.next.tally.add(&self.delta);
        self.next.rev += 1;
        Decision::Advance(Box::new(Advance {
            enrollment: self.next,
            writes: self.writes,
            effects: self.effects,
            records: self.records,
            delta: self.delta,
            ignored,
            ask_again: false,
        }))
    }

    /// The answer when unseen changes came first.
    pub(super) fn ask_again(self) -> Decision {
        match self.finish(None) {
            Decision::Advance(mut advance) => {
                advance.ask_again = true;
                Decision::Advance(advance)
            }
            other => other,
        }
    }

    /// What no longer means anything is forgotten.
    fn settle_status(&mut self) {
        if self.next.status != Status::AwaitingRestart {
            self.next.restart_chain = None;
            if self.next.parked.is_none()
                && self.next.eligible_at.is_some_and(|at| at <= self.situation.now.min(self.now))
            {
                self.next.eligible_at = None;
            }
        }
    }
}
