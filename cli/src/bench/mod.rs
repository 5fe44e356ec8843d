//! `dacapo bench`: how fast it is, and what limits it.
//!
//! | figure | what is done |
//! |---|---|
//! | five steps | entrance by webhook, mail, timer, mail, end |
//! | the loop | booked, confirmed, reminded, not reached, and again: 2 runs, 5 messages |
//! | object loop | the same loop about an object of each contact, in turns with the loop about contacts (`dacapo bench objects`) |
//! | decisions | `decide` alone, on one core |
//! | explore | every way through the appointment loop (`dacapo bench authoring`); per second: places |
//! | stop, reset | all contacts of a campaign, with the statistics (`dacapo bench mass`) |
//! | validate | a campaign of 500 elements, read, validated and linted (`dacapo bench validate`) |
//!
//! The first three run in one process on disk, through the HTTP router, with a standing clock. The
//! time is measured from the first post until nothing is left to do.

mod authoring;
mod decisions;
mod mass;
mod stopwatch;
mod throughput;
mod validate;

use std::error::Error;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::out;
use crate::settings::{Bench, Format, Measured};
use throughput::Scenario;

/// Measures, and prints a table or JSON.
pub(crate) fn run(bench: &Bench) -> Result<ExitCode, Box<dyn Error>> {
    if bench.what == Measured::Validate {
        let row = validate::measure();
        match bench.format {
            Format::Json => out::line(format_args!("{:#}", json!({ "bench": [row] })))?,
            Format::Text => out::line(format_args!(
                "validate: {} elements in {:.1} ms",
                row["elements"],
                row["milliseconds"].as_f64().unwrap_or_default()
            ))?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut rows: Vec<Value> = Vec::new();
    let mut keep = |row: Value| {
        if bench.format == Format::Text {
            print_row(&row)?;
        }
        rows.push(row);
        Ok::<_, std::io::Error>(())
    };
    if bench.format == Format::Text {
        out::line(format_args!(
            "{:<12} {:>10} {:>12} {:>14} {:>12} {:>12} {:>14}",
            "figure",
            "contacts",
            "per second",
            "µs a contact",
            "MB resident",
            "KB on disk",
            "ms others wait"
        ))?;
    }
    match bench.what {
        Measured::Throughput => {
            keep(decisions::measure())?;
            for contacts in &bench.contacts {
                for scenario in [Scenario::FiveSteps, Scenario::Loop] {
                    keep(runtime.block_on(throughput::measure(scenario, contacts.get()))?)?;
                }
            }
        }
        Measured::Objects => {
            for contacts in &bench.contacts {
                let rows = runtime.block_on(throughput::side_by_side(contacts.get()))?;
                let times = rows[1]["times_a_contact"].as_f64().unwrap_or_default();
                for row in rows {
                    keep(row)?;
                }
                if bench.format == Format::Text {
                    out::line(format_args!(
                        "an object takes {times:.2} times as long as a contact"
                    ))?;
                }
            }
        }
        Measured::Authoring => keep(authoring::measure())?,
        Measured::Validate => {}
        Measured::Mass => {
            for contacts in &bench.contacts {
                keep(runtime.block_on(mass::median(contacts.get()))?)?;
            }
        }
    }
    if bench.format == Format::Json {
        out::line(format_args!("{:#}", json!({ "bench": rows })))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A number to calculate with.
fn figure(count: usize) -> f64 {
    count as f64
}

fn print_row(row: &Value) -> std::io::Result<()> {
    let number =
        |key: &str| row[key].as_f64().map_or_else(|| "-".to_owned(), |n| format!("{n:.1}"));
    out::line(format_args!(
        "{:<12} {:>10} {:>12} {:>14} {:>12} {:>12} {:>14}",
        row["figure"].as_str().unwrap_or_default(),
        row["contacts"],
        number("per_second"),
        number("micros_a_contact"),
        number("resident_mb"),
        number("disk_kb_a_contact"),
        number("others_wait_ms"),
    ))
}
