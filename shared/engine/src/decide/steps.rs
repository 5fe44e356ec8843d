//! What each element does with a token that arrives: tokens advance, each to its rest, in the order
//! of their elements in the document (R10).
//!
//! It promises that it ends: no token moves over more than a bounded number of elements (R41).

use super::builder::DecisionBuilder;
use super::in_flight_token::InFlightToken;
use super::{Effect, MOST_MOVES};
use crate::campaign::format::{Element, Goal, Of, SetField, Split, Unmet, other_than};
use crate::contact::Patch;
use crate::enrollment::{Guard, Rest, Status};
use crate::field::FieldValue;
use crate::hash::stable;
use crate::history::{Command, Happened};
use crate::ids::{CampaignId, ElementId, FieldKey};
use crate::statistics::Counter;
use crate::template::{Budget, Escape, render_within};

impl DecisionBuilder<'_> {
    /// Moves every token that is on its way to its rest; then the run may be complete.
    pub(super) fn move_tokens(&mut self) {
        loop {
            // Goals are checked before each step (R8).
            if !self.in_flight.is_empty() && self.goals() {
                continue;
            }
            let graph = self.graph;
            let first = (0..self.in_flight.len())
                .min_by_key(|nth| graph.element(&self.in_flight[*nth].to).map(|(place, _)| place));
            let Some(first) = first else { break };
            let mut token = self.in_flight.remove(first);
            if token.moves >= MOST_MOVES {
                self.hold(Some(&token.to.clone()), Guard::Moves);
                return;
            }
            token.moves += 1;
            if let Some((_, element)) = graph.element(&token.to) {
                self.step(token, element);
            }
        }
        self.complete();
    }

    /// A run whose paths have run out is completed, once (R53); with the legacy setting it restarts
    /// (R17).
    pub(super) fn complete(&mut self) {
        if self.next.status != Status::Active || !self.next.tokens.is_empty() {
            return;
        }
        self.next.status = Status::Completed;
        self.line(None, Happened::Completed);
        if !self.next.completed {
            self.next.completed = true;
            self.count(&Counter::Completed);
        }
        if self.graph.document.settings.multiple_send {
            // Its cause is the path that ended, not the occasion on which it went on (R13).
            self.restart(None, self.last_path_causality.unwrap_or(self.occasion.causality()));
        }
    }

    /// What the element does with a token that arrives.
    fn step(&mut self, token: InFlightToken, element: &Element) {
        let id = token.to.clone();
        self.next.arrivals += 1;
        let step = self.next.arrivals;
        self.count(&Counter::Arrived(&id));
        match element {
            Element::Start(start) => self.send_on(start.next.as_ref(), token),
            Element::Event(_) if self.next.has_fired(&id) => {
                self.line(Some(&id), Happened::TokenEnded);
            }
            Element::Event(_) => {
                self.line(Some(&id), Happened::Rests);
                self.rest(&token, step, Rest::Event);
            }
            Element::Goal(goal) => self.arrive_at_goal(token, step, goal),
            Element::Email(email) => self.arrive_at_message(token, step, email.message()),
            Element::Wait(wait) => self.arrive_at_wait(&token, step, wait),
            Element::DateTimer(timer) => self.arrive_at_date_timer(token, step, timer),
            Element::Condition(branch) => {
                let (way, next) = if self.judged(|view| branch.when.holds(view)) {
                    ("then", &branch.then)
                } else {
                    ("else", &branch.otherwise)
                };
                self.line(Some(&id), Happened::Branched { way: way.to_owned() });
                self.send_on(next.as_ref(), token);
            }
            Element::Split(split) => {
                let nth = self.chosen(&id, split);
                self.line(Some(&id), Happened::Branched { way: format!("branches[{nth}]") });
                self.send_on(split.branches.get(nth).and_then(|way| way.next.as_ref()), token);
            }
            Element::Tag(tags) => {
                let patch = Patch {
                    add: tags.add.clone(),
                    remove: tags.remove.clone(),
                    ..Patch::default()
                };
                self.write(&id, tags.of, patch, token.causality);
                self.send_on(tags.next.as_ref(), token);
            }
            Element::SetField(set) => {
                let patch = self.values(&id, set);
                self.write(&id, set.of, patch, token.causality);
                self.send_on(set.next.as_ref(), token);
            }
            Element::Reset(reset) => match self.other(reset.campaign.as_ref()) {
                Some(campaign) => {
                    self.command(token, campaign, Command::Reset, reset.next.as_ref());
                }
                None => self.reset_by_element(token),
            },
            Element::Restart(restart) => {
                let causality = token.causality;
                self.restart(Some(&id), causality);
                if let Some(tag) = &restart.tag {
                    let patch = Patch { add: vec![tag.clone()], ..Patch::default() };
                    self.write(&id, None, patch, causality);
                }
            }
            Element::StopCampaign(stop) => {
                let command =
                    if stop.reset_contacts { Command::StopAndReset } else { Command::Stop };
                match self.other(stop.campaign.as_ref()) {
                    Some(campaign) => self.command(token, campaign, command, stop.next.as_ref()),
                    None => self.stop_or_reset(Some(&id), stop.reset_contacts),
                }
            }
            Element::StartCampaign(start) => match self.other(Some(&start.campaign)) {
                Some(campaign) => {
                    self.command(token, campaign, Command::Start, start.next.as_ref());
                }
                None => self.start_own(start.next.as_ref(), token),
            },
            Element::Webhook(webhook) => {
                let (run, version) = (self.next.run, self.next.version);
                self.effects.push(Effect::Call { run, step, version, element: id.clone() });
                self.line(Some(&id), Happened::Called);
                self.send_on(webhook.next.as_ref(), token);
            }
            Element::End(_) => {}
        }
    }

    /// R8: a token that arrives early does as `unmet` says. That the goal does not hold is known:
    /// goals were checked before this step.
    fn arrive_at_goal(&mut self, token: InFlightToken, step: u32, goal: &Goal) {
        let id = token.to.clone();
        if self.next.has_fired(&id) {
            self.line(Some(&id), Happened::TokenEnded);
            return;
        }
        match goal.unmet {
            Unmet::Wait => {
                self.line(Some(&id), Happened::Rests);
                self.rest(&token, step, Rest::Goal);
            }
            Unmet::Continue => self.send_on(goal.next.as_ref(), token.unbound()),
            Unmet::End => self.line(Some(&id), Happened::TokenEnded),
        }
    }

    /// A path starts its own campaign (R52). The bounds of this path go on counting for the new one
    /// (R41, R42): with a reset before it, it would otherwise run in a circle.
    fn start_own(&mut self, next: Option<&ElementId>, token: InFlightToken) {
        let others = self.in_flight.len();
        // If it does not start, there is a line about it.
        self.start_regardless().unwrap_or_default();
        for entered in self.in_flight.iter_mut().skip(others) {
            entered.moves = token.moves;
            entered.causality = token.causality;
        }
        self.send_on(next, token);
    }

    /// The other campaign that an element names; `None` if it means its own.
    fn other(&self, campaign: Option<&CampaignId>) -> Option<CampaignId> {
        other_than(&self.situation.campaign.id, campaign).cloned()
    }

    /// Sends a command to another campaign; the token goes on at once.
    fn command(
        &mut self,
        token: InFlightToken,
        campaign: CampaignId,
        command: Command,
        next: Option<&ElementId>,
    ) {
        self.send_command(&token.to, campaign, command, token.causality);
        self.send_on(next, token);
    }

    /// The way of a split: stable for the contact and the run.
    fn chosen(&self, id: &ElementId, split: &Split) -> usize {
        let total: u64 = split.branches.iter().map(|way| u64::from(way.weight)).sum();
        if total == 0 {
            return 0;
        }
        let mut drawn = stable(&[
            self.situation.contact.id.as_str(),
            self.situation.campaign.id.as_str(),
            &self.next.run.to_string(),
            id.as_str(),
        ]) % total;
        for (nth, way) in split.branches.iter().enumerate() {
            let weight = u64::from(way.weight);
            if drawn < weight {
                return nth;
            }
            drawn -= weight;
        }
        0
    }

    /// The values of a *set field*; one that cannot be read is not written, with a line.
    fn values(&mut self, id: &ElementId, set: &SetField) -> Patch {
        let mut patch = Patch::default();
        for (key, written) in &set.fields {
            match self.value(set.of, key, written) {
                Ok(value) => {
                    patch.fields.insert(key.clone(), value);
                }
                Err(reason) => {
                    self.line(Some(id), Happened::FieldRefused { field: key.clone(), reason });
                }
            }
        }
        patch
    }

    fn value(
        &self,
        of: Option<Of>,
        key: &FieldKey,
        written: &serde_json::Value,
    ) -> Result<Option<FieldValue>, String> {
        let kind = match of {
            Some(Of::Contact) => self.graph.contact_field_type(key),
            None => self.graph.field_type(key),
        };
        let kind = kind.ok_or_else(|| format!("there is no field {key}"))?;
        let rendered;
        let written = match written {
            serde_json::Value::String(template) if template.contains('{') => {
                let values = self.merge_values();
                // It is rendered within the decision and delays what follows: a small budget.
                rendered = serde_json::Value::String(
                    render_within(Budget::Small, template, Escape::Text, &values)
                        .map_err(|error| error.to_string())?,
                );
                &rendered
            }
            plain => plain,
        };
        kind.read(written, self.zone()).map_err(|error| error.to_string())
    }
}
