//! The unsubscribe page, and the one-click call of RFC 8058, which needs no page.
//!
//! Loading the page changes nothing: mail scanners open every link.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use dacapo_engine::contact::{Author, Consent, Contact, Patch};

use crate::api::call::extract::Path;
use crate::api::call::problem::Problem;
use crate::api::call::surface::{Surface, calls};
use crate::catalog::CatalogStore;
use crate::contacts::{Contacts, WriteError, alone};
use crate::unsubscribe::{OF_A_TEST, contact_of};

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, ask, unsubscribe)
}

/// What a page says.
struct Words {
    language: &'static str,
    title: &'static str,
    ask: &'static str,
    button: &'static str,
    done: &'static str,
    unknown: &'static str,
    test: &'static str,
}

const ENGLISH: Words = Words {
    language: "en",
    title: "Unsubscribe",
    ask: "Do you no longer want to receive these e-mails?",
    button: "Unsubscribe",
    done: "You are unsubscribed. We will not send you these e-mails any more.",
    unknown: "This link is not valid. Please use the link in your latest e-mail.",
    test: "This link is from a test mail. It unsubscribes nobody.",
};

const GERMAN: Words = Words {
    language: "de",
    title: "Abmelden",
    ask: "Möchten Sie diese E-Mails nicht mehr erhalten?",
    button: "Abmelden",
    done: "Sie sind abgemeldet. Wir senden Ihnen diese E-Mails nicht mehr.",
    unknown: "Dieser Link ist nicht gültig. Bitte nehmen Sie den Link in Ihrer letzten E-Mail.",
    test: "Dieser Link stammt aus einer Test-E-Mail. Er meldet niemanden ab.",
};

/// The page that asks.
#[utoipa::path(
    get, path = "/u/{token}", tag = "Unsubscribe", security(()),
    params(("token" = String, Path, description = "The signed token of a mail")),
    responses(
        (status = 200, content_type = "text/html"), (status = 404, content_type = "text/html"),
    ),
)]
async fn ask(
    State(catalog): State<Arc<CatalogStore>>,
    State(contacts): State<Arc<Contacts>>,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    let (contact, words) = found(&catalog, &contacts, &token).await?;
    Ok(match contact {
        Some(contact) if contact.consent == Consent::Unsubscribed => {
            page(StatusCode::OK, words, words.done, false)
        }
        Some(_) => page(StatusCode::OK, words, words.ask, true),
        None if token == OF_A_TEST => page(StatusCode::OK, words, words.test, false),
        None => page(StatusCode::NOT_FOUND, words, words.unknown, false),
    })
}

/// Unsubscribes.
#[utoipa::path(
    post, path = "/u/{token}", tag = "Unsubscribe", security(()),
    params(("token" = String, Path, description = "The signed token of a mail")),
    responses(
        (status = 200, content_type = "text/html"), (status = 404, content_type = "text/html"),
    ),
)]
async fn unsubscribe(
    State(catalog): State<Arc<CatalogStore>>,
    State(contacts): State<Arc<Contacts>>,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    let (contact, words) = found(&catalog, &contacts, &token).await?;
    if token == OF_A_TEST {
        return Ok(page(StatusCode::OK, words, words.test, false));
    }
    let unknown = || page(StatusCode::NOT_FOUND, words, words.unknown, false);
    let Some(contact) = contact else { return Ok(unknown()) };
    let patch = Patch { consent: Some(Consent::Unsubscribed), ..Patch::default() };
    match contacts.change(&contact.id, &patch, &Author::Contact, &alone).await {
        Ok(_) => Ok(page(StatusCode::OK, words, words.done, false)),
        Err(WriteError::NoSuchContact) => Ok(unknown()),
        Err(error) => Err(error.into()),
    }
}

/// The contact that a token was made for, and the words in its language.
async fn found(
    catalog: &CatalogStore,
    contacts: &Contacts,
    token: &str,
) -> Result<(Option<Contact>, &'static Words), Problem> {
    // This call is open to everybody, without limit: so it reads nothing that other calls need.
    let loaded = catalog.loaded_eventual().await?;
    let contact = match contact_of(&loaded.catalog.secret, token) {
        Some(id) => contacts.get(&id).await?,
        None => None,
    };
    let locale = contact.as_ref().and_then(|contact| contact.text("locale"));
    let locale = locale.unwrap_or(&loaded.account.locale).to_lowercase();
    let german = locale.split(['-', '_']).next() == Some("de");
    Ok((contact, if german { &GERMAN } else { &ENGLISH }))
}

/// The page. It contains only our own texts; nothing that was sent is shown.
fn page(status: StatusCode, words: &Words, text: &str, asks: bool) -> Response {
    let Words { language, title, button, .. } = words;
    let form = if asks {
        format!("<form method=\"post\"><button type=\"submit\">{button}</button></form>")
    } else {
        String::new()
    };
    let html = format!(
        "<!doctype html>\n<html lang=\"{language}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<title>{title}</title>\n\
         <style>body{{font:1.125rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh \
         auto;padding:0 1rem;\
         color:#1a1a1a;background:#fff}}button{{font:inherit;padding:.75rem \
         1.5rem;border:0;border-radius:.375rem;\
         color:#fff;background:#1f4fa3;cursor:pointer}}button:focus-visible{{outline:3px solid \
         #ffb300;\
         outline-offset:2px}}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n<p \
         role=\"status\">{text}</p>\n\
         {form}\n</main>\n</body>\n</html>\n"
    );
    let policy =
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'";
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (status, headers, Html(html)).into_response()
}
