//! The appointment loop: booked, confirmed, reminded an hour before, not reached, reset, tags
//! withdrawn, sorry.
//!
//! Contacts go through it in parallel, so that batches are full, and twice. The first loop includes
//! creation and enrollment; the second is what every further loop consumes.

use std::sync::Arc;

use chrono::DateTime;
use serde_json::json;

use super::harness::{BEGINS, Harness};
use super::report::Report;
use crate::kit::MeteredTable;

/// How many contacts go in parallel.
pub const CONTACTS: usize = 10;

const CAMPAIGN: &str = include_str!("../../../../examples/appointment-loop.yaml");

const HOUR: i64 = 3_600_000;

/// Sends contacts through the loop twice. Returns what a loop consumes: the first one, and every
/// later one.
///
/// # Errors
///
/// If a result is wrong: three mails a loop, the statistics, the history, the lists of tags.
pub async fn measure(table: Arc<MeteredTable>, batch: usize) -> Result<(Report, Report), String> {
    let mut harness = Harness::new(table, batch);
    let campaign = ("PUT", "/v1/campaigns/appointment-loop");
    harness.call(None, campaign, CAMPAIGN.to_owned()).await?;
    let publish = ("POST", "/v1/campaigns/appointment-loop/publish");
    harness.call(None, publish, "{}".to_owned()).await?;
    let key = json!({ "name": "zapier", "scopes": ["webhook"] }).to_string();
    let key = harness.call(None, ("POST", "/v1/keys"), key).await?;
    let key = key["key"].as_str().ok_or("a key is shown once")?.to_owned();
    harness.settle("before").await?;
    // The first reads of what stays in memory are not counted for a loop.
    harness.forget();
    let first = one_loop(&mut harness, &key, 0).await?;
    let again = one_loop(&mut harness, &key, 24 * HOUR).await?;
    check(&harness).await?;
    Ok((first, again))
}

async fn one_loop(harness: &mut Harness, key: &str, begins: i64) -> Result<Report, String> {
    harness.report = Report::default();
    let mails = harness.mails();
    harness.until(begins, "-").await?;
    let appointment = DateTime::from_timestamp_millis(BEGINS + begins + 6 * HOUR);
    let appointment = appointment.ok_or("an instant")?.to_rfc3339();
    for n in 0..CONTACTS {
        let post = json!({
            "email": address(n), "name": "Ann Lindqvist", "time_zone": "Europe/Berlin",
            "tags": ["Appointment made"], "fields": { "appointment": appointment },
        });
        harness.call(Some(key), ("POST", "/v1/hooks/contact"), post.to_string()).await?;
        harness.note("booked", "webhook");
    }
    harness.settle("booked").await?;
    harness.until(begins + 5 * HOUR + 1, "an hour before").await?;
    harness.until(begins + 7 * HOUR, "-").await?;
    for n in 0..CONTACTS {
        let post = json!({ "email": address(n), "tags": "Not reached" });
        harness.call(Some(key), ("POST", "/v1/hooks/contact"), post.to_string()).await?;
        harness.note("not reached", "webhook");
    }
    harness.settle("not reached").await?;
    let sent = harness.mails() - mails;
    if sent != 3 * CONTACTS {
        return Err(format!("{sent} mails were sent, {} were due", 3 * CONTACTS));
    }
    Ok(std::mem::take(&mut harness.report))
}

fn address(n: usize) -> String {
    format!("ann.lindqvist.{n}@example.com")
}

/// The savings broke no promise.
async fn check(harness: &Harness) -> Result<(), String> {
    let get = async |path: &str| harness.call(None, ("GET", path), String::new()).await;
    let statistics = get("/v1/campaigns/appointment-loop/statistics").await?;
    let loops = 2 * CONTACTS;
    for (path, due) in [
        ("/entered", loops),
        ("/restarted", loops),
        ("/messages/sent", 3 * loops),
        ("/elements/remind/entered", loops),
        ("/elements/booked/at", CONTACTS),
        ("/active", CONTACTS),
    ] {
        let found = statistics.pointer(path).and_then(serde_json::Value::as_u64);
        if found != Some(due as u64) {
            return Err(format!("{path} of the statistics: {due} was due: {statistics}"));
        }
    }
    for n in 0..CONTACTS {
        let history = get(&format!("/v1/contacts/email:{}/history?limit=100", address(n))).await?;
        let texts: Vec<_> = history["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|line| line["kind"].as_str())
            .collect();
        let of = |kind: &str| texts.iter().filter(|text| **text == kind).count();
        let lines = (of("message_sent"), of("reset"), of("timer_fired"));
        if lines != (6, 2, 2) {
            return Err(format!("the history is not whole, {lines:?}: {history}"));
        }
    }
    let tags = get("/v1/tags").await?;
    let counts: Vec<_> = tags["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|tag| (tag["tag"].as_str().unwrap_or_default(), tag["count"].as_u64()))
        .collect();
    if counts != [("Appointment made", Some(0)), ("Not reached", Some(0))] {
        return Err(format!("the lists of tags: {counts:?}"));
    }
    Ok(())
}
