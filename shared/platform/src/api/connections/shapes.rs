//! Connections and received calls, as the API shows them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use axum::http::Uri;
use dacapo_engine::ids::ConnectionId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::Instant;
use crate::api::call::problem::Fault;
use crate::api::contacts::changes::Warnings;
use crate::connections::{Bytes, CallOutcome, Connection, ContactOfCall, Kind, ReceivedCall};
use crate::contact_json::instant_text;

/// How many errors of a call a list shows.
const MOST_LISTED: usize = 5;

/// Which tool a connection is for.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum KindWord {
    /// Calendly.
    Calendly,
    /// Cal.com.
    Calcom,
    /// Anything that posts names and values.
    Form,
}

impl KindWord {
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Calendly => Kind::Calendly,
            Self::Calcom => Kind::Calcom,
            Self::Form => Kind::Form,
        }
    }

    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Calendly => Self::Calendly,
            Kind::Calcom => Self::Calcom,
            Kind::Form => Self::Form,
        }
    }
}

/// The type of the objects that a connection makes, or `false` for none.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum ObjectWord {
    /// The type.
    Type(String),
    /// `false`.
    No(bool),
}

/// A connection, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConnectionShape {
    id: String,
    kind: KindWord,
    /// Whether it has a secret, which is never shown.
    has_secret: bool,
    /// Until when the secret before the last change works too; `null` if there is none.
    #[schema(format = DateTime, required = true)]
    previous_secret_until: Option<String>,
    /// From places in a body to members of a contact or an object.
    map: BTreeMap<String, String>,
    /// Members of a contact or an object, and the values that they get where what came has none.
    set: BTreeMap<String, Value>,
    /// Tags that are assigned to everybody who books or posts.
    tags: Vec<String>,
    /// The type of the objects that it makes, or `false`.
    object: ObjectWord,
    /// Where the tool posts to; only for keys with the scope `admin`.
    #[schema(required = true)]
    url: Option<String>,
    /// Until when the URL before the last rotation works; `null` if there is none.
    #[schema(format = DateTime, required = true)]
    previous_url_until: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[serde(flatten)]
    told: Warnings,
}

impl ConnectionShape {
    /// With the URL below `public_url`, if that may be shown.
    pub(super) fn of(connection: &Connection, public_url: Option<&str>, now: Instant) -> Self {
        let Connection {
            id, kind, secret, map, set, tags, object, token, before, created_at, ..
        } = connection;
        let secret_before = connection.secret_before.as_ref();
        let secret_before = secret_before.filter(|before| now < before.until);
        let before = before.as_ref().filter(|before| now < before.until);
        Self {
            id: id.to_string(),
            kind: KindWord::of(*kind),
            has_secret: secret.is_some(),
            previous_secret_until: secret_before.map(|before| instant_text(before.until)),
            map: map.clone(),
            set: set.clone(),
            tags: tags.iter().map(ToString::to_string).collect(),
            object: object.clone().map_or(ObjectWord::No(false), ObjectWord::Type),
            url: public_url.map(|public_url| format!("{public_url}/v1/in/{token}")),
            previous_url_until: before.map(|before| instant_text(before.until)),
            created_at: instant_text(*created_at),
            told: Warnings { warnings: public_url.and_then(out_of_reach).into_iter().collect() },
        }
    }
}

/// The warning that no tool reaches URLs below this one, if it leads to the machine itself.
fn out_of_reach(public_url: &str) -> Option<Fault> {
    let host = public_url.parse::<Uri>().ok()?.host()?.trim_matches(['[', ']']).to_owned();
    let is_own = host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|at| at.is_loopback() || at.is_unspecified());
    is_own.then(|| {
        let message = format!(
            "{host} is this machine itself, so a tool elsewhere cannot post to this URL; start \
             `dacapo serve` with --public-url and the address at which the tool reaches it, such \
             as https://dacapo.example.com"
        );
        Fault::new("url", "out_of_reach", message)
    })
}

/// What came of a received call.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum OutcomeWord {
    /// It was stored, and the work on it has not ended.
    Received,
    /// It was written.
    Done,
    /// There was nothing to do, on purpose.
    Ignored,
    /// It could not be used: mend what `why` says, and replay it.
    Failed,
    /// It was not accepted; its body is not kept.
    Refused,
}

/// A contact that a call has written.
#[derive(Debug, Serialize, ToSchema)]
struct MadeShape {
    contact_id: String,
    /// Whether the contact is new.
    created: bool,
    /// Whether anything changed.
    changed: bool,
    /// The object that was written with it.
    #[schema(required = true)]
    object: Option<ObjectShape>,
}

/// An object that a call has written.
#[derive(Debug, Serialize, ToSchema)]
struct ObjectShape {
    /// Its type.
    #[serde(rename = "type")]
    kind: String,
    key: String,
}

/// A received call, without its body.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CallShape {
    id: String,
    /// When it came.
    #[schema(format = DateTime)]
    at: String,
    /// What the tool says has happened, such as `invitee.created`.
    #[schema(required = true)]
    event: Option<String>,
    /// What came of it, the last time.
    outcome: OutcomeWord,
    /// Why, where it was not written.
    #[schema(required = true)]
    why: Option<String>,
    /// Everything that is wrong with it, or was left out.
    errors: Vec<Fault>,
    /// What was written.
    made: Vec<MadeShape>,
    #[schema(required = true)]
    content_type: Option<String>,
    /// The length of its body in bytes, as far as it was read.
    size: usize,
    /// Whether the body is kept, so that it can be replayed.
    has_body: bool,
    /// When it was last replayed.
    #[schema(format = DateTime, required = true)]
    replayed_at: Option<String>,
    /// When it goes by itself.
    #[schema(format = DateTime)]
    expires_at: String,
}

/// A received call, with its body.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OpenCallShape {
    #[serde(flatten)]
    call: CallShape,
    /// The body as it came: about a person. `null` if it is not kept.
    #[schema(required = true)]
    body: Option<String>,
    /// Whether `body` is in Base64, because it is no UTF-8.
    is_base64: bool,
}

impl CallShape {
    pub(super) fn of(id: &str, call: &ReceivedCall) -> Self {
        let made = |made: &ContactOfCall| MadeShape {
            contact_id: made.contact.to_string(),
            created: made.created,
            changed: made.changed,
            object: made
                .object
                .as_ref()
                .map(|object| ObjectShape { kind: object.kind.clone(), key: object.key.clone() }),
        };
        let misfits = call.misfits.iter();
        Self {
            id: id.to_owned(),
            at: instant_text(call.at),
            event: call.event.clone(),
            outcome: match call.outcome {
                CallOutcome::Received => OutcomeWord::Received,
                CallOutcome::Done => OutcomeWord::Done,
                CallOutcome::Ignored => OutcomeWord::Ignored,
                CallOutcome::Failed => OutcomeWord::Failed,
                CallOutcome::Refused => OutcomeWord::Refused,
            },
            why: call.why.clone(),
            errors: misfits.map(|one| Fault::new(&one.path, &one.code, &one.message)).collect(),
            made: call.made.iter().map(made).collect(),
            content_type: call.media.clone(),
            size: call.size,
            has_body: call.whole,
            replayed_at: call.replayed.map(instant_text),
            expires_at: instant_text(call.expires()),
        }
    }

    /// As a list shows it: so that an answer holds a page.
    pub(super) fn in_short(mut self) -> Self {
        self.errors.truncate(MOST_LISTED);
        self
    }

    pub(super) fn with_body(self, body: Option<Bytes>) -> OpenCallShape {
        let (body, is_base64) = match body {
            None => (None, false),
            Some(Bytes::Text(text)) => (Some(text), false),
            Some(Bytes::Base64(text)) => (Some(text), true),
        };
        OpenCallShape { call: self, body, is_base64 }
    }
}

/// The id of a connection.
pub(super) fn connection_id(text: &str) -> Option<ConnectionId> {
    ConnectionId::new(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_leads_to_the_machine_itself_is_warned_about() {
        for own in
            ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:80", "http://0.0.0.0:1/x"]
        {
            let warned = out_of_reach(own).expect("a warning");
            assert!(warned.message.contains("--public-url"), "{warned:?}");
        }
        for reached in
            ["https://dacapo.example", "http://192.0.2.7:8080", "https://localhost.example.com"]
        {
            assert_eq!(out_of_reach(reached), None, "{reached}");
        }
    }
}
