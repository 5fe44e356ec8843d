//! Objects on a harness behind HTTP: posted as Zapier posts them, and told by their names.

use serde_json::{Map, Value, json};

use super::http::{HttpHarness, text};
use super::script::{Change, Object, address};
use crate::host::{Call, Host};

impl<H: Host> HttpHarness<H> {
    /// One change of an object, as one call. Returns whether it changed anything.
    pub(super) fn change_object(
        &mut self,
        object: &Object,
        change: &Change,
    ) -> Result<bool, String> {
        let before = match self.rev_of(object, &object.key)? {
            Some(rev) => rev,
            None => match &object.replaces {
                Some(replaces) => self.rev_of(object, replaces)?.unwrap_or(0),
                None => 0,
            },
        };
        let mut contact = Map::new();
        if !self.knows(&object.contact) {
            for (key, value) in Change::of_somebody_new(&object.contact) {
                contact.insert(key.to_owned(), json!(value));
            }
        }
        contact.insert("email".to_owned(), json!(address(&object.contact)));
        let mut fields = Map::new();
        for (key, value) in &change.fields {
            let value = if value.is_empty() { Value::Null } else { json!(value) };
            fields.insert(key.to_string(), value);
        }
        let body = json!({
            "key": object.key,
            "replaces": object.replaces,
            "contact": contact,
            "tags": change.add,
            "remove_tags": change.remove,
            "fields": fields,
            "event": change.event,
        });
        let path = format!("/v1/hooks/object/{}", object.kind);
        let answer = self.as_zapier(&path, &body)?;
        // A call about a key that was replaced, or about somebody else's, writes nothing.
        if answer.status == 409 {
            return Ok(false);
        }
        let posted = answer.body;
        if answer.status != 200 {
            return Err(format!("{path}: {}: {posted:#}", answer.status));
        }
        self.meet(&object.contact, text(&posted, "contact_id")?);
        if let Some(replaces) = &object.replaces {
            let name = |key: &str| format!("{}'s {} {key}", object.contact, object.kind);
            self.renamed(&object.contact, &name(replaces), &name(&object.key));
        }
        Ok(posted["rev"].as_u64() != Some(before))
    }

    /// The path of a contact's calls in a campaign, and the parameter that names an object.
    pub(super) fn enrollment_path(&self, named: &str, rest: &str) -> Result<String, String> {
        let (name, object) = self.named(named)?;
        self.path_of(&name, object.as_ref(), &format!("enrollments/{rest}"))
    }

    /// The path of a call about a contact, and the parameter that names an object.
    pub(super) fn path_of(
        &self,
        name: &str,
        object: Option<&Object>,
        rest: &str,
    ) -> Result<String, String> {
        let object = object
            .map_or_else(String::new, |object| format!("?object={}/{}", object.kind, object.key));
        Ok(format!("/v1/contacts/{}/{rest}{object}", self.person_id(name)?))
    }

    /// The contact that a script names, and the object if it names one.
    pub(super) fn named(&self, named: &str) -> Result<(String, Option<Object>), String> {
        Ok(match Object::named(named)? {
            Some(object) => (object.contact.clone(), Some(object)),
            None => (named.to_owned(), None),
        })
    }

    /// An object of a contact is called otherwise from now on, also in what was told of it.
    fn renamed(&mut self, contact: &str, before: &str, after: &str) {
        let Some(person) = self.people.get_mut(contact) else { return };
        let told = std::mem::take(&mut person.told).into_iter();
        person.told = told
            .map(|((campaign, of), count)| {
                let of = if of == before { after.to_owned() } else { of };
                ((campaign, of), count)
            })
            .collect();
    }

    /// How often an object has changed; `None` if it is not there.
    fn rev_of(&self, object: &Object, key: &str) -> Result<Option<u64>, String> {
        let path = format!("/v1/objects/{}/{key}", object.kind);
        let answer = self.host().call(&Call::get(&path).by(self.host().admin_key()))?;
        match answer.status {
            200 => Ok(answer.body["rev"].as_u64()),
            404 => Ok(None),
            other => Err(format!("{path}: {other}: {:#}", answer.body)),
        }
    }
}

/// Whom something is about: the contact of this name, or one of its objects.
pub(super) fn subject(name: &str, told: &Value) -> String {
    match (told["object"]["type"].as_str(), told["object"]["key"].as_str()) {
        (Some(kind), Some(key)) => format!("{name}'s {kind} {key}"),
        _ => name.to_owned(),
    }
}

/// Whom a message goes to, and what it is about if that is an object.
pub(super) fn addressee(name: &str, told: &Value) -> String {
    match (told["object"]["type"].as_str(), told["object"]["key"].as_str()) {
        (Some(kind), Some(key)) => format!("{name} about {kind} {key}"),
        _ => name.to_owned(),
    }
}
