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

/// How often the two loops are measured in turns: an odd number.
const TURNS: usize = 3;

/// How many posts are in progress at once.
const POSTS_AT_ONCE: usize = 256;

/// What the contacts go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Entrance by webhook, mail, timer, mail, end.
    FiveSteps,
    /// The appointment loop, twice.
    Loop,
    /// The same loop, about an object of each contact.
    ObjectLoop,
}

/// The appointment loop, about contacts.
const LOOP: &str = include_str!("../../../examples/appointment-loop.yaml");

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
            Self::ObjectLoop => "object loop",
        }
    }

    fn campaign(self) -> (&'static str, String) {
        match self {
            Self::FiveSteps => ("five-steps", FIVE_STEPS.to_owned()),
            Self::Loop => ("appointment-loop", LOOP.to_owned()),
            Self::ObjectLoop => ("appointment-loop", about_objects(LOOP)),
        }
    }

    /// Where its posts go.
    fn hook(self) -> &'static str {
        match self {
            Self::FiveSteps | Self::Loop => "/v1/hooks/contact",
            Self::ObjectLoop => "/v1/hooks/object/booking",
        }
    }

    /// A post of the nth contact, with these tags and perhaps an appointment.
    fn post(self, n: usize, tag: &str, appointment: Option<DateTime<Utc>>) -> Value {
        let mut post = json!({ "email": address(n), "first_name": "Ann", "tags": [tag] });
        let appointment = appointment.map(|at| at.to_rfc3339());
        match self {
            Self::FiveSteps | Self::Loop => {
                if let Some(appointment) = appointment {
                    post["fields"] = json!({ "appointment": appointment });
                }
            }
            Self::ObjectLoop => {
                post["key"] = json!(format!("booking-{n}"));
                if let Some(appointment) = appointment {
                    post["appointment"] = json!(appointment);
                }
            }
        }
        post
    }

    fn messages(self) -> u64 {
        match self {
            Self::FiveSteps => 2,
            Self::Loop | Self::ObjectLoop => 5,
        }
    }
}

/// A campaign about contacts that have an appointment, about objects that have one.
fn about_objects(campaign: &str) -> String {
    let field = "fields:\n  appointment: { type: datetime, label: Appointment }\n";
    let object =
        "per: booking\nobjects:\n  booking: { fields: { appointment: { type: datetime } } }\n";
    campaign.replacen(field, object, 1).replace("contact.appointment", "booking.appointment")
}

pub(super) fn begins() -> DateTime<Utc> {
    DateTime::from_timestamp(1_796_112_000, 0).unwrap_or_default()
}

/// The engine in a directory, with a standing clock.
pub(super) async fn start(directory: &Path) -> Result<Embedded, Box<dyn Error>> {
    Ok(Embedded::start(Options {
        directory: Some(directory.to_owned()),
        clock: ClockKind::Manual(begins()),
        time_zone: None,
        locale: None,
        smtp: None,
        public_url: "https://dacapo.example".to_owned(),
        local: true,
    })
    .await?)
}

/// Sends contacts through a campaign.
pub(crate) async fn measure(scenario: Scenario, contacts: usize) -> Result<Value, Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let embedded = start(directory.path()).await?;
    let api = Caller::of(&embedded, KEY);
    let (id, document) = scenario.campaign();
    api.publish(id, &document).await?;
    let stopwatch = Stopwatch::start();
    let post = async |tag: &str, appointment: Option<DateTime<Utc>>| {
        let body = |n| scenario.post(n, tag, appointment);
        post_all(&api, scenario.hook(), contacts, &body).await?;
        embedded.worker.idle().await;
        Ok::<_, Box<dyn Error>>(())
    };
    let until = async |at| embedded.worker.advance(begins() + at).await;
    match scenario {
        Scenario::FiveSteps => {
            post("Go", None).await?;
            until(TimeDelta::hours(1)).await;
        }
        Scenario::Loop | Scenario::ObjectLoop => {
            let on_day = |day| Some(begins() + TimeDelta::days(day) + TimeDelta::hours(6));
            post("Appointment made", on_day(1)).await?;
            until(TimeDelta::days(1) + TimeDelta::hours(7)).await;
            post("Not reached", None).await?;
            post("Appointment made", on_day(2)).await?;
            until(TimeDelta::days(2) + TimeDelta::hours(7)).await;
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

/// Measures the same loop about contacts and about objects, in turns, and answers the median of
/// each: the machine's speed comes and goes.
pub(crate) async fn side_by_side(contacts: usize) -> Result<[Value; 2], Box<dyn Error>> {
    let (mut of_contacts, mut of_objects) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        of_contacts.push(measure(Scenario::Loop, contacts).await?);
        of_objects.push(measure(Scenario::ObjectLoop, contacts).await?);
    }
    let (one, mut other) = (median(of_contacts), median(of_objects));
    other["times_a_contact"] = json!(micros(&other) / micros(&one));
    Ok([one, other])
}

fn micros(row: &Value) -> f64 {
    row["micros_a_contact"].as_f64().unwrap_or_default()
}

/// The row whose time is in the middle.
pub(super) fn median(mut rows: Vec<Value>) -> Value {
    rows.sort_by(|one, other| micros(one).total_cmp(&micros(other)));
    rows.swap_remove(rows.len() / 2)
}

async fn post_all(
    api: &Caller,
    hook: &'static str,
    contacts: usize,
    body: &(dyn Fn(usize) -> Value + Sync),
) -> Result<(), Box<dyn Error>> {
    let mut under_way: JoinSet<Result<(), String>> = JoinSet::new();
    for n in 0..contacts {
        if under_way.len() >= POSTS_AT_ONCE
            && let Some(done) = under_way.join_next().await
        {
            done??;
        }
        let (api, body) = (api.clone(), body(n));
        under_way.spawn(async move {
            let posted = api.post(hook, &body).await;
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
