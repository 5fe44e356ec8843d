//! For whom a mail is previewed: a contact that is there, or an invented one; in a campaign about
//! objects, with an object that is there, or an invented one. Nothing is written.

use std::sync::Arc;

use dacapo_engine::campaign::format::Document;
use dacapo_engine::contact::{Author, Consent, Contact, MOST_TAGS, ObjectIdentity, Patch};
use dacapo_engine::field::{FieldValue, quoted};
use dacapo_engine::ids::{ContactId, FieldKey, ObjectType};
use serde_json::{Map, Value};

use crate::api::call::problem::{Fault, Problem};
use crate::api::contacts::calls::contact_named;
use crate::api::contacts::names::{Meaning, meaning};
use crate::api::contacts::object_names::object_key;
use crate::api::contacts::reading::{How, Invalid, Reader, UnknownFields};
use crate::api::contacts::sorting::Manner;
use crate::api::objects::reading::ObjectReader;
use crate::catalog::Loaded;
use crate::platform::Platform;

/// The id, and the key, of what is invented.
const INVENTED: &str = "preview";

/// The members of an object as it is sent.
const MEMBERS: [&str; 4] = ["type", "key", "fields", "tags"];

/// For whom a mail is shown.
pub(super) struct Whom {
    /// The contact, or the object.
    pub(super) subject: Contact,
    /// The contact of the object.
    pub(super) person: Option<Contact>,
    /// Whether they are there, and whose values they are.
    pub(super) stored: Option<ContactId>,
}

/// Finds or invents them, from what was sent.
pub(super) struct Finder<'a> {
    platform: &'a Platform,
    document: &'a Document,
    /// With the fields and types that the document declares.
    loaded: Loaded,
    /// The address of an invented contact that was sent without one.
    address: &'a str,
}

impl<'a> Finder<'a> {
    pub(super) fn new(
        platform: &'a Platform,
        document: &'a Document,
        loaded: &Arc<Loaded>,
        address: &'a str,
    ) -> Self {
        let mut loaded = Loaded::clone(loaded);
        // What does not fit keeps it from being published; the rest is there.
        for (key, field) in &document.fields {
            let _ = loaded.catalog.declare(key, field.clone());
        }
        for (kind, of) in &document.objects {
            let _ = loaded.catalog.declare_object(kind, of);
        }
        Self { platform, document, loaded, address }
    }

    pub(super) async fn find(
        &self,
        contact: Option<&Value>,
        object: Option<&Value>,
    ) -> Result<Whom, Problem> {
        let contact = contact.filter(|sent| !sent.is_null());
        let object = object.filter(|sent| !sent.is_null());
        let kind = match (&self.document.per, object) {
            (None, Some(_)) => {
                let message = format!(
                    "the campaign `{}` is about contacts; leave `object` out",
                    self.document.id
                );
                return Err(Problem::invalid_at("object", "subject", message));
            }
            (None, None) => {
                let (subject, is_stored) = self.contact(contact).await?;
                let stored = is_stored.then(|| subject.id.clone());
                return Ok(Whom { subject, person: None, stored });
            }
            (Some(kind), _) => kind,
        };
        let named = match object {
            Some(Value::String(named)) => Some(self.named(kind, named)?),
            Some(Value::Object(sent)) => {
                self.checked(kind, sent)?;
                let invents = sent.contains_key("fields") || sent.contains_key("tags");
                let key = sent.get("key").and_then(Value::as_str);
                key.filter(|_| !invents).map(str::to_owned)
            }
            None => None,
            Some(other) => return Err(no_object(other)),
        };
        if let Some(key) = named {
            return self.stored_object(kind, &key, contact).await;
        }
        let (person, is_stored) = self.contact(contact).await?;
        let sent = object.and_then(Value::as_object).cloned().unwrap_or_default();
        let subject = self.invented_object(kind, &sent, &person)?;
        let stored = is_stored.then(|| person.id.clone());
        Ok(Whom { subject, person: Some(person), stored })
    }

    /// The contact, and whether it is there.
    async fn contact(&self, sent: Option<&Value>) -> Result<(Contact, bool), Problem> {
        match sent {
            None => Ok((self.invented(&Map::new())?, false)),
            Some(Value::Object(sent)) => Ok((self.invented(sent)?, false)),
            Some(Value::String(named)) => {
                let found = contact_named(&self.platform.contacts, named).await;
                let found = found.map_err(|problem| match problem.status().as_u16() {
                    404 => Problem::invalid_at("contact", "unknown_contact", problem.detail()),
                    _ => problem,
                });
                Ok((found?, true))
            }
            Some(other) => {
                let message = format!(
                    "{} is no contact; write an id, `email:ann@example.com`, or what would be \
                     posted about one: {{\"first_name\": \"Ann\"}}",
                    quoted(other)
                );
                Err(Problem::invalid_at("contact", "shape", message))
            }
        }
    }

    /// A contact of what would be posted about it.
    fn invented(&self, sent: &Map<String, Value>) -> Result<Contact, Problem> {
        let mut sent = sent.clone();
        let fields = &self.loaded.catalog.fields;
        if !sent.keys().any(|name| meaning(name, fields).0 == Meaning::Member("email")) {
            sent.insert("email".to_owned(), Value::from(self.address));
        }
        let how = How {
            manner: Manner::Hook,
            unknown_fields: UnknownFields::Refuse,
            invalid: Invalid::Refuse,
        };
        let mut read = Reader::new(&self.loaded, None, how)
            .read(&sent)
            .map_err(|problem| within("contact", problem))?;
        if let (Ok(key), Some(email)) = (FieldKey::new("email"), read.email) {
            read.patch.fields.insert(key, Some(FieldValue::Text(email)));
        }
        let contact = Contact::new(invented_id(), Consent::Subscribed, self.now());
        written(contact, &read.patch, "contact.tags")
    }

    fn invented_object(
        &self,
        kind: &ObjectType,
        sent: &Map<String, Value>,
        person: &Contact,
    ) -> Result<Contact, Problem> {
        let none = dacapo_engine::campaign::format::ObjectDefinition::default();
        let definition = self.loaded.catalog.objects.get(kind).unwrap_or(&none);
        let how = (UnknownFields::Refuse, Invalid::Refuse);
        let of = (kind, definition);
        let mut reader = ObjectReader::new(&self.loaded, of, None, person.zone(), how);
        if let Some(tags) = sent.get("tags") {
            reader.add_tags(tags);
        }
        if let Some(fields) = sent.get("fields") {
            reader.all_fields(fields);
        }
        let read = reader.done().map_err(|problem| within("object", problem))?;
        let key = sent.get("key").and_then(Value::as_str).unwrap_or(INVENTED);
        let identity = ObjectIdentity { kind: kind.clone(), key: key.to_owned() };
        let object = Contact::object(invented_id(), identity, self.now());
        written(object, &read.patch, "object.tags")
    }

    /// An object that is there, and its contact.
    async fn stored_object(
        &self,
        kind: &ObjectType,
        key: &str,
        contact: Option<&Value>,
    ) -> Result<Whom, Problem> {
        let found = self.platform.objects.find(kind, object_key("object.key", key)?).await?;
        let missing = |whose: &str| {
            let message = format!(
                "{whose} has no {kind} `{key}`; to invent one, add `fields`, such as {{\"key\": \
                 \"{INVENTED}\", \"fields\": {{}}}}"
            );
            Problem::invalid_at("object", "unknown_object", message)
        };
        let subject = found.ok_or_else(|| missing("the account"))?.object;
        let person = match contact {
            Some(Value::Object(_)) => {
                let message = "an object that is there has a contact that is there; leave \
                               `contact` out, or invent both, the object with `fields`";
                return Err(Problem::invalid_at("contact", "contradiction", message));
            }
            Some(sent) => self.contact(Some(sent)).await?.0,
            None => {
                let person = self.platform.contacts.get(&subject.id.person()).await?;
                person.ok_or_else(|| missing("the account"))?
            }
        };
        if subject.id.person() != person.id {
            return Err(missing("the contact"));
        }
        let stored = Some(subject.id.clone());
        Ok(Whom { subject, person: Some(person), stored })
    }

    /// The key in `type/key`.
    fn named(&self, kind: &ObjectType, named: &str) -> Result<String, Problem> {
        match named.split_once('/') {
            Some((of, key)) if of == kind.as_str() => Ok(key.to_owned()),
            Some((of, _)) => Err(self.of_other_type(kind, of)),
            None => Err(no_object(&Value::from(named))),
        }
    }

    /// Whether an object was sent as objects are.
    fn checked(&self, kind: &ObjectType, sent: &Map<String, Value>) -> Result<(), Problem> {
        if let Some(name) = sent.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            let path = format!("object.{name}");
            let message = format!("an object has no `{name}` here; write {}", MEMBERS.join(", "));
            return Err(Problem::invalid_at(&path, "unknown_member", message));
        }
        for name in ["type", "key"] {
            if let Some(other) = sent.get(name).filter(|value| !value.is_string()) {
                let message = format!("{} is no {name}; send a text", quoted(other));
                return Err(Problem::invalid_at(&format!("object.{name}"), "shape", message));
            }
        }
        match sent.get("type").and_then(Value::as_str) {
            Some(of) if of != kind.as_str() => Err(self.of_other_type(kind, of)),
            Some(_) | None => Ok(()),
        }
    }

    fn of_other_type(&self, kind: &ObjectType, of: &str) -> Problem {
        let message =
            format!("the campaign `{}` is about each {kind}, not about a `{of}`", self.document.id);
        Problem::invalid_at("object", "subject", message)
    }

    fn now(&self) -> crate::Instant {
        self.platform.store.now()
    }
}

fn invented_id() -> ContactId {
    ContactId::new(INVENTED).unwrap_or_else(|_| unreachable!("it is an id"))
}

/// The contact with what was read about it.
fn written(mut contact: Contact, patch: &Patch, tags: &str) -> Result<Contact, Problem> {
    if !contact.has_room_for(patch) {
        let message = format!("a contact has at most {MOST_TAGS} tags; send fewer");
        return Err(Problem::invalid_at(tags, "too_many", message));
    }
    let at = contact.created_at;
    contact.apply(patch, Author::ApiKey(INVENTED.to_owned()), None, at, 0);
    Ok(contact)
}

fn no_object(sent: &Value) -> Problem {
    let message = format!(
        "{} is no object; name one that is there as `type/key`, or invent one: {{\"key\": \"a1\", \
         \"fields\": {{}}}}",
        quoted(sent)
    );
    Problem::invalid_at("object", "shape", message)
}

/// The faults of a member of what was sent.
fn within(member: &str, problem: Problem) -> Problem {
    let faults = problem.into_faults().into_iter();
    let placed = |fault: Fault| Fault { path: format!("{member}.{}", fault.path), ..fault };
    Problem::invalid(faults.map(placed).collect())
}
