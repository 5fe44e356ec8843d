//! Contacts: listed, created, changed, erased; their tags and events.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use dacapo_engine::contact::{Contact, Patch};
use dacapo_engine::enrollment::Status;
use dacapo_engine::field::FieldValue;
use dacapo_engine::ids::{CampaignId, ContactId, FieldKey, Tag};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::api::Api;
use crate::api::call::auth::Holder;
use crate::api::call::extract::{Json, Path, Query};
use crate::api::call::idempotency::{Answer, Once};
use crate::api::call::lists::{Filling, Listed, Page, Paging};
use crate::api::call::members::Members;
use crate::api::call::problem::{Fault, Problem};
use crate::api::call::shapes::{EnrollmentStatus, WantedTags, WrittenFieldJson};
use crate::api::call::surface::{Surface, calls};
use crate::api::contacts::changes::{Changed, ChangedContact, WarnedContact, Warnings};
use crate::api::contacts::listing::{ListedEntry, Wanted};
use crate::api::contacts::names::event_name;
use crate::api::contacts::reading::{How, Read, Reader};
use crate::api::contacts::resubscribing::still_unsubscribed;
use crate::api::contacts::tag_lists::{self, For};
use crate::catalog::CatalogStore;
use crate::contact_json::{ConsentWord, ContactShape};
use crate::contacts::{Contacts, Written};
use crate::erasure::Erasure;
use crate::error::Error;
use crate::platform::Platform;
use crate::store::Store;

/// The most members of the data of an event.
const MOST_MEMBERS: usize = 100;

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, list, create, get, patch, delete, tags, events)
}

/// Which contacts.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct Which {
    /// Those that have this tag.
    tag: Option<String>,
    /// Those whose e-mail address or name begins so.
    q: Option<String>,
    /// Those that are in the campaign of this id, or have been; in a campaign about objects, those
    /// who have an object that is.
    campaign: Option<String>,
    /// Only with `campaign`: those that stand so in it, or who have an object that does.
    #[param(value_type = Option<EnrollmentStatus>, inline)]
    status: Option<String>,
}

impl Which {
    /// Which contacts are wanted.
    pub(in crate::api) async fn wanted(&self, catalog: &CatalogStore) -> Result<Wanted, Problem> {
        let tag = self.tag.as_deref().map(Tag::kept).transpose();
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
        let by_both = tag.is_some() && campaign.is_some();
        let campaign = campaign.map(|campaign| (campaign, status));
        let wanted = Wanted::new(tag, self.q.as_deref(), campaign);
        // Only then it matters what the campaign is about.
        Ok(if by_both { wanted.knowing(&catalog.current().await?.catalog) } else { wanted })
    }
}

/// A contact as it is written. `null` clears a field. It describes: what is sent is read member by
/// member, so that everything that is wrong with it can be said.
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
    /// An IANA name, or another common name of a zone. Dates without an offset are read in it.
    pub time_zone: Option<String>,
    /// A BCP 47 tag.
    pub locale: Option<String>,
    /// All tags that the contact is to have; or an object, in which `null` withdraws a tag.
    #[schema(value_type = Option<WantedTags>)]
    pub tags: Option<Value>,
    /// Custom fields by key.
    #[schema(value_type = Option<std::collections::BTreeMap<String, WrittenFieldJson>>)]
    pub fields: Option<Value>,
    /// `subscribed`, `unsubscribed` or `none`.
    #[schema(value_type = Option<ConsentWord>)]
    pub consent: Option<String>,
    /// `manual` or `null`.
    pub suppressed: Option<String>,
}

/// What takes an unsubscription back in these calls.
const SUBSCRIBED: &str = "\"consent\": \"subscribed\"";

/// The contact that a path names, by id or as `email:ann@example.com`.
pub(in crate::api) async fn contact_named(
    contacts: &Contacts,
    name: &str,
) -> Result<Contact, Problem> {
    let id = id_named(contacts, name).await?;
    match contacts.get(&id).await {
        Err(error @ Error::Unreadable(_)) => Err(Problem::unreadable_contact(&id, error)),
        contact => contact?.ok_or_else(|| missing(name)),
    }
}

/// The id of the contact that a path names. Named by id, it need not be there.
async fn id_named(contacts: &Contacts, name: &str) -> Result<ContactId, Problem> {
    let missing = || missing(name);
    let id = match name.strip_prefix("email:") {
        Some(address) => contacts.id_of(address).await?.ok_or_else(missing)?,
        None => ContactId::new(name).map_err(|_| missing())?,
    };
    if id.is_object() { Err(missing()) } else { Ok(id) }
}

/// 404 for a contact. An address instead of an id is no id, but shows which contact is meant.
fn missing(name: &str) -> Problem {
    match by_address(name) {
        Some(named) => Problem::not_found(format!(
            "there is no contact with the id `{name}`; a contact is named by its address as \
             `{named}`"
        )),
        None => Problem::not_found(format!("there is no contact `{name}`")),
    }
}

/// How to name the contact with the address that was sent instead of an id.
pub(in crate::api) fn by_address(id: &str) -> Option<String> {
    let is_one = id.contains('@') && !id.starts_with("email:");
    is_one.then(|| format!("email:{id}"))
}

/// A contact in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum ListedContact {
    Contact(Box<ContactShape>),
    Unreadable(UnreadableContact),
}

/// A contact that is stored and cannot be read: its item was changed by hand. `DELETE` erases it.
#[derive(Debug, Serialize, ToSchema)]
struct UnreadableContact {
    id: String,
    /// Why it cannot be read.
    unreadable: String,
}

impl From<ListedEntry<'_>> for ListedContact {
    fn from(found: ListedEntry<'_>) -> Self {
        match found {
            ListedEntry::Contact(contact) => Self::Contact(Box::new(ContactShape::from(contact))),
            ListedEntry::Unreadable { id, why } => {
                let (id, unreadable) = (id.to_string(), why.to_owned());
                Self::Unreadable(UnreadableContact { id, unreadable })
            }
        }
    }
}

/// The contacts, in order of id. Where some are wanted, a page may be short, or even empty, before
/// the last. One that cannot be read has nothing but `id` and `unreadable`, the reason.
#[utoipa::path(get, path = "/v1/contacts", tag = "Contacts", params(Which, Paging),
    responses((status = 200, body = Page<ListedContact>)))]
async fn list(
    State(store): State<Arc<Store>>,
    State(catalog): State<Arc<CatalogStore>>,
    Query(which): Query<Which>,
    Query(paging): Query<Paging>,
) -> Result<Listed<ListedContact>, Problem> {
    let (wanted, limit) = (which.wanted(&catalog).await?, paging.limit()?);
    let mut page = Filling::of(limit);
    let mut put = |found: ListedEntry<'_>| Ok(page.put(&ListedContact::from(found))?);
    let next = wanted.people(&store, limit, paging.cursor(), &mut put).await?;
    Ok(page.until(next.as_ref())?)
}

/// Creates a contact; 409 if the address belongs to one.
#[utoipa::path(
    post, path = "/v1/contacts", tag = "Contacts",
    request_body = WrittenContact,
    responses(
        (status = 201, body = WarnedContact), (status = 409, body = Problem),
        (status = 410, body = Problem), (status = 422, body = Problem),
    ),
)]
async fn create(
    State(catalog): State<Arc<CatalogStore>>,
    State(contacts): State<Arc<Contacts>>,
    holder: Holder,
    once: Once,
    Json(Members(sent)): Json<Members>,
) -> Result<Answer, Problem> {
    let loaded = catalog.current().await?;
    let Read { email, mut patch, doubtful, .. } =
        Reader::new(&loaded, None, How::SHAPE).read(&sent)?;
    // A call that writes `subscribed` to a contact means it.
    patch.resubscribe = patch.consent.is_some();
    let answer = |written: &Written| {
        let told = still_unsubscribed(&patch, written, SUBSCRIBED).into_iter();
        let told: Vec<Fault> = told.chain(doubtful.clone()).collect();
        let kept = Warnings { warnings: told.iter().map(Fault::without_words).collect() };
        let told = Warnings { warnings: told };
        Answer::showing(StatusCode::CREATED, &written.contact, &told, &kept)
    };
    let together = |written: &Written| once.keeps(&answer(written)?);
    let email = email.unwrap_or_default();
    let written = contacts.create(&email, &patch, &holder.author(), &together).await?;
    Ok(answer(&written)?)
}

/// A contact.
#[utoipa::path(get, path = "/v1/contacts/{id}", tag = "Contacts",
    params(("id" = String, Path, description = "The id, or `email:ann@example.com`")),
    responses((status = 200, body = ContactShape), (status = 404, body = Problem)))]
async fn get(
    State(contacts): State<Arc<Contacts>>,
    Path(id): Path<String>,
) -> Result<axum::Json<ContactShape>, Problem> {
    let contact = contact_named(&contacts, &id).await?;
    Ok(axum::Json(ContactShape::from(&contact)))
}

/// Changes a contact, as one change.
#[utoipa::path(
    patch, path = "/v1/contacts/{id}", tag = "Contacts",
    params(("id" = String, Path, description = "The id, or `email:ann@example.com`")),
    request_body = WrittenContact,
    responses(
        (status = 200, body = WarnedContact), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem),
    ),
)]
async fn patch(
    State(api): State<Api>,
    holder: Holder,
    Path(id): Path<String>,
    Json(Members(sent)): Json<Members>,
) -> Result<axum::Json<WarnedContact>, Problem> {
    let Platform { catalog, contacts, traces, .. } = &api.platform;
    let contact = contact_named(contacts, &id).await?;
    let loaded = catalog.current().await?;
    let reader = Reader::new(&loaded, Some(&contact), How::SHAPE);
    let Read { email, mut patch, mut doubtful, .. } = reader.read(&sent)?;
    patch.resubscribe = patch.consent.is_some();
    if let (Some(email), Ok(key)) = (email, FieldKey::new("email")) {
        patch.fields.insert(key, Some(FieldValue::Text(email)));
    }
    let alone = &crate::contacts::alone;
    let by = holder.author();
    let written = contacts.change(&contact.id, &patch, &by, alone).await?;
    if written.change.is_none() {
        traces.nothing_changed(&written.contact, &patch, &by).await;
    }
    doubtful.extend(still_unsubscribed(&patch, &written, SUBSCRIBED));
    let (contact, told) = (ContactShape::from(&written.contact), Warnings { warnings: doubtful });
    Ok(axum::Json(WarnedContact { contact, told }))
}

/// Erases everything about the person.
#[utoipa::path(delete, path = "/v1/contacts/{id}", tag = "Contacts",
    params(("id" = String, Path, description = "The id, or `email:ann@example.com`")),
    responses((status = 204), (status = 404, body = Problem)))]
async fn delete(
    State(contacts): State<Arc<Contacts>>,
    State(erasure): State<Arc<Erasure>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    // An interrupted erasure is continued, and a contact that cannot be read is erased too.
    let contact = id_named(&contacts, &id).await?;
    match erasure.erase_named(&contact, id.strip_prefix("email:")).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(missing(&id)),
    }
}

/// Tags to assign and to withdraw.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Tags {
    /// To assign. One that is also in `remove` ends up assigned.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    add: Value,
    /// To withdraw.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    remove: Value,
}

/// Assigns and withdraws tags, as one change.
#[utoipa::path(
    post, path = "/v1/contacts/{id}/tags", tag = "Contacts",
    params(("id" = String, Path, description = "The id, or `email:ann@example.com`")),
    request_body = Tags,
    responses(
        (status = 200, body = ChangedContact), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 410, body = Problem),
        (status = 422, body = Problem),
    ),
)]
async fn tags(
    State(api): State<Api>,
    holder: Holder,
    once: Once,
    Path(id): Path<String>,
    Json(tags): Json<Tags>,
) -> Result<Answer, Problem> {
    let mut faults = Vec::new();
    let mut read = |name: &str, list: &Value, what: For| -> Vec<Tag> {
        let (tags, wrong) = tag_lists::read(list, what);
        for wrong in wrong {
            faults.push(Fault::new(wrong.path(name), wrong.code, wrong.message));
        }
        tags
    };
    let add = read("add", &tags.add, For::Assigning);
    let remove = read("remove", &tags.remove, For::Withdrawing);
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let patch = Patch { add, remove, ..Patch::default() };
    change(&api.platform, &holder, &once, &id, &patch).await
}

/// A custom event.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PostedEvent {
    /// What happened: what campaigns wait for by `custom`.
    name: String,
    /// More about it, at most 100 members. It is checked, and not kept.
    #[serde(default)]
    #[schema(value_type = Option<std::collections::BTreeMap<String, Value>>)]
    data: Option<Map<String, Value>>,
}

/// Posts a custom event (R7). It is a change of the contact, always.
#[utoipa::path(
    post, path = "/v1/contacts/{id}/events", tag = "Contacts",
    params(("id" = String, Path, description = "The id, or `email:ann@example.com`")),
    request_body = PostedEvent,
    responses(
        (status = 200, body = ChangedContact), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 410, body = Problem),
        (status = 422, body = Problem),
    ),
)]
async fn events(
    State(api): State<Api>,
    holder: Holder,
    once: Once,
    Path(id): Path<String>,
    Json(event): Json<PostedEvent>,
) -> Result<Answer, Problem> {
    let name = event_name(&event.name);
    let name = name.map_err(|why| Problem::invalid_at("name", "event", why))?;
    if event.data.is_some_and(|data| data.len() > MOST_MEMBERS) {
        let message = format!("at most {MOST_MEMBERS} members are taken");
        return Err(Problem::invalid_at("data", "too_many", message));
    }
    let patch = Patch { event: Some(name), ..Patch::default() };
    change(&api.platform, &holder, &once, &id, &patch).await
}

async fn change(
    platform: &Platform,
    holder: &Holder,
    once: &Once,
    id: &str,
    patch: &Patch,
) -> Result<Answer, Problem> {
    let Platform { contacts, traces, .. } = platform;
    let contact = contact_named(contacts, id).await?;
    let answer = |written: &Written| {
        let changed = Changed::from(written.change.as_ref());
        let changed = json!({ "changed": changed });
        Answer::showing(StatusCode::OK, &written.contact, &changed, &changed)
    };
    let together = |written: &Written| once.keeps(&answer(written)?);
    let by = holder.author();
    let written = contacts.change(&contact.id, patch, &by, &together).await?;
    if written.change.is_none() {
        traces.nothing_changed(&written.contact, patch, &by).await;
    }
    Ok(answer(&written)?)
}
