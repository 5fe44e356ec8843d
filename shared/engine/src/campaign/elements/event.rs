//! `event`: reacts to something that happens at an instant to the subject, or to the contact of an
//! object (R7, R72, R73).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Arrival, EdgeKey, ElementType, WhenMissed};
use crate::campaign::checks::{At, Findings, Surroundings, check_condition, seen};
use crate::campaign::node::Path;
use crate::condition::{Condition, Reads};
use crate::ids::{CampaignId, ElementId, FieldKey, Tag};
use crate::one_or_many::OneOrMany;

/// An event: it reacts to an edge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventElement {
    /// The edge it reacts to.
    pub on: Edge,
    /// Whether it fires only while the contact is active in the campaign.
    #[serde(default)]
    pub requires_active: bool,
    /// Where the token goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ElementId>,
}

/// An edge: something that happens to a contact at an instant (R7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Edge {
    /// A tag was assigned that the contact did not have.
    TagAdded(OneOrMany<Tag>),
    /// A tag was withdrawn.
    TagRemoved(OneOrMany<Tag>),
    /// A tag was added or refreshed (R2).
    TagAssigned(OneOrMany<Tag>),
    /// An empty field got a value.
    FieldSet(FieldKey),
    /// A value was replaced by another.
    FieldChanged(FieldKey),
    /// A value was cleared.
    FieldCleared(FieldKey),
    /// A custom event of this name was posted.
    Custom(String),
    /// The condition holds, and did not before (R73).
    Becomes(Condition),
    #[doc = "The edge is one of the contact whose object the subject is, while the object has \
             tokens here (R72)."]
    Contact(Box<Edge>),
}

impl Edge {
    /// The key that a document has for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::TagAdded(_) => "tag_added",
            Self::TagRemoved(_) => "tag_removed",
            Self::TagAssigned(_) => "tag_assigned",
            Self::FieldSet(_) => "field_set",
            Self::FieldChanged(_) => "field_changed",
            Self::FieldCleared(_) => "field_cleared",
            Self::Custom(_) => "custom",
            Self::Becomes(_) => "becomes",
            Self::Contact(_) => "contact",
        }
    }

    /// What it reads, added to `reads`.
    pub fn add_reads(&self, reads: &mut Reads) {
        match self {
            Self::TagAdded(tags) | Self::TagRemoved(tags) | Self::TagAssigned(tags) => {
                reads.tags.extend(tags.as_slice().iter().cloned());
            }
            Self::FieldSet(key) | Self::FieldChanged(key) | Self::FieldCleared(key) => {
                reads.fields.insert(key.clone());
            }
            Self::Becomes(condition) => condition.add_reads(reads),
            Self::Custom(_) => {}
            Self::Contact(edge) => {
                let mut read = Reads::default();
                edge.add_reads(&mut read);
                reads.of_person(read);
                reads.person.events.extend(match edge.as_ref() {
                    Self::Custom(name) => Some(name.clone()),
                    _ => None,
                });
            }
        }
    }
}

impl ElementType for EventElement {
    fn edges(&self) -> Vec<(EdgeKey, &ElementId)> {
        EdgeKey::edges([("next", self.next.as_ref())])
    }

    fn lets_in(&self) -> bool {
        true
    }

    fn add_reads(&self, reads: &mut Reads) {
        self.on.add_reads(reads);
    }

    fn arrival(&self, _: &CampaignId) -> Arrival {
        Arrival::Rests
    }

    fn when_missed(&self) -> WhenMissed {
        // An event happens to those without a path, too.
        WhenMissed::LosesNothing
    }

    fn check(&self, path: &Path, around: &Surroundings<'_>, findings: &mut Findings<'_>) {
        check_edge(&self.on, &path.key("on"), around, findings);
    }
}

/// Checks an edge that is written under the path.
fn check_edge(edge: &Edge, path: &Path, around: &Surroundings<'_>, findings: &mut Findings<'_>) {
    let path = path.key(edge.word());
    let at = At::Value(&path);
    match edge {
        Edge::TagAdded(tags) | Edge::TagRemoved(tags) | Edge::TagAssigned(tags) => {
            let tags = tags.as_slice();
            if tags.is_empty() {
                let remedy = "name at least one tag";
                findings.error("never_fires", &at, "an event on no tag never fires", remedy);
            }
            for (nth, tag) in tags.iter().enumerate() {
                let is_list = tags.len() > 1;
                seen(tag, &if is_list { path.index(nth) } else { path.clone() }, findings);
            }
        }
        Edge::FieldSet(field) | Edge::FieldChanged(field) | Edge::FieldCleared(field) => {
            around.fields.named(field, &at, findings);
        }
        Edge::Custom(name) if name.trim().is_empty() => {
            let remedy = "write the name that is posted";
            findings.error("never_fires", &at, "an event without a name never fires", remedy);
        }
        Edge::Custom(_) => {}
        Edge::Becomes(condition) => check_becomes(condition, &path, around, findings),
        Edge::Contact(edge) => {
            if let Some(around) = around.of_person(&path, findings) {
                check_edge(edge, &path, &around, findings);
            }
        }
    }
}

/// Only a change makes a condition come true (R73): time alone is no edge.
fn check_becomes(
    condition: &Condition,
    path: &Path,
    around: &Surroundings<'_>,
    findings: &mut Findings<'_>,
) {
    check_condition(condition, path, around, findings);
    if let Some(word) = condition.reads_time() {
        findings.error(
            "time_is_no_edge",
            &At::Value(path),
            format!("`{word}` comes true or not by the passing of time, and nothing happens then"),
            "leave it out here and ask it in a `condition` behind the event, or follow the date \
             with a `date_timer`",
        );
    }
    let reads = condition.reads();
    if reads.tags.is_empty() && reads.fields.is_empty() && reads.person.is_empty() {
        findings.error(
            "never_fires",
            &At::Value(path),
            "a condition on no tag and no field never becomes true by a change",
            "name the tag or the field whose change it is about; a start reads the status of \
             another campaign",
        );
    }
}
