//! The pure engine as a harness: a world in memory, without any store.

use std::collections::{BTreeMap, BTreeSet};

use dacapo_engine::account::Account;
use dacapo_engine::campaign::format::{Document, FieldDefinition};
use dacapo_engine::campaign::reader;
use dacapo_engine::campaign::validate::{AccountView, Subjects, validate};
use dacapo_engine::contact::{Author, Consent, Patch};
use dacapo_engine::enrollment::Status;
use dacapo_engine::field::{FieldType, FieldValue, built_in};
use dacapo_engine::history::{Reader, Record};
use dacapo_engine::ids::{CampaignId, ContactId, FieldKey, Tag};
use dacapo_engine::problem::{Problem, Severity};
use dacapo_engine::simulation::{ObjectKey, Observed, World};
use dacapo_engine::statistics::{Counter, Outcome};
use dacapo_engine::time::{Instant, Zone};

use super::harness::{
    Counts, EnrollmentState, Harness, HistoryLine, Mail, NoEffect, Observation, Unsupported,
};
use super::script::{Change, Deed, Object, Publish, Script};

/// See the module. It plays every script.
#[derive(Default)]
pub struct EngineHarness {
    world: Option<World>,
    zone: Zone,
    /// How much of what was observed has been reported.
    told: usize,
}

impl Harness for EngineHarness {
    fn unsupported(&self, _: &Script) -> BTreeSet<Unsupported> {
        BTreeSet::new()
    }

    fn begin(&mut self, script: &Script, at: Instant) -> Result<(), String> {
        let account = Account { zone: script.zone, locale: "en".to_owned(), sent_until: None };
        let mut world = World::new(account, at);
        for (key, kind) in &script.fields {
            world.declare(key.clone(), *kind);
        }
        self.world = Some(world);
        self.zone = script.zone;
        Ok(())
    }

    fn apply(&mut self, deed: &Deed) -> Result<bool, String> {
        let world = self.running()?;
        match deed {
            Deed::ClockTo(at) => {
                world.advance_to(*at);
            }
            Deed::DownUntil(at) => world.jump_to(*at),
            Deed::Publish(publish) => publish_on(world, publish)?,
            Deed::Pause { campaign, until: None } => world.pause(campaign),
            Deed::Pause { campaign, until: Some(until) } => {
                world.pause_until(campaign, *until, "admin");
            }
            Deed::Resume { campaign, skip, enroll_existing } => {
                world.resume(campaign, *skip, "admin");
                if *enroll_existing {
                    world.enroll_existing(campaign);
                }
            }
            Deed::MailService(outcome) => world.mail_service = *outcome,
            Deed::Stop { campaign, reset_contacts, reset_statistics } => {
                world.mass_stop(campaign, *reset_contacts, *reset_statistics);
            }
            Deed::Release(contact, campaign) => {
                let by = Author::ApiKey("console".to_owned());
                let subject = subject_id(world, contact)?;
                world.release(&subject, campaign, by);
            }
            Deed::ByHand(command, contact, campaign) => {
                let by = Author::ApiKey("console".to_owned());
                let subject = subject_id(world, contact)?;
                world.by_hand(&subject, campaign, *command, by);
            }
            Deed::Change(contact, change) => return self.change(contact, change),
            Deed::Object(object, change) => return self.change_object(object, change),
            Deed::Erase(contact) => world.erase(&contact_id(contact)?),
        }
        Ok(true)
    }

    fn settle(&mut self) -> Result<(), String> {
        self.running()?.settle();
        Ok(())
    }

    fn observations(&mut self) -> Result<Vec<Observation>, String> {
        let told = self.told;
        let world = self.running()?;
        let mut came_out = Vec::new();
        for observed in &world.observed[told..] {
            match observed {
                Observed::Message(message) => came_out.push(Observation::Mail(Mail {
                    contact: addressee(world, &message.contact),
                    element: message.element.to_string(),
                    run: message.run,
                    at: message.at,
                    outcome: message.outcome,
                    reason: message.reason.clone().unwrap_or_default(),
                    subject: message.subject.clone(),
                })),
                Observed::History(contact, campaign, record) => {
                    let lines = lines(world, contact, campaign, record);
                    came_out.extend(lines.into_iter().map(Observation::History));
                }
                Observed::Nothing(contact, trace) => {
                    came_out.push(Observation::NoEffect(NoEffect {
                        contact: name_of(world, contact),
                        at: trace.at,
                        text: trace.words(),
                        cause: trace.because.words(),
                    }));
                }
                Observed::Called(contact, campaign, element) => {
                    let (contact, element) = (name_of(world, contact), element.to_string());
                    came_out.push(Observation::Called(contact, campaign.to_string(), element));
                }
                Observed::Ignored(contact, campaign, event, ignored) => {
                    let contact = name_of(world, contact);
                    let what = format!("for {contact} in {campaign}: {event:?}: {ignored:?}");
                    came_out.push(Observation::Ignored(what));
                }
            }
        }
        self.told = world.observed.len();
        Ok(came_out)
    }

    fn enrollment_states(&mut self, contact: &str) -> Result<Vec<EnrollmentState>, String> {
        let world = self.running()?;
        let contact = subject_id(world, contact)?;
        let enrollments = world.enrollments();
        let of = enrollments.filter(|((of, _), _)| *of == contact);
        Ok(of
            .map(|((_, campaign), enrollment)| EnrollmentState {
                campaign: campaign.to_string(),
                run: enrollment.run,
                status: enrollment.status.word().to_owned(),
                tokens: enrollment
                    .tokens
                    .iter()
                    .map(|token| (token.element.to_string(), token.due()))
                    .collect(),
                parked: enrollment.parked.as_ref().and(enrollment.eligible_at),
                parked_entries: enrollment
                    .parked_entries
                    .iter()
                    .map(|entry| entry.element.to_string())
                    .collect(),
            })
            .collect())
    }

    fn history(&mut self, contact: &str) -> Result<Vec<HistoryLine>, String> {
        let world = &*self.running()?;
        let contact = subject_id(world, contact)?;
        let mut all = Vec::new();
        for observed in &world.observed {
            if let Observed::History(of, campaign, record) = observed
                && *of == contact
            {
                all.extend(lines(world, of, campaign, record));
            }
        }
        Ok(all)
    }

    fn statistics(&mut self, campaign: &str) -> Result<Counts, String> {
        let campaign = CampaignId::new(campaign).map_err(|error| error.to_string())?;
        let tally = self.running()?.statistics(&campaign);
        let counters = [
            ("entered", Counter::Entered),
            ("completed", Counter::Completed),
            ("restarted", Counter::NextRuns),
            ("sent", Counter::Messages(Outcome::Sent)),
            ("suppressed", Counter::Messages(Outcome::Suppressed)),
            ("failed", Counter::Messages(Outcome::Failed)),
            ("unknown", Counter::Messages(Outcome::Unknown)),
        ];
        let mut counts: Counts = counters
            .iter()
            .map(|(word, counter)| ((*word).to_owned(), tally.get(counter)))
            .collect();
        for status in [Status::Active, Status::AwaitingRestart, Status::Stopped, Status::Held] {
            counts.push((status.word().to_owned(), tally.now(status)));
        }
        Ok(counts)
    }
}

impl EngineHarness {
    fn running(&mut self) -> Result<&mut World, String> {
        self.world.as_mut().ok_or_else(|| "nothing has begun".to_owned())
    }

    /// One change of an object. The contact is made if it is not there, as one call does.
    fn change_object(&mut self, object: &Object, change: &Change) -> Result<bool, String> {
        let person = contact_id(&object.contact)?;
        if self.running()?.contact(&person).is_none() {
            self.change(&object.contact, &Change::default())?;
        }
        let account_zone = self.zone;
        let world = self.running()?;
        let zone = world.contact(&person).and_then(|person| person.zone());
        let declared = world.object_types().get(&object.kind);
        let kind = |key: &FieldKey| Some(declared?.fields.get(key)?.kind);
        let patch = Patch {
            add: tags(&change.add)?,
            remove: tags(&change.remove)?,
            fields: fields(change, kind, zone.unwrap_or(account_zone))?,
            event: change.event.clone(),
            ..Patch::default()
        };
        let key = ObjectKey {
            person,
            kind: object.kind.clone(),
            key: object.key.clone(),
            replaces: object.replaces.clone(),
        };
        Ok(world.write_object(&key, &patch, Author::ApiKey("zapier".to_owned())))
    }

    fn change(&mut self, name: &str, change: &Change) -> Result<bool, String> {
        let id = contact_id(name)?;
        let account_zone = self.zone;
        let world = self.running()?;
        let mut patch = Patch { event: change.event.clone(), ..Patch::default() };
        if world.contact(&id).is_none() {
            for (key, value) in Change::of_somebody_new(name) {
                let key = FieldKey::new(key).map_err(|error| error.to_string())?;
                let value = FieldType::Text.read(&value.into(), account_zone);
                patch.fields.insert(key, value.map_err(|error| error.to_string())?);
            }
        }
        patch.add = tags(&change.add)?;
        patch.remove = tags(&change.remove)?;
        let zone = change.zone().or_else(|| world.contact(&id).and_then(|contact| contact.zone()));
        let kind =
            |key: &FieldKey| built_in(key.as_str()).or_else(|| world.fields().get(key).copied());
        patch.fields.extend(fields(change, kind, zone.unwrap_or(account_zone))?);
        patch.consent = change.consent;
        patch.resubscribe = change.consent == Some(Consent::Subscribed);
        patch.suppressed = change.suppressed.map(Some);
        Ok(world.write(&id, &patch, Author::ApiKey("zapier".to_owned())))
    }
}

/// The values of a change.
fn fields(
    change: &Change,
    kind: impl Fn(&FieldKey) -> Option<FieldType>,
    zone: Zone,
) -> Result<BTreeMap<FieldKey, Option<FieldValue>>, String> {
    let fields = change.fields.iter().map(|(key, written)| {
        let kind = kind(key).ok_or_else(|| format!("there is no field {key}"))?;
        let value = kind.read(&serde_json::json!(written), zone);
        Ok((key.clone(), value.map_err(|error| error.to_string())?))
    });
    fields.collect()
}

/// A contact or an object as scripts name it.
fn name_of(world: &World, subject: &ContactId) -> String {
    match world.contact(subject).and_then(|subject| subject.object.as_ref()) {
        Some(object) => format!("{}'s {} {}", subject.person(), object.kind, object.key),
        None => subject.to_string(),
    }
}

/// Whom a message goes to, and what it is about if that is an object.
fn addressee(world: &World, subject: &ContactId) -> String {
    match world.contact(subject).and_then(|subject| subject.object.as_ref()) {
        Some(object) => format!("{} about {} {}", subject.person(), object.kind, object.key),
        None => subject.to_string(),
    }
}

/// The contact or the object that a script names.
fn subject_id(world: &World, text: &str) -> Result<ContactId, String> {
    match Object::named(text)? {
        None => contact_id(text),
        Some(Object { kind, key, .. }) => {
            world.object(&kind, &key).cloned().ok_or_else(|| format!("there is no {kind} {key}"))
        }
    }
}

fn publish_on(world: &mut World, publish: &Publish) -> Result<(), String> {
    let document = read(&publish.document, world)?;
    world.publish(document, publish.migrate, publish.enroll_existing);
    Ok(())
}

/// The lines of a record as programs read them.
fn lines(
    world: &World,
    contact: &ContactId,
    campaign: &CampaignId,
    record: &Record,
) -> Vec<HistoryLine> {
    let Some(reader) =
        world.contact(&contact.person()).map(|contact| Reader::of(&world.account, contact))
    else {
        return Vec::new();
    };
    let lines = record.lines.iter().map(|line| HistoryLine {
        contact: name_of(world, contact),
        campaign: campaign.to_string(),
        run: line.run,
        element: line.element.as_ref().map(ToString::to_string),
        at: record.at,
        text: line.what.words(&reader, &record.because),
        cause: record.because.words(),
    });
    lines.collect()
}

fn tags(written: &[String]) -> Result<Vec<Tag>, String> {
    written.iter().map(|tag| Tag::new(tag).map_err(|error| error.to_string())).collect()
}

fn contact_id(text: &str) -> Result<ContactId, String> {
    ContactId::new(text).map_err(|error| format!("{text:?} is no contact: {error}"))
}

/// Reads and validates a campaign as publishing does. All other campaigns count as existing,
/// because scripts publish one after the other.
fn read(text: &str, world: &World) -> Result<Document, String> {
    let listed = |problems: &[Problem]| {
        problems
            .iter()
            .map(|problem| format!("{}: {} ({})", problem.path, problem.message, problem.code))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let source = reader::read(text).map_err(|problems| listed(&problems))?;
    let fields = world
        .fields()
        .iter()
        .map(|(key, kind)| (key.clone(), FieldDefinition { kind: *kind, label: None }))
        .collect();
    let account = AccountView {
        fields: &fields,
        objects: world.object_types(),
        subjects: &|id| world.campaign(id).map(|campaign| Subjects::of(campaign.per())),
        campaigns: &|_| true,
        sender: true,
    };
    let mut problems = validate(&source, &account);
    problems.retain(|problem| problem.severity == Severity::Error);
    if problems.is_empty() { Ok(source.document) } else { Err(listed(&problems)) }
}
