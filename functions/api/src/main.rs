//! Answers the API, except for posts from outside.

use dacapo_aws::functions::run::{Running, Stopped};
use dacapo_aws::functions::{http, start};
use dacapo_aws::settings::{Environment, Settings};
use dacapo_platform::api::router;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    let settings = Settings::from_environment(&Environment::of_process())?;
    let running = Running::begin(&settings);
    let started = start::api(&settings);
    let router = router(started.platform.clone(), started.admin.clone());
    started.warm().await;
    running.serve(async |event| http::answer(&router, event).await).await
}
