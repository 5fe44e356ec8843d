//! `dacapo diff`: what differs between a folder and an account, campaign by campaign and element by
//! element.

use std::collections::BTreeSet;
use std::error::Error;
use std::process::ExitCode;

use dacapo_engine::ids::CampaignId;
use serde_json::json;

use super::account::{Account, Draft, Got};
use super::documents::{Document, Folder, Unreadable};
use super::told::{CampaignOutcome, Summary};
use super::{difference, in_words};
use crate::out;
use crate::remote::{RemoteError, Scope};
use crate::settings::Diff;

/// What is told in the end, in this order.
const WORDS: [&str; 5] = ["differs", "here", "there", "failed", "same"];

/// The exit code if it could not be compared: 1 says that it differs.
const TROUBLE: u8 = 2;

/// Compares them.
pub(crate) fn run(command: &Diff) -> ExitCode {
    match compared(command) {
        Ok(code) => code,
        Err(error) if out::is_closed_pipe(error.as_ref()) => ExitCode::SUCCESS,
        Err(error) => {
            out::complain(error);
            ExitCode::from(TROUBLE)
        }
    }
}

fn compared(command: &Diff) -> Result<ExitCode, Box<dyn Error>> {
    let account = Account::of(&command.server, Scope::Write)?;
    let folder = Folder::read(&command.folder)?;
    let listed = account.list()?;
    let mut told = Summary::new(command.format, &WORDS);
    let mut differs = false;
    let mut has_trouble = false;
    let several = folder.several.iter().map(|(id, paths)| {
        let why = folder.in_several(paths);
        CampaignOutcome {
            word: "failed",
            id: Some(id.to_string()),
            why,
            ..CampaignOutcome::default()
        }
    });
    let unreadable = folder.unreadable.iter().map(|Unreadable { path, why, .. }| {
        let (file, why) = (Some(folder.name(path)), why.clone());
        CampaignOutcome { word: "failed", file, why, ..CampaignOutcome::default() }
    });
    for outcome in several.chain(unreadable) {
        has_trouble = true;
        told.tell(outcome, false)?;
    }
    let ids: BTreeSet<&CampaignId> = folder.campaigns.keys().chain(listed.keys()).collect();
    for id in ids.into_iter().filter(|id| !folder.several.contains_key(*id)) {
        let document = folder.campaigns.get(id);
        let draft = match account.draft(id, None) {
            Ok(Got::Draft(draft)) => Some(draft),
            Ok(Got::Same | Got::None) => None,
            Err(RemoteError::Other(why)) => return Err(why.into()),
            Err(failure) => {
                has_trouble = true;
                let (id, why) = (Some(id.to_string()), failure.to_string());
                told.tell(
                    CampaignOutcome { word: "failed", id, why, ..CampaignOutcome::default() },
                    false,
                )?;
                continue;
            }
        };
        let mut outcome = of_one(&folder, id, document, draft.as_ref());
        differs |= outcome.word != "same";
        let listed = listed.get(id);
        let would_publish = listed.is_some_and(|listed| {
            listed.is_published && (listed.has_changes || outcome.word == "differs")
        });
        if let Some(document) = document.filter(|_| would_publish) {
            add_foresight(command, &account, id, document, &mut outcome)?;
        }
        let quiet = outcome.word == "same" && outcome.why.is_empty();
        told.tell(outcome, quiet)?;
    }
    told.end()?;
    Ok(match (has_trouble, differs) {
        (true, _) => ExitCode::from(TROUBLE),
        (false, true) => ExitCode::FAILURE,
        (false, false) => ExitCode::SUCCESS,
    })
}

/// What differs in a campaign, from the account to the folder.
fn of_one(
    folder: &Folder,
    id: &CampaignId,
    document: Option<&Document>,
    draft: Option<&Draft>,
) -> CampaignOutcome {
    let mut outcome = CampaignOutcome {
        id: Some(id.to_string()),
        file: document.map(|document| folder.name(&document.path)),
        ..CampaignOutcome::default()
    };
    match (document, draft) {
        (Some(document), Some(draft)) if document.text == draft.text => outcome.word = "same",
        (Some(document), Some(draft)) => {
            let different = difference(&draft.text, &document.text);
            outcome.word = "differs";
            outcome.why =
                format!("from the account to the folder:\n{}", in_words(different.as_ref()));
            outcome.more.insert("difference".to_owned(), json!(different));
        }
        (Some(_), None) => {
            outcome.word = "here";
            outcome.why = "only in the folder".to_owned();
        }
        (None, _) => {
            outcome.word = "there";
            outcome.why = "only in the account".to_owned();
        }
    }
    outcome
}

/// Adds what publishing the file would do.
fn add_foresight(
    command: &Diff,
    account: &Account,
    id: &CampaignId,
    document: &Document,
    outcome: &mut CampaignOutcome,
) -> Result<(), RemoteError> {
    let words = match account.foresight(id, &document.text, command.in_flight) {
        Ok(Ok(answer)) => {
            let text = answer["text"].as_str().unwrap_or_default().trim_end().to_owned();
            outcome.more.insert("publishing".to_owned(), answer);
            text
        }
        Ok(Err(why)) => why,
        Err(RemoteError::Other(why)) => return Err(RemoteError::Other(why)),
        Err(failure) => failure.to_string(),
    };
    if outcome.why.is_empty() {
        outcome.why = "the draft is not published yet".to_owned();
    }
    outcome.why = format!("{}\n\n{words}", outcome.why);
    Ok(())
}
