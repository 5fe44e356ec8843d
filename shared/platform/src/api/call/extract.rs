//! Reading a call: its path, its parameters, its body. What cannot be read is a [`Problem`].

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header;
use axum::http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use crate::api::call::charset;
use crate::api::call::problem::Problem;
use crate::api::call::wording::fault;

/// The largest body, in bytes.
const LARGEST_BODY: usize = 1024 * 1024;

/// The largest body posted to a hook or a connection, in bytes.
const LARGEST_HOOK: usize = 256 * 1024;

/// The parts of the path, percent-decoded.
pub(in crate::api) struct Path<T>(pub(in crate::api) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(path)) => Ok(Self(path)),
            // An invalid id names nothing.
            Err(error) => Err(Problem::not_found(error.body_text())),
        }
    }
}

/// The query parameters. Unknown ones have been refused before.
pub(in crate::api) struct Query<T>(pub(in crate::api) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        if percent_decode_str(query).decode_utf8().is_err() {
            let detail = "the parameters behind the question mark are not UTF-8; percent-encode \
                          them as UTF-8";
            return Err(Problem::malformed(detail));
        }
        let reader = serde_urlencoded::Deserializer::new(form_pairs(query));
        match serde_path_to_error::deserialize(reader) {
            Ok(parameters) => Ok(Self(parameters)),
            Err(error) => {
                let path = error.path().to_string();
                Err(Problem::invalid(vec![fault(&path, "parameter", error.inner())]))
            }
        }
    }
}

/// A JSON body.
pub(in crate::api) struct Json<T>(pub(in crate::api) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if !is_json(&parts) {
            return Err(Problem::media_type("send JSON, with `Content-Type: application/json`"));
        }
        json(&parts, &whole(&parts, body).await?).map(Self)
    }
}

/// The media type of the body in lower case, without parameters; `None` if it is not declared.
pub(in crate::api) fn media_type(parts: &Parts) -> Option<String> {
    let value = parts.headers.get(header::CONTENT_TYPE)?.to_str().unwrap_or_default();
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// Whether the body is declared as JSON, or not declared.
pub(in crate::api) fn is_json(parts: &Parts) -> bool {
    media_type(parts).is_none_or(|kind| {
        kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
    })
}

/// The whole body, if it is not too large.
pub(in crate::api) async fn whole(parts: &Parts, body: Body) -> Result<Bytes, Problem> {
    let path = parts.uri.path();
    let is_hook = path.starts_with("/v1/hooks/") || path.starts_with("/v1/in/");
    let limit = if is_hook { LARGEST_HOOK } else { LARGEST_BODY };
    // What says that it is too large is not waited for.
    if usize::try_from(body.size_hint().lower()).map_or(true, |declared| declared > limit) {
        return Err(Problem::too_large(limit));
    }
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::too_large(limit)),
        Err(_) => Err(Problem::malformed("the body broke off; send it again")),
    }
}

/// The content of a JSON body, in its charset.
pub(in crate::api) fn json<T: DeserializeOwned>(parts: &Parts, body: &[u8]) -> Result<T, Problem> {
    let text = charset::text(parts, body)?;
    let mut reader = serde_json::Deserializer::from_str(&text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        unreadable(&path, error.inner())
    })?;
    reader.end().map_err(|error| unreadable("", &error))?;
    Ok(value)
}

fn unreadable(path: &str, error: &serde_json::Error) -> Problem {
    if error.is_data() {
        return Problem::invalid(vec![fault(path, "value", error)]);
    }
    Problem::malformed(format!(
        "the body is not JSON: line {}, column {}: {error}",
        error.line(),
        error.column()
    ))
}

/// The pairs of a form or a query.
pub(in crate::api) fn form_pairs(text: &str) -> form_urlencoded::Parse<'_> {
    form_urlencoded::parse(text.as_bytes())
}
