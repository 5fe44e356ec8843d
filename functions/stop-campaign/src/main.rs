//! Does the steps of jobs: mass actions, publishing, resuming, erasing.

use dacapo_aws::functions::queue::{QueueFunction, SqsHide};
use dacapo_aws::functions::run::{Running, Stopped};
use dacapo_aws::functions::start;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    let (running, started) = Running::begin(start::stop_campaign)?;
    started.warm().await;
    let hide = SqsHide::of(&started);
    let queues = QueueFunction::of(&started, &hide);
    running.serve(async |event| queues.job_steps(event).await).await
}
