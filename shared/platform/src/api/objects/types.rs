//! Types of objects, with their fields (R70).
//!
//! A field's type never changes: stored values, conditions and templates rely on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use dacapo_engine::campaign::format::{FieldDefinition, ObjectDefinition};
use dacapo_engine::campaign::validate::{taken_field, taken_type};
use dacapo_engine::compact::CollectCompactly as _;
use dacapo_engine::field::FieldType;
use dacapo_engine::ids::{FieldKey, ObjectType};
use dacapo_engine::time::Span;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::call::extract::{Json, Path, Query};
use crate::api::call::lists::{Listed, Page, Paging, filled};
use crate::api::call::problem::{Fault, Problem};
use crate::api::call::shapes::FieldTypeWord;
use crate::api::call::surface::{Surface, calls};
use crate::api::contacts::object_names::object_type;
use crate::catalog::CatalogStore;

/// The longest label, in bytes.
const LONGEST_LABEL: usize = 256;

/// The prefix of a cursor of the list.
const LISTED: &str = "object-types";

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, list, get, put)
}

/// A type of objects.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ObjectType)]
struct ObjectTypeShape {
    /// What it is called in paths and campaigns.
    #[serde(rename = "type")]
    kind: String,
    /// What people see.
    label: Option<String>,
    /// Its fields by key.
    fields: BTreeMap<String, ObjectFieldShape>,
    /// How long an object without tokens is kept after its last change; `null` for 400 days.
    keep: Option<String>,
}

/// A field of a type of objects.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ObjectField)]
struct ObjectFieldShape {
    /// `text`, `number`, `boolean`, `date` or `datetime`.
    #[serde(rename = "type")]
    #[schema(value_type = FieldTypeWord)]
    kind: &'static str,
    /// What people see.
    label: Option<String>,
}

impl ObjectTypeShape {
    fn of(kind: &ObjectType, definition: &ObjectDefinition) -> Self {
        let field = |(key, field): (&FieldKey, &FieldDefinition)| {
            let shape = ObjectFieldShape { kind: field.kind.word(), label: field.label.clone() };
            (key.to_string(), shape)
        };
        Self {
            kind: kind.to_string(),
            label: definition.label.clone(),
            fields: definition.fields.iter().map(field).collect_compactly(),
            keep: definition.keep.map(|keep| keep.to_string()),
        }
    }
}

/// What a type of objects is to be. Fields that are there and not sent stay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WrittenObjectType {
    /// What people see.
    #[serde(default)]
    label: Option<String>,
    /// Its fields by key.
    #[serde(default)]
    fields: BTreeMap<String, WrittenObjectField>,
    /// How long an object without tokens is kept after its last change, such as `400 days`; at
    /// least `1 day`.
    #[serde(default)]
    keep: Option<String>,
    /// May be there, as it is answered; it must be that of the path.
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

/// What a field of a type of objects is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WrittenObjectField {
    /// `text`, `number`, `boolean`, `date` or `datetime`.
    #[serde(rename = "type")]
    #[schema(value_type = FieldTypeWord)]
    kind: FieldType,
    /// What people see.
    #[serde(default)]
    label: Option<String>,
}

/// The types of objects, in order of name.
#[utoipa::path(get, path = "/v1/object-types", tag = "Objects", params(Paging),
    responses((status = 200, body = Page<ObjectTypeShape>)))]
async fn list(
    State(catalog): State<Arc<CatalogStore>>,
    Query(paging): Query<Paging>,
) -> Result<Listed<ObjectTypeShape>, Problem> {
    let begin = (paging.limit()?, paging.after(LISTED)?);
    let loaded = catalog.current().await?;
    let types = loaded.catalog.objects.iter();
    let shapes = types.map(|(kind, it)| (kind.to_string(), ObjectTypeShape::of(kind, it)));
    filled(begin, LISTED, shapes)
}

/// A type of objects.
#[utoipa::path(get, path = "/v1/object-types/{type}", tag = "Objects",
    params(("type" = String, Path, description = "The type")),
    responses((status = 200, body = ObjectTypeShape), (status = 404, body = Problem)))]
async fn get(
    State(catalog): State<Arc<CatalogStore>>,
    Path(kind): Path<String>,
) -> Result<axum::Json<ObjectTypeShape>, Problem> {
    let loaded = catalog.current().await?;
    let (kind, definition) = object_type(&loaded.catalog, &kind)?;
    Ok(axum::Json(ObjectTypeShape::of(kind, definition)))
}

/// Makes a type of objects, or adds fields to it. The type of a field cannot be changed.
#[utoipa::path(
    put, path = "/v1/object-types/{type}", tag = "Objects",
    params(
        ("type" = String, Path, description = "The type: at most 24 letters, digits, `-` or `_`"),
    ),
    request_body = WrittenObjectType,
    responses(
        (status = 200, body = ObjectTypeShape), (status = 409, body = Problem),
        (status = 422, body = Problem),
    ),
)]
async fn put(
    State(catalog): State<Arc<CatalogStore>>,
    Path(named): Path<String>,
    Json(sent): Json<WrittenObjectType>,
) -> Result<axum::Json<ObjectTypeShape>, Problem> {
    let kind = ObjectType::new(named.as_str())
        .map_err(|why| Problem::invalid_at("type", "id", format!("`{named}`: {why}")))?;
    let mut faults = Vec::new();
    let loaded = catalog.current().await?;
    let there = loaded.catalog.objects.get(&kind);
    if let Some(taken) = taken_type(kind.as_str()).filter(|_| there.is_none()) {
        let message = format!("`{taken}` means something else in templates; choose another word");
        faults.push(Fault::new("type", "reserved", message));
    }
    if sent.kind.is_some_and(|sent| sent != kind.as_str()) {
        faults.push(Fault::new("type", "other_key", format!("the path says `{kind}`")));
    }
    let too_long =
        |label: &Option<String>| label.as_ref().is_some_and(|label| label.len() > LONGEST_LABEL);
    let long = format!("a label has at most {LONGEST_LABEL} bytes");
    if too_long(&sent.label) {
        faults.push(Fault::new("label", "too_long", &long));
    }
    let mut fields = BTreeMap::new();
    for (key, field) in sent.fields {
        let path = format!("fields.{key}");
        if too_long(&field.label) {
            faults.push(Fault::new(format!("{path}.label"), "too_long", &long));
        }
        let is_new = there.is_none_or(|there| !there.fields.contains_key(key.as_str()));
        if let Some(taken) = taken_field(&key).filter(|_| is_new) {
            let message = format!(
                "`{taken}` means something else wherever objects are read or written; choose \
                 another key"
            );
            faults.push(Fault::new(path, "reserved", message));
            continue;
        }
        match FieldKey::new(key.as_str()) {
            Ok(key) => {
                fields.insert(key, FieldDefinition { kind: field.kind, label: field.label });
            }
            Err(why) => faults.push(Fault::new(path, "field_key", format!("`{key}`: {why}"))),
        }
    }
    let keep = match sent.keep.as_deref().map(str::parse::<Span>) {
        None => None,
        Some(Ok(keep)) if ObjectDefinition::is_too_short(keep) => {
            let least = ObjectDefinition::LEAST_KEPT;
            let message = format!(
                "an object is kept for `{least}` at least, not for `{keep}`; write a longer \
                 duration, such as `400 days`, or leave `keep` out"
            );
            faults.push(Fault::new("keep", "span", message));
            None
        }
        Some(Ok(keep)) => Some(keep),
        Some(Err(why)) => {
            faults.push(Fault::new("keep", "span", why));
            None
        }
    };
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let wanted = ObjectDefinition { label: sent.label, fields, keep };
    let definition = catalog
        .change(|catalog| {
            catalog.declare_object(&kind, &wanted)?;
            Ok::<_, Problem>((catalog.objects.get(&kind).cloned().unwrap_or_default(), Vec::new()))
        })
        .await?;
    Ok(axum::Json(ObjectTypeShape::of(&kind, &definition)))
}

impl From<crate::catalog::ObjectTypeRefused> for Problem {
    fn from(refused: crate::catalog::ObjectTypeRefused) -> Self {
        Self::conflict(refused.to_string())
    }
}
