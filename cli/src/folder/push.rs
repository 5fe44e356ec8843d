//! `dacapo push`: what was changed in a folder becomes the drafts of an account.
//!
//! Each draft is sent on condition that the account still has the one that was last seen here. A
//! refusal keeps none of the others from being sent.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::hash::{BuildHasher as _, Hasher as _};
use std::process::ExitCode;

use dacapo_authoring::campaigns::together;
use dacapo_engine::campaign::reader::read;
use dacapo_engine::ids::CampaignId;
use dacapo_platform::campaigns::LONGEST_DRAFT;
use serde_json::{Value, json};

use super::account::{Account, Draft, Got, Listed, OnlyIf, WriteAnswer, finding};
use super::documents::{Document, Folder, Unreadable};
use super::memory::{Memory, Seen};
use super::told::{CampaignOutcome, Summary};
use super::{difference, in_words};
use crate::remote::{RemoteError, Scope};
use crate::settings::Push;

/// What is told in the end, in this order.
const WORDS: [&str; 6] = ["created", "saved", "published", "refused", "failed", "same"];

/// The same when nothing is done.
const WOULD_BE: [&str; 6] =
    ["would be created", "would be saved", "would be published", "refused", "failed", "same"];

/// Sends what was changed.
pub(crate) fn run(command: &Push) -> Result<ExitCode, Box<dyn Error>> {
    let account = Account::of(&command.server, Scope::Write)?;
    let folder = Folder::read(&command.folder)?;
    let memory = Memory::read(&command.folder, &account.name)?;
    let words = if command.dry_run { &WOULD_BE } else { &WORDS };
    let told = Summary::new(command.format, words);
    let listed = account.list()?;
    let mut pushing = Pushing { command, account, folder, memory, told, listed };
    pushing.all()?;
    Ok(if pushing.told.end()? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Pushing<'a> {
    command: &'a Push,
    account: Account,
    folder: Folder,
    memory: Memory,
    told: Summary,
    listed: BTreeMap<CampaignId, Listed>,
}

/// What becomes of a campaign.
enum Became {
    Created(Vec<String>),
    Saved(Vec<String>),
    /// The account has this text already.
    Same,
    Refused(String),
}

impl Pushing<'_> {
    fn all(&mut self) -> Result<(), Box<dyn Error>> {
        for Unreadable { path, why, .. } in &self.folder.unreadable {
            let (file, why) = (Some(self.folder.name(path)), why.clone());
            let outcome = CampaignOutcome {
                word: "refused",
                file,
                why,
                is_refusal: true,
                ..CampaignOutcome::default()
            };
            self.told.tell(outcome, false)?;
        }
        for (id, paths) in &self.folder.several {
            let (id, why) = (Some(id.to_string()), self.folder.in_several(paths));
            let outcome = CampaignOutcome {
                word: "refused",
                id,
                why,
                is_refusal: true,
                ..CampaignOutcome::default()
            };
            self.told.tell(outcome, false)?;
        }
        let campaigns = self.folder.campaigns.clone();
        let is_changed = |(id, document): &(&CampaignId, &Document)| {
            let seen = self.memory.get(id).filter(|seen| seen.etag.is_some());
            !seen.is_some_and(|seen| seen.is(&document.text))
        };
        let changed = campaigns.iter().filter(is_changed);
        let changed: BTreeSet<CampaignId> = changed.map(|(id, _)| id.clone()).collect();
        let mut wrong =
            if changed.is_empty() { BTreeMap::new() } else { self.wrong(&campaigns, &changed)? };
        let mut left = BTreeSet::new();
        // All drafts first: campaigns that are published refer to others.
        for (id, document) in &campaigns {
            let became = match wrong.remove(id) {
                Some(why) => Ok(Became::Refused(why)),
                None if !changed.contains(id) => Ok(Became::Same),
                None if self.command.dry_run => self.would_be(id, document),
                None => self.send(id, document),
            };
            let became = match became {
                Err(RemoteError::Other(why)) => return Err(why.into()),
                other => other,
            };
            if !matches!(became, Ok(Became::Created(_) | Became::Saved(_) | Became::Same)) {
                left.insert(id.clone());
            }
            self.tell(id, document, became)?;
        }
        if self.command.publish {
            for (id, document) in campaigns.iter().filter(|(id, _)| !left.contains(*id)) {
                self.publish(id, document, changed.contains(id))?;
            }
        }
        Ok(())
    }

    /// What is wrong with those that were changed, in lines: the folder is validated as a whole,
    /// with the fields and types of objects that the account has.
    fn wrong(
        &self,
        campaigns: &BTreeMap<CampaignId, Document>,
        changed: &BTreeSet<CampaignId>,
    ) -> Result<BTreeMap<CampaignId, String>, RemoteError> {
        let mut wrong: BTreeMap<CampaignId, String> = BTreeMap::new();
        let mut add = |id: &CampaignId, problems: Vec<dacapo_engine::problem::Problem>| {
            let lines = problems.iter().map(|problem| finding(&json!(problem)));
            wrong.insert(id.clone(), lines.collect::<Vec<_>>().join("\n"));
        };
        let mut readable = Vec::new();
        for (id, document) in campaigns {
            match read(&document.text) {
                Ok(_) => readable.push((id.to_string(), document.text.clone())),
                Err(problems) => add(id, problems),
            }
        }
        let surroundings = self.account.surroundings()?;
        for (name, problems) in together(&readable, &surroundings).err().unwrap_or_default() {
            if let Some((id, _)) = campaigns.get_key_value(name.as_str()) {
                add(id, problems);
            }
        }
        for (id, document) in campaigns.iter().filter(|(_, it)| it.text.len() > LONGEST_DRAFT) {
            let bytes = document.text.len();
            let why = format!("it has {bytes} bytes; a campaign has at most {LONGEST_DRAFT}");
            wrong.insert(id.clone(), why);
        }
        wrong.retain(|id, _| changed.contains(id));
        Ok(wrong)
    }

    /// Saves a draft, if the account has the one that was seen.
    fn send(&mut self, id: &CampaignId, document: &Document) -> Result<Became, RemoteError> {
        let seen = self.memory.get(id).cloned();
        let etag = seen.as_ref().and_then(|seen| seen.etag.as_deref());
        let only_if = etag.map_or(OnlyIf::None, OnlyIf::Seen);
        match self.account.put(id, &document.text, only_if)? {
            WriteAnswer::Yes(etag, answer) => self.saved(id, document, etag, &answer),
            WriteAnswer::Wrong(why) => Ok(Became::Refused(why)),
            WriteAnswer::Changed(who) => self.changed(id, document, seen.as_ref(), who),
        }
    }

    /// The account has another draft than the one that was seen.
    fn changed(
        &mut self,
        id: &CampaignId,
        document: &Document,
        seen: Option<&Seen>,
        who: Option<String>,
    ) -> Result<Became, RemoteError> {
        let (Some(who), Got::Draft(there)) = (who, self.account.draft(id, None)?) else {
            return Ok(Became::Refused(self.deleted()));
        };
        if there.text == document.text {
            // It was saved by a call whose answer was lost; what is published already stays.
            let seen = Seen { to_publish: true, ..Seen::draft(&there.etag, &there.text) };
            self.remember(id, seen)?;
            return Ok(Became::Same);
        }
        // The text that was seen was only saved once more.
        if is_seen(seen, &there) {
            match self.account.put(id, &document.text, OnlyIf::Seen(&there.etag))? {
                WriteAnswer::Yes(etag, answer) => return self.saved(id, document, etag, &answer),
                WriteAnswer::Wrong(why) => return Ok(Became::Refused(why)),
                WriteAnswer::Changed(_) => {}
            }
        }
        Ok(Became::Refused(self.not_seen(&who, &there.text, document)))
    }

    /// What `send` would do.
    fn would_be(&self, id: &CampaignId, document: &Document) -> Result<Became, RemoteError> {
        let seen = self.memory.get(id);
        let was_there = seen.is_some_and(|seen| seen.etag.is_some());
        Ok(match self.account.draft(id, None)? {
            Got::Same | Got::None if was_there => Became::Refused(self.deleted()),
            Got::Same | Got::None => Became::Created(Vec::new()),
            Got::Draft(there) if there.text == document.text => Became::Same,
            Got::Draft(there) if is_seen(seen, &there) => Became::Saved(Vec::new()),
            Got::Draft(there) => {
                let who = "it is another one there";
                Became::Refused(self.not_seen(who, &there.text, document))
            }
        })
    }

    /// A draft was saved: it is remembered, and what keeps it from being published is told.
    fn saved(
        &mut self,
        id: &CampaignId,
        document: &Document,
        etag: Option<String>,
        answer: &Value,
    ) -> Result<Became, RemoteError> {
        let etag = match etag {
            Some(etag) => etag,
            None => match self.account.draft(id, None)? {
                Got::Draft(there) if there.text == document.text => there.etag,
                _ => return Ok(Became::Refused(self.deleted())),
            },
        };
        let seen = Seen { to_publish: true, ..Seen::draft(&etag, &document.text) };
        self.remember(id, seen)?;
        let problems = answer["problems"].as_array().into_iter().flatten();
        let errors = problems.filter(|problem| problem["severity"] == "error").map(finding);
        let errors = errors.collect();
        let was_there = self.listed.contains_key(id);
        Ok(if was_there { Became::Saved(errors) } else { Became::Created(errors) })
    }

    /// Publishes what was pushed from here, exactly as it was pushed.
    fn publish(
        &mut self,
        id: &CampaignId,
        document: &Document,
        is_sent: bool,
    ) -> Result<(), Box<dyn Error>> {
        let file = Some(self.folder.name(&document.path));
        let mut outcome =
            CampaignOutcome { id: Some(id.to_string()), file, ..CampaignOutcome::default() };
        let seen = self.memory.get(id).filter(|seen| seen.is(&document.text)).cloned();
        let to_publish = seen.filter(|seen| seen.to_publish);
        let etag = to_publish.and_then(|seen| seen.etag);
        if self.command.dry_run {
            if is_sent || etag.is_some() {
                outcome.word = WOULD_BE[2];
                self.told.tell(outcome, false)?;
            }
            return Ok(());
        }
        let Some(etag) = etag else { return Ok(()) };
        if !is_sent && self.listed.get(id).is_some_and(|listed| !listed.has_changes) {
            return Ok(self.memory.is_published(id)?);
        }
        let once = RandomState::new().build_hasher().finish();
        let once = format!("dacapo-push-{once:016x}");
        (outcome.word, outcome.is_refusal) = ("refused", true);
        match self.account.publish(id, &etag, self.command.in_flight, &once) {
            Ok(WriteAnswer::Yes(_, answer)) => {
                self.memory.is_published(id)?;
                let version = answer["version"].as_u64().unwrap_or_default();
                (outcome.word, outcome.is_refusal) = ("published", false);
                let found = answer["problems"].as_array().into_iter().flatten().map(finding);
                let found: String = found.map(|found| format!("\n{found}")).collect();
                outcome.why = format!("version {version}{found}");
                outcome.more.insert("version".to_owned(), json!(version));
            }
            Ok(WriteAnswer::Changed(who)) => {
                let who = who.unwrap_or_else(|| "it was deleted".to_owned());
                outcome.why =
                    format!("it is not published: {who} after it was pushed; {}", self.remedy());
            }
            Ok(WriteAnswer::Wrong(why)) => outcome.why = format!("it cannot be published:\n{why}"),
            Err(RemoteError::Other(why)) => return Err(why.into()),
            Err(failure) => {
                outcome.word = "failed";
                outcome.why = failure.to_string();
            }
        }
        self.told.tell(outcome, false)
    }

    fn tell(
        &mut self,
        id: &CampaignId,
        document: &Document,
        became: Result<Became, RemoteError>,
    ) -> Result<(), Box<dyn Error>> {
        let words = if self.command.dry_run { &WOULD_BE } else { &WORDS };
        let (word, why) = match became {
            Ok(Became::Created(errors)) => (words[0], keeps_from_publishing(&errors)),
            Ok(Became::Saved(errors)) => (words[1], keeps_from_publishing(&errors)),
            Ok(Became::Refused(why)) => (words[3], why),
            Err(failure) => (words[4], failure.to_string()),
            Ok(Became::Same) => (words[5], String::new()),
        };
        let is_refusal = word == words[3] || word == words[4];
        let (id, file) = (Some(id.to_string()), Some(self.folder.name(&document.path)));
        let outcome =
            CampaignOutcome { word, id, file, why, is_refusal, ..CampaignOutcome::default() };
        self.told.tell(outcome, word == words[5])
    }

    fn remember(&mut self, id: &CampaignId, seen: Seen) -> Result<(), RemoteError> {
        self.memory.set(id, Some(seen)).map_err(RemoteError::Other)
    }

    fn remedy(&self) -> String {
        let folder = self.command.folder.display();
        format!(
            "commit or copy your file, then `dacapo pull {folder} --force` takes theirs; put \
             together what both say, and push again"
        )
    }

    fn not_seen(&self, who: &str, there: &str, document: &Document) -> String {
        let different = difference(there, &document.text);
        let different = in_words(different.as_ref());
        let remedy = self.remedy();
        format!(
            "the account has a draft that was not seen here: {who}; from there to \
             here:\n{different}\n{remedy}"
        )
    }

    fn deleted(&self) -> String {
        let folder = self.command.folder.display();
        format!(
            "it was deleted in the account after it was seen here; `dacapo pull {folder}` takes \
             notice of that, and then push makes it anew"
        )
    }
}

/// Whether the account's draft is the one that was seen, or says exactly the same.
fn is_seen(seen: Option<&Seen>, there: &Draft) -> bool {
    seen.is_some_and(|seen| match seen.etag.as_deref() {
        Some(etag) => etag == there.etag || seen.is(&there.text),
        None => false,
    })
}

fn keeps_from_publishing(errors: &[String]) -> String {
    match errors {
        [] => String::new(),
        errors => format!("it cannot be published yet:\n{}", errors.join("\n")),
    }
}
