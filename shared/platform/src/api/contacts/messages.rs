//! What was sent to a contact, and why a message was not sent.

use axum::extract::State;
use dacapo_engine::ids::CampaignId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::Api;
use crate::api::call::extract::{Path, Query};
use crate::api::call::lists::{Filling, Listed, Page, Paging, foreign_cursor, listing_failed};
use crate::api::call::problem::Problem;
use crate::api::call::room::Room;
use crate::api::call::shapes::MessageStatusWord;
use crate::api::call::surface::{Surface, calls};
use crate::api::contacts::calls::contact_named;
use crate::api::contacts::history_and_enrollments::WhichObject;
use crate::api::contacts::object_names::{ObjectName, ObjectNames, object_wanted};
use crate::channels::Channels;
use crate::contact_json::instant_text;
use crate::error::Error;
use crate::keys::{Keys, subject_in};
use crate::messages::MessageRecord;
use crate::platform::Platform;
use crate::store::read;
use crate::table::Cursor;

/// The prefix of a cursor of the list.
const LISTED: &str = "messages";

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, messages)
}

/// A message.
#[derive(Debug, Serialize, ToSchema)]
struct MessageShape {
    #[schema(value_type = String)]
    campaign: CampaignId,
    /// Which of the contact's objects it was about; left out where it was about the contact.
    #[schema(required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<ObjectName>,
    run: u32,
    element: String,
    /// `claimed`, `released`, `sent`, `suppressed`, `failed` or `unknown`.
    #[schema(value_type = MessageStatusWord)]
    status: &'static str,
    /// Why it was not sent.
    reason: Option<String>,
    /// `null` if it never came to rendering; so for the bodies.
    subject: Option<String>,
    /// The address.
    to: Option<String>,
    /// When the status was reached.
    #[schema(format = DateTime)]
    at: String,
    /// The plain text that left with it: the e-mail's own, or that of its HTML.
    body_text: Option<String>,
    body_html: Option<String>,
    /// Bodies that were rendered and are `null` because no answer holds them.
    #[schema(value_type = Vec<String>, required = false)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<&'static str>,
}

impl MessageShape {
    /// Without the bodies that are too long for an answer.
    fn fitting(mut self) -> Result<Self, Error> {
        for name in ["body_html", "body_text"] {
            let mut room = Room::WHOLE;
            if room.holds_item(&self)? {
                break;
            }
            let body = if name == "body_html" { &mut self.body_html } else { &mut self.body_text };
            self.left_out.extend(body.take().map(|_| name));
        }
        Ok(self)
    }
}

/// The contact's messages by campaign, each campaign's in order of run and step. What they said is
/// rendered again from the version they came from, which never changes.
#[utoipa::path(get, path = "/v1/contacts/{id}/messages", tag = "Contacts",
    params(("id" = String, Path, description = "The id, or `email:ann@example.com`"), WhichObject,
    Paging),
    responses((status = 200, body = Page<MessageShape>), (status = 404, body = Problem)))]
async fn messages(
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(which): Query<WhichObject>,
    Query(paging): Query<Paging>,
) -> Result<Listed<MessageShape>, Problem> {
    let (limit, after) = (paging.limit()?, paging.after(LISTED)?);
    if after.as_ref().is_some_and(|after| !after.starts_with(Keys::MESSAGES)) {
        return Err(foreign_cursor());
    }
    let Platform { store, catalog, contacts, delivery, objects, .. } = &api.platform;
    let contact = contact_named(contacts, &id).await?;
    let now = catalog.current().await?;
    let named = which.object.as_deref();
    let only = object_wanted(&now.catalog, objects, &contact.id, named).await?;
    let names = ObjectNames::of(&now.catalog, objects, &contact.id).await?;
    let partition = store.keys.contact_partition(&contact.id);
    let (mut page, mut last, mut cursor) = (Filling::of(limit), after.clone(), None);
    loop {
        let query = crate::table::Query::of(&partition).limit(limit + 1).strong();
        let query = match &after {
            Some(after) => query.between(after, Keys::BEHIND_MESSAGES),
            None => query.prefix(Keys::MESSAGES),
        };
        let found = store.table.query(query.after(cursor)).await;
        let found = found.map_err(listing_failed)?;
        for stored in &found.items {
            // The page before ended with it.
            if after.as_ref() == Some(&stored.key.sk) {
                continue;
            }
            let subject = subject_in(&stored.key);
            if only.is_some() && only != subject {
                continue;
            }
            let object = subject.and_then(|subject| names.name(&subject));
            // Rendering takes time.
            let is_on_it = !page.is_full()
                && page
                    .put(&message(&delivery.channels, object, read(stored)?).await?.fitting()?)?;
            if !is_on_it {
                let next = last.map(|last| Cursor::at(&[LISTED, &last]));
                return Ok(page.until(next.as_ref())?);
            }
            last = Some(stored.key.sk.clone());
        }
        cursor = found.cursor;
        if cursor.is_none() {
            return Ok(page.until(None)?);
        }
    }
}

/// A message as the API shows it.
///
/// # Errors
///
/// What the table returns.
pub async fn message_json(
    platform: &Platform,
    record: MessageRecord,
) -> Result<serde_json::Value, Error> {
    let shape = message(&platform.delivery.channels, None, record).await?;
    Ok(serde_json::to_value(shape).unwrap_or_default())
}

async fn message(
    channels: &Channels,
    object: Option<ObjectName>,
    record: MessageRecord,
) -> Result<MessageShape, Error> {
    let said = channels.of(record.channel).rendered(&record).await?;
    Ok(MessageShape {
        campaign: record.campaign,
        object,
        run: record.run,
        element: record.element.to_string(),
        status: record.status.word(),
        reason: record.reason,
        subject: said.subject,
        to: record.to,
        at: instant_text(record.at),
        body_text: said.text,
        body_html: said.html,
        left_out: Vec::new(),
    })
}
