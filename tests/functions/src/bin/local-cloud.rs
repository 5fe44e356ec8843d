//! A cloud on this machine for `sam local`: MiniStack with all resources that the functions use in
//! a stack, and the settings that name them. See `docs/local.md`.
//!
//! `local-cloud --listen ADDRESS --name NAME --run MARK` runs it until it is interrupted, at this
//! address, which the functions' containers call by this name. With `check` at the end, it passes
//! every sample event to its function with the real `sam local invoke`, and plays the appointment
//! loop under `sam local start-api`. `infra/tools/local/with_docker.py` passes the arguments.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;

use dacapo_aws::settings::Function;
use dacapo_functions_tests::local::journey::Loop;
use dacapo_functions_tests::local::sam::{Sam, complaints, invoke};
use dacapo_functions_tests::local::turning::Turning;
use dacapo_functions_tests::local::{self, RUN, SETTINGS, TEMPLATE, root};
use dacapo_functions_tests::samples::{KEY, Sample, all};
use dacapo_functions_tests::stack::Stack;
use dacapo_platform::table::Item;
use dacapo_tests::host::Remote;
use serde_json::{Map, Value};

/// The table that `docs/local.md` speaks of.
const TABLE: &str = "dacapo";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = match words.as_slice() {
        ["--listen", listen, "--name", name, "--run", run, rest @ ..] => {
            let here = Here::start(listen, name, run).await;
            match (here, rest) {
                (Ok(here), []) => here.keep().await,
                (Ok(here), ["check"]) => here.check().await,
                (Ok(_), _) => Err(usage()),
                (Err(why), _) => Err(why),
            }
        }
        _ => Err(usage()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> String {
    "usage: local-cloud --listen ADDRESS --name NAME --run MARK [check]; `make local-cloud` and `make sam-local` say it so"
        .to_owned()
}

/// The cloud, and the settings of `sam local` for it.
struct Here {
    stack: Stack,
    run: String,
}

impl Here {
    async fn start(listen: &str, name: &str, run: &str) -> Result<Self, String> {
        let listen: IpAddr =
            listen.parse().map_err(|error| format!("--listen {listen:?}: {error}"))?;
        let deployed = std::fs::read_to_string(root().join("template.yaml"))
            .map_err(|error| format!("template.yaml: {error}"))?;
        let template = local::template(&deployed, local::architecture())?;
        write(&root().join(TEMPLATE), &template)?;
        Ok(Self { stack: Stack::start_at(listen, name).await, run: run.to_owned() })
    }

    /// Runs the cloud, with the samples' campaign in it.
    async fn keep(&self) -> Result<(), String> {
        // The end of the samples' story: Ann exists, and her reminder is set.
        let samples = all().await;
        let items = samples.iter().find(|sample| sample.name == "timer-early");
        self.stack.table(TABLE, items.map_or(&[] as &[Item], |sample| &sample.table)).await;
        write(&root().join(SETTINGS), &self.settings(TABLE).await)?;
        println!("the cloud is ready; in another terminal:\n");
        println!("  {}", local::invoke(Function::Webhook, "tests/events/webhook.json", SETTINGS));
        println!("  {}", local::start_api(SETTINGS));
        println!("\nthe API key is `{KEY}`; end with Control-C");
        let _ = tokio::signal::ctrl_c().await;
        Ok(())
    }

    /// Invokes every sample, and plays the appointment loop.
    async fn check(&self) -> Result<(), String> {
        // Separate from what `keep` has written, which may be in use.
        let folder = std::env::temp_dir().join(format!("dacapo-sam-local-{}", self.run));
        std::fs::create_dir_all(&folder)
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut failed = Vec::new();
        for sample in all().await {
            match self.sample(&sample, &folder).await {
                Ok(()) => println!("ok     {}", sample.name),
                Err(why) => {
                    println!("FAILED {}: {why}", sample.name);
                    failed.push(sample.name);
                }
            }
        }
        if let Err(why) = self.loops(&folder).await {
            println!("FAILED the appointment loop: {why}");
            failed.push("the appointment loop");
        }
        let _ = std::fs::remove_dir_all(&folder);
        if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
    }

    async fn sample(&self, sample: &Sample, folder: &Path) -> Result<(), String> {
        self.stack.table(sample.name, &sample.table).await;
        let settings = folder.join("settings.json");
        write(&settings, &self.settings(sample.name).await)?;
        let known = Function::ALL.into_iter().find(|known| known.name() == sample.function);
        let function = known.ok_or_else(|| format!("no function is {:?}", sample.function))?;
        let event = format!("tests/events/{}.json", sample.name);
        let command = local::invoke(function, &event, &settings.display().to_string());
        let answered = invoke(&command, folder)?;
        if !sample.is_answered_by(&answered.answer) {
            return Err(format!("{command}\nanswers {}\n{}", answered.answer, answered.log));
        }
        quiet(&command, &answered.log)
    }

    /// The appointment loop, over the API as SAM serves it; the functions, invoked by SAM, do the
    /// rest.
    async fn loops(&self, folder: &Path) -> Result<(), String> {
        let table = "appointment-loop";
        self.stack.table(table, &[]).await;
        let settings = folder.join("settings-of-the-loop.json");
        write(&settings, &self.settings(table).await)?;
        let settings = settings.display().to_string();
        // It keeps its containers, since no caller waits for each of them.
        let lambda = format!("{} --warm-containers LAZY", local::start_lambda(&settings));
        let (lambda_folder, api_folder) = (folder.join("start-lambda"), folder.join("start-api"));
        for folder in [&lambda_folder, &api_folder] {
            std::fs::create_dir_all(folder).map_err(|error| format!("{folder:?}: {error}"))?;
        }
        let (lambda, invoked) = Sam::serve(&lambda, &lambda_folder).await?;
        let (api, called) = Sam::serve(&local::start_api(&settings), &api_folder).await?;
        let turning = Turning::of(&self.stack, table, Remote::at(format!("http://{invoked}"), ""))?;
        let gone = match Loop::begin(Remote::at(format!("http://{called}"), KEY), turning) {
            Ok(mut begun) => begun.go().await,
            Err(why) => Err(why),
        };
        let logs = [("start-lambda", lambda.end()), ("start-api", api.end())];
        gone.map_err(|why| {
            let logs = logs.each_ref().map(|(name, log)| format!("{name} said:\n{log}"));
            format!("{why}\n{}", logs.join("\n"))
        })?;
        for (name, log) in &logs {
            quiet(&format!("sam local {name}"), log)?;
        }
        Ok(())
    }

    /// The content for `--env-vars`. SAM passes only variables that the template names.
    async fn settings(&self, table: &str) -> String {
        let mut all = BTreeMap::from([(RUN, self.run.clone())]);
        for function in Function::ALL {
            all.extend(self.stack.settings(function, table).await);
        }
        let all: Map<String, Value> =
            all.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        serde_json::json!({ "Parameters": all }).to_string()
    }
}

/// A function whose container is stopped ends without output.
fn quiet(what: &str, log: &str) -> Result<(), String> {
    match complaints(log)[..] {
        [] => Ok(()),
        ref said => Err(format!("{what}\nends with {said:?}\n{log}")),
    }
}

/// Writes a file atomically: other processes read it.
fn write(path: &Path, text: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    std::fs::write(&beside, text).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)
}
