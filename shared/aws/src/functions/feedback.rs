//! Reports of SES, by SNS or by EventBridge: a mail was delivered, bounced, or was complained
//! about.
//!
//! The tags of the mail tell which message it was. Reports about mail of other senders are ignored,
//! except for addresses: an address that bounced is not used here either.

use dacapo_platform::handlers::Report;
use dacapo_platform::platform::Platform;
use serde_json::Value;

use super::{FunctionError, WorkOutcome, keep_dead_letter, outcome};
use crate::mailer::message_of;
use crate::settings::Function;

/// A report of SES.
///
/// # Errors
///
/// If something has to come again.
pub async fn feedback(platform: &Platform, event: &Value) -> Result<Value, FunctionError> {
    let mut again = None;
    for told in told(event) {
        let (id, read) = told;
        let notice = match read {
            Ok(notice) => notice,
            Err(why) => {
                if !keep_dead_letter(platform, Function::Feedback, &id, &why, event).await {
                    again = Some(why);
                }
                continue;
            }
        };
        for report in reports(&notice) {
            match outcome(platform.feedback.handle(&report)).await {
                WorkOutcome::Done(()) => {}
                WorkOutcome::Again(error) => again = Some(error.to_string()),
                WorkOutcome::Never(why) => {
                    if !keep_dead_letter(platform, Function::Feedback, &id, &why, event).await {
                        again = Some(why);
                    }
                }
            }
        }
    }
    match again {
        None => Ok(Value::Null),
        Some(why) => Err(FunctionError(why)),
    }
}

/// All reports of an event, for a dead letter that is read again.
pub(super) fn reports_in(event: &Value) -> Result<Vec<Report>, String> {
    let notices = told(event).into_iter().map(|(_, notice)| notice);
    let notices = notices.collect::<Result<Vec<_>, _>>()?;
    Ok(notices.iter().flat_map(reports).collect())
}

/// The notifications of an event, each with an id.
fn told(event: &Value) -> Vec<(String, Result<Value, String>)> {
    let text = |value: &Value, path: &str| {
        value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    match event.get("Records").and_then(Value::as_array) {
        Some(records) => records
            .iter()
            .map(|record| {
                let notice = serde_json::from_str(&text(record, "/Sns/Message"));
                (text(record, "/Sns/MessageId"), notice.map_err(|error| error.to_string()))
            })
            .collect(),
        None => {
            let detail = event.get("detail").cloned().ok_or("it has no `detail`".to_owned());
            vec![(text(event, "/id"), detail)]
        }
    }
}

/// The content of a notification.
fn reports(notice: &Value) -> Vec<Report> {
    let text = |path: &str| notice.pointer(path).and_then(Value::as_str);
    let tag = |name: &str| notice.get("mail")?.get("tags")?.get(name)?.get(0)?.as_str();
    let message = message_of(tag);
    let receipt = text("/mail/messageId").unwrap_or_default();
    let addresses = |path: &str| {
        let recipients = notice.pointer(path).and_then(Value::as_array);
        let recipients = recipients.into_iter().flatten();
        let addresses = recipients.filter_map(|one| one.get("emailAddress")?.as_str());
        addresses.map(bare).collect::<Vec<_>>()
    };
    let left = message
        .iter()
        .map(|message| Report::Left { message: message.clone(), receipt: receipt.to_owned() });
    let kind = text("/eventType").or_else(|| text("/notificationType")).unwrap_or_default();
    match kind {
        "Send" | "Delivery" => left.collect(),
        "Bounce" if text("/bounce/bounceType") == Some("Permanent") => {
            let bounced = addresses("/bounce/bouncedRecipients").into_iter();
            left.chain(bounced.map(|address| Report::Bounced { message: message.clone(), address }))
                .collect()
        }
        "Complaint" => {
            let complained = addresses("/complaint/complainedRecipients").into_iter();
            left.chain(
                complained.map(|address| Report::Complained { message: message.clone(), address }),
            )
            .collect()
        }
        "Reject" => {
            tracing::error!(ses.message.id = receipt, "SES has rejected a message it had taken");
            Vec::new()
        }
        // A full mailbox, a click, an opening: these have no effect.
        _ => Vec::new(),
    }
}

/// `Ann <ann@example.com>` as `ann@example.com`.
fn bare(address: &str) -> String {
    match address.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
        Some((_, bare)) => bare.to_owned(),
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests;
