//! What the thread that writes is asked for, and what it answers.

use dacapo_platform::Instant;
use dacapo_platform::table::{Body, TableError};

use super::Operation;

/// What can be asked of the writer.
pub(super) enum UnitOfWork {
    Commit {
        operations: Vec<Operation>,
        token: Option<String>,
    },
    Receive {
        queue: String,
        now: Instant,
        limit: usize,
        lease: Instant,
    },
    DeleteExpired {
        now: Instant,
    },
    Trim,
    /// Not part of any transaction.
    Scrub {
        now: Instant,
    },
}

/// The result.
pub(super) enum UnitResult {
    Committed,
    Received(Vec<ReceivedMessage>),
    Count(usize),
}

pub(super) type UnitAnswer = Result<UnitResult, TableError>;

/// What an acknowledgement promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// It survives the end of the process. A loss of power may undo it, together with all that came
    /// after it.
    Process,
    /// It survives a loss of power, with all that came before it.
    Power,
}

/// A message as it was received.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceivedMessage {
    /// Its number, never used again.
    pub id: i64,
    /// How often it was received with a lease, this time included.
    pub attempts: u32,
    /// Its content.
    pub body: Body,
}
