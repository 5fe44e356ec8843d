//! Objects by the names that people use: a type and a key, `appointment/evt-7`.

use std::collections::BTreeMap;
use std::fmt;

use dacapo_engine::campaign::format::ObjectDefinition;
use dacapo_engine::campaign::nearest::remedy;
use dacapo_engine::contact::{Contact, ObjectIdentity};
use dacapo_engine::ids::{CampaignId, ContactId, ObjectType};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::call::problem::Problem;
use crate::catalog::Catalog;
use crate::error::Error;
use crate::objects::{LONGEST_OBJECT_KEY, Objects};

/// What names an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::api) struct ObjectName {
    /// Its type.
    #[serde(rename = "type")]
    kind: String,
    /// Its key; `null` of one that was deleted long ago.
    key: Option<String>,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.key.as_deref().unwrap_or("?"))
    }
}

/// The names of a contact's objects.
#[derive(Debug, Default)]
pub(in crate::api) struct ObjectNames(BTreeMap<ContactId, ObjectIdentity>);

impl ObjectNames {
    /// Those of a contact, deleted ones included. An account without types of objects has none.
    pub(in crate::api) async fn of(
        catalog: &Catalog,
        objects: &Objects,
        contact: &ContactId,
    ) -> Result<Self, Error> {
        if catalog.objects.is_empty() {
            return Ok(Self::default());
        }
        Ok(Self(objects.names(contact).await?))
    }

    /// Whether it has none.
    pub(in crate::api) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name of a subject; `None` if it is a contact.
    pub(in crate::api) fn name(&self, subject: &ContactId) -> Option<ObjectName> {
        let (kind, _) = subject.object()?;
        let key = self.0.get(subject).map(|identity| identity.key.clone());
        Some(ObjectName { kind: kind.to_string(), key })
    }
}

/// The type that a path names.
pub(in crate::api) fn object_type<'a>(
    catalog: &'a Catalog,
    named: &str,
) -> Result<(&'a ObjectType, &'a ObjectDefinition), Problem> {
    catalog.objects.get_key_value(named).ok_or_else(|| {
        let remedy = remedy(named, catalog.objects.keys().map(ObjectType::as_str));
        Problem::not_found(format!(
            "there is no type of objects `{named}`; {remedy}; PUT /v1/object-types/{{type}} makes \
             one"
        ))
    })
}

/// A key, if it can be one.
pub(in crate::api) fn object_key<'k>(path: &str, key: &'k str) -> Result<&'k str, Problem> {
    if key.trim().is_empty() {
        let message = "a key is not blank; send what the sender calls the object, such as the \
                       number of the booking";
        return Err(Problem::invalid_at(path, "key", message));
    }
    if key.len() > LONGEST_OBJECT_KEY {
        let message =
            format!("a key has at most {LONGEST_OBJECT_KEY} bytes, this one {}", key.len());
        return Err(Problem::invalid_at(path, "key", message));
    }
    Ok(key)
}

/// The object of a contact that a parameter names as `type/key`.
async fn object_of(
    catalog: &Catalog,
    objects: &Objects,
    contact: &ContactId,
    named: &str,
) -> Result<ContactId, Problem> {
    let Some((kind, key)) = named.split_once('/') else {
        let message = format!("`{named}` names no object; write its type and its key: type/key");
        return Err(Problem::invalid_at("object", "parameter", message));
    };
    let (kind, _) = object_type(catalog, kind)?;
    let found = objects.find(kind, object_key("object", key)?).await?;
    let its = found.map(|found| found.object.id).filter(|id| id.person() == *contact);
    its.ok_or_else(|| Problem::not_found(format!("the contact has no {kind} `{key}`")))
}

/// The object of a contact that a parameter names, if it is there.
pub(in crate::api) async fn object_wanted(
    catalog: &Catalog,
    objects: &Objects,
    contact: &ContactId,
    named: Option<&str>,
) -> Result<Option<ContactId>, Problem> {
    match named {
        Some(named) => object_of(catalog, objects, contact, named).await.map(Some),
        None => Ok(None),
    }
}

/// Of the objects of a contact that could be meant, how many a sentence names: the last ones made.
const MOST_NAMED: usize = 10;

/// The fields that tell objects of one type apart, if it has them.
const TELLING: [&str; 2] = ["starts_at", "status"];

/// The only object of a type that a contact has.
///
/// # Errors
///
/// 422 with what there is to choose from, if that is not one.
async fn only_one(
    objects: &Objects,
    contact: &ContactId,
    per: &ObjectType,
    campaign: &CampaignId,
    is_taken: bool,
) -> Result<ContactId, Problem> {
    let mut all = objects.all_of_contact(contact).await?;
    all.retain(|object| object.kind() == Some(per));
    match all.as_slice() {
        [only] if is_taken => return Ok(only.id.clone()),
        [] => {
            let message =
                format!("the campaign `{campaign}` is about each {per}, and the contact has none");
            return Err(Problem::invalid_at("object", "subject", message));
        }
        _ => {}
    }
    let named = |object: &Contact| {
        let identity = object.object.as_ref()?;
        let value = |name: &&str| match object.fields.get(*name)?.to_json() {
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        };
        let told: Vec<String> = TELLING.iter().filter_map(value).collect();
        let told = if told.is_empty() { String::new() } else { format!(" ({})", told.join(", ")) };
        Some(format!("`{}`{told}", identity.key))
    };
    let last: Vec<String> = all.iter().rev().take(MOST_NAMED).filter_map(named).collect();
    let more = match all.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "the campaign `{campaign}` is about each {per}; say which one: object={per}/KEY; the \
         contact has {}{more}",
        last.join(", ")
    );
    Err(Problem::invalid_at("object", "subject", message))
}

/// Who is meant by a contact and perhaps one of its objects, in a campaign. Where none is named,
/// `is_taken` says whether the only one that there is may be meant.
pub(in crate::api) async fn subject_of(
    catalog: &Catalog,
    objects: &Objects,
    contact: &ContactId,
    (object, is_taken): (Option<&str>, bool),
    campaign: &CampaignId,
) -> Result<ContactId, Problem> {
    let per = catalog.campaigns.get(campaign).and_then(|head| head.per.as_ref());
    match (per, object) {
        (None, None) => Ok(contact.clone()),
        (None, Some(_)) => {
            let message =
                format!("the campaign `{campaign}` is about contacts; leave `object` out");
            Err(Problem::invalid_at("object", "subject", message))
        }
        (Some(per), None) => only_one(objects, contact, per, campaign, is_taken).await,
        (Some(per), Some(named)) => {
            if named.split_once('/').is_some_and(|(kind, _)| kind != per.as_str()) {
                let message = format!(
                    "the campaign `{campaign}` is about each {per}, not about `{named}`; write \
                     object={per}/KEY"
                );
                return Err(Problem::invalid_at("object", "subject", message));
            }
            object_of(catalog, objects, contact, named).await
        }
    }
}
