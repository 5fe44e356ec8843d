//! The API's description, made from the code, and what follows from it: a parameter that it does not name is refused.

use std::collections::{BTreeSet, HashMap};
use std::sync::OnceLock;

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use dacapo_engine::campaign::nearest::remedy;
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Components, OpenApi, OpenApiBuilder, RefOr};

use super::Api;
use super::extract::form_pairs;
use super::problem::{Fault, Problem};

/// The description, and what calls are checked against. Its text is made when it is asked for first: a function that
/// starts has better things to do.
pub(super) struct Described {
    document: OpenApi,
    text: OnceLock<String>,
    parameters: HashMap<(Method, String), BTreeSet<String>>,
}

/// The description without any call in it.
pub(super) fn head() -> OpenApi {
    let mut components = Components::new();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API key, its scope one of webhook, read, write and admin"));
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
    let header = ApiKeyValue::with_description("X-Api-Key", "The same key, in a header of its own");
    components.add_security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(header)));
    let mut info = utoipa::openapi::Info::new("Dacapo", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Campaigns that run again. Problems are RFC 9457; lists take `limit` and `cursor`; every POST takes \
         `Idempotency-Key`; a contact's id may be written `email:ann@example.com`."
            .to_owned(),
    );
    let none: [&str; 0] = [];
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .security(Some([
            SecurityRequirement::new("bearer", none),
            SecurityRequirement::new("api_key", none),
        ]))
        .build()
}

impl Described {
    pub(super) fn new(document: OpenApi) -> Self {
        let mut parameters = HashMap::new();
        for (path, item) in &document.paths.paths {
            for (method, operation) in operations(item) {
                let names = operation.parameters.iter().flatten();
                let names = names
                    .filter_map(|parameter| match parameter {
                        RefOr::T(parameter) => Some(parameter),
                        RefOr::Ref(_) => None,
                    })
                    .filter(|parameter| parameter.parameter_in == ParameterIn::Query)
                    .map(|parameter| parameter.name.clone())
                    .collect();
                parameters.insert((method, path.clone()), names);
            }
        }
        Self { document, text: OnceLock::new(), parameters }
    }

    fn text(&self) -> &str {
        self.text.get_or_init(|| self.document.to_json().unwrap_or_else(|_| "{}".to_owned()))
    }
}

fn operations(item: &PathItem) -> impl Iterator<Item = (Method, &Operation)> {
    [
        (Method::GET, &item.get),
        (Method::PUT, &item.put),
        (Method::POST, &item.post),
        (Method::PATCH, &item.patch),
        (Method::DELETE, &item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| operation.as_ref().map(|operation| (method, operation)))
}

/// The description.
pub(super) async fn serve(State(api): State<Api>) -> Response {
    let kind = [(axum::http::header::CONTENT_TYPE, "application/json")];
    (kind, api.described.text().to_owned()).into_response()
}

/// Refuses parameters that the description does not name.
pub(super) async fn known_parameters(
    State(api): State<Api>,
    path: MatchedPath,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let call = (request.method().clone(), path.as_str().to_owned());
    if path.as_str().starts_with("/v1/")
        && let Some(known) = api.described.parameters.get(&call)
    {
        let unknown = form_pairs(request.uri().query().unwrap_or_default())
            .filter(|(name, _)| !known.contains(name.as_ref()))
            .map(|(name, _)| {
                let remedy = remedy(&name, known.iter().map(String::as_str));
                Fault::new(
                    name,
                    "unknown_parameter",
                    format!("there is no such parameter; {remedy}"),
                )
            });
        let unknown: Vec<Fault> = unknown.collect();
        if !unknown.is_empty() {
            return Err(Problem::invalid(unknown));
        }
    }
    Ok(next.run(request).await)
}
