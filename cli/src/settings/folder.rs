//! `dacapo pull`, `diff` and `push`: their arguments.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Format, Server};

/// `dacapo pull`
#[derive(Debug, Args)]
pub(crate) struct Pull {
    /// The folder: a file for each campaign. It is made if need be.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Also write over what was changed in the folder and is not pushed.
    #[arg(long)]
    pub(crate) force: bool,
    /// Delete the files of campaigns that were deleted in the account.
    #[arg(long)]
    pub(crate) delete: bool,
    /// How it is told what was done.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) server: Server,
}

/// `dacapo diff`
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The folder: a file for each campaign.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// What publishing is to do with contacts on their way.
    #[arg(long, value_enum, default_value_t = InFlight::Stay, value_name = "WHAT")]
    pub(crate) in_flight: InFlight,
    /// How the difference is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) server: Server,
}

/// `dacapo push`
#[derive(Debug, Args)]
pub(crate) struct Push {
    /// The folder: a file for each campaign.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Tell what would be done, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Publish what was pushed from this folder, now or before, and is not published yet.
    #[arg(long)]
    pub(crate) publish: bool,
    /// With --publish: what becomes of contacts on their way.
    #[arg(long, value_enum, default_value_t = InFlight::Stay, requires = "publish",
        value_name = "WHAT")]
    pub(crate) in_flight: InFlight,
    /// How it is told what was done.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) server: Server,
}

/// What becomes of contacts on their way when a version is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InFlight {
    /// They go on in the version that they are in.
    Stay,
    /// They move to the new version, each to the element of the same id.
    Migrate,
}

impl InFlight {
    /// The word of the API for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Stay => "stay",
            Self::Migrate => "migrate",
        }
    }
}
