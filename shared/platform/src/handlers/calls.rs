//! Outbound webhooks: rendered from the latest contact, called within a time, tried a bounded number of times.

use std::sync::Arc;

use chrono::TimeDelta;
use dacapo_engine::campaign::format::{Element, Webhook};
use dacapo_engine::campaign::graph::Graph;
use dacapo_engine::contact::Contact;
use dacapo_engine::merge::merge_values;
use dacapo_engine::template::{Budget, Escape, MergeValues};
use serde_json::{Value, json};

use super::Done;
use crate::call_ledger::MayCall;
use crate::error::Error;
use crate::platform::Platform;
use crate::ports::{Call, Request, Unavailable};
use crate::rendering::{Renderer, Unrendered};
use crate::seldom::without_addresses;

/// How often a webhook is tried.
const ATTEMPTS: u32 = 5;

impl Platform {
    /// Calls a webhook, unless the ledger says that this is over. `attempt` is how often it was taken from the queue, this
    /// time included.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn call(&self, call: &Call, attempt: u32) -> Result<Done, Error> {
        let record = match self.may_call(call).await? {
            MayCall::Yes(record) => record,
            MayCall::No(done) => return Ok(done),
        };
        let done = self.try_call(call, attempt).await;
        let over = matches!(done, Ok(Done::Yes));
        if let Some(record) = record
            && let Err(error) = self.went_call(call, record, over).await
        {
            // To make it again for the note's sake would be worse; a claim ends by itself.
            tracing::warn!(%error, element = call.element.as_str(), over, "a webhook is not noted");
        }
        done
    }

    async fn try_call(&self, call: &Call, attempt: u32) -> Result<Done, Error> {
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
        let request = match made {
            Ok(request) => request,
            Err(Unrendered { reason, .. }) => {
                tracing::warn!(element = call.element.as_str(), reason, "webhook not called");
                return Ok(Done::Yes);
            }
        };
        if let Some(at) = self.ports.caller.not_before(&request.url, self.now()) {
            return Ok(Done::NotTried(at));
        }
        match self.ports.caller.call(&request).await {
            Ok(status) if status < 400 => Ok(Done::Yes),
            // What the endpoint calls our mistake will be one the next time too.
            Ok(status) if (400..500).contains(&status) && status != 408 && status != 429 => {
                tracing::warn!(element = call.element.as_str(), status, "webhook refused");
                Ok(Done::Yes)
            }
            failed => {
                let why = match failed {
                    Ok(status) => format!("it answered {status}"),
                    Err(Unavailable(why)) => without_addresses(&why),
                };
                if attempt >= ATTEMPTS {
                    let element = call.element.as_str();
                    tracing::warn!(element, attempt, why, "webhook given up");
                    return Ok(Done::Yes);
                }
                if let Some(others) = self.warned.webhooks.due(self.now()) {
                    let element = call.element.as_str();
                    tracing::warn!(element, attempt, why, others, "webhook failed, tried again");
                }
                Ok(Done::NotBefore(self.now() + TimeDelta::seconds(5 << attempt.min(8))))
            }
        }
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
