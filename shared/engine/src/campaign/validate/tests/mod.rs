//! Small documents and what is found in them, as people read it.
//!
//! A line is a problem: path, line and column, code, message and remedy. The path of the whole is a
//! point. Warnings say so in front.

mod objects;
mod reading;
mod robust;
mod seeds;
mod sense;
mod structure;

use std::collections::BTreeMap;

use expect_test::Expect;

use super::{AccountView, Subjects, validate};
use crate::campaign::format::{FieldDefinition, ObjectDefinition};
use crate::campaign::reader::read;
use crate::field::FieldType;
use crate::ids::{CampaignId, FieldKey, ObjectType};
use crate::problem::{Problem, Severity};

fn check(text: &str, expected: &Expect) {
    expected.assert_eq(&found_in(text.trim_start_matches('\n')));
}

/// The same for a document that is nothing but these elements: from line 3, two columns further
/// right.
fn check_elements(elements: &str, expected: &Expect) {
    check(&with_elements(elements), expected);
}

fn with_elements(elements: &str) -> String {
    let mut text = String::from("id: test\nelements:\n");
    for line in elements.trim_matches('\n').lines() {
        text.push_str(&format!("  {line}\n"));
    }
    text
}

fn found_in(text: &str) -> String {
    let problems = match read(text) {
        Ok(source) => with_account(|account| validate(&source, account)),
        Err(problems) => problems,
    };
    problems.iter().map(line).collect()
}

fn line(problem: &Problem) -> String {
    let Problem { severity, code, path, line, column, message, remedy } = problem;
    let warning = match severity {
        Severity::Error => "",
        Severity::Warning => "warning: ",
    };
    let path = if path.is_empty() { "." } else { path };
    let (line, column) = (line.unwrap_or(0), column.unwrap_or(0));
    format!("{warning}{path} {line}:{column} {code}: {message} — {remedy}\n")
}

/// An account with a sender, the campaigns `other`, about contacts, and `orders`, about objects of
/// the type `order`, and a field of each type but text.
fn with_account<T>(ask: impl FnOnce(&AccountView<'_>) -> T) -> T {
    let field = |key: &str, kind| {
        (FieldKey::new(key).expect("a key"), FieldDefinition { kind, label: None })
    };
    let fields = BTreeMap::from([
        field("birthday", FieldType::Date),
        field("visit", FieldType::Datetime),
        field("points", FieldType::Number),
        field("member", FieldType::Boolean),
    ]);
    let order = ObjectType::new("order").expect("a type");
    let total = FieldDefinition { kind: FieldType::Number, label: None };
    let objects = BTreeMap::from([(
        order.clone(),
        ObjectDefinition {
            fields: BTreeMap::from([(FieldKey::new("total").expect("a key"), total)]),
            ..ObjectDefinition::default()
        },
    )]);
    let campaigns = |id: &CampaignId| ["other", "orders"].contains(&id.as_str());
    let subjects = |id: &CampaignId| match id.as_str() {
        "other" => Some(Subjects::Contacts),
        "orders" => Some(Subjects::Objects(order.clone())),
        _ => None,
    };
    ask(&AccountView {
        fields: &fields,
        objects: &objects,
        subjects: &subjects,
        campaigns: &campaigns,
        sender: true,
    })
}
