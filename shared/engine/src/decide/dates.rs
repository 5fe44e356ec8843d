//! Waits and date timers (R20 to R25). The moments are computed in `plans`.
//!
//! It promises that a timer fires once, never early, and only for a token that waits for exactly
//! that instant (R18, R23).

use super::Ignored;
use super::builder::DecisionBuilder;
use super::in_flight_token::InFlightToken;
use super::occasion::Occasion;
use super::plans;
use crate::campaign::format::{DateTimer, Element, Empty, Past, Wait};
use crate::contact::Contact;
use crate::enrollment::{DatePlan, DateRest, MessageRest, Rest, Token};
use crate::history::{Cause, Happened};
use crate::ids::ElementId;
use crate::time::{Instant, next_moment};

impl DecisionBuilder<'_> {
    /// R20: computed once, from the instant of arrival.
    pub(super) fn arrive_at_wait(&mut self, token: &InFlightToken, step: u32, wait: &Wait) {
        let zone = self.zone();
        let after = wait.duration.map_or(token.at, |span| span.after(token.at, zone));
        let until = match &wait.until {
            Some(until) => {
                let used = self.next.fired_at.get(&token.to).copied();
                next_moment(after, until.time, until.weekdays, zone, used)
            }
            None => after,
        };
        self.line(Some(&token.to), Happened::Waits { until });
        self.rest(token, step, Rest::Wait(until));
    }

    /// The token rests until its moment, or does as `past` or `empty` says (R21, R22).
    pub(super) fn arrive_at_date_timer(
        &mut self,
        token: InFlightToken,
        step: u32,
        timer: &DateTimer,
    ) {
        let id = token.to.clone();
        let token = token.unbound();
        match self.plan(timer, &id, token.at) {
            None => match timer.empty {
                Empty::Wait => {
                    self.line(Some(&id), Happened::NoDate);
                    self.rest(&token, step, Rest::Date(DateRest::NoDate));
                }
                Empty::Continue => self.send_on(timer.next.as_ref(), token),
                Empty::End => self.line(Some(&id), Happened::TokenEnded),
            },
            Some(plan) if !self.has_passed(&id, plan, token.at) => {
                self.line(Some(&id), Happened::DatePlanned { due: plan.moment, moved: false });
                self.rest(&token, step, Rest::Date(DateRest::Until(plan)));
            }
            Some(plan) => {
                if let Some(stays) = self.pass_over(timer, plan, token.clone(), Happened::Missed) {
                    self.rest(&token, step, Rest::Date(stays));
                }
            }
        }
    }

    /// What the timer's date results in, looked at from an instant; `None` without a date. It is
    /// always the latest contact's value: a timer is never set for a date that has been replaced
    /// (R21).
    fn plan(&self, timer: &DateTimer, id: &ElementId, from: Instant) -> Option<DatePlan> {
        self.planned(timer, id, &self.latest, from)
    }

    fn planned(
        &self,
        timer: &DateTimer,
        id: &ElementId,
        contact: &Contact,
        from: Instant,
    ) -> Option<DatePlan> {
        let zone = self.situation.account.zone_of(self.person.as_deref().unwrap_or(contact));
        let value = timer.value(contact, zone)?;
        plans::planned(timer, &value, zone, from, self.next.yearly.get(id).copied())
    }

    /// The moment itself still counts. One for which this element has fired in this run has passed
    /// (R20).
    fn has_passed(&self, id: &ElementId, plan: DatePlan, at: Instant) -> bool {
        plan.moment < at || self.next.fired_at.get(id) == Some(&plan.moment)
    }

    /// The moment has passed (R22), or is skipped (R25). Returns a rest if the token stays.
    fn pass_over(
        &mut self,
        timer: &DateTimer,
        plan: DatePlan,
        token: InFlightToken,
        why: Happened,
    ) -> Option<DateRest> {
        let id = token.to.clone();
        self.line(Some(&id), why);
        self.note_occurrence(&id, plan);
        match timer.past {
            Past::Missed => self.miss(timer, plan, token),
            Past::Continue => {
                self.go_on_by_next(timer.next.as_ref(), plan, token);
                None
            }
            Past::End => None,
        }
    }

    /// Takes the edge `missed`; without one the token stays until the date itself has passed, or
    /// comes again (R24).
    fn miss(
        &mut self,
        timer: &DateTimer,
        plan: DatePlan,
        token: InFlightToken,
    ) -> Option<DateRest> {
        let is_before_date = self.occasion.now() < plan.date;
        match (&timer.missed, timer.repeat) {
            (None, Some(_)) => Some(self.next_time(&token.to, timer)),
            (None, None) => is_before_date.then_some(DateRest::Following(plan)),
            (Some(missed), _) => {
                let not_after = (is_before_date && plan.moment < plan.date).then_some(plan.date);
                self.send_on(Some(missed), InFlightToken { not_after, ..token });
                None
            }
        }
    }

    /// The rest until the date comes again (R24).
    fn next_time(&mut self, id: &ElementId, timer: &DateTimer) -> DateRest {
        match self.plan(timer, id, self.occasion.now()) {
            Some(plan) => {
                self.line(Some(id), Happened::DatePlanned { due: plan.moment, moved: false });
                DateRest::Until(plan)
            }
            None => DateRest::NoDate,
        }
    }

    /// Notes the last occurrence of a date that comes again (R24).
    fn note_occurrence(&mut self, id: &ElementId, plan: DatePlan) {
        if let Some(day) = plan.occurrence {
            let last = self.next.yearly.entry(id.clone()).or_insert(day);
            *last = day.max(*last);
        }
    }

    /// Whether the timer has fired for this occurrence of its date already (R24).
    fn occurrence_used(&self, id: &ElementId, plan: DatePlan) -> bool {
        let last = self.next.yearly.get(id);
        plan.occurrence.is_some_and(|day| last.is_some_and(|last| day <= *last))
    }

    /// Goes on by `next`: a message written for before a date is not sent after it (R34).
    fn go_on_by_next(&mut self, next: Option<&ElementId>, plan: DatePlan, token: InFlightToken) {
        let not_after = (plan.moment < plan.date).then_some(plan.date);
        self.send_on(next, InFlightToken { not_after, ..token });
    }

    /// Re-plans, in place, the date timers whose dates have moved (R21). On a change of the contact
    /// (`by_change`), if a later change has moved the date again, that is left to that change,
    /// which is the cause of the new moment.
    pub(super) fn follow_dates(&mut self, by_change: bool) {
        for (step, id, rest) in self.date_tokens() {
            let graph = self.graph;
            let Some((_, Element::DateTimer(timer))) = graph.element(&id) else { continue };
            let now = self.occasion.now();
            // A timer that is overdue keeps its moment, even if the date comes again (R24).
            let from = rest.plan().map_or(now, |plan| plan.moment.min(now));
            let mut plan = self.plan(timer, &id, from);
            let is_replaced =
                by_change && self.planned(timer, &id, self.occasion.contact(), from) != plan;
            if plan == rest.plan() || is_replaced {
                continue;
            }
            if timer.repeat.is_some() && from < now {
                plan = self.plan(timer, &id, now);
            }
            match plan {
                None => {
                    self.line(Some(&id), Happened::NoDate);
                    self.rest_again(step, Rest::Date(DateRest::NoDate));
                }
                Some(plan) if !self.has_passed(&id, plan, self.occasion.now()) => {
                    let moved = rest.plan().is_some();
                    self.line(Some(&id), Happened::DatePlanned { due: plan.moment, moved });
                    self.rest_again(step, Rest::Date(DateRest::Until(plan)));
                }
                Some(plan) => self.passed_while_resting(step, timer, plan, Happened::Missed),
            }
        }
    }

    /// The date timers at which tokens rest: step, element, rest.
    fn date_tokens(&self) -> Vec<(u32, ElementId, DateRest)> {
        self.next
            .tokens
            .iter()
            .filter_map(|token| match token.rest {
                Rest::Date(rest) => Some((token.step, token.element.clone(), rest)),
                Rest::Message(_) | Rest::Wait(_) | Rest::Event | Rest::Goal => None,
            })
            .collect()
    }

    /// A resting token's moment has passed: it moved into the past, or was delivered too late; or
    /// it is skipped.
    fn passed_while_resting(
        &mut self,
        step: u32,
        timer: &DateTimer,
        plan: DatePlan,
        why: Happened,
    ) {
        let Some(token) = self.next.token(step).cloned() else { return };
        let mut in_flight = self.continued(&token, self.occasion.now());
        // The cause is the change that moved the date: so campaigns that react to each other come
        // to an end (R42).
        in_flight.causality.depth = in_flight.causality.depth.max(self.occasion.causality().depth);
        match self.pass_over(timer, plan, in_flight, why) {
            Some(stays) => self.rest_again(step, Rest::Date(stays)),
            None => self.end_resting(step, &token),
        }
    }

    /// The token's rest ends other than by its timer.
    fn end_resting(&mut self, step: u32, token: &Token) {
        self.take(step);
        self.ended(token);
    }

    /// A timer came due (R23). It acts only on a token that waits there for exactly this instant
    /// (R18).
    pub(super) fn timer_due(&mut self, run: u32, step: u32, due: Instant) -> Result<(), Ignored> {
        let token = self.token(run, step)?.clone();
        if token.due() != Some(due) {
            return Err(Ignored::Replanned);
        }
        let now = self.handled_at(due)?;
        let (causality, _) = self.after_rest(&token, now);
        self.look_at(Occasion::new(now, Cause::Timer, causality, self.latest.clone()));
        self.fire_timer(&token, due, Lateness::Counts);
        self.move_tokens();
        Ok(())
    }

    /// The instant on which a timer is handled: the due instant, if that was before a restore
    /// (R30). It is ignored while it is too early, and in a pause.
    pub(super) fn handled_at(&self, due: Instant) -> Result<Instant, Ignored> {
        if self.situation.now < due {
            return Err(Ignored::Early);
        }
        self.unless_paused()?;
        Ok(if self.is_before_restore(due) { due } else { self.situation.now })
    }

    /// What a token does when its timer comes due. It goes on from the instant `at`: the due
    /// instant, or after a pause the resume.
    pub(super) fn fire_timer(&mut self, token: &Token, at: Instant, lateness: Lateness) {
        let graph = self.graph;
        let id = &token.element;
        let element = graph.element(id).map(|(_, element)| element);
        match (element, token.rest) {
            (Some(Element::Wait(wait)), Rest::Wait(due)) => {
                self.note_fired(id, due);
                self.line(Some(id), Happened::TimerFired);
                self.take(token.step);
                let in_flight = self.continued(token, at);
                self.send_on(wait.next.as_ref(), in_flight);
            }
            (Some(Element::DateTimer(timer)), Rest::Date(DateRest::Until(plan))) => {
                let zone = self.zone();
                if self.occurrence_used(id, plan) {
                    let rest = self.next_time(id, timer);
                    self.rest_again(token.step, Rest::Date(rest));
                    return;
                }
                let latest = timer.grace.after(plan.moment, zone);
                if lateness == Lateness::Counts && self.occasion.now() > latest {
                    self.passed_while_resting(token.step, timer, plan, Happened::Missed);
                    return;
                }
                if plans::is_skipped(timer, plan, zone) {
                    self.passed_while_resting(token.step, timer, plan, Happened::OutsideWindow);
                    return;
                }
                self.note_fired(id, plan.moment);
                self.note_occurrence(id, plan);
                self.line(Some(id), Happened::TimerFired);
                self.take(token.step);
                let in_flight = self.continued(token, at);
                self.go_on_by_next(timer.next.as_ref(), plan, in_flight);
            }
            (Some(Element::DateTimer(_)), Rest::Date(DateRest::Following(_))) => {
                self.line(Some(id), Happened::TokenEnded);
                self.take(token.step);
            }
            (Some(element), Rest::Message(MessageRest::Window(_))) => {
                if let Some(message) = element.message() {
                    self.take(token.step);
                    let in_flight =
                        InFlightToken { not_after: token.not_after, ..self.continued(token, at) };
                    self.queue_message(&in_flight, token.step, message);
                }
            }
            (
                Some(_) | None,
                Rest::Wait(_) | Rest::Date(_) | Rest::Message(_) | Rest::Event | Rest::Goal,
            ) => {}
        }
    }

    /// The overdue date timers of a campaign that is resumed with `skip` take `missed` (R51).
    pub(super) fn skip_date_timer(&mut self, token: &Token) {
        let graph = self.graph;
        if let (Some((_, Element::DateTimer(timer))), Rest::Date(DateRest::Until(plan))) =
            (graph.element(&token.element), token.rest)
        {
            self.line(Some(&token.element), Happened::Missed);
            self.note_occurrence(&token.element, plan);
            let in_flight = self.continued(token, self.occasion.now());
            match self.miss(timer, plan, in_flight) {
                Some(stays) => self.rest_again(token.step, Rest::Date(stays)),
                None => self.end_resting(token.step, token),
            }
        }
    }

    /// Notes the moment for which it has fired, if the token can come back, or another can come, in
    /// this run (R20).
    fn note_fired(&mut self, id: &ElementId, moment: Instant) {
        if self.graph.element(id).is_some_and(|(place, _)| self.graph.is_passed_again(place)) {
            self.next.fired_at.insert(id.clone(), moment);
        }
    }
}

/// Whether a late delivery makes a moment pass (R21): a pause is not lateness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lateness {
    /// It does.
    Counts,
    /// It does not.
    Ignored,
}
