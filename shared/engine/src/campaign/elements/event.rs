//! `event`: reacts to something that happens to a contact at an instant (R7).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EdgeKey, ElementType, WhenMissed};
use crate::campaign::checks::{At, Findings, Surroundings, Template, seen};
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
        }
    }

    /// The tags that it is about; none if it is about something else.
    pub fn tags(&self) -> &[Tag] {
        match self {
            Self::TagAdded(tags) | Self::TagRemoved(tags) | Self::TagAssigned(tags) => {
                tags.as_slice()
            }
            Self::FieldSet(_) | Self::FieldChanged(_) | Self::FieldCleared(_) | Self::Custom(_) => {
                &[]
            }
        }
    }

    /// The field that it is about, if it is about one.
    pub fn field(&self) -> Option<&FieldKey> {
        match self {
            Self::FieldSet(key) | Self::FieldChanged(key) | Self::FieldCleared(key) => Some(key),
            Self::TagAdded(_) | Self::TagRemoved(_) | Self::TagAssigned(_) | Self::Custom(_) => {
                None
            }
        }
    }

    /// Whether it is about tags, even if it names none.
    fn is_about_tags(&self) -> bool {
        match self {
            Self::TagAdded(_) | Self::TagRemoved(_) | Self::TagAssigned(_) => true,
            Self::FieldSet(_) | Self::FieldChanged(_) | Self::FieldCleared(_) | Self::Custom(_) => {
                false
            }
        }
    }
}

impl ElementType for EventElement {
    fn edges(&self) -> Vec<(EdgeKey, &ElementId)> {
        EdgeKey::edges([("next", self.next.as_ref())])
    }

    fn condition(&self) -> Option<&Condition> {
        None
    }

    fn reads(&self, reads: &mut Reads) {
        reads.tags.extend(self.on.tags().iter().cloned());
        reads.fields.extend(self.on.field().cloned());
    }

    fn is_rest(&self) -> bool {
        true
    }

    fn begins_next_run(&self, _: &CampaignId) -> bool {
        false
    }

    fn ends_path(&self, _: &CampaignId) -> bool {
        false
    }

    fn when_missed(&self) -> WhenMissed {
        // An event happens to those without a path, too.
        WhenMissed::LosesNothing
    }

    fn templates(&self, _: &Path) -> Vec<Template<'_>> {
        Vec::new()
    }

    fn check(&self, path: &Path, around: &Surroundings<'_>, findings: &mut Findings<'_>) {
        let path = path.key("on").key(self.on.word());
        let at = At::Value(&path);
        if let Some(field) = self.on.field() {
            around.fields.named(field, &at, findings);
        }
        if self.on.is_about_tags() {
            let tags = self.on.tags();
            if tags.is_empty() {
                let remedy = "name at least one tag";
                findings.error("never_fires", &at, "an event on no tag never fires", remedy);
            }
            for (nth, tag) in tags.iter().enumerate() {
                let is_list = tags.len() > 1;
                seen(tag, &if is_list { path.index(nth) } else { path.clone() }, findings);
            }
        }
        if matches!(&self.on, Edge::Custom(name) if name.trim().is_empty()) {
            let remedy = "write the name that is posted";
            findings.error("never_fires", &at, "an event without a name never fires", remedy);
        }
    }
}
