//! The command `dacapo`.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod caller;
mod dead_letters;
mod demo;
mod explain;
mod files;
mod folder;
mod graph;
mod new;
mod out;
mod preview;
mod remote;
mod schema;
mod serve;
mod settings;
mod simulate;
mod test;
mod validate;

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use settings::{Command, Settings};

/// Much of the work around a decision is small allocations, often freed by another thread.
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
        Command::New(new) => new::run(&new),
        Command::Schema(schema) => schema::run(&schema),
        Command::Explain(explain) => explain::run(&explain),
        Command::Simulate(simulate) => simulate::run(&simulate),
        Command::Graph(graph) => graph::run(&graph),
        Command::Preview(preview) => preview::run(&preview),
        Command::Test(test) => test::run(&test),
        Command::Pull(pull) => folder::pull::run(&pull),
        Command::Diff(diff) => Ok(folder::diff::run(&diff)),
        Command::Push(push) => folder::push::run(&push),
        Command::DeadLetters(command) => dead_letters::run(&command),
    };
    match done {
        Ok(code) => code,
        Err(error) if out::is_closed_pipe(error.as_ref()) => ExitCode::SUCCESS,
        Err(error) => {
            out::complain(error);
            ExitCode::FAILURE
        }
    }
}
