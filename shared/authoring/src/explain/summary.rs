//! An explanation in a few plain sentences.

use dacapo_engine::condition::Judged;
use dacapo_engine::enrollment::{Guard, Status};

use super::words::sentence;
use super::{Explaining, Explanation};

impl Explaining<'_> {
    pub(super) fn summary(&self, told: &Explanation) -> String {
        let mut sentences = vec![self.stands(told)];
        sentences.extend(told.paused_since.map(|since| self.paused(since, told)));
        for place in &told.places {
            let since = self.moment(place.since);
            let why = place.why.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
            sentences.push(format!("at `{}` since {since}{why}: {}", place.element, place.text));
        }
        sentences.extend(told.starts.iter().map(|start| self.start(start)));
        if told.status == Some(Status::Completed) && told.starts.is_empty() {
            let text = "each start has fired in this run; a reset or a restart lets it in again";
            sentences.push(text.to_owned());
        }
        if told.version.is_none() {
            sentences
                .push("no version of the campaign was published, so nobody enters it".to_owned());
        }
        sentences.extend(told.parked.iter().map(|parked| {
            let what = match &parked.element {
                Some(element) => format!("for `{element}` something is parked"),
                None => "a trigger is parked".to_owned(),
            };
            let until = match parked.until {
                Some(until) => self.moment(until),
                None => "the campaign is resumed".to_owned(),
            };
            format!("{what} until {until}, {}", parked.because)
        }));
        sentences.extend(self.comes_next(told));
        sentences.extend(self.last_message(told));
        let nothing = told.last_changes.first();
        sentences.extend(nothing.and_then(|last| {
            let why_not = last.why_not.as_ref()?;
            Some(format!("the last change did nothing here ({}): {why_not}", last.text))
        }));
        let sentences: Vec<String> = sentences.iter().map(|text| sentence(text)).collect();
        sentences.join(" ")
    }

    /// Who it is about.
    fn who(&self) -> String {
        let contact = self.known.situation.contact;
        let person = self.known.situation.person.unwrap_or(contact);
        let name = person.address().unwrap_or(person.id.as_str());
        match &contact.object {
            Some(object) => format!("the {} `{}` of {name}", object.kind, object.key),
            None => format!("the contact {name}"),
        }
    }

    /// Where the enrollment stands, since when, why.
    fn stands(&self, told: &Explanation) -> String {
        let (who, campaign) = (self.who(), &self.known.situation.campaign.id);
        let Some(enrollment) = self.enrollment() else {
            return format!("{who} has never been in the campaign {campaign}");
        };
        let run = enrollment.run;
        let stands = match enrollment.status {
            Status::Active => format!("is in run {run} of the campaign {campaign}"),
            Status::Completed => format!("has completed run {run} of the campaign {campaign}"),
            Status::Ready => {
                format!("is ready for run {run} of the campaign {campaign}, and nothing is running")
            }
            Status::AwaitingRestart => {
                format!("waits for a trigger that restarts the campaign {campaign}, in run {run}")
            }
            Status::Stopped => format!("is stopped in the campaign {campaign}"),
            Status::Held => {
                let guard = enrollment.held.map_or("a guard stopped it", Guard::words);
                format!("is held in the campaign {campaign} ({guard})")
            }
        };
        let since = told.since.map(|since| format!(", since {}", self.moment(since)));
        let why = told.why.as_ref().map(|why| format!(", {why}"));
        format!("{who} {stands}{}{}", since.unwrap_or_default(), why.unwrap_or_default())
    }

    fn paused(&self, since: dacapo_engine::time::Instant, told: &Explanation) -> String {
        let until = match told.paused_until {
            Some(until) => format!("until {}", self.moment(until)),
            None => "until it is resumed".to_owned(),
        };
        format!(
            "the campaign is paused since {}, {until}: everything stands still",
            self.moment(since)
        )
    }

    /// What keeps a start from firing.
    fn start(&self, start: &super::StartJudged) -> String {
        let missing = start.condition.missing();
        let element = &start.element;
        if missing.is_empty() {
            return match self.status() {
                Some(Status::AwaitingRestart) => format!(
                    "the condition of `{element}` holds, so the restart needs only a trigger: any \
                     change of tags or fields"
                ),
                _ => format!(
                    "the condition of `{element}` holds, but it is looked at only when something \
                     that it reads changes: a tag that is assigned again is enough"
                ),
            };
        }
        let part = |part: &&Judged| match part.since {
            Some(since) => format!("{} (not so since {})", part.text, self.moment(since)),
            None => part.text.clone(),
        };
        let missing: Vec<String> = missing.iter().map(part).collect();
        format!("`{element}` has not started it: missing is {}", missing.join(", and "))
    }

    /// What a clock decides first.
    fn comes_next(&self, told: &Explanation) -> Option<String> {
        let next = told.next.first()?;
        let at = next.at?;
        let element = next.element.as_ref().map_or_else(String::new, |id| format!("at `{id}` "));
        Some(format!("next, {}: {element}{}", self.moment(at), next.text))
    }

    fn last_message(&self, told: &Explanation) -> Option<String> {
        let last = told.last_messages.first()?;
        let reason = last.reason.as_deref().unwrap_or("no reason is known");
        let at = self.moment(last.at);
        let what = match last.status {
            "suppressed" => format!("was not sent ({at}): {reason}"),
            "failed" => format!("failed ({at}): {reason}"),
            "unknown" => format!("may have been sent, which is not known ({at}): {reason}"),
            "released" => format!("could not be sent yet, and is tried again ({at}): {reason}"),
            _ => return None,
        };
        Some(format!("the last message, at `{}`, {what}", last.element))
    }
}
