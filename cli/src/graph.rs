//! `dacapo graph`: a campaign as a picture, and the way of a contact of a scenario on it.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use dacapo_authoring::campaigns::together;
use dacapo_authoring::graph::{ContactPath, Picture, PictureOverlay};
use dacapo_authoring::simulate::{Bounds, Surroundings, placed, simulate};
use dacapo_engine::campaign::reader::read;

use crate::files::{self, Unusable};
use crate::out;
use crate::settings::{Graph, PictureFormat};

/// Prints the picture. A campaign that cannot be published yet is drawn too, if it can be read.
pub(crate) fn run(command: &Graph) -> Result<ExitCode, Box<dyn Error>> {
    let standard_input = Path::new("-");
    if command.file == standard_input && command.scenario.as_deref() == Some(standard_input) {
        return Err("standard input can be read once; name a file for the other `-`".into());
    }
    let file = files::name(&command.file);
    let text = files::text(&command.file)?;
    let document = read(&text).map_err(|problems| Unusable::of(&file, &problems))?.document;
    let way = match &command.scenario {
        None => None,
        Some(scenario) => Some(way(command, scenario, (&file, &text), document.id.as_str())?),
    };
    let picture = Picture::of(&document, &PictureOverlay { counts: None, way })?;
    let drawn = match command.format {
        PictureFormat::Mermaid => picture.as_mermaid(),
        PictureFormat::Svg => picture.as_svg(),
    };
    out::line(drawn.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// The way of a contact of the scenario: the only one, or the one that is named.
fn way(
    command: &Graph,
    scenario_file: &Path,
    campaign: (&str, &str),
    id: &str,
) -> Result<ContactPath, Box<dyn Error>> {
    let (scenario, places) = files::scenario(scenario_file)?;
    let (name, text) = campaign;
    // What came from standard input cannot be read again.
    let documents = if command.file == Path::new("-") {
        let texts = [(name.to_owned(), text.to_owned())];
        let all = together(&texts, &Surroundings::default()).map_err(|refused| {
            let lines = refused.iter().map(|(file, all)| Unusable::of(file, all).to_string());
            lines.collect::<Vec<_>>().join("\n")
        })?;
        all.documents
    } else {
        files::campaigns(std::slice::from_ref(&command.file), &scenario, scenario_file)?.documents
    };
    let file = files::name(scenario_file);
    let journey = simulate(&documents, &scenario, &Surroundings::default(), &Bounds::default())
        .map_err(|problems| Unusable::of(&file, &placed(problems, &places)))?;
    let names: Vec<&str> = journey.contacts.keys().map(String::as_str).collect();
    let contact = match (&command.contact, names.as_slice()) {
        (Some(name), all) if all.contains(&name.as_str()) => name.as_str(),
        (Some(name), all) => {
            let all = all.join(", ");
            return Err(format!("{file}: there is no contact {name:?}; there are: {all}").into());
        }
        (None, [only]) => *only,
        (None, all) => {
            let all = all.join(", ");
            let message = format!("{file}: say whose way with --contact NAME; there are: {all}");
            return Err(message.into());
        }
    };
    Ok(ContactPath::of(&journey, contact, id))
}
