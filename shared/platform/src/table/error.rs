//! How a table refuses or fails.

use super::{Item, Key};

/// Why a request to the table wasn't answered, or a write not made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TableError {
    /// A condition did not hold; nothing was written.
    #[error("the condition of write {which} did not hold")]
    Conflict {
        /// The first write whose condition failed, counted from 0.
        which: usize,
        /// Its item as it stands; the caller's own earlier write, perhaps.
        current: Option<Box<Item>>,
    },
    /// Another transaction held one of the items; nothing was written. Worth another try at once.
    #[error("another transaction holds one of the items")]
    Contended,
    /// The table takes no more for the moment; nothing was written. Worth another try after a
    /// while.
    #[error("the table takes no more requests for the moment")]
    Throttled,
    /// The answer was lost: the write may have happened, or happen yet.
    #[error("it is unknown whether the write happened: {0}")]
    Unknown(String),
    /// The disk is full, or fails. It goes on as soon as the disk does. What is said here is for
    /// everybody to read: of this machine, and of nobody's data.
    #[error("the disk takes nothing ({reason}): make room on it, or see what is wrong with it")]
    Disk {
        /// What the system said.
        reason: String,
        /// Whether the write may have happened nevertheless; otherwise nothing was written.
        unknown: bool,
    },
    /// More than fits; nothing was written.
    #[error("{} takes {size} bytes, at most {bound} fit", of_what(.key.as_ref()))]
    TooLarge {
        /// The item that doesn't fit, or `None` if the transaction as a whole doesn't.
        key: Option<Key>,
        /// What it takes, by DynamoDB's arithmetic.
        size: usize,
        /// What fits.
        bound: usize,
    },
    /// A request that can never succeed; a defect of the caller, or a cursor that isn't ours.
    #[error("the request is invalid: {0}")]
    Invalid(String),
    /// The table failed; nothing was written.
    #[error("the table failed: {0}")]
    Failed(String),
}

fn of_what(key: Option<&Key>) -> String {
    key.map_or_else(|| "the transaction".to_owned(), |key| format!("the item `{key}`"))
}
