//! Checks answers against the API description: the status and media type of every answer must be
//! described there.

use std::sync::LazyLock;

use serde_json::Value;

static DESCRIPTION: LazyLock<Value> = LazyLock::new(dacapo_platform::api::description);

/// Checks an answer against the description.
///
/// # Panics
///
/// If it does not name the call, the status, or the media type of the answer.
#[track_caller]
pub fn hold(method: &str, uri: &str, status: u16, media_type: Option<&str>) {
    let path = uri.split('?').next().unwrap_or_default();
    let problem = "application/problem+json";
    let media_type = media_type.map(|kind| kind.split(';').next().unwrap_or_default().trim());
    let Some(calls) = calls_at(path) else {
        assert!(
            ["/v1/openapi.json", "/dev/"].iter().any(|known| path.starts_with(known))
                || (status == 404 && media_type == Some(problem)),
            "{method} {path} is not described, and answers {status} {media_type:?}"
        );
        return;
    };
    let method = method.to_ascii_lowercase();
    let Some(call) = calls.get(if method == "head" { "get" } else { &method }) else {
        assert_eq!((status, media_type), (405, Some(problem)), "{method} {path} is not described");
        return;
    };
    let described = call["responses"].get(status.to_string());
    let described = described.unwrap_or_else(|| {
        panic!("{method} {path} answers {status}, which the description does not say")
    });
    let described = match described["$ref"].as_str() {
        Some(reference) => DESCRIPTION.pointer(&reference[1..]).unwrap_or(described),
        None => described,
    };
    let kinds: Vec<&str> =
        described["content"].as_object().into_iter().flatten().map(|(kind, _)| &**kind).collect();
    match media_type {
        Some(kind) => assert!(kinds.contains(&kind), "{method} {path} {status}: {kind}, {kinds:?}"),
        None => assert!(kinds.is_empty(), "{method} {path} {status}: nothing, and not {kinds:?}"),
    }
}

/// The described calls of a path: paths without parameters have precedence.
fn calls_at(path: &str) -> Option<&'static Value> {
    let paths = DESCRIPTION["paths"].as_object()?;
    let parts: Vec<&str> = path.split('/').collect();
    let leads = |described: &str| {
        let described: Vec<&str> = described.split('/').collect();
        described.len() == parts.len()
            && described
                .iter()
                .zip(&parts)
                .all(|(one, part)| one == part || (one.starts_with('{') && !part.is_empty()))
    };
    let mut there: Vec<_> = paths.iter().filter(|(described, _)| leads(described)).collect();
    there.sort_by_key(|(described, _)| described.matches('{').count());
    there.first().map(|(_, calls)| *calls)
}
