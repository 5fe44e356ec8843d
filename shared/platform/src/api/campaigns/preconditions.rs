//! `If-Match`, `If-None-Match`, and the entity tags of drafts (RFC 9110, sections 8.8.3 and 13.1).
//!
//! | representation of a draft | its tag |
//! |---|---|
//! | as it was written | its identity: `"k3v0m2c5"` |
//! | as JSON | its identity and a hash of the JSON: `"k3v0m2c5.91b0d3f4a2c6e857"` |
//!
//! All tags are strong: they stand for bytes, so two representations have two tags, and what a
//! later version of this program writes as other JSON has another tag. A condition on a write is
//! about the draft, and takes the tag of either representation.

use axum::http::{HeaderMap, HeaderName, header};
use dacapo_authoring::difference::Difference;
use dacapo_engine::hash::stable;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::call::problem::Problem;
use crate::api::call::room::{Room, json_text};
use crate::campaigns::{Changed, Draft, Drafts, OnlyIf};
use crate::contact_json::instant_text;
use crate::error::Error;

/// How `If-Match` is described.
pub(super) const SEEN: &str =
    "The `ETag` of the draft that you have seen, or `*` for any: with another one there, 412";

/// How 412 is described.
pub(super) const CHANGED: &str =
    "The draft is not the one that you have seen: who wrote it, when, and what is different";

/// What is there instead of what the caller has seen.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangedDraft {
    /// The draft that is there; left out if there is none any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    draft: Option<DraftThere>,
    /// What is different in the document that was sent, part by part; left out if none was sent, if
    /// there is no draft, or if it is longer than an answer may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<std::collections::BTreeMap<String, serde_json::Value>>>)]
    difference: Option<Difference>,
}

/// A draft, without its text.
#[derive(Debug, Serialize, ToSchema)]
struct DraftThere {
    /// The name of the API key that wrote it; `null` if that was before it was kept.
    by: Option<String>,
    /// When it was saved.
    #[schema(format = DateTime)]
    at: String,
    /// Its tag, as it was written.
    etag: String,
}

impl From<&Draft> for DraftThere {
    fn from(draft: &Draft) -> Self {
        Self { by: draft.by.clone(), at: instant_text(draft.at), etag: tag(&draft.identity) }
    }
}

/// The problem of a caller who has not seen what is there.
pub(super) fn refused(changed: Changed) -> Problem {
    let Changed { campaign, draft, difference } = changed;
    let there = draft.as_ref().map(DraftThere::from);
    let detail = match &there {
        Some(DraftThere { by, at, .. }) => format!(
            "the draft of campaign `{campaign}` is not the one that you have seen: {} saved it at \
             {at}; read it, put together what both say, and send that with its ETag in If-Match",
            by.as_ref().map_or_else(|| "somebody".to_owned(), |by| format!("the API key `{by}`")),
        ),
        None => format!(
            "campaign `{campaign}` is not there any more: it was deleted after you have seen it; \
             to make it anew, send it without If-Match"
        ),
    };
    let mut room = Room::WHOLE;
    let fits = |difference: &Difference| -> Result<bool, Error> {
        Ok(room.holds(json_text(difference)?.as_bytes()))
    };
    let fits = difference.as_ref().map(fits).transpose();
    let problem = fits.and_then(|fits| {
        let difference = difference.filter(|_| fits == Some(true));
        Problem::changed(detail, &ChangedDraft { draft: there, difference })
    });
    problem.unwrap_or_else(Problem::from)
}

/// What stands between the identity and the hash. No identity contains it.
const BEFORE_HASH: char = '.';

/// The tag of a draft as it was written.
pub(super) fn tag(identity: &str) -> String {
    format!("\"{identity}\"")
}

/// The tag of a draft as this JSON.
pub(super) fn tag_of_json(identity: &str, json: &str) -> String {
    format!("\"{identity}{BEFORE_HASH}{:016x}\"", stable(&[json]))
}

/// The conditions that a call comes with.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Preconditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
}

#[derive(Debug, PartialEq, Eq)]
enum Tags {
    /// `*`
    Any,
    Listed(Vec<Tag>),
}

#[derive(Debug, PartialEq, Eq)]
struct Tag {
    weak: bool,
    /// With its quotation marks.
    opaque: String,
}

/// What becomes of a read with its conditions.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// It is answered.
    Answered,
    /// The caller has it: 304.
    NotModified,
    /// It is not what the caller wants: 412.
    Refused,
}

impl Preconditions {
    /// Those of a call.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        Ok(Self {
            if_match: tags(headers, &header::IF_MATCH)?,
            if_none_match: tags(headers, &header::IF_NONE_MATCH)?,
        })
    }

    /// Of a read of what has this tag. In `If-Match` weak tags do not count, in `If-None-Match`
    /// they do.
    pub(super) fn read(&self, tag: &str) -> Read {
        let has = |tags: &Tags, weak_too: bool| match tags {
            Tags::Any => true,
            Tags::Listed(tags) => {
                tags.iter().any(|one| one.opaque == tag && (weak_too || !one.weak))
            }
        };
        if self.if_match.as_ref().is_some_and(|tags| !has(tags, false)) {
            Read::Refused
        } else if self.if_none_match.as_ref().is_some_and(|tags| has(tags, true)) {
            Read::NotModified
        } else {
            Read::Answered
        }
    }

    /// Of a write: which draft has to be there.
    pub(super) fn into_only_if(self) -> OnlyIf {
        let drafts = |tags: Tags, weak_too: bool| match tags {
            Tags::Any => Drafts::Any,
            Tags::Listed(tags) => {
                let counted = tags.into_iter().filter(|tag| weak_too || !tag.weak);
                Drafts::Of(counted.map(|tag| identity(&tag.opaque).to_owned()).collect())
            }
        };
        OnlyIf {
            there: self.if_match.map(|tags| drafts(tags, false)),
            absent: self.if_none_match.map(|tags| drafts(tags, true)),
        }
    }
}

fn identity(opaque: &str) -> &str {
    let inside = opaque.trim_matches('"');
    inside.split_once(BEFORE_HASH).map_or(inside, |(identity, _)| identity)
}

/// The tags in a header; `None` if it was not sent.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, Problem> {
    let mut listed = Vec::new();
    let mut is_there = false;
    for value in headers.get_all(name) {
        is_there = true;
        let text = String::from_utf8_lossy(value.as_bytes());
        if text.trim() == "*" {
            return Ok(Some(Tags::Any));
        }
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (tag, behind) = first(rest).ok_or_else(|| wrong(name, &text))?;
            listed.extend(tag);
            rest = behind;
        }
    }
    Ok(is_there.then_some(Tags::Listed(listed)))
}

/// The first tag of a list, if there is one before the next comma, and what follows.
fn first(list: &str) -> Option<(Option<Tag>, &str)> {
    let (element, behind) = match list.strip_prefix(',') {
        Some(behind) => (None, behind),
        None => {
            let (weak, quoted) =
                list.strip_prefix("W/").map_or((false, list), |quoted| (true, quoted));
            let length = quoted.strip_prefix('"')?.find('"')? + 2;
            let (opaque, behind) = quoted.split_at(length);
            if opaque.contains(|c: char| c.is_ascii_control() || c == ' ') {
                return None;
            }
            let behind = behind.trim_start();
            let behind = if behind.is_empty() { behind } else { behind.strip_prefix(',')? };
            (Some(Tag { weak, opaque: opaque.to_owned() }), behind)
        }
    };
    Some((element, behind.trim_start()))
}

fn wrong(name: &HeaderName, text: &str) -> Problem {
    let name = if *name == header::IF_MATCH { "If-Match" } else { "If-None-Match" };
    let message = format!(
        "{text:?} is no list of entity tags; write the ETag as it was answered, with its quotation \
         marks, or `*`"
    );
    Problem::invalid_at(name, "header", message)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn with(sent: &[(HeaderName, &'static str)]) -> Result<Preconditions, Problem> {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(name, HeaderValue::from_static(value));
        }
        Preconditions::of(&headers)
    }

    #[test]
    fn a_list_of_tags_is_read_as_rfc_9110_writes_it() {
        let one = |weak, opaque: &str| Tag { weak, opaque: opaque.to_owned() };
        for (sent, read) in [
            ("*", Tags::Any),
            ("\"a\"", Tags::Listed(vec![one(false, "\"a\"")])),
            ("W/\"a\", \"b,c\"", Tags::Listed(vec![one(true, "\"a\""), one(false, "\"b,c\"")])),
            (" , \"a\" ,,\"\",", Tags::Listed(vec![one(false, "\"a\""), one(false, "\"\"")])),
            ("", Tags::Listed(vec![])),
        ] {
            let expected = Preconditions { if_match: Some(read), if_none_match: None };
            assert_eq!(with(&[(header::IF_MATCH, sent)]), Ok(expected), "{sent}");
        }
        let two = with(&[(header::IF_MATCH, "\"a\""), (header::IF_MATCH, "\"b\"")]).unwrap();
        let both = Tags::Listed(vec![one(false, "\"a\""), one(false, "\"b\"")]);
        assert_eq!(two.if_match, Some(both), "two lines are one list");
        for wrong in ["a", "\"a", "w/\"a\"", "\"a\" \"b\"", "*, \"a\"", "\"a b\"", "'a'"] {
            let refused = with(&[(header::IF_NONE_MATCH, wrong)]).unwrap_err();
            assert_eq!(refused.status().as_u16(), 422, "{wrong}");
            assert!(refused.detail().starts_with("If-None-Match: "), "{}", refused.detail());
        }
    }

    #[test]
    fn a_read_compares_bytes_and_a_write_compares_drafts() {
        let (written, json) = (tag("k3v0"), tag_of_json("k3v0", "{}"));
        assert_eq!(written, "\"k3v0\"");
        assert_ne!(json, tag_of_json("k3v0", "{ }"));
        let read = |name, sent: &'static str| with(&[(name, sent)]).unwrap().read(&written);
        assert_eq!(read(header::IF_NONE_MATCH, "\"k3v0\""), Read::NotModified);
        assert_eq!(read(header::IF_NONE_MATCH, "W/\"k3v0\""), Read::NotModified);
        assert_eq!(read(header::IF_NONE_MATCH, "\"k3v0.00\""), Read::Answered);
        assert_eq!(read(header::IF_NONE_MATCH, "*"), Read::NotModified);
        assert_eq!(read(header::IF_MATCH, "\"k3v0\""), Read::Answered);
        assert_eq!(read(header::IF_MATCH, "W/\"k3v0\""), Read::Refused);
        assert_eq!(read(header::IF_MATCH, "*"), Read::Answered);
        let there = |sent: &'static str| {
            with(&[(header::IF_MATCH, sent)]).unwrap().into_only_if().there.unwrap()
        };
        let of = |all: &[&str]| Drafts::Of(all.iter().map(|&one| one.to_owned()).collect());
        assert_eq!(there("\"k3v0\", \"b.91b0\""), of(&["k3v0", "b"]));
        assert_eq!(there("W/\"k3v0\""), of(&[]), "a weak tag never matches");
        assert_eq!(there("*"), Drafts::Any);
    }
}
