//! A trigger inside the delay after a restart is parked, and the contact goes through again when
//! the delay is over (R14).

use chrono::{DateTime, TimeDelta, Utc};
use dacapo_deployed_tests::{Stack, now, until};
use serde_json::json;

use crate::{IMMEDIATE, beside_others, example};

const BEN: &str = "ben@example.com";

#[test]
fn r14_a_trigger_inside_the_restart_delay_is_parked_not_lost() {
    let _beside_others = beside_others();
    let stack = Stack::told();
    let api = stack.api();
    api.publish("webinar", &example("webinar.yaml"));
    let date = |days| (now() + TimeDelta::days(days)).to_rfc3339();
    let registers = |days| json!({ "email": BEN, "time_zone": "UTC", "webinar_date": date(days) });
    let welcome = |days| {
        let at = now() + TimeDelta::days(days);
        format!("You are registered for {}", at.format("%A, %B %-d, %Y"))
    };
    let subjects = |subjects: &[String]| {
        // The minute may have passed meanwhile.
        until("mail to Ben", IMMEDIATE, || {
            let mails = dacapo_deployed_tests::sent_to(&stack, BEN);
            let same = mails.len() == subjects.len()
                && mails
                    .iter()
                    .zip(subjects)
                    .all(|(mail, begins)| mail.subject.starts_with(begins));
            if same { Ok(mails) } else { Err(format!("{mails:?}, not {subjects:?}")) }
        })
    };

    api.contact("ben-registers", &registers(10));
    subjects(&[welcome(10)]);
    api.contact("ben-attends", &json!({ "email": BEN, "tags": ["Attended"] }));
    let enrollment = until("Ben to wait for the restart", IMMEDIATE, || {
        let enrollment = api.enrollment(BEN, "webinar").unwrap();
        let waits = enrollment["status"] == "awaiting_restart";
        if waits { Ok(enrollment) } else { Err(enrollment.to_string()) }
    });
    assert_eq!(enrollment["run"], 2);

    // Inside the delay: the date is deleted, and a new one is set.
    api.contact("ben-clears", &json!({ "email": BEN, "fields": { "webinar_date": null } }));
    api.contact("ben-registers-again", &registers(20));
    let eligible: DateTime<Utc> = enrollment["eligible_at"].as_str().unwrap().parse().unwrap();
    assert!(now() < eligible, "the machine was too slow to post inside the delay");

    until("the trigger to be parked", IMMEDIATE, || {
        let history = api.of_contact(BEN, "history");
        let parked = history.iter().any(|line| line["kind"] == "parked");
        if parked { Ok(()) } else { Err(format!("{history:?}")) }
    });
    let mails = subjects(&[welcome(10), "Thank you for coming".to_owned(), welcome(20)]);
    let after = TimeDelta::seconds(mails[2].at - eligible.timestamp());
    assert!(after >= TimeDelta::zero(), "the restart's delay was cut by {}", -after);
    assert!(after <= TimeDelta::seconds(60), "the recheck came {after} late");

    // It was one recheck, and one run. The decision that queued the message is in the history when
    // the message is settled.
    let settled = until("the history to have the third message", IMMEDIATE, || {
        let history = api.of_contact(BEN, "history");
        let sent = history.iter().filter(|line| line["kind"] == "message_sent").count();
        if sent == 3 { Ok(history) } else { Err(format!("{history:#?}")) }
    });
    let rechecks = settled.iter().filter(|line| line["kind"] == "recheck").count();
    assert_eq!(rechecks, 1, "{settled:#?}");
    let enrollment = api.enrollment(BEN, "webinar").unwrap();
    assert_eq!((&enrollment["run"], &enrollment["status"]), (&json!(2), &json!("active")));
}
