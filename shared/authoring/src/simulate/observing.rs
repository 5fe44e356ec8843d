//! From what the world observed to entries of the journey.

use dacapo_engine::decide::{Event, Ignored};
use dacapo_engine::history::{Command, Happened, Reader, Record, Trace};
use dacapo_engine::ids::{CampaignId, ContactId};
use dacapo_engine::simulation::{Observed, SimulatedMessage, World};
use dacapo_engine::time::{Instant, Zone};

use crate::journey::{Entry, Journey, Mail, local};
use crate::scenario::ObjectName;

/// Adds what was observed.
pub(super) fn observe(world: &World, observed: &Observed, journey: &mut Journey) {
    match observed {
        Observed::Message(message) => {
            let nth = journey.messages.len();
            let mail = mail(world, message);
            let mut entry = entry(world, &message.contact, message.at, "mail");
            entry.campaign = Some(message.campaign.clone());
            entry.run = Some(message.run);
            entry.element = Some(message.element.clone());
            entry.text = if mail.subject.is_empty() {
                mail.reason.clone().unwrap_or_default()
            } else {
                mail.subject.clone()
            };
            entry.message = Some(nth);
            journey.messages.push(mail);
            journey.entries.push(entry);
        }
        Observed::History(contact, campaign, record) => {
            journey.entries.extend(history(world, contact, campaign, record));
        }
        Observed::Nothing(contact, trace) => {
            journey.entries.push(nothing(world, contact, trace));
        }
        Observed::Called(contact, campaign, element) => {
            let mut entry = entry(world, contact, world.now(), "called");
            entry.campaign = Some(campaign.clone());
            entry.element = Some(element.clone());
            entry.text = "the webhook is called".to_owned();
            journey.entries.push(entry);
        }
        Observed::Ignored(contact, campaign, event, ignored) => {
            if let Some(text) = ignored_words(event, *ignored) {
                let mut entry = entry(world, contact, world.now(), "ignored");
                entry.campaign = Some(campaign.clone());
                entry.text = text;
                journey.entries.push(entry);
            }
        }
    }
}

/// An entry about a subject that says nothing yet.
pub(super) fn entry(world: &World, subject: &ContactId, at: Instant, kind: &'static str) -> Entry {
    Entry {
        at,
        local: local(at, zone_of(world, subject)),
        kind,
        contact: Some(subject.person().to_string()),
        about: about(world, subject),
        campaign: None,
        run: None,
        element: None,
        text: String::new(),
        cause: None,
        due: None,
        message: None,
        step: None,
    }
}

/// The zone of a contact, or of the contact whose object it is; else the account's.
pub(super) fn zone_of(world: &World, subject: &ContactId) -> Zone {
    let person = world.contact(&subject.person());
    person.map_or(world.account.zone, |person| world.account.zone_of(person))
}

/// Which object a subject is, if it is one.
pub(super) fn about(world: &World, subject: &ContactId) -> Option<ObjectName> {
    let object = world.contact(subject)?.object.as_ref()?;
    Some(ObjectName { kind: object.kind.clone(), key: object.key.clone() })
}

fn mail(world: &World, message: &SimulatedMessage) -> Mail {
    Mail {
        at: message.at,
        local: local(message.at, zone_of(world, &message.contact)),
        to: message.contact.person().to_string(),
        about: about(world, &message.contact),
        campaign: message.campaign.clone(),
        run: message.run,
        element: message.element.clone(),
        outcome: message.outcome,
        reason: message.reason.clone(),
        subject: message.subject.clone(),
        text: message.text.clone(),
        html: message.html.clone().filter(|_| message.text.is_empty()),
    }
}

fn history(
    world: &World,
    subject: &ContactId,
    campaign: &CampaignId,
    record: &Record,
) -> Vec<Entry> {
    let Some(person) = world.contact(&subject.person()) else { return Vec::new() };
    let reader = Reader::of(&world.account, person);
    let lines = record.lines.iter().map(|line| {
        let mut entry = entry(world, subject, record.at, line.what.kind());
        entry.campaign = Some(campaign.clone());
        entry.run = Some(line.run);
        entry.element.clone_from(&line.element);
        entry.text = line.what.words(&reader, &record.because);
        entry.cause = Some(record.because.words());
        entry.due = due(&line.what);
        entry
    });
    lines.collect()
}

/// Words what was recorded as history does in the end: instants in the contact's zone as it is
/// then. The record's entries begin at `first`.
pub(super) fn reword(
    world: &World,
    subject: &ContactId,
    record: &Record,
    first: usize,
    journey: &mut Journey,
) {
    let Some(person) = world.contact(&subject.person()) else { return };
    let reader = Reader::of(&world.account, person);
    for (entry, line) in journey.entries.iter_mut().skip(first).zip(&record.lines) {
        entry.text = line.what.words(&reader, &record.because);
    }
}

/// When what happened is due.
fn due(what: &Happened) -> Option<Instant> {
    match what {
        Happened::Waits { until }
        | Happened::MessageWaits { until }
        | Happened::Parked { until } => Some(*until),
        Happened::DatePlanned { due, .. } => Some(*due),
        Happened::Restarted { eligible_at } => Some(*eligible_at),
        Happened::ParkedUntilResumed { not_before } => *not_before,
        _ => None,
    }
}

fn nothing(world: &World, subject: &ContactId, trace: &Trace) -> Entry {
    let mut entry = entry(world, subject, trace.at, trace.kind());
    entry.campaign = trace.campaign().cloned();
    entry.run = trace.run();
    entry.element = trace.element().cloned();
    entry.text = trace.words();
    entry.cause = Some(trace.because.words());
    entry
}

/// What was ignored, and why; `None` for what was not asked for.
fn ignored_words(event: &Event, ignored: Ignored) -> Option<String> {
    let what = match event {
        Event::TimerDue { .. } => "a timer came due".to_owned(),
        Event::RecheckDue { .. } => "a parked trigger was to be rechecked".to_owned(),
        Event::DeliveryDue { .. } => "a message was about to leave".to_owned(),
        Event::Commanded { from, command, .. } => {
            format!("campaign {} asked for: {}", from.campaign, command_word(*command))
        }
        Event::ByHand { command, .. } => format!("by hand: {}", command_word(*command)),
        Event::Released { .. } => "by hand: release".to_owned(),
        Event::Changed
        | Event::Settled { .. }
        | Event::StatusChanged { .. }
        | Event::EnrollExisting { .. }
        | Event::MassStop { .. }
        | Event::MassRelease { .. } => return None,
    };
    let why = match ignored {
        Ignored::AlreadyApplied => "it has been done already",
        Ignored::NothingConcerned => "nothing is concerned by it",
        Ignored::NeverEnrolled => "the contact was never in the campaign",
        Ignored::NotPublished => "the campaign is not published",
        Ignored::Paused => "the campaign is paused",
        Ignored::StaleRun => "it belongs to an earlier run",
        Ignored::LeftStep => "no path rests there any more",
        Ignored::Replanned => "the timer was set anew meanwhile",
        Ignored::Early => "it is too early",
        Ignored::NotParked => "nothing is parked",
        Ignored::NotHeld => "the contact is not held",
        Ignored::Quarantined => "the contact is in quarantine",
        Ignored::Behind => "older changes come first",
        Ignored::NoVersion => "the version is gone",
        Ignored::NotStarted(why) => why.words(),
    };
    Some(format!("{what}; nothing follows, {why}"))
}

pub(super) fn command_word(command: Command) -> &'static str {
    match command {
        Command::Start => "start",
        Command::Reset => "reset",
        Command::Stop => "stop",
        Command::StopAndReset => "stop and reset",
    }
}
