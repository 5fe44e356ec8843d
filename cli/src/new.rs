//! `dacapo new`: a campaign to begin with, and scenarios that show what it does. They are the files
//! of `examples/`, as they were when this command was built.

use std::error::Error;
use std::ffi::OsStr;
use std::fs::{OpenOptions, create_dir_all};
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use dacapo_engine::campaign::schema::JSON_SCHEMA_DRAFT_07;

use crate::out;
use crate::settings::{New, Template};

/// The file that editors check campaigns with: the first line of a campaign names it.
const SCHEMA: &str = "campaign.schema.json";

/// A file, as a path beneath the folder, and its text.
type File = (&'static str, &'static str);

macro_rules! files {
    ($($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../../examples/", $path)))),+]
    };
}

/// The campaign and its scenarios; the campaign is first.
fn files(template: Template) -> &'static [File] {
    match template {
        Template::Appointments => files![
            "appointments.yaml",
            "scenarios/appointments-confirmed-by-a-host.yaml",
            "scenarios/appointments-two-of-one-contact.yaml",
        ],
        Template::AppointmentLoop => files![
            "appointment-loop.yaml",
            "scenarios/appointment-loop-nobody-books.yaml",
            "scenarios/appointment-loop-reacting.yaml",
            "scenarios/appointment-loop-twice.yaml",
        ],
        Template::Webinar => files!["webinar.yaml", "scenarios/webinar-twice.yaml"],
        Template::Birthday => files!["birthday.yaml", "scenarios/birthday-two-years.yaml"],
        Template::Onboarding => files![
            "onboarding.yaml",
            "scenarios/onboarding-helped.yaml",
            "scenarios/onboarding-not-set-up.yaml",
        ],
        Template::RePermission => {
            files!["re-permission.yaml", "scenarios/re-permission-two-years.yaml"]
        }
    }
}

/// Writes the files of a template, or lists the templates.
pub(crate) fn run(command: &New) -> Result<ExitCode, Box<dyn Error>> {
    let Some(template) = command.template.filter(|_| !command.list) else {
        for template in Template::ALL {
            out::line(format_args!("{:<17} {}", template.name(), template.about()))?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let files = files(template);
    let folder = command.folder.as_path();
    let there: Vec<String> = files
        .iter()
        .map(|(path, _)| folder.join(path))
        .filter(|path| path.symlink_metadata().is_ok())
        .map(|path| path.display().to_string())
        .collect();
    if !there.is_empty() {
        let message = format!(
            "{} {} there already, and nothing was written; go on with what is there, or name \
             another folder, such as `dacapo new {} {}-again`",
            there.join(", "),
            if there.len() == 1 { "is" } else { "are" },
            template.name(),
            folder.file_name().unwrap_or(OsStr::new("campaigns")).display()
        );
        return Err(message.into());
    }
    for (path, text) in files {
        write(&folder.join(path), text)?;
    }
    let schema = folder.join(SCHEMA);
    if schema.symlink_metadata().is_err() {
        write(&schema, JSON_SCHEMA_DRAFT_07)?;
    }
    let campaign = files.first().map_or_else(String::new, |(path, _)| shown(&folder.join(path)));
    out::line(format_args!("Next: dacapo validate {campaign}"))?;
    out::line(format_args!("      dacapo test {}", shown(folder)))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a file that is not there.
fn write(path: &Path, text: &str) -> Result<(), Box<dyn Error>> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    if let Some(folder) = path.parent() {
        create_dir_all(folder).map_err(failed)?;
    }
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)?;
    out::line(format_args!("wrote {}", path.display()))?;
    Ok(())
}

/// A path to type; quoted where a shell needs that.
fn shown(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    if path.chars().all(is_plain) { path } else { format!("'{}'", path.replace('\'', "'\\''")) }
}
