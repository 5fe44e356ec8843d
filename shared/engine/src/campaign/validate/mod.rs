//! Whether a document makes a campaign that can be published.
//!
//! It promises that a published campaign's edges lead somewhere, that every element can be reached,
//! that no token runs in a circle without resting, and that every field, e-mail and placeholder
//! that is named exists. Errors keep a campaign from being published; a warning only says what is
//! probably a mistake. Nothing here looks at contacts.

mod allow;
mod bounds;
mod elements;
mod emails;
mod fields;
mod graph;
mod missed;
mod objects;
mod templates;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::checks::{Fields, Findings, Surroundings};
use super::format::{FieldDefinition, ObjectDefinition};
use super::reader::LocatedDocument;
use crate::ids::{CampaignId, FieldKey, ObjectType};
use crate::problem::Problem;

use templates::Placeholders;

pub use super::checks::Subjects;
pub use bounds::MOST_ELEMENTS;
pub use emails::{LONGEST_SENDER_NAME_BYTES, LONGEST_SUBJECT_BYTES};
pub use objects::{taken_field, taken_type};

/// What the account has that a campaign may refer to.
pub struct AccountView<'a> {
    /// Its contact fields, without the built-in ones.
    pub fields: &'a BTreeMap<FieldKey, FieldDefinition>,
    /// Its types of objects (R70).
    pub objects: &'a BTreeMap<ObjectType, ObjectDefinition>,
    /// What the campaign of this id is about, if that is known: the published one, and for another
    /// than this also one that is a draft (R71).
    pub subjects: &'a dyn Fn(&CampaignId) -> Option<Subjects>,
    /// Whether it has a campaign of this id, published or not.
    pub campaigns: &'a dyn Fn(&CampaignId) -> bool,
    /// Whether it has a sender for campaigns that name none.
    pub sender: bool,
}

/// Everything that is wrong or odd, in order of place; the errors and the warnings are each bounded
/// in number.
pub fn validate(source: &LocatedDocument, account: &AccountView<'_>) -> Vec<Problem> {
    let document = &source.document;
    let mut findings = Findings::new(&source.places);
    let declared = account.fields.iter().chain(&document.fields);
    let fields = Fields::new(declared.map(|(key, field)| (key, field.kind)));
    let own = document.per.as_ref().map(|kind| {
        let declared = objects::fields(kind, document, account);
        (kind, Fields::of_object(kind, declared))
    });
    allow::check(document, &mut findings);
    fields::check(document, account, &mut findings);
    objects::check(document, account, &mut findings);
    bounds::check(document, &mut findings);
    graph::check(document, &mut findings);
    missed::check(document, &mut findings);
    emails::check(document, account, &mut findings);
    let known = |campaign: &CampaignId| *campaign == document.id || (account.campaigns)(campaign);
    // Those beyond the bound are refused as such.
    for (id, element) in document.elements.iter().take(MOST_ELEMENTS) {
        let around = Surroundings {
            fields: own.as_ref().map_or(&fields, |(_, own)| own),
            person: own.as_ref().map(|_| &fields),
            per: document.per.as_ref(),
            campaigns: &known,
            subjects: account.subjects,
        };
        elements::check(id, element, &around, &mut findings);
    }
    let own = own.as_ref().map(|(kind, own)| (*kind, own));
    templates::check(document, &Placeholders { fields: &fields, own }, &mut findings);
    findings.into_problems()
}
