//! What can come next, and when.

use dacapo_engine::campaign::format::{EdgeKey, Element};
use dacapo_engine::campaign::graph::Graph;
use dacapo_engine::compact::SortCompactly as _;
use dacapo_engine::enrollment::{DateRest, Enrollment, MessageRest, Rest, Status, Token};
use dacapo_engine::ids::ElementId;

use super::{Explaining, MOST_NEXT, NextStep};

impl Explaining<'_> {
    pub(super) fn next(&self) -> Vec<NextStep> {
        let mut next = Vec::new();
        if self.is_paused() {
            let text = "the campaign is resumed, and what stands still goes on";
            next.push(NextStep {
                at: self.known.paused_until,
                element: None,
                text: text.to_owned(),
            });
        }
        if let Some(enrollment) = self.enrollment() {
            next.extend(enrollment.tokens.iter().map(|token| self.of_token(token)));
            next.extend(self.of_the_restart(enrollment));
        }
        match self.graph {
            Some(_) if self.may_not_enter() => {
                let by = if self.status() == Some(Status::Held) {
                    "somebody releases it (`…/release`), or it is reset"
                } else {
                    "it is reset (`…/reset`): until then nothing lets it in"
                };
                next.push(NextStep { at: None, element: None, text: by.to_owned() });
            }
            Some(graph) => {
                self.ways_out(graph, &mut next);
                self.ways_in(graph, &mut next);
            }
            None => {}
        }
        next.sort_compactly_by_key(|one| (one.at.is_none(), one.at));
        next.truncate(MOST_NEXT);
        next
    }

    /// What ends a token's rest.
    fn of_token(&self, token: &Token) -> NextStep {
        let then = || self.then(token, "next");
        let text = match token.rest {
            Rest::Message(MessageRest::Queued) => {
                format!("its message is checked once more and leaves; {}", then())
            }
            Rest::Message(MessageRest::Window(_)) => {
                format!("its message may leave; {}", then())
            }
            Rest::Message(MessageRest::Settled)
            | Rest::Wait(_)
            | Rest::Date(DateRest::Until(_)) => then(),
            Rest::Date(DateRest::NoDate) => "once there is a date, the timer is set".to_owned(),
            Rest::Date(DateRest::Following(_)) => {
                "the path ends here, unless the date moves before".to_owned()
            }
            Rest::Event => format!("once {}, {}", self.what_ends(token), then()),
            Rest::Goal => format!("once this holds: {}, {}", self.what_ends(token), then()),
        };
        // In a pause no clock decides it.
        let at = token.due().filter(|_| !self.is_paused());
        NextStep { at, element: Some(token.element.clone()), text }
    }

    /// What lets it in by a start whose condition holds: it is looked at on a trigger (R6, R13).
    fn next_trigger(&self) -> &'static str {
        match self.status() {
            Some(Status::AwaitingRestart) => {
                "it enters with the next change of tags or fields, since its condition holds"
            }
            _ => {
                "it enters with the next change of what the start reads, since its condition holds"
            }
        }
    }

    /// What an event or a goal waits for.
    fn what_ends(&self, token: &Token) -> String {
        match self.graph.and_then(|graph| graph.element(&token.element)) {
            Some((_, Element::Event(event))) => self.once(&token.element, &event.on),
            Some((_, Element::Goal(goal))) => goal.when.to_string(),
            _ => "it happens".to_owned(),
        }
    }

    /// Where an edge leads.
    fn then(&self, token: &Token, key: &'static str) -> String {
        let element = self.graph.and_then(|graph| graph.element(&token.element));
        match element.and_then(|(_, element)| target(element, key)) {
            Some(to) => format!("it goes on to `{to}`"),
            None => "the path ends".to_owned(),
        }
    }

    fn of_the_restart(&self, enrollment: &Enrollment) -> Option<NextStep> {
        if enrollment.status != Status::AwaitingRestart {
            return None;
        }
        let now = self.known.situation.now;
        let eligible_at = enrollment.eligible_at.filter(|at| *at > now);
        let text = match (&enrollment.parked, eligible_at) {
            (Some(_), _) => "the start conditions are checked, for the trigger that is parked",
            (None, Some(_)) => {
                "from then on any change of tags or fields checks the start conditions"
            }
            (None, None) => "any change of tags or fields checks the start conditions",
        };
        let at = eligible_at.filter(|_| !self.is_paused());
        Some(NextStep { at, element: None, text: text.to_owned() })
    }

    /// Events and goals that take a token from where it rests (R7, R8).
    fn ways_out(&self, graph: &Graph, next: &mut Vec<NextStep>) {
        let tokens = self.enrollment().map_or(&[][..], |enrollment| &enrollment.tokens);
        for (place, id, element) in graph.elements().filter(|(_, id, _)| !self.has_fired(id)) {
            let leads_here = |token: &&Token| {
                let from = graph.element(&token.element);
                token.element != *id && from.is_some_and(|(from, _)| graph.is_upstream(from, place))
            };
            let Some(token) = tokens.iter().find(leads_here) else { continue };
            let once = match element {
                Element::Event(event) => self.once(id, &event.on),
                Element::Goal(goal) => format!("this holds: {}", goal.when),
                _ => continue,
            };
            let text = format!("once {once}, it leaves `{}` for `{id}`", token.element);
            next.push(NextStep { at: None, element: Some(id.clone()), text });
        }
    }

    /// Starts and events that let it in while nothing is running.
    fn ways_in(&self, graph: &Graph, next: &mut Vec<NextStep>) {
        if self.enrollment().is_some_and(|enrollment| !enrollment.tokens.is_empty()) {
            return;
        }
        for start in self.starts() {
            let text = if start.condition.holds {
                self.next_trigger().to_owned()
            } else {
                format!("it enters once this holds: {}", start.condition.text)
            };
            next.push(NextStep { at: None, element: Some(start.element), text });
        }
        for (_, id, element) in graph.elements().filter(|(_, id, _)| !self.has_fired(id)) {
            if let Element::Event(event) = element
                && !event.requires_active
                && !matches!(event.on, dacapo_engine::campaign::format::Edge::Contact(_))
            {
                let text = format!("it enters once {}", self.once(id, &event.on));
                next.push(NextStep { at: None, element: Some(id.clone()), text });
            }
        }
    }
}

fn target<'e>(element: &'e Element, key: &'static str) -> Option<&'e ElementId> {
    element.edges().into_iter().find(|(of, _)| *of == EdgeKey::Key(key)).map(|(_, to)| to)
}
