//! `dacapo validate`: what is wrong with campaign files, where, and what to do about it.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;

use dacapo_engine::campaign::format::ObjectDefinition;
use dacapo_engine::campaign::reader::{Source, read};
use dacapo_engine::campaign::validate::{AccountView, Subjects, validate};
use dacapo_engine::ids::{CampaignId, ObjectType};
use dacapo_engine::problem::{Problem, Severity};
use serde_json::json;

use crate::out;
use crate::settings::{Format, Validate};

/// Prints the findings. The campaigns of all files may refer to each other.
pub(crate) fn run(command: &Validate) -> Result<ExitCode, Box<dyn Error>> {
    let mut sources: Vec<(String, Result<Source, Vec<Problem>>)> = Vec::new();
    let mut unread = 0;
    for file in &command.files {
        match std::fs::read_to_string(file) {
            Ok(text) => sources.push((file.display().to_string(), read(&text))),
            Err(error) => {
                unread += 1;
                out::complain(format_args!("{}: {error}", file.display()));
            }
        }
    }
    let known: BTreeMap<CampaignId, Subjects> = sources
        .iter()
        .filter_map(|(_, source)| {
            let document = &source.as_ref().ok()?.document;
            Some((document.id.clone(), Subjects::of(document.per.as_ref())))
        })
        .collect();
    let fields = BTreeMap::new();
    let mut objects: BTreeMap<ObjectType, ObjectDefinition> = BTreeMap::new();
    for document in sources.iter().filter_map(|(_, source)| Some(&source.as_ref().ok()?.document)) {
        for (kind, of) in &document.objects {
            objects.entry(kind.clone()).or_default().fields.extend(of.fields.clone());
        }
    }
    // Files have no account: a sender may be set there.
    let account = AccountView {
        fields: &fields,
        objects: &objects,
        subjects: &|id| known.get(id).cloned(),
        campaigns: &|id| known.contains_key(id),
        sender: true,
    };
    let findings: Vec<(String, Vec<Problem>)> = sources
        .into_iter()
        .map(|(file, source)| {
            let problems = match source {
                Ok(source) => validate(&source, &account),
                Err(problems) => problems,
            };
            (file, problems)
        })
        .collect();
    let errors = findings.iter().flat_map(|(_, problems)| problems);
    let errors = errors.filter(|problem| problem.severity == Severity::Error).count();
    match command.format {
        Format::Text => out::line(as_text(&findings).trim_end())?,
        Format::Json => out::line(as_json(&findings))?,
    }
    Ok(if errors == 0 && unread == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn as_text(findings: &[(String, Vec<Problem>)]) -> String {
    let mut out = String::new();
    for (file, problems) in findings {
        for problem in problems {
            let place = match (problem.line, problem.column) {
                (Some(line), Some(column)) => format!("{file}:{line}:{column}"),
                (Some(line), None) => format!("{file}:{line}"),
                (None, _) => file.clone(),
            };
            let severity = match problem.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            let _ = writeln!(out, "{place}: {severity}[{}] {}", problem.code, problem.path);
            let _ = writeln!(out, "    {}", problem.message);
            let _ = writeln!(out, "    {}", problem.remedy);
        }
        let count = |wanted| problems.iter().filter(|one| one.severity == wanted).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        let _ = writeln!(out, "{file}: {errors} errors, {warnings} warnings");
    }
    out
}

fn as_json(findings: &[(String, Vec<Problem>)]) -> serde_json::Value {
    let files: Vec<_> = findings
        .iter()
        .map(|(file, problems)| json!({ "file": file, "problems": problems }))
        .collect();
    json!({ "files": files })
}
