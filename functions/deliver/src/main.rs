//! Sends mail and calls webhooks: three queues.

use dacapo_aws::functions::queue::{QueueFunction, SqsHide};
use dacapo_aws::functions::run::{Running, Stopped};
use dacapo_aws::functions::start;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    let (running, started) = Running::begin(start::deliver)?;
    started.warm().await;
    let hide = SqsHide::of(&started);
    let queues = QueueFunction::of(&started, &hide);
    running.serve_until(async |event, until| queues.deliveries(event, until).await).await
}
