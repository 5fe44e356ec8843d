//! Whether a post takes an unsubscription back.
//!
//! Forms and zaps send the same `consent` with every post, for every person. So a key that may only
//! post, and a file, take no unsubscription back unless they say so explicitly: `"resubscribe":
//! true`. The answer reports what was not done.

use dacapo_engine::contact::{Consent, Patch};
use serde_json::{Map, Value};

use crate::api::call::auth::{Holder, Scope};
use crate::api::call::problem::{Fault, Problem};
use crate::contacts::{Written, consent_word};

/// The member with which a post says so.
const RESUBSCRIBE: &str = "resubscribe";

/// What the sender wants to do about consent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::api) struct Resubscribing {
    /// Whether it is requested explicitly.
    named: bool,
    /// Whether it also applies to contacts that have unsubscribed.
    allowed: bool,
}

impl Resubscribing {
    /// Takes the member out of what was sent.
    ///
    /// # Errors
    ///
    /// 422 if it is neither yes nor no.
    pub(in crate::api) fn taken(sent: &mut Map<String, Value>) -> Result<Self, Problem> {
        let key = sent.keys().find(|key| key.trim().eq_ignore_ascii_case(RESUBSCRIBE)).cloned();
        let named = match key.and_then(|key| sent.remove(&key)) {
            None | Some(Value::Null) => false,
            Some(value) => says(&value).ok_or_else(|| {
                let message =
                    format!("{value} is neither true nor false; write true, or leave it out");
                Problem::invalid_at(RESUBSCRIBE, "value", message)
            })?,
        };
        Ok(Self { named, allowed: named })
    }

    /// The same for the holder of a key: one that may write contacts means the consent that it
    /// sends.
    pub(in crate::api) fn by(self, holder: &Holder) -> Self {
        Self { allowed: self.named || holder.may(Scope::Write), ..self }
    }

    /// What was read, with this added.
    ///
    /// # Errors
    ///
    /// 422 if it comes with another consent, under any name.
    pub(in crate::api) fn put_into(self, patch: &mut Patch) -> Result<(), Problem> {
        if self.named {
            if !matches!(patch.consent, None | Some(Consent::Subscribed)) {
                let message = "it goes with `consent` subscribed only; leave one of them out";
                return Err(Problem::invalid_at(RESUBSCRIBE, "value", message));
            }
            patch.consent = Some(Consent::Subscribed);
        }
        patch.resubscribe = self.allowed && patch.consent.is_some();
        Ok(())
    }

    /// The warning that the contact has unsubscribed, and still is.
    pub(in crate::api) fn told(self, asked: &Patch, written: &Written) -> Option<Fault> {
        let remedy = format!("\"{RESUBSCRIBE}\": true");
        still_unsubscribed(asked, written, &remedy)
    }
}

/// The warning where another consent was sent, but the contact has unsubscribed, and still is; with
/// what takes that back.
pub(in crate::api) fn still_unsubscribed(
    asked: &Patch,
    written: &Written,
    remedy: &str,
) -> Option<Fault> {
    let sent = asked.consent.filter(|sent| *sent != written.contact.consent)?;
    (written.contact.consent == Consent::Unsubscribed).then(|| {
        let message = format!(
            "the contact has unsubscribed, so `consent` stays unsubscribed, not {}; send {remedy} \
             if the person asked for mail again",
            consent_word(sent)
        );
        Fault::new("consent", "unsubscribed", message)
    })
}

fn says(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(says) => Some(*says),
        Value::Number(number) => match number.as_i64() {
            Some(1) => Some(true),
            Some(0) => Some(false),
            _ => None,
        },
        Value::String(text) => match text.trim().to_lowercase().as_str() {
            "true" | "yes" | "1" | "on" => Some(true),
            "" | "false" | "no" | "0" | "off" => Some(false),
            _ => None,
        },
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
