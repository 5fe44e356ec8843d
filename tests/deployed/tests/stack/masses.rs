//! Two thousand contacts are stopped and reset through SQS, though every message is delivered twice
//! and a worker is killed while it works. The counts are exact, and contacts that were reset run
//! again (R16).

use dacapo_deployed_tests::{Patience, Stack, kill_a_worker, until};
use serde_json::{Value, json};

use crate::{IMMEDIATE, alone};

const CONTACTS: usize = 2_000;

/// So many are in one file, which must be read within the half minute that API Gateway waits.
const AT_A_TIME: usize = 200;

/// For what depends on lists that are up to two minutes late, and on the claim of a killed worker,
/// which lasts as long.
const IN_THE_END: Patience = Patience::seconds(600);

const CAMPAIGN: &str = "
id: mass
name: Mass
sender: { address: studio@example.com }
elements:
  go: { type: start, when: { tag: Mass }, next: month }
  month: { type: wait, for: 30 days, next: done }
  done: { type: end }
";

fn address(nth: usize) -> String {
    format!("mass-{nth}@example.com")
}

#[test]
fn r16_two_thousand_are_stopped_and_reset_though_messages_come_twice_and_a_worker_dies() {
    let _alone = alone();
    let stack = Stack::told();
    let api = stack.api();
    api.publish("mass", CAMPAIGN);
    for begin in (0..CONTACTS).step_by(AT_A_TIME) {
        let rows = (begin..begin + AT_A_TIME).map(|nth| format!("{},Mass\n", address(nth)));
        let file = format!("email,tags\n{}", rows.collect::<String>());
        let key = format!("mass-{begin}");
        let headers = [("Content-Type", "text/csv"), ("Idempotency-Key", key.as_str())];
        let _ = api.call("POST", "/v1/contacts/import", &headers, &file);
    }
    let statistics = || api.get("/v1/campaigns/mass/statistics");
    let counted = |active: usize| {
        until(&format!("{active} to be active"), IN_THE_END, || {
            let now = statistics();
            if now["active"] == active { Ok(now) } else { Err(now.to_string()) }
        })
    };
    assert_eq!(counted(CONTACTS)["entered"], CONTACTS);

    let asked = json!({
        "campaigns": ["mass"], "contacts": "enrolled", "reset_contacts": true, "reset_statistics": true,
    });
    let job = api.post("/v1/mass-actions/stop-campaign", "mass-stop", &asked);
    let path = format!("/v1/mass-actions/{}", job["id"].as_str().unwrap());
    until("a worker to be killed", IMMEDIATE, || kill_a_worker(&stack, "StopCampaign"));
    let mut so_far = 0;
    let ended = until("the job to be done", IN_THE_END, || {
        let now: Value = api.get(&path);
        let done = now["done"].as_u64().unwrap();
        assert!(so_far <= done, "progress went back from {so_far}: {now:#}");
        so_far = done;
        if now["status"] == "running" || now["status"] == "queued" {
            Err(now.to_string())
        } else {
            Ok(now)
        }
    });
    assert_eq!(ended["status"], "completed", "{ended:#}");
    let counts = ["done", "failed", "skipped"].map(|name| ended[name].as_u64().unwrap());
    assert_eq!(counts, [CONTACTS as u64, 0, 0], "{ended:#}");
    let after = counted(0);
    assert_eq!(after["entered"], 0, "what they contributed is taken off: {after:#}");

    // "You can use the user again."
    api.contact("mass-again", &json!({ "email": address(7), "tags": ["Mass"] }));
    let again = until("the contact to run again", IMMEDIATE, || {
        let enrollment = api.enrollment(&address(7), "mass").unwrap();
        if enrollment["status"] == "active" { Ok(enrollment) } else { Err(enrollment.to_string()) }
    });
    assert_eq!(again["run"], 2);
    assert_eq!(counted(1)["entered"], 1);
}
