//! An object and its contact are written as one, from what was sent by any way in.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use dacapo_engine::campaign::format::{FieldDefinition, ObjectDefinition};
use dacapo_engine::contact::{Author, Contact, Patch};
use dacapo_engine::field::quoted;
use dacapo_engine::ids::{ContactId, FieldKey, ObjectType};
use dacapo_engine::time::Zone;
use serde_json::{Map, Value};

use crate::api::call::auth::{Holder, Scope};
use crate::api::call::idempotency::{Answer, Once};
use crate::api::call::problem::{Fault, Problem};
use crate::api::contacts::hooks::create_fields;
use crate::api::contacts::object_names::{object_key, object_type};
use crate::api::contacts::reading::{How, Invalid, Read, Reader, UnknownFields};
use crate::api::contacts::resubscribing::Resubscribing;
use crate::api::contacts::skipping;
use crate::api::contacts::sorting::Manner;
use crate::api::objects::reading::{ObjectReader, ReadObject, zone_of};
use crate::api::objects::shapes::WrittenObjectAnswer;
use crate::catalog::{CatalogStore, Loaded};
use crate::error::Error;
use crate::objects::{ObjectError, ObjectWrite, ObjectWritten, PersonWrite, WithObject};
use crate::platform::Platform;
use crate::table::Write;

/// What was sent about an object.
#[derive(Debug, Default)]
pub(super) struct SentObject {
    pub(super) key: String,
    /// The key whose place this one takes.
    pub(super) replaces: Option<String>,
    /// What was sent about the contact.
    pub(super) contact: Option<Map<String, Value>>,
    /// Members of the object: `tags`, `remove_tags`, `fields`, `event`.
    pub(super) members: Map<String, Value>,
    /// Fields that were sent beside the members.
    pub(super) flat: Map<String, Value>,
}

/// How an object is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SentAs {
    /// As it is to be: `tags` are all tags that it is to have.
    Whole,
    /// A post, which adds tags.
    Post,
    /// A row of a file, which adds tags that are lacking: writing it again is idempotent. It takes
    /// no unsubscription back, unless it says so by itself.
    Row,
}

/// How what was sent is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadHow {
    pub(super) sent_as: SentAs,
    pub(super) unknown_fields: UnknownFields,
    pub(super) invalid: Invalid,
}

/// Writes objects on a platform.
pub(super) struct Writing<'a>(pub(super) &'a Platform);

/// The contact as it was named.
struct Person {
    named: Named,
    read: Read,
    resubscribing: Option<Resubscribing>,
    zone: Option<Zone>,
}

enum Named {
    ByAddress(String),
    ById(ContactId),
    Unsaid,
}

/// What is to be written, after it was read.
pub(super) struct ReadyObject<'a> {
    kind: &'a ObjectType,
    key: String,
    replaces: Option<String>,
    person: Person,
    object: ReadObject,
    /// Whether the object is there under another key, and goes on under this one.
    pub(super) moves: bool,
}

impl ReadyObject<'_> {
    /// What was left out because it could not be read.
    pub(super) fn skipped(&self) -> Vec<Fault> {
        self.person.read.skipped.iter().chain(&self.object.skipped).cloned().collect()
    }

    /// What is written, but may not be what was meant.
    pub(super) fn doubtful(&self) -> Vec<Fault> {
        self.person.read.doubtful.iter().chain(&self.object.doubtful).cloned().collect()
    }
}

impl Writing<'_> {
    /// Writes what was sent, as one change of each of the two.
    pub(super) async fn write(
        &self,
        loaded: &Loaded,
        kind: &str,
        sent: SentObject,
        how: ReadHow,
        holder: &Holder,
        once: &Once,
    ) -> Result<Answer, Problem> {
        if how.unknown_fields == UnknownFields::Create && !holder.may(Scope::Write) {
            return Err(Problem::forbidden(
                "making fields needs a key with the scope write; make them with PUT \
                 /v1/object-types/{type}, or post with ?unknown_fields=ignore",
            ));
        }
        let named = object_type(&loaded.catalog, kind)?;
        let ready = self.ready(loaded, named, sent, how, holder).await?;
        let by = holder.author();
        let keeps = |written: &ObjectWritten| once.keeps(&answer(written, &ready)?);
        let written = self.upsert(&ready, &by, &keeps).await?;
        if written.object.change.is_none() {
            self.0.traces.nothing_changed(&written.object.contact, &ready.object.patch, &by).await;
        }
        Ok(answer(&written, &ready)?)
    }

    /// Reads what was sent, and makes the fields that it needs.
    ///
    /// # Errors
    ///
    /// 422 with everything that is wrong.
    pub(super) async fn ready<'a>(
        &self,
        loaded: &'a Loaded,
        (kind, definition): (&'a ObjectType, &'a ObjectDefinition),
        mut sent: SentObject,
        how: ReadHow,
        holder: &Holder,
    ) -> Result<ReadyObject<'a>, Problem> {
        let key = object_key("key", &sent.key)?.to_owned();
        let replaces = match sent.replaces.as_deref() {
            Some(replaces) => Some(object_key("replaces", replaces)?.to_owned()),
            None => None,
        };
        let found = match self.0.objects.find(kind, &key).await? {
            None => match &replaces {
                Some(replaces) => self.0.objects.find(kind, replaces).await?,
                None => None,
            },
            found => found,
        };
        let before = found.map(|found| found.object);
        let owner = before.as_ref().map(|before| before.id.person());
        let person = self.person(loaded, sent.contact.take(), owner.as_ref(), how, holder).await?;
        let reader = ObjectReader::new(
            loaded,
            (kind, definition),
            before.as_ref(),
            person.zone,
            (how.unknown_fields, how.invalid),
        );
        let mut object = read_object(reader, &sent, how.sent_as)?;
        if how.sent_as == SentAs::Row {
            lacking(&mut object.patch, before.as_ref());
        }
        if !person.read.new_fields.is_empty() {
            create_fields(&self.0.catalog, &person.read.new_fields).await?;
        }
        if !object.new_fields.is_empty() {
            create_object_fields(&self.0.catalog, kind, object.new_fields.clone()).await?;
        }
        let identity = before.as_ref().and_then(|before| before.object.as_ref());
        let moves = identity.is_some_and(|identity| identity.key != key);
        Ok(ReadyObject { kind, key, replaces, person, object, moves })
    }

    /// Writes the object and its contact in one transaction, and with them what `keeps` says.
    ///
    /// # Errors
    ///
    /// Those of [`ObjectError`].
    pub(super) async fn upsert(
        &self,
        ready: &ReadyObject<'_>,
        by: &Author,
        keeps: WithObject<'_>,
    ) -> Result<ObjectWritten, ObjectError> {
        let ReadyObject { kind, key, replaces, person, object, .. } = ready;
        let together = |written: &ObjectWritten| -> Result<Vec<Write>, Error> {
            let mut writes = keeps(written)?;
            writes.extend(skipping::line(&self.0.store, &written.object, by, &ready.skipped())?);
            Ok(writes)
        };
        let write = ObjectWrite {
            kind,
            key,
            replaces: replaces.as_deref(),
            person: match &person.named {
                Named::ByAddress(address) => PersonWrite::ByAddress(address, &person.read.patch),
                Named::ById(id) => PersonWrite::ById(id, &person.read.patch),
                Named::Unsaid => PersonWrite::Unsaid,
            },
            patch: &object.patch,
        };
        self.0.objects.upsert(write, by, &together).await
    }

    /// Reads what was sent about the contact.
    async fn person(
        &self,
        loaded: &Loaded,
        sent: Option<Map<String, Value>>,
        owner: Option<&ContactId>,
        how: ReadHow,
        holder: &Holder,
    ) -> Result<Person, Problem> {
        let mut sent = sent.unwrap_or_default();
        let id = sent.get("id").and_then(Value::as_str).map(str::to_owned);
        if let Some(id) = id.filter(|_| !sent.contains_key("email")) {
            if sent.len() > 1 {
                let message = "a contact that is named by `id` is not written; name it by `email` \
                               to write to it";
                return Err(Problem::invalid_at("contact.id", "read_only", message));
            }
            let missing = || {
                let message = format!("there is no contact with the id `{id}`; name it by `email`");
                Problem::invalid_at("contact.id", "unknown_contact", message)
            };
            let id = ContactId::new(id.as_str()).ok().filter(|id| !id.is_object());
            let id = id.ok_or_else(missing)?;
            let contact = self.0.contacts.get(&id).await?.ok_or_else(missing)?;
            let zone = contact.zone();
            let read = Read::default();
            return Ok(Person { named: Named::ById(id), read, resubscribing: None, zone });
        }
        sent.retain(|_, value| !value.is_null());
        if sent.is_empty() {
            let zone = match owner {
                Some(owner) => self.0.contacts.get(owner).await?.and_then(|owner| owner.zone()),
                None => None,
            };
            let read = Read::default();
            return Ok(Person { named: Named::Unsaid, read, resubscribing: None, zone });
        }
        let resubscribing = Resubscribing::taken(&mut sent)?;
        let resubscribing = match how.sent_as {
            SentAs::Whole | SentAs::Post => resubscribing.by(holder),
            SentAs::Row => resubscribing,
        };
        let sorted =
            crate::api::contacts::sorting::Sorted::of(&sent, &loaded.catalog.fields, Manner::Hook);
        let before = match sorted.address() {
            Some(address) => match self.0.contacts.id_of(&address).await? {
                Some(id) => self.0.contacts.get(&id).await?,
                None => None,
            },
            None => None,
        };
        let manner =
            How { manner: Manner::Hook, unknown_fields: how.unknown_fields, invalid: how.invalid };
        let read = Reader::new(loaded, before.as_ref(), manner).read(&sent);
        let mut read = read.map_err(of_contact)?;
        resubscribing.put_into(&mut read.patch)?;
        if how.sent_as == SentAs::Row {
            lacking(&mut read.patch, before.as_ref());
        }
        read.skipped = read.skipped.into_iter().map(in_contact).collect();
        read.doubtful = read.doubtful.into_iter().map(in_contact).collect();
        let zone = zone_of(before.as_ref(), &read.patch);
        let named = Named::ByAddress(read.email.clone().unwrap_or_default());
        Ok(Person { named, read, resubscribing: Some(resubscribing), zone })
    }
}

fn read_object(
    mut reader: ObjectReader<'_>,
    sent: &SentObject,
    sent_as: SentAs,
) -> Result<ReadObject, Problem> {
    let get = |name: &str| sent.members.get(name).filter(|value| !value.is_null());
    if let Some(tags) = get("tags") {
        match sent_as {
            SentAs::Whole => reader.all_tags(tags),
            SentAs::Post | SentAs::Row => reader.add_tags(tags),
        }
    }
    if let Some(tags) = get("remove_tags") {
        reader.remove_tags(tags);
    }
    if let Some(event) = get("event") {
        reader.event(event);
    }
    if let Some(fields) = get("fields") {
        reader.all_fields(fields);
    }
    reader.each_field("", &sent.flat);
    reader.done()
}

/// Tags that are there are not assigned again.
fn lacking(patch: &mut Patch, before: Option<&Contact>) {
    patch.add.retain(|tag| before.is_none_or(|before| !before.tags.contains_key(tag)));
}

/// Adds fields to a type of objects.
pub(super) async fn create_object_fields(
    catalog: &CatalogStore,
    kind: &ObjectType,
    fields: BTreeMap<FieldKey, FieldDefinition>,
) -> Result<(), Problem> {
    let wanted = ObjectDefinition { fields, ..ObjectDefinition::default() };
    catalog
        .change(|catalog| {
            let refused = |why| Problem::invalid_at("fields", "object_type", why);
            catalog.declare_object(kind, &wanted).map_err(refused)?;
            Ok::<_, Problem>(((), Vec::new()))
        })
        .await
}

fn answer(written: &ObjectWritten, ready: &ReadyObject<'_>) -> Result<Answer, Error> {
    let person = &ready.person;
    let told = person.resubscribing.and_then(|it| it.told(&person.read.patch, &written.person));
    let warnings: Vec<Fault> = told.into_iter().chain(ready.doubtful()).collect();
    let skipped = ready.skipped();
    let kept = |told: &[Fault]| told.iter().map(Fault::without_words).collect();
    let kept = WrittenObjectAnswer::of(written, kept(&warnings), kept(&skipped));
    let says = WrittenObjectAnswer::of(written, warnings, skipped);
    Answer::about(StatusCode::OK, &written.person.contact.id, &says, &kept)
}

/// A fault in what was sent about the contact.
fn in_contact(fault: Fault) -> Fault {
    let path = match fault.path.as_str() {
        "" => "contact".to_owned(),
        path => format!("contact.{path}"),
    };
    Fault { path, ..fault }
}

fn of_contact(problem: Problem) -> Problem {
    let faults = problem.into_faults().into_iter().map(in_contact);
    Problem::invalid(faults.collect())
}

/// The fault of what is no contact.
pub(super) fn no_contact(sent: &Value) -> Fault {
    let message = format!("{} is no contact; send {{\"email\": …}}", quoted(sent));
    Fault::new("contact", "shape", message)
}

/// A text among the members, or a fault if it is something else.
pub(super) fn text(sent: &Map<String, Value>, name: &str) -> Result<Option<String>, Fault> {
    match sent.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(other) => {
            let message = format!("{} is no text; send a text", quoted(other));
            Err(Fault::new(name, "value", message))
        }
    }
}

impl From<ObjectError> for Problem {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::NoContact => Self::invalid_at("contact", "required", error),
            ObjectError::OfAnother { .. } => Self::conflict(error.to_string()),
            ObjectError::Replaced { .. } => Self::conflict(error.to_string()),
            ObjectError::BothThere { .. } => Self::conflict(error.to_string()),
            ObjectError::TooMany => Self::conflict(error.to_string()),
            ObjectError::Write(error) => error.into(),
        }
    }
}
