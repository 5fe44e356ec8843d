//! `webhook`: calls an HTTP endpoint. The token goes on at once, and does not wait for the answer.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Arrival, EdgeKey, ElementType, WhenMissed};
use crate::campaign::checks::{At, Findings, Surroundings, Template};
use crate::campaign::node::Path;
use crate::ids::{CampaignId, ElementId};

/// Calls a webhook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where to; a template.
    #[schemars(example = &"https://crm.example/contacts/{{ contact.email | urlencode }}")]
    pub url: String,
    /// POST unless given.
    #[serde(default)]
    pub method: Method,
    /// Headers; the values are templates.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    #[doc = "The body: a text is a template, anything else JSON whose texts are templates. \
             The contact unless given."]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// Where the token goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ElementId>,
}

/// The HTTP methods of a webhook.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
pub enum Method {
    Get,
    #[default]
    Post,
    Put,
    Patch,
    Delete,
}

impl Webhook {
    /// Headers that are not an author's to write, in lower case: those about the connection and the
    /// length of the body, which the client knows, and the one by which a call shows what it is.
    pub const NOT_THE_AUTHORS: [&str; 14] = [
        "connection",
        "content-length",
        "dacapo-webhook",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];

    /// Whether a header is not an author's to write.
    pub fn is_not_the_authors(name: &str) -> bool {
        Self::NOT_THE_AUTHORS.iter().any(|one| name.eq_ignore_ascii_case(one))
    }
}

impl ElementType for Webhook {
    fn edges(&self) -> Vec<(EdgeKey, &ElementId)> {
        EdgeKey::edges([("next", self.next.as_ref())])
    }

    fn arrival(&self, _: &CampaignId) -> Arrival {
        Arrival::GoesOn
    }

    fn when_missed(&self) -> WhenMissed {
        WhenMissed::IsLost
    }

    fn templates(&self, path: &Path) -> Vec<Template<'_>> {
        let mut found = vec![Template::full(path.key("url"), &self.url)];
        for (key, source) in &self.headers {
            found.push(Template::full(path.key("headers").key(key), source));
        }
        if let Some(body) = &self.body {
            templates_inside(body, &path.key("body"), &mut found);
        }
        found
    }

    fn check(&self, path: &Path, _: &Surroundings<'_>, findings: &mut Findings<'_>) {
        if let Err((message, remedy)) = check_url(&self.url) {
            findings.error("bad_url", &At::Value(&path.key("url")), message, remedy);
        }
        for name in self.headers.keys() {
            if let Err((message, remedy)) = check_header(name) {
                let path = path.key("headers").key(name);
                findings.error("bad_header", &At::Key(&path), message, remedy);
            }
        }
    }
}

/// What is wrong with a URL, and what would be right. What a template makes is looked at when it is
/// called.
fn check_url(url: &str) -> Result<(), (&'static str, &'static str)> {
    let plain = without_templates(url.trim());
    let rest = match plain.split_once("://") {
        Some((scheme, rest)) if ["http", "https", MADE].contains(&scheme) => rest,
        None if plain.starts_with(MADE) => return Ok(()),
        Some((scheme, _)) if scheme.starts_with(MADE) => return Ok(()),
        Some(_) | None => {
            return Err((
                "a webhook calls an http or https address",
                "write it like https://example.com/hook",
            ));
        }
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.contains('@') {
        return Err((
            "a name and a password before the host are not sent",
            "leave out what stands before the `@`, and send it as a header, such as \
             `Authorization`",
        ));
    }
    if host.is_empty() || host.contains(|c: char| c == '\\' || c.is_whitespace() || c.is_control())
    {
        return Err((
            "a webhook calls an address with a host",
            "write it like https://example.com/hook",
        ));
    }
    Ok(())
}

/// What stands for what a template makes, while a text is looked at.
const MADE: &str = "\u{fffc}";

/// The text with [`MADE`] in the place of each placeholder, block and comment.
fn without_templates(text: &str) -> String {
    let (mut plain, mut rest) = (String::new(), text);
    while let Some(begin) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
        plain.push_str(&rest[..begin]);
        plain.push_str(MADE);
        let end = if rest[begin..].starts_with("{{") { "}}" } else { "%}" };
        let after = rest[begin..].find(end).map_or(rest.len(), |at| begin + at + end.len());
        rest = &rest[after..];
    }
    plain + rest
}

/// What is wrong with the name of a header (RFC 9110), and what would be right.
fn check_header(name: &str) -> Result<(), (String, &'static str)> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(is_token) {
        return Err((
            format!("{name:?} is no name of a header"),
            "write letters, digits and `-`, such as `X-Source`",
        ));
    }
    if Webhook::is_not_the_authors(name) {
        return Err((
            format!("`{name}` is written by Dacapo itself, as the connection and the body need it"),
            "leave it out",
        ));
    }
    Ok(())
}

/// The texts in a JSON value, each of which is a template.
fn templates_inside<'a>(value: &'a Value, path: &Path, found: &mut Vec<Template<'a>>) {
    match value {
        Value::String(source) => found.push(Template::full(path.clone(), source)),
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                templates_inside(item, &path.index(i), found);
            }
        }
        Value::Object(entries) => {
            for (key, value) in entries {
                templates_inside(value, &path.key(key), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_of_a_header_begins_another_header() {
        for wrong in ["", "X\r\nB", "X\n", "X\tA", "X: a", "Ü"] {
            assert!(check_header(wrong).is_err(), "{wrong:?}");
        }
        for right in ["X-Source", "authorization", "x_api.key"] {
            assert_eq!(check_header(right), Ok(()), "{right}");
        }
    }
}
