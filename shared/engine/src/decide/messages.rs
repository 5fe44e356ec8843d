//! Messages: queued on arrival, checked once more before they leave, settled (R31, R32, R34, R43).
//!
//! It promises that a message leaves only while a token rests at its step, and that what does not
//! leave has a line with the reason.

use super::builder::DecisionBuilder;
use super::hold::uncount_message;
use super::in_flight_token::InFlightToken;
use super::occasion::Occasion;
use super::outstanding::deliver;
use super::{Delivery, Effect, Ignored};
use crate::campaign::channel::ElementMessage;
use crate::campaign::format::Otherwise;
use crate::enrollment::{DayCount, Guard, MessageRest, Rest, Token};
use crate::history::{Cause, Happened};
use crate::merge::merge_values;
use crate::statistics::{Counter, Outcome};
use crate::template::MergeValues;
use crate::time::{Instant, day_of};

/// Why a message is not sent that was due up to the instant that the restore named.
const BEFORE_RESTORE: &str = "it was due before the restore, and may have been sent then";

/// Why a message is not sent whose window is closed (R25).
const OUTSIDE_WINDOW: &str = "it would have left outside of its window";

/// What becomes of a message outside of its window (R25).
enum OutsideWindow {
    /// It waits until the window opens.
    Waits(Instant),
    /// It is not sent.
    Skipped,
}

/// The result of the last check before a message leaves.
pub(super) enum FinalCheck {
    /// It may leave.
    Leaves(Delivery),
    /// Something else was decided: it is not sent, or not now.
    Decided,
    /// A goal took tokens on other paths: once that is committed, the message is checked again.
    CommitFirst,
    /// No token waits for it.
    Ignored(Ignored),
}

impl DecisionBuilder<'_> {
    /// A token arrives at an element that sends a message.
    pub(super) fn arrive_at_message(
        &mut self,
        token: InFlightToken,
        step: u32,
        message: ElementMessage<'_>,
    ) {
        if token.skipping {
            self.not_sent(
                &token.to.clone(),
                step,
                message,
                Outcome::Suppressed,
                "skipped on resume",
            );
            self.send_on(message.next, token);
            return;
        }
        match self.outside_window(message) {
            Some(OutsideWindow::Waits(opens)) => {
                self.line(Some(&token.to), Happened::MessageWaits { until: opens });
                self.rest(&token, step, Rest::Message(MessageRest::Window(opens)));
            }
            Some(OutsideWindow::Skipped) => {
                let id = token.to.clone();
                self.not_sent(&id, step, message, Outcome::Suppressed, OUTSIDE_WINDOW);
                self.send_on(message.next, token);
            }
            None => self.queue_message(&token, step, message),
        }
    }

    /// Queues a message, unless it exceeds the day's bound (R43).
    pub(super) fn queue_message(
        &mut self,
        token: &InFlightToken,
        step: u32,
        message: ElementMessage<'_>,
    ) {
        let today = self.today();
        let most = self.graph.document.settings.max_messages_per_day;
        if DayCount::on(self.next.messages_on, today) >= most {
            let id = &token.to;
            self.not_sent(id, step, message, Outcome::Suppressed, Guard::MessagesPerDay.words());
            self.hold(Some(id), Guard::MessagesPerDay);
            return;
        }
        self.next.messages_on = Self::one_more(self.next.messages_on, today);
        self.line(Some(&token.to), Happened::MessageQueued);
        self.rest(token, step, Rest::Message(MessageRest::Queued));
        let arrived = day_of(token.at, self.situation.account.zone);
        if let Some(token) = self.next.tokens.last_mut() {
            token.queued_on = (arrived != today).then_some(today);
        }
        self.effects.push(deliver(self.graph, &token.to, self.next.run, step));
    }

    /// What becomes of a message that would leave outside of its window; `None` inside.
    fn outside_window(&self, message: ElementMessage<'_>) -> Option<OutsideWindow> {
        let (hours, otherwise) = message.hours(&self.graph.document)?;
        let now = self.occasion.now();
        let opens = hours.next_inside(now, self.zone());
        (opens > now).then_some(match otherwise {
            // A document with `earlier` here is not published.
            Otherwise::Later | Otherwise::Earlier => OutsideWindow::Waits(opens),
            Otherwise::Skip => OutsideWindow::Skipped,
        })
    }

    /// A message was settled without having left: it is recorded, with its reason (R31).
    fn not_sent(
        &mut self,
        id: &crate::ids::ElementId,
        step: u32,
        message: ElementMessage<'_>,
        outcome: Outcome,
        reason: &str,
    ) {
        self.count(&Counter::Messages(outcome));
        self.line(Some(id), Happened::MessageSettled { outcome, reason: Some(reason.to_owned()) });
        self.effects.push(Effect::RecordMessage {
            run: self.next.run,
            step,
            element: id.clone(),
            channel: message.channel,
            content_key: message.content_key.to_owned(),
            outcome,
            reason: reason.to_owned(),
        });
    }

    /// Right before a message leaves (R8, R25, R31): goals, lateness, suppression, consent,
    /// address, the window.
    pub(super) fn delivery_due(&mut self, run: u32, step: u32) -> FinalCheck {
        let token = match self.token(run, step) {
            Ok(token) if token.rest == Rest::Message(MessageRest::Queued) => token.clone(),
            Ok(_) => return FinalCheck::Ignored(Ignored::LeftStep),
            Err(ignored) => return FinalCheck::Ignored(ignored),
        };
        if let Err(ignored) = self.unless_paused() {
            return FinalCheck::Ignored(ignored);
        }
        let (causality, _) = self.after_rest(&token, self.situation.now);
        self.look_at(self.happening_now(Cause::MessageDue, causality));
        if self.goals() {
            self.move_tokens();
        }
        if self.next.token(step).is_none() {
            return FinalCheck::Decided;
        }
        let graph = self.graph;
        let Some(message) = graph.message(&token.element) else {
            return FinalCheck::Ignored(Ignored::LeftStep);
        };
        if self.must_be_committed() {
            return FinalCheck::CommitFirst;
        }
        if self.is_before_restore(token.since) {
            self.taken_as_sent(&token, message);
            return FinalCheck::Decided;
        }
        let outside = self.outside_window(message);
        let skipped = matches!(outside, Some(OutsideWindow::Skipped)).then_some(OUTSIDE_WINDOW);
        if let Some(reason) = self.reason_not_to_send(&token, message).or(skipped) {
            uncount_message(&mut self.next, &token, self.situation.account.zone);
            self.take(step);
            self.not_sent(&token.element, step, message, Outcome::Suppressed, reason);
            self.go_on_from_message(&token, false);
            self.move_tokens();
            return FinalCheck::Decided;
        }
        if let Some(OutsideWindow::Waits(opens)) = outside {
            uncount_message(&mut self.next, &token, self.situation.account.zone);
            self.line(Some(&token.element), Happened::MessageWaits { until: opens });
            self.rest_again(step, Rest::Message(MessageRest::Window(opens)));
            return FinalCheck::Decided;
        }
        FinalCheck::Leaves(Delivery {
            version: self.next.version,
            run,
            step,
            element: token.element,
            channel: message.channel,
            content_key: message.content_key.to_owned(),
        })
    }

    /// It may have left before the restore, and the restored ledger does not contain it. It is not
    /// sent, and the token goes on from when it arrived, as it did then (R30).
    fn taken_as_sent(&mut self, token: &Token, message: ElementMessage<'_>) {
        let contact = self.latest.clone();
        self.look_at(Occasion::new(token.since, Cause::MessageDue, token.causality, contact));
        self.take(token.step);
        self.not_sent(&token.element, token.step, message, Outcome::Unknown, BEFORE_RESTORE);
        self.go_on_from_message(token, false);
        self.move_tokens();
    }

    fn reason_not_to_send(
        &self,
        token: &Token,
        message: ElementMessage<'_>,
    ) -> Option<&'static str> {
        if token.not_after.is_some_and(|date| self.occasion.now() > date) {
            return Some("too late: the date has passed");
        }
        message.channel.refusal(self.person(), message.purpose(&self.graph.document))
    }

    /// The message is settled: the token goes on (R31).
    pub(super) fn settled(
        &mut self,
        run: u32,
        step: u32,
        outcome: Outcome,
        reason: Option<String>,
    ) -> Result<(), Ignored> {
        let token = self.token(run, step)?.clone();
        if !matches!(token.rest, Rest::Message(MessageRest::Queued | MessageRest::Window(_))) {
            return Err(Ignored::AlreadyApplied);
        }
        let (causality, _) = self.after_rest(&token, self.situation.now);
        self.look_at(self.happening_now(Cause::Message, causality));
        self.count(&Counter::Messages(outcome));
        self.line(Some(&token.element), Happened::MessageSettled { outcome, reason });
        let left = match outcome {
            Outcome::Sent | Outcome::Unknown => true,
            Outcome::Failed | Outcome::Suppressed => false,
        };
        if !left && token.rest == Rest::Message(MessageRest::Queued) {
            uncount_message(&mut self.next, &token, self.situation.account.zone);
        }
        if self.standing()?.paused {
            self.rest_again(step, Rest::Message(MessageRest::Settled));
            return Ok(());
        }
        self.take(step);
        self.go_on_from_message(&token, false);
        self.move_tokens();
        Ok(())
    }

    /// Sends a token on from its message.
    pub(super) fn go_on_from_message(&mut self, token: &Token, skipping: bool) {
        let graph = self.graph;
        if let Some(message) = graph.message(&token.element) {
            let in_flight = InFlightToken {
                not_after: token.not_after,
                skipping,
                ..self.continued(token, self.occasion.now())
            };
            self.send_on(message.next, in_flight);
        }
    }

    /// A message that waits when the campaign is resumed with `skip` is not sent (R51).
    pub(super) fn skip_message(&mut self, token: &Token) {
        let graph = self.graph;
        if let Some(message) = graph.message(&token.element) {
            if token.rest == Rest::Message(MessageRest::Queued) {
                uncount_message(&mut self.next, token, self.situation.account.zone);
            }
            self.take(token.step);
            let due = token.due();
            let (run, step) = (self.next.run, token.step);
            self.effects.extend(due.map(|due| Effect::Cancel { run, step, due }));
            self.not_sent(&token.element, step, message, Outcome::Suppressed, "skipped on resume");
            self.go_on_from_message(token, true);
        }
    }

    pub(super) fn merge_values(&self) -> MergeValues {
        merge_values(
            self.situation.account,
            &self.graph.document,
            self.occasion.contact(),
            self.person.as_deref(),
            self.next.run,
            None,
        )
    }
}
