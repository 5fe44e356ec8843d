//! The body of a call, as one value: JSON of any depth, a form, or a form in parts.
//!
//! A form is an object of its names. A name that comes several times is a list. Files in a form are
//! left out.

use axum::http::request::Parts;
use axum::http::{HeaderValue, Request, header};
use futures_util::stream;
use multer::{Constraints, Multipart, SizeLimit};
use percent_encoding::percent_decode;
use serde_json::{Map, Value};

use crate::api::call::charset::{self, Charset};
use crate::api::call::extract::{is_json, json, media_type};
use crate::api::call::problem::Problem;
use crate::connections::{Body, Kind};
use crate::json_tree::Tree;

const URLENCODED: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data";

/// The longest content type that is kept, in bytes.
const LONGEST_MEDIA: usize = 300;

/// What is declared about a body, for when it is read again.
pub(super) fn declared(parts: &Parts) -> Option<String> {
    let declared = parts.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    (declared.len() <= LONGEST_MEDIA).then(|| declared.to_owned())
}

/// The head of a call whose body is read again.
pub(super) fn parts_of(declared: Option<&str>) -> Parts {
    let (mut parts, ()) = Request::new(()).into_parts();
    if let Some(declared) = declared.and_then(|text| HeaderValue::from_str(text).ok()) {
        parts.headers.insert(header::CONTENT_TYPE, declared);
    }
    parts
}

/// The text between the parts of a form in parts.
pub(super) fn boundary(parts: &Parts) -> Option<String> {
    let declared = parts.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    multer::parse_boundary(declared).ok()
}

/// The body as text in which words stand as they are meant, to find addresses in it.
pub(super) fn plain(parts: &Parts, body: &[u8]) -> Option<String> {
    if media_type(parts).as_deref() == Some(URLENCODED) {
        let spaced: Vec<u8> = body
            .iter()
            .map(|byte| if matches!(byte, b'+' | b'&') { b' ' } else { *byte })
            .collect();
        return Some(percent_decode(&spaced).decode_utf8_lossy().into_owned());
    }
    charset::text(parts, body).ok().map(std::borrow::Cow::into_owned)
}

/// What a body holds. In JSON a name may stand several times; nothing of it is lost.
///
/// # Errors
///
/// 415 for a media type that is not read, 400 for what cannot be read.
pub(super) async fn read(kind: Kind, parts: &Parts, body: &[u8]) -> Result<Body, Problem> {
    let as_json = || {
        let tree = json::<Tree>(parts, body)?;
        match tree.is_readable() {
            true => Ok(Body::from(tree)),
            false => Err(Problem::malformed(
                "the names in the body are too long: at most 4,000 bytes may lead to a value; \
                 shorten them",
            )),
        }
    };
    if is_json(parts) {
        return as_json();
    }
    let media = media_type(parts).unwrap_or_default();
    match (kind, media.as_str()) {
        (Kind::Form, URLENCODED) => Ok(members(charset::form(parts, body)?).into()),
        (Kind::Form, MULTIPART) => multipart(parts, body).await.map(Body::from),
        // Some tools do not say that it is JSON.
        (Kind::Form, "text/plain") if body.trim_ascii_start().starts_with(b"{") => as_json(),
        (Kind::Form, _) => {
            Err(Problem::media_type(format!("send application/json, {URLENCODED} or {MULTIPART}")))
        }
        (Kind::Calendly | Kind::Calcom, _) => {
            Err(Problem::media_type("send JSON, with `Content-Type: application/json`"))
        }
    }
}

async fn multipart(parts: &Parts, body: &[u8]) -> Result<Value, Problem> {
    let broken =
        |why: multer::Error| Problem::malformed(format!("the form in parts cannot be read: {why}"));
    let boundary = boundary(parts).ok_or_else(|| {
        Problem::malformed("the form in parts cannot be read: its Content-Type names no boundary")
    })?;
    let whole = SizeLimit::new().whole_stream(u64::try_from(body.len()).unwrap_or(u64::MAX));
    let bytes = axum::body::Bytes::copy_from_slice(body);
    let chunks = stream::iter([Ok::<_, std::convert::Infallible>(bytes)]);
    let limits = Constraints::new().size_limit(whole);
    let mut form = Multipart::with_constraints(chunks, boundary, limits);
    let mut pairs = Vec::new();
    while let Some(field) = form.next_field().await.map_err(broken)? {
        let Some(name) = field.name().map(str::to_owned) else { continue };
        if field.file_name().is_some() {
            continue;
        }
        let bytes = field.bytes().await.map_err(broken)?;
        let text = Charset::Utf8.decode(&bytes).or_else(|| Charset::Windows1252.decode(&bytes));
        let text = text.ok_or_else(|| {
            Problem::malformed(format!("the part {name:?} is no text; send it as UTF-8"))
        })?;
        pairs.push((name, text.into_owned()));
    }
    Ok(members(pairs))
}

/// The members of a form. `tags[]` and `tags` are one name.
fn members(pairs: Vec<(String, String)>) -> Value {
    let mut members = Map::new();
    for (name, value) in pairs {
        let name = name.strip_suffix("[]").unwrap_or(&name).to_owned();
        let value = Value::String(value);
        match members.get_mut(&name) {
            None => {
                members.insert(name, value);
            }
            Some(Value::Array(several)) => several.push(value),
            Some(there) => {
                let first = there.take();
                *there = Value::Array(vec![first, value]);
            }
        }
    }
    Value::Object(members)
}
