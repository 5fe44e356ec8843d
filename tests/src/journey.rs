//! Journeys: scripts that a marketer can read, run by the pure engine on a clock that is told.
//!
//! A script is a list of lines: a clock line, what happens, and (behind `>`) what comes out. Running
//! a script answers the same script with what really came out, so that a test compares two texts.
//!
//! | line | does |
//! |---|---|
//! | `# …` | a title or a remark |
//! | `zone Europe/Berlin` | the account's zone; all clock lines are local times there |
//! | `field birthday date` | declares an account field |
//! | `show mails` / `show all` / `show causes` / `show ignored` | what comes out: messages only; history too (the default); with the cause of every line; ignored events too |
//! | `campaign NAME [migrate] [enroll existing]` | publishes `examples/NAME.yaml`, or the indented YAML below the line |
//! | `2026-12-01 09:00[:30]` | moves the clock; what comes due on the way happens |
//! | `down until 2026-12-01 09:00` | moves the clock while the system is down, then lets it work |
//! | `ann: +Lead, -Lost, appointment = 2026-12-02 14:00, event attended, unsubscribes, bounces` | one change of a contact |
//! | `pause NAME`, `resume NAME [skip] [enroll existing]` | R51 |
//! | `mail service accepts` / `refuses` / `is silent` | what it says to a message from now on (R31) |
//! | `stop NAME [reset contacts] [reset statistics]` | the mass action (R16) |
//! | `release ann NAME` | lifts `held` |
//! | `where ann` | where the contact is, in every campaign |
//! | `history ann WORDS` | the lines of the contact's history that have these words, in every campaign |
//! | `statistics NAME` | R53 |
//!
//! Several lines that are to happen before the system gets to work are joined by a `&` at the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use chrono::NaiveDateTime;
use dacapo_engine::account::Account;
use dacapo_engine::campaign::format::{Document, FieldDefinition};
use dacapo_engine::campaign::reader;
use dacapo_engine::campaign::validate::{AccountView, validate};
use dacapo_engine::contact::{Author, Consent, Patch, Suppression};
use dacapo_engine::enrollment::Status;
use dacapo_engine::field::{FieldType, built_in};
use dacapo_engine::ids::{CampaignId, ContactId, FieldKey, Tag};
use dacapo_engine::problem::{Problem, Severity};
use dacapo_engine::simulation::{Observed, World};
use dacapo_engine::statistics::{Counter, Outcome};
use dacapo_engine::time::{Instant, Zone, instant_of};

/// Runs a script and answers it with what came out.
///
/// # Errors
///
/// Names the line that cannot be understood.
pub fn run(script: &str, examples: &Path) -> Result<String, String> {
    let mut journey = Journey::new(examples);
    let lines: Vec<&str> = script.lines().collect();
    let mut nth = 0;
    while nth < lines.len() {
        let line = lines[nth];
        nth += 1;
        if line.trim_start().starts_with('>') {
            continue;
        }
        let _ = writeln!(journey.out, "{line}");
        let command = line.trim();
        if command.is_empty() || command.starts_with('#') {
            continue;
        }
        let mut block = String::new();
        while command.starts_with("campaign ")
            && nth < lines.len()
            && (lines[nth].starts_with("  ") || lines[nth].is_empty())
            && !lines[nth].trim_start().starts_with('>')
        {
            if lines[nth].is_empty()
                && !lines.get(nth + 1).is_some_and(|next| next.starts_with("  "))
            {
                break;
            }
            let _ = writeln!(journey.out, "{}", lines[nth]);
            let _ = writeln!(block, "{}", lines[nth].strip_prefix("  ").unwrap_or_default());
            nth += 1;
        }
        let (command, goes_on) =
            command.strip_suffix('&').map_or((command, false), |command| (command.trim(), true));
        journey
            .command(command, &block, goes_on)
            .map_err(|error| format!("line {nth}: {line}\n{error}"))?;
    }
    Ok(journey.out)
}

/// What comes out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shows {
    Mails,
    History,
    Causes,
    Ignored,
}

struct Journey<'a> {
    examples: &'a Path,
    world: Option<World>,
    zone: Zone,
    fields: BTreeMap<FieldKey, FieldType>,
    shown: usize,
    shows: Shows,
    out: String,
}

impl<'a> Journey<'a> {
    fn new(examples: &'a Path) -> Self {
        Self {
            examples,
            world: None,
            zone: Zone::UTC,
            fields: BTreeMap::new(),
            shown: 0,
            shows: Shows::History,
            out: String::new(),
        }
    }

    fn command(&mut self, command: &str, block: &str, goes_on: bool) -> Result<(), String> {
        let words: Vec<&str> = command.split_whitespace().collect();
        match words.as_slice() {
            ["zone", zone] => self.zone = zone.parse().map_err(|error| format!("{error}"))?,
            ["field", key, kind] => {
                let kind = serde_json::from_value(serde_json::json!(kind))
                    .map_err(|error| error.to_string())?;
                self.fields.insert(FieldKey::new(*key).map_err(|e| e.to_string())?, kind);
            }
            ["show", what] => {
                self.shows = match *what {
                    "mails" => Shows::Mails,
                    "all" => Shows::History,
                    "causes" => Shows::Causes,
                    "ignored" => Shows::Ignored,
                    other => return Err(format!("{other:?} is nothing that can be shown")),
                };
            }
            ["mail", "service", answers @ ..] => {
                self.running()?.mail_service = match answers {
                    ["accepts"] => Outcome::Sent,
                    ["refuses"] => Outcome::Failed,
                    ["is", "silent"] => Outcome::Unknown,
                    _ => return Err("it accepts, refuses or is silent".to_owned()),
                };
            }
            ["down", "until", rest @ ..] => {
                let at = self.clock(&rest.join(" "))?;
                self.world(at)?.jump_to(at);
            }
            ["campaign", name, options @ ..] => self.publish(name, options, block)?,
            ["pause", name] => {
                let id = campaign_id(name)?;
                self.running()?.pause(&id);
            }
            ["resume", name, options @ ..] => {
                let id = campaign_id(name)?;
                let existing = options.contains(&"enroll");
                self.running()?.resume(&id, options.contains(&"skip"));
                if existing {
                    self.running()?.enroll_existing(&id);
                }
            }
            ["stop", name, options @ ..] => {
                let (id, options) = (campaign_id(name)?, options.join(" "));
                self.running()?.mass_stop(
                    &id,
                    options.contains("reset contacts"),
                    options.contains("reset statistics"),
                );
            }
            ["release", contact, name] => {
                let (contact, id) = (contact_id(contact)?, campaign_id(name)?);
                self.running()?.release(&contact, &id, Author::ApiKey("console".to_owned()));
            }
            ["history", contact, words @ ..] => {
                self.history(&contact_id(contact)?, &words.join(" "))?;
            }
            ["where", contact] => self.whereabouts(&contact_id(contact)?)?,
            ["statistics", name] => self.statistics(&campaign_id(name)?)?,
            _ if command.starts_with(|c: char| c.is_ascii_digit()) => {
                let at = self.clock(command)?;
                self.world(at)?.advance_to(at);
            }
            _ => self.change(command)?,
        }
        if let Some(world) = self.world.as_mut()
            && !goes_on
        {
            world.settle();
        }
        self.show();
        Ok(())
    }

    fn clock(&self, text: &str) -> Result<Instant, String> {
        ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"]
            .iter()
            .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
            .map(|local| instant_of(local, self.zone))
            .ok_or_else(|| format!("{text:?} is no clock line and no command"))
    }

    fn world(&mut self, now: Instant) -> Result<&mut World, String> {
        if self.world.is_none() {
            let account = Account { zone: self.zone, locale: "en".to_owned() };
            let mut world = World::new(account, now);
            for (key, kind) in &self.fields {
                world.declare(key.clone(), *kind);
            }
            self.world = Some(world);
        }
        self.running()
    }

    fn running(&mut self) -> Result<&mut World, String> {
        self.world.as_mut().ok_or_else(|| "the first command is a clock line".to_owned())
    }

    fn publish(&mut self, name: &str, options: &[&str], block: &str) -> Result<(), String> {
        let text = if block.trim().is_empty() {
            let path = self.examples.join(format!("{name}.yaml"));
            std::fs::read_to_string(&path)
                .map_err(|error| format!("{}: {error}", path.display()))?
        } else {
            format!("id: {name}\n{block}")
        };
        let document = read(&text, self.running()?.fields())?;
        let migrate = options.contains(&"migrate");
        let existing = options.contains(&"enroll");
        self.running()?.publish(document, migrate, existing);
        Ok(())
    }

    fn change(&mut self, command: &str) -> Result<(), String> {
        let (name, what) = command.split_once(':').ok_or("no such command")?;
        let id = contact_id(name.trim())?;
        let zone = self.zone;
        let world = self.running()?;
        let mut patch = Patch::default();
        if world.contact(&id).is_none() {
            let email = FieldKey::new("email").map_err(|error| error.to_string())?;
            let text = serde_json::json!(format!("{}@example.com", id.as_str()));
            let value = FieldType::Text.read(&text, zone).map_err(|error| error.to_string())?;
            patch.fields.insert(email, value);
            let first = FieldKey::new("first_name").map_err(|error| error.to_string())?;
            let mut shown = id.as_str().to_owned();
            shown[..1].make_ascii_uppercase();
            let value = FieldType::Text.read(&shown.into(), zone).map_err(|e| e.to_string())?;
            patch.fields.insert(first, value);
        }
        for part in what.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            if let Some(tag) = part.strip_prefix('+') {
                patch.add.push(Tag::new(tag).map_err(|error| error.to_string())?);
            } else if let Some(tag) = part.strip_prefix('-') {
                patch.remove.push(Tag::new(tag).map_err(|error| error.to_string())?);
            } else if let Some(event) = part.strip_prefix("event ") {
                patch.event = Some(event.to_owned());
            } else if let Some((key, value)) = part.split_once('=') {
                let key = FieldKey::new(key.trim()).map_err(|error| error.to_string())?;
                let kind = built_in(key.as_str())
                    .or_else(|| world.fields().get(&key).copied())
                    .ok_or_else(|| format!("there is no field {key}"))?;
                let zone = world.contact(&id).and_then(|c| c.zone()).unwrap_or(zone);
                let value = kind
                    .read(&serde_json::json!(value.trim()), zone)
                    .map_err(|error| error.to_string())?;
                patch.fields.insert(key, value);
            } else {
                match part {
                    "unsubscribes" => patch.consent = Some(Consent::Unsubscribed),
                    "subscribes" => patch.consent = Some(Consent::Subscribed),
                    "bounces" => patch.suppressed = Some(Some(Suppression::Bounced)),
                    "complains" => patch.suppressed = Some(Some(Suppression::Complained)),
                    _ => return Err(format!("{part:?} is nothing that a contact does")),
                }
            }
        }
        if !world.write(&id, &patch, Author::ApiKey("zapier".to_owned())) {
            let _ = writeln!(self.out, "    > nothing changed");
        }
        Ok(())
    }

    /// Writes down what happened since the last time.
    fn show(&mut self) {
        let Some(world) = self.world.as_ref() else { return };
        for observed in &world.observed[self.shown..] {
            let at = |instant: &Instant| instant.with_timezone(&self.zone).format("%m-%d %H:%M:%S");
            match observed {
                Observed::Message(message) => {
                    let at = at(&message.at);
                    let (contact, element) = (&message.contact, &message.element);
                    let _ = match message.outcome {
                        Outcome::Sent => writeln!(
                            self.out,
                            "    > {at} MAIL to {contact} ({element}, run {}): {}",
                            message.run, message.subject
                        ),
                        Outcome::Suppressed | Outcome::Failed | Outcome::Unknown => writeln!(
                            self.out,
                            "    > {at} NO MAIL to {contact} ({element}, run {}): {}, {}",
                            message.run,
                            message.outcome.word(),
                            message.reason.as_deref().unwrap_or_default()
                        ),
                    };
                }
                Observed::History(contact, campaign, record) if self.shows != Shows::Mails => {
                    for line in &record.lines {
                        let element = line.element.as_ref().map_or("-", |element| element.as_str());
                        let _ = write!(
                            self.out,
                            "    > {} {contact} in {campaign} run {} at {element}: {}",
                            at(&record.at),
                            line.run,
                            line.what.words(self.zone, &record.because)
                        );
                        let _ = match self.shows {
                            Shows::Causes => writeln!(self.out, " ({})", record.because.words()),
                            Shows::Mails | Shows::History | Shows::Ignored => writeln!(self.out),
                        };
                    }
                }
                Observed::Called(contact, campaign, element) => {
                    let _ =
                        writeln!(self.out, "    > CALL for {contact} in {campaign} at {element}");
                }
                Observed::Ignored(contact, campaign, event, ignored)
                    if self.shows == Shows::Ignored =>
                {
                    let _ = writeln!(
                        self.out,
                        "    > ignored for {contact} in {campaign}: {event:?}: {ignored:?}"
                    );
                }
                Observed::History(..) | Observed::Ignored(..) => {}
            }
        }
        self.shown = world.observed.len();
    }

    fn whereabouts(&mut self, contact: &ContactId) -> Result<(), String> {
        let zone = self.zone;
        let world = self.running()?;
        world.settle();
        let mut said = String::new();
        for ((of, campaign), enrollment) in world.enrollments() {
            if of != contact {
                continue;
            }
            let _ = write!(
                said,
                "    > {campaign}: run {}, {}",
                enrollment.run,
                enrollment.status.word()
            );
            for token in &enrollment.tokens {
                let _ = write!(said, ", at {}", token.element);
                if let Some(due) = token.due() {
                    let _ = write!(
                        said,
                        " until {}",
                        due.with_timezone(&zone).format("%m-%d %H:%M:%S")
                    );
                }
            }
            if let (Some(_), Some(until)) = (&enrollment.parked, enrollment.eligible_at) {
                let _ = write!(
                    said,
                    ", parked until {}",
                    until.with_timezone(&zone).format("%m-%d %H:%M:%S")
                );
            }
            let _ = writeln!(said);
        }
        if said.is_empty() {
            let _ = writeln!(said, "    > nowhere");
        }
        self.show();
        self.out.push_str(&said);
        Ok(())
    }

    fn history(&mut self, contact: &ContactId, wanted: &str) -> Result<(), String> {
        let zone = self.zone;
        let world = self.running()?;
        world.settle();
        let mut said = String::new();
        for observed in &world.observed {
            let Observed::History(of, campaign, record) = observed else { continue };
            for line in record.lines.iter().filter(|_| of == contact) {
                let words = line.what.words(zone, &record.because);
                if words.contains(wanted) {
                    let at = line.element.as_ref().map_or("-", |element| element.as_str());
                    let _ = writeln!(said, "    > in {campaign} run {} at {at}: {words}", line.run);
                }
            }
        }
        self.show();
        self.out.push_str(&said);
        Ok(())
    }

    fn statistics(&mut self, campaign: &CampaignId) -> Result<(), String> {
        let world = self.running()?;
        world.settle();
        let tally = world.statistics(campaign);
        let counters = [
            ("entered", Counter::Entered),
            ("completed", Counter::Completed),
            ("restarted", Counter::Restarted),
            ("sent", Counter::Messages(Outcome::Sent)),
            ("suppressed", Counter::Messages(Outcome::Suppressed)),
            ("failed", Counter::Messages(Outcome::Failed)),
            ("unknown", Counter::Messages(Outcome::Unknown)),
        ];
        let mut said: Vec<String> = counters
            .iter()
            .map(|(word, counter)| format!("{word} {}", tally.get(counter)))
            .collect();
        for status in [Status::Active, Status::AwaitingRestart, Status::Stopped, Status::Held] {
            said.push(format!("{} {}", status.word(), tally.now(status)));
        }
        self.show();
        let _ = writeln!(self.out, "    > {}", said.join(", "));
        Ok(())
    }
}

fn contact_id(text: &str) -> Result<ContactId, String> {
    ContactId::new(text).map_err(|error| format!("{text:?} is no contact: {error}"))
}

fn campaign_id(text: &str) -> Result<CampaignId, String> {
    CampaignId::new(text).map_err(|error| format!("{text:?} is no campaign: {error}"))
}

/// Reads and validates a campaign as publishing does. Every other campaign counts as known, because scripts
/// publish one after the other.
///
/// # Errors
///
/// The problems, a line each.
pub fn read(text: &str, fields: &BTreeMap<FieldKey, FieldType>) -> Result<Document, String> {
    let listed = |problems: &[Problem]| {
        problems
            .iter()
            .map(|problem| format!("{}: {} ({})", problem.path, problem.message, problem.code))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let source = reader::read(text).map_err(|problems| listed(&problems))?;
    let fields = fields
        .iter()
        .map(|(key, kind)| (key.clone(), FieldDefinition { kind: *kind, label: None }))
        .collect();
    let account = AccountView { fields: &fields, campaigns: &|_| true, sender: true };
    let mut problems = validate(&source, &account);
    problems.retain(|problem| problem.severity == Severity::Error);
    if problems.is_empty() { Ok(source.document) } else { Err(listed(&problems)) }
}
