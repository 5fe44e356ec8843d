//! What was left out because it could not be read, in the contact's history: nothing is lost
//! without a record.

use dacapo_engine::contact::Author;
use dacapo_engine::history::{Cause, Happened, Line, Record};

use crate::api::call::problem::Fault;
use crate::contacts::Written;
use crate::error::Error;
use crate::handlers::{HISTORY_KEPT, StoredHistory};
use crate::store::{Store, item};
use crate::table::{Condition, Write};

/// How much of a message the history keeps, in characters.
const KEPT_OF_MESSAGE: usize = 300;

/// How many values a line names.
const MOST_NAMED: usize = 20;

/// The line of history that is committed with the write, if anything was left out.
pub(in crate::api) fn line(
    store: &Store,
    written: &Written,
    by: &Author,
    skipped: &[Fault],
) -> Result<Option<Write>, Error> {
    if skipped.is_empty() {
        return Ok(None);
    }
    let what = skipped
        .iter()
        .take(MOST_NAMED)
        .map(|fault| (fault.path.clone(), fault.message.chars().take(KEPT_OF_MESSAGE).collect()));
    let at = store.now();
    let what = Happened::LeftOut { what: what.collect() };
    let lines = vec![Line { run: 0, element: None, what }];
    let records = vec![Record { at, because: Cause::Posted(by.clone()), lines }];
    let history = StoredHistory::of_no_campaign(records)?;
    let key =
        store.keys.history(&written.contact.id, at, &history.campaign, written.contact.rev, 0);
    Ok(Some(Write::put(item(key, &history)?.expires(at + HISTORY_KEPT), Condition::Always)))
}
