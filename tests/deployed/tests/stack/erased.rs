//! A contact is erased. What is written about it afterwards is erased 25 hours later, by
//! EventBridge Scheduler, the timers queue and `timer`.
//!
//! On its own cloud, whose clock advances only when it is set.

use chrono::{DateTime, TimeDelta, Utc};
use dacapo_deployed_tests::{Cloud, Parameters, Stack, sent_to, until};
use serde_json::{Value, json};

use crate::{IMMEDIATE, beside_others};

const CAMPAIGN: &str = "
id: erased
sender: { address: studio@example.com }
elements:
  go: { type: start, when: { tag: Lead }, next: welcome }
  welcome: { type: email, email: welcome, next: week }
  week: { type: wait, for: 7 days, next: goodbye }
  goodbye: { type: email, email: goodbye }
  asked: { type: event, on: { tag_added: Asked }, next: answer }
  answer: { type: email, email: answer }
emails:
  welcome: { purpose: transactional, subject: Welcome, text: Hello. }
  answer: { purpose: marketing, subject: Answer, text: Here it is. }
  goodbye: { purpose: transactional, subject: Goodbye, text: That was it. }
";

const ANN: &str = "ann.erased@example.com";

#[test]
fn an_erased_contact_is_gone_and_what_was_written_late_goes_25_hours_later() {
    let beside_others = beside_others();
    let cloud = Cloud::standing();
    let clock = cloud.clock();
    let parameters = Parameters {
        architecture: Stack::told().architecture().to_owned(),
        log: "info",
        restart_delay_seconds: None,
    };
    let stack = Stack::first(&cloud.url, &parameters).unwrap();
    let began: DateTime<Utc> = "2026-12-01T09:00:00Z".parse().unwrap();
    clock.begin(began).unwrap();
    let api = stack.api();
    api.publish("erased", CAMPAIGN);
    // Without an `Idempotency-Key`: the answer to one is kept for a day, and names the contact's
    // id.
    let post = |tag: &str| {
        let body = json!({ "email": ANN, "first_name": "Ann", "tags": [tag] }).to_string();
        api.call("POST", "/v1/hooks/contact", &[], &body)["contact_id"].as_str().unwrap().to_owned()
    };
    let ann = post("Lead");
    clock.settle().unwrap();
    assert_eq!(subjects(&stack), ["Welcome"]);
    let stored = about(&stack, &ann);
    for kind in ["CONTACT", "ADDRESS", "E#", "M#", "H#"] {
        assert!(stored.iter().any(|(_, sk)| sk.starts_with(kind)), "{kind}: {stored:?}");
    }

    // She asks for something; the functions that perform and record the decision are late. (The
    // result of a transactional message is recorded with the next decision only.)
    assert_eq!(stack.takes_nothing_more("Effects"), 1, "effects reads the stream");
    post("Asked");
    until("her question to be decided", IMMEDIATE, || {
        let enrollment = api.enrollment(ANN, "erased").unwrap();
        let asked = enrollment["tokens"].as_array().unwrap().iter();
        let decided = asked.clone().any(|token| token["element"] == "answer");
        if decided { Ok(()) } else { Err(enrollment.to_string()) }
    });
    let (status, answer) =
        api.once("DELETE", &format!("/v1/contacts/email:{ANN}"), &[], "").unwrap();
    assert_eq!((status, answer), (204, json!("")));
    let last =
        format!("at({})", (began + TimeDelta::minutes(25 * 60 - 1)).format("%Y-%m-%dT%H:%M:%S"));
    assert!(stack.schedules_of(&ann).contains(&last), "{:?}", stack.schedules_of(&ann));
    let tombstone =
        until("all about her to be gone but the tombstone", IMMEDIATE, || {
            match &about(&stack, &ann)[..] {
                [(pk, sk)] if sk == "ERASED" => Ok((pk.clone(), sk.clone())),
                others => Err(format!("{others:?}")),
            }
        });
    let (status, _) = api.once("GET", &format!("/v1/contacts/{ann}"), &[], "").unwrap();
    assert_eq!(status, 404);

    // Now the late work is done: the decision is performed, an unreadable message names her, and
    // her address bounces.
    assert_eq!(stack.takes_again("Effects"), 1);
    let unreadable = json!({ "nobody": "knows", "contact": ann, "email": ANN });
    let send =
        json!({ "QueueUrl": stack.queue("Transactional"), "MessageBody": unreadable.to_string() });
    let _ = stack.aws("sqs", "send_message", &send);
    let _ = stack.aws("events", "put_events", &bounced(&stack));
    clock.settle().unwrap();
    assert_eq!(subjects(&stack), ["Welcome"], "she hears nothing more");
    let late = about(&stack, &ann);
    let of_history = late.iter().filter(|(pk, sk)| *pk == tombstone.0 && sk.starts_with("H#"));
    let dead_letters = late.iter().filter(|(pk, _)| pk.ends_with("#ASIDE"));
    // Work that names an erased person is not kept as a dead letter.
    assert_eq!((of_history.count(), dead_letters.count(), late.len()), (1, 0, 2), "{late:?}");

    // It stays until the feeds have expired, and is deleted by the last erasure pass.
    clock.reach(began + TimeDelta::minutes(25 * 60 - 2)).unwrap();
    assert_eq!(about(&stack, &ann), late);
    clock.reach(began + TimeDelta::hours(25)).unwrap();
    assert_eq!(about(&stack, &ann), [tombstone], "the tombstone, and nothing else");
    assert!(!stack.schedules_of(&ann).contains(&last), "the timer has gone off");
    assert_eq!(subjects(&stack), ["Welcome"]);
    drop(beside_others);
}

/// The mail that she has received.
fn subjects(stack: &Stack) -> Vec<String> {
    sent_to(stack, ANN).into_iter().map(|mail| mail.subject).collect()
}

/// The keys of all items of the table that name her, by her id or her address.
fn about(stack: &Stack, id: &str) -> Vec<(String, String)> {
    let scan = json!({ "TableName": stack.output("TableName"), "ConsistentRead": true });
    let scanned = stack.aws("dynamodb", "scan", &scan);
    assert_eq!(scanned["LastEvaluatedKey"], Value::Null, "all of it is looked at");
    let items = scanned["Items"].as_array().unwrap().iter();
    let hers = items.filter(|item| {
        let text = item.to_string();
        text.contains(id) || text.contains(ANN)
    });
    let key = |item: &Value, name: &str| item[name]["S"].as_str().unwrap().to_owned();
    let mut keys: Vec<_> = hers.map(|item| (key(item, "PK"), key(item, "SK"))).collect();
    keys.sort();
    keys
}

/// A permanent bounce of her address, as SES reports it to EventBridge, long after the mail was
/// sent.
fn bounced(stack: &Stack) -> Value {
    let sets = stack.aws("sesv2", "list_configuration_sets", &json!({}));
    let set = sets["ConfigurationSets"][0].clone();
    let notice = json!({
        "eventType": "Bounce",
        "mail": { "messageId": "late", "tags": { "ses:configuration-set": [set] } },
        "bounce": { "bounceType": "Permanent", "bouncedRecipients": [{ "emailAddress": ANN }] },
    });
    let event = json!({
        "Source": "aws.ses", "DetailType": "Email Bounced", "Detail": notice.to_string(),
    });
    json!({ "Entries": [event] })
}
