//! The appointment loop: invited, booked, reminded an hour before by EventBridge Scheduler, not
//! reached, and again.

use chrono::TimeDelta;
use dacapo_deployed_tests::{Api, Patience, Stack, awaited, now, until};
use serde_json::json;

use crate::{IMMEDIATE, beside_others, example};

const ANN: &str = "ann@example.com";

/// How long the reminder is still ahead when Ann books: what is due within two minutes would not
/// use the Scheduler.
const AHEAD: TimeDelta = TimeDelta::seconds(150);

/// How late it may be. On AWS the Scheduler would be a minute early; the cloud here checks every
/// ten seconds.
const LATE: TimeDelta = TimeDelta::seconds(20);

#[test]
fn an_appointment_is_reminded_of_by_the_scheduler_and_made_again() {
    let _beside_others = beside_others();
    let stack = Stack::told();
    let admin = stack.api();
    admin.publish("appointment-loop", &example("appointment-loop.yaml"));

    // Zapier posts with its own key, which may only post.
    let made = admin.post(
        "/v1/keys",
        "key-of-zapier",
        &json!({ "name": "zapier", "scopes": ["webhook"] }),
    );
    let zapier = Api::new(admin.base().to_owned(), made["key"].as_str().unwrap().to_owned());
    let (status, _) = zapier.once("GET", "/v1/campaigns", &[], "").unwrap();
    assert_eq!(status, 403, "a webhook key reads nothing");

    let lead = json!({ "email": ANN, "first_name": "Ann", "time_zone": "UTC", "tags": ["Lead"] });
    let contact = zapier.contact("ann-lead", &lead)["contact_id"].as_str().unwrap().to_owned();
    awaited(&stack, ANN, IMMEDIATE, &["Let's meet, Ann"]);

    let reminded = now() + AHEAD;
    let begins = reminded + TimeDelta::hours(1);
    let books = |begins: chrono::DateTime<chrono::Utc>| json!({ "email": ANN, "tags": ["Appointment made"], "appointment": begins.to_rfc3339() });
    zapier.contact("ann-booked", &books(begins));
    // As on the Zapier page, a second delivery is idempotent.
    zapier.contact("ann-booked", &books(begins));
    let see_you = format!("See you on {}", begins.format("%A, %B %-d, %Y at %-I:%M %p"));
    awaited(&stack, ANN, IMMEDIATE, &["Let's meet, Ann", &see_you]);

    let early = (reminded - TimeDelta::minutes(1)).format("at(%Y-%m-%dT%H:%M:%S)").to_string();
    until("a schedule, set a minute early", IMMEDIATE, || {
        let schedules = stack.schedules_of(&contact);
        if schedules.contains(&early) { Ok(()) } else { Err(format!("{schedules:?}, not {early}")) }
    });

    let in_an_hour = format!("In an hour: {}", begins.format("%-I:%M %p"));
    let patience = Patience::seconds(AHEAD.num_seconds().unsigned_abs() + 120);
    let first_run = ["Let's meet, Ann", &see_you, &in_an_hour];
    let reminder = awaited(&stack, ANN, patience, &first_run);
    let late = TimeDelta::seconds(reminder.at - reminded.timestamp());
    assert!(late >= TimeDelta::zero(), "the reminder came {} too early", -late);
    assert!(late <= LATE, "the reminder came {late} too late");
    assert!(
        !stack.schedules_of(&contact).contains(&early),
        "a schedule is deleted when it is done"
    );

    // Nobody could be reached; the next appointment belongs to the next run.
    zapier.contact("ann-not-reached", &json!({ "email": ANN, "tags": "Not reached" }));
    let sorry = [&first_run[..], &["We could not reach you"]].concat();
    awaited(&stack, ANN, IMMEDIATE, &sorry);
    let tags = admin.get(&format!("/v1/contacts/email:{ANN}"))["tags"].clone();
    assert_eq!(tags.as_object().unwrap().keys().collect::<Vec<_>>(), ["Lead"]);
    let next = begins + TimeDelta::days(2);
    zapier.contact("ann-rebooked", &books(next));
    let see_you_again = format!("See you on {}", next.format("%A, %B %-d, %Y at %-I:%M %p"));
    awaited(&stack, ANN, IMMEDIATE, &[&sorry[..], &[&see_you_again]].concat());

    let enrollment = until("Ann to wait for the second reminder", IMMEDIATE, || {
        let enrollment = admin.enrollment(ANN, "appointment-loop").unwrap();
        let waits = enrollment["tokens"][0]["element"] == "hour_before";
        if waits { Ok(enrollment) } else { Err(enrollment.to_string()) }
    });
    assert_eq!(enrollment["run"], 2);
    let runs: Vec<u64> = admin
        .of_contact(ANN, "messages")
        .iter()
        .map(|message| {
            assert_eq!(message["status"], "sent", "{message:#}");
            message["run"].as_u64().unwrap()
        })
        .collect();
    assert_eq!(runs, [1, 1, 1, 2, 2]);
    until("the statistics to have counted it all", IMMEDIATE, || {
        let statistics = admin.get("/v1/campaigns/appointment-loop/statistics");
        let counted = ["entered", "restarted"].map(|name| statistics[name].as_u64());
        let sent = statistics["messages"]["sent"].as_u64();
        let all = counted == [Some(2), Some(1)] && sent == Some(5);
        if all { Ok(()) } else { Err(statistics.to_string()) }
    });
}
