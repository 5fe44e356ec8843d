//! What a step says: when, to whom, and what. All of it is checked before anything is played.

use dacapo_engine::campaign::format::Document;
use dacapo_engine::history::Command;
use dacapo_engine::ids::{CampaignId, ContactId};
use dacapo_engine::problem::Problem;

use super::people::Person;
use crate::listed::listed;
use crate::scenario::{MailService, ObjectPost, Post, Scenario, ScenarioStep};
use crate::wrong::{unknown, wrong};

/// What a step does.
#[derive(Debug, Clone, Copy)]
pub(super) enum StepAction<'a> {
    Post(&'a Post),
    Event(&'a str),
    Object(&'a ObjectPost),
    ByHand(Command, &'a CampaignId),
    Release(&'a CampaignId),
    Pause(&'a CampaignId),
    Resume(&'a CampaignId),
    MailService(MailService),
}

impl StepAction<'_> {
    /// Whether it happens to somebody.
    fn needs_contact(&self) -> bool {
        match self {
            Self::Post(_)
            | Self::Event(_)
            | Self::Object(_)
            | Self::ByHand(..)
            | Self::Release(_) => true,
            Self::Pause(_) | Self::Resume(_) | Self::MailService(_) => false,
        }
    }
}

/// A step that makes sense.
#[derive(Debug, Clone)]
pub(super) struct Planned<'a> {
    pub(super) step: &'a ScenarioStep,
    pub(super) deed: StepAction<'a>,
    pub(super) contact: Option<ContactId>,
    pub(super) path: String,
}

/// All steps; otherwise all that is wrong with them.
pub(super) fn planned<'a>(
    scenario: &'a Scenario,
    people: &[Person<'_>],
    documents: &[&Document],
) -> Result<Vec<Planned<'a>>, Vec<Problem>> {
    let mut planned = Vec::new();
    let mut problems = Vec::new();
    for (nth, step) in scenario.then.iter().enumerate() {
        match plan(step, format!("then[{nth}]"), people, documents) {
            Ok(step) => planned.push(step),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(planned) } else { Err(problems) }
}

fn plan<'a>(
    step: &'a ScenarioStep,
    path: String,
    people: &[Person<'_>],
    documents: &[&Document],
) -> Result<Planned<'a>, Problem> {
    let deed = deed(step, &path)?;
    when(step, &path)?;
    let contact = match &step.contact {
        Some(name) => match people.iter().find(|person| person.id.as_str() == name) {
            Some(person) => Some(person.id.clone()),
            None => {
                let known = people.iter().map(|person| person.id.as_str());
                return Err(unknown(format!("{path}.contact"), "contact", name, known));
            }
        },
        None => match people {
            [only] => Some(only.id.clone()),
            _ if step.when_sent.is_some() || !deed.needs_contact() => None,
            several => {
                let names = listed(several.iter().map(|person| &person.id));
                let remedy = format!("add `contact`, one of {names}");
                return Err(wrong(
                    "missing_key",
                    path,
                    "it does not say to whom it happens",
                    remedy,
                ));
            }
        },
    };
    if let Some(element) = &step.when_sent {
        let elements = documents.iter().flat_map(|document| &document.elements);
        let senders = elements.filter(|(_, it)| it.message().is_some());
        let mut known = senders.map(|(id, _)| id.as_str());
        if !known.clone().any(|id| id == element.as_str()) {
            let path = format!("{path}.when_sent");
            let all: Vec<&str> = known.by_ref().collect();
            return Err(unknown(path, "element that sends a message,", element.as_str(), all));
        }
    }
    let named = [
        ("start", &step.start),
        ("reset", &step.reset),
        ("stop", &step.stop),
        ("release", &step.release),
        ("pause", &step.pause),
        ("resume", &step.resume),
    ];
    for (key, campaign) in named {
        if let Some(campaign) = campaign
            && documents.iter().all(|document| document.id != *campaign)
        {
            let known = documents.iter().map(|document| document.id.as_str());
            return Err(unknown(format!("{path}.{key}"), "campaign", campaign.as_str(), known));
        }
    }
    Ok(Planned { step, deed, contact, path })
}

/// The one thing that a step does.
fn deed<'a>(step: &'a ScenarioStep, path: &str) -> Result<StepAction<'a>, Problem> {
    let all: [(&str, Option<StepAction<'a>>); 10] = [
        ("post", step.post.as_ref().map(StepAction::Post)),
        ("event", step.event.as_deref().map(StepAction::Event)),
        ("object", step.object.as_ref().map(StepAction::Object)),
        ("start", step.start.as_ref().map(|id| StepAction::ByHand(Command::Start, id))),
        ("reset", step.reset.as_ref().map(|id| StepAction::ByHand(Command::Reset, id))),
        ("stop", step.stop.as_ref().map(|id| StepAction::ByHand(Command::Stop, id))),
        ("release", step.release.as_ref().map(StepAction::Release)),
        ("pause", step.pause.as_ref().map(StepAction::Pause)),
        ("resume", step.resume.as_ref().map(StepAction::Resume)),
        ("mail_service", step.mail_service.map(StepAction::MailService)),
    ];
    let said: Vec<_> = all.iter().filter_map(|(key, deed)| deed.map(|deed| (*key, deed))).collect();
    match said.as_slice() {
        [(_, deed)] => Ok(*deed),
        [] => Err(wrong(
            "missing_key",
            path,
            "nothing happens in this step",
            format!("add one of {}", listed(all.iter().map(|(key, _)| key))),
        )),
        several => Err(wrong(
            "contradiction",
            path,
            format!(
                "one step does one thing, and this one {}",
                listed(several.iter().map(|(key, _)| key))
            ),
            "make a step of each; a step with `after: 0 minutes` happens at the same instant",
        )),
    }
}

fn when(step: &ScenarioStep, path: &str) -> Result<(), Problem> {
    let said: Vec<&str> =
        [("at", step.at.is_some()), ("after", step.after.is_some()), ("on", step.on.is_some())]
            .iter()
            .filter_map(|(key, is_there)| is_there.then_some(*key))
            .collect();
    if let [_, second, ..] = said.as_slice() {
        let message = format!("it says when it happens in more than one way: {}", listed(&said));
        return Err(wrong(
            "contradiction",
            format!("{path}.{second}"),
            message,
            "keep one of them",
        ));
    }
    if let Some(after) = step.after
        && after.is_negative()
    {
        let message = format!("`{after}` is before the step before it");
        let remedy = "write the steps in the order in which they happen";
        return Err(wrong("invalid_value", format!("{path}.after"), message, remedy));
    }
    if step.when_sent.is_some() && step.at.is_some() {
        let message = "it happens when a message is sent, not at an instant";
        let remedy = "write `after` or `on`, or nothing for at once";
        return Err(wrong("contradiction", format!("{path}.at"), message, remedy));
    }
    if step.when_sent.is_none() && step.times.is_some() {
        let message = "`times` says how often somebody reacts to a message";
        return Err(wrong(
            "contradiction",
            format!("{path}.times"),
            message,
            "add `when_sent`, or remove it",
        ));
    }
    if step.mode.is_some() && step.resume.is_none() {
        let message = "`mode` says what a resume does with what is overdue";
        return Err(wrong(
            "contradiction",
            format!("{path}.mode"),
            message,
            "add `resume`, or remove it",
        ));
    }
    let by_hand = [&step.start, &step.reset, &step.stop, &step.release];
    if step.about.is_some() && by_hand.iter().all(|it| it.is_none()) {
        let message = "`about` says which object is started, reset, stopped or released";
        let remedy = "write what is posted about an object as `object`";
        return Err(wrong("contradiction", format!("{path}.about"), message, remedy));
    }
    Ok(())
}
