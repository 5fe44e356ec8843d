//! Does the steps of jobs: mass actions, publishing, resuming, erasing.

use dacapo_aws::functions::queue::{QueueFunction, SqsHide};
use dacapo_aws::functions::run::{Running, Stopped};
use dacapo_aws::functions::start;
use dacapo_aws::settings::{Environment, Settings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    let settings = Settings::from_environment(&Environment::of_process())?;
    let running = Running::begin(&settings);
    let started = start::stop_campaign(&settings);
    started.warm().await;
    let hide = SqsHide::of(&started);
    let queues = QueueFunction::of(&started, &hide);
    running.serve(async |event| queues.job_steps(event).await).await
}
