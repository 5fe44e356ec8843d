//! Dead letters: what could not be read or done. They are listed, redriven, deleted.
//!
//! A list shows what each is about, but not its content, which may be personal data. To see the
//! result of a redrive, read the dead letter: it is gone, or contains the reason.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::call::extract::{Path, Query};
use crate::api::call::idempotency::Answer;
use crate::api::call::lists::{Filling, Listed, Page, Paging, foreign_cursor};
use crate::api::call::problem::Problem;
use crate::api::call::surface::{Surface, calls};
use crate::contact_json::instant_text;
use crate::dead_letters::{DeadLetterKind, DeadLetters, StoredDeadLetter};
use crate::error::Error;
use crate::redriving::Redriving;
use crate::table::TableError;

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, list, get, delete, redrive)
}

/// A dead letter, without what it says.
#[derive(Debug, Serialize, ToSchema)]
struct DeadLetter {
    id: String,
    /// What kind of work it is.
    kind: KindWord,
    /// Who could not do it.
    by: String,
    /// Why, the last time. It quotes nothing of the letter.
    why: String,
    /// When it first became a dead letter.
    #[schema(format = DateTime)]
    at: String,
    /// The contact that it is about, if it names one.
    #[schema(required = true)]
    contact_id: Option<String>,
    /// How often it was done again without success.
    tries: u32,
    /// Since when it waits to be done again; `null` if nobody has asked for it, or it failed since.
    #[schema(format = DateTime, required = true)]
    asked_at: Option<String>,
    /// When it goes by itself.
    #[schema(format = DateTime)]
    expires_at: String,
}

/// A dead letter, with what it says.
#[derive(Debug, Serialize, ToSchema)]
struct OpenDeadLetter {
    #[serde(flatten)]
    letter: DeadLetter,
    /// What it says, as it came: mostly JSON. It may be about a person.
    raw: String,
}

/// A change of a contact; a decision that is to be performed; a message of a queue; what the mail
/// service told.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum KindWord {
    Change,
    Decision,
    Message,
    Report,
}

impl DeadLetter {
    fn of(letter: &StoredDeadLetter) -> Self {
        let body = &letter.body;
        Self {
            id: letter.id.clone(),
            kind: match body.kind {
                DeadLetterKind::Change => KindWord::Change,
                DeadLetterKind::Decision => KindWord::Decision,
                DeadLetterKind::Message => KindWord::Message,
                DeadLetterKind::Report => KindWord::Report,
            },
            by: body.by.clone(),
            why: body.why.clone(),
            at: instant_text(body.at),
            contact_id: body.contact.as_ref().map(ToString::to_string),
            tries: body.tries,
            asked_at: body.asked.map(instant_text),
            expires_at: instant_text(letter.expires()),
        }
    }
}

fn no_such_dead_letter(id: &str) -> Problem {
    Problem::not_found(format!(
        "there is no dead letter `{id}`: it was done or deleted, or has never been; GET \
         /v1/dead-letters lists those there are"
    ))
}

/// The dead letters, oldest first, each without what it says. A page may have fewer than `limit`
/// before the last.
#[utoipa::path(get, path = "/v1/dead-letters", tag = "Dead letters", params(Paging),
    responses((status = 200, body = Page<DeadLetter>)))]
async fn list(
    State(dead_letters): State<Arc<DeadLetters>>,
    Query(paging): Query<Paging>,
) -> Result<Listed<DeadLetter>, Problem> {
    let limit = paging.limit()?;
    let page = match dead_letters.list(limit, paging.cursor()).await {
        Ok(page) => page,
        Err(Error::Table(TableError::Invalid(_))) => return Err(foreign_cursor()),
        Err(error) => return Err(error.into()),
    };
    // The content is not shown here, and the reason is bounded: an answer holds a page of dead
    // letters.
    let mut listed = Filling::of(limit);
    for letter in &page.items {
        listed.put(&DeadLetter::of(letter))?;
    }
    Ok(listed.until(page.cursor.as_ref())?)
}

/// A dead letter with what it says.
#[utoipa::path(get, path = "/v1/dead-letters/{id}", tag = "Dead letters",
    params(("id" = String, Path, description = "The letter's id")),
    responses((status = 200, body = OpenDeadLetter), (status = 404, body = Problem)))]
async fn get(
    State(dead_letters): State<Arc<DeadLetters>>,
    Path(id): Path<String>,
) -> Result<axum::Json<OpenDeadLetter>, Problem> {
    let letter = dead_letters.get(&id).await?.ok_or_else(|| no_such_dead_letter(&id))?;
    let shown = DeadLetter::of(&letter);
    Ok(axum::Json(OpenDeadLetter { letter: shown, raw: letter.body.raw }))
}

/// Deletes a dead letter: what it says is not done any more.
#[utoipa::path(delete, path = "/v1/dead-letters/{id}", tag = "Dead letters",
    params(("id" = String, Path, description = "The letter's id")),
    responses((status = 204), (status = 404, body = Problem)))]
async fn delete(
    State(dead_letters): State<Arc<DeadLetters>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    match dead_letters.delete(&id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(no_such_dead_letter(&id)),
    }
}

/// Has a dead letter done again, by the handler of such work. It is done when the letter is gone.
/// If it cannot be done this time either, the letter stays: `asked_at` is `null` then, `tries` one
/// more, and `why` says why.
#[utoipa::path(post, path = "/v1/dead-letters/{id}/redrive", tag = "Dead letters",
    params(("id" = String, Path, description = "The letter's id")),
    responses((status = 202, body = DeadLetter), (status = 404, body = Problem)))]
async fn redrive(
    State(redriving): State<Arc<Redriving>>,
    Path(id): Path<String>,
) -> Result<Answer, Problem> {
    let letter = redriving.redrive(&id).await?.ok_or_else(|| no_such_dead_letter(&id))?;
    Answer::new(StatusCode::ACCEPTED, &DeadLetter::of(&letter))
}
