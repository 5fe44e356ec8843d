//! The arguments of `dacapo preview`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `dacapo preview`
#[derive(Debug, Args)]
pub(crate) struct Preview {
    /// A campaign document, YAML or JSON; `-` reads it from standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The key of the e-mail, under `emails`.
    #[arg(value_name = "KEY")]
    pub(crate) key: String,
    /// For whom: a file with a contact as in a scenario, or the contact itself, such as
    /// '{first_name: Ann}'. Without it, a contact with nothing but an address.
    #[arg(long, value_name = "FILE|CONTACT")]
    pub(crate) contact: Option<String>,
    /// In a campaign about objects: a file with an object as in a scenario, or the object itself.
    #[arg(long, value_name = "FILE|OBJECT")]
    pub(crate) object: Option<String>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = MailFormat::Text)]
    pub(crate) format: MailFormat,
}

/// How a mail is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MailFormat {
    /// Headers, the text, and what is odd.
    Text,
    /// The HTML alone, for a browser.
    Html,
    /// For programs: as the API answers.
    Json,
}
