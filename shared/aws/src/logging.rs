//! Logs: a line of JSON for every decision about a failure, by the rules of `docs/logging.md`.
//!
//! Lines of other libraries, such as the SDK, are shown from `warn` on, whatever is asked for:
//! below that they may quote what was sent.

use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, registry};

use crate::metrics::Figures;
use dacapo_platform::metrics::TARGET;

/// Starts logging, and collecting figures.
pub fn start(level: &str, figures: &Figures) {
    let level = level.parse().unwrap_or(LevelFilter::INFO);
    let shown = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("dacapo", level)
        .with_target(TARGET, LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_filter(shown);
    let counted = figures.layer().with_filter(Targets::new().with_target(TARGET, Level::INFO));
    // If logs are set up already they are kept: a test starts several.
    let _ = tracing::subscriber::set_global_default(registry().with(lines).with(counted));
}
