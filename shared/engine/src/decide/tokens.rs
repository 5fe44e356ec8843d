//! Tokens: where they rest, how they leave, how they end.
//!
//! It promises that a token that ends leaves nothing behind: its timer is cancelled, and a message
//! that has not left is dropped, with a line in the history (R18). A token is added to the
//! enrollment and taken out of it only here and in `hold`.

use super::builder::DecisionBuilder;
use super::hold::{Consequences, end_token};
use super::in_flight_token::{EndedTokens, InFlightToken};
use super::{Effect, Ignored};
use crate::contact::{Causality, Chain};
use crate::enrollment::{Rest, Token};
use crate::ids::ElementId;
use crate::time::Instant;

impl DecisionBuilder<'_> {
    /// The token at a step of a run (R18).
    pub(super) fn token(&self, run: u32, step: u32) -> Result<&Token, Ignored> {
        self.must_be_in_run(run)?;
        self.next.token(step).ok_or(Ignored::LeftStep)
    }

    /// Ignores what belongs to an earlier run (R18).
    pub(super) fn must_be_in_run(&self, run: u32) -> Result<(), Ignored> {
        if self.situation.enrollment.is_none() {
            return Err(Ignored::NeverEnrolled);
        }
        if run == self.next.run { Ok(()) } else { Err(Ignored::StaleRun) }
    }

    /// Lets a token rest.
    pub(super) fn rest(&mut self, in_flight: &InFlightToken, step: u32, rest: Rest) {
        let at_email = match rest {
            Rest::Message(_) => true,
            Rest::Wait(_) | Rest::Date(_) | Rest::Event | Rest::Goal => false,
        };
        let token = Token {
            element: in_flight.to.clone(),
            step,
            since: in_flight.at,
            rest,
            causality: in_flight.causality,
            not_after: in_flight.not_after.filter(|_| at_email),
            // An e-mail alone is no rest: if it is not sent, the token leaves at once (R41).
            moves: if at_email { in_flight.moves } else { 0 },
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
        self.last_path_causality = Some(token.causality);
        Some(token)
    }

    /// Sends a token on. `None`, or an element that does not exist, is the end of its path.
    pub(super) fn send_on(&mut self, to: Option<&ElementId>, mut in_flight: InFlightToken) {
        self.last_path_causality = Some(in_flight.causality);
        if let Some(to) = to
            && self.graph.element(to).is_some()
        {
            in_flight.to = to.clone();
            self.in_flight.push(in_flight);
        }
    }

    /// A new token, which begins at an entry or a goal on this occasion.
    pub(super) fn new_token(&self, from: &ElementId) -> InFlightToken {
        InFlightToken {
            to: from.clone(),
            at: self.occasion.now(),
            causality: self.occasion.causality(),
            not_after: None,
            skipping: false,
            moves: 0,
        }
    }

    /// The token as it goes on from its rest at an instant.
    pub(super) fn continued(&self, token: &Token, at: Instant) -> InFlightToken {
        let (causality, moves) = self.after_rest(token, at.max(self.occasion.now()));
        InFlightToken {
            to: token.element.clone(),
            at: at.max(token.since),
            causality,
            not_after: None,
            skipping: false,
            moves,
        }
    }

    /// The chain and the number of moves of a token that has rested until an instant: a rest of an
    /// hour or more begins both anew (R41, R42).
    pub(super) fn after_rest(&self, token: &Token, until: Instant) -> (Causality, u32) {
        if until - token.since >= chrono::TimeDelta::hours(1) {
            (Causality { chain: self.chain_of(token), depth: 0 }, 0)
        } else {
            (token.causality, token.moves)
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

    /// Ends the tokens, resting and in flight, that are upstream of an event or goal (R9).
    pub(super) fn end_upstream(&mut self, target: usize) -> EndedTokens {
        let graph = self.graph;
        let upstream = |element: &ElementId| {
            graph.element(element).is_some_and(|(place, _)| graph.is_upstream(place, target))
        };
        let (in_flight, kept): (Vec<InFlightToken>, Vec<InFlightToken>) =
            std::mem::take(&mut self.in_flight).into_iter().partition(|token| upstream(&token.to));
        self.in_flight = kept;
        let tokens = std::mem::take(&mut self.next.tokens);
        let (ended, kept): (Vec<Token>, Vec<Token>) =
            tokens.into_iter().partition(|token| upstream(&token.element));
        self.next.tokens = kept;
        for token in &ended {
            self.ended(token);
        }
        EndedTokens {
            count: in_flight.len() + ended.len(),
            deepest_in_flight: in_flight
                .into_iter()
                .max_by_key(|token| (token.causality.depth, token.moves)),
        }
    }

    /// Ends every token.
    pub(super) fn end_all(&mut self) {
        self.in_flight.clear();
        for token in std::mem::take(&mut self.next.tokens) {
            self.ended(&token);
        }
    }

    /// Nothing of a token that ended has any effect (R18).
    pub(super) fn ended(&mut self, token: &Token) {
        let mut follows = Consequences::default();
        end_token(&mut self.next, token, self.situation.account.zone, &mut follows);
        self.take_consequences(follows);
    }

    /// Whether a token rests at the element, and so has been counted there.
    pub(super) fn rests_at(&self, id: &ElementId) -> bool {
        self.next.tokens.iter().any(|token| token.element == *id)
    }
}
