//! What is made of the calls: a router that answers them, or the description of them; and what is
//! done before every handler.
//!
//! Each module's `routes` puts its calls on a surface. A program that answers calls does not
//! contain the code that only describes them.

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter};
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::HttpMethod;
use utoipa_axum::PathItemExt as _;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::api::Api;
use crate::api::call::idempotency::{Answering, Handler};
use crate::api::call::problem::{self, Problem};
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

/// The calls by path, of which a router is made once: a router that is told of each method by
/// itself copies a path's other methods every time, while a function starts.
#[derive(Default)]
pub(in crate::api) struct Routes(Vec<(String, MethodRouter<Api>)>);

impl Routes {
    /// The router that answers these calls, and what is no call with a problem.
    pub(in crate::api) fn into_router(self, api: Api) -> Router {
        self.0
            .into_iter()
            .fold(Router::new(), |router, (path, methods)| router.route(&path, methods))
            .fallback(problem::no_such_path)
            .with_state(api)
    }

    /// Adds the call that is not described: the description itself.
    pub(in crate::api) fn with_description(mut self) -> Self {
        let serve = Call(|request, api| axum::handler::Handler::call(openapi::serve, request, api));
        self.add("/v1/openapi.json", MethodFilter::GET, serve);
        self
    }

    fn add(&mut self, path: &str, method: MethodFilter, call: Call) {
        let methods = match self.0.iter_mut().find(|(known, _)| known == path) {
            Some((_, methods)) => methods,
            None => {
                let none = MethodRouter::new().fallback(problem::no_such_method);
                &mut self.0.push_mut((path.to_owned(), none)).1
            }
        };
        *methods = std::mem::take(methods).on(method, call);
    }
}

impl Surface for Routes {
    fn call(
        mut self,
        path: &str,
        methods: &[HttpMethod],
        call: Call,
        _: fn() -> UtoipaMethodRouter<Api>,
    ) -> Self {
        // A key may hold slashes, which a gateway may have decoded.
        let path = path.replace(openapi::OBJECT, openapi::ANY_OBJECT);
        for method in methods {
            self.add(&path, method.to_method_filter(), call);
        }
        self
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
