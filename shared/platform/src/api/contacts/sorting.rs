//! What was sent, sorted by what it means: one value for a member or a field, no matter how often
//! and under which names it came.
//!
//! An empty value counts as not sent. Of several, a value outranks `null`; the exact name outranks
//! one that resembles it; two values that differ are a fault.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use dacapo_engine::address::folded;
use dacapo_engine::campaign::format::FieldDefinition;
use dacapo_engine::ids::FieldKey;
use serde_json::{Map, Value};

use crate::api::call::problem::Fault;
use crate::api::contacts::names::{Meaning, Sureness, meaning};

/// Which shapes may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum Manner {
    /// A hook: flat keys are fields.
    Hook,
    /// A contact in the same shape as in answers.
    Shape,
}

/// A value, and where it came from.
#[derive(Debug, Clone)]
pub(in crate::api) struct Sent<'s> {
    /// Where it stands.
    pub(in crate::api) path: String,
    /// What the sender calls it.
    pub(in crate::api) name: &'s str,
    /// What was sent.
    pub(in crate::api) value: &'s Value,
    /// Whether it is a member of `fields`.
    pub(in crate::api) in_fields: bool,
    sureness: Sureness,
}

/// Everything that was sent.
#[derive(Debug, Default)]
pub(in crate::api) struct Sorted<'s, 'f> {
    /// Members of a contact.
    pub(in crate::api) members: BTreeMap<&'static str, Sent<'s>>,
    /// Values of custom fields.
    pub(in crate::api) fields: BTreeMap<&'f FieldKey, Sent<'s>>,
    /// What is unknown.
    pub(in crate::api) unknown: Vec<Sent<'s>>,
    /// What is contradictory, or cannot be written.
    pub(in crate::api) faults: Vec<Fault>,
}

/// Whether it is empty.
fn is_empty(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// Whether there is a value.
fn says(value: &Value) -> bool {
    !value.is_null() && !is_empty(value)
}

impl<'s, 'f> Sorted<'s, 'f> {
    /// Sorts what was sent.
    pub(in crate::api) fn of(
        sent: &'s Map<String, Value>,
        fields: &'f BTreeMap<FieldKey, FieldDefinition>,
        manner: Manner,
    ) -> Self {
        let mut sorted = Self::default();
        let mut resembling = Vec::new();
        for (name, value) in sent {
            match value {
                // A form inside of what a tool posts.
                Value::Object(inner) if name == "form_fields" && manner == Manner::Hook => {
                    for (name, value) in inner {
                        let path = format!("form_fields.{name}");
                        sorted.flat(path, name, value, fields, manner, &mut resembling);
                    }
                }
                _ => sorted.flat(name.clone(), name, value, fields, manner, &mut resembling),
            }
        }
        if let Some(Value::Object(inner)) = sent.get("fields") {
            for (name, value) in inner {
                sorted.in_fields(name, value, fields, &mut resembling);
            }
        }
        // Exact names are placed first; names that resemble them take what is left.
        for (means, sent) in resembling {
            match means {
                Meaning::Member(member) => match sorted.members.get(member) {
                    Some(there) if there.sureness == Sureness::Exact && says(there.value) => {
                        sorted.faults.extend(contradiction(there, &sent));
                    }
                    _ => sorted.member(member, sent),
                },
                Meaning::Field(key) => sorted.field(key, sent),
                Meaning::ReadOnly | Meaning::Unknown => sorted.unknown.push(sent),
            }
        }
        sorted
    }

    fn flat(
        &mut self,
        path: String,
        name: &'s str,
        value: &'s Value,
        fields: &'f BTreeMap<FieldKey, FieldDefinition>,
        manner: Manner,
        resembling: &mut Vec<(Meaning<'f>, Sent<'s>)>,
    ) {
        let (means, sureness) = meaning(name, fields);
        let sent = Sent { path, name, value, in_fields: false, sureness };
        match (means, manner) {
            // An empty address is reported.
            (Meaning::Member(member), _) if is_empty(value) && member != "email" => {}
            (Meaning::Member(member), _) if sureness == Sureness::Exact => {
                self.member(member, sent);
            }
            (Meaning::ReadOnly, _) if sureness == Sureness::Exact => self.read_only(sent, manner),
            (_, Manner::Shape) => self.unknown.push(sent),
            (Meaning::Member("email"), _) if is_empty(value) => {}
            (Meaning::ReadOnly, Manner::Hook) => self.read_only(sent, manner),
            (Meaning::Field(_), Manner::Hook) if is_empty(value) => {}
            (Meaning::Field(key), Manner::Hook) if sureness == Sureness::Exact => {
                self.field(key, sent);
            }
            (Meaning::Member(_) | Meaning::Field(_), Manner::Hook) => {
                resembling.push((means, sent));
            }
            (Meaning::Unknown, Manner::Hook) => self.unknown.push(sent),
        }
    }

    fn in_fields(
        &mut self,
        name: &'s str,
        value: &'s Value,
        fields: &'f BTreeMap<FieldKey, FieldDefinition>,
        resembling: &mut Vec<(Meaning<'f>, Sent<'s>)>,
    ) {
        let (means, sureness) = meaning(name, fields);
        let sent = Sent { path: format!("fields.{name}"), name, value, in_fields: true, sureness };
        match means {
            Meaning::Field(_) if is_empty(value) => {}
            Meaning::Field(key) if sureness == Sureness::Exact => self.field(key, sent),
            Meaning::Field(_) => resembling.push((means, sent)),
            Meaning::Member(_) | Meaning::ReadOnly | Meaning::Unknown => self.unknown.push(sent),
        }
    }

    fn read_only(&mut self, sent: Sent<'s>, manner: Manner) {
        match manner {
            Manner::Hook => self.unknown.push(sent),
            Manner::Shape => {
                let message = "it cannot be written here; leave it out";
                self.faults.push(Fault::new(sent.path, "read_only", message));
            }
        }
    }

    fn member(&mut self, member: &'static str, sent: Sent<'s>) {
        if let Some(there) = self.members.get(member)
            && let Some(fault) = contradiction(there, &sent)
        {
            return self.faults.push(fault);
        }
        keep(self.members.entry(member), sent);
    }

    fn field(&mut self, key: &'f FieldKey, sent: Sent<'s>) {
        if let Some(there) = self.fields.get(key)
            && let Some(fault) = contradiction(there, &sent)
        {
            return self.faults.push(fault);
        }
        keep(self.fields.entry(key), sent);
    }

    /// The address, folded, if one was sent.
    pub(in crate::api) fn address(&self) -> Option<String> {
        let sent = self.members.get("email")?;
        sent.value.as_str().map(folded).filter(|address| !address.is_empty())
    }
}

/// A value outranks `null` and what is empty.
fn keep<'s, K: Ord>(entry: Entry<'_, K, Sent<'s>>, sent: Sent<'s>) {
    match entry {
        Entry::Vacant(place) => {
            place.insert(sent);
        }
        Entry::Occupied(mut place) => {
            if says(sent.value) && !says(place.get().value) {
                place.insert(sent);
            }
        }
    }
}

fn contradiction(there: &Sent<'_>, sent: &Sent<'_>) -> Option<Fault> {
    let differ = says(there.value) && says(sent.value) && there.value != sent.value;
    differ.then(|| {
        let message = format!(
            "`{}` says the same thing, and says it differently; send one of the two",
            there.path
        );
        Fault::new(&sent.path, "twice", message)
    })
}
