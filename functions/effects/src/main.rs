//! Performs decisions: the table's stream, enrollment items.

use dacapo_aws::functions::run::{Running, Stopped};
use dacapo_aws::functions::{start, stream};
use dacapo_aws::settings::{Environment, Settings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    let settings = Settings::from_environment(&Environment::of_process())?;
    let running = Running::begin(&settings);
    let started = start::effects(&settings);
    started.warm().await;
    let effects = stream::EffectsFunction::of(&started.platform);
    running.serve(async |event| effects.perform(event).await).await
}
