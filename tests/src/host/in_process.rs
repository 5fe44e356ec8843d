//! An embedded Dacapo in this process, called through its router: no socket, and each test has its
//! own.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use dacapo_embedded::clock::ClockKind;
use dacapo_embedded::{Embedded, Options};
use dacapo_engine::time::Instant;
use dacapo_platform::api::AdminKey;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

use super::{Answer, Call, Host};

/// Its admin key, which never leaves the process.
const KEY: &str = "in-process";

/// The most bytes of an answer.
const LONGEST_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// See the module.
pub struct InProcess {
    runtime: Arc<Runtime>,
    /// Its data directory, if it can be stopped.
    directory: Option<TempDir>,
    running: Option<(Embedded, Router)>,
}

impl InProcess {
    /// One in memory, which cannot be stopped.
    pub fn in_memory(runtime: Arc<Runtime>) -> Self {
        Self { runtime, directory: None, running: None }
    }

    /// One on disk.
    ///
    /// # Errors
    ///
    /// Why there is no directory for it.
    pub fn on_disk(runtime: Arc<Runtime>) -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        Ok(Self { runtime, directory: Some(directory), running: None })
    }

    fn stop(&mut self) {
        if let Some((embedded, router)) = self.running.take() {
            drop(router);
            self.runtime.block_on(embedded.stop());
        }
    }
}

impl Host for InProcess {
    fn open(&mut self, at: Instant) -> Result<(), String> {
        let options = Options {
            directory: self.directory.as_ref().map(|directory| directory.path().to_owned()),
            clock: ClockKind::Manual(at),
            time_zone: None,
            locale: None,
            smtp: None,
            public_url: "https://dacapo.example".to_owned(),
            local: true,
        };
        let embedded = self.runtime.block_on(Embedded::start(options));
        let embedded = embedded.map_err(|error| error.to_string())?;
        let router = embedded.router(Some(AdminKey::of(KEY)));
        self.running = Some((embedded, router));
        Ok(())
    }

    fn admin_key(&self) -> &str {
        KEY
    }

    fn call(&self, call: &Call<'_>) -> Result<Answer, String> {
        let (_, router) = self.running.as_ref().ok_or("it is not running")?;
        let mut request = Request::builder()
            .method(call.method)
            .uri(call.path)
            .header("Content-Type", call.media_type);
        if let Some(key) = call.key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        let request =
            request.body(Body::from(call.body.to_owned())).map_err(|error| error.to_string())?;
        self.runtime.block_on(async {
            let response = router.clone().oneshot(request).await.map_err(|e| e.to_string())?;
            let status = response.status().as_u16();
            let bytes = to_bytes(response.into_body(), LONGEST_ANSWER_BYTES)
                .await
                .map_err(|e| e.to_string())?;
            Ok(Answer::of(status, &String::from_utf8_lossy(&bytes)))
        })
    }

    fn can_stop(&self) -> bool {
        self.directory.is_some()
    }

    fn stop_until(&mut self, at: Instant) -> Result<(), String> {
        if !self.can_stop() {
            return Err("what is in memory is gone when it stops".to_owned());
        }
        self.stop();
        self.open(at)
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        self.stop();
    }
}
