//! A Dacapo behind HTTP as a harness: everything is written and read as external programs do it.
//!
//! Contacts are written by an API key named *zapier* and released by one named *console*, as the
//! scripts' causes say.

use std::collections::{BTreeMap, BTreeSet};

use dacapo_engine::contact::Consent;
use dacapo_engine::field::built_in;
use dacapo_engine::history;
use dacapo_engine::statistics::Outcome;
use dacapo_engine::time::Instant;
use serde_json::{Map, Value, json};

use super::harness::{
    Counts, EnrollmentState, Harness, HistoryLine, Mail, NoEffect, Observation, Unsupported,
};
use super::http_objects::{addressee, subject};
use super::script::{Change, Command, Deed, Publish, Script, Shows, address};
use crate::host::{Answer, Call, Host};

/// The path at which `stop` is requested.
const STOP: &str = "/v1/mass-actions/stop-campaign";

/// See the module.
pub struct HttpHarness<H> {
    host: H,
    /// Whether `stop` is played.
    stops: bool,
    zapier: String,
    console: String,
    pub(super) people: BTreeMap<String, Person>,
}

/// What is known of a contact.
pub(super) struct Person {
    id: String,
    /// How many lines have been reported of each campaign's history, and of whom: the contact or an
    /// object of it.
    pub(super) told: BTreeMap<(String, String), usize>,
    /// How many traces have been reported.
    without_effect: usize,
    /// How often each message has been reported, by its answer.
    mails: BTreeMap<String, usize>,
}

impl<H: Host> HttpHarness<H> {
    /// A harness for scripts on a host that is not started yet. `stops` is whether `stop` is
    /// played there, by a mass action.
    pub fn on(host: H, stops: bool) -> Self {
        let (zapier, console) = (String::new(), String::new());
        Self { host, stops, zapier, console, people: BTreeMap::new() }
    }

    /// The host.
    pub fn host(&self) -> &H {
        &self.host
    }

    fn admin(&self, call: &Call<'_>) -> Result<Value, String> {
        self.host.ask(&call.by(self.host.admin_key()))
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        self.admin(&Call::post(path, &body.to_string()))
    }

    fn new_key(&self, name: &str) -> Result<String, String> {
        let key = self.post("/v1/keys", &json!({ "name": name, "scopes": ["write"] }))?;
        text(&key, "key")
    }

    fn put_draft(&self, publish: &Publish) -> Result<Value, String> {
        let path = format!("/v1/campaigns/{}", publish.campaign);
        let call = Call::post(&path, &publish.document).method("PUT").of("application/yaml");
        self.admin(&call)
    }

    pub(super) fn person_id(&self, name: &str) -> Result<&str, String> {
        Ok(&self.person(name)?.id)
    }

    fn person(&self, name: &str) -> Result<&Person, String> {
        self.people.get(name).ok_or_else(|| format!("nobody is called {name}"))
    }

    fn rev(&self, name: &str) -> Result<u64, String> {
        let path = format!("/v1/contacts/{}", self.person(name)?.id);
        let contact = self.admin(&Call::get(&path))?;
        contact["rev"].as_u64().ok_or_else(|| format!("no rev: {contact:#}"))
    }

    /// One change, as one call. Returns whether it changed anything.
    fn change(&mut self, name: &str, change: &Change) -> Result<bool, String> {
        let before = if self.people.contains_key(name) { self.rev(name)? } else { 0 };
        if let Some(event) = &change.event {
            if before == 0 {
                self.hook(name, &Change::default())?;
            }
            let path = format!("/v1/contacts/{}/events", self.person(name)?.id);
            let body = json!({ "name": event }).to_string();
            self.host.ask(&Call::post(&path, &body).by(&self.zapier))?;
        } else {
            self.hook(name, change)?;
        }
        Ok(self.rev(name)? != before)
    }

    /// What Zapier would post.
    fn hook(&mut self, name: &str, change: &Change) -> Result<(), String> {
        let mut body = Map::new();
        let mut fields = Map::new();
        if !self.people.contains_key(name) {
            for (key, value) in Change::of_somebody_new(name) {
                body.insert(key.to_owned(), json!(value));
            }
        }
        let mut clear = Vec::new();
        for (key, value) in &change.fields {
            if value.is_empty() {
                clear.push(key.as_str());
                continue;
            }
            let into = if built_in(key.as_str()).is_some() { &mut body } else { &mut fields };
            into.insert(key.to_string(), json!(value));
        }
        body.insert("email".to_owned(), json!(address(name)));
        body.insert("tags".to_owned(), json!(change.add));
        body.insert("remove_tags".to_owned(), json!(change.remove));
        body.insert("fields".to_owned(), Value::Object(fields));
        body.insert("clear".to_owned(), json!(clear));
        if let Some(consent) = change.consent {
            let word = match consent {
                Consent::Subscribed => "subscribed",
                Consent::Unsubscribed => "unsubscribed",
                Consent::None => "none",
            };
            body.insert("consent".to_owned(), json!(word));
            if consent == Consent::Subscribed {
                body.insert("resubscribe".to_owned(), json!(true));
            }
        }
        let body = Value::Object(body).to_string();
        let posted = self.host.ask(&Call::post("/v1/hooks/contact", &body).by(&self.zapier))?;
        self.meet(name, text(&posted, "contact_id")?);
        Ok(())
    }

    /// Notes who has this id, the first time.
    pub(super) fn meet(&mut self, name: &str, id: String) {
        self.people.entry(name.to_owned()).or_insert_with(|| {
            let (told, mails) = (BTreeMap::new(), BTreeMap::new());
            Person { id, told, without_effect: 0, mails }
        });
    }

    /// Whether the contact was met.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.people.contains_key(name)
    }

    /// A post by the key that is called *zapier*.
    pub(super) fn as_zapier(&self, path: &str, body: &Value) -> Result<Answer, String> {
        self.host.call(&Call::post(path, &body.to_string()).by(&self.zapier))
    }

    /// The whole history of a contact, oldest first.
    fn told(&self, name: &str) -> Result<Vec<HistoryLine>, String> {
        self.told_at(name, &self.path_of(name, None, "history")?)
    }

    fn told_at(&self, name: &str, path: &str) -> Result<Vec<HistoryLine>, String> {
        let mut lines = self.host.list(path, self.host.admin_key())?;
        lines.reverse();
        let lines = lines.iter().filter(|line| !is_nothing(line)).map(|line| {
            Ok(HistoryLine {
                contact: subject(name, line),
                campaign: text(line, "campaign")?,
                run: number(line, "run")?,
                element: line["element"].as_str().map(str::to_owned),
                at: instant(&line["at"])?,
                text: text(line, "text")?,
                cause: text(line, "cause")?,
            })
        });
        lines.collect()
    }

    /// The traces, oldest first.
    fn without_effect(&self, name: &str) -> Result<Vec<NoEffect>, String> {
        let path = format!("/v1/contacts/{}/history", self.person(name)?.id);
        let mut lines = self.host.list(&path, self.host.admin_key())?;
        lines.reverse();
        let lines = lines.iter().filter(|line| is_nothing(line)).map(|line| {
            Ok(NoEffect {
                contact: subject(name, line),
                at: instant(&line["at"])?,
                text: text(line, "text")?,
                cause: text(line, "cause")?,
            })
        });
        lines.collect()
    }

    /// The contact's settled messages, each with its answer.
    fn settled(&self, name: &str) -> Result<Vec<(String, Mail)>, String> {
        let path = format!("/v1/contacts/{}/messages", self.person(name)?.id);
        let mut settled = Vec::new();
        for message in self.host.list(&path, self.host.admin_key())? {
            let outcome = match message["status"].as_str() {
                Some("sent") => Outcome::Sent,
                Some("suppressed") => Outcome::Suppressed,
                Some("failed") => Outcome::Failed,
                Some("unknown") => Outcome::Unknown,
                Some("claimed" | "released") => continue,
                other => return Err(format!("no status: {other:?}")),
            };
            let word = |key: &str| message[key].as_str().unwrap_or_default().to_owned();
            let mail = Mail {
                contact: addressee(name, &message),
                element: text(&message, "element")?,
                run: number(&message, "run")?,
                at: instant(&message["at"])?,
                outcome,
                reason: word("reason"),
                subject: word("subject"),
            };
            // An object's key may change; everything else of a message stays.
            let mut stays = message.clone();
            stays["object"] = Value::Null;
            settled.push((stays.to_string(), mail));
        }
        Ok(settled)
    }
}

impl<H: Host> Harness for HttpHarness<H> {
    fn unsupported(&self, script: &Script) -> BTreeSet<Unsupported> {
        let mut unsupported = BTreeSet::new();
        for line in &script.lines {
            if line.goes_on {
                unsupported.insert(Unsupported::HoldingBack);
            }
            match &line.command {
                Some(Command::Show(Shows::Ignored)) => {
                    unsupported.insert(Unsupported::Ignored);
                }
                Some(Command::Deed(deed)) => unsupported.extend(self.unsupported_by(deed)),
                Some(
                    Command::Account
                    | Command::Show(Shows::Mails | Shows::History | Shows::Causes | Shows::Traces)
                    | Command::Query(_),
                )
                | None => {}
            }
        }
        unsupported
    }

    fn begin(&mut self, script: &Script, at: Instant) -> Result<(), String> {
        self.host.open(at)?;
        let account = json!({
            "time_zone": script.zone.name(),
            "locale": "en",
            "sender": { "name": "Studio Nord", "address": "hello@studio-nord.example" },
        });
        self.admin(&Call::post("/v1/account", &account.to_string()).method("PATCH"))?;
        self.zapier = self.new_key("zapier")?;
        self.console = self.new_key("console")?;
        for (key, kind) in &script.fields {
            let path = format!("/v1/fields/{key}");
            let body = json!({ "type": kind.word() }).to_string();
            self.admin(&Call::post(&path, &body).method("PUT"))?;
        }
        // Campaigns that name each other must exist before one of them is published.
        let mut there = BTreeSet::new();
        for publish in script.campaigns() {
            if there.insert(&publish.campaign) {
                self.put_draft(publish)?;
            }
        }
        Ok(())
    }

    fn apply(&mut self, deed: &Deed) -> Result<bool, String> {
        match deed {
            Deed::ClockTo(at) => self.host.reach(*at)?,
            Deed::DownUntil(at) => self.host.stop_until(*at)?,
            Deed::Publish(publish) => {
                self.put_draft(publish)?;
                let in_flight = if publish.migrate { "migrate" } else { "stay" };
                self.post(
                    &format!("/v1/campaigns/{}/publish", publish.campaign),
                    &json!({ "enroll_existing": publish.enroll_existing, "in_flight": in_flight }),
                )?;
            }
            Deed::Pause { campaign, until } => {
                let until = until.map(|until| until.to_rfc3339());
                self.post(&format!("/v1/campaigns/{campaign}/pause"), &json!({ "until": until }))?;
            }
            Deed::Resume { campaign, skip, enroll_existing } => {
                self.post(
                    &format!("/v1/campaigns/{campaign}/resume"),
                    &json!({
                        "mode": if *skip { "skip" } else { "run" },
                        "enroll_existing": enroll_existing,
                    }),
                )?;
            }
            Deed::MailService(_) => return Err("nobody tells the mail service".to_owned()),
            Deed::Stop { campaign, reset_contacts, reset_statistics } => {
                self.post(
                    STOP,
                    &json!({
                        "campaigns": [campaign],
                        "contacts": "enrolled",
                        "reset_contacts": reset_contacts,
                        "reset_statistics": reset_statistics,
                    }),
                )?;
            }
            Deed::Release(contact, campaign) => {
                let path = self.enrollment_path(contact, &format!("{campaign}/release"))?;
                let answer = self.host.call(&Call::post(&path, "").by(&self.console))?;
                // The release of a contact that is not held has no effect.
                if answer.status != 200 && answer.status != 409 {
                    return Err(format!("{path}: {}: {:#}", answer.status, answer.body));
                }
            }
            Deed::ByHand(command, contact, campaign) => {
                let word = match command {
                    history::Command::Start => "start",
                    history::Command::Reset | history::Command::StopAndReset => "reset",
                    history::Command::Stop => "stop",
                };
                let path = self.enrollment_path(contact, &format!("{campaign}/{word}"))?;
                let answer = self.host.call(&Call::post(&path, "").by(&self.console))?;
                // A call that is not possible is recorded in the history, or has no effect.
                if !matches!(answer.status, 200 | 404 | 409) {
                    return Err(format!("{path}: {}: {:#}", answer.status, answer.body));
                }
            }
            Deed::Change(contact, change) => return self.change(contact, change),
            Deed::Object(object, change) => return self.change_object(object, change),
            Deed::Erase(_) => return Err(Unsupported::Erasing.words().to_owned()),
        }
        Ok(true)
    }

    fn settle(&mut self) -> Result<(), String> {
        self.host.settle()
    }

    fn observations(&mut self) -> Result<Vec<Observation>, String> {
        let mut came_out = Vec::new();
        let names: Vec<String> = self.people.keys().cloned().collect();
        for name in names {
            let (told, settled) = (self.told(&name)?, self.settled(&name)?);
            let without_effect = self.without_effect(&name)?;
            let Some(person) = self.people.get_mut(&name) else { continue };
            let mut lines: BTreeMap<(String, String), usize> = BTreeMap::new();
            for line in told {
                let of = (line.campaign.clone(), line.contact.clone());
                let before = person.told.get(&of).copied().unwrap_or(0);
                let nth = lines.entry(of).or_default();
                *nth += 1;
                if *nth > before {
                    came_out.push(Observation::History(line));
                }
            }
            person.told = lines;
            let many = without_effect.len();
            let new = without_effect.into_iter().skip(person.without_effect);
            came_out.extend(new.map(Observation::NoEffect));
            person.without_effect = many;
            let mut mails: BTreeMap<String, usize> = BTreeMap::new();
            for (answered, mail) in settled {
                let nth = mails.entry(answered.clone()).or_default();
                *nth += 1;
                if *nth > person.mails.get(&answered).copied().unwrap_or(0) {
                    came_out.push(Observation::Mail(mail));
                }
            }
            person.mails = mails;
        }
        Ok(came_out)
    }

    fn enrollment_states(&mut self, contact: &str) -> Result<Vec<EnrollmentState>, String> {
        let (name, object) = self.named(contact)?;
        let path = self.path_of(&name, object.as_ref(), "enrollments")?;
        let enrollments = self.host.list(&path, self.host.admin_key())?;
        let its = enrollments
            .iter()
            .filter(|enrollment| object.is_some() || enrollment["object"].is_null());
        let places = its.map(|enrollment| {
            let parked = !enrollment["parked"].is_null();
            let tokens = enrollment["tokens"].as_array().into_iter().flatten();
            let parked_entries = enrollment["parked_entries"].as_array().into_iter().flatten();
            Ok(EnrollmentState {
                campaign: text(enrollment, "campaign")?,
                run: number(enrollment, "run")?,
                status: text(enrollment, "status")?,
                tokens: tokens
                    .map(|token| {
                        let due = Some(&token["due"]).filter(|due| !due.is_null());
                        Ok((text(token, "element")?, due.map(instant).transpose()?))
                    })
                    .collect::<Result<_, String>>()?,
                parked_entries: parked_entries
                    .map(|entry| text(entry, "element"))
                    .collect::<Result<_, String>>()?,
                parked: parked.then(|| instant(&enrollment["eligible_at"])).transpose()?,
            })
        });
        places.collect()
    }

    fn history(&mut self, contact: &str) -> Result<Vec<HistoryLine>, String> {
        let (name, object) = self.named(contact)?;
        let mut told = self.told_at(&name, &self.path_of(&name, object.as_ref(), "history")?)?;
        told.retain(|line| object.is_some() || line.contact == name);
        Ok(told)
    }

    fn statistics(&mut self, campaign: &str) -> Result<Counts, String> {
        let path = format!("/v1/campaigns/{campaign}/statistics");
        let answered = self.admin(&Call::get(&path))?;
        let count = |among: &Value, word: &str| {
            let count = among[word].as_i64().ok_or_else(|| format!("no {word}: {answered:#}"))?;
            Ok::<_, String>((word.to_owned(), count))
        };
        let mut counts = Vec::new();
        for word in ["entered", "completed", "restarted"] {
            counts.push(count(&answered, word)?);
        }
        for word in ["sent", "suppressed", "failed", "unknown"] {
            counts.push(count(&answered["messages"], word)?);
        }
        for word in ["active", "awaiting_restart", "stopped", "held"] {
            counts.push(count(&answered, word)?);
        }
        Ok(counts)
    }
}

impl<H: Host> HttpHarness<H> {
    fn unsupported_by(&self, deed: &Deed) -> Vec<Unsupported> {
        match deed {
            Deed::Resume { enroll_existing: true, .. } if !self.host.lists_show_at_once() => {
                vec![Unsupported::ListsAtOnce]
            }
            Deed::ClockTo(_)
            | Deed::Pause { .. }
            | Deed::Resume { .. }
            | Deed::Release(..)
            | Deed::ByHand(..)
            | Deed::Object(..) => Vec::new(),
            Deed::Erase(_) => vec![Unsupported::Erasing],
            Deed::DownUntil(_) if self.host.can_stop() => Vec::new(),
            Deed::DownUntil(_) => vec![Unsupported::Stopping],
            Deed::MailService(_) => vec![Unsupported::MailService],
            Deed::Stop { .. } if self.stops => Vec::new(),
            Deed::Stop { .. } => vec![Unsupported::MassActions],
            Deed::Publish(publish) => {
                let says = |word: &str| publish.document.contains(word);
                let webhooks = says("type: webhook").then_some(Unsupported::Webhooks);
                let splits = says("type: split").then_some(Unsupported::ChosenIds);
                webhooks.into_iter().chain(splits).collect()
            }
            Deed::Change(_, change) => {
                let Change { add, remove, fields, event, consent, suppressed } = change;
                let more = !(add.is_empty() && remove.is_empty() && fields.is_empty())
                    || consent.is_some();
                let both = (event.is_some() && more).then_some(Unsupported::EventWithMore);
                let feedback = suppressed.is_some().then_some(Unsupported::Feedback);
                both.into_iter().chain(feedback).collect()
            }
        }
    }
}

/// Whether a line of history is a trace.
fn is_nothing(line: &Value) -> bool {
    matches!(line["kind"].as_str(), Some("nothing_followed" | "nothing_changed"))
}

pub(super) fn text(of: &Value, key: &str) -> Result<String, String> {
    of[key].as_str().map(str::to_owned).ok_or_else(|| format!("no {key}: {of:#}"))
}

fn number(of: &Value, key: &str) -> Result<u32, String> {
    let number = of[key].as_u64().and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| format!("no {key}: {of:#}"))
}

fn instant(value: &Value) -> Result<Instant, String> {
    value.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| format!("no instant: {value}"))
}
