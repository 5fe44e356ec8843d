//! What an element's own checks need: what it may refer to, and where it says what it found.
//!
//! Nothing here knows of documents or of types of elements; those are `campaign::validate`'s and
//! `campaign::elements`'s affair.

mod conditions;
mod fields;
mod findings;
mod templates;

use crate::campaign::node::Path;
use crate::ids::{CampaignId, ObjectType};

pub(super) use conditions::{check as check_condition, other_campaign, seen, unreadable};
pub(super) use fields::Fields;
pub(super) use findings::{At, Findings};
pub(super) use templates::{Template, is_template};

/// What an element may refer to.
pub(in crate::campaign) struct Surroundings<'a> {
    /// The fields of the subject.
    pub(in crate::campaign) fields: &'a Fields<'a>,
    /// The fields of the contact, if the subject is an object.
    pub(in crate::campaign) person: Option<&'a Fields<'a>>,
    /// The type of objects that the campaign is about; `None` if it is about contacts.
    pub(in crate::campaign) per: Option<&'a ObjectType>,
    /// Whether there is a campaign of this id.
    pub(in crate::campaign) campaigns: &'a dyn Fn(&CampaignId) -> bool,
    /// What the campaign of this id is about, if that is known.
    pub(in crate::campaign) subjects: &'a dyn Fn(&CampaignId) -> Option<Subjects>,
}

/// What a campaign is about (R71).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subjects {
    /// Contacts.
    Contacts,
    /// Objects of a type.
    Objects(ObjectType),
}

impl Subjects {
    /// Those of a campaign with this `per`.
    pub fn of(per: Option<&ObjectType>) -> Self {
        per.map_or(Self::Contacts, |kind| Self::Objects(kind.clone()))
    }

    /// The type of the objects; `None` for contacts.
    pub fn per(&self) -> Option<&ObjectType> {
        match self {
            Self::Contacts => None,
            Self::Objects(kind) => Some(kind),
        }
    }
}

impl std::fmt::Display for Subjects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Contacts => f.write_str("contacts"),
            Self::Objects(kind) => write!(f, "`{kind}`"),
        }
    }
}

impl<'a> Surroundings<'a> {
    /// Whether what is checked is about objects, and not about contacts.
    pub(in crate::campaign) fn is_about_objects(&self) -> bool {
        self.per.is_some()
    }

    /// The same for what is said of the object's contact at the path; it is an error, and nothing,
    /// where the contact is meant anyway.
    pub(in crate::campaign) fn of_person(
        &self,
        path: &Path,
        findings: &mut Findings<'_>,
    ) -> Option<Self> {
        let Some(fields) = self.person else {
            findings.error(
                "contact_is_meant_anyway",
                &At::Key(path),
                "the contact is meant here anyway: nothing in between belongs to a contact",
                "leave `contact` out; it is for campaigns about objects, with `per`",
            );
            return None;
        };
        Some(Self { fields, person: None, per: None, ..*self })
    }
}
