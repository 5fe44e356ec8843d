//! A cloud on this machine for `sam local`: MiniStack with everything that the functions find in a stack, and the settings by
//! which they find it. See `docs/local.md`.
//!
//! `local-cloud` keeps it until it is interrupted. `local-cloud samples` hands every sample event to its function with the
//! real `sam local invoke`, and says so where no Docker engine answers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use dacapo_aws::settings::Function;
use dacapo_functions_tests::samples::{Sample, all};
use dacapo_functions_tests::stack::Stack;
use dacapo_platform::table::Item;
use serde_json::Value;

/// The table that `docs/local.md` speaks of.
const TABLE: &str = "dacapo";

#[tokio::main]
async fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        None => serve().await,
        Some("samples") => samples().await,
        Some(other) => {
            println!("local-cloud knows no {other:?}: say nothing, or `samples`");
            ExitCode::FAILURE
        }
    }
}

/// Keeps a cloud with the samples' campaign in it.
async fn serve() -> ExitCode {
    let stack = Stack::start().await;
    // Where the story of the samples ends: Ann is there, and is to be reminded.
    let samples = all().await;
    let items = samples.iter().find(|sample| sample.name == "timer-early");
    stack.table(TABLE, items.map_or(&[] as &[Item], |sample| &sample.table)).await;
    let settings = write_settings(&stack, TABLE).await;
    let template = write_template();
    println!("the cloud is ready; in another terminal:\n");
    for command in [
        invocation("WebhookFunction", "tests/events/webhook.json", &template, &settings),
        format!(
            "sam local start-api --template {} --env-vars {} --docker-network host",
            template.display(),
            settings.display()
        ),
    ] {
        println!("  {command}");
    }
    println!("\nthe API key is `local`; end with Control-C");
    let _ = tokio::signal::ctrl_c().await;
    ExitCode::SUCCESS
}

/// Hands every sample to `sam local invoke`.
async fn samples() -> ExitCode {
    if !docker_answers() {
        println!("no Docker engine answers here, and `sam local` needs one: nothing was invoked");
        return ExitCode::SUCCESS;
    }
    let stack = Stack::start().await;
    let template = write_template();
    let mut failed = 0;
    for sample in all().await {
        stack.table(sample.name, &sample.table).await;
        let settings = write_settings(&stack, sample.name).await;
        let said = invoke(&sample, &template, &settings);
        let good = said.as_ref().is_ok_and(|answer| answer.get("errorMessage").is_none());
        println!("{} {}", if good { "ok    " } else { "FAILED" }, sample.name);
        if !good {
            println!("{said:?}");
            failed += 1;
        }
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn invoke(sample: &Sample, template: &Path, settings: &Path) -> Result<Value, String> {
    let event = format!("tests/events/{}.json", sample.name);
    let command = invocation(logical(sample.function), &event, template, settings);
    let mut words = command.split(' ');
    let program = words.next().unwrap_or_default();
    let ran = Command::new(program).args(words).current_dir(root()).output();
    let ran = ran.map_err(|error| format!("{command}: {error}"))?;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let last = said.lines().last().unwrap_or_default();
    serde_json::from_str(last)
        .map_err(|_| format!("{command}: {said}{}", String::from_utf8_lossy(&ran.stderr)))
}

fn invocation(function: &str, event: &str, template: &Path, settings: &Path) -> String {
    format!(
        "sam local invoke {function} --event {event} --template {} --env-vars {} --docker-network host",
        template.display(),
        settings.display(),
    )
}

/// The name of a function's block in the template.
fn logical(function: &str) -> &'static str {
    let known = Function::ALL.into_iter().find(|known| known.name() == function);
    match known {
        Some(Function::Webhook) => "WebhookFunction",
        Some(Function::Api) => "ApiFunction",
        Some(Function::TagChange) => "TagChangeFunction",
        Some(Function::Effects) => "EffectsFunction",
        Some(Function::Timer) => "TimerFunction",
        Some(Function::StopCampaign) => "StopCampaignFunction",
        Some(Function::Deliver) => "DeliverFunction",
        Some(Function::Feedback) => "FeedbackFunction",
        None => "NoFunction",
    }
}

fn docker_answers() -> bool {
    let asked =
        Command::new("docker").arg("info").stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// Writes what `--env-vars` takes. SAM hands over only what the template names.
async fn write_settings(stack: &Stack, table: &str) -> PathBuf {
    let mut all = BTreeMap::new();
    for function in Function::ALL {
        all.extend(stack.settings(function, table).await);
    }
    let path = PathBuf::from(".tools/local/settings.json");
    let text = serde_json::json!({ "Parameters": all }).to_string();
    write(&path, &text);
    path
}

/// Writes the template with one more variable, by which the functions reach this cloud: on AWS it must not be there. It
/// stands beside the other one, since the paths in it count from there.
fn write_template() -> PathBuf {
    let template = std::fs::read_to_string(root().join("template.yaml")).unwrap_or_default();
    let marker = "        DACAPO_LOG:";
    let local = template.replacen(marker, &format!("        AWS_ENDPOINT_URL: \"\"\n{marker}"), 1);
    let path = PathBuf::from("template.local.yaml");
    write(&path, &local);
    path
}

fn write(path: &Path, text: &str) {
    let path = root().join(path);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).expect("a folder");
    }
    std::fs::write(path, text).expect("a file");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
