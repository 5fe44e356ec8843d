//! The HTTP API: what programs and people outside touch.
//!
//! Each module holds the calls about one thing; its `routes` puts them on a `surface`. A call says
//! what it takes and answers in `#[utoipa::path]`, and the description made from that is held
//! against every call. Before each handler comes what all calls have in common (`surface::Call`).
//! Every failure is a [`Problem`].
//!
//! Nothing here knows what carries the call: a server in the same process, or API Gateway.

mod account;
mod auth;
mod by_hand;
mod campaigns;
mod changes;
mod charset;
mod contacts;
mod csv_columns;
mod csv_export;
mod csv_guard;
mod csv_import;
mod csv_rows;
mod dead_letters;
mod describing;
mod extract;
mod fields;
mod health;
mod hooks;
mod idempotency;
mod journeys;
mod keys;
mod lists;
mod mass_actions;
mod members;
mod messages;
mod names;
mod openapi;
mod people;
mod person_names;
mod problem;
mod reading;
mod resubscribing;
mod room;
mod selecting;
pub(crate) mod shapes;
mod skipping;
mod sorting;
mod statistics;
mod surface;
mod tag_lists;
mod tags;
mod unsubscribe;
mod wording;

use std::ops::Deref;
use std::sync::Arc;

use axum::Router;

use crate::platform::Platform;

pub use auth::{Admin, AdminKeeper, AdminKey, Scope, key_of};
pub use changes::ChangedContact;
pub use contacts::WrittenContact;
pub use hooks::PostedContact;
pub use messages::message_json;
pub use problem::{Fault, Problem};
pub use room::{InOnePiece, LARGEST_ANSWER, carried};

pub use crate::contact_json::is_locale;
use surface::{Description, Surface};

/// What every call is given: the same, however often it is cloned.
#[derive(Clone)]
pub(crate) struct Api(Arc<Given>);

/// See [`Api`].
pub(crate) struct Given {
    pub(crate) platform: Platform,
    admin: Admin,
    known_keys: auth::KnownKeys,
    unknown_keys: auth::UnknownKeys,
}

impl Deref for Api {
    type Target = Given;

    fn deref(&self) -> &Given {
        &self.0
    }
}

/// The API of a platform. The admin key is not stored and may do everything.
pub fn router(platform: Platform, admin: impl Into<Admin>) -> Router {
    assembled(openapi::route(all(Router::new())), platform, admin.into())
}

/// What programs outside touch without knowing the rest: the hooks.
pub fn hooks_router(platform: Platform, admin: impl Into<Admin>) -> Router {
    let routes = hooks::routes(health::routes(Router::new()));
    assembled(routes, platform, admin.into())
}

/// The description of the API, made from the code. What is served is a file that a test holds to
/// it: `docs/testing.md`.
pub fn description() -> serde_json::Value {
    describing::completed(&all(Description::new()).done())
}

/// All calls, on any surface.
fn all<S: Surface>(on: S) -> S {
    let on = health::routes(on);
    let on = hooks::routes(on);
    let on = contacts::routes(on);
    let on = csv_import::routes(on);
    let on = csv_export::routes(on);
    let on = journeys::routes(on);
    let on = messages::routes(on);
    let on = by_hand::routes(on);
    let on = campaigns::routes(on);
    let on = statistics::routes(on);
    let on = mass_actions::routes(on);
    let on = account::routes(on);
    let on = fields::routes(on);
    let on = tags::routes(on);
    let on = keys::routes(on);
    let on = dead_letters::routes(on);
    unsubscribe::routes(on)
}

/// The routes, with what answers where there is none.
fn assembled(routes: Router<Api>, platform: Platform, admin: Admin) -> Router {
    let given = Given {
        platform,
        admin,
        known_keys: auth::KnownKeys::default(),
        unknown_keys: auth::UnknownKeys::default(),
    };
    routes
        .fallback(problem::no_such_path)
        .method_not_allowed_fallback(problem::no_such_method)
        .with_state(Api(Arc::new(given)))
}
