//! Contacts a second, through everything, on disk.

use std::error::Error;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use dacapo_embedded::clock::ClockKind;
use dacapo_embedded::{Embedded, Options};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::figure;
use super::stopwatch::Stopwatch;
use crate::caller::Caller;

pub(super) const KEY: &str = "bench";

/// How many posts are in progress at once.
const AT_ONCE: usize = 256;

/// What the contacts go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Entrance by webhook, mail, timer, mail, end.
    FiveSteps,
    /// The appointment loop, twice.
    Loop,
}

const FIVE_STEPS: &str = r"
id: five-steps
name: Five steps
sender: { address: bench@example.com }
elements:
  entrance: { type: start, when: { tag: Go }, next: first }
  first: { type: email, email: first, next: hour }
  hour: { type: wait, for: 1 hour, next: second }
  second: { type: email, email: second, next: done }
  done: { type: end }
emails:
  first: { subject: 'Hello {{ contact.first_name }}', text: 'Welcome, {{ contact.first_name }}.' }
  second: { subject: 'Still there, {{ contact.first_name }}?', text: 'An hour has gone by.' }
";

impl Scenario {
    fn name(self) -> &'static str {
        match self {
            Self::FiveSteps => "five steps",
            Self::Loop => "the loop",
        }
    }

    fn campaign(self) -> (&'static str, &'static str) {
        match self {
            Self::FiveSteps => ("five-steps", FIVE_STEPS),
            Self::Loop => {
                ("appointment-loop", include_str!("../../../examples/appointment-loop.yaml"))
            }
        }
    }

    fn messages(self) -> u64 {
        match self {
            Self::FiveSteps => 2,
            Self::Loop => 5,
        }
    }
}

pub(super) fn begins() -> DateTime<Utc> {
    DateTime::from_timestamp(1_796_112_000, 0).unwrap_or_default()
}

/// Sends contacts through a campaign.
pub(crate) async fn measure(scenario: Scenario, contacts: usize) -> Result<Value, Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let embedded = Embedded::start(Options {
        directory: Some(directory.path().to_owned()),
        clock: ClockKind::Manual(begins()),
        time_zone: None,
        locale: None,
        smtp: None,
        public_url: "https://dacapo.example".to_owned(),
        local: true,
    })
    .await?;
    let api = Caller::of(&embedded, KEY);
    let (id, document) = scenario.campaign();
    api.publish(id, document).await?;
    let stopwatch = Stopwatch::start();
    match scenario {
        Scenario::FiveSteps => {
            post_all(
                &api,
                contacts,
                &|n| json!({ "email": address(n), "first_name": "Ann", "tags": ["Go"] }),
            )
            .await?;
            embedded.worker.idle().await;
            embedded.worker.advance(begins() + TimeDelta::hours(1)).await;
        }
        Scenario::Loop => {
            let booked = |day: i64| {
                move |n: usize| {
                    let at = begins() + TimeDelta::days(day) + TimeDelta::hours(6);
                    json!({ "email": address(n), "first_name": "Ann", "tags": ["Appointment made"],
                            "fields": { "appointment": at.to_rfc3339() } })
                }
            };
            let not_reached = |n: usize| json!({ "email": address(n), "tags": ["Not reached"] });
            post_all(&api, contacts, &booked(1)).await?;
            embedded.worker.idle().await;
            embedded.worker.advance(begins() + TimeDelta::days(1) + TimeDelta::hours(7)).await;
            post_all(&api, contacts, &not_reached).await?;
            embedded.worker.idle().await;
            post_all(&api, contacts, &booked(2)).await?;
            embedded.worker.idle().await;
            embedded.worker.advance(begins() + TimeDelta::days(2) + TimeDelta::hours(7)).await;
        }
    }
    let took = stopwatch.elapsed().as_secs_f64();
    let statistics = api.get(&format!("/v1/campaigns/{id}/statistics")).await?;
    let sent = statistics["messages"]["sent"].as_u64().unwrap_or(0);
    let expected = scenario.messages() * u64::try_from(contacts)?;
    if sent != expected {
        return Err(
            format!("{}: {sent} messages were sent, {expected} expected", scenario.name()).into()
        );
    }
    embedded.stop().await;
    let count = figure(contacts);
    Ok(json!({
        "figure": scenario.name(),
        "contacts": contacts,
        "per_second": count / took,
        "micros_a_contact": took * 1e6 / count,
        "messages": sent,
        "resident_mb": resident_mb(),
        "disk_kb_a_contact": size_of(directory.path())? / 1024.0 / count,
    }))
}

fn address(n: usize) -> String {
    format!("contact{n}@example.com")
}

async fn post_all(
    api: &Caller,
    contacts: usize,
    body: &(dyn Fn(usize) -> Value + Sync),
) -> Result<(), Box<dyn Error>> {
    let mut under_way: JoinSet<Result<(), String>> = JoinSet::new();
    for n in 0..contacts {
        if under_way.len() >= AT_ONCE
            && let Some(done) = under_way.join_next().await
        {
            done??;
        }
        let (api, body) = (api.clone(), body(n));
        under_way.spawn(async move {
            let posted = api.post("/v1/hooks/contact", &body).await;
            posted.map(|_| ()).map_err(|error| error.to_string())
        });
    }
    while let Some(done) = under_way.join_next().await {
        done??;
    }
    Ok(())
}

/// The memory of the process; nothing if the system does not tell.
pub(super) fn resident_mb() -> Option<f64> {
    const PAGE_KB: f64 = 4.0;
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: f64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * PAGE_KB / 1024.0)
}

pub(super) fn size_of(directory: &Path) -> Result<f64, std::io::Error> {
    let mut bytes = 0.0;
    for entry in std::fs::read_dir(directory)? {
        bytes += figure(usize::try_from(entry?.metadata()?.len()).unwrap_or(usize::MAX));
    }
    Ok(bytes)
}
