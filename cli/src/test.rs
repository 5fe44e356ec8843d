//! `dacapo test`: plays every scenario with `expect` beneath a folder.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use dacapo_authoring::expectation::differences;
use dacapo_authoring::scenario::Scenario;
use dacapo_authoring::simulate::{Bounds, Surroundings, placed};
use dacapo_engine::campaign::reader::read_as;
use dacapo_platform::played::play;
use serde_json::{Value, json};

use crate::files::{self, Unusable};
use crate::out;
use crate::settings::{Format, Test};
use crate::simulate::written;

/// What came of a scenario.
struct Tested {
    file: String,
    name: Option<String>,
    /// What is wrong, in lines; nothing if it passed.
    failure: Option<String>,
}

/// Plays them all and prints what came out differently.
pub(crate) fn run(command: &Test) -> Result<ExitCode, Box<dyn Error>> {
    let mut found = Vec::new();
    for place in &command.places {
        found.extend(files::documents_beneath(place)?);
    }
    let tested: Vec<Tested> = found.iter().filter_map(|file| test(file)).collect();
    if tested.is_empty() {
        let places: Vec<String> =
            command.places.iter().map(|place| place.display().to_string()).collect();
        let message = format!(
            "{}: there is no scenario with `expect`; docs/authoring.md says how to write one",
            places.join(", ")
        );
        return Err(message.into());
    }
    let failed = tested.iter().filter(|one| one.failure.is_some()).count();
    match command.format {
        Format::Text => {
            for Tested { file, name, failure } in &tested {
                let word = if failure.is_some() { "FAILED" } else { "ok" };
                let name = name.as_ref().map(|name| format!("  {name}")).unwrap_or_default();
                out::line(format_args!("{word:<6} {file}{name}"))?;
                if let Some(failure) = failure {
                    out::line(failure.trim_end())?;
                }
            }
            out::line(format_args!("{} passed, {failed} failed", tested.len() - failed))?;
        }
        Format::Json => {
            let all: Vec<Value> = tested
                .iter()
                .map(|Tested { file, name, failure }| {
                    json!({
                        "file": file,
                        "name": name,
                        "passed": failure.is_none(),
                        "failure": failure,
                    })
                })
                .collect();
            let passed = tested.len() - failed;
            out::line(json!({ "scenarios": all, "passed": passed, "failed": failed }))?;
        }
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Plays a scenario; `None` if the file is none, or expects nothing.
fn test(file: &Path) -> Option<Tested> {
    let name = file.display().to_string();
    let failed = |why: &Unusable| Tested {
        file: name.clone(),
        name: None,
        failure: Some(indented(&why.to_string())),
    };
    let text = match files::text(file) {
        Ok(text) => text,
        Err(why) => return Some(failed(&why)),
    };
    // What is no scenario is left alone: campaigns, payloads, files of other tools.
    let Ok((Value::Object(keys), _)) = read_as::<Value>(&text) else {
        let says = |key: &str| text.lines().any(|line| line.starts_with(key));
        return (says("then:") || says("expect:")).then(|| match files::scenario(file) {
            Ok(_) => failed(&Unusable::of(&name, &[])),
            Err(why) => failed(&why),
        });
    };
    let is_scenario = keys.contains_key("expect") || keys.contains_key("then");
    if keys.contains_key("elements") || !is_scenario {
        return None;
    }
    let (scenario, places) = match read_as::<Scenario>(&text) {
        Ok(read) => read,
        Err(problems) => return Some(failed(&Unusable::of(&name, &problems))),
    };
    scenario.expect.as_ref()?;
    let campaigns = match files::campaigns(&[], &scenario, file) {
        Ok(campaigns) => campaigns,
        Err(why) => return Some(failed(&why)),
    };
    let journey =
        match play(&campaigns.documents, &scenario, &Surroundings::default(), &Bounds::default()) {
            Ok(journey) => journey,
            Err(problems) => {
                return Some(failed(&Unusable::of(&name, &placed(problems, &places))));
            }
        };
    let first = campaigns.documents.first().map(|document| &document.id);
    let different = differences(&scenario, &journey, first);
    let failure = (!different.is_empty()).then(|| written(&name, &places, &different));
    Some(Tested { name: scenario.name, failure, file: name.clone() })
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
