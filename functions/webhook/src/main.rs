//! Accepts posts from outside: `/v1/hooks/*`, and the URLs of connections, `/v1/in/*`. The links in
//! mail lead to the function `api`.

use dacapo_aws::functions::run::{Running, Stopped};
use dacapo_aws::functions::{http, start};
use dacapo_platform::api::hooks_router;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    let (running, started) = Running::begin(start::webhook)?;
    let router = hooks_router(started.platform.clone(), started.admin.clone());
    started.warm().await;
    running.serve(async |event| http::answer(&router, event).await).await
}
