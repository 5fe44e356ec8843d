//! `sam local` on this machine: its commands, and their input files. See `docs/local.md`.
//!
//! The commands are the same on every machine: the template that is made for them names its
//! architecture.

pub mod journey;
pub mod sam;
pub mod turning;

use std::path::{Path, PathBuf};

use dacapo_aws::settings::Function;

/// The local template. It is beside `template.yaml`, since its paths are relative to that folder.
pub const TEMPLATE: &str = "template.local.yaml";

/// The file for `--env-vars`.
pub const SETTINGS: &str = "target/local/settings.json";

/// The variable that marks what `sam local` leaves behind: `infra/tools/local/with_docker.py`.
pub const RUN: &str = "DACAPO_LOCAL_RUN";

/// The repository.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The architecture of this machine, as the template calls it.
#[must_use]
pub fn architecture() -> &'static str {
    if std::env::consts::ARCH == "aarch64" { "arm64" } else { "x86_64" }
}

/// Passes an event to a function, once.
#[must_use]
pub fn invoke(function: Function, event: &str, settings: &str) -> String {
    let function = logical(function);
    format!("sam local invoke {function} --event {event} {}", common(settings))
}

/// Serves HTTP as the gateway does.
#[must_use]
pub fn start_api(settings: &str) -> String {
    format!("sam local start-api {}", common(settings))
}

/// Serves invocations of functions, as Lambda does.
#[must_use]
pub fn start_lambda(settings: &str) -> String {
    format!("sam local start-lambda {}", common(settings))
}

/// `--skip-pull-image`: the existing image is used, from AWS or made here.
fn common(settings: &str) -> String {
    format!("--template {TEMPLATE} --env-vars {settings} --skip-pull-image")
}

/// The name of a function's block in the template.
#[must_use]
pub const fn logical(function: Function) -> &'static str {
    match function {
        Function::Webhook => "WebhookFunction",
        Function::Api => "ApiFunction",
        Function::TagChange => "TagChangeFunction",
        Function::Effects => "EffectsFunction",
        Function::Timer => "TimerFunction",
        Function::StopCampaign => "StopCampaignFunction",
        Function::Deliver => "DeliverFunction",
        Function::Feedback => "FeedbackFunction",
    }
}

/// `template.yaml` for a machine of this architecture: functions have it, and two more variables:
/// one for the address of the local cloud, one that marks the run. On AWS neither may exist.
///
/// # Errors
///
/// What is missing in the template.
pub fn template(deployed: &str, architecture: &str) -> Result<String, String> {
    let (globals, resources) = deployed
        .split_once("\nResources:\n")
        .ok_or("template.yaml has no line `Resources:`: nothing is known of its functions")?;
    let (before, parameter) = globals
        .split_once("\n  Architecture:\n")
        .ok_or("template.yaml has no parameter `Architecture`: see `template` in local/mod.rs")?;
    let (begins, rest) = parameter
        .split_once("    Default: arm64\n")
        .filter(|(begins, _)| begins.lines().all(|line| line.starts_with("    ")))
        .ok_or("`Architecture` in template.yaml has no line `Default: arm64`")?;
    let marker = "        DACAPO_LOG:";
    let (settings, log) = rest
        .split_once(marker)
        .ok_or("`Globals` in template.yaml gives no `DACAPO_LOG`: nowhere to add a variable")?;
    // `sam local` mounts a folder, and would unpack an archive for every invocation.
    let resources = resources.replace("/bootstrap.zip\n", "/\n");
    Ok(format!(
        "{before}\n  Architecture:\n{begins}    Default: {architecture}\n{settings}        \
         AWS_ENDPOINT_URL: \"\"\n        {RUN}: \"\"\n{marker}{log}\nResources:\n{resources}"
    ))
}
