//! The processes in which the cloud runs functions.

use std::fs;
use std::process::Command;

use crate::stack::Stack;

/// Kills an environment of a function of the stack, without warning.
///
/// # Errors
///
/// If none is running.
pub fn kill_a_worker(stack: &Stack, function: &str) -> Result<(), String> {
    let ours = format!("AWS_ENDPOINT_URL={}", stack.cloud());
    let processes = fs::read_dir("/proc").map_err(|error| error.to_string())?;
    for process in processes.flatten() {
        // Others end meanwhile.
        let Ok(environment) = fs::read(process.path().join("environ")) else { continue };
        let environment = String::from_utf8_lossy(&environment);
        let named = |variable: &str| {
            let name = variable.strip_prefix("AWS_LAMBDA_FUNCTION_NAME=");
            name.is_some_and(|name| name.contains(function))
        };
        let variables: Vec<&str> = environment.split('\0').collect();
        if variables.contains(&ours.as_str()) && variables.iter().any(|one| named(one)) {
            let pid = process.file_name();
            let killed = Command::new("kill").arg("-9").arg(pid).status();
            if killed.is_ok_and(|status| status.success()) {
                return Ok(());
            }
        }
    }
    Err(format!("no environment of {function} is running"))
}
