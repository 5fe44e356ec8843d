//! Decides what follows from changes of contacts: the table's stream, contact items.

use dacapo_aws::functions::run::{Running, Stopped};
use dacapo_aws::functions::{start, stream};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    let (running, started) = Running::begin(start::tag_change)?;
    started.warm().await;
    running.serve(async |event| stream::tag_change(&started.platform, event).await).await
}
