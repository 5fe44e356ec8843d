//! The command `dacapo`.

mod bench;
mod caller;
mod demo;
mod serve;
mod settings;
mod validate;

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use settings::{Command, Settings};

/// Most of what a decision costs around it is small allocations: this one takes half the system's time for them.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let settings = Settings::parse();
    settings.start_logging();
    let done = match settings.command {
        Command::Serve(serve) => serve::run(serve),
        Command::Demo(demo) => demo::run(&demo),
        Command::Bench(bench) => bench::run(&bench),
        Command::Validate(validate) => validate::run(&validate),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("dacapo: {error}");
            ExitCode::FAILURE
        }
    }
}
