//! The HTTP API: what programs and people outside touch.
//!
//! Each module holds the calls about one thing and exposes `routes()`; [`router`] merges them. A call says what it
//! takes and answers in `#[utoipa::path]`, and the description made from that is held against every call. Around
//! every call stand, from the outside: who calls (`auth`), which parameters there are (`openapi`), whether it was
//! answered before (`idempotency`). Every failure is a [`Problem`].
//!
//! Nothing here knows what carries the call: a server in the same process, or API Gateway.

mod account;
mod auth;
mod campaigns;
mod changes;
mod contacts;
mod csv_export;
mod csv_import;
mod csv_rows;
mod extract;
mod fields;
mod health;
mod hooks;
mod idempotency;
mod journeys;
mod keys;
mod lists;
mod mass_actions;
mod openapi;
mod people;
mod problem;
mod reading;
mod selecting;
mod statistics;
mod tags;
mod unsubscribe;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;

use crate::platform::Platform;

pub use auth::{Admin, AdminKeeper, AdminKey, Scope};
pub use contacts::WrittenContact;
pub use hooks::PostedContact;
pub use journeys::message_json;
pub use problem::{Fault, Problem};

/// What every call is given.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) platform: Platform,
    admin: Admin,
    known_keys: auth::KnownKeys,
    described: Arc<openapi::Described>,
}

/// The API of a platform. The admin key is not stored and may do everything.
pub fn router(platform: Platform, admin: impl Into<Admin>) -> Router {
    let routes = OpenApiRouter::with_openapi(openapi::head())
        .merge(health::routes())
        .merge(hooks::routes())
        .merge(contacts::routes())
        .merge(csv_import::routes())
        .merge(csv_export::routes())
        .merge(journeys::routes())
        .merge(campaigns::routes())
        .merge(statistics::routes())
        .merge(mass_actions::routes())
        .merge(account::routes())
        .merge(fields::routes())
        .merge(tags::routes())
        .merge(keys::routes())
        .merge(unsubscribe::routes());
    assembled(routes, platform, admin.into(), true)
}

/// What people and programs outside touch without knowing the rest: the hooks, and the links in mail.
pub fn hooks_router(platform: Platform, admin: impl Into<Admin>) -> Router {
    let routes = OpenApiRouter::with_openapi(openapi::head())
        .merge(health::routes())
        .merge(hooks::routes())
        .merge(unsubscribe::routes());
    assembled(routes, platform, admin.into(), false)
}

/// The routes with what stands around every call.
fn assembled(
    routes: OpenApiRouter<Api>,
    platform: Platform,
    admin: Admin,
    describes_itself: bool,
) -> Router {
    let (mut routes, document) = routes.split_for_parts();
    if describes_itself {
        routes = routes.route("/v1/openapi.json", get(openapi::serve));
    }
    let described = Arc::new(openapi::Described::new(document));
    let api = Api { platform, admin, known_keys: auth::KnownKeys::default(), described };
    // The last layer stands outermost.
    routes
        .route_layer(from_fn_with_state(api.clone(), idempotency::once))
        .route_layer(from_fn_with_state(api.clone(), openapi::known_parameters))
        .route_layer(from_fn_with_state(api.clone(), auth::authenticated))
        .fallback(problem::no_such_path)
        .method_not_allowed_fallback(problem::no_such_method)
        .with_state(api)
}
