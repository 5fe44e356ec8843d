//! An exploration as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::TimeDelta;
use dacapo_engine::ids::ElementId;

use super::{CampaignElement, Exploration, ExploredPath, lasting};
use crate::listed::listed;

impl Exploration {
    /// See the module.
    pub fn as_text(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "{} explored.", listed(&self.campaigns));
        let _ = writeln!(
            out,
            "Everything that it reacts to: {}; and time that passes.",
            listed(&self.triggers)
        );
        let bound = self.bound;
        if bound.reached {
            let _ = writeln!(
                out,
                "The bound of {} places stopped it, {} are known: there may be more of everything.",
                bound.most_places, bound.places
            );
        } else {
            let _ = writeln!(
                out,
                "All {} places were walked from (at most {} would be).",
                bound.places, bound.most_places
            );
        }
        let never: Vec<String> = self.never_reached.iter().map(|it| self.named(it)).collect();
        let _ = match never.as_slice() {
            [] => writeln!(out, "\nEvery element is reached."),
            never if bound.reached => {
                writeln!(out, "\nNot reached so far: {}", listed(never))
            }
            never => writeln!(out, "\nNever reached: {}", listed(never)),
        };
        self.times(&mut out);
        let busiest = &self.most_messages_a_day;
        let _ = write!(out, "Most messages within 24 hours: {}", busiest.messages);
        if busiest.only_bounded_by_the_guard {
            let _ = write!(out, ", which only the guard `max_messages_per_day` ends");
        }
        let _ = match busiest.elements.as_slice() {
            [] => writeln!(out),
            elements => writeln!(out, " ({})", counted(elements)),
        };
        self.rounds(&mut out);
        let _ = match self.silences.as_slice() {
            [] if bound.reached => writeln!(out, "\nWays into silence: none found so far."),
            [] => writeln!(out, "\nNo way into silence: whatever waits can still go on."),
            _ => writeln!(
                out,
                "\nWays into silence, to a path that waits for what can no longer come:"
            ),
        };
        for silence in &self.silences {
            let tags =
                if silence.tags.is_empty() { "none".to_owned() } else { listed(&silence.tags) };
            let _ =
                writeln!(out, "  waits at {} for ever (tags: {tags})", self.named(&silence.place));
            let _ = writeln!(out, "    {}", way(&silence.way));
        }
        out
    }

    fn times(&self, out: &mut String) {
        for (word, found) in [("Shortest", &self.shortest), ("Longest", &self.longest)] {
            let _ = match found {
                Some(found) => writeln!(
                    out,
                    "{word} time to the end: {}\n    {}",
                    lasting(TimeDelta::seconds(found.seconds)),
                    way(found)
                ),
                None if self.bound.reached => {
                    writeln!(out, "{word} time to the end: none found so far")
                }
                None => writeln!(out, "{word} time to the end: it has none"),
            };
        }
        if !self.loops.is_empty() {
            let _ = writeln!(out, "    (longer by going round a loop; people may take any time)");
        }
        let days = self.bound.days_ahead;
        let _ = writeln!(out, "    (people act at once, and dates are {days} days ahead)");
    }

    fn rounds(&self, out: &mut String) {
        let _ = match self.loops.as_slice() {
            [] if self.bound.reached => writeln!(out, "\nLoops: none found so far."),
            [] => writeln!(out, "\nNo loops."),
            _ => writeln!(out, "\nLoops:"),
        };
        for one in &self.loops {
            let names: Vec<String> = one.elements.iter().map(|it| self.named(it)).collect();
            let plural = if one.messages == 1 { "" } else { "s" };
            let _ = writeln!(
                out,
                "  {} ({} message{plural} a round, {})",
                names.join(" → "),
                one.messages,
                match one.round.seconds {
                    0 => "as quickly as it happens".to_owned(),
                    seconds => format!("in {} at least", lasting(TimeDelta::seconds(seconds))),
                }
            );
            let _ = writeln!(out, "    {}", one.round.steps.join("; "));
        }
    }

    fn named(&self, place: &CampaignElement) -> String {
        match self.campaigns.as_slice() {
            [_] => place.element.to_string(),
            _ => format!("{} in {}", place.element, place.campaign),
        }
    }
}

/// Elements, and how often each.
fn counted(elements: &[ElementId]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for element in elements {
        *counts.entry(element.as_str()).or_default() += 1;
    }
    listed(counts.iter().map(|(element, count)| match count {
        1 => (*element).to_owned(),
        count => format!("{element} {count} times"),
    }))
}

fn way(way: &ExploredPath) -> String {
    if way.steps.is_empty() { "at once".to_owned() } else { way.steps.join("; ") }
}
