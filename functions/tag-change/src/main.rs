//! Decides what follows from changes of contacts: the table's stream, contact items.

use dacapo_aws::functions::run::{Running, Stopped};
use dacapo_aws::functions::{start, stream};
use dacapo_aws::settings::{Environment, Settings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    let settings = Settings::from_environment(&Environment::of_process())?;
    let running = Running::begin(&settings);
    let started = start::tag_change(&settings);
    started.warm().await;
    running.serve(async |event| stream::tag_change(&started.platform, event).await).await
}
