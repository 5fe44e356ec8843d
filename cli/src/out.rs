//! Printing to standard output. The reader may close it (`dacapo demo | head`): then the command
//! ends, without a failure. Nothing else in this crate writes to standard output.

use std::error::Error;
use std::fmt::Display;
use std::io::{ErrorKind, Write as _};

/// Prints a text and a line end, at once.
///
/// # Errors
///
/// That standard output is closed, or what else prevents writing.
pub(crate) fn line(text: impl Display) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Prints an error to standard error; if that is closed too, it is dropped.
pub(crate) fn complain(error: impl Display) {
    let _ = writeln!(std::io::stderr(), "dacapo: {error}");
}

/// Whether a command ended because standard output was closed.
pub(crate) fn is_closed_pipe(error: &(dyn Error + 'static)) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
