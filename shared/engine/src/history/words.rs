//! History in words: English sentences that a marketer reads, made when a line is read. The kinds
//! are stable words that other programs read; the sentences may change, since only facts are
//! stored.

use super::{Cause, Changed, Command, Happened, Reader};
use crate::contact::{Author, MOST_TAGS};
use crate::tally::Outcome;
use crate::time::Instant;

impl Cause {
    /// The cause in words, beginning with "because".
    pub fn words(&self) -> String {
        match self {
            Self::Change { rev, what, by } => {
                format!("because {} by {}", all_changed(*rev, what), author(by))
            }
            Self::Timer => "because the timer came due".to_owned(),
            Self::Recheck(parked) => format!("rechecked, {}", parked.words()),
            Self::Message => "because the message was settled".to_owned(),
            Self::MessageDue => "because the message was due".to_owned(),
            Self::Call => "because the webhook was due".to_owned(),
            Self::Campaign(campaign) => format!("because campaign {campaign} asked for it"),
            Self::StatusIn(campaign) => {
                format!("because the status in campaign {campaign} changed")
            }
            Self::Published(version) => format!("because version {version} was published"),
            Self::Resumed => "because the campaign was resumed".to_owned(),
            Self::ResumedBy { by, parked } => {
                let by = by.as_ref().map(|key| format!(" by API key {key}")).unwrap_or_default();
                let parked = parked.as_ref().map(|parked| format!(", parked {}", parked.words()));
                format!("because the campaign was resumed{by}{}", parked.unwrap_or_default())
            }
            Self::Job(job) => format!("because of mass action {job}"),
            Self::Released(by) => format!("because {} released it", author(by)),
            Self::ByHand(by) => format!("because {} asked for it by hand", author(by)),
            Self::Posted(by) => format!("because {} posted them", author(by)),
            Self::Defect => "because of a defect".to_owned(),
        }
    }

    /// What changed, in words; empty if it is no change.
    pub(super) fn what(&self) -> String {
        match self {
            Self::Change { rev, what, .. } => all_changed(*rev, what),
            Self::Timer
            | Self::Recheck(_)
            | Self::Message
            | Self::MessageDue
            | Self::Call
            | Self::Campaign(_)
            | Self::StatusIn(_)
            | Self::Published(_)
            | Self::Resumed
            | Self::ResumedBy { .. }
            | Self::Job(_)
            | Self::Released(_)
            | Self::ByHand(_)
            | Self::Posted(_)
            | Self::Defect => String::new(),
        }
    }
}

fn author(by: &Author) -> String {
    match by {
        Author::ApiKey(name) => format!("API key {name}"),
        Author::Connection(id) => format!("the connection {id}"),
        Author::Element(campaign, element) => format!("campaign {campaign} at {element}"),
        Author::Contact => "the contact".to_owned(),
        Author::MailService => "the mail service".to_owned(),
    }
}

/// What a change changed. One without tags, fields and events made its subject, or gave an object
/// another key.
fn all_changed(rev: u64, what: &[Changed]) -> String {
    match (what, rev) {
        ([], 1) => "it was made".to_owned(),
        ([], _) => "it was written without tags and fields".to_owned(),
        (what, _) => list(what, Changed::happened),
    }
}

fn list<T>(many: &[T], words: impl Fn(&T) -> String) -> String {
    many.iter().map(words).collect::<Vec<_>>().join(", ")
}

impl Changed {
    fn happened(&self) -> String {
        match self {
            Self::TagAdded(tag) => format!("tag {tag} was added"),
            Self::TagRefreshed(tag) => format!("tag {tag} was assigned again"),
            Self::TagRemoved(tag) => format!("tag {tag} was removed"),
            Self::FieldSet(field) => format!("field {field} was set"),
            Self::FieldChanged(field) => format!("field {field} was changed"),
            Self::FieldCleared(field) => format!("field {field} was cleared"),
            Self::Event(name) => format!("event {name} was posted"),
            Self::Consent => "consent was changed".to_owned(),
            Self::Resubscribed => "the unsubscription was taken back".to_owned(),
            Self::FieldAsBefore(field) => format!("field {field} was sent as it already was"),
            Self::TagNotThere(tag) => format!("tag {tag} was to be removed, which was not there"),
            Self::OfContact(changed) => format!("the contact's {}", changed.happened()),
            Self::More(more) => format!("{more} more"),
        }
    }

    fn words_as_request(&self) -> String {
        match self {
            Self::TagAdded(tag) | Self::TagRefreshed(tag) => format!("added tag {tag}"),
            Self::TagRemoved(tag) => format!("removed tag {tag}"),
            Self::FieldSet(field) => format!("set field {field}"),
            Self::FieldChanged(field) => format!("changed field {field}"),
            Self::FieldCleared(field) => format!("cleared field {field}"),
            Self::Event(name) => format!("posted event {name}"),
            Self::Consent => "changed consent".to_owned(),
            Self::Resubscribed => "took the unsubscription back".to_owned(),
            Self::FieldAsBefore(field) => format!("left field {field} as it was"),
            Self::TagNotThere(tag) => format!("tag {tag} was not there"),
            Self::OfContact(changed) => format!("{} of the contact", changed.words_as_request()),
            Self::More(more) => format!("{more} more"),
        }
    }
}

impl Happened {
    /// The stable word for the kind, as programs outside read it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Entered => "entered",
            Self::EventFired => "event",
            Self::UsedUp => "used_up",
            Self::GoalReached => "goal",
            Self::Rests => "rests",
            Self::TokenEnded => "ended",
            Self::Waits { .. } => "wait",
            Self::DatePlanned { moved: false, .. } => "timer",
            Self::DatePlanned { moved: true, .. } => "timer_moved",
            Self::NoDate => "timer_without_date",
            Self::Missed => "timer_missed",
            Self::OutsideWindow => "timer_outside_window",
            Self::TimerFired => "timer_fired",
            Self::MessageQueued => "message",
            Self::MessageWaits { .. } => "message_waits",
            Self::MessageSettled { outcome, .. } => match outcome {
                Outcome::Sent => "message_sent",
                Outcome::Suppressed => "message_suppressed",
                Outcome::Failed => "message_failed",
                Outcome::Unknown => "message_unknown",
            },
            Self::MessageDropped => "message_dropped",
            Self::Branched { .. } => "branch",
            Self::Wrote { .. } => "wrote",
            Self::FieldRefused { .. } => "field_refused",
            Self::TooDeep => "too_deep",
            Self::TagsFull => "tags_full",
            Self::Reset => "reset",
            Self::ElementGone => "element_gone",
            Self::Restarted { .. } => "restart",
            Self::Parked { .. } | Self::ParkedUntilResumed { .. } => "parked",
            Self::ParkedDiscarded => "parked_forgotten",
            Self::NotFired { .. } => "not_fired",
            Self::Rechecked => "recheck",
            Self::NotStarted { .. } => "not_started",
            Self::Stopped => "stopped",
            Self::Held { .. } => "held",
            Self::Released => "released",
            Self::Completed => "completed",
            Self::Commanded { .. } => "commanded",
            Self::StartIgnored { .. } => "start_ignored",
            Self::Called => "webhook",
            Self::CallFailed { .. } => "webhook_failed",
            Self::Migrated { .. } => "migrated",
            Self::Resumed => "resumed",
            Self::LeftOut { .. } => "left_out",
            Self::StatisticsReset => "statistics_reset",
        }
    }

    /// The line in words, for this reader.
    pub fn words(&self, reader: &Reader, because: &Cause) -> String {
        let at = |instant: &Instant| reader.moment(*instant);
        match self {
            Self::Entered => "entered the campaign".to_owned(),
            Self::EventFired => "the event happened".to_owned(),
            Self::UsedUp => "used up: what it leads to has happened".to_owned(),
            Self::GoalReached => "the goal was reached".to_owned(),
            Self::Rests => "waits here".to_owned(),
            Self::TokenEnded => "the path ends here".to_owned(),
            Self::Waits { until } => format!("waits until {}", at(until)),
            Self::DatePlanned { due, moved: false } => format!("timer set for {}", at(due)),
            Self::DatePlanned { due, moved: true } => format!("timer moved to {}", at(due)),
            Self::NoDate => "no date, waits for one".to_owned(),
            Self::Missed => "the moment has passed".to_owned(),
            Self::OutsideWindow => "skipped: the moment lies outside of the window".to_owned(),
            Self::TimerFired => "its time has come".to_owned(),
            Self::MessageQueued => "message on its way".to_owned(),
            Self::MessageWaits { until } => {
                format!("message waits for the send window, {}", at(until))
            }
            Self::MessageSettled { outcome, reason } => match reason {
                Some(reason) => format!("message {}: {reason}", outcome.word()),
                None => format!("message {}", outcome.word()),
            },
            Self::MessageDropped => "message dropped before it left".to_owned(),
            Self::Branched { way } => format!("took the way {way}"),
            Self::Wrote { what, of_contact: false } => list(what, Changed::words_as_request),
            Self::Wrote { what, of_contact: true } => {
                list(what, |changed| format!("{} of the contact", changed.words_as_request()))
            }
            Self::FieldRefused { field, reason } => format!("field {field} was not set: {reason}"),
            Self::TooDeep => {
                "not written: campaigns have answered each other's writes too often".to_owned()
            }
            Self::TagsFull => {
                format!("not written: a contact has at most {MOST_TAGS} tags; withdraw some")
            }
            Self::Reset => "campaign reset".to_owned(),
            Self::ElementGone => "the path ends: the newest version has no such element".to_owned(),
            Self::Restarted { eligible_at } => {
                format!("campaign restarted, a trigger from {} on starts it", at(eligible_at))
            }
            Self::Parked { until } => {
                format!("waiting for restart, parked until {}, {}", at(until), because.words())
            }
            Self::ParkedUntilResumed { not_before: None } => {
                format!("parked until the campaign is resumed, {}", because.words())
            }
            Self::ParkedUntilResumed { not_before: Some(until) } => format!(
                "waiting for restart, parked until the campaign is resumed, not before {}, {}",
                at(until),
                because.words()
            ),
            Self::ParkedDiscarded => {
                "no longer parked: what came meanwhile is forgotten".to_owned()
            }
            Self::NotFired { reason } => format!("not fired: {reason}"),
            Self::Rechecked => "start conditions rechecked".to_owned(),
            Self::NotStarted { missing } => format!("not started, missing: {}", missing.join(", ")),
            Self::Stopped => "campaign stopped".to_owned(),
            Self::Held { guard } => format!("held: {}", guard.words()),
            Self::Released => "released".to_owned(),
            Self::Completed => "campaign completed".to_owned(),
            Self::Commanded { campaign, command } => match command {
                Command::Start => format!("asked campaign {campaign} to start"),
                Command::Reset => format!("reset campaign {campaign}"),
                Command::Stop => format!("stopped campaign {campaign}"),
                Command::StopAndReset => format!("stopped and reset campaign {campaign}"),
            },
            Self::StartIgnored { reason } => format!("not started: {reason}"),
            Self::Called => "webhook call on its way".to_owned(),
            Self::CallFailed { reason } => format!("webhook failed: {reason}"),
            Self::Migrated { version } => format!("moved to version {version}"),
            Self::Resumed => "goes on after the pause".to_owned(),
            Self::LeftOut { what } => {
                let each = list(what, |(path, why)| format!("{path} ({why})"));
                format!("left out, because it could not be read: {each}")
            }
            Self::StatisticsReset => "statistics reset".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::history::{Trace, WhyNot};
    use crate::ids::{ConnectionId, ObjectType};

    /// R60: a line has no empty part, and names the connection by which something came.
    #[test]
    fn r60_a_write_that_changed_no_tag_and_no_field_has_words() {
        let by = Author::Connection(ConnectionId::new("calendly").unwrap());
        for (rev, what) in [(1, "it was made"), (2, "it was written without tags and fields")] {
            let because = Cause::Change { rev, what: Vec::new(), by: by.clone() };
            assert_eq!(because.words(), format!("because {what} by the connection calendly"));
            let at = Instant::UNIX_EPOCH;
            let trace = Trace { at, because, unchanged: false, no_effect: Vec::new() };
            let words = format!("{what}; nothing followed, no campaign reacts to it");
            assert_eq!(trace.words(), words);
        }
    }

    #[test]
    fn r60_what_has_to_be_active_is_called_what_it_is() {
        let of = Some(ObjectType::new("appointment").unwrap());
        let over = WhyNot::RequiresActive { of, status: Some("completed".to_owned()) };
        assert_eq!(over.words(Some(1)), "requires an active appointment (this one is completed)");
        let stored: WhyNot = serde_json::from_str(r#"{"k":"a"}"#).unwrap();
        assert_eq!(stored.words(None), "requires an active contact", "as it was stored before");
    }

    /// The kinds are promised to programs (R60): the page of the API lists each, and no other.
    #[test]
    fn r60_every_kind_of_line_is_on_the_page_of_the_api() {
        let within = |text: &'static str, from: &str, to: &str| {
            let behind = text.split_once(from).expect("the beginning").1;
            behind.split_once(to).expect("the end").0
        };
        // The words between `mark`s, every other one.
        let marked = |text: &'static str, mark: char| -> BTreeSet<&'static str> {
            text.split(mark).skip(1).step_by(2).collect()
        };
        let here = within(include_str!("words.rs"), "pub fn kind(", "/// The line in words");
        let traces = within(include_str!("trace.rs"), "pub fn kind(", "/// The only campaign");
        let page = include_str!("../../../../docs/http-api.md");
        let table =
            within(page, "The `kind` of a line of history is stable", "\n\nThe calls by hand");
        let told: BTreeSet<_> = table
            .lines()
            .filter(|line| line.starts_with("| ") && line.contains('`'))
            .flat_map(|line| marked(line.rsplit('|').nth(1).unwrap_or_default(), '`'))
            .collect();
        let mut made = marked(here, '"');
        made.extend(marked(traces, '"'));
        assert_eq!(
            told, made,
            "the table in docs/http-api.md (left) has other kinds than the code"
        );
    }
}
