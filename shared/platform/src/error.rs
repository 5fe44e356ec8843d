//! The errors of the platform.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;

use crate::ports::Unavailable;
use crate::table::{TableError, Unreadable, Unwritable};

/// Why something could not be done.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// The table.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A stored body that cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// A value that makes no body.
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
    /// A port that does not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// An order that a port refused permanently.
    #[error("{0}")]
    Refused(String),
    /// Other writers committed first, at every try.
    #[error("other writers committed first, {0} times; try again")]
    Contended(u32),
    /// Older changes of the contact have to be applied first: wait for the feed.
    #[error("older changes of the contact have not been applied yet")]
    Behind,
    /// A message in a queue of another kind.
    #[error("this queue is for other messages")]
    Misdirected,
    /// A published version is not there.
    #[error("version {1} of campaign {0} is missing")]
    NoVersion(dacapo_engine::ids::CampaignId, u32),
    /// A defect of Dacapo: the text of the panic.
    #[error("it panicked: {0}")]
    Panicked(String),
}

/// Does a piece of work. A panic in it ends only this piece.
///
/// The work is on the heap, so a future that waits for it is small.
///
/// # Errors
///
/// What the work answers; [`Error::Panicked`].
pub fn caught<'work, T>(
    work: impl Future<Output = Result<T, Error>> + 'work,
) -> impl Future<Output = Result<T, Error>> + 'work
where
    T: 'work,
{
    AssertUnwindSafe(Box::pin(work)).catch_unwind().map(|done| match done {
        Ok(done) => done,
        Err(panic) => Err(Error::Panicked(panic_words(panic.as_ref()))),
    })
}

/// The message of a panic.
pub(crate) fn panic_words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a defect").to_owned()
}

/// Whether the same work may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retryability {
    /// It may: the caller tries again.
    Retryable,
    /// It never will by itself: the caller keeps it as a dead letter, for a user.
    Permanent,
}

impl Error {
    /// Whether the same work may succeed later.
    pub fn retryability(&self) -> Retryability {
        match self {
            Self::Table(
                TableError::Conflict { .. }
                | TableError::Contended
                | TableError::Throttled
                | TableError::Unknown(_)
                | TableError::Disk { .. }
                | TableError::Failed(_),
            )
            | Self::Unavailable(_)
            | Self::Contended(_)
            | Self::Behind => Retryability::Retryable,
            Self::Table(TableError::TooLarge { .. } | TableError::Invalid(_))
            | Self::Unreadable(_)
            | Self::Unwritable(_)
            | Self::Refused(_)
            | Self::Misdirected
            | Self::NoVersion(..)
            | Self::Panicked(_) => Retryability::Permanent,
        }
    }

    /// Which of two errors to answer: the retryable one, since only the next try shows what
    /// remains.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self.retryability(), other.retryability()) {
            (Retryability::Permanent, Retryability::Retryable) => other,
            (Retryability::Permanent | Retryability::Retryable, Retryability::Permanent)
            | (Retryability::Retryable, Retryability::Retryable) => self,
        }
    }

    /// Which error to answer if there may have been an earlier one: see [`Self::or`].
    #[must_use]
    pub(crate) fn after(self, earlier: Option<Self>) -> Self {
        match earlier {
            Some(earlier) => earlier.or(self),
            None => self,
        }
    }
}
