//! Publishing, pause and resume, as they are applied to an enrollment (R50, R51).
//!
//! Each is applied once, in order with the changes of the subject, however late.

use std::borrow::Cow;

use super::builder::DecisionBuilder;
use super::dates::Lateness;
use super::occasion::Occasion;
use super::outstanding::deliver;
use crate::campaign::{Milestone, Reached};
use crate::contact::Contact;
use crate::enrollment::{DateRest, MessageRest, Rest, Token};
use crate::history::{Cause, Happened};
use crate::time::Instant;

impl<'a> DecisionBuilder<'a> {
    /// One milestone of the campaign, and the contact as it was then. Returns whether it concerned
    /// the enrollment. What follows from it goes on in the chain of the occasion before it.
    pub(super) fn milestone(&mut self, milestone: &Milestone, contact: Cow<'a, Contact>) -> bool {
        if self.next.tokens.is_empty() && !self.next.waits_for_resume() {
            return false;
        }
        let (at, causality) = (milestone.at, self.occasion.causality());
        match &milestone.what {
            Reached::Published { version, migrate: true } => {
                self.look_at(Occasion::new(at, Cause::Published(*version), causality, contact));
                self.migrate(*version);
                true
            }
            Reached::Resumed { skip, by } => {
                let cause = Cause::ResumedBy { by: by.clone(), parked: None };
                self.look_at(Occasion::new(at, cause.clone(), causality, contact.clone()));
                self.resume(at, *skip, by.as_deref(), cause, contact);
                true
            }
            Reached::Published { migrate: false, .. } | Reached::Paused {} => false,
        }
    }

    /// Tokens go on resting, each at the element with the same id; one whose element is gone, or of
    /// another type now, ends (R50).
    fn migrate(&mut self, version: u32) {
        let Some(newest) = self.situation.campaign.versions.get(&version) else { return };
        if self.next.tokens.is_empty() || version == self.next.version {
            return;
        }
        let before = self.graph;
        for token in self.next.tokens.clone() {
            if before.type_of(&token.element) != newest.type_of(&token.element) {
                self.take(token.step);
                self.ended(&token);
                self.line(Some(&token.element), Happened::ElementGone);
            }
        }
        self.go_over_to(newest);
        self.line(None, Happened::Migrated { version });
        let paused = self.standing().is_ok_and(|standing| standing.paused);
        if paused {
            // Tokens do not move, but a run that has lost its last one is over.
            self.complete();
        } else {
            self.follow_dates(false);
            self.goals();
            self.move_tokens();
        }
    }

    /// Date timers are re-planned, goals checked, parked triggers and entries handled, and what is
    /// overdue is handled (R51).
    fn resume(
        &mut self,
        at: Instant,
        skip: bool,
        by: Option<&str>,
        resumed: Cause,
        contact: Cow<'a, Contact>,
    ) {
        let causality = self.occasion.causality();
        if let Ok(standing) = self.standing() {
            self.choose_version(standing);
        }
        self.follow_dates(false);
        self.goals();
        if self.next.eligible_at.is_some_and(|eligible_at| eligible_at <= at) {
            self.recheck(at, contact);
        }
        self.handle_parked_entries(by);
        self.occasion.replace_cause(resumed, causality);
        for token in self.next.tokens.clone() {
            if self.next.token(token.step) != Some(&token) {
                continue;
            }
            let overdue = token.due().is_some_and(|due| due <= at);
            match token.rest {
                Rest::Wait(_) if overdue => {
                    let others = self.in_flight.len();
                    self.fire_timer(&token, at, Lateness::Ignored);
                    let waited = self.in_flight.iter_mut().skip(others);
                    waited.for_each(|token| token.skipping = skip);
                }
                Rest::Date(rest) if overdue => match rest {
                    DateRest::Until(_) if skip => self.skip_date_timer(&token),
                    DateRest::Until(_) | DateRest::Following(_) | DateRest::NoDate => {
                        self.fire_timer(&token, at, Lateness::Ignored);
                    }
                },
                Rest::Message(MessageRest::Window(_)) if overdue => match skip {
                    true => self.skip_message(&token),
                    false => self.fire_timer(&token, at, Lateness::Ignored),
                },
                Rest::Message(MessageRest::Queued) => match skip {
                    true => self.skip_message(&token),
                    false => self.queue_again(&token),
                },
                Rest::Message(MessageRest::Settled) => {
                    self.take(token.step);
                    self.go_on_from_message(&token, skip);
                }
                Rest::Wait(_)
                | Rest::Date(_)
                | Rest::Message(MessageRest::Window(_))
                | Rest::Event
                | Rest::Goal => {}
            }
        }
        self.move_tokens();
    }

    /// A message that was held during the pause goes to the queue again; the ledger knows whether
    /// it has left.
    fn queue_again(&mut self, token: &Token) {
        if self.graph.message(&token.element).is_none() {
            return;
        }
        self.line(Some(&token.element), Happened::Resumed);
        self.effects.push(deliver(self.graph, &token.element, self.next.run, token.step));
    }
}
