//! A change that cannot be decided is kept, and its enrollment is held. The others of the same
//! batch go on. After the release it is decided in order.

use dacapo_deployed_tests::{Stack, awaited, kill_a_worker, sent_to, until};
use serde_json::{Value, json};

use crate::{IMMEDIATE, beside_others};

/// How many contacts are posted at once. All but the first can be decided.
const CONTACTS: usize = 8;

fn campaign(id: &str, tag: &str) -> String {
    json!({
        "id": id,
        "sender": { "address": "studio@example.com" },
        "elements": {
            "go": { "type": "event", "on": { "tag_added": tag }, "next": "first" },
            "first": { "type": "email", "email": "first", "next": "more" },
            "more": { "type": "event", "on": { "tag_added": "Poison more" }, "next": "second" },
            "second": { "type": "email", "email": "second" },
        },
        "emails": {
            "first": { "purpose": "transactional", "subject": format!("{id} first"), "text": "x" },
            "second": { "purpose": "transactional", "subject": format!("{id} second"), "text": "x" },
        },
    })
    .to_string()
}

fn address(nth: usize) -> String {
    format!("poison-{nth}@example.com")
}

/// The published version of a campaign, as it is stored.
fn version(stack: &Stack, campaign: &str) -> Value {
    let mut asked = json!({ "TableName": stack.output("TableName") });
    let ends = format!("#P#{campaign}");
    loop {
        let page = stack.aws("dynamodb", "scan", &asked);
        let found = page["Items"].as_array().unwrap().iter().find(|item| {
            item["PK"]["S"].as_str().unwrap().ends_with(&ends)
                && item["SK"]["S"].as_str().unwrap().starts_with("V#")
        });
        if let Some(found) = found {
            return found.clone();
        }
        asked["ExclusiveStartKey"] = page["LastEvaluatedKey"].clone();
        assert!(!asked["ExclusiveStartKey"].is_null(), "{campaign} has no published version");
    }
}

fn put(stack: &Stack, item: &Value) {
    let body = json!({ "TableName": stack.output("TableName"), "Item": item });
    let _ = stack.aws("dynamodb", "put_item", &body);
}

#[test]
fn what_cannot_be_decided_is_held_and_drained_on_release_while_its_neighbours_go_on() {
    let _beside_others = beside_others();
    let stack = Stack::told();
    let api = stack.api();
    api.publish("broken", &campaign("broken", "Broken"));
    api.publish("sound", &campaign("sound", "Sound"));
    // The defect: a published version that can no longer be read.
    let sound = version(&stack, "broken");
    put(&stack, &json!({ "PK": sound["PK"], "SK": sound["SK"], "nothing": { "S": "here" } }));
    // A process that has read it before keeps it in memory: a published version never changes.
    while kill_a_worker(&stack, "TagChange").is_ok() {}

    for nth in 0..CONTACTS {
        let tags = if nth == 0 { json!(["Broken", "Sound"]) } else { json!(["Sound"]) };
        let body = json!({ "email": address(nth), "tags": tags });
        api.contact(&format!("poison-{nth}"), &body);
    }
    for nth in 0..CONTACTS {
        awaited(&stack, &address(nth), IMMEDIATE, &["sound first"]);
    }
    let held = || {
        until("the enrollment to be held", IMMEDIATE, || {
            let enrollment = api.enrollment(&address(0), "broken").unwrap_or_default();
            if enrollment["status"] == "held" { Ok(()) } else { Err(enrollment.to_string()) }
        });
    };
    held();
    // Later changes are kept behind it, for this campaign only.
    api.contact("poison-more", &json!({ "email": address(0), "tags": ["Poison more"] }));
    awaited(&stack, &address(0), IMMEDIATE, &["sound first", "sound second"]);
    held();

    // The defect is fixed, and a person releases.
    put(&stack, &sound);
    let release = format!("/v1/contacts/email:{}/enrollments/broken/release", address(0));
    api.post(&release, "poison-release", &json!({}));
    until("what was kept to be decided", IMMEDIATE, || {
        let enrollment = api.enrollment(&address(0), "broken").unwrap_or_default();
        if enrollment["status"] == "completed" { Ok(()) } else { Err(enrollment.to_string()) }
    });
    until("the mail of what was kept", IMMEDIATE, || {
        let mails = sent_to(&stack, &address(0));
        let came = mails.iter().any(|mail| mail.subject == "broken second");
        if came { Ok(()) } else { Err(format!("{mails:?}")) }
    });
}
