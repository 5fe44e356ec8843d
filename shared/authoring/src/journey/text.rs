//! The journey as text that a marketer reads: each instant with what happened then.

use std::fmt::Write as _;

use dacapo_engine::statistics::Outcome;
use dacapo_engine::time::{Instant, Zone};

use super::{Ended, Entry, Journey, Mail, Standing};
use crate::listed::listed;
use crate::scenario::ObjectName;

/// The kinds of history that a `mail` says better.
const SAID_BY_MAIL: [&str; 5] =
    ["message", "message_sent", "message_suppressed", "message_failed", "message_unknown"];

impl Journey {
    /// See the module.
    pub fn as_text(&self) -> String {
        let mut out = String::new();
        if let Some(name) = &self.name {
            let _ = writeln!(out, "{name}");
        }
        let _ = writeln!(out, "All times are local times in {}.", self.time_zone.name());
        let names = Names {
            contacts: self.contacts.len() > 1,
            campaigns: self.campaigns.len() > 1,
            zone: self.time_zone,
        };
        let mut last = None;
        for entry in &self.entries {
            // A message says how it was settled.
            if SAID_BY_MAIL.contains(&entry.kind) {
                continue;
            }
            if last != Some(entry.at) {
                last = Some(entry.at);
                let _ = writeln!(out, "\n{}", heading(entry.at, self.time_zone));
            }
            self.entry(entry, &names, &mut out);
        }
        let ended = heading(self.ended, self.time_zone);
        let why = match self.ended_because {
            Ended::NothingDue => "nothing more is due",
            Ended::Until => "the scenario ends here",
            Ended::LongAfter => "more is due, but only long after the last step",
        };
        let _ = writeln!(out, "\nAt the end, {ended} ({why}):");
        for standing in &self.enrollments {
            let _ = writeln!(out, "  {}", self.standing(standing));
        }
        if self.enrollments.is_empty() {
            let _ = writeln!(out, "  nobody has entered {}", listed(&self.campaigns));
        }
        for (name, person) in &self.contacts {
            let tags = match person.tags.as_slice() {
                [] => "no tags".to_owned(),
                tags => format!("tags {}", listed(tags)),
            };
            let _ = writeln!(out, "  {name}: {tags}");
        }
        out
    }

    fn entry(&self, entry: &Entry, names: &Names, out: &mut String) {
        let elsewhere = names.elsewhere(entry, self);
        if entry.kind == "step" {
            let who = whom(entry.contact.as_deref(), entry.about.as_ref());
            let colon = if who.is_empty() { "" } else { ": " };
            let _ = writeln!(out, "  > {who}{colon}{}{elsewhere}", entry.text);
            return;
        }
        let place = names.place(entry);
        if let Some(mail) = entry.message.and_then(|nth| self.messages.get(nth)) {
            let _ = writeln!(out, "    {place}{}{elsewhere}", mail_line(mail));
            for line in mail.text.trim_end().lines() {
                let _ = writeln!(out, "      | {line}");
            }
            if mail.text.is_empty() && mail.html.is_some() {
                let _ = writeln!(out, "      | (HTML, from which its text is made as it leaves)");
            }
            return;
        }
        let _ = writeln!(out, "    {place}{}{elsewhere}", entry.text);
    }

    /// Where somebody stands.
    fn standing(&self, standing: &Standing) -> String {
        let who = whom(Some(&standing.contact), standing.about.as_ref());
        let status = standing.status.word().replace('_', " ");
        let mut said = format!("{who} in {}: run {}, {status}", standing.campaign, standing.run);
        for waiting in &standing.waits {
            let _ = match waiting.due {
                Some(due) => {
                    write!(
                        said,
                        ", waits at {} until {}",
                        waiting.element,
                        heading(due, self.time_zone)
                    )
                }
                None => write!(said, ", waits at {}", waiting.element),
            };
        }
        if let Some(until) = standing.parked {
            let _ = write!(said, ", a trigger parked until {}", heading(until, self.time_zone));
        }
        if !standing.parked_entries.is_empty() {
            let _ = write!(said, ", parked until the resume: {}", listed(&standing.parked_entries));
        }
        said
    }
}

/// What is said in each line.
struct Names {
    /// Whether contacts are named.
    contacts: bool,
    /// Whether campaigns are named.
    campaigns: bool,
    zone: Zone,
}

impl Names {
    fn place(&self, entry: &Entry) -> String {
        let mut place = String::new();
        if self.contacts || entry.about.is_some() {
            let contact = entry.contact.as_deref().filter(|_| self.contacts);
            place.push_str(&whom(contact, entry.about.as_ref()));
        }
        if let Some(campaign) = entry.campaign.as_ref().filter(|_| self.campaigns) {
            let in_ = if place.is_empty() { "in" } else { " in" };
            let _ = write!(place, "{in_} {campaign}");
        }
        if let Some(run) = entry.run {
            let space = if place.is_empty() { "" } else { " " };
            let _ = write!(place, "{space}run {run}");
        }
        if let Some(element) = &entry.element {
            let _ = write!(place, " at {element}");
        }
        if place.is_empty() { place } else { format!("{}: ", place.trim_start()) }
    }

    /// The contact's own time, where that differs.
    fn elsewhere(&self, entry: &Entry, journey: &Journey) -> String {
        let person = entry.contact.as_ref().and_then(|name| journey.contacts.get(name));
        match person {
            Some(person) if super::local(entry.at, self.zone) != entry.local => {
                let local = entry.local.get(..16).unwrap_or(&entry.local);
                format!("  [{local} where the contact is, {}]", person.time_zone.name())
            }
            Some(_) | None => String::new(),
        }
    }
}

/// A message in a line.
pub(super) fn mail_line(mail: &Mail) -> String {
    let reason = mail.reason.as_deref().unwrap_or_default();
    match mail.outcome {
        Outcome::Sent => format!("MAIL \"{}\"", mail.subject),
        Outcome::Suppressed | Outcome::Failed | Outcome::Unknown => {
            format!("NO MAIL, {}: {reason}", mail.outcome.word())
        }
    }
}

/// A contact, or an object of it.
fn whom(contact: Option<&str>, about: Option<&ObjectName>) -> String {
    match (contact, about) {
        (Some(contact), Some(about)) => format!("{contact}'s {} {}", about.kind, about.key),
        (None, Some(about)) => format!("{} {}", about.kind, about.key),
        (Some(contact), None) => contact.to_owned(),
        (None, None) => String::new(),
    }
}

/// An instant with its weekday; with seconds if there are any.
pub(super) fn heading(at: Instant, zone: Zone) -> String {
    let local = at.with_timezone(&zone);
    let seconds = if at.timestamp() % 60 == 0 { "" } else { ":%S" };
    local.format(&format!("%a %Y-%m-%d %H:%M{seconds}")).to_string()
}
