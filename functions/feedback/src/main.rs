//! Receives the reports of SES: delivered, bounced, complained about.

use dacapo_aws::functions::run::{Running, Stopped};
use dacapo_aws::functions::{feedback, start};
use dacapo_aws::settings::{Environment, Settings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    let settings = Settings::from_environment(&Environment::of_process())?;
    let running = Running::begin(&settings);
    let started = start::feedback(&settings);
    started.warm().await;
    running.serve(async |event| feedback::feedback(&started.platform, event).await).await
}
