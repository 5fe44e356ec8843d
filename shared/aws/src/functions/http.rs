//! HTTP by API Gateway: an HTTP API's event (payload 2.0) becomes a request to the router, and its
//! answer an answer.
//!
//! An answer that is too large for Lambda is not sent: API Gateway would answer 502 instead,
//! without a reason. The API ends its pages before that ([`LARGEST_ANSWER`]). If it did not, a
//! problem is answered that says so.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request, Response, header};
use axum::response::IntoResponse as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dacapo_platform::api::{
    InOnePiece, LARGEST_ANSWER, LookBack, Problem, carried, do_unfinished_calls,
};
use dacapo_platform::platform::Platform;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;

use super::{FunctionError, is_from_rule};

/// A call.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HttpEvent {
    raw_path: String,
    #[serde(default)]
    raw_query_string: String,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    cookies: Vec<String>,
    request_context: Context,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Debug, Deserialize)]
struct Context {
    http: Http,
    #[serde(default)]
    stage: String,
}

#[derive(Debug, Deserialize)]
struct Http {
    method: String,
}

/// Answers a call of the API. It is also called by a rule every few minutes, to do the calls to
/// connections that were kept and not ended: this is the function that can do all that they ask
/// for.
///
/// # Errors
///
/// See [`answer`]; what the table answers to the rule.
pub async fn api(
    platform: &Platform,
    router: &Router,
    event: &Value,
) -> Result<Value, FunctionError> {
    if is_from_rule(event) {
        let done = do_unfinished_calls(platform, LookBack::Usual).await;
        return done.map(|()| Value::Null).map_err(|error| FunctionError(error.to_string()));
    }
    answer(router, event).await
}

/// Answers a call.
///
/// # Errors
///
/// If it is no event of an HTTP API.
pub async fn answer(router: &Router, event: &Value) -> Result<Value, FunctionError> {
    let wrong =
        |error: &dyn std::fmt::Display| FunctionError(format!("no call of an HTTP API: {error}"));
    let call = HttpEvent::deserialize(event).map_err(|error| wrong(&error))?;
    let request = request(call).map_err(|why| wrong(&why))?;
    let response = router.clone().oneshot(request).await;
    response_of(response.unwrap_or_else(|never| match never {})).await
}

fn request(call: HttpEvent) -> Result<Request<Body>, String> {
    let method = Method::from_bytes(call.request_context.http.method.as_bytes())
        .map_err(|error| error.to_string())?;
    let stage = format!("/{}", call.request_context.stage);
    let path = match call.raw_path.strip_prefix(&stage) {
        // A stage is the first segment of the path; the default stage has no name there.
        Some(rest) if stage.len() > 1 && (rest.is_empty() || rest.starts_with('/')) => rest,
        Some(_) | None => &call.raw_path,
    };
    let mut uri = in_uri(if path.is_empty() { "/" } else { path }, b"?#");
    if !call.raw_query_string.is_empty() {
        uri.push('?');
        uri.push_str(&in_uri(&call.raw_query_string, b"#"));
    }
    let body = match call.body {
        Some(body) if call.is_base64_encoded => {
            STANDARD.decode(body).map_err(|error| error.to_string())?
        }
        Some(body) => body.into_bytes(),
        None => Vec::new(),
    };
    let mut request = Request::builder().method(method).uri(uri).extension(InOnePiece);
    if let Some(headers) = request.headers_mut() {
        for (name, value) in &call.headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            let value = HeaderValue::from_str(value.as_str().unwrap_or_default());
            // What is not a valid header is left out, as a server would do.
            if let (Ok(name), Ok(value)) = (name, value) {
                headers.append(name, value);
            }
        }
        let cookies = HeaderValue::from_str(&call.cookies.join("; "));
        if let (false, Ok(cookies)) = (call.cookies.is_empty(), cookies) {
            headers.insert(header::COOKIE, cookies);
        }
    }
    request.body(Body::from(body)).map_err(|error| error.to_string())
}

/// A text as it may be in a URI: all other characters are percent-encoded. The gateway hands over
/// paths that are decoded, except that `%25` stays: so what looks encoded is, and a path that was
/// not decoded is read the same way.
fn in_uri(text: &str, neither: &[u8]) -> String {
    let bytes = text.as_bytes();
    let mut written = String::with_capacity(text.len());
    for (at, byte) in bytes.iter().enumerate() {
        let hex = |nth: usize| bytes.get(at + nth).is_some_and(u8::is_ascii_hexdigit);
        let plain = match byte {
            b'%' => hex(1) && hex(2),
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => false,
            other => other.is_ascii_graphic() && !neither.contains(other),
        };
        if plain {
            written.push(char::from(*byte));
        } else {
            written.push_str(&format!("%{byte:02X}"));
        }
    }
    written
}

/// The answer in the form of the gateway. One that is too large for Lambda is replaced by a problem
/// that says so.
async fn response_of(response: Response<Body>) -> Result<Value, FunctionError> {
    let bytes = match written(response).await? {
        Written::Answer(answer) => return Ok(answer),
        Written::TooLong(bytes) => bytes,
    };
    tracing::error!(answer.bytes = bytes, bound.bytes = LARGEST_ANSWER, "an answer is too long");
    match written(Problem::too_long().into_response()).await? {
        Written::Answer(answer) => Ok(answer),
        Written::TooLong(_) => Err(FunctionError("an answer is too long to say so".to_owned())),
    }
}

/// The result of writing an answer.
enum Written {
    Answer(Value),
    /// It has this many bytes, or more.
    TooLong(usize),
}

async fn written(response: Response<Body>) -> Result<Written, FunctionError> {
    let (parts, body) = response.into_parts();
    let bytes = match Limited::new(body, LARGEST_ANSWER).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Ok(Written::TooLong(LARGEST_ANSWER));
        }
        Err(error) => return Err(FunctionError(error.to_string())),
    };
    let mut headers = Map::new();
    let mut cookies = Vec::new();
    for name in parts.headers.keys() {
        let values = parts.headers.get_all(name).iter();
        let values: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
        if name == header::SET_COOKIE {
            cookies.extend(values.into_iter().map(str::to_owned));
        } else {
            headers.insert(name.as_str().to_owned(), values.join(",").into());
        }
    }
    let (body, encoded) = match String::from_utf8(bytes.to_vec()) {
        Ok(text) => (text, false),
        Err(_) => (STANDARD.encode(&bytes), true),
    };
    let mut answer = json!({
        "statusCode": parts.status.as_u16(),
        "headers": headers,
        "body": "",
        "isBase64Encoded": encoded,
    });
    if !cookies.is_empty() {
        answer["cookies"] = cookies.into();
    }
    let long = answer.to_string().len() + carried(body.as_bytes());
    if long > LARGEST_ANSWER {
        return Ok(Written::TooLong(long));
    }
    answer["body"] = body.into();
    Ok(Written::Answer(answer))
}

#[cfg(test)]
mod tests;
