//! What is made of the calls: a router that answers them, or the description that names them.
//!
//! Each module's `routes` puts its calls on a surface. A program that answers calls holds nothing of what only describes
//! them.

use axum::Router;
use axum::handler::Handler;
use axum::routing::on;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::HttpMethod;
use utoipa_axum::PathItemExt as _;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::{Api, openapi};

/// See the module.
pub(super) trait Surface: Sized {
    /// With a call: where it is, who answers it, and what there is to say about it.
    fn call<T: 'static>(
        self,
        path: &str,
        methods: &[HttpMethod],
        handler: impl Handler<T, Api>,
        described: impl FnOnce() -> UtoipaMethodRouter<Api>,
    ) -> Self;
}

impl Surface for Router<Api> {
    fn call<T: 'static>(
        self,
        path: &str,
        methods: &[HttpMethod],
        handler: impl Handler<T, Api>,
        _: impl FnOnce() -> UtoipaMethodRouter<Api>,
    ) -> Self {
        methods.iter().fold(self, |router, method| {
            router.route(path, on(method.to_method_filter(), handler.clone()))
        })
    }
}

/// The description of calls.
pub(super) struct Description(OpenApiRouter<Api>);

impl Description {
    /// Without any call in it.
    pub(super) fn new() -> Self {
        Self(OpenApiRouter::with_openapi(openapi::head()))
    }

    pub(super) fn done(self) -> OpenApi {
        self.0.into_openapi()
    }
}

impl Surface for Description {
    fn call<T: 'static>(
        self,
        _: &str,
        _: &[HttpMethod],
        _: impl Handler<T, Api>,
        described: impl FnOnce() -> UtoipaMethodRouter<Api>,
    ) -> Self {
        Self(self.0.routes(described()))
    }
}

/// Puts handlers that say in `#[utoipa::path]` where they are on a surface.
macro_rules! calls {
    ($surface:expr, $($handler:ident),+) => {
        utoipa_axum::paste! {{
            let surface = $surface;
            $(let surface = $crate::api::surface::Surface::call(
                surface,
                &<[<__path_ $handler>] as utoipa::Path>::path(),
                &<[<__path_ $handler>] as utoipa::Path>::methods(),
                $handler,
                || utoipa_axum::routes!($handler),
            );)+
            surface
        }}
    };
}

pub(super) use calls;
