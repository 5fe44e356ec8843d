//! `dacapo pull`: the drafts of an account into a folder.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::create_dir_all;
use std::process::ExitCode;

use dacapo_engine::ids::CampaignId;

use super::account::{Account, Draft, Got, Listed};
use super::documents::{Document, Folder, Unreadable};
use super::memory::{Memory, Seen};
use super::told::{CampaignOutcome, Summary};
use super::{difference, in_words};
use crate::remote::{RemoteError, Scope};
use crate::settings::Pull;

/// What is told in the end, in this order.
const WORDS: [&str; 8] = ["new", "updated", "deleted", "kept", "gone", "refused", "failed", "same"];

/// Writes what the account has into the folder.
pub(crate) fn run(command: &Pull) -> Result<ExitCode, Box<dyn Error>> {
    let root = &command.folder;
    let account = Account::of(&command.server, Scope::Read)?;
    create_dir_all(root).map_err(|error| format!("{}: {error}", root.display()))?;
    let folder = Folder::read(root)?;
    let mut memory = Memory::read(root, &account.name)?;
    let listed = account.list()?;
    let mut told = Summary::new(command.format, &WORDS);
    for id in listed.keys() {
        let outcome = one(command, &account, &folder, &mut memory, id)?;
        let quiet = outcome.word == "same";
        told.tell(outcome, quiet)?;
    }
    for id in memory.ids().into_iter().filter(|id| !listed.contains_key(id)) {
        if let Some(outcome) = gone(command, &folder, &mut memory, &id)? {
            told.tell(outcome, false)?;
        }
    }
    let others = folder.unreadable.iter().filter(|file| !is_listed(&listed, file));
    for Unreadable { path, why, .. } in others {
        let (file, why) = (Some(folder.name(path)), why.clone());
        told.tell(
            CampaignOutcome { word: "kept", file, why, ..CampaignOutcome::default() },
            false,
        )?;
    }
    Ok(if told.end()? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether it seems to be one of these campaigns.
fn is_listed(listed: &BTreeMap<CampaignId, Listed>, file: &Unreadable) -> bool {
    file.id.as_ref().is_some_and(|id| listed.contains_key(id))
}

/// A campaign that the account has.
fn one(
    command: &Pull,
    account: &Account,
    folder: &Folder,
    memory: &mut Memory,
    id: &CampaignId,
) -> Result<CampaignOutcome, Box<dyn Error>> {
    let outcome = |word, file: Option<String>, why: String, is_refusal| CampaignOutcome {
        word,
        id: Some(id.to_string()),
        file,
        why,
        is_refusal,
        ..CampaignOutcome::default()
    };
    if let Some(paths) = folder.several.get(id) {
        let why = folder.in_several(paths);
        return Ok(outcome("refused", None, why, true));
    }
    let is_it = |file: &&Unreadable| file.id.as_ref() == Some(id);
    if let Some(Unreadable { path, why, .. }) = folder.unreadable.iter().find(is_it) {
        return Ok(outcome("refused", Some(folder.name(path)), why.clone(), true));
    }
    let document = folder.campaigns.get(id);
    let seen = memory.get(id).cloned();
    // Only what is in the folder as it was seen need not be read again.
    let known = seen.as_ref().filter(|seen| document.is_some_and(|it| seen.is(&it.text)));
    let path = document.map_or_else(|| folder.place_for(id), |document| document.path.clone());
    let file = Some(folder.name(&path));
    let draft = match account.draft(id, known.and_then(|seen| seen.etag.as_deref())) {
        Ok(Got::Same) => return Ok(outcome("same", file, String::new(), false)),
        Ok(Got::Draft(draft)) => draft,
        // It was deleted since it was listed.
        Ok(Got::None) => return Ok(outcome("gone", file, "it was deleted".to_owned(), false)),
        Err(RemoteError::Other(why)) => return Err(why.into()),
        Err(failure) => return Ok(outcome("failed", file, failure.to_string(), true)),
    };
    let Draft { etag, text } = &draft;
    let mut now = Seen::draft(etag, text);
    now.to_publish = seen
        .as_ref()
        .is_some_and(|seen| seen.to_publish && seen.etag.as_deref() == Some(etag.as_str()));
    let changed = match document {
        Some(document) if document.text == *text => {
            memory.set(id, Some(now))?;
            return Ok(outcome("same", file, String::new(), false));
        }
        Some(document) => known.is_none().then_some(document),
        None => None,
    };
    if let Some(own) = changed.filter(|_| !command.force) {
        if seen.as_ref().is_some_and(|seen| seen.is(text)) {
            memory.set(id, Some(now))?;
            let why = "it was changed here; `dacapo push` saves that in the account".to_owned();
            return Ok(outcome("kept", file, why, false));
        }
        let how = match seen {
            Some(_) => "it was changed here, and in the account",
            None => "it is another one in the account, and was never pulled",
        };
        return Ok(outcome("refused", file, both(command, how, own, text), true));
    }
    if let Err(why) = folder.write(&path, document, text) {
        return Ok(outcome("refused", file, why, true));
    }
    memory.set(id, Some(now))?;
    let word = if document.is_some() { "updated" } else { "new" };
    Ok(outcome(word, file, String::new(), false))
}

/// Both are different, and neither may be lost.
fn both(command: &Pull, how: &str, own: &Document, text: &str) -> String {
    let different = difference(text, &own.text);
    format!(
        "{how}; from there to here:\n{}\n\
         to take theirs and put yours on top: commit or copy your file, then `dacapo pull {} \
         --force`, put together what both say, and `dacapo push`",
        in_words(different.as_ref()),
        command.folder.display()
    )
}

/// A campaign that was seen and is not in the account any more.
fn gone(
    command: &Pull,
    folder: &Folder,
    memory: &mut Memory,
    id: &CampaignId,
) -> Result<Option<CampaignOutcome>, Box<dyn Error>> {
    let Some(seen) = memory.get(id).cloned() else { return Ok(None) };
    let Some(document) = folder.campaigns.get(id) else {
        memory.set(id, None)?;
        return Ok(None);
    };
    let is_own = !seen.is(&document.text);
    let mut outcome = CampaignOutcome {
        id: Some(id.to_string()),
        file: Some(folder.name(&document.path)),
        ..CampaignOutcome::default()
    };
    if command.delete && (!is_own || command.force) {
        if let Err(why) = Folder::delete(document) {
            (outcome.word, outcome.why, outcome.is_refusal) = ("refused", why, true);
            return Ok(Some(outcome));
        }
        memory.set(id, None)?;
        outcome.word = "deleted";
        return Ok(Some(outcome));
    }
    memory.set(id, Some(Seen { etag: None, to_publish: false, ..seen }))?;
    outcome.word = "gone";
    outcome.why = if command.delete {
        outcome.is_refusal = true;
        "it was deleted in the account, and changed here: --force deletes it here too, `dacapo \
         push` makes it anew"
    } else {
        "it was deleted in the account, and is left here: --delete deletes it here too, `dacapo \
         push` makes it anew"
    }
    .to_owned();
    Ok(Some(outcome))
}
