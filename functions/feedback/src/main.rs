//! Receives the reports of SES: delivered, bounced, complained about.

use dacapo_aws::functions::run::{Running, Stopped};
use dacapo_aws::functions::{feedback, start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    let (running, started) = Running::begin(start::feedback)?;
    started.warm().await;
    running.serve(async |event| feedback::feedback(&started.platform, event).await).await
}
