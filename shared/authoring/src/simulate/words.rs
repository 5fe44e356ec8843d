//! What is posted, in words.

use dacapo_engine::contact::{Consent, Patch, Suppression};
use serde_json::Value;

use crate::journey::shown;
use crate::listed::listed;
use crate::scenario::Post;

/// What a patch asks for, as scripts write it: `+Lead, -Lost, appointment = 2026-12-02 14:00`.
pub(super) fn words_of(patch: &Patch, post: Option<&Post>) -> String {
    let mut words: Vec<String> = patch.add.iter().map(|tag| format!("+{tag}")).collect();
    words.extend(patch.remove.iter().map(|tag| format!("-{tag}")));
    for (key, value) in &patch.fields {
        let sent = post.and_then(|post| {
            let fields = post.0.get("fields").and_then(|fields| fields.get(key.as_str()));
            post.0.get(key.as_str()).or(fields)
        });
        words.push(match (value, sent) {
            (None, _) => format!("{key} cleared"),
            (Some(_), Some(Value::String(text))) => format!("{key} = {text}"),
            (Some(value), _) => match shown(value) {
                Value::String(text) => format!("{key} = {text}"),
                other => format!("{key} = {other}"),
            },
        });
    }
    if let Some(consent) = patch.consent {
        let word = match consent {
            Consent::Subscribed => "subscribes",
            Consent::Unsubscribed => "unsubscribes",
            Consent::None => "consent unknown",
        };
        words.push(word.to_owned());
    }
    if let Some(suppressed) = patch.suppressed {
        let word = match suppressed {
            None => "no longer suppressed",
            Some(Suppression::Bounced) => "bounces",
            Some(Suppression::Complained) => "complains",
            Some(Suppression::Manual) => "suppressed by hand",
        };
        words.push(word.to_owned());
    }
    if let Some(event) = &patch.event {
        words.push(format!("event {event}"));
    }
    if words.is_empty() { "nothing".to_owned() } else { listed(words) }
}
