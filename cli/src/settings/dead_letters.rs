//! `dacapo dead-letters`: its arguments.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::{Server, seconds};

/// `dacapo dead-letters`
#[derive(Debug, Args)]
pub(crate) struct DeadLetters {
    #[command(flatten)]
    pub(crate) server: Server,
    /// Print JSON, for programs.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What to do with them.
    #[command(subcommand)]
    pub(crate) what: OnDeadLetters,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OnDeadLetters {
    /// Lists them, oldest first: since when, what kind, about whom, why.
    List(ListDeadLetters),
    /// Shows one, with what it says. That may be about a person.
    Show(ShowDeadLetter),
    /// Has them done again, oldest first, and tells what came of each. Fails unless all were done.
    Retry(RetryDeadLetters),
    /// Deletes them: what they say is never done then.
    Delete(DeleteDeadLetters),
}

/// `dacapo dead-letters list`
#[derive(Debug, Args)]
pub(crate) struct ListDeadLetters {
    /// How many at most.
    #[arg(long, default_value = "1000", value_name = "N")]
    pub(crate) limit: NonZeroUsize,
}

/// `dacapo dead-letters show`
#[derive(Debug, Args)]
pub(crate) struct ShowDeadLetter {
    /// Its id, as listed.
    #[arg(value_name = "ID")]
    pub(crate) id: String,
}

/// `dacapo dead-letters retry`
#[derive(Debug, Args)]
pub(crate) struct RetryDeadLetters {
    #[command(flatten)]
    pub(crate) which: WhichDeadLetters,
    /// How long to wait for what comes of each.
    #[arg(long, default_value = "60", value_parser = seconds, value_name = "SECONDS")]
    pub(crate) wait: Duration,
}

/// Those that are named, or all.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct WhichDeadLetters {
    /// Their ids, as listed.
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// All there are, a thousand at once.
    #[arg(long)]
    pub(crate) all: bool,
}

/// `dacapo dead-letters delete`
#[derive(Debug, Args)]
pub(crate) struct DeleteDeadLetters {
    /// Their ids, as listed.
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}
