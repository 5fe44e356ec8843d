//! Continues enrollments whose timers are due, and campaigns whose pause is over: the queue that
//! EventBridge Scheduler fills.

use dacapo_aws::functions::queue::{QueueFunction, SqsHide};
use dacapo_aws::functions::run::{Running, Stopped};
use dacapo_aws::functions::start;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    let (running, started) = Running::begin(start::timer)?;
    started.warm().await;
    let hide = SqsHide::of(&started);
    let queues = QueueFunction::of(&started, &hide);
    running.serve(async |event| queues.timers(event).await).await
}
