//! `dacapo schema`: the JSON Schema of campaigns, for editors.

use std::error::Error;
use std::process::ExitCode;

use dacapo_engine::campaign::schema::{JSON_SCHEMA, JSON_SCHEMA_DRAFT_07};

use crate::out;
use crate::settings::{Draft, Schema};

/// Prints it.
pub(crate) fn run(command: &Schema) -> Result<ExitCode, Box<dyn Error>> {
    let schema = match command.draft {
        Draft::Of202012 => JSON_SCHEMA,
        Draft::Of07 => JSON_SCHEMA_DRAFT_07,
    };
    out::line(schema.trim_end())?;
    Ok(ExitCode::SUCCESS)
}
