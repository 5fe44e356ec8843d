//! The types of elements: one file each holds all that the format and the checks know of a type.
//!
//! A type's file has its keys with their documentation (the JSON Schema is made from them), and
//! answers the questions of [`ElementType`]: its edges, what it reads, whether a token rests there,
//! its templates, and what must be true of it by itself. This file lists the types: the enum, the
//! word for each, and the one `match` that leads from an element to its type's answers. What an
//! element *does* is in `crate::decide`.

mod condition;
mod date_timer;
mod email;
mod end;
mod event;
mod goal;
mod message;
mod of;
mod reset;
mod restart;
mod set_field;
mod split;
mod start;
mod start_campaign;
mod stop_campaign;
mod tag;
mod wait;
mod webhook;
mod window;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checks::{Findings, Surroundings, Template};
use super::decode::decode_without;
use super::node::{Node, Path};
use super::refusal::Refusal;
use crate::condition::{Condition, Reads};
use crate::ids::{CampaignId, ElementId};

pub use condition::Branch;
pub use date_timer::{DateTimer, Empty, Past, Repeat};
pub use email::SendEmail;
pub use end::End;
pub use event::{Edge, EventElement};
pub use goal::{Goal, Unmet};
pub use message::{Channel, ElementMessage};
pub use of::Of;
pub use reset::Reset;
pub use restart::Restart;
pub use set_field::SetField;
pub use split::{Split, WeightedEdge};
pub use start::Start;
pub use start_campaign::StartCampaign;
pub use stop_campaign::StopCampaign;
pub use tag::ChangeTags;
pub use wait::{Until, Wait};
pub use webhook::{Method, Webhook};
pub use window::{Otherwise, Window};

/// An element of the graph; `type` says which.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Element {
    /// Where contacts enter when a condition holds (R6).
    Start(Start),
    /// Reacts to an edge (R7).
    Event(EventElement),
    /// Ends what leads up to it when a condition holds (R8).
    Goal(Goal),
    /// Sends an e-mail (R30 to R34).
    Email(SendEmail),
    /// Waits (R20).
    Wait(Wait),
    /// Follows a date of the contact (R21, R22, R24).
    DateTimer(DateTimer),
    /// Goes one of two ways.
    Condition(Branch),
    /// Goes one of several ways, by weight.
    Split(Split),
    /// Assigns and withdraws tags.
    Tag(ChangeTags),
    /// Sets fields of the contact.
    SetField(SetField),
    /// Resets this or another campaign (R11).
    Reset(Reset),
    /// Restart (Multiple Send) (R12).
    Restart(Restart),
    /// Stops this or another campaign (R16).
    StopCampaign(StopCampaign),
    /// Enters another campaign (R52).
    StartCampaign(StartCampaign),
    /// Calls an HTTP endpoint.
    Webhook(Webhook),
    /// The path is over.
    End(End),
}

/// What every type of element says about itself. What decides a contact's way has no answer by
/// default: a new type has to give it. What most types do not have, they need not speak of.
pub(super) trait ElementType {
    /// Its edges in the order of their keys, without those that are not written.
    fn edges(&self) -> Vec<(EdgeKey, &ElementId)>;

    /// What a token does that arrives. `this` is the campaign that the element belongs to.
    fn arrival(&self, this: &CampaignId) -> Arrival;

    /// What becomes of it behind a date timer whose moment has passed (R22).
    fn when_missed(&self) -> WhenMissed;

    /// Whether contacts enter here.
    fn lets_in(&self) -> bool {
        false
    }

    /// The condition that it holds, if its type has one.
    fn condition(&self) -> Option<&Condition> {
        None
    }

    /// Collects what it reacts to: tags, fields and statuses whose change may move a token, or let
    /// one in. What is only read when a token arrives is not among them.
    fn add_reads(&self, _: &mut Reads) {}

    /// The texts in it that are templates, each with the path that it is written at. `path` is the
    /// element's.
    fn templates(&self, _path: &Path) -> Vec<Template<'_>> {
        Vec::new()
    }

    /// Finds what is wrong or odd with the element by itself; its condition and its templates are
    /// checked for it. `path` is the element's.
    fn check(&self, _path: &Path, _: &Surroundings<'_>, _: &mut Findings<'_>) {}
}

/// The other campaign that an element of this one names; `None` if it means its own.
pub fn other_than<'a>(this: &CampaignId, named: Option<&'a CampaignId>) -> Option<&'a CampaignId> {
    named.filter(|named| *named != this)
}

/// What a token does that arrives at an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It goes on at once, or as soon as a message is settled.
    GoesOn,
    /// It stays (R41), so that a circle through the element takes time.
    Rests,
    /// The next run of the campaign begins: nothing behind the element is reached in the same run
    /// (R9, R11, R12).
    BeginsNextRun,
    /// The path ends here although the element has edges (R16).
    EndsPath,
}

/// What becomes of an element behind the edge `next` of a date timer whose moment has passed (R22).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WhenMissed {
    /// It is about the moment itself: nothing is lost with it, but what comes after it may be.
    BelongsToTheMoment,
    /// Nothing is lost, and what comes after it has another way in.
    LosesNothing,
    /// It is lost.
    IsLost,
}

/// The key that holds an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdgeKey {
    /// A key of the element: `next`, `then`, `else`, `missed`.
    Key(&'static str),
    /// The `next` of a split's branch, counted from 0.
    Branch(usize),
}

impl EdgeKey {
    /// The edges of an element that has them as keys of its own, without those that are not
    /// written.
    fn edges<'a, const N: usize>(
        keys: [(&'static str, Option<&'a ElementId>); N],
    ) -> Vec<(Self, &'a ElementId)> {
        keys.into_iter().filter_map(|(key, to)| Some((Self::Key(key), to?))).collect()
    }

    /// The path of the key, from the element's.
    pub(super) fn path(self, element: &Path) -> Path {
        match self {
            Self::Key(key) => element.key(key),
            Self::Branch(nth) => element.key("branches").index(nth).key("next"),
        }
    }
}

impl fmt::Display for EdgeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.write_str(key),
            Self::Branch(nth) => write!(f, "branches[{nth}].next"),
        }
    }
}

/// Reads an element of one type from a map with `type` and its keys.
type Read = fn(&Node) -> Result<Element, Refusal>;

/// The words that `type` may have, in the order of the enum, each with how its elements are read.
/// Serde has the same words.
const READ: [(&str, Read); 16] = [
    ("start", |node| decode_without(node, "type").map(Element::Start)),
    ("event", |node| decode_without(node, "type").map(Element::Event)),
    ("goal", |node| decode_without(node, "type").map(Element::Goal)),
    ("email", |node| decode_without(node, "type").map(Element::Email)),
    ("wait", |node| decode_without(node, "type").map(Element::Wait)),
    ("date_timer", |node| decode_without(node, "type").map(Element::DateTimer)),
    ("condition", |node| decode_without(node, "type").map(Element::Condition)),
    ("split", |node| decode_without(node, "type").map(Element::Split)),
    ("tag", |node| decode_without(node, "type").map(Element::Tag)),
    ("set_field", |node| decode_without(node, "type").map(Element::SetField)),
    ("reset", |node| decode_without(node, "type").map(Element::Reset)),
    ("restart", |node| decode_without(node, "type").map(Element::Restart)),
    ("stop_campaign", |node| decode_without(node, "type").map(Element::StopCampaign)),
    ("start_campaign", |node| decode_without(node, "type").map(Element::StartCampaign)),
    ("webhook", |node| decode_without(node, "type").map(Element::Webhook)),
    ("end", |node| decode_without(node, "type").map(Element::End)),
];

/// The words that `type` may have.
pub(super) const TYPES: [&str; READ.len()] = {
    let mut words = [""; READ.len()];
    let mut nth = 0;
    while nth < words.len() {
        words[nth] = READ[nth].0;
        nth += 1;
    }
    words
};

/// Reads the element of a type from a map with `type` and its keys; `None` if the word is unknown.
pub(super) fn read(word: &str, node: &Node) -> Option<Result<Element, Refusal>> {
    READ.iter().find(|(known, _)| *known == word).map(|(_, read)| read(node))
}

impl Element {
    /// Its edges in the order of their keys, each with the key that holds it.
    pub fn edges(&self) -> Vec<(EdgeKey, &ElementId)> {
        self.of_type().edges()
    }

    /// What a token does that arrives. `this` is the campaign that the element belongs to.
    pub fn arrival(&self, this: &CampaignId) -> Arrival {
        self.of_type().arrival(this)
    }

    /// The edges that tokens take: none behind a stop of its own campaign (R16).
    pub fn edges_taken(&self, this: &CampaignId) -> Vec<(EdgeKey, &ElementId)> {
        if self.arrival(this) == Arrival::EndsPath { Vec::new() } else { self.edges() }
    }

    /// Whether contacts enter here.
    pub fn lets_in(&self) -> bool {
        self.of_type().lets_in()
    }

    /// The condition that it holds, if its type has one.
    pub fn condition(&self) -> Option<&Condition> {
        self.of_type().condition()
    }

    /// The message that it sends, if its type sends any.
    pub fn message(&self) -> Option<ElementMessage<'_>> {
        match self {
            Self::Email(element) => Some(element.message()),
            Self::Start(_)
            | Self::Event(_)
            | Self::Goal(_)
            | Self::Wait(_)
            | Self::DateTimer(_)
            | Self::Condition(_)
            | Self::Split(_)
            | Self::Tag(_)
            | Self::SetField(_)
            | Self::Reset(_)
            | Self::Restart(_)
            | Self::StopCampaign(_)
            | Self::StartCampaign(_)
            | Self::Webhook(_)
            | Self::End(_) => None,
        }
    }

    /// What its type says about it.
    pub(super) fn of_type(&self) -> &dyn ElementType {
        match self {
            Self::Start(element) => element,
            Self::Event(element) => element,
            Self::Goal(element) => element,
            Self::Email(element) => element,
            Self::Wait(element) => element,
            Self::DateTimer(element) => element,
            Self::Condition(element) => element,
            Self::Split(element) => element,
            Self::Tag(element) => element,
            Self::SetField(element) => element,
            Self::Reset(element) => element,
            Self::Restart(element) => element,
            Self::StopCampaign(element) => element,
            Self::StartCampaign(element) => element,
            Self::Webhook(element) => element,
            Self::End(element) => element,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TYPES;
    use crate::campaign::schema::json_schema;

    /// The page that people read has a row for each type, and the schema a case.
    #[test]
    fn every_type_is_on_the_page_of_the_format_and_in_the_schema() {
        let page = include_str!("../../../../../docs/campaign-format.md");
        let schema = json_schema();
        let cases = schema.pointer("/$defs/Element/oneOf").and_then(|cases| cases.as_array());
        let in_schema: Vec<_> = cases
            .expect("the cases of an element")
            .iter()
            .filter_map(|case| case.pointer("/properties/type/const")?.as_str())
            .collect();
        assert_eq!(in_schema, TYPES, "the schema has other types than `TYPES`");
        for word in TYPES {
            assert!(page.contains(&format!("\n| `{word}` |")), "no row for `{word}` on the page");
        }
    }
}
