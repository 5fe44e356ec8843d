//! `dacapo pull`, `diff` and `push`: a folder of campaigns, such as one in git, and an account.
//!
//! | module | holds |
//! |---|---|
//! | `documents` | the campaigns in the folder, found by the id in them, and whole files |
//! | `memory` | what was last seen of the account: a file in the folder |
//! | `account` | the calls to the account |
//! | `told` | what came of each campaign, for people and programs |
//!
//! Nothing is overwritten that was not seen: in the account by `If-Match`, in the folder by the
//! hash of what was last seen. What is refused is told with what to do, and the others go on.

mod account;
pub(crate) mod diff;
mod documents;
mod memory;
pub(crate) mod pull;
pub(crate) mod push;
mod told;

use dacapo_authoring::difference::Difference;
use dacapo_engine::campaign::reader::read;

/// What is different between two texts of a campaign, in lines, and as data; `None` if one of them
/// cannot be read by this command.
fn difference(before: &str, after: &str) -> Option<Difference> {
    let (before, after) = (read(before).ok()?, read(after).ok()?);
    Some(Difference::between(&before.document, &after.document))
}

/// The same for people, where the texts are not the same.
fn in_words(difference: Option<&Difference>) -> String {
    match difference {
        None => "one of both cannot be read, so they are not compared part by part".to_owned(),
        Some(difference) if difference.is_empty() => {
            "comments or layout differ; it means the same".to_owned()
        }
        Some(difference) => difference.text().trim_end().to_owned(),
    }
}
