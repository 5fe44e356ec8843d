//! `dacapo serve`: everything in one process.

use std::error::Error;
use std::process::ExitCode;

use dacapo_embedded::{Embedded, Options, SystemChance};
use dacapo_platform::api::AdminKey;
use dacapo_platform::ports::Chance as _;
use serde_json::json;
use tokio::net::TcpListener;

use crate::out;
use crate::settings::Serve;

/// Listens until it is told to stop.
pub(crate) fn run(serve: Serve) -> Result<ExitCode, Box<dyn Error>> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(listen(serve))
}

async fn listen(serve: Serve) -> Result<ExitCode, Box<dyn Error>> {
    let listener = TcpListener::bind((serve.host.as_str(), serve.port)).await.map_err(|error| {
        format!("cannot listen on {}:{}: {error}; choose another --port", serve.host, serve.port)
    })?;
    let url = format!("http://{}", listener.local_addr()?);
    let embedded = Embedded::start(Options {
        directory: serve.data_dir,
        clock: serve.clock,
        time_zone: serve.time_zone,
        locale: serve.locale,
        smtp: serve.smtp,
        public_url: serve.public_url.unwrap_or_else(|| url.clone()),
        local: listener.local_addr()?.ip().is_loopback(),
    })
    .await?;
    let key = serve.api_key.unwrap_or_else(|| format!("dk_{}", SystemChance.text(40)));
    let router = embedded.router(Some(AdminKey::of(&key)));
    let ready = json!({ "ready": true, "url": url, "api_key": key });
    out::line(ready)?;
    axum::serve(listener, router).with_graceful_shutdown(told_to_stop()).await?;
    embedded.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Control-C, or what a supervisor sends.
async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupted = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminated) => {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
        }
        Err(_) => {
            let _ = interrupted.await;
        }
    }
}
