//! `dacapo explain`: what a lint finds, why that is bad, and what happens in a campaign; or, with
//! `--campaign`, why a contact of a server is where it is.

mod contact;

use std::error::Error;
use std::process::ExitCode;

use dacapo_authoring::lint::{LINTS, Lint, named, page};
use dacapo_authoring::report::Report;
use dacapo_authoring::simulate::{Bounds, Surroundings};
use dacapo_engine::campaign::format::Document;
use dacapo_engine::campaign::nearest;
use dacapo_engine::campaign::reader::read;
use dacapo_platform::played::play;

use crate::files;
use crate::out;
use crate::settings::Explain;

/// Prints the page, or plays what proves each finding of the lint in the files; or asks a server
/// about a contact.
pub(crate) fn run(command: &Explain) -> Result<ExitCode, Box<dyn Error>> {
    if let Some(campaign) = &command.campaign {
        return contact::run(command, campaign);
    }
    let what = &command.what;
    let Some(lint) = named(what) else {
        if what.contains('@') {
            let why =
                format!("`{what}` is no lint; to ask a server about a contact say --campaign ID");
            return Err(why.into());
        }
        if let Some(about) = of_the_validator(what) {
            out::line(about)?;
            return Ok(ExitCode::SUCCESS);
        }
        let known = LINTS.iter().flat_map(|lint| [lint.code, lint.name]);
        let remedy = nearest::remedy(what, known);
        return Err(format!("there is no lint `{what}`; {remedy}").into());
    };
    if command.files.is_empty() {
        out::line(page(lint).unwrap_or_default().trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut texts = Vec::new();
    for file in &command.files {
        texts.push((files::name(file), files::text(file)?));
    }
    let documents: Vec<Document> =
        texts.iter().filter_map(|(_, text)| Some(read(text).ok()?.document)).collect();
    let report = Report::of(texts);
    let told = told(lint, &report, &documents)?;
    if told.is_empty() {
        let why = if report.count(dacapo_authoring::finding::Severity::Error) > 0 {
            "the files have errors, which `dacapo validate` shows; lints look at what has none"
        } else {
            "it finds nothing in these files"
        };
        out::line(format_args!("{} {}: {why}", lint.code, lint.name))?;
        return Ok(ExitCode::FAILURE);
    }
    out::line(told.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// The page that lists the validator's codes and says of each what it is about.
const FORMAT: &str = include_str!("../../docs/campaign-format.md");

/// The page of `allow` and of the finding about it.
const ALLOW: &str = "docs/lints/README.md";

/// What is said of a code that is no lint's: it has no page of its own.
fn of_the_validator(what: &str) -> Option<String> {
    let what = what.trim();
    if what.eq_ignore_ascii_case("D901") || what.eq_ignore_ascii_case("allow-silences-nothing") {
        return Some(format!(
            "D901 allow-silences-nothing: a line under `allow` names no lint, or a lint that finds \
             nothing there any more.\nRemove the line, or write the lint that is meant; see {ALLOW}"
        ));
    }
    let rows = FORMAT.split_once("\n## What the validator says").map_or("", |(_, rows)| rows);
    let code = format!("`{}`", what.to_ascii_lowercase());
    let row =
        rows.lines().find(|row| row.split('|').nth(1).is_some_and(|it| it.contains(&code)))?;
    let mut cells = row.split('|').map(str::trim).skip(2);
    let (severity, about) = (cells.next()?, cells.next()?);
    Some(format!(
        "{code} is a finding of the validator ({severity}), about: {about}.\nIts remedy stands \
         with it where `dacapo validate` finds it; see \
         docs/campaign-format.md#what-the-validator-says"
    ))
}

/// Each finding, what is done, and what comes of it.
fn told(lint: &Lint, report: &Report, documents: &[Document]) -> Result<String, Box<dyn Error>> {
    let mut told = String::new();
    for file in &report.files {
        for finding in file.findings.iter().filter(|finding| finding.code == lint.code) {
            let line = finding.line.unwrap_or(1);
            told.push_str(&format!("{} {} ({}:{line})\n", lint.code, lint.name, file.file));
            told.push_str(&format!("{}\n{}\n\n", finding.message, finding.remedy));
            let Some(proof) = &finding.proof else {
                told.push_str("How it comes about in this campaign cannot be shown.\n\n");
                continue;
            };
            let journey =
                play(documents, &proof.scenario, &Surroundings::default(), &Bounds::default())
                    .map_err(|problems| {
                        problems.first().map_or_else(String::new, |it| it.message.clone())
                    })?;
            told.push_str(&journey.as_text());
            told.push_str(&format!("\n{}\n\n", proof.shows));
        }
    }
    Ok(told)
}
