//! What is made of the calls: a router that answers them, or the description of them; and what is
//! done before every handler.
//!
//! Each module's `routes` puts its calls on a surface. A program that answers calls does not
//! contain the code that only describes them.

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, on};
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::HttpMethod;
use utoipa_axum::PathItemExt as _;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::api::Api;
use crate::api::call::idempotency::{Answering, Handler};
use crate::api::call::problem::Problem;
use crate::api::call::{auth, idempotency, openapi};

/// A call: its handler, after what all calls have in common. The router knows only this type; if
/// each handler were a type of its own, the router's code would be compiled once for each.
#[derive(Clone, Copy)]
pub(in crate::api) struct Call(pub(in crate::api) Handler);

impl Call {
    /// Checks the caller, the scope and the parameters, answers a repeat, and then calls the
    /// handler.
    async fn answer(self, mut request: Request, api: Api) -> Result<Response, Problem> {
        auth::authenticated(&api, &mut request).await?;
        openapi::known_parameters(&request)?;
        idempotency::once(api, request, self.0).await
    }
}

impl axum::handler::Handler<(), Api> for Call {
    type Future = Answering;

    fn call(self, request: Request, api: Api) -> Answering {
        Box::pin(async move { self.answer(request, api).await.into_response() })
    }
}

/// See the module.
pub(in crate::api) trait Surface: Sized {
    /// Adds a call: its path, its handler, and its description.
    fn call(
        self,
        path: &str,
        methods: &[HttpMethod],
        call: Call,
        described: fn() -> UtoipaMethodRouter<Api>,
    ) -> Self;
}

impl Surface for Router<Api> {
    fn call(
        self,
        path: &str,
        methods: &[HttpMethod],
        call: Call,
        _: fn() -> UtoipaMethodRouter<Api>,
    ) -> Self {
        methods
            .iter()
            .fold(self, |router, method| router.route(path, on(method.to_method_filter(), call)))
    }
}

/// The description of calls.
pub(in crate::api) struct Description(OpenApiRouter<Api>);

impl Description {
    /// Without any call.
    pub(in crate::api) fn new() -> Self {
        Self(OpenApiRouter::with_openapi(openapi::head()))
    }

    pub(in crate::api) fn done(self) -> OpenApi {
        self.0.into_openapi()
    }
}

impl Surface for Description {
    fn call(
        self,
        _: &str,
        _: &[HttpMethod],
        _: Call,
        described: fn() -> UtoipaMethodRouter<Api>,
    ) -> Self {
        Self(self.0.routes(described()))
    }
}

/// Adds the call that is not described: the description itself.
pub(in crate::api) fn with_description(router: Router<Api>) -> Router<Api> {
    let serve = Call(|request, api| axum::handler::Handler::call(openapi::serve, request, api));
    router.route("/v1/openapi.json", get(serve))
}

/// Puts handlers with a `#[utoipa::path]` on a surface.
macro_rules! calls {
    ($surface:expr, $($handler:ident),+) => {
        utoipa_axum::paste! {{
            let surface = $surface;
            $(let surface = $crate::api::call::surface::Surface::call(
                surface,
                &<[<__path_ $handler>] as utoipa::Path>::path(),
                &<[<__path_ $handler>] as utoipa::Path>::methods(),
                $crate::api::call::surface::Call(|request, api| axum::handler::Handler::call($handler, request, api)),
                || utoipa_axum::routes!($handler),
            );)+
            surface
        }}
    };
}

pub(in crate::api) use calls;
