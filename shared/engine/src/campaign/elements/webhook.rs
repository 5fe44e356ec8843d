//! `webhook`: calls an HTTP endpoint.

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
        let begins_with_template =
            self.url.trim_start().starts_with("{{") || self.url.trim_start().starts_with("{%");
        let after_scheme =
            || self.url.strip_prefix("https://").or_else(|| self.url.strip_prefix("http://"));
        let has_host =
            || after_scheme().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
        if !begins_with_template && !has_host() {
            findings.error(
                "bad_url",
                &At::Value(&path.key("url")),
                "a webhook calls an http or https address",
                "write it like https://example.com/hook",
            );
        }
    }
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
