//! Whether a document makes a campaign that can be published.
//!
//! It promises that a published campaign's edges lead somewhere, that every element can be reached,
//! that no token runs in a circle without resting, and that every field, e-mail and placeholder
//! that is named exists. Errors keep a campaign from being published; warnings are worth a look.
//! Nothing here looks at contacts.

mod bounds;
mod elements;
mod emails;
mod fields;
mod graph;
mod missed;
mod templates;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::checks::{Fields, Findings, Surroundings};
use super::format::FieldDefinition;
use super::reader::Source;
use crate::ids::{CampaignId, FieldKey};
use crate::problem::Problem;

pub use bounds::{LONGEST_RESTART_DELAY_DAYS, MOST_ELEMENTS, MOST_EMAILS, MOST_TEMPLATE_BYTES};

/// What the account has that a campaign may refer to.
pub struct AccountView<'a> {
    /// Its contact fields, without the built-in ones.
    pub fields: &'a BTreeMap<FieldKey, FieldDefinition>,
    /// Whether it has a campaign of this id, published or not.
    pub campaigns: &'a dyn Fn(&CampaignId) -> bool,
    /// Whether it has a sender for campaigns that name none.
    pub sender: bool,
}

/// Everything that is wrong or odd, in order of place; the errors and the warnings are each bounded
/// in number.
pub fn validate(source: &Source, account: &AccountView<'_>) -> Vec<Problem> {
    let document = &source.document;
    let mut findings = Findings::new(&source.places);
    let declared = account.fields.iter().chain(&document.fields);
    let fields = Fields::new(declared.map(|(key, field)| (key, field.kind)));
    fields::check(document, account, &mut findings);
    bounds::check(document, &mut findings);
    graph::check(document, &mut findings);
    missed::check(document, &mut findings);
    emails::check(document, account, &mut findings);
    let known = |campaign: &CampaignId| *campaign == document.id || (account.campaigns)(campaign);
    // Those beyond the bound are refused as such.
    for (id, element) in document.elements.iter().take(MOST_ELEMENTS) {
        let around = Surroundings { fields: &fields, campaigns: &known };
        elements::check(id, element, &around, &mut findings);
    }
    templates::check(document, &fields, &mut findings);
    findings.into_problems()
}
