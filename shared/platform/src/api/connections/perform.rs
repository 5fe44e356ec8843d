//! What came is written: the contact by the rules of a post to the hook, and the object with it.
//!
//! A connection may do what a key with the scope `webhook` may: it takes no unsubscription back
//! unless its map says so by name, and makes no fields. What of it cannot be read is left out and
//! told with the call.

use dacapo_engine::contact::{Author, Contact};
use serde_json::{Map, Value};

use crate::Instant;
use crate::api::call::problem::{Fault, Problem};
use crate::api::contacts::names::{Meaning, meaning};
use crate::api::contacts::reading::{How, Invalid, Reader, UnknownFields};
use crate::api::contacts::resubscribing::Resubscribing;
use crate::api::contacts::skipping;
use crate::api::contacts::sorting::{Manner, Sorted};
use crate::catalog::Loaded;
use crate::connections::{Connection, Incoming, IncomingObject, Made, MadeObject, Misfit, Place};
use crate::contact_json::consent_of;
use crate::contacts::{WriteError, Written};
use crate::error::{Error, Retryability};
use crate::platform::Platform;
use crate::table::Write;

/// What nobody sends by calling a field like it: only a map takes it.
const ONLY_BY_MAP: [&str; 5] = ["suppressed", "resubscribe", "clear", "remove_tags", "fields"];

/// Writes what a call is about.
pub(super) struct Performer<'a> {
    pub(super) platform: &'a Platform,
    pub(super) connection: &'a Connection,
    pub(super) place: Place<'a>,
    /// When the call expires.
    pub(super) expires: Instant,
}

/// Why something was not written.
pub(super) enum NotPerformed {
    /// It cannot be used as it is.
    Unusable(Vec<Misfit>),
    /// Something failed for now: the whole call is to be sent again.
    Failed(Problem),
}

impl From<Error> for NotPerformed {
    fn from(error: Error) -> Self {
        match error.retryability() {
            Retryability::Retryable => Self::Failed(error.into()),
            Retryability::Permanent => Self::Unusable(misfits(Problem::from(error).into_faults())),
        }
    }
}

impl From<Problem> for NotPerformed {
    fn from(problem: Problem) -> Self {
        match problem.status().is_server_error() {
            true => Self::Failed(problem),
            false => Self::Unusable(misfits(problem.into_faults())),
        }
    }
}

impl From<WriteError> for NotPerformed {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Failed(error) => error.into(),
            error => Problem::from(error).into(),
        }
    }
}

fn misfits(faults: Vec<Fault>) -> Vec<Misfit> {
    faults.into_iter().map(|fault| Misfit::new(&fault.path, &fault.code, fault.message)).collect()
}

impl Performer<'_> {
    /// Writes a contact and its object. Answers what was written, and what was left out.
    pub(super) async fn perform(
        &self,
        incoming: &Incoming,
    ) -> Result<(Made, Vec<Misfit>), NotPerformed> {
        let (written, mut told) = self.write_contact(incoming).await?;
        let object = match &incoming.object {
            Some(object) => self.write_object(object, &written, &mut told).await?,
            None => None,
        };
        let made = Made {
            contact: written.contact.id.clone(),
            created: written.created,
            changed: written.change.is_some(),
            object,
        };
        Ok((made, told))
    }

    /// Writes the object of a contact. Objects are connected here, and nowhere else: the contact
    /// and the object then become one write.
    #[allow(clippy::unused_async, reason = "writing an object waits for the table")]
    async fn write_object(
        &self,
        object: &IncomingObject,
        _: &Written,
        told: &mut Vec<Misfit>,
    ) -> Result<Option<MadeObject>, NotPerformed> {
        let IncomingObject { kind, key, .. } = object;
        let message = format!(
            "the {kind} `{key}` was not kept: this version has no objects; `\"object\": false` and a map keep its \
             fields in the contact"
        );
        told.push(Misfit::new("object", "no_objects", message));
        Ok(None)
    }

    async fn write_contact(
        &self,
        incoming: &Incoming,
    ) -> Result<(Written, Vec<Misfit>), NotPerformed> {
        let Platform { store, catalog, contacts, traces, connections, .. } = self.platform;
        let loaded = catalog.current().await?;
        let (mut sent, mut told) = members(incoming, &loaded);
        let resubscribing = Resubscribing::taken(&mut sent)?;
        let address = Sorted::of(&sent, &loaded.catalog.fields, Manner::Hook).address();
        let before: Option<Contact> = match &address {
            Some(address) => match contacts.id_of(address).await? {
                Some(id) => contacts.get(&id).await?,
                None => None,
            },
            None => None,
        };
        let unknown_fields =
            if incoming.by_name { UnknownFields::Ignore } else { UnknownFields::Refuse };
        let how = How { manner: Manner::Hook, unknown_fields, invalid: Invalid::Skip };
        let mut read = Reader::new(&loaded, before.as_ref(), how).read(&sent)?;
        resubscribing.put_into(&mut read.patch)?;
        if incoming.tagged {
            let more = self.connection.tags.iter().filter(|tag| !read.patch.add.contains(tag));
            let more: Vec<_> = more.cloned().collect();
            read.patch.add.extend(more);
        }
        let by = Author::ApiKey(format!("connection {}", self.connection.id));
        let together = |written: &Written| -> Result<Vec<Write>, Error> {
            let contact = &written.contact.id;
            let mut writes = vec![connections.pointer_of(contact, self.place, self.expires)?];
            writes.extend(skipping::line(store, written, &by, &read.skipped)?);
            Ok(writes)
        };
        let email = read.email.as_deref().unwrap_or_default();
        let written = contacts.upsert(email, &read.patch, &by, &together).await?;
        if written.change.is_none() {
            traces.nothing_changed(&written.contact, &read.patch, &by).await;
        }
        told.extend(misfits(resubscribing.told(&read.patch, &written).into_iter().collect()));
        told.extend(misfits(read.doubtful));
        told.extend(misfits(read.skipped));
        Ok((written, told))
    }
}

/// What is sent about the contact, and what was left out of it.
fn members(incoming: &Incoming, loaded: &Loaded) -> (Map<String, Value>, Vec<Misfit>) {
    let fields = &loaded.catalog.fields;
    let (mut sent, mut told) = (incoming.contact.clone(), Vec::new());
    if incoming.by_name {
        sent.retain(|name, value| match meaning(name, fields).0 {
            Meaning::Member("consent") if value.as_str().and_then(consent_of).is_none() => {
                let message = "it is no consent; write subscribed, unsubscribed or none, or map another field to it";
                told.push(Misfit::new(name, "consent", message));
                false
            }
            Meaning::Member(member) => !ONLY_BY_MAP.contains(&member),
            Meaning::Field(_) => true,
            Meaning::ReadOnly | Meaning::Unknown => false,
        });
    }
    for answered in &incoming.answers {
        let name = match meaning(&answered.question, fields).0 {
            Meaning::Field(key) => key.as_str(),
            Meaning::Member("phone") => "phone",
            Meaning::Member(_) | Meaning::ReadOnly | Meaning::Unknown => continue,
        };
        if !sent.contains_key(name) {
            sent.insert(name.to_owned(), Value::from(answered.answer.as_str()));
        }
    }
    (sent, told)
}
