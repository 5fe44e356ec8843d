//! The table is restored into a second stack, which has neither the timers nor the queues of the
//! first: after the mass action *reconcile* every contact goes on there, once.
//!
//! On its own cloud, because the whole table is restored. MiniStack restores the table as it is
//! now, whichever instant is requested. So writes after that instant are tested without a cloud
//! only (`tests/functions/tests/restored.rs`).

use chrono::TimeDelta;
use dacapo_deployed_tests::{Cloud, Parameters, Patience, Stack, awaited, now, sent_to, until};
use serde_json::{Value, json};

use crate::{IMMEDIATE, beside_others};

const CAMPAIGN: &str = "
id: restored
sender: { address: studio@example.com }
elements:
  go: { type: start, when: { tag: Restored }, next: hello }
  hello: { type: email, email: hello, next: later }
  later: { type: wait, for: 7 minutes, next: reminder }
  reminder: { type: email, email: reminder }
emails:
  hello: { purpose: transactional, subject: Hello, text: Hello. }
  reminder: { purpose: transactional, subject: Reminder, text: It is time. }
";

/// Her first message was sent before the restore; her reminder waits.
const ANN: &str = "ann@example.com";

/// His first message was queued.
const BEN: &str = "ben@example.com";

/// Lists are read once more after two minutes, and two clouds on one machine are slow.
const IN_THE_END: Patience = Patience::seconds(420);

#[test]
fn a_restored_table_goes_on_in_a_second_stack_once() {
    let beside_others = beside_others();
    let cloud = Cloud::start();
    let architecture = Stack::told().architecture().to_owned();
    let first = Stack::first(&cloud.url, &Parameters::in_haste(architecture, "info")).unwrap();
    let api = first.api();
    api.publish("restored", CAMPAIGN);
    let contact = |email: &str| json!({ "email": email, "tags": ["Restored"] });
    let ann = api.contact("ann", &contact(ANN))["contact_id"].as_str().unwrap().to_owned();
    awaited(&first, ANN, IMMEDIATE, &["Hello"]);
    let due = until("Ann to wait", IMMEDIATE, || {
        let enrollment = api.enrollment(ANN, "restored").unwrap();
        let due = enrollment["tokens"][0]["due"].as_str().map(str::to_owned);
        due.ok_or_else(|| enrollment.to_string())
    });
    until("her timer", IMMEDIATE, || {
        let schedules = first.schedules_of(&ann);
        if schedules.len() == 1 { Ok(()) } else { Err(format!("{schedules:?}")) }
    });
    assert_eq!(first.takes_nothing_more("Deliver"), 3, "deliver takes from three queues");
    let ben = api.contact("ben", &contact(BEN))["contact_id"].as_str().unwrap().to_owned();
    until("Ben's message to be queued", IMMEDIATE, || {
        let enrollment = api.enrollment(BEN, "restored");
        let waits = enrollment.as_ref().is_some_and(|it| it["tokens"][0]["element"] == "hello");
        if waits { Ok(()) } else { Err(format!("{enrollment:?}")) }
    });

    let table = "dacapo-restored";
    let stream = restored(&first, table);
    first.loses_its_timers();
    let second = first.beside("dacapo-again", table, &stream).unwrap();
    assert!(now() + TimeDelta::minutes(2) < due.parse::<chrono::DateTime<chrono::Utc>>().unwrap());
    let api = second.api();
    assert_eq!(second.schedules_of(&ann), [] as [String; 0], "nobody's timer is there");

    // Twice, as by a person who is not sure.
    let asked = json!({ "restored_to": now().to_rfc3339() });
    let jobs = ["reconcile", "reconcile-again"].map(|key| {
        let taken = api.post("/v1/mass-actions/reconcile", key, &asked);
        taken["id"].as_str().unwrap().to_owned()
    });
    for job in jobs {
        let ended = until("reconcile to be done", IN_THE_END, || {
            let now: Value = api.get(&format!("/v1/mass-actions/{job}"));
            if now["status"] == "completed" { Ok(now) } else { Err(now.to_string()) }
        });
        assert_eq!((&ended["done"], &ended["failed"]), (&json!(2), &json!(0)), "{ended:#}");
    }
    awaited(&second, BEN, IMMEDIATE, &["Hello"]);
    until("Ben's timer, in the second stack", IMMEDIATE, || {
        let schedules = second.schedules_of(&ben);
        if schedules.len() == 1 { Ok(()) } else { Err(format!("{schedules:?}")) }
    });
    // From here on the test only waits: tests that run alone need not wait for it.
    drop(beside_others);
    awaited(&second, ANN, IN_THE_END, &["Hello", "Reminder"]);
    // Any second delivery has happened by now.
    std::thread::sleep(std::time::Duration::from_secs(15));
    for (email, sent) in [(ANN, 2), (BEN, 1)] {
        assert_eq!(sent_to(&second, email).len(), sent, "{email} hears nothing twice");
        let messages = api.of_contact(email, "messages");
        assert_eq!(messages.len(), sent, "{email}: {messages:#?}");
        assert!(messages.iter().all(|it| it["status"] == "sent"), "{email}: {messages:#?}");
    }
}

/// Restores the first stack's table under another name, as in docs/deploy.md. Returns the label of
/// its stream.
fn restored(stack: &Stack, name: &str) -> String {
    let restore = json!({
        "SourceTableName": stack.output("TableName"), "TargetTableName": name,
        "UseLatestRestorableTime": true,
    });
    let _ = stack.aws("dynamodb", "restore_table_to_point_in_time", &restore);
    let table = json!({ "TableName": name });
    until("the table to be restored", IMMEDIATE, || {
        let described = stack.aws("dynamodb", "describe_table", &table);
        let status = &described["Table"]["TableStatus"];
        if status == "ACTIVE" { Ok(()) } else { Err(described.to_string()) }
    });
    let stream = json!({
        "TableName": name,
        "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" },
    });
    let _ = stack.aws("dynamodb", "update_table", &stream);
    let described = stack.aws("dynamodb", "describe_table", &table);
    described["Table"]["LatestStreamLabel"].as_str().unwrap().to_owned()
}
