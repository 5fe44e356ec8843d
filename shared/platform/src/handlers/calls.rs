//! Outbound webhooks: rendered from the latest contact, called with a time limit, tried a bounded
//! number of times.
//!
//! Every call is in the ledger of calls, with the number of failures and the time before which it
//! is not made again. A call that was cut off is no failure. A call that is given up is reported:
//! by a line in the history, written once, together with its record; by a metric; by a line in the
//! log.

use std::sync::Arc;

use chrono::TimeDelta;
use dacapo_engine::campaign::format::{Element, Webhook};
use dacapo_engine::campaign::graph::Graph;
use dacapo_engine::contact::Contact;
use dacapo_engine::history::{Cause, Happened, Line, Record};
use dacapo_engine::merge::merge_values;
use dacapo_engine::template::{Budget, Escape, MergeValues};
use serde_json::{Map, Value, json};

use super::Done;
use super::recording::{HISTORY_KEPT, StoredHistory};
use crate::Instant;
use crate::blocking::Blocking;
use crate::call_ledger::{CallLedger, CallRecord, MayCall};
use crate::calling::UrlParts;
use crate::catalog::CatalogStore;
use crate::contact_json::{contact_json, object_json};
use crate::contacts::Contacts;
use crate::error::Error;
use crate::metrics::Metric;
use crate::ports::{Caller, Request, Unavailable, WebhookCall};
use crate::rate_limited_log::{RateLimitedLog, without_addresses};
use crate::rendering::{Renderer, Unrendered};
use crate::store::{Store, item};
use crate::table::{Condition, Write};

/// How often a webhook is tried.
const ATTEMPTS: u32 = 5;

/// The outcome of a call.
enum WebhookOutcome {
    /// It was made, or is not to be made at all.
    Over,
    /// It was not tried: not before this instant.
    NotTried(Instant),
    /// It failed; the failure is retryable.
    Passing(String),
    /// It failed permanently.
    Lasting(String),
}

/// Makes the calls of *webhook* elements.
pub struct Webhooks {
    pub(crate) store: Arc<Store>,
    pub(crate) catalog: Arc<CatalogStore>,
    pub(crate) contacts: Arc<Contacts>,
    pub(crate) calls: Arc<CallLedger>,
    pub(crate) blocking: Arc<Blocking>,
    /// What makes the requests.
    pub caller: Arc<dyn Caller>,
    pub(crate) warned: Arc<RateLimitedLog>,
}

impl Webhooks {
    /// Calls a webhook, unless the ledger says that the call is over, or that another worker has
    /// claimed it.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn call(&self, call: &WebhookCall) -> Result<Done, Error> {
        let record = match self.calls.claim(call).await? {
            MayCall::Yes(record) => *record,
            MayCall::No(done) => return Ok(done),
        };
        let (over, done) = match self.try_call(call).await? {
            WebhookOutcome::Over => (true, Done::Yes),
            WebhookOutcome::NotTried(at) => (false, Done::NotTried(at)),
            WebhookOutcome::Passing(reason) => {
                return self.call_failed(call, record, reason, false).await;
            }
            WebhookOutcome::Lasting(reason) => {
                return self.call_failed(call, record, reason, true).await;
            }
        };
        if let Err(error) = self.calls.went(call, record, over).await {
            // Making the call again only to note it would be worse; a claim ends by itself.
            let (contact, element) = (call.contact.as_str(), call.element.as_str());
            tracing::warn!(%error, contact, element, over, "a webhook is not noted");
        }
        Ok(done)
    }

    async fn try_call(&self, call: &WebhookCall) -> Result<WebhookOutcome, Error> {
        let loaded = self.catalog.current().await?;
        let graph = self.catalog.version(&call.campaign, call.version).await?;
        let Some(contact) = self.contacts.get(&call.contact).await? else {
            return Ok(WebhookOutcome::Over);
        };
        let Some((_, Element::Webhook(webhook))) = graph.element(&call.element) else {
            return Ok(WebhookOutcome::Over);
        };
        let person = match contact.id.is_object() {
            true => match self.contacts.get(&contact.id.person()).await? {
                Some(person) => Some(person),
                None => return Ok(WebhookOutcome::Over),
            },
            false => None,
        };
        let (account, document) = (&loaded.account, &graph.document);
        let values = merge_values(account, document, &contact, person.as_ref(), call.run, None);
        let subject = subject_json(&contact, person.as_ref());
        let made = match request(webhook, &graph, &subject, &values, call, Budget::Small) {
            Err(Unrendered { over_budget: true, .. }) => {
                let (webhook, graph, call) = (webhook.clone(), Arc::clone(&graph), call.clone());
                self.blocking
                    .run(move || request(&webhook, &graph, &subject, &values, &call, Budget::Full))
                    .await
                    .unwrap_or_else(|_| Err(Unrendered::broken_off()))
            }
            made => made,
        };
        let request = match made {
            Ok(request) => request,
            Err(Unrendered { reason, .. }) => {
                return Ok(WebhookOutcome::Lasting(format!("it could not be made: {reason}")));
            }
        };
        if let Some(at) = self.caller.not_before(&request.url, self.store.now()) {
            return Ok(WebhookOutcome::NotTried(at));
        }
        Ok(match self.caller.call(&request).await {
            Ok(status) if status < 400 => WebhookOutcome::Over,
            Ok(status @ (408 | 429 | 500..)) => {
                WebhookOutcome::Passing(format!("it answered {status}"))
            }
            // The endpoint says that the request is wrong: that is permanent.
            Ok(status) => WebhookOutcome::Lasting(format!("it answered {status}")),
            Err(Unavailable(why)) => WebhookOutcome::Passing(without_addresses(&why)),
        })
    }

    /// Counts a failure, once; if it is the last, it is reported.
    async fn call_failed(
        &self,
        call: &WebhookCall,
        before: CallRecord,
        reason: String,
        lasting: bool,
    ) -> Result<Done, Error> {
        let now = self.store.now();
        let failures = before.failures + 1;
        let again = (!lasting && failures < ATTEMPTS)
            .then(|| now + TimeDelta::seconds(5 << failures.min(8)));
        let reason = if lasting || again.is_some() {
            reason
        } else {
            format!("given up after {failures} calls, the last time: {reason}")
        };
        let mut together = Vec::new();
        if again.is_none() {
            together.push(self.line_of_failed_call(call, &reason, now)?);
        }
        let next = CallRecord {
            failures,
            reason: Some(reason.clone()),
            again,
            over: again.is_none().then_some(now),
            lease: None,
            ..before
        };
        if self.calls.write_next(call, next, together).await?.is_none() {
            // The message was delivered twice, and another worker has counted.
            return Ok(Done::Soon);
        }
        let (contact, campaign) = (call.contact.as_str(), call.campaign.as_str());
        let element = call.element.as_str();
        let Some(again) = again else {
            Metric::WebhooksFailed.emit(1);
            tracing::warn!(contact, campaign, element, failures, reason, "webhook failed");
            return Ok(Done::Yes);
        };
        if let Some(others) = self.warned.due(now) {
            tracing::warn!(
                contact,
                campaign,
                element,
                failures,
                reason,
                others,
                "webhook failed, tried again"
            );
        }
        Ok(Done::NotBefore(again))
    }

    fn line_of_failed_call(
        &self,
        call: &WebhookCall,
        reason: &str,
        at: Instant,
    ) -> Result<Write, Error> {
        let what = Happened::CallFailed { reason: reason.to_owned() };
        let line = Line { run: call.run, element: Some(call.element.clone()), what };
        let records = vec![Record { at, because: Cause::Call, lines: vec![line] }];
        let history = StoredHistory::uncounted(call.campaign.clone(), call.version, records);
        let key = self.store.keys.history_of_webhook(
            &call.contact,
            at,
            &call.campaign,
            call.run,
            call.step,
        );
        Ok(Write::put(item(key, &history)?.expires(at + HISTORY_KEPT), Condition::Absent))
    }
}

/// What a call says of the subject if it has no body of its own: the contact, and the object if it
/// is about one.
fn subject_json(subject: &Contact, person: Option<&Contact>) -> Map<String, Value> {
    let mut members = Map::new();
    let contact = contact_json(person.unwrap_or(subject));
    if person.is_some() {
        members.insert("object".to_owned(), object_json(subject));
    }
    members.insert("contact".to_owned(), contact);
    members
}

fn request(
    webhook: &Webhook,
    graph: &Graph,
    subject: &Map<String, Value>,
    values: &MergeValues,
    call: &WebhookCall,
    budget: Budget,
) -> Result<Request, Unrendered> {
    let mut renderer = Renderer::new(values, budget);
    let mut text = |source: &str| {
        // Text without a placeholder is no template; a final line end belongs to the template.
        let is_template = source.contains('{') || source.ends_with('\n');
        if is_template { renderer.render(source, Escape::Text) } else { Ok(source.to_owned()) }
    };
    let mut headers = Vec::new();
    for (name, value) in &webhook.headers {
        headers.push((name.clone(), dacapo_engine::template::one_line(&text(value)?)));
    }
    let has = |headers: &[(String, String)], wanted: &str| {
        headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted))
    };
    let key = format!("{}.{}.{}.{}", call.contact, call.campaign, call.run, call.step);
    if !has(&headers, "idempotency-key") {
        headers.push(("Idempotency-Key".to_owned(), key));
    }
    let body = match &webhook.body {
        Some(Value::String(source)) => text(source)?,
        Some(other) => rendered_json(other, &mut text)?.to_string(),
        None => {
            let mut body = Map::new();
            body.insert("campaign".to_owned(), json!(graph.document.id));
            body.insert("run".to_owned(), json!(call.run));
            body.insert("element".to_owned(), json!(call.element));
            body.extend(subject.clone());
            Value::Object(body).to_string()
        }
    };
    if !has(&headers, "content-type") {
        let kind = match &webhook.body {
            Some(Value::String(_)) => "text/plain; charset=utf-8",
            Some(_) | None => "application/json",
        };
        headers.push(("Content-Type".to_owned(), kind.to_owned()));
    }
    let url = text(&webhook.url)?.trim().to_owned();
    if let Err(Unavailable(why)) = UrlParts::read(&url) {
        return Err(Unrendered::because(without_addresses(&why)));
    }
    use dacapo_engine::campaign::format::Method;
    let body = match webhook.method {
        Method::Get | Method::Delete => None,
        Method::Post | Method::Put | Method::Patch => Some(body),
    };
    Ok(Request { method: webhook.method, url, headers, body })
}

/// JSON with every string in it rendered.
fn rendered_json(
    value: &Value,
    text: &mut dyn FnMut(&str) -> Result<String, Unrendered>,
) -> Result<Value, Unrendered> {
    Ok(match value {
        Value::String(source) => Value::String(text(source)?),
        Value::Array(list) => {
            Value::Array(list.iter().map(|one| rendered_json(one, text)).collect::<Result<_, _>>()?)
        }
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, one)| Ok((key.clone(), rendered_json(one, text)?)))
                .collect::<Result<_, Unrendered>>()?,
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    })
}
