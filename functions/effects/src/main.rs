//! Performs decisions: the table's stream, enrollment items.

use dacapo_aws::functions::run::{Running, Stopped};
use dacapo_aws::functions::{start, stream};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    let (running, started) = Running::begin(start::effects)?;
    started.warm().await;
    let effects = stream::EffectsFunction::of(&started.platform);
    running.serve(async |event| effects.perform(event).await).await
}
