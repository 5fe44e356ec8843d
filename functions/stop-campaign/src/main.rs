//! Works on many contacts, a page at a time: mass actions, publishing, resuming, erasing.

use dacapo_aws::functions::run::{Running, Stopped};
use dacapo_aws::functions::{queue, start};
use dacapo_aws::settings::{Environment, Settings as _, StopCampaignSettings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    let settings = StopCampaignSettings::from_environment(&Environment::of_process())?;
    let running = Running::begin(&settings);
    let started = start::stop_campaign(&settings);
    started.warm().await;
    running.serve(async |event| queue::work(&started, event).await).await
}
