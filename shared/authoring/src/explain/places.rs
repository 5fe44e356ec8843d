//! Where the paths of a run are, and why.

use dacapo_engine::campaign::format::Element;
use dacapo_engine::enrollment::{DateRest, MessageRest, Rest, Token};

use super::{Explaining, TokenPlace};

impl Explaining<'_> {
    pub(super) fn places(&self) -> Vec<TokenPlace> {
        let tokens = self.enrollment().map_or(&[][..], |enrollment| &enrollment.tokens);
        let place = |token: &Token| TokenPlace {
            element: token.element.clone(),
            since: token.since,
            due: token.due(),
            text: self.rests(token),
            why: self.arrived_because(token),
        };
        tokens.iter().map(place).collect()
    }

    /// The cause of the arrival: that of the first line about the element since then.
    fn arrived_because(&self, token: &Token) -> Option<String> {
        let about =
            |line: &dacapo_engine::history::Line| line.element.as_ref() == Some(&token.element);
        let mut lines =
            self.lines().filter(|(record, line)| about(line) && record.at >= token.since);
        let mut first = lines.next()?;
        for earlier in lines {
            first = earlier;
        }
        Some(first.0.because.words())
    }

    /// What a token does where it rests.
    fn rests(&self, token: &Token) -> String {
        let element = self.graph.and_then(|graph| graph.element(&token.element));
        let element = element.map(|(_, element)| element);
        match token.rest {
            Rest::Message(MessageRest::Queued) => "its message is on its way".to_owned(),
            Rest::Message(MessageRest::Window(until)) => {
                format!("its message waits until it may leave, {}", self.moment(until))
            }
            Rest::Message(MessageRest::Settled) => {
                "its message is settled, and it goes on when the campaign is resumed".to_owned()
            }
            Rest::Wait(until) => format!("it waits until {}", self.moment(until)),
            Rest::Date(date) => self.rests_for_a_date(element, date),
            Rest::Event => match element {
                Some(Element::Event(event)) => {
                    format!("it waits until {}", self.once(&token.element, &event.on))
                }
                _ => "it waits for an event".to_owned(),
            },
            Rest::Goal => match element {
                Some(Element::Goal(goal)) => {
                    let judged = goal.when.judged(&self.view());
                    let missing: Vec<&str> =
                        judged.missing().iter().map(|part| part.text.as_str()).collect();
                    format!("it waits for the goal, which is missing {}", missing.join(", "))
                }
                _ => "it waits for a goal".to_owned(),
            },
        }
    }

    fn rests_for_a_date(&self, element: Option<&Element>, date: DateRest) -> String {
        let of = match element {
            Some(Element::DateTimer(timer)) => match &timer.field {
                Some(field) => format!("the date in the field {field}"),
                None => "its date".to_owned(),
            },
            _ => "a date".to_owned(),
        };
        match date {
            DateRest::NoDate => format!("it waits, since there is no date: it needs {of}"),
            DateRest::Until(plan) => {
                format!("it waits until {}, which follows {of}", self.moment(plan.moment))
            }
            DateRest::Following(plan) => format!(
                "its moment has passed; it still follows {of} until {}, and ends then",
                self.moment(plan.date)
            ),
        }
    }
}
