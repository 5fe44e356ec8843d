//! What came is written: the contact by the rules of a post to the hook, and the object with it, in
//! one transaction.
//!
//! A connection may do what a key with the scope `webhook` may: it takes no unsubscription back
//! unless its map says so by name, and makes no fields. What of it cannot be read is left out and
//! reported with the call.

use dacapo_engine::address::folded;
use dacapo_engine::contact::{Author, Contact, Patch};
use dacapo_engine::ids::ContactId;

use crate::Instant;
use crate::api::call::problem::{Fault, Problem};
use crate::api::connections::lost_dates::lost_dates;
use crate::api::connections::naming::{fields_of, members, unanswered, without_consent};
use crate::api::contacts::object_names::object_key;
use crate::api::contacts::reading::{How, Invalid, Read, Reader, UnknownFields};
use crate::api::contacts::resubscribing::Resubscribing;
use crate::api::contacts::skipping;
use crate::api::contacts::sorting::{Manner, Sorted};
use crate::api::objects::reading::{ObjectReader, zone_of};
use crate::catalog::Loaded;
use crate::connections::{
    Booking, CallPlace, Connection, ContactOfCall, Incoming, IncomingObject, KnownBooking, Misfit,
    ObjectOfCall,
};
use crate::contacts::{WriteError, Written};
use crate::error::{Error, Retryability};
use crate::objects::{ObjectError, ObjectWrite, ObjectWritten, PersonWrite, ToldBy};
use crate::platform::Platform;
use crate::store::TRIES;
use crate::table::{Condition, Write};

/// How many of the values that a call's contact or object lost are logged.
const MOST_LOGGED: usize = 5;

/// Writes what a call is about.
pub(super) struct Performer<'a> {
    pub(super) platform: &'a Platform,
    pub(super) connection: &'a Connection,
    pub(super) place: CallPlace<'a>,
    /// When the call expires.
    pub(super) expires: Instant,
    /// Whether an attempt has begun the call and not ended it.
    pub(super) is_continued: bool,
    /// Whether a user has it done again.
    pub(super) is_replayed: bool,
}

/// Why something was not written.
pub(super) enum NotPerformed {
    /// It cannot be used as it is.
    Unusable(Vec<Misfit>),
    /// It is about an object that goes on under another key, or something later is known of it:
    /// there is nothing to do.
    Outdated(Misfit),
    /// Something failed for now: the whole call is to be sent again.
    Failed(Problem),
    /// The same call, which came twice at once, has written it just now.
    Overtaken,
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
            WriteError::Refused(..) => Self::Overtaken,
            error => Problem::from(error).into(),
        }
    }
}

impl From<ObjectError> for NotPerformed {
    fn from(error: ObjectError) -> Self {
        let (path, code) = match error {
            ObjectError::Write(error) => return error.into(),
            ObjectError::Replaced { by } => {
                let message = format!("it was moved, and goes on as `{by}`: this is about before");
                return Self::Outdated(Misfit::new("object.key", "replaced", message));
            }
            ObjectError::NoContact => {
                let message = "it says no e-mail address, and there is no object of this key whose \
                               contact it could be; when there is, replay this call";
                return Self::Unusable(vec![Misfit::new("email", "required", message)]);
            }
            ObjectError::OfAnother { owner } => {
                let message = format!(
                    "the object belongs to the contact {owner}, and an object never changes its \
                     contact; map another value to `object.key`, or have that contact's address \
                     sent"
                );
                return Self::Unusable(vec![Misfit::new("email", "of_another", message)]);
            }
            ObjectError::BothThere { .. } => ("object.replaces", "both_there"),
            ObjectError::TooMany => ("object", "too_many"),
        };
        Self::Unusable(vec![Misfit::new(path, code, error.to_string())])
    }
}

fn misfits(faults: Vec<Fault>) -> Vec<Misfit> {
    faults.into_iter().map(|fault| Misfit::new(&fault.path, &fault.code, fault.message)).collect()
}

/// What a call says about a contact, read. Without an address it is whoever has the object.
#[derive(Default)]
struct Person {
    read: Read,
    /// What is written if something later is known of the booking.
    late: Patch,
    resubscribing: Resubscribing,
    /// The contact as it is stored, if it is there.
    before: Option<Contact>,
    /// Whether a pointer from it to the call may be there: one that has expired, and was not
    /// deleted yet.
    may_be_pointed: bool,
}

impl Person {
    /// What is reported about what was written to it.
    fn reported(&self, written: &Written, late: bool) -> Vec<Misfit> {
        let patch = if late { &self.late } else { &self.read.patch };
        let resubscribing = self.resubscribing.told(patch, written);
        let faults = resubscribing.into_iter().chain(self.read.doubtful.iter().cloned());
        misfits(faults.chain(self.read.skipped.iter().cloned()).collect())
    }
}

impl Performer<'_> {
    /// Writes a contact and its object. Answers what was written, and what was left out.
    pub(super) async fn perform(
        &self,
        incoming: &Incoming,
    ) -> Result<(ContactOfCall, Vec<Misfit>), NotPerformed> {
        let loaded = self.platform.catalog.current().await?;
        let mut overtaken = false;
        for _ in 0..TRIES {
            let (mut person, mut reported) = self.person(incoming, &loaded).await?;
            person.may_be_pointed = overtaken;
            if (overtaken || self.is_continued)
                && let Some(made) = self.made_before(incoming, &person).await?
            {
                return Ok((made, reported));
            }
            let made = match (&incoming.object, &incoming.booking) {
                (Some(object), _) => {
                    self.write_both((object, incoming), &person, &loaded, &mut reported).await
                }
                (None, Some(booking)) => {
                    self.write_booking((booking, incoming), &person, &mut reported).await
                }
                (None, None) => self.write_contact(incoming, &person, &mut reported).await,
            };
            if matches!(made, Err(NotPerformed::Overtaken)) {
                overtaken = true;
                continue;
            }
            self.warn(&person.read.skipped);
            reported.extend(unanswered(incoming, &self.connection.map, &loaded));
            return Ok((made?, reported));
        }
        Err(Error::Contended(TRIES).into())
    }

    /// What the call has written of this contact already: it is written together with a pointer to
    /// the call. What says when it happened is no worse for being told again.
    async fn made_before(
        &self,
        incoming: &Incoming,
        person: &Person,
    ) -> Result<Option<ContactOfCall>, Error> {
        let Some(contact) = &person.before else { return Ok(None) };
        if incoming.told.is_some()
            || !self.platform.connections.has_written(&contact.id, self.place).await?
        {
            return Ok(None);
        }
        let object = incoming
            .object
            .as_ref()
            .map(|object| ObjectOfCall { kind: object.kind.clone(), key: object.key.clone() });
        Ok(Some(ContactOfCall {
            contact: contact.id.clone(),
            created: false,
            changed: true,
            object,
        }))
    }

    /// The pointer from a contact to the call that wrote it. What is no worse for being told again,
    /// and what a user wants to be done again, is written whether it is there or not.
    fn pointer(
        &self,
        incoming: &Incoming,
        person: &Person,
        contact: &ContactId,
    ) -> Result<Write, Error> {
        let may_be_there = incoming.told.is_some() || self.is_replayed || person.may_be_pointed;
        let condition = if may_be_there { Condition::Always } else { Condition::Absent };
        self.platform.connections.pointer_of(contact, self.place, self.expires, condition)
    }

    fn author(&self) -> Author {
        Author::Connection(self.connection.id.clone())
    }

    /// Reads what a call says about the contact, and tells what was left out.
    async fn person(
        &self,
        incoming: &Incoming,
        loaded: &Loaded,
    ) -> Result<(Person, Vec<Misfit>), NotPerformed> {
        let contacts = &self.platform.contacts;
        if incoming.is_of_its_owner() {
            return Ok((Person::default(), Vec::new()));
        }
        let (mut sent, mut reported) = members(incoming, &incoming.contact, loaded);
        let resubscribing = Resubscribing::taken(&mut sent)?;
        let address = Sorted::of(&sent, &loaded.catalog.fields, Manner::Hook).address();
        let before: Option<Contact> = match &address {
            Some(address) => match contacts.id_of(address).await? {
                Some(id) => contacts.get(&id).await?,
                None => None,
            },
            None => None,
        };
        if incoming.by_name && before.is_some() {
            reported.extend(without_consent(&mut sent, loaded));
        }
        let unknown_fields =
            if incoming.by_name { UnknownFields::Ignore } else { UnknownFields::Refuse };
        let how = How { manner: Manner::Hook, unknown_fields, invalid: Invalid::Skip };
        let mut read = Reader::new(loaded, before.as_ref(), how).read(&sent)?;
        let late = match incoming.told {
            Some(_) => {
                let (lasting, _) = members(incoming, &incoming.lasting, loaded);
                Reader::new(loaded, before.as_ref(), how).read(&lasting)?.patch
            }
            None => Patch::default(),
        };
        resubscribing.put_into(&mut read.patch)?;
        if incoming.tagged {
            let more = self.connection.tags.iter().filter(|tag| !read.patch.add.contains(tag));
            let more: Vec<_> = more.cloned().collect();
            read.patch.add.extend(more);
        }
        Ok((Person { read, late, resubscribing, before, may_be_pointed: false }, reported))
    }

    /// Logs what was left out: where, and never what came.
    fn warn(&self, left_out: &[Fault]) {
        for fault in left_out.iter().take(MOST_LOGGED) {
            tracing::warn!(
                connection = self.connection.id.as_str(),
                call = self.place.id,
                path = fault.path,
                code = fault.code,
                "a value that came through a connection could not be read and was left out"
            );
        }
    }

    async fn write_contact(
        &self,
        incoming: &Incoming,
        person: &Person,
        reported: &mut Vec<Misfit>,
    ) -> Result<ContactOfCall, NotPerformed> {
        let Platform { store, contacts, traces, .. } = self.platform;
        let (by, read) = (self.author(), &person.read);
        let together = |written: &Written| -> Result<Vec<Write>, Error> {
            let mut writes = vec![self.pointer(incoming, person, &written.contact.id)?];
            writes.extend(skipping::line(store, written, &by, &read.skipped)?);
            Ok(writes)
        };
        let email = read.email.as_deref().unwrap_or_default();
        let written = contacts.upsert(email, &read.patch, &by, &together).await?;
        if written.change.is_none() {
            traces.nothing_changed(&written.contact, &read.patch, &by).await;
        }
        reported.extend(person.reported(&written, false));
        Ok(made_of(written))
    }

    /// Writes a contact that has the date of a booking itself. If something later is known of the
    /// booking, nothing of it is taken: the contact may have another date by now.
    async fn write_booking(
        &self,
        (booking, incoming): (&Booking, &Incoming),
        person: &Person,
        reported: &mut Vec<Misfit>,
    ) -> Result<ContactOfCall, NotPerformed> {
        let Platform { store, contacts, traces, connections, .. } = self.platform;
        let (by, read) = (self.author(), &person.read);
        let email = read.email.as_deref().unwrap_or_default();
        for _ in 0..TRIES {
            let known = match contacts.id_of(&folded(email)).await? {
                Some(id) => connections.known_booking(&id, &booking.key).await?,
                None => KnownBooking::default(),
            };
            let late = known.is_later_than(booking.status);
            let patch = if late { &person.late } else { &read.patch };
            let together = |written: &Written| -> Result<Vec<Write>, Error> {
                let contact = &written.contact.id;
                let (key, status) = (&booking.key, booking.status);
                let mut writes = Vec::new();
                if !late {
                    writes.push(connections.note_booking(contact, key, status, known)?);
                }
                writes.push(self.pointer(incoming, person, contact)?);
                let replaced = booking.replaces.as_ref().filter(|replaced| *replaced != key);
                if let Some(replaced) = replaced {
                    writes.push(connections.end_booking(contact, replaced)?);
                }
                writes.extend(skipping::line(store, written, &by, &read.skipped)?);
                Ok(writes)
            };
            let written = match contacts.upsert(email, patch, &by, &together).await {
                // Another call about it was first.
                Err(WriteError::Refused(..)) => continue,
                written => written?,
            };
            if written.change.is_none() {
                traces.nothing_changed(&written.contact, patch, &by).await;
            }
            reported.extend(person.reported(&written, late));
            let made = made_of(written);
            return if late { late_made(made, reported) } else { Ok(made) };
        }
        Err(Error::Contended(TRIES).into())
    }

    /// Writes an object and its contact as one. Objects are written here, and nowhere else.
    ///
    /// A signed tool knows its bookings: one whose contact has another address by now is written
    /// all the same, and the contact is left alone.
    async fn write_both(
        &self,
        (object, incoming): (&IncomingObject, &Incoming),
        person: &Person,
        loaded: &Loaded,
        reported: &mut Vec<Misfit>,
    ) -> Result<ContactOfCall, NotPerformed> {
        let Platform { store, objects, traces, .. } = self.platform;
        let Some((kind, definition)) = loaded.catalog.objects.get_key_value(object.kind.as_str())
        else {
            let kind = &object.kind;
            let message = format!(
                "there is no type of objects `{kind}`; PUT /v1/object-types/{kind} makes it, then \
                 replay this call"
            );
            return Err(NotPerformed::Unusable(vec![Misfit::new(
                "object",
                "unknown_type",
                message,
            )]));
        };
        let key = object_key("object.key", &object.key)?;
        let replaces = match object.replaces.as_deref() {
            Some(replaces) => Some(object_key("object.replaces", replaces)?),
            None => None,
        };
        let (fields, unknown) = fields_of(object, &incoming.answers, (kind, definition));
        reported.extend(unknown);
        let how = (UnknownFields::Ignore, Invalid::Skip);
        let zone = zone_of(person.before.as_ref(), &person.read.patch);
        let mut reader = ObjectReader::new(loaded, (kind, definition), None, zone, how);
        reader.each_field("object.", &fields);
        let read = reader.done()?;
        let by = self.author();
        let together = |written: &ObjectWritten| -> Result<Vec<Write>, Error> {
            let mut writes = vec![self.pointer(incoming, person, &written.person.contact.id)?];
            let skipped = person.read.skipped.iter().chain(&read.skipped).cloned();
            let skipped: Vec<Fault> = skipped.collect();
            writes.extend(skipping::line(store, &written.object, &by, &skipped)?);
            Ok(writes)
        };
        let skipped = (&*person.read.skipped, &*read.skipped);
        let lost = lost_dates(skipped, (kind, &fields), loaded);
        if !lost.is_empty() {
            return Err(NotPerformed::Unusable(misfits(lost)));
        }
        let named = match person.read.email.as_deref() {
            Some(email) => PersonWrite::ByAddress(email, &person.read.patch),
            None => PersonWrite::Unsaid,
        };
        let write = ObjectWrite { kind, key, replaces, person: named, patch: &read.patch };
        let tell = async |write: ObjectWrite<'_>| match incoming.told {
            Some(telling) => {
                let told = ToldBy { telling, late: &person.late };
                objects.upsert_as_told(write, told, &by, &together).await
            }
            None => objects.upsert(write, &by, &together).await,
        };
        let written = match tell(write).await {
            Err(ObjectError::OfAnother { owner }) if self.connection.kind.is_signed() => {
                let message = format!(
                    "the {kind} belongs to the contact {owner}, whose address is another one; it \
                     was written, and nothing of the contact"
                );
                reported.push(Misfit::new("email", "of_another", message));
                let write = ObjectWrite { person: PersonWrite::Unsaid, ..write };
                tell(write).await?
            }
            written => {
                let written = written?;
                reported.extend(person.reported(&written.person, written.late));
                written
            }
        };
        if written.object.change.is_none() {
            traces.nothing_changed(&written.object.contact, &read.patch, &by).await;
        }
        self.warn(&read.skipped);
        reported.extend(misfits(read.doubtful));
        reported.extend(misfits(read.skipped));
        let ObjectWritten { object, person, late } = written;
        let made = ContactOfCall {
            contact: person.contact.id,
            created: person.created,
            changed: person.change.is_some() || object.change.is_some(),
            object: Some(ObjectOfCall { kind: kind.to_string(), key: key.to_owned() }),
        };
        if late { late_made(made, reported) } else { Ok(made) }
    }
}

/// A contact that was written by itself.
fn made_of(written: Written) -> ContactOfCall {
    ContactOfCall {
        contact: written.contact.id,
        created: written.created,
        changed: written.change.is_some(),
        object: None,
    }
}

/// What was made of a call after a later one.
fn late_made(
    made: ContactOfCall,
    reported: &mut Vec<Misfit>,
) -> Result<ContactOfCall, NotPerformed> {
    let message = "a call about the same booking that came before tells of something later: how it \
                   stands was left as it is, and no tag was assigned";
    let misfit = Misfit::new("object.status", "told_later", message);
    if !made.changed {
        return Err(NotPerformed::Outdated(misfit));
    }
    reported.push(misfit);
    Ok(made)
}
