//! What `sam deploy` makes in a cloud.

use std::collections::BTreeMap;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::api::Api;
use crate::cloud::{get, repository, tool};

/// The stack's name in the tests.
const NAME: &str = "dacapo";

/// The variable that tells tests where the cloud is.
const CLOUD: &str = "DACAPO_TESTED_CLOUD";

/// The variable that tells tests what was deployed.
const OUTPUTS: &str = "DACAPO_TESTED_STACK";

/// The variable that tells tests for which processors the functions were built.
const ARCHITECTURE: &str = "DACAPO_TESTED_ARCHITECTURE";

/// The template's parameters, as the tests choose them.
#[derive(Debug, Clone)]
pub struct Parameters {
    /// `arm64` or `x86_64`.
    pub architecture: String,
    /// What the functions log.
    pub log: &'static str,
}

impl Parameters {
    /// How long after a restart no start fires.
    pub const RESTART_DELAY_SECONDS: u32 = 20;

    fn overrides(&self) -> Vec<String> {
        vec![
            "SenderAddress=studio@example.com".to_owned(),
            format!("RestartDelaySeconds={}", Self::RESTART_DELAY_SECONDS),
            format!("Architecture={}", self.architecture),
            format!("LogLevel={}", self.log),
        ]
    }
}

/// A deployed stack.
#[derive(Debug, Clone)]
pub struct Stack {
    cloud: String,
    architecture: String,
    outputs: BTreeMap<String, String>,
}

impl Stack {
    /// Deploys the template as it is in the repository, as a user would, but without questions.
    ///
    /// # Errors
    ///
    /// What the SAM CLI said.
    pub fn deploy(cloud: &str, parameters: &Parameters) -> Result<Self, String> {
        let mut deploy = sam(cloud);
        deploy.args(["deploy", "--no-confirm-changeset", "--no-fail-on-empty-changeset"]);
        deploy.arg("--parameter-overrides").args(parameters.overrides());
        said(deploy.output())?;
        let mut list = sam(cloud);
        list.args(["list", "stack-outputs", "--stack-name", NAME, "--output", "json"]);
        let listed: Value =
            serde_json::from_str(&said(list.output())?).map_err(|error| error.to_string())?;
        let text = |output: &Value, name: &str| output[name].as_str().map(str::to_owned);
        let outputs = listed.as_array().into_iter().flatten();
        let outputs = outputs
            .filter_map(|output| Some((text(output, "OutputKey")?, text(output, "OutputValue")?)));
        Ok(Self {
            cloud: cloud.to_owned(),
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
        Self::deploy(&self.cloud, &Parameters { architecture: self.architecture.clone(), log })
    }

    /// Tells a command where everything is.
    pub fn tell(&self, command: &mut Command) {
        command.env(CLOUD, &self.cloud);
        command.env(OUTPUTS, json!(self.outputs).to_string());
        command.env(ARCHITECTURE, &self.architecture);
    }

    /// The one that a test was told of.
    ///
    /// # Panics
    ///
    /// If it was told of none.
    #[must_use]
    pub fn told() -> Self {
        let told = |name| {
            let value = std::env::var_os(name).expect("`make e2e` deploys the stack for this test");
            value.into_string().expect("text")
        };
        let outputs = serde_json::from_str(&told(OUTPUTS)).expect("what was deployed");
        Self { cloud: told(CLOUD), architecture: told(ARCHITECTURE), outputs }
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

    /// The API, with the admin key from its secret.
    ///
    /// # Panics
    ///
    /// If there is no secret.
    #[must_use]
    pub fn api(&self) -> Api {
        let secret = self.aws(
            "secretsmanager.GetSecretValue",
            &json!({ "SecretId": self.output("AdminKeySecret") }),
        );
        let key = secret["SecretString"].as_str().expect("a secret's value").to_owned();
        Api::new(self.base(), key)
    }

    /// Where the API is. Nobody here knows the names that AWS gives to APIs, so the cloud has them as paths too.
    fn base(&self) -> String {
        let url = self.output("ApiUrl");
        let host = url.split("//").nth(1).unwrap_or(url);
        let id = host.split('.').next().unwrap_or(host);
        format!("{}/_aws/execute-api/{id}/$default", self.cloud)
    }

    /// One of the calls of AWS that take and answer JSON.
    ///
    /// # Panics
    ///
    /// If it fails.
    #[must_use]
    pub fn aws(&self, target: &str, body: &Value) -> Value {
        let service = if target.starts_with("DynamoDB") { "dynamodb" } else { "secretsmanager" };
        let scope =
            format!("AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request");
        let answer = ureq::post(&self.cloud)
            .header("X-Amz-Target", target)
            .header("Content-Type", "application/x-amz-json-1.1")
            .header("Authorization", &scope)
            .send(body.to_string());
        let mut answer = answer.unwrap_or_else(|error| panic!("{target}: {error}"));
        answer.body_mut().read_json().unwrap_or_else(|error| panic!("{target}: {error}"))
    }

    /// The schedules that wait in the stack's group and are about a contact: when each goes off.
    ///
    /// # Panics
    ///
    /// If the cloud doesn't say.
    #[must_use]
    pub fn schedules_of(&self, contact: &str) -> Vec<String> {
        let url = format!("{}/schedules?ScheduleGroup={NAME}&MaxResults=100", self.cloud);
        let listed = get(&url).expect("a list of schedules");
        let names = listed["Schedules"].as_array().expect("schedules").iter();
        let names = names.filter_map(|one| one["Name"].as_str());
        // One that has gone off meanwhile is no longer there.
        let schedules = names.filter_map(|name| {
            get(&format!("{}/schedules/{name}?groupName={NAME}", self.cloud)).ok()
        });
        schedules
            .filter(|one| one["Target"]["Input"].as_str().is_some_and(|it| it.contains(contact)))
            .filter_map(|one| Some(one["ScheduleExpression"].as_str()?.to_owned()))
            .collect()
    }
}

fn sam(cloud: &str) -> Command {
    let mut command = Command::new(tool("sam"));
    command
        .current_dir(repository())
        .env("SAM_CLI_TELEMETRY", "0")
        .env("AWS_ENDPOINT_URL", cloud)
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test");
    command
}

/// What a command printed, or what it complained of.
fn said(output: std::io::Result<Output>) -> Result<String, String> {
    let output = output.map_err(|error| format!("the SAM CLI: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!("{}\n{}", text(&output.stdout), text(&output.stderr)))
    }
}
