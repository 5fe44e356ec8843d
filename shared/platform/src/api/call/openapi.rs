//! The API's description, and the check by it: a parameter that it does not name is refused.
//!
//! It is made from the code ([`description`](crate::api::description)), but not while a function
//! starts: the file beside this one is served.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use axum::extract::{MatchedPath, Request};
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use dacapo_engine::campaign::nearest::remedy;
use dacapo_engine::compact::CollectCompactly as _;
use serde::Deserialize;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Components, OpenApi, OpenApiBuilder};

use crate::api::call::extract::form_pairs;
use crate::api::call::problem::{Fault, Problem};

/// The description.
const DESCRIPTION: &str = include_str!("openapi.json");

/// The parameters in the query of each call, by method and path.
type Parameters = HashMap<(Method, String), BTreeSet<String>>;

/// They are read when a call has parameters for the first time. The description is part of the
/// program, and a test reads it: a fault in it fails that test.
static PARAMETERS: LazyLock<Parameters> = LazyLock::new(|| {
    parameters_of(DESCRIPTION).unwrap_or_else(|error| panic!("openapi.json: {error}"))
});

/// The parameters that a description names.
fn parameters_of(description: &str) -> Result<Parameters, String> {
    let described: Described =
        serde_json::from_str(description).map_err(|error| error.to_string())?;
    let mut parameters = Parameters::new();
    for (path, calls) in described.paths {
        for (method, call) in calls {
            let upper = method.to_ascii_uppercase();
            let known = upper.parse().map_err(|_| format!("{method} {path} is no method"))?;
            let in_query = call.parameters.into_iter().filter(|one| one.is_in == "query");
            let names = in_query.map(|one| one.name).collect_compactly();
            parameters.insert((known, path.clone()), names);
        }
    }
    if parameters.is_empty() {
        return Err("it describes no call".to_owned());
    }
    Ok(parameters)
}

/// The parts of the description that calls are checked against.
#[derive(Deserialize)]
struct Described {
    paths: HashMap<String, HashMap<String, DescribedCall>>,
}

#[derive(Deserialize)]
struct DescribedCall {
    #[serde(default)]
    parameters: Vec<DescribedParameter>,
}

/// A parameter; one that is described elsewhere is in a header.
#[derive(Deserialize)]
struct DescribedParameter {
    #[serde(default)]
    name: String,
    #[serde(default, rename = "in")]
    is_in: String,
}

/// The description without any call in it.
pub(in crate::api) fn head() -> OpenApi {
    let mut components = Components::new();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API key, its scope one of webhook, read, write and admin"));
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
    let header = ApiKeyValue::with_description("X-Api-Key", "The same key, in a header of its own");
    components.add_security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(header)));
    let mut info = utoipa::openapi::Info::new("Dacapo", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Campaigns that run again. Problems are RFC 9457; lists take `limit` and `cursor`; every \
         POST takes `Idempotency-Key`; a contact's id may be written `email:ann@example.com`."
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

/// The description.
pub(in crate::api) async fn serve() -> Response {
    open_document("application/json", DESCRIPTION)
}

/// A document that is the same for every caller. Editors in browsers may read it too.
pub(in crate::api) fn open_document(kind: &'static str, text: &'static str) -> Response {
    let headers = [(header::CONTENT_TYPE, kind), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    (headers, text).into_response()
}

/// The path of an object as it is described, and as the router knows it.
pub(super) const OBJECT: &str = "/v1/objects/{type}/{key}";
pub(super) const ANY_OBJECT: &str = "/v1/objects/{type}/{*key}";

/// A path of the router, as it is described.
fn as_described(path: &str) -> &str {
    if path == ANY_OBJECT { OBJECT } else { path }
}

/// Refuses parameters that the description does not name.
pub(in crate::api) fn known_parameters(request: &Request) -> Result<(), Problem> {
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let path = as_described(path);
    // What a tool adds to the URL that it was given means nothing here.
    let is_ours = path.starts_with("/v1/") && !path.starts_with("/v1/in/");
    let Some(query) = request.uri().query().filter(|_| is_ours) else {
        return Ok(());
    };
    let call = (request.method().clone(), path.to_owned());
    let Some(known) = PARAMETERS.get(&call) else { return Ok(()) };
    let unknown = form_pairs(query).filter(|(name, _)| !known.contains(name.as_ref()));
    let unknown = unknown.map(|(name, _)| {
        let remedy = remedy(&name, known.iter().map(String::as_str));
        Fault::new(name, "unknown_parameter", format!("there is no such parameter; {remedy}"))
    });
    let unknown: Vec<Fault> = unknown.collect();
    if unknown.is_empty() { Ok(()) } else { Err(Problem::invalid(unknown)) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

    use super::*;

    #[test]
    fn the_description_is_readable_and_names_parameters() {
        let parameters = parameters_of(DESCRIPTION).unwrap();
        let contacts = &parameters[&(Method::GET, "/v1/contacts".to_owned())];
        assert!(contacts.contains("limit") && contacts.contains("cursor"), "{contacts:?}");
    }

    #[test]
    fn an_unreadable_or_empty_description_is_an_error() {
        for broken in ["", "{}", r#"{"paths":[]}"#, r#"{"paths":{}}"#] {
            assert!(parameters_of(broken).is_err(), "{broken}");
        }
    }
}
