//! Reports of SES, and what is read from them.

use dacapo_engine::ids::{CampaignId, ContactId};
use dacapo_platform::mail::MessageName;
use serde_json::json;

use super::*;

fn notice(kind: &str, about: Value) -> Value {
    let mut notice = json!({
        "eventType": kind,
        "mail": {
            "messageId": "m-1",
            "tags": {
                "ses:configuration-set": ["set"],
                "contact": ["c1"], "campaign": ["appointment-loop"], "run": ["2"], "step": ["7"],
            },
        },
    });
    notice[kind.to_lowercase()] = about;
    notice
}

fn message() -> MessageName {
    MessageName {
        contact: ContactId::new("c1").unwrap(),
        campaign: CampaignId::new("appointment-loop").unwrap(),
        run: 2,
        step: 7,
    }
}

fn left() -> Report {
    Report::Left { message: message(), receipt: "m-1".to_owned() }
}

#[test]
fn what_left_is_told_with_its_message() {
    assert_eq!(reports(&notice("Send", json!({}))), [left()]);
    assert_eq!(
        reports(&notice("Delivery", json!({ "recipients": ["ann@example.com"] }))),
        [left()]
    );
}

#[test]
fn a_permanent_bounce_is_told_for_every_address() {
    let recipients =
        json!([{ "emailAddress": "Ann <ann@example.com>" }, { "emailAddress": "b@example.com" }]);
    let bounce = |kind: &str| {
        notice("Bounce", json!({ "bounceType": kind, "bouncedRecipients": recipients }))
    };
    let bounced =
        |address: &str| Report::Bounced { message: Some(message()), address: address.to_owned() };
    assert_eq!(
        reports(&bounce("Permanent")),
        [left(), bounced("ann@example.com"), bounced("b@example.com")]
    );
    assert_eq!(reports(&bounce("Transient")), []);
}

#[test]
fn a_complaint_about_mail_without_tags_is_told_by_its_address() {
    let mut complaint = notice(
        "Complaint",
        json!({ "complainedRecipients": [{ "emailAddress": "ann@example.com" }] }),
    );
    complaint["notificationType"] = complaint["eventType"].take();
    complaint["mail"]["tags"] = Value::Null;
    let address = "ann@example.com".to_owned();
    assert_eq!(reports(&complaint), [Report::Complained { message: None, address }]);
}

#[test]
fn nothing_follows_from_the_rest() {
    for kind in ["Open", "Click", "DeliveryDelay", "Reject", "Subscription", "Something new"] {
        assert_eq!(reports(&notice(kind, json!({}))), [], "{kind}");
    }
    assert_eq!(reports(&json!({ "AmazonSnsSubscriptionSucceeded": true })), []);
}

#[test]
fn it_is_told_by_sns_and_by_eventbridge() {
    let sent = notice("Send", json!({}));
    let sns = json!({ "Records": [{
        "EventSource": "aws:sns",
        "Sns": { "MessageId": "n-1", "Message": sent.to_string() },
    }] });
    assert_eq!(told(&sns), [("n-1".to_owned(), Ok(sent.clone()))]);
    let bridge = json!({ "id": "e-1", "source": "aws.ses", "detail": sent });
    assert_eq!(told(&bridge), [("e-1".to_owned(), Ok(sent))]);
    let unreadable = json!({ "Records": [{ "Sns": { "MessageId": "n-2", "Message": "{" } }] });
    assert!(told(&unreadable)[0].1.is_err());
    assert!(told(&json!({}))[0].1.is_err());
}
