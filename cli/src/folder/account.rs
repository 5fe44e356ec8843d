//! The calls to the account. What a server answers is looked at before it is used: an id that is
//! none names no file, a document is of the campaign that was asked for, and nothing is longer than
//! a campaign can be.

use std::collections::BTreeMap;

use dacapo_authoring::simulate::Surroundings;
use dacapo_engine::campaign::format::ObjectDefinition;
use dacapo_engine::campaign::reader::read_as;
use dacapo_engine::ids::{CampaignId, FieldKey, ObjectType};
use dacapo_platform::campaigns::LONGEST_DRAFT;
use serde_json::{Value, json};

use crate::remote::{Remote, RemoteCall, RemoteError, Reply, Scope, part};
use crate::settings::{InFlight, Server};

/// How many are on a page, and how many pages are read at most.
const A_PAGE: usize = 200;
const MOST_PAGES: usize = 100;

/// The longest tag that is remembered, in bytes.
const LONGEST_TAG: usize = 200;

/// A campaign as the account lists it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listed {
    /// Whether it is published, paused or not.
    pub(super) is_published: bool,
    /// Whether its draft is not published yet.
    pub(super) has_changes: bool,
}

/// A draft of the account.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) etag: String,
    pub(super) text: String,
}

/// What is answered to a read.
#[derive(Debug)]
pub(super) enum Got {
    /// It is still the one that was seen.
    Same,
    Draft(Draft),
    /// There is no such campaign.
    None,
}

/// What has to be there for a draft to be saved.
#[derive(Debug, Clone, Copy)]
pub(super) enum OnlyIf<'a> {
    /// The draft with this tag.
    Seen(&'a str),
    /// None.
    None,
}

/// What is answered to a write.
#[derive(Debug)]
pub(super) enum WriteAnswer {
    /// It is done: the tag, where there is one, and the answer.
    Yes(Option<String>, Value),
    /// Another draft is there: by whom and when, or `None` if there is none any more.
    Changed(Option<String>),
    /// The document is wrong: in lines.
    Wrong(String),
}

/// An account.
pub(super) struct Account {
    remote: Remote,
    /// Its URL, without what is secret.
    pub(super) name: String,
}

impl Account {
    pub(super) fn of(server: &Server, needs: Scope) -> Result<Self, RemoteError> {
        let (scheme, rest) = server.url.split_once("://").unwrap_or(("", &server.url));
        let host = rest.split('/').next().unwrap_or_default();
        if host.contains('@') {
            let why = "the URL holds a name or a password before `@`; leave that out, and give the \
                       key with --api-key";
            return Err(RemoteError::Other(why.to_owned()));
        }
        Ok(Self { remote: Remote::of(server, needs)?, name: format!("{scheme}://{rest}") })
    }

    /// The campaigns that are there.
    pub(super) fn list(&self) -> Result<BTreeMap<CampaignId, Listed>, RemoteError> {
        let mut all = BTreeMap::new();
        for item in self.all("/v1/campaigns")? {
            let id = self.id(&item["id"])?;
            let is_published = !item["version"].is_null();
            all.insert(id, Listed { is_published, has_changes: item["draft"] == true });
        }
        Ok(all)
    }

    /// Every item of a list.
    fn all(&self, path: &str) -> Result<Vec<Value>, RemoteError> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        for _ in 0..MOST_PAGES {
            let page = self.remote.get(&format!("{path}?limit={A_PAGE}{cursor}"))?;
            items.extend(page["items"].as_array().cloned().unwrap_or_default());
            let Some(next) = page["next_cursor"].as_str() else { return Ok(items) };
            cursor = format!("&cursor={}", part(next));
        }
        Err(self.strange(&format!("its list {path} does not end")))
    }

    fn id(&self, id: &Value) -> Result<CampaignId, RemoteError> {
        let text = id.as_str().unwrap_or_default();
        CampaignId::new(text).map_err(|why| {
            self.strange(&format!("it lists a campaign {text:?}, which is no id: {why}"))
        })
    }

    fn strange(&self, what: &str) -> RemoteError {
        let name = &self.name;
        RemoteError::Other(format!("{name}: {what}; is it a Dacapo, and the right --url?"))
    }

    /// The draft of a campaign as it was written, unless it is the one that was seen.
    pub(super) fn draft(&self, id: &CampaignId, seen: Option<&str>) -> Result<Got, RemoteError> {
        let path = format!("{}?format=yaml", path(id));
        let headers: Vec<_> = seen.iter().map(|seen| ("If-None-Match", *seen)).collect();
        let call = RemoteCall { method: "GET", path: &path, headers: &headers, body: "" };
        let reply = self.remote.ask(&call)?;
        match reply.status {
            304 if seen.is_some() => return Ok(Got::Same),
            200 => {}
            _ => {
                return match self.remote.read(&call, &reply) {
                    Err(RemoteError::NoSuch(_)) => Ok(Got::None),
                    Err(failure) => Err(failure),
                    Ok(_) => Err(self.strange("it does not answer a draft as a Dacapo does")),
                };
            }
        }
        let refused = |what: &str| Err(RemoteError::Refused(format!("{}: {what}", self.name)));
        let Some(etag) = reply.etag.filter(|etag| is_tag(etag)) else {
            return refused("its drafts have no ETag; it is an older Dacapo than this command");
        };
        let text = reply.text;
        if text.len() > LONGEST_DRAFT {
            return refused("its answer is longer than a campaign can be");
        }
        let own = read_as::<Value>(&text).ok().and_then(|(document, _)| {
            document.get("id").and_then(Value::as_str).map(str::to_owned)
        });
        if own.as_deref() != Some(id.as_str()) {
            return refused("its answer is no document of this campaign");
        }
        Ok(Got::Draft(Draft { etag, text }))
    }

    /// Saves a draft.
    pub(super) fn put(
        &self,
        id: &CampaignId,
        text: &str,
        only_if: OnlyIf<'_>,
    ) -> Result<WriteAnswer, RemoteError> {
        let condition = match only_if {
            OnlyIf::Seen(etag) => ("If-Match", etag),
            OnlyIf::None => ("If-None-Match", "*"),
        };
        let headers = [("Content-Type", "application/yaml"), condition];
        let path = path(id);
        self.done(&RemoteCall { method: "PUT", path: &path, headers: &headers, body: text })
    }

    /// Publishes exactly the draft with this tag. `once` distinguishes this call from others.
    pub(super) fn publish(
        &self,
        id: &CampaignId,
        etag: &str,
        in_flight: InFlight,
        once: &str,
    ) -> Result<WriteAnswer, RemoteError> {
        let headers =
            [("Content-Type", "application/json"), ("If-Match", etag), ("Idempotency-Key", once)];
        let path = format!("{}/publish", path(id));
        let body = json!({ "in_flight": in_flight.word() }).to_string();
        self.done(&RemoteCall { method: "POST", path: &path, headers: &headers, body: &body })
    }

    /// What publishing a document would do, as the API answers it; or why that is not known.
    pub(super) fn foresight(
        &self,
        id: &CampaignId,
        text: &str,
        in_flight: InFlight,
    ) -> Result<Result<Value, String>, RemoteError> {
        let headers = [("Content-Type", "application/json")];
        let path = format!("{}/publish?dry_run=true", path(id));
        let body = json!({ "source": text, "in_flight": in_flight.word() }).to_string();
        let call = RemoteCall { method: "POST", path: &path, headers: &headers, body: &body };
        let reply = self.remote.ask(&call)?;
        let said = |problem: &Value, code: &str| {
            let errors = problem["errors"].as_array().into_iter().flatten();
            errors.into_iter().any(|error| error["code"] == code)
        };
        match (reply.status, problem(&reply)) {
            (403, Some(_)) => {
                let why = "the key may not ask what publishing would do; that needs `write`";
                Ok(Err(why.to_owned()))
            }
            (422, Some(problem)) if said(&problem, "unknown_parameter") => {
                let why = "the server cannot tell what publishing would do; it is an older Dacapo";
                Ok(Err(why.to_owned()))
            }
            (422, Some(problem)) => {
                Ok(Err(format!("it cannot be published:\n{}", wrong(&problem))))
            }
            _ => self.remote.read(&call, &reply).map(Ok),
        }
    }

    fn done(&self, call: &RemoteCall<'_>) -> Result<WriteAnswer, RemoteError> {
        let reply = self.remote.ask(call)?;
        match (reply.status, problem(&reply)) {
            (412, Some(problem)) => {
                let draft = &problem["draft"];
                let by = draft["by"]
                    .as_str()
                    .map_or_else(|| "somebody".to_owned(), |by| format!("the API key `{by}`"));
                let at = draft["at"].as_str().unwrap_or("an unknown time");
                Ok(WriteAnswer::Changed(
                    draft.is_object().then(|| format!("{by} saved it at {at}")),
                ))
            }
            (422, Some(problem)) => Ok(WriteAnswer::Wrong(wrong(&problem))),
            _ => {
                let answer = self.remote.read(call, &reply)?;
                Ok(WriteAnswer::Yes(reply.etag.filter(|etag| is_tag(etag)), answer))
            }
        }
    }

    /// The fields and types of objects that the account has.
    pub(super) fn surroundings(&self) -> Result<Surroundings, RemoteError> {
        let strange = |what: String| self.strange(&what);
        let mut around = Surroundings::default();
        for mut item in self.all("/v1/fields")? {
            let key = item["key"].as_str().unwrap_or_default().to_owned();
            let kind = item["type"].take();
            let field = serde_json::from_value(json!({ "type": kind }));
            match (FieldKey::new(key.as_str()), field) {
                (Ok(key), Ok(field)) => around.fields.insert(key, field),
                _ => return Err(strange(format!("it lists a field {key:?} that cannot be read"))),
            };
        }
        for item in self.all("/v1/object-types")? {
            let kind = item["type"].as_str().unwrap_or_default().to_owned();
            let fields = item["fields"].as_object().into_iter().flatten();
            let fields = fields
                .map(|(key, field)| (key.clone(), json!({ "type": field["type"] })))
                .collect::<Value>();
            let definition: Result<ObjectDefinition, _> =
                serde_json::from_value(json!({ "fields": fields }));
            match (ObjectType::new(kind.as_str()), definition) {
                (Ok(kind), Ok(definition)) => around.objects.insert(kind, definition),
                _ => return Err(strange(format!("it lists a type {kind:?} that cannot be read"))),
            };
        }
        Ok(around)
    }
}

fn path(id: &CampaignId) -> String {
    format!("/v1/campaigns/{}", part(id.as_str()))
}

/// Whether it can be sent back in a header.
pub(super) fn is_tag(etag: &str) -> bool {
    let is_quoted = etag.len() >= 2 && etag.starts_with('"') && etag.ends_with('"');
    let is_one = etag.bytes().filter(|byte| *byte == b'"').count() == 2;
    is_quoted
        && is_one
        && etag.len() <= LONGEST_TAG
        && etag.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The problem of a Dacapo.
fn problem(reply: &Reply) -> Option<Value> {
    let problem: Value = serde_json::from_str(&reply.text).ok()?;
    let kind = problem["type"].as_str()?;
    kind.starts_with("urn:dacapo:problem:").then_some(problem)
}

/// What is wrong with a document, in lines.
fn wrong(problem: &Value) -> String {
    let errors = problem["errors"].as_array().filter(|errors| !errors.is_empty());
    let Some(errors) = errors else {
        return problem["detail"].as_str().unwrap_or_default().to_owned();
    };
    let lines = errors.iter().map(finding);
    lines.collect::<Vec<_>>().join("\n")
}

/// A finding of the server, on a line.
pub(super) fn finding(error: &Value) -> String {
    let text = |name: &str| error[name].as_str().unwrap_or_default();
    let place = match error["line"].as_u64() {
        Some(line) => format!("line {line}: "),
        None => String::new(),
    };
    let remedy = if text("remedy").is_empty() { "" } else { "; " };
    format!("{place}{} ({}){remedy}{}", text("message"), text("code"), text("remedy"))
}
