//! `dacapo preview`: a mail as it would leave, without a server.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use dacapo_authoring::report::Report;
use dacapo_authoring::scenario::{ObjectPost, Post};
use dacapo_authoring::simulate::{Invented, Surroundings, invented, placed};
use dacapo_engine::campaign::format::Sender;
use dacapo_engine::campaign::reader::{Places, read, read_as};
use dacapo_engine::problem::Problem;
use dacapo_engine::template::Budget;
use dacapo_platform::mail::{complete, sender_of};
use dacapo_platform::preview::{Preview as Shown, Shown as ShownFor, email_of, problems_of};

use crate::files::{self, Unusable};
use crate::out;
use crate::settings::{MailFormat, Preview};

/// The link to unsubscribe in a mail that is only looked at.
const UNSUBSCRIBE: &str = "https://dacapo.example/u/test";

/// Prints the mail. Errors elsewhere in the campaign do not matter; the exit code is 1 if it would
/// not leave.
pub(crate) fn run(command: &Preview) -> Result<ExitCode, Box<dyn Error>> {
    let given = [command.contact.as_deref(), command.object.as_deref()];
    let from_input = given.iter().filter(|one| **one == Some("-")).count();
    if from_input + usize::from(command.file == Path::new("-")) > 1 {
        return Err("standard input can be read once; name a file for the other `-`".into());
    }
    let file = files::name(&command.file);
    let text = files::text(&command.file)?;
    let source = read(&text).map_err(|problems| Unusable::of(&file, &problems))?;
    let email = email_of(&source.document, &command.key)?;
    let report = Report::of(vec![(file.clone(), text)]);
    let findings = report.files.into_iter().flat_map(|file| file.findings);
    let problems = findings.map(Problem::from).collect();
    let (wrong, odd) = problems_of(&source.document, &command.key, problems);
    if !wrong.is_empty() {
        return Err(Unusable::of(&file, &wrong).into());
    }
    let contact = given_as(command.contact.as_deref(), "--contact", read_as::<Post>)?;
    let object = given_as(command.object.as_deref(), "--object", read_as::<ObjectPost>)?;
    let none = Post::default();
    let post = contact.as_ref().map_or(&none, |contact| &contact.value);
    let of = object.as_ref().map(|object| &object.value);
    let Invented { account, contact, object } =
        invented(&source.document, post, of, &Surroundings::default()).map_err(|problem| {
            let given = match problem.path.starts_with("object") {
                true => object.as_ref().map(|object| (&object.name, &object.places)),
                false => contact.as_ref().map(|contact| (&contact.name, &contact.places)),
            };
            refused(problem, given)
        })?;
    let shown = ShownFor {
        account: &account,
        source: &source,
        key: &command.key,
        email,
        subject: object.as_ref().unwrap_or(&contact),
        person: object.as_ref().map(|_| &contact),
        unsubscribe_url: UNSUBSCRIBE,
    };
    let rendered = complete(email, &shown.values(), true, Budget::Full);
    let sender = sender_of(email, &source.document, None, None);
    let preview = shown.preview(rendered.map_err(|why| why.reason), sender, odd);
    match command.format {
        MailFormat::Text => out::line(as_text(&file, &preview).trim_end())?,
        MailFormat::Json => out::line(serde_json::to_value(&preview)?)?,
        MailFormat::Html => match (&preview.html, &preview.fails) {
            (Some(html), _) => out::line(html)?,
            (None, Some(why)) => return Err(format!("it would not leave: {why}").into()),
            (None, None) => return Err("the e-mail has no HTML; write `--format text`".into()),
        },
    }
    Ok(if preview.fails.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What was given as a file, or as itself.
struct GivenAs<T> {
    value: T,
    name: String,
    places: Places,
}

fn given_as<T>(
    given: Option<&str>,
    option: &str,
    read: impl Fn(&str) -> Result<(T, Places), Vec<Problem>>,
) -> Result<Option<GivenAs<T>>, Unusable> {
    let Some(given) = given else { return Ok(None) };
    let (name, text) = match given.trim_start().starts_with('{') {
        true => (option.to_owned(), given.to_owned()),
        false => (files::name(Path::new(given)), files::text(Path::new(given))?),
    };
    let (value, places) = read(&text).map_err(|problems| Unusable::of(&name, &problems))?;
    Ok(Some(GivenAs { value, name, places }))
}

/// A problem of what was given, with its place in it: there it is the whole.
fn refused(mut problem: Problem, given: Option<(&String, &Places)>) -> Unusable {
    let path = problem.path.split_once('.').map_or("", |(_, path)| path).to_owned();
    match given {
        Some((name, places)) => {
            problem.path = path;
            Unusable::of(name, &placed(vec![problem], places))
        }
        None => Unusable::of("--object", &[problem]),
    }
}

fn as_text(file: &str, preview: &Shown) -> String {
    let mut text = String::new();
    let mut header = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            let _ = writeln!(text, "{:<11}{value}", format!("{name}:"));
        }
    };
    let from = preview.from.as_ref().map(|sender| match sender {
        Sender { name: Some(name), address } => format!("{name} <{address}>"),
        Sender { name: None, address } => address.clone(),
    });
    header("From", Some(from.as_deref().unwrap_or("(the account's sender)")));
    header("Reply-To", preview.reply_to.as_deref());
    header("To", preview.to.as_deref());
    header("Subject", preview.subject.as_deref());
    header("Preheader", preview.preheader.as_deref());
    let html = preview.html_kb.map(|kb| format!("{kb} kB"));
    header("HTML", html.as_deref());
    match (&preview.fails, &preview.text) {
        (Some(why), _) => {
            let _ = writeln!(text, "\nIt would not leave: {why}");
        }
        (None, body) => {
            let _ = writeln!(text, "\n{}", body.as_deref().unwrap_or_default().trim_end());
        }
    }
    if !preview.odd.is_empty() {
        text.push_str("\nWorth a look:\n");
    }
    for Problem { code, path, line, column, message, remedy, .. } in &preview.odd {
        let (line, column) = (line.unwrap_or(1), column.unwrap_or(1));
        let _ = writeln!(text, "  {file}:{line}:{column}: {code} {path}\n    {message}; {remedy}");
    }
    text
}
