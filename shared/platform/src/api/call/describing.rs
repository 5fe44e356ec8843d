//! What the description says of every call. It is derived from what is done around every handler
//! (`surface::ServedCall`), and not written beside each: the call's id, the scope that it needs,
//! what its path names, and the problems that it may be answered with before its handler is called.
//!
//! Beside a handler is written what is its own: parameters, bodies, successes, and the statuses of
//! the problems that the handler itself answers, such as 404, 409, 412 and 422. What these say is
//! added here. A test compares every answer of the tests with the description
//! (`tests/src/described.rs`).

use axum::http::{Method, StatusCode};
use dacapo_engine::campaign::schema::json_schema;
use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;
use utoipa::{PartialSchema, ToSchema};

use crate::api::call::auth::{self, Scope};
use crate::api::call::problem::{Fault, MEDIA_TYPE, Problem};

/// The document of a campaign. It stands for the schema that is generated from what reads it.
#[derive(ToSchema)]
pub(in crate::api) struct CampaignDocument {}

/// The prefix of the names of the document's schema parts here.
const PART: &str = "Document";

/// Where the description keeps schemas.
const SCHEMAS: &str = "#/components/schemas/";

/// The problems: status, name, and what it means.
const PROBLEMS: [(StatusCode, &str, &str); 13] = [
    (StatusCode::BAD_REQUEST, "Malformed", "What was sent cannot be read at all."),
    (StatusCode::UNAUTHORIZED, "Unauthorized", "There is no API key, or it is unknown."),
    (StatusCode::FORBIDDEN, "Forbidden", "The scopes of the API key do not reach so far."),
    (StatusCode::NOT_FOUND, "NotFound", "There is no such thing."),
    (StatusCode::REQUEST_TIMEOUT, "TooSlow", "The request came too slowly."),
    (StatusCode::CONFLICT, "Conflict", "It does not go together with what is there."),
    (StatusCode::GONE, "Gone", "What the first answer was about has been erased."),
    (StatusCode::PAYLOAD_TOO_LARGE, "TooLarge", "The body is too large."),
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, "MediaType", "The media type is not read here."),
    (
        StatusCode::UNPROCESSABLE_ENTITY,
        "Invalid",
        "It can be read, but is wrong: `errors` names every single thing.",
    ),
    (StatusCode::TOO_MANY_REQUESTS, "TooMany", "There were too many of these, for now."),
    (StatusCode::INTERNAL_SERVER_ERROR, "Defect", "It failed; trying again does not help."),
    (StatusCode::SERVICE_UNAVAILABLE, "NotNow", "Nothing was lost; try again."),
];

/// What a path segment after these words names: what it is, and an example.
const NAMED: [(&str, &str, &str); 11] = [
    ("contacts", "The contact's id, or `email:ann@example.com`", "email:ann@example.com"),
    ("campaigns", "The campaign's id", "appointment-loop"),
    ("enrollments", "The campaign's id", "appointment-loop"),
    ("fields", "The field's key", "appointment"),
    ("keys", "The key's id", "9f86d081884c7d65"),
    ("mass-actions", "The mass action's id", "job-1"),
    ("dead-letters", "The dead letter's id", "timer:059f36b4-87a3-44ab-83d2-661975830a7d"),
    ("connections", "The connection's id", "calendly"),
    ("calls", "The received call's id", "4f2d0c5be8a3497bb0a1d5c3e6f70812"),
    ("in", "The token of the connection's URL", "3k7vq0x8m2c5r9t1w4y6z0b3d5f7h9j1n2p4s6a8"),
    ("u", "The signed token of a mail", "dG9rZW4"),
];

/// The whole description.
pub(in crate::api) fn completed(described: &OpenApi) -> Value {
    let mut document = json!(described);
    let mut paths = document["paths"].take();
    for (path, calls) in paths.as_object_mut().into_iter().flatten() {
        for (method, call) in calls.as_object_mut().into_iter().flatten() {
            complete(&method.to_ascii_uppercase(), path, call);
        }
    }
    document["paths"] = paths;
    let components = &mut document["components"];
    components["parameters"] = parameters();
    components["headers"] = headers();
    components["responses"] = PROBLEMS.into_iter().map(response).collect();
    if let Some(schemas) = components["schemas"].as_object_mut() {
        schemas.insert("Problem".to_owned(), json!(Problem::schema()));
        schemas.insert("Fault".to_owned(), json!(Fault::schema()));
        campaign_document(schemas);
        schemas.values_mut().for_each(tell_defaults);
    }
    document
}

/// A call with what all calls have in common.
fn complete(method: &str, path: &str, call: &mut Value) {
    call["operationId"] = json!(id(method, path, call));
    let method: Method = method.parse().unwrap_or_default();
    let scope = auth::needed(&method, path);
    match scope {
        Some(scope) => call["description"] = json!(scoped(&call["description"], scope)),
        // Nothing is needed.
        None => call["security"] = json!([]),
    }
    if let Some(parameters) = call.get_mut("parameters") {
        name_parts(path, parameters);
    }
    if let Some(body) = call.get_mut("requestBody") {
        may_be_left_out(body);
    }
    let once = method == Method::POST && scope.is_some();
    if once {
        if call["parameters"].is_null() {
            call["parameters"] = json!([]);
        }
        if let Some(parameters) = call["parameters"].as_array_mut() {
            parameters.push(json!({ "$ref": "#/components/parameters/IdempotencyKey" }));
        }
    }
    let refusals = refusals(path, scope, once, call);
    let Some(responses) = call["responses"].as_object_mut() else { return };
    for (status, response) in responses.iter_mut() {
        let status: StatusCode = status.parse().unwrap_or_default();
        if response["description"].as_str().unwrap_or_default().is_empty() {
            response["description"] = json!(status.canonical_reason().unwrap_or_default());
        }
        for (kind, content) in content_of(response) {
            // A page is a text.
            if content.get("schema").is_none() {
                content["schema"] = json!({ "type": "string" });
            }
            // What a handler says of a problem is what it has besides.
            if kind == MEDIA_TYPE && content["schema"]["$ref"] != reference("Problem")["$ref"] {
                content["schema"] = json!({ "allOf": [reference("Problem"), content["schema"]] });
            }
        }
        if once && status.is_success() {
            let header = json!({ "$ref": "#/components/headers/IdempotencyReplayed" });
            response["headers"]["Idempotency-Replayed"] = header;
        }
    }
    for (status, name, _) in PROBLEMS {
        let there = responses.get_mut(status.as_str());
        let problem = json!({ "$ref": format!("#/components/responses/{name}") });
        match there {
            // It can also be answered as a page.
            Some(page) if page["content"].get("text/html").is_some() => {
                page["content"][MEDIA_TYPE] = json!({ "schema": reference("Problem") });
            }
            Some(there) => *there = problem,
            None if refusals.contains(&status) => {
                responses.insert(status.as_str().to_owned(), problem);
            }
            None => {}
        }
    }
}

/// The problems that a call may be answered with before and around its handler.
fn refusals(path: &str, scope: Option<Scope>, once: bool, call: &Value) -> Vec<StatusCode> {
    let body = &call["requestBody"];
    let mut parameters = call["parameters"].as_array().into_iter().flatten();
    let mut refusals = vec![StatusCode::SERVICE_UNAVAILABLE];
    // The others are answered from memory.
    if path != "/healthz" && !path.ends_with(".json") {
        refusals.push(StatusCode::INTERNAL_SERVER_ERROR);
    }
    if scope.is_some() {
        let about_keys =
            [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS];
        refusals.extend(about_keys);
    }
    if path.contains('{') {
        refusals.push(StatusCode::NOT_FOUND);
    }
    // An unknown parameter is a 422 in each of these calls.
    if path.starts_with("/v1/") {
        refusals.push(StatusCode::UNPROCESSABLE_ENTITY);
    }
    if once || body.is_object() || parameters.any(|parameter| parameter["in"] == "query") {
        refusals.push(StatusCode::BAD_REQUEST);
    }
    // A call that is done once is hashed as a whole, with its body.
    if once || body.is_object() {
        refusals.extend([StatusCode::REQUEST_TIMEOUT, StatusCode::PAYLOAD_TOO_LARGE]);
    }
    // YAML and JSON are recognised by the text, whatever is declared; and a body that is optional
    // needs no declaration.
    let yaml = body["content"].get("application/yaml").is_some();
    if body["required"] == true && !yaml {
        refusals.push(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    refusals
}

/// The id of a call: the words of its path, then what is done: `contacts_get`, `contacts_list`,
/// `campaigns_publish`.
fn id(method: &str, path: &str, call: &Value) -> String {
    let named = path.split('/').filter(|part| !part.is_empty() && !part.starts_with('{'));
    let words = named.filter(|part| *part != "v1").map(|part| match part {
        "u" => "unsubscribe".to_owned(),
        "healthz" => "health".to_owned(),
        part => part.trim_end_matches(".json").replace(['-', '.'], "_"),
    });
    let lists = call["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
        .as_str()
        .is_some_and(|schema| schema.starts_with(&format!("{SCHEMAS}Page_")));
    let verb = match method {
        "GET" if lists => Some("list".to_owned()),
        "PATCH" => Some("update".to_owned()),
        "POST" if call["responses"].get("201").is_some() => Some("create".to_owned()),
        "POST" if matches!(path, "/v1/campaigns/pause" | "/v1/campaigns/resume") => {
            Some("all".to_owned())
        }
        // It is named by what is done, or posted.
        "POST" if !path.ends_with('}') => None,
        other => Some(other.to_ascii_lowercase()),
    };
    words.chain(verb).collect::<Vec<_>>().join("_")
}

/// The description of a call, with the scope that it needs.
fn scoped(description: &Value, scope: Scope) -> String {
    let needs = format!("Needs an API key with the scope `{}`.", scope.word());
    match description.as_str() {
        Some(text) if !text.is_empty() => format!("{text}\n\n{needs}"),
        Some(_) | None => needs,
    }
}

/// The schemas of a response or a body, by media type.
fn content_of(described: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    described.get_mut("content").and_then(Value::as_object_mut).into_iter().flatten()
}

/// An optional body is left out, and not `null`.
fn may_be_left_out(body: &mut Value) {
    if body["required"] == true {
        return;
    }
    for (_, content) in content_of(body) {
        let Some(schema) = content.get_mut("schema") else { continue };
        for choice in ["oneOf", "type"] {
            let Some(several) = schema.get_mut(choice).and_then(Value::as_array_mut) else {
                continue;
            };
            several.retain(|one| *one != "null" && one["type"] != "null");
            let [only] = several.as_slice() else { continue };
            let only = only.clone();
            match choice {
                "type" => schema["type"] = only,
                _ => *schema = only,
            }
        }
    }
}

/// Describes what the parts of a path name.
fn name_parts(path: &str, parameters: &mut Value) {
    let parts: Vec<&str> = path.split('/').collect();
    for parameter in parameters.as_array_mut().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap_or_default();
        let before = parts.windows(2).find(|pair| pair[1] == format!("{{{name}}}"));
        let Some((_, what, example)) =
            before.and_then(|pair| NAMED.iter().find(|(word, ..)| *word == pair[0]))
        else {
            continue;
        };
        parameter["description"] = json!(what);
        parameter["example"] = json!(example);
    }
}

fn parameters() -> Value {
    json!({ "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The same call with the same key gets the same answer, and does nothing \
                        again.",
        "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
    }})
}

fn headers() -> Value {
    let seconds = json!({ "type": "integer", "minimum": 0 });
    json!({
        "IdempotencyReplayed": {
            "description": "Says that the same call was answered before.",
            "schema": { "type": "string", "const": "true" },
        },
        "RetryAfter": { "description": "After how many seconds to try again.", "schema": seconds },
        "WwwAuthenticate": {
            "description": "How to send a key.",
            "schema": { "type": "string" },
        },
    })
}

fn response((status, name, means): (StatusCode, &str, &str)) -> (String, Value) {
    let mut response = json!({
        "description": means,
        "content": { MEDIA_TYPE: { "schema": reference("Problem") } },
    });
    let header = match status {
        StatusCode::UNAUTHORIZED => Some(("WWW-Authenticate", "WwwAuthenticate")),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            Some(("Retry-After", "RetryAfter"))
        }
        _ => None,
    };
    if let Some((header, described)) = header {
        let described = json!({ "$ref": format!("#/components/headers/{described}") });
        response["headers"] = json!({ header: described });
    }
    (name.to_owned(), response)
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("{SCHEMAS}{schema}") })
}

/// Adds the schema of the document, and its parts, to the others.
fn campaign_document(schemas: &mut Map<String, Value>) {
    let mut document = json_schema();
    relocate(&mut document);
    let Some(document) = document.as_object_mut() else { return };
    document.remove("$schema");
    let parts = document.remove("$defs").unwrap_or_default();
    for (name, part) in parts.as_object().into_iter().flatten() {
        schemas.insert(format!("{PART}{name}"), part.clone());
    }
    schemas.insert("CampaignDocument".to_owned(), json!(document));
}

/// Describes a member's default in words. Code generators treat a member with `default` as always
/// present, so that the sender of the object would have to give it.
fn tell_defaults(part: &mut Value) {
    let properties = part.get_mut("properties").and_then(Value::as_object_mut);
    for property in properties.into_iter().flat_map(Map::values_mut) {
        let Some(members) = property.as_object_mut() else { continue };
        let Some(default) = members.remove("default") else { continue };
        if default.is_object() || default == "" {
            continue;
        }
        let said = members.get("description").and_then(Value::as_str).unwrap_or_default();
        let told = format!("{said} Unless given: `{default}`.").trim().to_owned();
        members.insert("description".to_owned(), json!(told));
    }
    match part {
        Value::Object(members) => members.values_mut().for_each(tell_defaults),
        Value::Array(list) => list.iter_mut().for_each(tell_defaults),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Changes references to where the parts are here.
fn relocate(part: &mut Value) {
    match part {
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_str().and_then(|text| text.strip_prefix("#/$defs/")) {
                    Some(to) if name == "$ref" => *member = json!(format!("{SCHEMAS}{PART}{to}")),
                    Some(_) | None => relocate(member),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(relocate),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
