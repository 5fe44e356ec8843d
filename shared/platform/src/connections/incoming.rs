//! What a call means: a list of contacts, each perhaps with an object, or why there is none.

use chrono::TimeDelta;
use dacapo_engine::contact::{Telling, ToldAt};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Instant;

/// How far ahead the clock of a tool may be: what is further ahead is no time at all.
const FAR_AHEAD: TimeDelta = TimeDelta::days(366);

/// A contact, and perhaps an object of it, that a call is about.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Incoming {
    /// Members of the contact, as a post to the hook names them: `email`, `time_zone`, a field's
    /// key.
    pub(crate) contact: Map<String, Value>,
    /// Whether `contact` holds whatever the sender calls it: names that mean nothing are left out.
    pub(crate) by_name: bool,
    /// What the person answered to questions of the tool: used where a question is called like a
    /// field that nothing else has filled.
    pub(crate) answers: Vec<Answered>,
    /// The object: an appointment, a registration.
    pub(crate) object: Option<IncomingObject>,
    /// Whether the tags of the connection are assigned: not with what is cancelled.
    pub(crate) tagged: bool,
    /// When it happened, if the sender says so: its calls come in any order.
    pub(crate) told: Option<Telling>,
    /// What is written to the contact if something later is known: what is no part of the booking.
    pub(crate) lasting: Map<String, Value>,
    /// The booking, where the contact itself has its date and no object is made.
    pub(crate) booking: Option<Booking>,
}

impl Incoming {
    /// Whether it says nothing of the contact, but names an object: it is about whoever's that is.
    pub(crate) fn is_of_its_owner(&self) -> bool {
        self.told.is_some() && self.object.is_some() && !self.contact.contains_key("email")
    }
}

/// A booking that is no object: the contact has its date.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Booking {
    /// Its key.
    pub(crate) key: String,
    /// The key whose place it takes.
    pub(crate) replaces: Option<String>,
    /// When it came to stand as it does.
    pub(crate) status: ToldAt,
}

/// A question of the tool, and its answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answered {
    /// The question, as the person read it.
    pub(crate) question: String,
    /// The answer, as text.
    pub(crate) answer: String,
    /// Where it stands: a JSON pointer into the body.
    pub(crate) place: String,
}

/// An object as a tool tells of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct IncomingObject {
    /// Its type, such as `appointment`.
    pub(crate) kind: String,
    /// Its key: unique in account and type, the same in every call about it.
    pub(crate) key: String,
    /// The key of an older object whose place it takes: the booking was moved.
    pub(crate) replaces: Option<String>,
    /// Its fields: `starts_at`, `ends_at`, `title`, `place`, `status` …
    pub(crate) fields: Map<String, Value>,
}

/// The field of an object with its date, whether or not a campaign follows it yet.
pub(crate) const BEGIN: &str = "starts_at";

/// How a booking stands whose date is of no use any more.
const OVER: [&str; 2] = ["cancelled", "no_show"];

/// Whether the date of an object with these fields is of no use any more.
pub(crate) fn is_over(fields: &Map<String, Value>) -> bool {
    let status = fields.get("status").and_then(Value::as_str);
    status.is_some_and(|status| OVER.contains(&status))
}

/// Something that is wrong with a call, or was left out of it. Kept and shown with the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Misfit {
    /// Where: a JSON pointer into the body, or the name of a member.
    #[serde(rename = "p")]
    pub(crate) path: String,
    /// What kind of thing, stable.
    #[serde(rename = "c")]
    pub(crate) code: String,
    /// What is wrong and what would be right.
    #[serde(rename = "m")]
    pub(crate) message: String,
}

impl Misfit {
    pub(crate) fn new(path: &str, code: &str, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), code: code.to_owned(), message: message.into() }
    }

    /// A part of the body is missing.
    pub(crate) fn missing(path: &str, what: &str) -> Self {
        Self::new(path, "required", format!("{what} is missing: the body has nothing at `{path}`"))
    }
}

/// What is understood of a call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Understood {
    /// What the tool says has happened, such as `invitee.created`; nothing for a form.
    pub(crate) event: Option<String>,
    /// What is to be written, or why nothing is on purpose.
    pub(crate) what: Result<Vec<Incoming>, String>,
    /// What was left out, and why.
    pub(crate) left_out: Vec<Misfit>,
}

impl Understood {
    pub(crate) fn incoming(event: Option<&str>, incoming: Vec<Incoming>) -> Self {
        let event = event.map(str::to_owned);
        Self { event, what: Ok(incoming), left_out: Vec::new() }
    }

    pub(crate) fn ignored(event: &str, why: impl Into<String>) -> Self {
        Self { event: Some(event.to_owned()), what: Err(why.into()), left_out: Vec::new() }
    }
}

/// A text at a pointer that is not empty.
pub(crate) fn text_at<'b>(body: &'b Value, pointer: &str) -> Option<&'b str> {
    body.pointer(pointer)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// An instant at a pointer.
pub(crate) fn instant_at(body: &Value, pointer: &str) -> Option<Instant> {
    text_at(body, pointer)?.parse().ok()
}

/// When something happened: when the tool says, unless that is far ahead of when its call came.
/// Else nothing that is told later would count until then.
pub(super) fn happened(said: Option<Instant>, came: Instant) -> Instant {
    said.filter(|said| *said - came <= FAR_AHEAD).unwrap_or(came)
}

/// Puts values into members, those that are there.
pub(crate) fn put<'b>(
    into: &mut Map<String, Value>,
    values: impl IntoIterator<Item = (&'b str, Option<&'b str>)>,
) {
    for (name, value) in values {
        if let Some(value) = value {
            into.insert(name.to_owned(), Value::from(value));
        }
    }
}
