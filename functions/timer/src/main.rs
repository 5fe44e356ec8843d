//! Wakes enrollments whose timers are due: the queue that EventBridge Scheduler fills.

use dacapo_aws::functions::run::{Running, Stopped};
use dacapo_aws::functions::{queue, start};
use dacapo_aws::settings::{Environment, Settings as _, TimerSettings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    let settings = TimerSettings::from_environment(&Environment::of_process())?;
    let running = Running::begin(&settings);
    let started = start::timer(&settings);
    started.warm().await;
    running.serve(async |event| queue::work(&started, event).await).await
}
