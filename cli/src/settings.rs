//! What the command is told: arguments, and the one place that reads the environment.

mod dead_letters;
mod folder;
mod preview;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand, ValueEnum};
use dacapo_embedded::clock::{ClockKind, last_instant};
use dacapo_engine::time::{Zone, zone_named};
pub(crate) use preview::{MailFormat, Preview};

pub(crate) use dead_letters::{
    DeadLetters, DeleteDeadLetters, ListDeadLetters, OnDeadLetters, RetryDeadLetters,
    ShowDeadLetter,
};
pub(crate) use folder::{Diff, InFlight, Pull, Push};

/// A campaign engine that goes back to the beginning: contacts run through campaigns once, until
/// they are reset or restarted.
#[derive(Debug, Parser)]
#[command(name = "dacapo", version, max_term_width = 100)]
pub(crate) struct Settings {
    /// What is logged on standard error: error, warn, info, debug, trace.
    #[arg(long, global = true, env = "DACAPO_LOG", default_value = "warn")]
    log: String,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Everything in one process: API, streams, timers and mail capture, on embedded SQLite.
    Serve(Serve),
    /// Three campaigns as a story: an appointment, a webinar, and two appointments at once, with
    /// every message and history line.
    Demo(Demo),
    /// How fast it is: contacts a second on disk, decisions a second.
    Bench(Bench),
    /// Checks campaign files: errors, warnings and advice with code, place and remedy. Fails on
    /// errors.
    Validate(Validate),
    /// Writes a campaign to begin with, and scenarios that show what it does.
    New(New),
    /// The JSON Schema of campaigns, for editors.
    Schema(Schema),
    /// What a finding such as D104 means; or, with --campaign, why a contact of a server is where
    /// it is.
    Explain(Explain),
    /// Plays a scenario on a virtual clock and shows the journey: every step, timer and message.
    Simulate(Simulate),
    /// Draws a campaign, and the way of a contact of a scenario on it.
    Graph(Graph),
    /// Shows a mail of a campaign as it would leave for a contact. Fails if it would not leave.
    Preview(Preview),
    /// Plays every scenario with `expect` in a folder, and shows what came out differently.
    Test(Test),
    /// Writes the drafts of an account into a folder, and never over what was changed there.
    Pull(Pull),
    /// Shows what differs between a folder and an account, and what publishing would do.
    Diff(Diff),
    /// Saves what was changed in a folder as drafts of an account, unless somebody else changed
    /// them.
    Push(Push),
    /// What a server could not read or do: shows it, has it done again, deletes it.
    DeadLetters(DeadLetters),
}

/// `dacapo serve`
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where everything is kept between runs; in memory without it.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The port to listen on; 0 for any that is free.
    #[arg(long, default_value_t = 8080)]
    pub(crate) port: u16,
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub(crate) host: String,
    /// The admin key; one is made and printed once without it.
    #[arg(long, env = "DACAPO_API_KEY", hide_env_values = true, value_name = "KEY")]
    pub(crate) api_key: Option<String>,
    /// `real`, or the instant at which the clock stands until told, such as 2026-12-01T08:00:00Z.
    #[arg(long, default_value = "real", value_parser = clock, value_name = "CLOCK")]
    pub(crate) clock: ClockKind,
    /// The account's time zone, such as Europe/Berlin; as it was, or UTC, without it.
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    pub(crate) time_zone: Option<Zone>,
    /// The account's language, such as de or en-GB: how dates are written to contacts without one,
    /// and in their history; as it was, or en, without it.
    #[arg(long, value_name = "LOCALE", value_parser = locale)]
    pub(crate) locale: Option<String>,
    /// Send mail for real, such as smtp://user:password@mail.example:587; captured without it.
    #[arg(long, value_name = "URL")]
    pub(crate) smtp: Option<String>,
    /// Where it is reached from outside, for the links in mail; the listening address without it.
    #[arg(long, value_parser = public_url, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// How long stopping may take; what is not finished by then goes on after the next start.
    #[arg(long, default_value = "10", value_parser = seconds, value_name = "SECONDS")]
    pub(crate) stop_timeout: Duration,
    /// How many connections may be open at once; one more is answered 503.
    #[arg(long, default_value = "512", value_name = "N")]
    pub(crate) max_connections: NonZeroUsize,
}

/// `dacapo demo`
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Print the story as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `dacapo bench`
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// What is measured.
    #[arg(value_enum, default_value_t = Measured::Throughput)]
    pub(crate) what: Measured,
    /// How many contacts; several numbers show how it scales.
    #[arg(long, value_delimiter = ',', default_value = "10000")]
    pub(crate) contacts: Vec<NonZeroUsize>,
    /// How the figures are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// `dacapo validate`
#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// Campaign documents, YAML or JSON, which run together; `-` reads one from standard input.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// How the findings are printed.
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(crate) format: ReportFormat,
    /// Apply the edits that are safe to the files, and show what is left.
    #[arg(long)]
    pub(crate) fix: bool,
}

/// `dacapo explain`: of a lint, or with `--campaign` of a contact.
#[derive(Debug, Args)]
#[command(override_usage = "dacapo explain <LINT> [FILE]...\n       \
    dacapo explain <CONTACT> --campaign <ID> [--object <TYPE/KEY>] [--format <FORMAT>] [--url \
    <URL>] [--api-key <KEY>]")]
pub(crate) struct Explain {
    /// The code or the name of a lint. With --campaign a contact: its address or its id.
    #[arg(value_name = "LINT|CONTACT")]
    pub(crate) what: String,
    /// Campaign documents in which the lint finds something: what proves it is played.
    #[arg(value_name = "FILE", conflicts_with = "campaign")]
    pub(crate) files: Vec<PathBuf>,
    /// Ask the server why the contact is where it is in this campaign, what comes next, and why
    /// nothing happened.
    #[arg(long, value_name = "ID")]
    pub(crate) campaign: Option<String>,
    /// In a campaign about objects, the one that is meant, such as appointment/evt-7.
    #[arg(long, value_name = "TYPE/KEY", requires = "campaign")]
    pub(crate) object: Option<String>,
    /// How the explanation of a contact is printed.
    #[arg(long, value_enum, default_value_t = Format::Text, requires = "campaign")]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) server: Server,
}

/// `dacapo new`
#[derive(Debug, Args)]
pub(crate) struct New {
    /// What kind of campaign.
    #[arg(value_enum, value_name = "TEMPLATE", required_unless_present = "list")]
    pub(crate) template: Option<Template>,
    /// Where the files are written; nothing that is there is overwritten.
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Show what there is.
    #[arg(long)]
    pub(crate) list: bool,
}

/// Campaigns to begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Template {
    /// Each appointment by itself: confirmed, reminded, moved, called off, missed.
    Appointments,
    /// One appointment per contact: invited, booked, reminded, and again if nobody was reached.
    AppointmentLoop,
    /// Registered, reminded, thanked, and ready for the next webinar.
    Webinar,
    /// Wishes every year, and a voucher that is remembered once.
    Birthday,
    /// Welcomed and helped until the account is set up.
    Onboarding,
    /// Asked whether mail is still welcome; who says nothing is left out.
    RePermission,
}

impl Template {
    /// All of them, in the order in which they are listed.
    pub(crate) const ALL: [Self; 6] = [
        Self::Appointments,
        Self::AppointmentLoop,
        Self::Webinar,
        Self::Birthday,
        Self::Onboarding,
        Self::RePermission,
    ];

    /// As it is typed.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// What it is.
    pub(crate) fn about(self) -> String {
        let value = self.to_possible_value();
        value.and_then(|value| Some(value.get_help()?.to_string())).unwrap_or_default()
    }
}

/// `dacapo schema`
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// The dialect: editors of YAML read draft-07.
    #[arg(long, value_enum, default_value_t = Draft::Of202012)]
    pub(crate) draft: Draft,
}

/// Dialects of JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Draft {
    /// That of OpenAPI 3.1.
    #[value(name = "2020-12")]
    Of202012,
    /// That of editors of YAML.
    #[value(name = "07", alias = "7", alias = "draft-07")]
    Of07,
}

/// How findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people, with the line and a caret.
    Text,
    /// For programs, with the proofs.
    Json,
    /// SARIF 2.1.0, for code hosts and editors.
    Sarif,
    /// Annotations of GitHub Actions.
    Github,
}

/// `dacapo simulate`
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// Campaign documents, YAML or JSON, which run together; `-` reads one from standard input.
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// What happens to whom, and when: docs/authoring.md says how to write it. `-` reads it from
    /// standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: Option<PathBuf>,
    /// Walk every way by itself, without a scenario: what is never reached, loops, the most
    /// messages a day, and where a path waits for what can no longer come.
    #[arg(long, conflicts_with = "scenario", requires = "files")]
    pub(crate) explore: bool,
    /// With --explore: how many places are walked from at most.
    #[arg(long, value_name = "N", default_value = "3000", requires = "explore")]
    pub(crate) places: NonZeroUsize,
    /// How the journey is printed.
    #[arg(long, value_enum, default_value_t = JourneyFormat::Text)]
    pub(crate) format: JourneyFormat,
}

/// `dacapo graph`
#[derive(Debug, Args)]
pub(crate) struct Graph {
    /// A campaign document, YAML or JSON; `-` reads it from standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// How it is drawn.
    #[arg(long, value_enum, default_value_t = PictureFormat::Mermaid)]
    pub(crate) format: PictureFormat,
    /// A scenario: where its contact goes is marked.
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: Option<PathBuf>,
    /// Whose way, if the scenario has several contacts.
    #[arg(long, value_name = "NAME", requires = "scenario")]
    pub(crate) contact: Option<String>,
}

/// How a campaign is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PictureFormat {
    /// A flowchart, which GitHub draws in a block of `mermaid`.
    Mermaid,
    /// A file of its own, for web pages and readmes.
    Svg,
}

/// `dacapo test`
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Folders with scenarios, or scenarios.
    #[arg(required = true, value_name = "DIR")]
    pub(crate) places: Vec<PathBuf>,
    /// How the result is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// How a journey is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum JourneyFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// As a diagram, which GitHub draws in a block of `mermaid`.
    Mermaid,
}

/// Which server is asked, and who asks.
#[derive(Debug, Args)]
pub(crate) struct Server {
    /// Where the API is: that of `dacapo serve`, or ApiUrl of the stack.
    #[arg(
        long,
        global = true,
        env = "DACAPO_URL",
        default_value = "http://127.0.0.1:8080",
        value_parser = server_url,
        value_name = "URL"
    )]
    pub(crate) url: String,
    /// An API key: `read` is enough to look, `write` is needed for the rest.
    #[arg(long, global = true, env = "DACAPO_API_KEY", hide_env_values = true, value_name = "KEY")]
    pub(crate) api_key: Option<String>,
}

/// What `dacapo bench` measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measured {
    /// Contacts a second through campaigns, and decisions a second.
    Throughput,
    /// Contacts a second that are stopped and reset by a mass action.
    Mass,
    /// The same loop about contacts and about objects of them, in turns.
    Objects,
    /// How long the explorer takes for the appointment loop.
    Authoring,
    /// How long a campaign of 500 elements is looked at.
    Validate,
}

/// How something is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

fn clock(text: &str) -> Result<ClockKind, String> {
    if text == "real" {
        return Ok(ClockKind::Real);
    }
    let at = text.parse::<DateTime<Utc>>().map_err(|error| {
        format!("{error}; write `real`, or an instant such as 2026-12-01T08:00:00Z")
    })?;
    if at < DateTime::UNIX_EPOCH || at > last_instant() {
        return Err("the clock stands between 1970 and 9999".to_owned());
    }
    Ok(ClockKind::Manual(at))
}

/// What links begin with.
fn public_url(text: &str) -> Result<String, String> {
    let wrong = "links in mail begin with it; write it such as https://mail.example";
    url(text).ok_or_else(|| wrong.to_owned())
}

/// Where a server is.
fn server_url(text: &str) -> Result<String, String> {
    let wrong = "the paths of the API follow it; write it such as https://api.example";
    url(text).ok_or_else(|| wrong.to_owned())
}

/// A scheme and a host, and no slash at the end.
fn url(text: &str) -> Option<String> {
    let url = text.trim_end_matches('/');
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let is_one = !rest.is_empty() && !rest.starts_with('/') && !rest.contains(['?', '#', ' ']);
    is_one.then(|| url.to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<u64>() {
        Ok(seconds @ 1..=3_600) => Ok(Duration::from_secs(seconds)),
        Ok(_) | Err(_) => Err("write a number of seconds from 1 to 3600".to_owned()),
    }
}

/// A time zone, as the account's settings take it.
fn zone(text: &str) -> Result<Zone, String> {
    zone_named(text).ok_or_else(|| {
        format!("{text:?} is no time zone; write an IANA name such as Europe/Berlin")
    })
}

/// A language tag, as the account's settings take it.
fn locale(text: &str) -> Result<String, String> {
    let tag = text.trim().replace('_', "-");
    if dacapo_platform::api::is_locale(&tag) {
        return Ok(tag);
    }
    Err(format!("{text:?} is no language tag; write one such as en, de-AT or pt-BR"))
}

impl Settings {
    /// Logs go to standard error, so that standard output stays for programs. Figures are shown if
    /// they are asked for by their target.
    pub(crate) fn start_logging(&self) {
        let shown = format!("{}=off,{}", dacapo_platform::metrics::TARGET, self.log);
        let filter = tracing_subscriber::EnvFilter::try_new(shown)
            .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
        // A log that nobody reads any more stops nothing.
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .log_internal_errors(false)
            .init();
    }
}
