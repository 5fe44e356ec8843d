//! `dacapo demo`: the main uses as a story, with a standing clock, the real API, the real store and
//! captured mail.

mod story;

use std::error::Error;
use std::process::ExitCode;

use chrono::{DateTime, Utc};
use dacapo_embedded::clock::ClockKind;
use dacapo_embedded::{Embedded, Options};
use dacapo_engine::language::Language;
use dacapo_engine::time::Zone;
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::out;
use crate::settings::Demo;
use story::{STORY, StoryStep, What};

/// The demo's own key; it never leaves the process.
const KEY: &str = "demo";

/// The account's zone, for lines that are about no contact.
const ZONE: Zone = Zone::Europe__Berlin;

/// The account's language: how dates are written.
const LOCALE: &str = "en";

/// The people of the story, each with the zone in which their lines are told.
const PEOPLE: [(&str, Zone); 3] = [
    ("ann@example.com", Zone::Europe__Berlin),
    ("cleo@example.com", Zone::Europe__Berlin),
    ("ben@example.com", Zone::America__New_York),
];

/// Plays the story, and prints it as text or as JSON.
pub(crate) fn run(demo: &Demo) -> Result<ExitCode, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(tell(demo.json))?;
    Ok(ExitCode::SUCCESS)
}

async fn tell(as_json: bool) -> Result<(), Box<dyn Error>> {
    let begins = STORY.first().map_or_else(DateTime::<Utc>::default, |step| instant(step.at));
    let embedded = Embedded::start(Options {
        directory: None,
        clock: ClockKind::Manual(begins),
        time_zone: Some(ZONE),
        locale: Some(LOCALE.to_owned()),
        smtp: None,
        public_url: "https://dacapo.example".to_owned(),
        local: true,
    })
    .await?;
    let mut teller =
        Teller { api: Caller::of(&embedded, KEY), told: Vec::new(), messages: 0, as_json };
    for step in STORY {
        teller.step(step).await?;
    }
    for (contact, _) in PEOPLE {
        teller.history(contact).await?;
    }
    if as_json {
        out::line(format_args!("{:#}", json!({ "story": teller.told })))?;
    }
    embedded.stop().await;
    Ok(())
}

struct Teller {
    api: Caller,
    told: Vec<Value>,
    messages: usize,
    as_json: bool,
}

impl StoryStep {
    /// The zone of the contact that it is about.
    fn zone(&self) -> Zone {
        self.about.map_or(ZONE, zone_of)
    }
}

impl Teller {
    async fn step(&mut self, step: &StoryStep) -> Result<(), Box<dyn Error>> {
        self.api.post("/dev/clock", &json!({ "to": step.at })).await?;
        self.show_messages().await?;
        self.say(&format!("\n{}  {}", moment(step.at, step.zone()), step.tells))?;
        let mut told = json!({ "at": step.at, "tells": step.tells });
        match step.what {
            What::Publish { id, document } => {
                let path = format!("/v1/campaigns/{id}");
                let published = self.api.publish(id, document).await?;
                self.say(&format!("    PUT {path}, POST {path}/publish"))?;
                self.say(&format!("    -> {published}"))?;
                told["published"] = published;
            }
            What::Posted { hook, kind, body } => {
                self.say(&format!("    POST {hook}  ({kind})"))?;
                for line in body.lines() {
                    self.say(&format!("    {line}"))?;
                }
                let answer = self.api.call("POST", hook, kind, body).await?;
                self.say(&format!("    -> rev {}, {}", answer["rev"], answer["changed"]))?;
                told["posted"] = json!(body);
                told["answer"] = answer;
            }
            What::Waits => {}
        }
        self.told.push(told);
        self.api.post("/dev/idle", &json!({})).await?;
        self.show_messages().await
    }

    /// The e-mails since the last call, as the contact sees them.
    async fn show_messages(&mut self) -> Result<(), Box<dyn Error>> {
        let all = self.api.get("/dev/messages").await?;
        let items = all["items"].as_array().cloned().unwrap_or_default();
        for message in &items[self.messages.min(items.len())..] {
            let text = |key: &str| message[key].as_str().unwrap_or_default().to_owned();
            self.say(&format!(
                "\n{}  e-mail to {}   ({}, run {}, {})",
                moment(&text("at"), zone_of(&text("to"))),
                text("to"),
                text("campaign"),
                message["run"],
                text("element")
            ))?;
            self.say(&format!("    | Subject: {}", text("subject")))?;
            self.say("    |")?;
            for line in text("body_text").trim_end().lines() {
                self.say(&format!("    | {line}"))?;
            }
            self.told.push(json!({ "message": message }));
        }
        self.messages = items.len();
        Ok(())
    }

    /// The history, oldest first.
    async fn history(&mut self, contact: &str) -> Result<(), Box<dyn Error>> {
        let path = format!("/v1/contacts/email:{contact}/history?limit=200");
        let history = self.api.get(&path).await?;
        let mut items = history["items"].as_array().cloned().unwrap_or_default();
        items.reverse();
        self.say(&format!("\nHistory of {contact}"))?;
        let mut because = String::new();
        for line in &items {
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            let cause = text("cause");
            let shown = if cause == because { String::new() } else { format!("   ({cause})") };
            let zone = text("time_zone").parse().unwrap_or(ZONE);
            let run = line["run"].as_u64().map_or_else(String::new, |run| format!("run {run}"));
            self.say(&format!(
                "    {}  {run:<5}  {:<13} {}{shown}",
                moment(&text("at"), zone),
                text("element"),
                about(line) + &text("text")
            ))?;
            because = cause;
        }
        self.told.push(json!({ "contact": contact, "history": items }));
        Ok(())
    }

    fn say(&self, line: &str) -> std::io::Result<()> {
        if self.as_json { Ok(()) } else { out::line(line) }
    }
}

/// Which of the contact's objects a line of history is about.
fn about(line: &Value) -> String {
    line["object"]["key"].as_str().map_or_else(String::new, |key| format!("{key}: "))
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap_or_default()
}

/// The zone of the contact with this address.
fn zone_of(address: &str) -> Zone {
    PEOPLE.iter().find(|(its, _)| *its == address).map_or(ZONE, |(_, zone)| *zone)
}

/// An instant as text, in one zone, which it names.
fn moment(text: &str, zone: Zone) -> String {
    dacapo_engine::language::moment(instant(text), zone, Language::of(LOCALE))
}
