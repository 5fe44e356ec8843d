//! What a connection is to be, looked at before it is written: everything that is wrong is said at
//! once.

use std::collections::BTreeMap;

use dacapo_engine::campaign::nearest::remedy;
use dacapo_engine::campaign::validate::taken_type;
use dacapo_engine::field::{FieldType, quoted};
use dacapo_engine::ids::{ConnectionId, FieldKey, ObjectType, Tag};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::Instant;
use crate::api::call::problem::{Fault, Problem};
use crate::api::connections::shapes::{KindWord, ObjectWord};
use crate::api::contacts::names::{MEMBERS, Meaning, meaning};
use crate::api::contacts::reading::{How, Invalid, Reader, UnknownFields};
use crate::api::contacts::resubscribing::Resubscribing;
use crate::api::contacts::sorting::Manner;
use crate::api::objects::reading::ObjectReader;
use crate::catalog::Loaded;
use crate::connections::{
    Connection, Kind, OBJECT, Target, is_pointer, is_well_formed, says, target,
};

/// The type of the objects of booking tools, unless said otherwise.
const APPOINTMENT: &str = "appointment";

/// What booking tools tell of a booking: fields of their type of objects.
pub(super) const BOOKING: [(&str, FieldType); 8] = [
    ("starts_at", FieldType::Datetime),
    ("ends_at", FieldType::Datetime),
    ("title", FieldType::Text),
    ("place", FieldType::Text),
    ("status", FieldType::Text),
    ("reason", FieldType::Text),
    ("cancel_url", FieldType::Text),
    ("reschedule_url", FieldType::Text),
];

/// What a map gives an object beside its fields.
const OF_OBJECT: [&str; 2] = ["key", "replaces"];

/// What differs from post to post: with a fixed one everybody's would be one.
const NEVER_FIXED: [Target<'_>; 3] =
    [Target::Contact("email"), Target::Object("key"), Target::Object("replaces")];

/// Bounds of what is written.
const MOST_MAPPED: usize = 200;
const MOST_FIXED: usize = 50;
const LONGEST_FIXED: usize = 1_000;
const LONGEST_SOURCE_BYTES: usize = 300;
const MOST_TAGS: usize = 20;
const SECRET: std::ops::RangeInclusive<usize> = 8..=512;

/// What a connection is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenConnection {
    /// Which tool it is for.
    kind: KindWord,
    /// What the tool signs with, 8 to 512 bytes: Calendly's signing key, Cal.com's secret. A form
    /// has none. Left out, it stays as it is.
    #[serde(default)]
    #[schema(nullable = false, write_only)]
    secret: Option<String>,
    /// From places in a body to members of a contact or an object: `{"/data/email": "email"}`.
    #[serde(default)]
    map: BTreeMap<String, String>,
    /// Of a form with a map: members of a contact or an object, and the values that they get where
    /// what came has none: `{"object.status": "booked"}`.
    #[serde(default)]
    set: BTreeMap<String, Value>,
    /// Tags that are assigned to everybody who books or posts.
    #[serde(default)]
    tags: Vec<String>,
    /// The type of the objects that it makes, or `false`: `appointment` for `calendly` and `calcom`
    /// unless said otherwise, and none for a form.
    #[serde(default)]
    #[schema(nullable = false)]
    object: Option<ObjectWord>,
}

/// A connection that is to be written.
pub(super) struct RequestedConnection<'a> {
    pub(super) id: &'a ConnectionId,
    pub(super) sent: &'a WrittenConnection,
    pub(super) before: Option<&'a Connection>,
    pub(super) loaded: &'a Loaded,
}

impl RequestedConnection<'_> {
    /// The connection, without URL.
    pub(super) fn read(&self) -> Result<Connection, Problem> {
        let mut faults = Vec::new();
        let kind = self.sent.kind.kind();
        let secret = self.secret(kind, &mut faults);
        let object = self.object(kind, &mut faults);
        let tags = self.tags(&mut faults);
        self.map(kind, object.as_deref(), &mut faults);
        self.fixed(kind, object.as_deref(), &mut faults);
        self.type_of_form(kind, object.as_deref(), &mut faults);
        if !faults.is_empty() {
            return Err(Problem::invalid(faults));
        }
        Ok(Connection {
            id: self.id.clone(),
            kind,
            secret,
            secret_before: None,
            map: self.sent.map.clone(),
            set: self.sent.set.clone(),
            tags,
            object,
            token: String::new(),
            before: None,
            created_at: Instant::UNIX_EPOCH,
        })
    }

    fn secret(&self, kind: Kind, faults: &mut Vec<Fault>) -> Option<String> {
        let mut wrong = |code, message: &str| faults.push(Fault::new("secret", code, message));
        match (&self.sent.secret, kind.is_signed()) {
            (Some(_), false) => {
                wrong("secret", "a form is not signed, its URL is its secret; leave it out");
            }
            (Some(secret), true) if SECRET.contains(&secret.len()) => return Some(secret.clone()),
            (Some(secret), true) if secret.trim().is_empty() => {
                wrong(
                    "secret",
                    "the secret is empty; send what the tool signs with, 8 to 512 bytes",
                );
            }
            (Some(_), true) => wrong("secret", "a secret has 8 to 512 bytes"),
            (None, false) => {}
            (None, true) => {
                let kept = self.before.filter(|before| before.kind == kind);
                let kept = kept.and_then(|before| before.secret.clone());
                if kept.is_none() {
                    wrong("required", "send what the tool signs with: docs/appointments.md");
                }
                return kept;
            }
        }
        None
    }

    fn object(&self, kind: Kind, faults: &mut Vec<Fault>) -> Option<String> {
        match &self.sent.object {
            None => kind.is_signed().then(|| APPOINTMENT.to_owned()),
            Some(ObjectWord::No(false)) => None,
            Some(ObjectWord::No(true)) => {
                let message = "true is no type; write a type such as \"appointment\", or false";
                faults.push(Fault::new("object", "object", message));
                None
            }
            Some(ObjectWord::Type(text)) => match ObjectType::new(text.as_str()) {
                Ok(kind) => {
                    let is_new = !self.loaded.catalog.objects.contains_key(&kind);
                    if let Some(taken) = taken_type(text).filter(|_| is_new) {
                        let message = format!(
                            "`{taken}` means something else in templates; choose another word"
                        );
                        faults.push(Fault::new("object", "reserved", message));
                    }
                    Some(text.clone())
                }
                Err(why) => {
                    let message = format!("`{text}` is no type: {why}");
                    faults.push(Fault::new("object", "object", message));
                    None
                }
            },
        }
    }

    /// Nobody can know what fields the objects of a form have: their type has to be there.
    fn type_of_form(&self, kind: Kind, object: Option<&str>, faults: &mut Vec<Fault>) {
        let types = &self.loaded.catalog.objects;
        if let Some(named) = object.filter(|_| kind == Kind::Form)
            && !types.contains_key(named)
        {
            let remedy = remedy(named, types.keys().map(ObjectType::as_str));
            let message = format!(
                "there is no type of objects `{named}`; {remedy}; PUT /v1/object-types/{named} \
                 makes it"
            );
            faults.push(Fault::new("object", "unknown_type", message));
        }
    }

    /// Whether objects of the type have such a field, or will have. A type that is not there is a
    /// fault of its own.
    fn field_of_object(&self, kind: Kind, object: &str, name: &str) -> Result<(), String> {
        let there = self.loaded.catalog.objects.get(object);
        let known = there.iter().flat_map(|there| there.fields.keys().map(FieldKey::as_str));
        let of_tools = BOOKING.iter().map(|(key, _)| *key).filter(|_| kind.is_signed());
        let known: Vec<&str> = known.chain(of_tools).chain(OF_OBJECT).collect();
        if known.contains(&name) || (there.is_none() && kind == Kind::Form) {
            return Ok(());
        }
        let remedy = remedy(name, known);
        Err(format!(
            "the type {object} has no field `{name}`; {remedy}; PUT /v1/object-types/{object} adds \
             a field"
        ))
    }

    fn tags(&self, faults: &mut Vec<Fault>) -> Vec<Tag> {
        let mut tags: Vec<Tag> = Vec::new();
        if self.sent.tags.len() > MOST_TAGS {
            let message = format!("a connection assigns at most {MOST_TAGS} tags");
            faults.push(Fault::new("tags", "too_many", message));
        }
        for (nth, text) in self.sent.tags.iter().enumerate() {
            match Tag::new(text) {
                Ok(tag) if tags.contains(&tag) => {}
                Ok(tag) => tags.push(tag),
                Err(why) => {
                    let message =
                        format!("{} is no tag: {why}", quoted(&Value::from(text.as_str())));
                    faults.push(Fault::new(format!("tags.{nth}"), "tag", message));
                }
            }
        }
        tags
    }

    fn map(&self, kind: Kind, object: Option<&str>, faults: &mut Vec<Fault>) {
        let map = &self.sent.map;
        if map.len() > MOST_MAPPED {
            let message = format!("a map has at most {MOST_MAPPED} entries");
            return faults.push(Fault::new("map", "too_many", message));
        }
        for (source, written) in map {
            let mut wrong = |code, message: String| {
                faults.push(Fault::new(format!("map.{source}"), code, message));
            };
            if source.is_empty()
                || source.len() > LONGEST_SOURCE_BYTES
                || (is_pointer(source) && source == "/")
            {
                let message = "write the key of a form, or a JSON pointer such as /data/email";
                wrong("source", message.to_owned());
            } else if is_pointer(source) && !is_well_formed(source) {
                let message = format!(
                    "`{source}` is no JSON pointer: write `~0` for `~`, and `~1` for `/` within a \
                     name (RFC 6901)"
                );
                wrong("source", message);
            } else if source.starts_with(OBJECT) && kind == Kind::Form {
                let message = "a form has no booking to take that from; write a key or a pointer \
                               into the body";
                wrong("source", message.to_owned());
            }
            if let Err((code, message)) = self.leads_to(kind, object, written) {
                wrong(code, message);
            }
        }
        if kind == Kind::Form && !map.is_empty() {
            let mut needed = vec!["email"];
            needed.extend(object.map(|_| "object.key"));
            for needed in needed {
                if !map.values().any(|written| written == needed) {
                    let message = format!("a map needs an entry for `{needed}`");
                    faults.push(Fault::new("map", "required", message));
                }
            }
        } else if let Some(kind) = object.filter(|_| kind == Kind::Form) {
            let message =
                format!("objects of the type {kind} need a key: map something to `object.key`");
            faults.push(Fault::new("map", "required", message));
        }
    }

    /// Whether a target is there.
    fn leads_to(
        &self,
        kind: Kind,
        object: Option<&str>,
        written: &str,
    ) -> Result<(), (&'static str, String)> {
        let unknown = |message| ("unknown_field", message);
        match (target(written), object) {
            (Target::Object(""), _) => {
                Err(("target", "name a field of the object: `object.starts_at`".to_owned()))
            }
            (Target::Object(name), Some(object)) => {
                self.field_of_object(kind, object, name).map_err(unknown)
            }
            (Target::Object(_), None) => {
                let message = format!(
                    "`{written}` belongs to an object, and this connection makes none; set \
                     `object` to a type"
                );
                Err(("target", message))
            }
            (Target::Contact(name), _) => self.member(name).map_err(unknown),
        }
    }

    /// Fixed values have to be such that a post could send them.
    fn fixed(&self, kind: Kind, object: Option<&str>, faults: &mut Vec<Fault>) {
        let set = &self.sent.set;
        if set.is_empty() {
            return;
        }
        if kind != Kind::Form || self.sent.map.is_empty() {
            let message = "fixed values go with the map of a form, which says what else is taken; \
                           write a map, or leave `set` out";
            return faults.push(Fault::new("set", "set", message));
        }
        if set.len() > MOST_FIXED {
            let message = format!("at most {MOST_FIXED} values can be fixed");
            return faults.push(Fault::new("set", "too_many", message));
        }
        let before = faults.len();
        for (written, value) in set {
            let mut wrong = |code, message: String| {
                faults.push(Fault::new(format!("set.{written}"), code, message));
            };
            if NEVER_FIXED.contains(&target(written)) {
                wrong(
                    "target",
                    format!("`{written}` differs from post to post; take it by the map"),
                );
            } else if let Err((code, message)) = self.leads_to(kind, object, written) {
                wrong(code, message);
            } else if !says(value) {
                wrong("value", "it is empty; write a value, or leave the target out".to_owned());
            } else if value.to_string().len() > LONGEST_FIXED {
                wrong("value", format!("a fixed value has at most {LONGEST_FIXED} bytes"));
            }
        }
        if faults.len() > before {
            return;
        }
        let at_its_place = |fault: Fault| Fault { path: format!("set.{}", fault.path), ..fault };
        let wrong = self.unreadable(object).into_iter().map(at_its_place);
        faults.extend(wrong);
    }

    /// What of the fixed values no post could send.
    fn unreadable(&self, object: Option<&str>) -> Vec<Fault> {
        let (mut members, mut fields) = (Map::new(), Map::new());
        for (written, value) in &self.sent.set {
            let (into, name) = match target(written) {
                Target::Contact(name) => (&mut members, name),
                Target::Object(name) => (&mut fields, name),
            };
            into.insert(name.to_owned(), value.clone());
        }
        members.insert("email".to_owned(), Value::from("someone@example.com"));
        let (unknown_fields, invalid) = (UnknownFields::Refuse, Invalid::Refuse);
        let how = How { manner: Manner::Hook, unknown_fields, invalid };
        let read = Resubscribing::taken(&mut members)
            .and_then(|_| Reader::new(self.loaded, None, how).read(&members));
        let mut faults = read.err().map(Problem::into_faults).unwrap_or_default();
        let object = object.and_then(|kind| self.loaded.catalog.objects.get_key_value(kind));
        if let Some(kind) = object {
            let how = (unknown_fields, invalid);
            let mut reader = ObjectReader::new(self.loaded, kind, None, None, how);
            reader.each_field(OBJECT, &fields);
            faults.extend(reader.done().err().map(Problem::into_faults).unwrap_or_default());
        }
        faults
    }

    /// Whether a contact has such a member, or the account such a field.
    fn member(&self, name: &str) -> Result<(), String> {
        let fields = &self.loaded.catalog.fields;
        match meaning(name, fields).0 {
            Meaning::Member("suppressed" | "fields") => {
                Err(format!("`{name}` is not written by what comes in; leave it out"))
            }
            Meaning::Member(_) | Meaning::Field(_) => Ok(()),
            Meaning::ReadOnly | Meaning::Unknown => {
                let known =
                    MEMBERS.into_iter().filter(|name| !["suppressed", "fields"].contains(name));
                let known = known.chain(fields.keys().map(FieldKey::as_str));
                let remedy = remedy(name, known);
                Err(format!(
                    "a contact has no `{name}`; {remedy} PUT /v1/fields/{{key}} makes a field"
                ))
            }
        }
    }
}
