//! Outbound webhooks: rendered from the latest contact, called within a time, tried a bounded number of times.
//!
//! A webhook that is answered at once leaves nothing behind. What fails is counted in the table, with the time before which
//! it is not called again: how often a queue hands a message out says nothing about calls, since it also counts what was
//! never tried. A call that was cut off is no try. Whatever comes to nothing is told: a line in the history, written once,
//! together with the record that says so; a figure; a line in the log.

use std::sync::Arc;

use chrono::TimeDelta;
use dacapo_engine::campaign::format::{Element, Webhook};
use dacapo_engine::campaign::graph::Graph;
use dacapo_engine::contact::Contact;
use dacapo_engine::history::{Cause, Happened, Line, Record};
use dacapo_engine::merge::merge_values;
use dacapo_engine::statistics::Tally;
use dacapo_engine::template::{Budget, Escape, MergeValues};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Done;
use super::recording::{KEPT, StoredHistory};
use crate::Instant;
use crate::error::Error;
use crate::metrics::Metric;
use crate::platform::{Platform, is_own, item, read};
use crate::ports::{Call, Request, Unavailable};
use crate::rendering::{Renderer, Unrendered};
use crate::seldom::without_addresses;
use crate::table::{Condition, TableError, Write};

/// How often a webhook is tried.
const ATTEMPTS: u32 = 5;

/// How long the record of a webhook that failed is kept: longer than a queue keeps its message.
const RECORD_KEPT: TimeDelta = TimeDelta::days(30);

/// A webhook that has failed at least once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct FailedCall {
    /// How often it was called.
    attempt: u32,
    /// What came of it the last time.
    reason: String,
    /// When it is called again; nothing if it never is.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "chrono::serde::ts_milliseconds_option"
    )]
    again: Option<Instant>,
    /// The number of writes.
    n: u64,
    /// The identity of the last write.
    w: String,
}

/// What a call came to that did not succeed.
enum Failure {
    /// Another try may do better.
    Passing(String),
    /// It would be the same the next time.
    Lasting(String),
}

impl Platform {
    /// Calls a webhook. A repeat calls it again only while it has not come to its end.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn call(&self, call: &Call) -> Result<Done, Error> {
        let key = self.keys.webhook(&call.contact, &call.campaign, call.run, call.step);
        let before: Option<FailedCall> =
            self.get(&key).await?.map(|item| read(&item)).transpose()?;
        match &before {
            None => {}
            Some(FailedCall { again: None, .. }) => return Ok(Done::Yes),
            Some(FailedCall { again: Some(again), .. }) if self.now() < *again => {
                return Ok(Done::NotBefore(*again));
            }
            Some(FailedCall { again: Some(_), .. }) => {}
        }
        let loaded = self.catalog().await?;
        let graph = self.version(&call.campaign, call.version).await?;
        let Some(contact) = self.contact(&call.contact).await? else { return Ok(Done::Yes) };
        let Some((_, Element::Webhook(webhook))) = graph.element(&call.element) else {
            return Ok(Done::Yes);
        };
        let values = merge_values(&loaded.account, &graph.document, &contact, call.run, None);
        let made = match request(webhook, &graph, &contact, &values, call, Budget::Small) {
            Err(Unrendered { over_budget: true, .. }) => {
                let (webhook, graph, call) = (webhook.clone(), Arc::clone(&graph), call.clone());
                self.aside(move || {
                    request(&webhook, &graph, &contact, &values, &call, Budget::Full)
                })
                .await
                .unwrap_or_else(|| Err(Unrendered::broken_off()))
            }
            made => made,
        };
        let failure = match made {
            Err(Unrendered { reason, .. }) => {
                Failure::Lasting(format!("it could not be made: {reason}"))
            }
            Ok(request) => {
                if let Some(at) = self.ports.caller.not_before(&request.url, self.now()) {
                    return Ok(Done::NotTried(at));
                }
                match self.ports.caller.call(&request).await {
                    Ok(status) if status < 400 => return Ok(Done::Yes),
                    Ok(status @ (408 | 429 | 500..)) => {
                        Failure::Passing(format!("it answered {status}"))
                    }
                    // What the endpoint calls our mistake will be one the next time too.
                    Ok(status) => Failure::Lasting(format!("it answered {status}")),
                    Err(Unavailable(why)) => Failure::Passing(without_addresses(&why)),
                }
            }
        };
        self.call_failed(call, before, failure).await
    }

    /// Counts a failure, once; if it is the last, it is told.
    async fn call_failed(
        &self,
        call: &Call,
        before: Option<FailedCall>,
        failure: Failure,
    ) -> Result<Done, Error> {
        let now = self.now();
        let attempt = before.as_ref().map_or(0, |before| before.attempt) + 1;
        let (reason, again) = match failure {
            Failure::Passing(reason) if attempt < ATTEMPTS => {
                (reason, Some(now + TimeDelta::seconds(5 << attempt.min(8))))
            }
            Failure::Passing(reason) => {
                (format!("given up after {attempt} calls, the last time: {reason}"), None)
            }
            Failure::Lasting(reason) => (reason, None),
        };
        let n = before.as_ref().map_or(1, |before| before.n + 1);
        let w = self.new_write_id();
        let next = FailedCall { attempt, reason: reason.clone(), again, n, w };
        let key = self.keys.webhook(&call.contact, &call.campaign, call.run, call.step);
        let condition = before.map_or(Condition::Absent, |before| Condition::Rev(before.n));
        let record = item(key, &next)?.rev(n).expires(now + RECORD_KEPT);
        let mut writes = vec![Write::put(record, condition)];
        if again.is_none() {
            writes.push(self.line_of_failed_call(call, &reason, now)?);
        }
        match self.write(writes).await {
            Ok(()) => {}
            Err(TableError::Conflict { which: 0, current })
                if is_own(current.as_deref(), &next.w) => {}
            // The message was handed out twice, and somebody else has counted.
            Err(TableError::Conflict { .. }) => return Ok(Done::Soon),
            Err(error) => return Err(error.into()),
        }
        let (contact, campaign) = (call.contact.as_str(), call.campaign.as_str());
        let element = call.element.as_str();
        let Some(again) = again else {
            Metric::WebhooksFailed.tell(1);
            tracing::warn!(contact, campaign, element, attempt, reason, "webhook failed");
            return Ok(Done::Yes);
        };
        if let Some(others) = self.warned.webhooks.due(now) {
            tracing::warn!(
                contact,
                campaign,
                element,
                attempt,
                reason,
                others,
                "webhook failed, tried again"
            );
        }
        Ok(Done::NotBefore(again))
    }

    fn line_of_failed_call(&self, call: &Call, reason: &str, at: Instant) -> Result<Write, Error> {
        let what = Happened::CallFailed { reason: reason.to_owned() };
        let line = Line { run: call.run, element: Some(call.element.clone()), what };
        let history = StoredHistory {
            campaign: call.campaign.clone(),
            version: call.version,
            records: vec![Record { at, because: Cause::Call, lines: vec![line] }],
            delta: Tally::default(),
            day: None,
            reset: false,
        };
        let key =
            self.keys.history_of_webhook(&call.contact, at, &call.campaign, call.run, call.step);
        Ok(Write::put(item(key, &history)?.expires(at + KEPT), Condition::Absent))
    }
}

fn request(
    webhook: &Webhook,
    graph: &Graph,
    contact: &Contact,
    values: &MergeValues,
    call: &Call,
    budget: Budget,
) -> Result<Request, Unrendered> {
    let mut renderer = Renderer::new(values, budget);
    let mut text = |source: &str| {
        // What has no placeholder is no template; a line end at the end is the template's.
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
        None => json!({
            "campaign": graph.document.id,
            "run": call.run,
            "element": call.element,
            "contact": crate::contact_json::contact_json(contact),
        })
        .to_string(),
    };
    if !has(&headers, "content-type") {
        let kind = match &webhook.body {
            Some(Value::String(_)) => "text/plain; charset=utf-8",
            Some(_) | None => "application/json",
        };
        headers.push(("Content-Type".to_owned(), kind.to_owned()));
    }
    use dacapo_engine::campaign::format::Method;
    let body = match webhook.method {
        Method::Get | Method::Delete => None,
        Method::Post | Method::Put | Method::Patch => Some(body),
    };
    Ok(Request { method: webhook.method, url: text(&webhook.url)?, headers, body })
}

/// JSON with every text in it rendered.
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
