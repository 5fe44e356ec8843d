//! Reads a script: one parser for all harnesses.

use std::fmt::Write as _;
use std::path::Path;

use chrono::NaiveDateTime;
use dacapo_engine::contact::{Consent, Suppression};
use dacapo_engine::field::FieldType;
use dacapo_engine::history;
use dacapo_engine::ids::{CampaignId, FieldKey, ObjectType};
use dacapo_engine::statistics::Outcome;
use dacapo_engine::time::{Instant, Zone, instant_of};

/// A parsed script.
#[derive(Debug)]
pub struct Script {
    /// The account's zone.
    pub zone: Zone,
    /// All declared fields, wherever they are declared.
    pub fields: Vec<(FieldKey, FieldType)>,
    /// Its lines, without results.
    pub lines: Vec<Line>,
}

/// A line, with the document below it if there is one.
#[derive(Debug)]
pub struct Line {
    /// Its number, from 1.
    pub number: usize,
    /// Its text, line ends included.
    pub written: String,
    /// Its command; `None` if it is empty or a remark.
    pub command: Option<Command>,
    /// Whether the next line happens before the system works.
    pub goes_on: bool,
}

/// The command of a line.
#[derive(Debug)]
pub enum Command {
    /// A declaration about the account, which applies from the beginning.
    Account,
    /// What is shown from now on.
    Show(Shows),
    /// Something happens.
    Deed(Deed),
    /// Something is asked for.
    Query(Query),
}

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// Messages.
    Mails,
    /// History too.
    History,
    /// The causes of its lines too.
    Causes,
    /// History, and traces.
    Traces,
    /// Ignored events too.
    Ignored,
}

/// What happens.
#[derive(Debug)]
pub enum Deed {
    /// The clock moves.
    ClockTo(Instant),
    /// The clock moves while the system is down.
    DownUntil(Instant),
    /// A campaign is published.
    Publish(Publish),
    /// A campaign is paused.
    Pause {
        /// Which.
        campaign: CampaignId,
        /// When it goes on by itself.
        until: Option<Instant>,
    },
    /// A campaign is resumed.
    Resume {
        /// Which.
        campaign: CampaignId,
        /// Whether what is overdue is skipped.
        skip: bool,
        /// Whether existing contacts may enter.
        enroll_existing: bool,
    },
    /// The mail service answers differently from now on.
    MailService(Outcome),
    /// The mass action.
    Stop {
        /// Which campaign.
        campaign: CampaignId,
        /// Whether its contacts may enter again.
        reset_contacts: bool,
        /// Whether their counts are subtracted.
        reset_statistics: bool,
    },
    /// A held contact is released.
    Release(String, CampaignId),
    /// One contact is started, reset or stopped by hand.
    ByHand(history::Command, String, CampaignId),
    /// A contact changes.
    Change(String, Change),
    /// An object of a contact is made, or changes.
    Object(Object, Change),
    /// A contact is erased, with its objects.
    Erase(String),
}

/// An object of a contact, as a script names it: `ann's appointment a1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Whose.
    pub contact: String,
    /// Its type.
    pub kind: ObjectType,
    /// Its key.
    pub key: String,
    /// The key that it had before.
    pub replaces: Option<String>,
}

impl Object {
    /// The object that a text names; `None` if it names a contact.
    ///
    /// # Errors
    ///
    /// What its type cannot be called.
    pub fn named(text: &str) -> Result<Option<Self>, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [contact, kind, key] = words.as_slice() else { return Ok(None) };
        let Some(contact) = contact.strip_suffix("'s") else { return Ok(None) };
        let kind = ObjectType::new(*kind).map_err(|error| format!("{kind:?}: {error}"))?;
        let (contact, key) = (contact.to_owned(), (*key).to_owned());
        Ok(Some(Self { contact, kind, key, replaces: None }))
    }
}

/// A campaign to publish.
#[derive(Debug)]
pub struct Publish {
    /// Which.
    pub campaign: CampaignId,
    /// The document.
    pub document: String,
    /// Whether active contacts migrate to the new version.
    pub migrate: bool,
    /// Whether existing contacts may enter.
    pub enroll_existing: bool,
}

/// One change of a contact.
#[derive(Debug, Default)]
pub struct Change {
    /// Tags to assign.
    pub add: Vec<String>,
    /// Tags to withdraw.
    pub remove: Vec<String>,
    /// Fields by key, as they are written; the empty text clears.
    pub fields: Vec<(FieldKey, String)>,
    /// A custom event.
    pub event: Option<String>,
    /// The contact's consent to marketing mail.
    pub consent: Option<Consent>,
    /// What the mail service reports about the address.
    pub suppressed: Option<Suppression>,
}

impl Change {
    /// The data of a new contact: the name in the script is the first name.
    pub fn of_somebody_new(name: &str) -> [(&'static str, String); 2] {
        let mut first_name = name.to_owned();
        if let Some(first) = first_name.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        [("email", address(name)), ("first_name", first_name)]
    }

    /// The contact's new zone, if the change sets one: the change's dates are read in it (R4).
    pub fn zone(&self) -> Option<Zone> {
        let (_, written) = self.fields.iter().find(|(key, _)| key.as_str() == "time_zone")?;
        written.parse().ok()
    }
}

/// The address of a contact in a script.
pub fn address(name: &str) -> String {
    format!("{name}@example.com")
}

/// What a script asks for.
#[derive(Debug)]
pub enum Query {
    /// Where a contact is.
    Where(String),
    /// Which lines of a contact's history have these words.
    History(String, String),
    /// A campaign's statistics.
    Statistics(CampaignId),
}

impl Script {
    /// Reads a script, without its results.
    ///
    /// # Errors
    ///
    /// Names the line that cannot be understood.
    pub fn read(text: &str, examples: &Path) -> Result<Self, String> {
        let mut script = Self { zone: Zone::UTC, fields: Vec::new(), lines: Vec::new() };
        let lines: Vec<&str> = text.lines().collect();
        let mut nth = 0;
        while nth < lines.len() {
            let line = lines[nth];
            nth += 1;
            if line.trim_start().starts_with('>') {
                continue;
            }
            let number = nth;
            let mut written = format!("{line}\n");
            let mut document = String::new();
            if line.starts_with("campaign ") {
                let below = document_below(&lines[nth..]);
                for line in &lines[nth..nth + below] {
                    let _ = writeln!(written, "{line}");
                    let _ = writeln!(document, "{}", line.strip_prefix("  ").unwrap_or_default());
                }
                nth += below;
            }
            let words = line.trim();
            let (words, goes_on) =
                words.strip_suffix('&').map_or((words, false), |words| (words.trim(), true));
            let command = if words.is_empty() || words.starts_with('#') {
                None
            } else {
                let command = script.command(words, &document, examples);
                Some(command.map_err(|error| format!("line {number}: {line}\n{error}"))?)
            };
            script.lines.push(Line { number, written, command, goes_on });
        }
        Ok(script)
    }

    /// What happens in it.
    pub fn deeds(&self) -> impl Iterator<Item = &Deed> {
        self.lines.iter().filter_map(|line| match &line.command {
            Some(Command::Deed(deed)) => Some(deed),
            Some(Command::Account | Command::Show(_) | Command::Query(_)) | None => None,
        })
    }

    /// The campaigns that it publishes, each time.
    pub fn campaigns(&self) -> impl Iterator<Item = &Publish> {
        self.deeds().filter_map(|deed| match deed {
            Deed::Publish(publish) => Some(publish),
            Deed::ClockTo(_)
            | Deed::DownUntil(_)
            | Deed::Pause { .. }
            | Deed::Resume { .. }
            | Deed::MailService(_)
            | Deed::Stop { .. }
            | Deed::Release(..)
            | Deed::ByHand(..)
            | Deed::Change(..)
            | Deed::Object(..)
            | Deed::Erase(_) => None,
        })
    }

    fn command(
        &mut self,
        command: &str,
        document: &str,
        examples: &Path,
    ) -> Result<Command, String> {
        let words: Vec<&str> = command.split_whitespace().collect();
        let deed = match words.as_slice() {
            ["zone", zone] => {
                self.zone = zone.parse().map_err(|error| format!("{error}"))?;
                return Ok(Command::Account);
            }
            ["field", key, kind] => {
                let kind = serde_json::from_value(serde_json::json!(kind))
                    .map_err(|error| error.to_string())?;
                self.fields.push((field_key(key)?, kind));
                return Ok(Command::Account);
            }
            ["show", what] => return shows(what).map(Command::Show),
            ["where", rest @ ..] => {
                return Ok(Command::Query(Query::Where(rest.join(" "))));
            }
            ["history", rest @ ..] => {
                let (subject, words) = subject(rest);
                let query = Query::History(subject, words.join(" "));
                return Ok(Command::Query(query));
            }
            ["erase", contact] => Deed::Erase((*contact).to_owned()),
            ["statistics", name] => {
                return Ok(Command::Query(Query::Statistics(campaign_id(name)?)));
            }
            ["mail", "service", answers @ ..] => Deed::MailService(match answers {
                ["accepts"] => Outcome::Sent,
                ["refuses"] => Outcome::Failed,
                ["is", "silent"] => Outcome::Unknown,
                _ => return Err("it accepts, refuses or is silent".to_owned()),
            }),
            ["down", "until", rest @ ..] => Deed::DownUntil(self.clock(&rest.join(" "))?),
            ["campaign", name, options @ ..] => Deed::Publish(Publish {
                campaign: campaign_id(name)?,
                document: written_or_example(name, document, examples)?,
                migrate: options.contains(&"migrate"),
                enroll_existing: options.contains(&"enroll"),
            }),
            ["pause", name] => Deed::Pause { campaign: campaign_id(name)?, until: None },
            ["pause", name, "until", rest @ ..] => Deed::Pause {
                campaign: campaign_id(name)?,
                until: Some(self.clock(&rest.join(" "))?),
            },
            ["resume", name, options @ ..] => Deed::Resume {
                campaign: campaign_id(name)?,
                skip: options.contains(&"skip"),
                enroll_existing: options.contains(&"enroll"),
            },
            ["stop", name, options @ ..] => {
                let options = options.join(" ");
                Deed::Stop {
                    campaign: campaign_id(name)?,
                    reset_contacts: options.contains("reset contacts"),
                    reset_statistics: options.contains("reset statistics"),
                }
            }
            ["by", "hand", command, rest @ .., name] => {
                let command = match *command {
                    "start" => history::Command::Start,
                    "reset" => history::Command::Reset,
                    "stop" => history::Command::Stop,
                    other => return Err(format!("{other:?} is nothing that is done by hand")),
                };
                Deed::ByHand(command, rest.join(" "), campaign_id(name)?)
            }
            ["release", rest @ .., name] => Deed::Release(rest.join(" "), campaign_id(name)?),
            _ if command.starts_with(|c: char| c.is_ascii_digit()) => {
                Deed::ClockTo(self.clock(command)?)
            }
            _ => {
                let (name, what) = command.split_once(':').ok_or("no such command")?;
                match Object::named(name)? {
                    None => Deed::Change(name.trim().to_owned(), change(what)?),
                    Some(object) => {
                        let (replaces, what) = replaced(what);
                        Deed::Object(Object { replaces, ..object }, change(&what)?)
                    }
                }
            }
        };
        Ok(Command::Deed(deed))
    }

    fn clock(&self, text: &str) -> Result<Instant, String> {
        ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"]
            .iter()
            .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
            .map(|local| instant_of(local, self.zone))
            .ok_or_else(|| format!("{text:?} is no clock line and no command"))
    }
}

/// Whom the words name first, and the words after that.
fn subject<'a, 'b>(words: &'a [&'b str]) -> (String, &'a [&'b str]) {
    let of = if words.first().is_some_and(|word| word.ends_with("'s")) { 3 } else { 1 };
    let (subject, rest) = words.split_at(of.min(words.len()));
    (subject.join(" "), rest)
}

/// The key that an object had before, and what else happens to it.
fn replaced(what: &str) -> (Option<String>, String) {
    let parts = || what.split(',').map(str::trim);
    let older = parts().find_map(|part| part.strip_prefix("replaces "));
    let others: Vec<&str> = parts().filter(|part| !part.starts_with("replaces ")).collect();
    (older.map(str::to_owned), others.join(","))
}

/// How many of these lines belong to the document above them: indented ones, and empty ones in
/// between.
fn document_below(lines: &[&str]) -> usize {
    let belongs = |line: &str| line.starts_with("  ") && !line.trim_start().starts_with('>');
    let mut below = 0;
    loop {
        match lines.get(below) {
            Some(line) if belongs(line) => below += 1,
            Some(line)
                if line.is_empty() && lines.get(below + 1).is_some_and(|next| belongs(next)) =>
            {
                below += 1;
            }
            Some(_) | None => return below,
        }
    }
}

fn written_or_example(name: &str, document: &str, examples: &Path) -> Result<String, String> {
    if !document.trim().is_empty() {
        return Ok(format!("id: {name}\n{document}"));
    }
    let path = examples.join(format!("{name}.yaml"));
    std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
}

fn shows(what: &str) -> Result<Shows, String> {
    Ok(match what {
        "mails" => Shows::Mails,
        "all" => Shows::History,
        "causes" => Shows::Causes,
        "traces" => Shows::Traces,
        "ignored" => Shows::Ignored,
        other => return Err(format!("{other:?} is nothing that can be shown")),
    })
}

fn change(what: &str) -> Result<Change, String> {
    let mut change = Change::default();
    for part in what.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        if let Some(tag) = part.strip_prefix('+') {
            change.add.push(tag.to_owned());
        } else if let Some(tag) = part.strip_prefix('-') {
            change.remove.push(tag.to_owned());
        } else if let Some(event) = part.strip_prefix("event ") {
            change.event = Some(event.to_owned());
        } else if let Some((key, value)) = part.split_once('=') {
            change.fields.push((field_key(key.trim())?, value.trim().to_owned()));
        } else {
            match part {
                "unsubscribes" => change.consent = Some(Consent::Unsubscribed),
                "subscribes" => change.consent = Some(Consent::Subscribed),
                "bounces" => change.suppressed = Some(Suppression::Bounced),
                "complains" => change.suppressed = Some(Suppression::Complained),
                _ => return Err(format!("{part:?} is nothing that a contact does")),
            }
        }
    }
    Ok(change)
}

fn field_key(text: &str) -> Result<FieldKey, String> {
    FieldKey::new(text).map_err(|error| error.to_string())
}

fn campaign_id(text: &str) -> Result<CampaignId, String> {
    CampaignId::new(text).map_err(|error| format!("{text:?} is no campaign: {error}"))
}
