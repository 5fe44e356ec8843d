//! What the commands print. Whoever reads may stop reading (`dacapo demo | head`): then the command
//! ends, and that is no failure. Nothing else in this crate writes to standard output.

use std::error::Error;
use std::fmt::Display;
use std::io::{ErrorKind, Write as _};

/// Prints a text and a line end, at once.
///
/// # Errors
///
/// That nobody reads any more, or what else keeps it from being written.
pub(crate) fn line(text: impl Display) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Says on standard error what went wrong; if nobody reads that either, nobody is told.
pub(crate) fn complain(error: impl Display) {
    let _ = writeln!(std::io::stderr(), "dacapo: {error}");
}

/// Whether a command ended because nobody reads any more what it prints.
pub(crate) fn is_closed_pipe(error: &(dyn Error + 'static)) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
