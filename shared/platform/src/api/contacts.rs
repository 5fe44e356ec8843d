//! Contacts: listed, created, changed, erased; their tags and events.

use axum::extract::State;
use axum::http::StatusCode;
use dacapo_engine::contact::{Contact, Patch};
use dacapo_engine::enrollment::Status;
use dacapo_engine::field::FieldValue;
use dacapo_engine::ids::{CampaignId, ContactId, FieldKey, Tag};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::Api;
use super::auth::Holder;
use super::changes::{Changed, ChangedContact};
use super::extract::{Json, Path, Query};
use super::idempotency::{Answer, Once};
use super::lists::{Page, Paging};
use super::people::Wanted;
use super::problem::{Fault, Problem};
use super::reading::{Manner, Read, Reader, UnknownFields};
use super::surface::{Surface, calls};
use crate::contact_json::ContactShape;
use crate::contacts::Written;

/// The longest name of an event, in bytes.
const LONGEST_EVENT: usize = 128;

/// The most members of what is said about an event.
const MOST_MEMBERS: usize = 100;

pub(super) fn routes<S: Surface>(on: S) -> S {
    calls!(on, list, create, get, patch, delete, tags, events)
}

/// Which contacts.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Those that have this tag.
    tag: Option<String>,
    /// Those whose e-mail address or name begins so.
    q: Option<String>,
    /// Those that are in this campaign.
    campaign: Option<String>,
    /// With `campaign`: those that stand so in it.
    #[param(value_type = Option<String>, example = "active")]
    status: Option<String>,
}

impl Which {
    /// Who is wanted.
    pub(super) fn wanted(&self) -> Result<Wanted, Problem> {
        let tag = self.tag.as_deref().map(Tag::new).transpose();
        let tag = tag.map_err(|why| Problem::invalid_at("tag", "tag", why))?;
        let campaign = self.campaign.as_deref().map(CampaignId::new).transpose();
        let campaign = campaign.map_err(|why| Problem::invalid_at("campaign", "id", why))?;
        let status = match self.status.as_deref() {
            None => None,
            Some(_) if campaign.is_none() => {
                let message = "say in which `campaign`";
                return Err(Problem::invalid_at("status", "parameter", message));
            }
            Some(word) => Some(
                Status::ALL.into_iter().find(|status| status.word() == word).ok_or_else(|| {
                    let words = Status::ALL.map(Status::word).join(", ");
                    Problem::invalid_at("status", "parameter", format!("write one of {words}"))
                })?,
            ),
        };
        Ok(Wanted::new(tag, self.q.as_deref(), campaign.map(|campaign| (campaign, status))))
    }
}

/// A contact as it is written. `null` clears a field. It describes: what is sent is read member by member, so that
/// everything that is wrong with it can be said.
#[derive(Debug, ToSchema)]
pub struct WrittenContact {
    /// The address: needed to create a contact.
    pub email: Option<String>,
    /// The first name.
    pub first_name: Option<String>,
    /// The last name.
    pub last_name: Option<String>,
    /// The telephone number, as it is written.
    pub phone: Option<String>,
    /// An IANA name. Dates without an offset are read in it.
    pub time_zone: Option<String>,
    /// A BCP 47 tag.
    pub locale: Option<String>,
    /// All tags that the contact is to have; or an object, in which `null` withdraws a tag.
    #[schema(value_type = Option<Object>)]
    pub tags: Option<Value>,
    /// Custom fields by key.
    #[schema(value_type = Option<Object>)]
    pub fields: Option<Value>,
    /// `subscribed`, `unsubscribed` or `none`.
    pub consent: Option<String>,
    /// `manual` or `null`.
    pub suppressed: Option<String>,
}

/// The contact that a path names, by id or as `email:ann@example.com`.
pub(super) async fn contact_named(api: &Api, name: &str) -> Result<Contact, Problem> {
    let missing = || Problem::not_found("there is no such contact");
    let id = match name.strip_prefix("email:") {
        Some(address) => api.platform.contact_of(address).await?.ok_or_else(missing)?,
        None => ContactId::new(name).map_err(|_| missing())?,
    };
    api.platform.contact(&id).await?.ok_or_else(missing)
}

/// The contacts, in order of id. Where some are wanted, a page may be short, or even empty, before the last.
#[utoipa::path(get, path = "/v1/contacts", tag = "Contacts", params(Which, Paging),
    responses((status = 200, body = Page<ContactShape>)))]
async fn list(
    State(api): State<Api>,
    Query(which): Query<Which>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<Page<ContactShape>>, Problem> {
    let wanted = which.wanted()?;
    let page = api.platform.people(&wanted, paging.limit()?, paging.cursor()).await?;
    let items = page.items.iter().map(ContactShape::from).collect();
    Ok(axum::Json(Page { items, next_cursor: page.cursor }))
}

/// Creates a contact; 409 if the address belongs to one.
#[utoipa::path(post, path = "/v1/contacts", tag = "Contacts", request_body = WrittenContact,
    responses((status = 201, body = ContactShape), (status = 409, body = Problem), (status = 410, body = Problem), (status = 422, body = Problem)))]
async fn create(
    State(api): State<Api>,
    holder: Holder,
    once: Once,
    Json(sent): Json<Map<String, Value>>,
) -> Result<Answer, Problem> {
    let loaded = api.platform.catalog().await?;
    let reader = Reader::new(&loaded, None, Manner::Shape, UnknownFields::Refuse);
    let Read { email, mut patch, .. } = reader.read(&sent, loaded.account.zone)?;
    // Whoever writes the consent of a contact means it.
    patch.resubscribe = patch.consent.is_some();
    let answer =
        |written: &Written| Answer::showing(StatusCode::CREATED, &written.contact, &json!({}));
    let together = |written: &Written| once.keeps(&answer(written)?);
    let email = email.unwrap_or_default();
    let written = api.platform.create_contact(&email, &patch, &holder.author(), &together).await?;
    Ok(answer(&written)?)
}

/// A contact.
#[utoipa::path(get, path = "/v1/contacts/{id}", tag = "Contacts",
    params(("id" = String, Path, description = "The id, or `email:ann@example.com`")),
    responses((status = 200, body = ContactShape), (status = 404, body = Problem)))]
async fn get(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<axum::Json<ContactShape>, Problem> {
    let contact = contact_named(&api, &id).await?;
    Ok(axum::Json(ContactShape::from(&contact)))
}

/// Changes a contact, as one change.
#[utoipa::path(patch, path = "/v1/contacts/{id}", tag = "Contacts",
    params(("id" = String, Path, description = "The id, or `email:ann@example.com`")),
    request_body = WrittenContact,
    responses((status = 200, body = ContactShape), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn patch(
    State(api): State<Api>,
    holder: Holder,
    Path(id): Path<String>,
    Json(sent): Json<Map<String, Value>>,
) -> Result<axum::Json<ContactShape>, Problem> {
    let contact = contact_named(&api, &id).await?;
    let loaded = api.platform.catalog().await?;
    let reader = Reader::new(&loaded, Some(&contact), Manner::Shape, UnknownFields::Refuse);
    let Read { email, mut patch, .. } = reader.read(&sent, loaded.account.zone)?;
    patch.resubscribe = patch.consent.is_some();
    if let (Some(email), Ok(key)) = (email, FieldKey::new("email")) {
        patch.fields.insert(key, Some(FieldValue::Text(email)));
    }
    let alone = &crate::contacts::alone;
    let written = api.platform.change(&contact.id, &patch, &holder.author(), alone).await?;
    Ok(axum::Json(ContactShape::from(&written.contact)))
}

/// Erases everything about the person.
#[utoipa::path(delete, path = "/v1/contacts/{id}", tag = "Contacts",
    params(("id" = String, Path, description = "The id, or `email:ann@example.com`")),
    responses((status = 204), (status = 404, body = Problem)))]
async fn delete(State(api): State<Api>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let contact = match contact_named(&api, &id).await {
        Ok(contact) => contact.id,
        // An erasure that was broken off goes on.
        Err(missing) => ContactId::new(id).map_err(|_| missing)?,
    };
    match api.platform.erase(&contact).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found("there is no such contact")),
    }
}

/// Tags to assign and to withdraw.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Tags {
    /// To assign. One that is also in `remove` ends up assigned.
    #[serde(default)]
    add: Vec<String>,
    /// To withdraw.
    #[serde(default)]
    remove: Vec<String>,
}

/// Assigns and withdraws tags, as one change.
#[utoipa::path(post, path = "/v1/contacts/{id}/tags", tag = "Contacts",
    params(("id" = String, Path, description = "The id, or `email:ann@example.com`")),
    request_body = Tags,
    responses((status = 200, body = ChangedContact), (status = 404, body = Problem), (status = 410, body = Problem),
        (status = 422, body = Problem)))]
async fn tags(
    State(api): State<Api>,
    holder: Holder,
    once: Once,
    Path(id): Path<String>,
    Json(tags): Json<Tags>,
) -> Result<Answer, Problem> {
    let mut faults = Vec::new();
    let mut read = |name: &str, list: &[String]| -> Vec<Tag> {
        let mut tags = Vec::new();
        for (at, tag) in list.iter().enumerate() {
            match Tag::new(tag) {
                Ok(tag) => tags.push(tag),
                Err(why) => faults.push(Fault::new(format!("{name}.{at}"), "tag", why)),
            }
        }
        tags
    };
    let (add, remove) = (read("add", &tags.add), read("remove", &tags.remove));
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let patch = Patch { add, remove, ..Patch::default() };
    change(&api, &holder, &once, &id, &patch).await
}

/// A custom event.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PostedEvent {
    /// What happened: what campaigns wait for by `custom`.
    name: String,
    /// More about it, at most 100 members. It is checked, and not kept.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    data: Option<Map<String, Value>>,
}

/// Posts a custom event (R7). It is a change of the contact, always.
#[utoipa::path(post, path = "/v1/contacts/{id}/events", tag = "Contacts",
    params(("id" = String, Path, description = "The id, or `email:ann@example.com`")),
    request_body = PostedEvent,
    responses((status = 200, body = ChangedContact), (status = 404, body = Problem), (status = 410, body = Problem),
        (status = 422, body = Problem)))]
async fn events(
    State(api): State<Api>,
    holder: Holder,
    once: Once,
    Path(id): Path<String>,
    Json(event): Json<PostedEvent>,
) -> Result<Answer, Problem> {
    let name = event.name.trim();
    if name.is_empty() || name.len() > LONGEST_EVENT || name.chars().any(char::is_control) {
        let message = format!("a name has 1 to {LONGEST_EVENT} bytes and no control characters");
        return Err(Problem::invalid_at("name", "event", message));
    }
    if event.data.is_some_and(|data| data.len() > MOST_MEMBERS) {
        let message = format!("at most {MOST_MEMBERS} members are taken");
        return Err(Problem::invalid_at("data", "too_many", message));
    }
    let patch = Patch { event: Some(name.to_owned()), ..Patch::default() };
    change(&api, &holder, &once, &id, &patch).await
}

async fn change(
    api: &Api,
    holder: &Holder,
    once: &Once,
    id: &str,
    patch: &Patch,
) -> Result<Answer, Problem> {
    let contact = contact_named(api, id).await?;
    let answer = |written: &Written| {
        let changed = Changed::from(written.change.as_ref());
        Answer::showing(StatusCode::OK, &written.contact, &json!({ "changed": changed }))
    };
    let together = |written: &Written| once.keeps(&answer(written)?);
    let written = api.platform.change(&contact.id, patch, &holder.author(), &together).await?;
    Ok(answer(&written)?)
}
