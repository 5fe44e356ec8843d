//! Answers the API, except for posts from outside, and ends what was begun of those.

use dacapo_aws::functions::run::{Running, Stopped};
use dacapo_aws::functions::{http, start};
use dacapo_platform::api::calls_router;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    let (running, started) = Running::begin(start::api)?;
    let router = calls_router(started.platform.clone(), started.admin.clone());
    started.warm().await;
    running.serve(async |event| http::api(&started.platform, &router, event).await).await
}
