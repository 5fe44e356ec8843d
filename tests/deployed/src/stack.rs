//! What `sam deploy` makes in a cloud.

use std::collections::BTreeMap;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::api::Api;
use crate::cloud::{as_root, python, repository};

/// The stack's name in the tests.
const NAME: &str = "dacapo";

/// The variable with the address of the cloud, for tests.
const CLOUD: &str = "DACAPO_TESTED_CLOUD";

/// The variable with what was deployed, for tests.
const OUTPUTS: &str = "DACAPO_TESTED_STACK";

/// The variable with the architecture of the functions, for tests.
const ARCHITECTURE: &str = "DACAPO_TESTED_ARCHITECTURE";

/// The template's parameters, as the tests choose them.
#[derive(Debug, Clone)]
pub struct Parameters {
    /// `arm64` or `x86_64`.
    pub architecture: String,
    /// The log level of the functions.
    pub log: &'static str,
    /// The restart delay, if it is not the template's.
    pub restart_delay_seconds: Option<u32>,
}

impl Parameters {
    /// The parameters for tests that wait in real time.
    #[must_use]
    pub fn in_haste(architecture: String, log: &'static str) -> Self {
        Self { architecture, log, restart_delay_seconds: Some(20) }
    }

    /// The parameters that the tests set in addition to the documented deployment.
    fn overrides(&self) -> Vec<String> {
        let delay = self.restart_delay_seconds;
        let delay = delay.map(|seconds| format!("RestartDelaySeconds={seconds}"));
        let others = [
            format!("SenderDomains={}", SENDERS.join(",")),
            format!("Architecture={}", self.architecture),
            format!("LogLevel={}", self.log),
        ];
        others.into_iter().chain(delay).collect()
    }
}

/// A deployed stack.
#[derive(Debug, Clone)]
pub struct Stack {
    cloud: String,
    name: String,
    architecture: String,
    outputs: BTreeMap<String, String>,
}

impl Stack {
    /// Deploys the template to a new cloud, as a user would, but without questions.
    ///
    /// # Errors
    ///
    /// What the SAM CLI said.
    pub fn first(cloud: &str, parameters: &Parameters) -> Result<Self, String> {
        verify_senders(cloud)?;
        Self::deploy(cloud, NAME, parameters, &[])
    }

    /// Deploys the template once more beside this stack, under another name, to go on with a table
    /// that is there already.
    ///
    /// # Errors
    ///
    /// What the SAM CLI said.
    pub fn beside(&self, name: &str, table: &str, stream: &str) -> Result<Self, String> {
        let parameters = Parameters::in_haste(self.architecture.clone(), "info");
        let existing = [format!("ExistingTable={table}"), format!("ExistingStream={stream}")];
        Self::deploy(&self.cloud, name, &parameters, &existing)
    }

    fn deploy(
        cloud: &str,
        name: &str,
        parameters: &Parameters,
        more: &[String],
    ) -> Result<Self, String> {
        let mut deploy = sam(cloud);
        deploy.args(documented()).args(parameters.overrides()).args(more);
        deploy.args(["--no-confirm-changeset", "--no-fail-on-empty-changeset"]);
        deploy.args(["--stack-name", name]);
        said(deploy.output())?;
        let mut list = sam(cloud);
        list.args(["list", "stack-outputs", "--stack-name", name, "--output", "json"]);
        let listed: Value =
            serde_json::from_str(&said(list.output())?).map_err(|error| error.to_string())?;
        let text = |output: &Value, name: &str| output[name].as_str().map(str::to_owned);
        let outputs = listed.as_array().into_iter().flatten();
        let outputs = outputs
            .filter_map(|output| Some((text(output, "OutputKey")?, text(output, "OutputValue")?)));
        Ok(Self {
            cloud: cloud.to_owned(),
            name: name.to_owned(),
            architecture: parameters.architecture.clone(),
            outputs: outputs.collect(),
        })
    }

    /// Deploys it again.
    ///
    /// # Errors
    ///
    /// What the SAM CLI said.
    pub fn deploy_again(&self, log: &'static str) -> Result<Self, String> {
        let parameters = Parameters::in_haste(self.architecture.clone(), log);
        Self::deploy(&self.cloud, &self.name, &parameters, &[])
    }

    /// Sets the variables of a command.
    pub fn tell(&self, command: &mut Command) {
        command.env(CLOUD, &self.cloud);
        command.env(OUTPUTS, json!(self.outputs).to_string());
        command.env(ARCHITECTURE, &self.architecture);
    }

    /// The stack that the variables of a test name.
    ///
    /// # Panics
    ///
    /// If they name none.
    #[must_use]
    pub fn told() -> Self {
        let told = |name| {
            let value = std::env::var_os(name).expect("`make e2e` deploys the stack for this test");
            value.into_string().expect("text")
        };
        let outputs = serde_json::from_str(&told(OUTPUTS)).expect("what was deployed");
        let name = NAME.to_owned();
        Self { cloud: told(CLOUD), name, architecture: told(ARCHITECTURE), outputs }
    }

    /// The architecture of its functions.
    #[must_use]
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// The cloud's address.
    #[must_use]
    pub fn cloud(&self) -> &str {
        &self.cloud
    }

    /// An output of the template.
    ///
    /// # Panics
    ///
    /// If it has none of that name.
    #[must_use]
    pub fn output(&self, name: &str) -> &str {
        self.outputs.get(name).unwrap_or_else(|| panic!("the template has no output {name}"))
    }

    /// The API, with the admin key.
    ///
    /// # Panics
    ///
    /// If there is no key.
    #[must_use]
    pub fn api(&self) -> Api {
        Api::new(self.base(), self.admin_key())
    }

    /// The admin key, from its secret.
    ///
    /// # Panics
    ///
    /// If there is no secret.
    #[must_use]
    pub fn admin_key(&self) -> String {
        let id = json!({ "SecretId": self.output("AdminKeySecret") });
        let secret = self.aws("secretsmanager", "get_secret_value", &id);
        secret["SecretString"].as_str().expect("a secret's value").to_owned()
    }

    /// The URL of the API. The host names that AWS gives to APIs do not resolve here, so the cloud
    /// has them as paths too.
    #[must_use]
    pub fn base(&self) -> String {
        let url = self.output("ApiUrl");
        let host = url.split("//").nth(1).unwrap_or(url);
        let id = host.split('.').next().unwrap_or(host);
        format!("{}/_aws/execute-api/{id}/$default", self.cloud)
    }

    /// A call of AWS, with the names that boto3 has for services and operations.
    ///
    /// # Panics
    ///
    /// If it fails.
    #[must_use]
    pub fn aws(&self, service: &str, operation: &str, parameters: &Value) -> Value {
        aws(&self.cloud, service, operation, parameters)
            .unwrap_or_else(|why| panic!("{service} {operation}: {why}"))
    }

    /// The schedules in the stack's group that are about a contact: when each fires.
    ///
    /// # Panics
    ///
    /// If the cloud doesn't say.
    #[must_use]
    pub fn schedules_of(&self, contact: &str) -> Vec<String> {
        let group = json!({ "GroupName": self.output("ScheduleGroup") });
        let listed = self.aws("scheduler", "list_schedules", &group);
        let names = listed["Schedules"].as_array().expect("schedules").iter();
        let schedules = names.filter_map(|one| {
            let this = json!({ "GroupName": self.output("ScheduleGroup"), "Name": one["Name"] });
            // One that has fired meanwhile no longer exists.
            aws(&self.cloud, "scheduler", "get_schedule", &this).ok()
        });
        schedules
            .filter(|one| one["Target"]["Input"].as_str().is_some_and(|it| it.contains(contact)))
            .filter_map(|one| Some(one["ScheduleExpression"].as_str()?.to_owned()))
            .collect()
    }

    /// From now on a function receives nothing from its queues and streams. Returns how many those
    /// are.
    ///
    /// # Panics
    ///
    /// If the cloud does not do it; so for the next.
    #[must_use]
    pub fn takes_nothing_more(&self, function: &str) -> usize {
        self.have_taken(function, false)
    }

    /// From now on it receives again.
    #[must_use]
    pub fn takes_again(&self, function: &str) -> usize {
        self.have_taken(function, true)
    }

    fn have_taken(&self, function: &str, enabled: bool) -> usize {
        let listed = self.aws("lambda", "list_event_source_mappings", &json!({}));
        let mappings = listed["EventSourceMappings"].as_array().expect("mappings").iter();
        let own = mappings.filter(|it| {
            let arn = it["FunctionArn"].as_str().unwrap_or_default();
            arn.contains(&format!("{}-{function}Function", self.name))
        });
        let update = own.map(|mapping| {
            let update = json!({ "UUID": mapping["UUID"], "Enabled": enabled });
            let _ = self.aws("lambda", "update_event_source_mapping", &update);
        });
        update.count()
    }

    /// The URL of a queue, by its name in the template.
    ///
    /// # Panics
    ///
    /// If there is none, or there are several.
    #[must_use]
    pub fn queue(&self, name: &str) -> String {
        let wanted = json!({ "QueueNamePrefix": format!("{}-{name}", self.name) });
        let listed = self.aws("sqs", "list_queues", &wanted);
        let urls = listed["QueueUrls"].as_array().map_or(&[][..], Vec::as_slice);
        let [url] = urls else { panic!("{name}: {listed}") };
        url.as_str().expect("a URL").to_owned()
    }

    /// Removes every timer of the stack.
    ///
    /// # Panics
    ///
    /// If the cloud does not do it.
    pub fn loses_its_timers(&self) {
        let group = json!({ "GroupName": self.name });
        let listed = self.aws("scheduler", "list_schedules", &group);
        for one in listed["Schedules"].as_array().expect("schedules") {
            let this = json!({ "GroupName": self.name, "Name": one["Name"] });
            let _ = self.aws("scheduler", "delete_schedule", &this);
        }
    }
}

/// The domains of the senders in the tests.
const SENDERS: [&str; 2] = ["example.com", "studio-nord.example"];

/// The arguments of `sam` for the first deployment in docs/deploy.md: the test runs the documented
/// command.
fn documented() -> Vec<String> {
    let page = std::fs::read_to_string(repository().join("docs/deploy.md")).expect("the page");
    let mut lines = page.lines();
    let deploy = lines.find_map(|line| line.strip_prefix("sam deploy ")).expect("a deployment");
    ["deploy"].into_iter().chain(deploy.split_whitespace()).map(str::to_owned).collect()
}

/// Verifies the senders with SES, which a new account needs first.
fn verify_senders(cloud: &str) -> Result<(), String> {
    for domain in SENDERS {
        let identity = json!({ "EmailIdentity": domain });
        aws(cloud, "sesv2", "create_email_identity", &identity)?;
    }
    Ok(())
}

fn aws(cloud: &str, service: &str, operation: &str, parameters: &Value) -> Result<Value, String> {
    let mut call = as_root(python(), cloud);
    call.arg("infra/tools/e2e/aws.py").args([service, operation, &parameters.to_string()]);
    serde_json::from_str(&said(call.output())?).map_err(|error| error.to_string())
}

fn sam(cloud: &str) -> Command {
    let mut command = as_root(repository().join(".tools/e2e/bin/sam"), cloud);
    command.env("SAM_CLI_TELEMETRY", "0");
    command
}

/// The output of a command, or its error output.
fn said(output: std::io::Result<Output>) -> Result<String, String> {
    let output = output.map_err(|error| format!("the SAM CLI: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!("{}\n{}", text(&output.stdout), text(&output.stderr)))
    }
}
