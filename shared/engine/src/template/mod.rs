//! Templates: subjects, texts, HTML and field values with placeholders (R33).
//!
//! It promises that a half-empty mail never leaves: printing an empty value is an error that names the
//! placeholder and the remedy. Templates read nothing but the values they are given, in the zone and the
//! language that come with them, and their work and output are bounded.

mod dates;
mod merge;
mod names;
mod printing;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io;
use std::sync::OnceLock;

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};

pub use merge::{MergeValue, MergeValues};

/// The longest template, in bytes.
pub const LONGEST_SOURCE: usize = 256 * 1024;

/// The longest rendered text, in bytes.
pub const LONGEST_OUTPUT: usize = 512 * 1024;

/// How many steps a rendering may take: ample for a long mail, short for an endless loop.
const FUEL: u64 = 200_000;

/// How a rendered value is made safe for where it is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// Plain text: values are put in as they are.
    Text,
    /// HTML: `<`, `>`, `&` and quotes in values are escaped.
    Html,
}

/// What is wrong with a template, whatever the values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateProblem {
    /// What is wrong, and what to write instead where that is known.
    pub message: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1, if it is known.
    pub column: Option<usize>,
}

/// Why a message could not be rendered for this contact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A placeholder that is printed or worked with has no value.
    #[error("{placeholder} is empty for this contact; write {remedy}")]
    Empty {
        /// The placeholder, such as `contact.first_name`.
        placeholder: String,
        /// What to write instead.
        remedy: String,
    },
    /// The rendered text is longer than [`LONGEST_OUTPUT`].
    #[error("the rendered text is longer than {} KiB; shorten the template", LONGEST_OUTPUT / 1024)]
    TooLong,
    /// Loops took more steps than a message may.
    #[error("the template takes too many steps; shorten its loops")]
    TooManySteps,
    /// The template is not valid, or uses a value in a way its type does not allow.
    #[error("line {}: {}", .0.line, .0.message)]
    Invalid(TemplateProblem),
}

/// The dotted paths that the template reads, such as `contact.first_name`.
///
/// A path that is read through brackets or a variable shows as its root alone. Filters and tests that do
/// not exist, and tags that would read other templates, are problems here and not only when rendered.
pub fn placeholders(source: &str) -> Result<BTreeSet<String>, TemplateProblem> {
    let environment = environment(Escape::Text);
    let template = compiled(environment, source).map_err(|error| problem(&error, source))?;
    names::check(environment, source)?;
    let mut found = BTreeSet::new();
    found.extend(template.undeclared_variables(true));
    for (global, _) in environment.globals() {
        found.remove(global);
    }
    Ok(found)
}

/// The template filled with the values.
pub fn render(source: &str, escape: Escape, values: &MergeValues) -> Result<String, RenderError> {
    let invalid = |error: &minijinja::Error| RenderError::Invalid(problem(error, source));
    let template = compiled(environment(escape), source).map_err(|error| invalid(&error))?;
    let mut output = Bounded(Vec::with_capacity(source.len()));
    if let Err(error) = template.render_captured_to(values.context(), &mut output) {
        return Err(match error.kind() {
            ErrorKind::OutOfFuel => RenderError::TooManySteps,
            ErrorKind::WriteFailure => RenderError::TooLong,
            _ => {
                names::empty_placeholder(&error, source, values).unwrap_or_else(|| invalid(&error))
            }
        });
    }
    // Only whole pieces of text are written, so this never replaces anything.
    Ok(String::from_utf8_lossy(&output.0).into_owned())
}

/// A rendered text on one line, as a subject must be: every run of white space and control characters
/// becomes one space.
pub fn one_line(text: &str) -> String {
    let spaced: String =
        text.chars().map(|c| if c.is_control() || c.is_whitespace() { ' ' } else { c }).collect();
    spaced.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The remedy that an error about an empty placeholder proposes.
fn remedy(placeholder: &str) -> String {
    format!("{{{{ {placeholder} | default(\"there\") }}}}")
}

fn compiled<'a>(
    environment: &'static Environment<'static>,
    source: &'a str,
) -> Result<minijinja::Template<'a, 'a>, minijinja::Error> {
    if source.len() > LONGEST_SOURCE {
        let message = format!("the template is longer than {} KiB", LONGEST_SOURCE / 1024);
        return Err(minijinja::Error::new(ErrorKind::SyntaxError, message));
    }
    environment.template_from_str(source)
}

/// The two environments, made once: building one costs more than rendering a mail.
fn environment(escape: Escape) -> &'static Environment<'static> {
    static TEXT: OnceLock<Environment<'static>> = OnceLock::new();
    static HTML: OnceLock<Environment<'static>> = OnceLock::new();
    match escape {
        Escape::Text => TEXT.get_or_init(|| build(Escape::Text)),
        Escape::Html => HTML.get_or_init(|| build(Escape::Html)),
    }
}

fn build(escape: Escape) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_auto_escape_callback(move |_| match escape {
        Escape::Text => AutoEscape::None,
        Escape::Html => AutoEscape::Html,
    });
    environment.set_formatter(printing::print);
    environment.set_fuel(Some(FUEL));
    // Ranges and line numbers in errors, from which the empty placeholder is named.
    environment.set_debug(true);
    environment.add_filter("date", dates::date);
    environment.add_filter("default", printing::default);
    environment.add_filter("d", printing::default);
    environment.add_filter("join", printing::join);
    // What could build a large text in one step, or shows how values are held.
    for name in ["format", "indent", "pprint", "batch", "slice"] {
        environment.remove_filter(name);
    }
    for name in ["debug", "namespace"] {
        environment.remove_global(name);
    }
    environment
}

fn problem(error: &minijinja::Error, source: &str) -> TemplateProblem {
    let message = match error.detail() {
        Some(detail) if error.kind() == ErrorKind::SyntaxError => detail.to_owned(),
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    let column = error.range().map(|range| {
        let before = source.get(..range.start).unwrap_or_default();
        before.rsplit('\n').next().unwrap_or_default().chars().count() + 1
    });
    TemplateProblem { message, line: error.line().unwrap_or(1), column }
}

/// Takes text up to [`LONGEST_OUTPUT`] and fails on more.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if self.0.len() + piece.len() > LONGEST_OUTPUT {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.0.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
