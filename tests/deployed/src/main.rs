//! `with-stack --architecture ARCHITECTURE -- COMMAND…`: starts a cloud on this machine, deploys
//! the stack to it with `sam deploy`, runs the command, ends the cloud. The last line of the
//! command is the last line of the output.

use std::process::{Command, ExitCode};

use dacapo_deployed_tests::{Cloud, Parameters, Stack};

/// How much of the cloud's log is shown after a failure, in lines.
const SHOWN: usize = 200;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [flag, architecture, dashes, program, rest @ ..] = arguments.as_slice() else {
        return usage();
    };
    if flag != "--architecture" || dashes != "--" {
        return usage();
    }
    let cloud = Cloud::start();
    println!("a cloud is at {}", cloud.url);
    let parameters = Parameters::in_haste(architecture.clone(), "info");
    let stack = match Stack::first(&cloud.url, &parameters) {
        Ok(stack) => stack,
        Err(said) => return failed(&cloud, &format!("`sam deploy` has failed:\n{said}")),
    };
    println!("the stack is deployed: {}", stack.output("ApiUrl"));
    let mut command = Command::new(program);
    stack.tell(&mut command);
    match command.args(rest).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => {
            failed(&cloud, "some tests have failed; above are the last lines of the cloud's log")
        }
        Err(error) => failed(&cloud, &format!("{program}: {error}")),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: with-stack --architecture arm64|x86_64 -- COMMAND…");
    ExitCode::from(2)
}

fn failed(cloud: &Cloud, why: &str) -> ExitCode {
    let log = cloud.log();
    let lines: Vec<&str> = log.lines().collect();
    for line in &lines[lines.len().saturating_sub(SHOWN)..] {
        eprintln!("{line}");
    }
    eprintln!("{why}");
    ExitCode::FAILURE
}
