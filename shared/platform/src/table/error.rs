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
        /// The item as it is; perhaps the caller's own earlier write.
        current: Option<Box<Item>>,
    },
    /// Another transaction held one of the items; nothing was written. Retryable at once.
    #[error("another transaction holds one of the items")]
    Contended,
    /// The table accepts no more for now; nothing was written. Retryable after a while.
    #[error("the table takes no more requests for the moment")]
    Throttled,
    /// The answer was lost: the write may have happened, or may still happen.
    #[error("it is unknown whether the write happened: {0}")]
    Unknown(String),
    /// The disk is full, or fails. The store goes on as soon as the disk does. The text may be
    /// shown to any caller: it is about this machine, and holds no data.
    #[error("the disk takes nothing ({reason}): make room on it, or see what is wrong with it")]
    Disk {
        /// The system's error.
        reason: String,
        /// Whether the write may have happened all the same; otherwise nothing was written.
        unknown: bool,
    },
    /// More than fits; nothing was written.
    #[error("{} takes {size} bytes, at most {bound} fit", of_what(.key.as_ref()))]
    TooLarge {
        /// The item that doesn't fit, or `None` if the transaction as a whole doesn't.
        key: Option<Key>,
        /// Its size, by DynamoDB's arithmetic.
        size: usize,
        /// The largest size.
        bound: usize,
    },
    /// A request that can never succeed: a defect of the caller, or a cursor that is not from
    /// Dacapo.
    #[error("the request is invalid: {0}")]
    Invalid(String),
    /// The table failed; nothing was written.
    #[error("the table failed: {0}")]
    Failed(String),
}

fn of_what(key: Option<&Key>) -> String {
    key.map_or_else(|| "the transaction".to_owned(), |key| format!("the item `{key}`"))
}
