//! `dacapo explain`: what a lint finds, why that is bad, and what happens in a campaign; or, with
//! `--campaign`, why a contact of a server is where it is.

mod contact;

use std::error::Error;
use std::process::ExitCode;

use dacapo_authoring::lint::{LINTS, Lint, named, page};
use dacapo_authoring::report::Report;
use dacapo_authoring::simulate::{Bounds, Surroundings, simulate};
use dacapo_engine::campaign::format::Document;
use dacapo_engine::campaign::nearest;
use dacapo_engine::campaign::reader::read;

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
        let known = LINTS.iter().flat_map(|lint| [lint.code, lint.name]);
        let remedy = nearest::remedy(what, known);
        return Err(format!("there is no lint `{what}`; {remedy}").into());
    };
    if command.files.is_empty() {
        out::line(page(lint).trim_end())?;
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
                simulate(documents, &proof.scenario, &Surroundings::default(), &Bounds::default())
                    .map_err(|problems| {
                        problems.first().map_or_else(String::new, |it| it.message.clone())
                    })?;
            told.push_str(&journey.as_text());
            told.push_str(&format!("\n{}\n\n", proof.shows));
        }
    }
    Ok(told)
}
