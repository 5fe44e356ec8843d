//! `dacapo simulate`: the journey that a scenario makes, before anybody gets mail.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use dacapo_authoring::expectation::{Difference, differences};
use dacapo_authoring::explore::{Limits, explore};
use dacapo_authoring::scenario::Scenario;
use dacapo_authoring::simulate::{Bounds, Surroundings, placed};
use dacapo_engine::campaign::reader::Places;
use dacapo_platform::played::play;
use serde_json::json;

use crate::files::{self, Unusable};
use crate::out;
use crate::settings::{JourneyFormat, Simulate};

/// Plays the scenario and prints the journey. Fails if something else is expected.
pub(crate) fn run(command: &Simulate) -> Result<ExitCode, Box<dyn Error>> {
    let inputs = command.files.iter().chain(&command.scenario);
    if inputs.filter(|file| *file == Path::new("-")).count() > 1 {
        return Err("standard input can be read once; name a file for the other `-`".into());
    }
    let Some(scenario_file) = &command.scenario else {
        if command.explore {
            return explores(command);
        }
        out::complain(
            "say what is to be played: `--scenario FILE` (docs/authoring.md says how to write \
             one), or `--explore` to walk every way without a scenario",
        );
        return Ok(ExitCode::from(2));
    };
    let (scenario, places) = files::scenario(scenario_file)?;
    let campaigns = files::campaigns(&command.files, &scenario, scenario_file)?;
    let file = files::name(scenario_file);
    let journey =
        play(&campaigns.documents, &scenario, &Surroundings::default(), &Bounds::default())
            .map_err(|problems| Unusable::of(&file, &placed(problems, &places)))?;
    let first = campaigns.documents.first().map(|document| &document.id);
    let different = differences(&scenario, &journey, first);
    match command.format {
        JourneyFormat::Text => {
            let mut text = journey.as_text();
            if !different.is_empty() {
                text.push_str("\nThe scenario expects something else:\n");
                text.push_str(&written(&file, &places, &different));
            }
            out::line(text.trim_end())?;
        }
        JourneyFormat::Json => {
            let mut all = serde_json::to_value(&journey)?;
            let warnings: Vec<_> = campaigns
                .warnings
                .iter()
                .flat_map(|(file, problems)| {
                    problems.iter().map(move |problem| json!({ "file": file, "problem": problem }))
                })
                .collect();
            all["findings"] = json!(warnings);
            if scenario.expect.is_some() {
                all["differences"] = json!(different);
            }
            out::line(all)?;
        }
        JourneyFormat::Mermaid => out::line(journey.as_mermaid().trim_end())?,
    }
    Ok(if different.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Walks every way, and prints what was found.
fn explores(command: &Simulate) -> Result<ExitCode, Box<dyn Error>> {
    let none = Scenario::default();
    let campaigns = files::campaigns(&command.files, &none, Path::new(""))?;
    let limits = Limits { places: command.places.get(), ..Limits::default() };
    let found = explore(&campaigns.documents, &Surroundings::default(), &limits);
    match command.format {
        JourneyFormat::Text => out::line(found.as_text().trim_end())?,
        JourneyFormat::Json => out::line(serde_json::to_value(&found)?)?,
        JourneyFormat::Mermaid => {
            return Err("an exploration is no journey; write `--format text` or `json`".into());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Differences with their places, indented.
pub(crate) fn written(file: &str, places: &Places, different: &[Difference]) -> String {
    let mut text = String::new();
    for Difference { path, text: difference } in different {
        let (line, column) = places.line_and_column(path);
        let _ = writeln!(text, "  {file}:{line}:{column}: {path}");
        for line in difference.lines() {
            let _ = writeln!(text, "    {line}");
        }
    }
    text
}
