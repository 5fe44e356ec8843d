//! Makes the steps of a scenario happen, each told in words.

use dacapo_engine::contact::{Author, Patch};
use dacapo_engine::ids::{CampaignId, ContactId};
use dacapo_engine::problem::Problem;
use dacapo_engine::simulation::ObjectKey;
use dacapo_engine::statistics::Outcome;

use super::observing::{command_word, entry, zone_of};
use super::player::Player;
use super::reading;
use super::steps::{Planned, StepAction};
use super::words::words_of;
use crate::journey::{Entry, local};
use crate::scenario::{MailService, ObjectName, ResumeMode};
use crate::wrong::wrong;

/// The name of the API key by which everything of a scenario is done, as causes tell it.
const KEY: &str = "scenario";

impl Player<'_> {
    /// Makes a step happen.
    pub(super) fn does(
        &mut self,
        nth: usize,
        planned: &Planned<'_>,
        contact: Option<&ContactId>,
    ) -> Result<(), Problem> {
        self.events += 1;
        if self.events > self.bounds.events {
            return Err(self.too_much(&planned.path, self.bounds.events, "events are performed"));
        }
        let by = || Author::ApiKey(KEY.to_owned());
        let path = &planned.path;
        match (planned.deed, contact) {
            (StepAction::Post(post), Some(contact)) => {
                let zone = zone_of(&self.world, contact);
                let patch = reading::patch(&self.world, post, &format!("{path}.post"), zone)?;
                let words = words_of(&patch, Some(post));
                self.posts(contact, &patch, &words, Some(nth))?;
            }
            (StepAction::Event(name), Some(contact)) => {
                let patch = Patch { event: Some(name.to_owned()), ..Patch::default() };
                self.posts(contact, &patch, &format!("event {name}"), Some(nth))?;
            }
            (StepAction::Object(post), Some(contact)) => {
                let zone = zone_of(&self.world, contact);
                let patch =
                    reading::object_patch(&self.world, post, &format!("{path}.object"), zone)?;
                let key = ObjectKey {
                    person: contact.clone(),
                    kind: post.kind.clone(),
                    key: post.key.clone(),
                    replaces: post.replaces.clone(),
                };
                let at = self.world.now();
                let mut said = entry(&self.world, contact, at, "step");
                said.about = Some(ObjectName { kind: post.kind.clone(), key: post.key.clone() });
                said.step = Some(nth);
                said.text = words_of(&patch, None);
                if let Some(older) = &post.replaces {
                    said.text = format!("{}, replaces {older}", said.text);
                }
                if !self.world.write_object(&key, &patch, by()) {
                    said.text.push_str(" (nothing changed)");
                }
                self.journey.entries.push(said);
            }
            (StepAction::ByHand(command, campaign), Some(contact)) => {
                let subject = self.subject(planned, contact)?;
                let word = command_word(command);
                self.says(nth, &subject, campaign, format!("by hand: {word} {campaign}"));
                self.world.by_hand(&subject, campaign, command, by());
            }
            (StepAction::Release(campaign), Some(contact)) => {
                let subject = self.subject(planned, contact)?;
                self.says(nth, &subject, campaign, format!("by hand: release in {campaign}"));
                self.world.release(&subject, campaign, by());
            }
            (StepAction::Pause(campaign), _) => {
                self.says_all(nth, Some(campaign), format!("campaign {campaign} is paused"));
                self.world.pause(campaign);
            }
            (StepAction::Resume(campaign), _) => {
                self.says_all(nth, Some(campaign), format!("campaign {campaign} is resumed"));
                let skip = planned.step.mode == Some(ResumeMode::Skip);
                self.world.resume(campaign, skip, KEY);
            }
            (StepAction::MailService(answers), _) => {
                let (outcome, words) = match answers {
                    MailService::Accepts => (Outcome::Sent, "accepts mail"),
                    MailService::Refuses => (Outcome::Failed, "refuses mail"),
                    MailService::Silent => (Outcome::Unknown, "gives no answer"),
                };
                self.says_all(nth, None, format!("the mail service {words} from now on"));
                self.world.mail_service = outcome;
            }
            (
                StepAction::Post(_)
                | StepAction::Event(_)
                | StepAction::Object(_)
                | StepAction::ByHand(..)
                | StepAction::Release(_),
                None,
            ) => {
                return Err(wrong(
                    "missing_key",
                    path.clone(),
                    "it does not say to whom it happens",
                    "add `contact`",
                ));
            }
        }
        Ok(())
    }

    /// The contact, or the object that the step is about.
    fn subject(&self, planned: &Planned<'_>, contact: &ContactId) -> Result<ContactId, Problem> {
        let Some(about) = &planned.step.about else { return Ok(contact.clone()) };
        self.world.object(&about.kind, &about.key).cloned().ok_or_else(|| {
            let message = format!("there is no {} `{}` yet", about.kind, about.key);
            let remedy = "make it with `object` in a step before";
            wrong("unknown_name", format!("{}.about", planned.path), message, remedy)
        })
    }

    pub(super) fn posts(
        &mut self,
        contact: &ContactId,
        patch: &Patch,
        words: &str,
        step: Option<usize>,
    ) -> Result<(), Problem> {
        let changed = self.world.write(contact, patch, Author::ApiKey(KEY.to_owned()));
        let mut said = entry(&self.world, contact, self.world.now(), "step");
        said.step = step;
        said.text = words.to_owned();
        if !changed && step.is_some() {
            said.text.push_str(" (nothing changed)");
        }
        self.journey.entries.push(said);
        Ok(())
    }

    fn says(&mut self, nth: usize, subject: &ContactId, campaign: &CampaignId, text: String) {
        let mut said = entry(&self.world, subject, self.world.now(), "step");
        said.campaign = Some(campaign.clone());
        said.step = Some(nth);
        said.text = text;
        self.journey.entries.push(said);
    }

    fn says_all(&mut self, nth: usize, campaign: Option<&CampaignId>, text: String) {
        let at = self.world.now();
        self.journey.entries.push(Entry {
            at,
            local: local(at, self.world.account.zone),
            kind: "step",
            contact: None,
            about: None,
            campaign: campaign.cloned(),
            run: None,
            element: None,
            text,
            cause: None,
            due: None,
            message: None,
            step: Some(nth),
        });
    }
}
