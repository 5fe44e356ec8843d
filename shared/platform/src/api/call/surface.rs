//! What is made of the calls: a router that answers them, or the description of them; and what is
//! done before every handler.
//!
//! Each module's `routes` puts its calls on a surface. A program that answers calls does not
//! contain the code that only describes them.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter};
use dacapo_engine::compact::CollectCompactly as _;
use tower::ServiceExt as _;
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
pub(in crate::api) struct ServedCall(pub(in crate::api) Handler);

impl ServedCall {
    /// Checks the caller, the scope and the parameters, answers a repeat, and then calls the
    /// handler.
    async fn answer(self, mut request: Request, api: Api) -> Result<Response, Problem> {
        auth::authenticated(&api, &mut request).await?;
        openapi::known_parameters(&request)?;
        idempotency::once(api, request, self.0).await
    }
}

impl axum::handler::Handler<(), Api> for ServedCall {
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
        call: ServedCall,
        described: fn() -> UtoipaMethodRouter<Api>,
    ) -> Self;
}

/// The calls that a program answers. A function that starts answers one call first, so the router
/// of a subject, such as `/v1/contacts`, is made when the first call about it comes.
#[derive(Default)]
pub(in crate::api) struct Routes(BTreeMap<String, Vec<(String, MethodFilter, ServedCall)>>);

impl Routes {
    /// The router that answers these calls, and what is no call with a problem.
    pub(in crate::api) fn into_router(self, api: Api) -> Router {
        let subjects = self.0.into_iter().map(|(subject, calls)| {
            let router = OnceLock::new();
            (subject, Subject { calls, router })
        });
        let subjects = Subjects { api, subjects: subjects.collect_compactly() };
        Router::new().fallback(by_subject).with_state(Arc::new(subjects))
    }

    /// Adds the call that is not described: the description itself.
    pub(in crate::api) fn with_description(mut self) -> Self {
        let serve =
            ServedCall(|request, api| axum::handler::Handler::call(openapi::serve, request, api));
        self.add("/v1/openapi.json", MethodFilter::GET, serve);
        self
    }

    fn add(&mut self, path: &str, method: MethodFilter, call: ServedCall) {
        let calls = self.0.entry(subject_of(path).to_owned()).or_default();
        calls.push((path.to_owned(), method, call));
    }
}

/// The calls by subject.
struct Subjects {
    api: Api,
    subjects: BTreeMap<String, Subject>,
}

/// The calls about one subject, and their router once one has come.
struct Subject {
    calls: Vec<(String, MethodFilter, ServedCall)>,
    router: OnceLock<Router>,
}

impl Subject {
    /// Methods are collected by path first: a router that is told of each method by itself copies
    /// a path's other methods every time.
    fn router(&self, api: &Api) -> Router {
        let made = self.router.get_or_init(|| {
            let mut by_path: BTreeMap<&str, MethodRouter<Api>> = BTreeMap::new();
            for (path, method, call) in &self.calls {
                let none = || MethodRouter::new().fallback(problem::no_such_method);
                let methods = by_path.entry(path.as_str()).or_insert_with(none);
                *methods = std::mem::take(methods).on(*method, *call);
            }
            by_path
                .into_iter()
                .fold(Router::new(), |router, (path, methods)| router.route(path, methods))
                .fallback(problem::no_such_path)
                .with_state(api.clone())
        });
        made.clone()
    }
}

/// What a path is about: what stands behind its version, or its first part.
fn subject_of(path: &str) -> &str {
    let path = path.trim_start_matches('/');
    let path = path.strip_prefix("v1/").unwrap_or(path);
    path.split('/').next().unwrap_or_default()
}

async fn by_subject(State(all): State<Arc<Subjects>>, request: Request) -> Response {
    let Some(subject) = all.subjects.get(subject_of(request.uri().path())) else {
        return problem::no_such_path(request).await.into_response();
    };
    let Ok(answer) = subject.router(&all.api).oneshot(request).await;
    answer
}

impl Surface for Routes {
    fn call(
        mut self,
        path: &str,
        methods: &[HttpMethod],
        call: ServedCall,
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
        _: ServedCall,
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
                $crate::api::call::surface::ServedCall(|request, api| axum::handler::Handler::call($handler, request, api)),
                || utoipa_axum::routes!($handler),
            );)+
            surface
        }}
    };
}

pub(in crate::api) use calls;
