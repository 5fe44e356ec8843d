//! A connection, and a received call, as they are stored.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use chrono::serde::ts_milliseconds_option;
use dacapo_engine::ids::{ConnectionId, ContactId, Tag};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Instant;
use crate::connections::incoming::Misfit;

/// For how long a received call is kept.
pub(crate) const CALLS_KEPT: TimeDelta = TimeDelta::days(14);

/// For how long the URL before a rotation, and the secret before a change, still work.
pub(crate) const OVERLAP: TimeDelta = TimeDelta::days(7);

/// Which tool a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Calendly.
    Calendly,
    /// Cal.com.
    Calcom,
    /// Anything that posts names and values.
    Form,
}

impl Kind {
    /// Its word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Calendly => "calendly",
            Self::Calcom => "calcom",
            Self::Form => "form",
        }
    }

    /// Whether its calls are signed, so that a connection has a secret.
    pub(crate) fn is_signed(self) -> bool {
        match self {
            Self::Calendly | Self::Calcom => true,
            Self::Form => false,
        }
    }
}

/// A URL that was replaced and still works for a while.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Replaced {
    /// Its token.
    pub(crate) token: String,
    /// Until when it works.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub(crate) until: Instant,
}

/// A secret that was replaced and still works for a while: a tool's older subscriptions sign with
/// it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReplacedSecret {
    /// The secret.
    pub(crate) secret: String,
    /// Until when it works.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub(crate) until: Instant,
}

/// A connection. The secret is kept as it is, since signatures are checked with it; it is neither
/// logged nor shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Connection {
    /// Its id.
    pub(crate) id: ConnectionId,
    /// Which tool it is for.
    pub(crate) kind: Kind,
    /// What the tool signs with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<String>,
    /// The secret before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret_before: Option<ReplacedSecret>,
    /// From places in a body to members of a contact or an object.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) map: BTreeMap<String, String>,
    /// What members of a contact or an object get that the map takes from no place of a body.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) set: BTreeMap<String, Value>,
    /// Tags that are assigned to everybody who books or posts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<Tag>,
    /// The type of the objects that it makes, if it makes any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) object: Option<String>,
    /// The token of its URL.
    pub(crate) token: String,
    /// The URL before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Replaced>,
    /// When it was made.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub(crate) created_at: Instant,
}

impl Connection {
    /// The tokens of its URLs, also of one that works no more.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = &str> {
        let before = self.before.as_ref().map(|before| before.token.as_str());
        std::iter::once(self.token.as_str()).chain(before)
    }

    /// The secrets that a call may be signed with now, the newest first.
    pub(crate) fn secrets(&self, now: Instant) -> impl Iterator<Item = &str> {
        let before = self.secret_before.as_ref().filter(|before| now < before.until);
        let before = before.map(|before| before.secret.as_str());
        self.secret.as_deref().into_iter().chain(before).filter(|secret| !secret.is_empty())
    }

    /// Whether a token is that of a URL that works now.
    pub(crate) fn opens_with(&self, token: &str, now: Instant) -> bool {
        let before = self.before.as_ref().filter(|before| now < before.until);
        self.token == token || before.is_some_and(|before| before.token == token)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// What came of a received call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CallOutcome {
    /// It was stored, and the work on it has not ended.
    Received,
    /// Everything in it was written.
    Done,
    /// There was nothing to do, on purpose.
    Ignored,
    /// It could not be used. It can be replayed.
    Failed,
    /// It was not accepted, and its body is not kept.
    Refused,
}

/// A contact that a call has written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ContactOfCall {
    /// The contact.
    #[serde(rename = "c")]
    pub(crate) contact: ContactId,
    /// Whether it is new.
    #[serde(rename = "n", default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) created: bool,
    /// Whether anything changed.
    #[serde(rename = "w", default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) changed: bool,
    /// The object that was written with it.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub(crate) object: Option<ObjectOfCall>,
}

/// An object that a call has written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ObjectOfCall {
    /// Its type.
    #[serde(rename = "t")]
    pub(crate) kind: String,
    /// Its key.
    #[serde(rename = "k")]
    pub(crate) key: String,
}

/// A received call, without its body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ReceivedCall {
    /// When it came.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub(crate) at: Instant,
    /// Of which kind the connection was; unknown of calls that were stored before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<Kind>,
    /// What the tool says has happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) event: Option<String>,
    /// The declared media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media: Option<String>,
    /// The length of the body in bytes, as far as it was read.
    pub(crate) size: usize,
    /// Whether the body is kept.
    pub(crate) whole: bool,
    /// What came of it, the last time.
    pub(crate) outcome: CallOutcome,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    /// Everything that is wrong with it, or was left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) misfits: Vec<Misfit>,
    /// What was written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) made: Vec<ContactOfCall>,
    /// How often it was begun again because it had not been ended.
    #[serde(default, skip_serializing_if = "crate::is_zero")]
    pub(crate) attempts: u32,
    /// How many attempts in turn have been begun and not ended.
    #[serde(default, skip_serializing_if = "crate::is_zero")]
    pub(crate) broken_off: u32,
    /// When the last of these attempts was begun.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "chrono::serde::ts_milliseconds_option"
    )]
    pub(crate) begun: Option<Instant>,
    /// When it was last replayed.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "ts_milliseconds_option")]
    pub(crate) replayed: Option<Instant>,
}

impl ReceivedCall {
    /// When it expires.
    pub(crate) fn expires(&self) -> Instant {
        self.at + CALLS_KEPT
    }
}

/// The body of a received call, as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Bytes {
    /// It is UTF-8.
    Text(String),
    /// It is not.
    Base64(String),
}

impl Bytes {
    /// These bytes.
    pub(crate) fn of(body: &[u8]) -> Self {
        match std::str::from_utf8(body) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64(STANDARD.encode(body)),
        }
    }

    /// The bytes that came.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            // It was encoded here.
            Self::Base64(text) => STANDARD.decode(text).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Connection {
        Connection {
            id: ConnectionId::new("forms").unwrap(),
            kind: Kind::Calendly,
            secret: Some("hush".to_owned()),
            secret_before: Some(ReplacedSecret {
                secret: "before".to_owned(),
                until: Instant::UNIX_EPOCH,
            }),
            map: BTreeMap::new(),
            set: BTreeMap::new(),
            tags: Vec::new(),
            object: None,
            token: "new".to_owned(),
            before: Some(Replaced { token: "old".to_owned(), until: Instant::UNIX_EPOCH }),
            created_at: Instant::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_is_printed_for_developers_holds_no_secret() {
        let printed = format!("{:?}", connection());
        for hidden in ["hush", "before", "new", "old"] {
            assert!(!printed.contains(hidden), "{printed}");
        }
    }

    #[test]
    fn a_replaced_secret_works_until_it_ends() {
        let (one, end) = (connection(), Instant::UNIX_EPOCH);
        let at = |now| one.secrets(now).collect::<Vec<_>>();
        assert_eq!(at(end - TimeDelta::milliseconds(1)), ["hush", "before"]);
        assert_eq!(at(end), ["hush"]);
    }

    #[test]
    fn a_replaced_url_works_until_it_ends() {
        let (one, end) = (connection(), Instant::UNIX_EPOCH);
        assert!(one.opens_with("old", end - TimeDelta::milliseconds(1)));
        assert!(!one.opens_with("old", end) && one.opens_with("new", end));
        assert!(!one.opens_with("other", end));
    }

    #[test]
    fn a_body_is_kept_as_it_came() {
        for body in [&b"{\"a\":1}"[..], b"", b"\xff\x00\xfe", "ö".as_bytes()] {
            assert_eq!(Bytes::of(body).bytes(), body);
        }
    }
}
