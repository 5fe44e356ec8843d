//! Calls to the API of a Dacapo in this process, as any program outside would make them.

use std::error::Error;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use dacapo_embedded::Embedded;
use dacapo_platform::api::AdminKey;
use serde_json::Value;
use tower::ServiceExt as _;

/// The largest answer that is read.
const LARGEST_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// JSON.
pub(crate) const JSON: &str = "application/json";

/// YAML, for campaigns.
pub(crate) const YAML: &str = "application/yaml";

/// The client. Clones call the same Dacapo.
#[derive(Clone)]
pub(crate) struct Caller {
    api: Router,
    authorization: String,
}

impl Caller {
    /// Calls an embedded Dacapo with an admin key that never leaves the process.
    pub(crate) fn of(embedded: &Embedded, key: &str) -> Self {
        let api = embedded.router(Some(AdminKey::of(key)));
        Self { api, authorization: format!("Bearer {key}") }
    }

    /// A call that succeeds; its answer, `null` if there is none.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: impl Into<Body>,
    ) -> Result<Value, Box<dyn Error>> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Authorization", &self.authorization)
            .header("Content-Type", kind)
            .body(body.into())?;
        let response = self.api.clone().oneshot(request).await?;
        let status = response.status();
        let bytes = to_bytes(response.into_body(), LARGEST_ANSWER_BYTES).await?;
        if !status.is_success() {
            let text = String::from_utf8_lossy(&bytes);
            return Err(format!("{method} {path}: {status}: {text}").into());
        }
        if status == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// The answer to a GET.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Box<dyn Error>> {
        self.call("GET", path, JSON, "").await
    }

    /// Posts JSON.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, Box<dyn Error>> {
        self.call("POST", path, JSON, body.to_string()).await
    }

    /// Saves a campaign and publishes it.
    pub(crate) async fn publish(&self, id: &str, document: &str) -> Result<Value, Box<dyn Error>> {
        let path = format!("/v1/campaigns/{id}");
        self.call("PUT", &path, YAML, document.to_owned()).await?;
        self.post(&format!("{path}/publish"), &serde_json::json!({})).await
    }
}
