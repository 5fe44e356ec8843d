//! A Dacapo at a URL, called over HTTP with an API key. Every error says what to do about it.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::settings::Server;

/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// How often a call is made that is answered *not now* or *too many*.
const CALLS: u32 = 4;

/// How long the pause between two of them is at most, whatever the server says.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The longest answer that is read, in bytes: longer than any that a Dacapo gives in one piece.
const LONGEST_ANSWER: u64 = 10 * 1024 * 1024;

/// A call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RemoteCall<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: &'a str,
}

/// What was answered, whatever it is.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) etag: Option<String>,
    pub(crate) text: String,
    retry_after: u64,
}

/// The server, and the key.
pub(crate) struct Remote {
    url: String,
    key: String,
    agent: ureq::Agent,
}

/// What a command needs a key for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// It only looks.
    Read,
    /// It has something done, or foreseen.
    Write,
}

impl Scope {
    fn word(self) -> &'static str {
        match self {
            Self::Read => "`read`",
            Self::Write => "`write`",
        }
    }
}

/// Why there is no answer to continue with.
#[derive(Debug)]
pub(crate) enum RemoteError {
    /// Not found, with the server's reason.
    NoSuch(String),
    /// This call alone was refused, or failed, with the server's reason.
    Refused(String),
    /// Anything else, as text: other calls will fare no better.
    Other(String),
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuch(words) | Self::Refused(words) | Self::Other(words) => f.write_str(words),
        }
    }
}

impl std::error::Error for RemoteError {}

impl Remote {
    /// The server to use, for what needs a key of this scope.
    ///
    /// # Errors
    ///
    /// If no key was given.
    pub(crate) fn of(server: &Server, needs: Scope) -> Result<Self, RemoteError> {
        let url = server.url.clone();
        let key = server.api_key.as_deref().unwrap_or_default().trim().to_owned();
        if key.is_empty() {
            let why = format!(
                "there is no API key; give one that may {} with --api-key, or in DACAPO_API_KEY",
                needs.word()
            );
            return Err(RemoteError::Other(why));
        }
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(DEADLINE))
            .user_agent(concat!("dacapo/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { url, key, agent: config.into() })
    }

    /// The answer to a GET.
    pub(crate) fn get(&self, path: &str) -> Result<Value, RemoteError> {
        self.call("GET", path)
    }

    /// A call that succeeds; its answer, `null` if there is none. What the server puts off is
    /// retried.
    pub(crate) fn call(&self, method: &str, path: &str) -> Result<Value, RemoteError> {
        let body = if method == "POST" { "{}" } else { "" };
        let headers = &[("Content-Type", "application/json")];
        let call = RemoteCall { method, path, headers, body };
        self.read(&call, &self.ask(&call)?)
    }

    /// A call, and whatever is answered to it. What the server puts off is retried.
    pub(crate) fn ask(&self, call: &RemoteCall<'_>) -> Result<Reply, RemoteError> {
        let mut calls = 1;
        loop {
            let reply = self.once(call)?;
            if !matches!(reply.status, 429 | 503) || calls == CALLS {
                return Ok(reply);
            }
            std::thread::sleep(Duration::from_secs(reply.retry_after).min(LONGEST_PAUSE));
            calls += 1;
        }
    }

    /// One call.
    fn once(&self, call: &RemoteCall<'_>) -> Result<Reply, RemoteError> {
        let place = format!("{}{}", self.url, call.path);
        let wrong = |error: &dyn fmt::Display| {
            RemoteError::Other(format!(
                "{place} is no URL: {error}; say it such as --url https://api.example"
            ))
        };
        let mut request = ureq::http::Request::builder()
            .method(call.method)
            .uri(&place)
            .header("Authorization", format!("Bearer {}", self.key));
        for (name, value) in call.headers {
            request = request.header(*name, *value);
        }
        let request = request.body(call.body).map_err(|error| wrong(&error))?;
        let silent = |error: &dyn fmt::Display| {
            RemoteError::Other(format!(
                "{} does not answer: {error}; is it there (`dacapo serve`), and is it the right \
                 --url?",
                self.url
            ))
        };
        let mut response = self.agent.run(request).map_err(|error| silent(&error))?;
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let retry_after = header("retry-after").and_then(|it| it.parse().ok()).unwrap_or(1);
        let etag = header("etag").map(str::to_owned);
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(LONGEST_ANSWER).read_to_vec();
        let text = String::from_utf8(body.map_err(|error| silent(&error))?);
        let text = text.map_err(|_| self.is_another(status))?;
        Ok(Reply { status, etag, text, retry_after })
    }

    /// The answer to a call that succeeds, `null` if there is none.
    pub(crate) fn read(&self, call: &RemoteCall<'_>, reply: &Reply) -> Result<Value, RemoteError> {
        let (RemoteCall { method, path, .. }, Reply { status, text, .. }) = (call, reply);
        let status = *status;
        let url = &self.url;
        let body: Option<Value> = serde_json::from_str(text).ok();
        if (200..300).contains(&status) {
            return match body {
                Some(body) => Ok(body),
                None if text.is_empty() => Ok(Value::Null),
                None => Err(self.is_another(status)),
            };
        }
        // A problem of Dacapo names its kind; that of a proxy, or of another server, does not.
        let kind = body.as_ref().and_then(|body| body["type"].as_str()).unwrap_or_default();
        let Some(kind) = kind.strip_prefix("urn:dacapo:problem:") else {
            // API Gateway says so itself, in its own form.
            return Err(match status {
                429 | 502..=504 => RemoteError::Refused(format!(
                    "{method} {path} at {url}: {status}: what is before Dacapo takes no call now; \
                     try again later"
                )),
                _ => self.is_another(status),
            });
        };
        let detail = body.as_ref().and_then(|body| body["detail"].as_str()).unwrap_or_default();
        Err(match kind {
            "not_found" if detail.starts_with("there is nothing at") => {
                RemoteError::Other(format!(
                    "{url} has no such call ({path}); it is an older Dacapo than this command ({})",
                    env!("CARGO_PKG_VERSION")
                ))
            }
            "not_found" => RemoteError::NoSuch(detail.to_owned()),
            "unauthorized" | "forbidden" => RemoteError::Other(format!(
                "{url} refuses the API key: {detail}; give another with --api-key, or in \
                 DACAPO_API_KEY"
            )),
            _ => RemoteError::Refused(format!("{method} {path} at {url}: {status}: {detail}")),
        })
    }

    fn is_another(&self, status: u16) -> RemoteError {
        RemoteError::Other(format!(
            "{} answers {status}, and not as a Dacapo does; is it the right --url?",
            self.url
        ))
    }
}

/// A text as a part of a path.
pub(crate) fn part(text: &str) -> String {
    let mut part = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~:".contains(&byte) {
            part.push(char::from(byte));
        } else {
            part.push_str(&format!("%{byte:02X}"));
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_typed_is_one_part_of_a_path() {
        assert_eq!(part("timer:059f-36b4"), "timer:059f-36b4");
        assert_eq!(part("a/b c?d=ü"), "a%2Fb%20c%3Fd%3D%C3%BC");
    }
}
