//! Whether the API answers. It checks nothing behind it, so that a slow table does not make
//! instances look unhealthy.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::call::surface::{Surface, calls};

/// How the API is.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Health {
    /// `ok`.
    status: &'static str,
}

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, health)
}

/// Whether the API answers.
#[utoipa::path(
    get, path = "/healthz", tag = "Health", security(()),
    responses((status = 200, body = Health)),
)]
async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}
