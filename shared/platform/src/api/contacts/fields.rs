//! Custom fields: their types and labels.
//!
//! A field's type never changes: stored values, conditions and templates rely on it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use dacapo_engine::campaign::format::FieldDefinition;
use dacapo_engine::field::{FieldType, taken};
use dacapo_engine::ids::FieldKey;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::call::extract::{Json, Path, Query};
use crate::api::call::lists::{Listed, Page, Paging, filled};
use crate::api::call::problem::Problem;
use crate::api::call::shapes::FieldTypeWord;
use crate::api::call::surface::{Surface, calls};
use crate::campaigns::{Campaigns, FieldDeleted};
use crate::catalog::CatalogStore;

/// The longest label, in bytes.
const LONGEST_LABEL: usize = 256;

/// The prefix of a cursor of the list.
const LISTED: &str = "fields";

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, list, get, put, delete)
}

/// A custom field.
#[derive(Debug, Serialize, ToSchema)]
struct FieldShape {
    /// What it is called in templates: `contact.<key>`.
    key: String,
    /// `text`, `number`, `boolean`, `date` or `datetime`.
    #[serde(rename = "type")]
    #[schema(value_type = FieldTypeWord)]
    kind: &'static str,
    /// What people see.
    label: Option<String>,
}

impl FieldShape {
    fn of(key: &FieldKey, field: &FieldDefinition) -> Self {
        Self { key: key.to_string(), kind: field.kind.word(), label: field.label.clone() }
    }
}

/// What a field is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WrittenField {
    /// `text`, `number`, `boolean`, `date` or `datetime`.
    #[serde(rename = "type")]
    #[schema(value_type = FieldTypeWord)]
    kind: FieldType,
    /// What people see.
    #[serde(default)]
    label: Option<String>,
    /// May be there, as it is answered; it must be that of the path.
    #[serde(default)]
    key: Option<String>,
}

/// The custom fields, in order of key.
#[utoipa::path(get, path = "/v1/fields", tag = "Account", params(Paging),
    responses((status = 200, body = Page<FieldShape>)))]
async fn list(
    State(catalog): State<Arc<CatalogStore>>,
    Query(paging): Query<Paging>,
) -> Result<Listed<FieldShape>, Problem> {
    let begin = (paging.limit()?, paging.after(LISTED)?);
    let loaded = catalog.current().await?;
    let fields = loaded.catalog.fields.iter();
    let fields = fields.map(|(key, field)| (key.to_string(), FieldShape::of(key, field)));
    filled(begin, LISTED, fields)
}

/// A custom field.
#[utoipa::path(get, path = "/v1/fields/{key}", tag = "Account",
    params(("key" = String, Path, description = "The field's key")),
    responses((status = 200, body = FieldShape), (status = 404, body = Problem)))]
async fn get(
    State(catalog): State<Arc<CatalogStore>>,
    Path(key): Path<String>,
) -> Result<axum::Json<FieldShape>, Problem> {
    let loaded = catalog.current().await?;
    match loaded.catalog.fields.get_key_value(key.as_str()) {
        Some((key, field)) => Ok(axum::Json(FieldShape::of(key, field))),
        None => Err(Problem::not_found("there is no such field")),
    }
}

/// Makes a custom field, or changes its label. Its type cannot be changed.
#[utoipa::path(
    put, path = "/v1/fields/{key}", tag = "Account",
    params(("key" = String, Path, description = "The field's key")),
    request_body = WrittenField,
    responses(
        (status = 200, body = FieldShape), (status = 409, body = Problem),
        (status = 422, body = Problem),
    ),
)]
async fn put(
    State(catalog): State<Arc<CatalogStore>>,
    Path(key): Path<String>,
    Json(sent): Json<WrittenField>,
) -> Result<axum::Json<FieldShape>, Problem> {
    let refuse = |code: &str, message: String| Err(Problem::invalid_at("key", code, message));
    let key = FieldKey::new(key).map_err(|why| Problem::invalid_at("key", "field_key", why))?;
    // A field created before such keys were refused can get another label.
    if let Some(name) = taken(key.as_str())
        && !catalog.current().await?.catalog.fields.contains_key(&key)
    {
        let message = format!("`{key}` is `{name}` wherever contacts are read; choose another key");
        return refuse("reserved", message);
    }
    if sent.key.is_some_and(|sent| sent != key.as_str()) {
        return refuse("other_key", format!("the path says `{key}`"));
    }
    if sent.label.as_ref().is_some_and(|label| label.len() > LONGEST_LABEL) {
        let message = format!("a label has at most {LONGEST_LABEL} bytes");
        return Err(Problem::invalid_at("label", "too_long", message));
    }
    let field = FieldDefinition { kind: sent.kind, label: sent.label };
    catalog
        .change(|catalog| {
            match catalog.fields.get(&key) {
                Some(there) if there.kind != field.kind => {
                    return Err(Problem::conflict(format!(
                        "`{key}` is a {} field already; make another one for another type",
                        there.kind.word()
                    )));
                }
                Some(_) => {
                    catalog.fields.insert(key.clone(), field.clone());
                }
                None => {
                    let full = |full| Problem::invalid_at("key", "too_many", full);
                    catalog.declare(&key, field.clone()).map_err(full)?;
                }
            }
            Ok(((), Vec::new()))
        })
        .await?;
    Ok(axum::Json(FieldShape::of(&key, &field)))
}

/// Takes a custom field away. Values that contacts have stay with them, and are shown, until they
/// are overwritten or cleared; nothing else reads them any more.
#[utoipa::path(delete, path = "/v1/fields/{key}", tag = "Account",
    params(("key" = String, Path, description = "The field's key")),
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn delete(
    State(campaigns): State<Arc<Campaigns>>,
    Path(key): Path<String>,
) -> Result<StatusCode, Problem> {
    let missing = || Problem::not_found("there is no such field");
    let key = FieldKey::new(key).map_err(|_| missing())?;
    match campaigns.delete_field(&key).await? {
        FieldDeleted::Yes => Ok(StatusCode::NO_CONTENT),
        FieldDeleted::NoSuchField => Err(missing()),
        FieldDeleted::Needed(campaigns) => {
            let named: Vec<String> = campaigns.iter().map(|id| format!("`{id}`")).collect();
            Err(Problem::conflict(format!(
                "`{key}` is read or written by {}; publish a version without it, with \
                 \"in_flight\": \"migrate\", or delete the campaign",
                named.join(", ")
            )))
        }
    }
}
