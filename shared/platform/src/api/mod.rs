//! The HTTP API: what programs and people outside use.
//!
//! Each module holds the calls about one thing; its `routes` puts them on a `surface`. A call
//! declares its parameters and answers in `#[utoipa::path]`, and every call is checked against the
//! description made from that. What all calls have in common is done before each handler
//! (`surface::ServedCall`). Every failure is a [`Problem`].
//!
//! Nothing here depends on the transport: a server in the same process, or API Gateway.

mod account;
pub(crate) mod call;
mod campaigns;
mod connections;
mod contacts;
mod jobs;
mod objects;

use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;

use crate::blocking::Blocking;
use crate::campaigns::Campaigns;
use crate::catalog::CatalogStore;
use crate::connections::Connections;
use crate::contacts::Contacts;
use crate::dead_letters::DeadLetters;
use crate::enrollments::Decisions;
use crate::erasure::Erasure;
use crate::handlers::{MessageDelivery, Quarantine, Traces};
use crate::jobs::Jobs;
use crate::mail::MailRenderer;
use crate::objects::Objects;
use crate::platform::Platform;
use crate::redriving::Redriving;
use crate::store::Store;
use crate::tags::Tags;

pub use call::auth::{Admin, AdminKeeper, AdminKey, Scope, key_of};
pub use call::problem::{Fault, Problem};
pub use call::room::{InOnePiece, LARGEST_ANSWER, carried};
pub use connections::unfinished::{LookBack, do_unfinished_calls};
pub use contacts::calls::WrittenContact;
pub use contacts::changes::ChangedContact;
pub use contacts::hooks::PostedContact;
pub use contacts::messages::message_json;
pub use objects::calls::WrittenObject;
pub use objects::hooks::PostedObject;

pub use crate::contact_json::is_locale;
use call::surface::{Description, Routes, Surface};

/// What every call needs; clones share it.
#[derive(Clone)]
pub(crate) struct Api(Arc<Given>);

/// See [`Api`].
pub(crate) struct Given {
    pub(crate) platform: Platform,
    admin: Admin,
    known_keys: call::auth::KnownKeys,
    unknown_keys: call::auth::UnknownKeys,
}

impl Api {
    fn new(platform: Platform, admin: Admin) -> Self {
        Self(Arc::new(Given {
            platform,
            admin,
            known_keys: call::auth::KnownKeys::default(),
            unknown_keys: call::auth::UnknownKeys::default(),
        }))
    }
}

impl Deref for Api {
    type Target = Given;

    fn deref(&self) -> &Given {
        &self.0
    }
}

/// A call that needs one part or two takes each as `State`; one that needs more takes [`Api`].
macro_rules! parts {
    ($($name:ident: $part:ty),+ $(,)?) => {
        $(impl FromRef<Api> for Arc<$part> {
            fn from_ref(api: &Api) -> Self {
                Arc::clone(&api.platform.$name)
            }
        })+
    };
}

parts! {
    store: Store,
    catalog: CatalogStore,
    contacts: Contacts,
    objects: Objects,
    tags: Tags,
    mail: MailRenderer,
    blocking: Blocking,
    decisions: Decisions,
    quarantine: Quarantine,
    traces: Traces,
    delivery: MessageDelivery,
    erasure: Erasure,
    connections: Connections,
    campaigns: Campaigns,
    jobs: Jobs,
    dead_letters: DeadLetters,
    redriving: Redriving,
}

/// The API of a platform. The admin key is not stored and may do everything.
pub fn router(platform: Platform, admin: impl Into<Admin>) -> Router {
    all(Routes::default()).with_description().into_router(Api::new(platform, admin.into()))
}

/// What is posted from outside: the hooks, and the URLs of connections.
pub fn hooks_router(platform: Platform, admin: impl Into<Admin>) -> Router {
    let routes = hooks(account::health::routes(Routes::default()));
    routes.into_router(Api::new(platform, admin.into()))
}

/// All but what is posted from outside.
pub fn calls_router(platform: Platform, admin: impl Into<Admin>) -> Router {
    let routes = calls(account::health::routes(Routes::default()));
    routes.with_description().into_router(Api::new(platform, admin.into()))
}

/// The description of the API, made from the code. What is served is a file, and a test compares
/// both: `docs/testing.md`.
pub fn description() -> serde_json::Value {
    call::describing::completed(&all(Description::new()).done())
}

/// All calls, on any surface.
fn all<S: Surface>(on: S) -> S {
    calls(hooks(account::health::routes(on)))
}

fn hooks<S: Surface>(on: S) -> S {
    let on = contacts::hooks::routes(on);
    let on = objects::hooks::routes(on);
    connections::incoming::routes(on)
}

fn calls<S: Surface>(on: S) -> S {
    let on = connections::calls::routes(on);
    let on = connections::received::routes(on);
    let on = contacts::calls::routes(on);
    let on = contacts::csv::import::routes(on);
    let on = contacts::csv::export::routes(on);
    let on = contacts::history_and_enrollments::routes(on);
    let on = contacts::messages::routes(on);
    let on = contacts::explaining::routes(on);
    let on = contacts::by_hand::routes(on);
    let on = objects::calls::routes(on);
    let on = objects::types::routes(on);
    let on = objects::export::routes(on);
    let on = objects::import::routes(on);
    let on = campaigns::calls::routes(on);
    let on = campaigns::drafts::routes(on);
    let on = campaigns::publishing::routes(on);
    let on = campaigns::statistics::routes(on);
    let on = campaigns::pausing::routes(on);
    let on = campaigns::simulating::routes(on);
    let on = campaigns::drawing::routes(on);
    let on = campaigns::previewing::routes(on);
    let on = jobs::calls::routes(on);
    let on = jobs::reconcile::routes(on);
    let on = account::calls::routes(on);
    let on = contacts::fields::routes(on);
    let on = contacts::tags::routes(on);
    let on = account::keys::routes(on);
    let on = account::dead_letters::routes(on);
    contacts::unsubscribe::routes(on)
}
