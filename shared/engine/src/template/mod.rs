//! Templates: subjects, texts, HTML and field values with placeholders (R33).
//!
//! It promises that a half-empty mail is never sent: printing an empty value is an error that names
//! the placeholder and the remedy. Templates read nothing but the values they are given, in the
//! zone and the language that come with them. No template can abort the process or delay it: length
//! and depth are bounded before it is compiled, and steps, bytes and every value while it is
//! rendered.

mod bounds;
mod budget;
mod compiled;
mod dates;
mod filters;
mod guards;
mod merge;
mod names;
mod printing;
mod texts;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, machinery};

pub use bounds::{DEEPEST, MOST_OPEN, MOST_WORDS};
pub use budget::{Budget, DEEPEST_VALUE, LARGEST_VALUE};
pub use filters::{FILTERS, FUNCTIONS, TESTS};
pub use merge::{MergeValue, MergeValues};

/// The longest template, in bytes.
pub const LONGEST_SOURCE_BYTES: usize = 256 * 1024;

/// The longest rendered text, in bytes.
pub const LONGEST_OUTPUT_BYTES: usize = 512 * 1024;

/// The longest message about a template, in characters: values may be quoted in it.
const LONGEST_MESSAGE_CHARACTERS: usize = 400;

/// How a rendered value is escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// Plain text: values are inserted unchanged.
    Text,
    /// HTML: `<`, `>`, `&` and quotes in values are escaped.
    Html,
}

/// What is wrong with a template, whatever the values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateProblem {
    /// What is wrong, and what to write instead if that is known.
    pub message: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1, if it is known.
    pub column: Option<usize>,
}

/// Why a message could not be rendered for this contact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A placeholder that is printed or used has no value.
    #[error("{placeholder} is empty for this contact; write {remedy}")]
    Empty {
        /// The placeholder, such as `contact.first_name`.
        placeholder: String,
        /// What to write instead.
        remedy: String,
    },
    /// The rendered text is longer than [`LONGEST_OUTPUT_BYTES`].
    #[error("the rendered text is longer than {} KiB; shorten the template", LONGEST_OUTPUT_BYTES / 1024)]
    TooLong,
    /// An intermediate text, list or map is larger than [`LARGEST_VALUE`].
    #[error("a value in the template is larger than {} KiB; shorten it", LARGEST_VALUE / 1024)]
    ValueTooLarge,
    /// Lists and maps are nested deeper than [`DEEPEST_VALUE`].
    #[error("more than {} lists and maps lie in each other in the template", DEEPEST_VALUE)]
    ValueTooDeep,
    /// It takes more steps, or processes more bytes, than the budget has.
    #[error("the template takes too many steps; shorten its loops and what they work on")]
    TooManySteps,
    /// The template is longer than its budget allows.
    #[error("the template is longer than {} KiB", .0 / 1024)]
    SourceTooLong(usize),
    /// The template is not valid, or uses a value in a way its type does not allow.
    #[error("line {}: {}", .0.line, .0.message)]
    Invalid(TemplateProblem),
}

impl RenderError {
    /// Whether a larger budget may be enough.
    pub fn is_over_budget(&self) -> bool {
        match self {
            Self::TooManySteps | Self::SourceTooLong(_) => true,
            Self::Empty { .. }
            | Self::TooLong
            | Self::ValueTooLarge
            | Self::ValueTooDeep
            | Self::Invalid(_) => false,
        }
    }
}

/// The dotted paths that the template reads, such as `contact.first_name`.
///
/// A path that is read through brackets or a variable is shown as its root only. Filters and tests
/// that do not exist, and tags that would read other templates, are problems here and not only when
/// rendered.
pub fn placeholders(source: &str) -> Result<BTreeSet<String>, TemplateProblem> {
    checked(source, || read_by(source)).unwrap_or_else(Err)
}

fn read_by(source: &str) -> Result<BTreeSet<String>, TemplateProblem> {
    bounds::check(source)?;
    let environment = environment(Budget::Full);
    let template =
        environment.template_from_str(source).map_err(|error| problem(&error, source))?;
    names::check(source)?;
    let mut found = BTreeSet::new();
    found.extend(template.undeclared_variables(true));
    for global in FUNCTIONS {
        found.remove(*global);
    }
    Ok(found)
}

/// The template filled with the values, within [`Budget::Full`].
pub fn render(source: &str, escape: Escape, values: &MergeValues) -> Result<String, RenderError> {
    render_within(Budget::Full, source, escape, values)
}

/// The template filled with the values, within a budget.
pub fn render_within(
    budget: Budget,
    source: &str,
    escape: Escape,
    values: &MergeValues,
) -> Result<String, RenderError> {
    checked(source, || rendered(budget, source, escape, values))
        .unwrap_or_else(|problem| Err(RenderError::Invalid(problem)))
}

fn rendered(
    budget: Budget,
    source: &str,
    escape: Escape,
    values: &MergeValues,
) -> Result<String, RenderError> {
    if source.len() > budget.source() {
        return Err(RenderError::SourceTooLong(budget.source()));
    }
    let environment = environment(budget);
    let invalid = |error: &minijinja::Error| RenderError::Invalid(problem(error, source));
    let kept = compiled::of(source).map_err(RenderError::Invalid)?;
    let template = kept.get_template(compiled::NAME).map_err(|error| invalid(&error))?;
    let compiled = machinery::get_compiled_template(&template);
    let instructions = guards::guarded(&compiled.instructions);
    let blocks = BTreeMap::new();
    let escape = match escape {
        Escape::Text => AutoEscape::None,
        Escape::Html => AutoEscape::Html,
    };
    let mut text = String::with_capacity(source.len());
    let done = {
        let mut output = machinery::make_string_output(&mut text);
        let context = values.context();
        machinery::eval(environment, &instructions, context, &blocks, &mut output, escape)
    };
    if let Err(error) = done {
        return Err(match budget::excess(&error) {
            Some(budget::Excess::Steps) => RenderError::TooManySteps,
            Some(budget::Excess::Value) => RenderError::ValueTooLarge,
            Some(budget::Excess::Depth) => RenderError::ValueTooDeep,
            None => {
                names::empty_placeholder(&error, source, values).unwrap_or_else(|| invalid(&error))
            }
        });
    }
    if text.len() > LONGEST_OUTPUT_BYTES {
        return Err(RenderError::TooLong);
    }
    Ok(text)
}

/// Does something with a template; a panic in the template language is a problem of this template
/// only.
fn checked<T>(source: &str, work: impl FnOnce() -> T) -> Result<T, TemplateProblem> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| {
        let message = "the template language cannot cope with this template; write it differently";
        TemplateProblem {
            message: message.to_owned(),
            line: source.lines().count().max(1),
            column: None,
        }
    })
}

/// A rendered text on one line, as a subject must be: every run of white space and control
/// characters becomes one space.
pub fn one_line(text: &str) -> String {
    let spaced: String =
        text.chars().map(|c| if c.is_control() || c.is_whitespace() { ' ' } else { c }).collect();
    spaced.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The remedy in an error about an empty placeholder.
fn remedy(placeholder: &str) -> String {
    format!(
        "{{{{ {placeholder} | default('there') }}}}, or put {{% if {placeholder} %}}…{{% endif %}} \
         around what speaks of it"
    )
}

/// The two environments, made once: building one costs more than rendering a mail.
fn environment(budget: Budget) -> &'static Environment<'static> {
    static SMALL: OnceLock<Environment<'static>> = OnceLock::new();
    static FULL: OnceLock<Environment<'static>> = OnceLock::new();
    match budget {
        Budget::Small => SMALL.get_or_init(|| build(budget)),
        Budget::Full => FULL.get_or_init(|| build(budget)),
    }
}

fn build(budget: Budget) -> Environment<'static> {
    /// Each macro that is called takes six of these, each loop and `with` one.
    const DEEPEST_CALLS: usize = 100;
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_formatter(printing::print);
    environment.set_fuel(Some(budget.steps()));
    environment.set_recursion_limit(DEEPEST_CALLS);
    // Ranges and line numbers in errors, from which the empty placeholder is found.
    environment.set_debug(true);
    filters::install(&mut environment);
    guards::install(&mut environment);
    environment
}

fn problem(error: &minijinja::Error, source: &str) -> TemplateProblem {
    let message = match error.detail() {
        Some(detail) if error.kind() == ErrorKind::SyntaxError => detail.to_owned(),
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    let message = match message.char_indices().nth(LONGEST_MESSAGE_CHARACTERS) {
        Some((end, _)) => format!("{} …", &message[..end]),
        None => message,
    };
    let column = error.range().map(|range| {
        let before = source.get(..range.start).unwrap_or_default();
        before.rsplit('\n').next().unwrap_or_default().chars().count() + 1
    });
    TemplateProblem { message, line: error.line().unwrap_or(1), column }
}
