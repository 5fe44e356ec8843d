//! Seeing a mail before anybody gets it: as it would leave, and as a test mail to oneself.

use std::collections::BTreeMap;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use dacapo_engine::address;
use dacapo_engine::campaign::format::{Purpose, Sender};
use dacapo_engine::campaign::reader::{LocatedDocument, read as read_document};
use dacapo_engine::ids::{CampaignId, ContactId};
use dacapo_engine::template::MergeValues;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::Api;
use crate::api::account::calls::SenderShape;
use crate::api::call::extract::{Json, Path};
use crate::api::call::idempotency::{Answer, Once};
use crate::api::call::problem::{Fault, Problem};
use crate::api::call::room::{Room, json_text};
use crate::api::call::shapes::{SentList, WrittenFieldJson};
use crate::api::call::surface::{Surface, calls};
use crate::api::campaigns::calls::Finding;
use crate::api::campaigns::whom::{Finder, Whom};
use crate::contact_json::instant_text;
use crate::mail::NO_SENDER;
use crate::platform::Platform;
use crate::preview::{Preview, Shown, email_of, problems_of};
use crate::test_mails::{NotSent, TestMail};

/// The address of an invented contact that has none.
const SOMEBODY: &str = "somebody@example.com";

/// How many letters and digits the id of a test mail has.
const ID: usize = 16;

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, preview, test)
}

/// Whom a mail is shown for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WhatToPreview {
    /// A contact: its id, `email:ann@example.com`, or an invented one as it would be posted to
    /// `/v1/hooks/contact`. Left out, it is an invented one with nothing but an address.
    #[schema(value_type = Option<SentContact>)]
    contact: Option<Value>,
    /// In a campaign about objects, one that is there, as `type/key`, or an invented one, with
    /// `fields`.
    #[schema(value_type = Option<PreviewedObject>)]
    object: Option<Value>,
    /// A published version instead of the draft.
    version: Option<u32>,
}

/// Who gets a test mail, and whom it shows.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WhatToTest {
    /// The address that it goes to: one.
    to: String,
    /// As for a preview. Left out, it is an invented contact that has the address in `to`.
    #[schema(value_type = Option<SentContact>)]
    contact: Option<Value>,
    /// As for a preview.
    #[schema(value_type = Option<PreviewedObject>)]
    object: Option<Value>,
    /// A published version instead of the draft.
    version: Option<u32>,
}

/// A contact: by its name, or invented as it would be posted, where `email` may be left out.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
enum SentContact {
    Named(String),
    Invented(BTreeMap<String, Value>),
}

/// An object: `type/key`, or invented.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
enum PreviewedObject {
    Named(String),
    Invented(InventedObject),
}

/// An object as it is sent. Without `fields` and `tags` it names one that is there.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct InventedObject {
    /// The type that the campaign is about.
    #[serde(rename = "type")]
    #[schema(nullable = false)]
    kind: Option<String>,
    /// Its key.
    #[schema(nullable = false)]
    key: Option<String>,
    /// Its fields by key.
    #[schema(value_type = Option<BTreeMap<String, WrittenFieldJson>>)]
    fields: Option<BTreeMap<String, Value>>,
    /// Its tags.
    tags: Option<SentList>,
}

/// What an e-mail is for.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(rename_all = "lowercase")]
enum PurposeWord {
    Marketing,
    Transactional,
}

/// A mail as it would leave.
#[derive(Debug, Serialize, ToSchema)]
struct PreviewShape {
    /// Whom it comes from; `null` if nobody is named.
    from: Option<SenderShape>,
    /// Where answers go, if somewhere else.
    reply_to: Option<String>,
    /// The address of the contact.
    to: Option<String>,
    /// `marketing` or `transactional`.
    #[schema(value_type = PurposeWord)]
    purpose: Purpose,
    /// Why it would not leave; `null` if it would.
    fails: Option<String>,
    /// One line; `null`, as the bodies are, if the mail cannot be rendered for this contact.
    subject: Option<String>,
    /// What mail programs show beside the subject: the beginning of what the mail says.
    preheader: Option<String>,
    /// The plain text that leaves with it: the e-mail's own, or that of its HTML.
    text: Option<String>,
    /// The HTML, if there is any.
    html: Option<String>,
    /// Its length in kB. Gmail cuts it off after 102.
    html_kb: Option<f64>,
    /// The zone in which dates are shown.
    time_zone: String,
    /// The language in which they are written.
    language: String,
    /// What is worth a look: placeholders without a value, what the validator and the lints say
    /// about this mail.
    odd: Vec<Finding>,
}

impl From<Preview> for PreviewShape {
    fn from(preview: Preview) -> Self {
        let Preview { from, reply_to, to, purpose, fails, subject, preheader, .. } = preview;
        let Preview { text, html, html_kb, time_zone, language, odd, .. } = preview;
        Self {
            from: from.map(|Sender { name, address }| SenderShape { name, address }),
            reply_to,
            to,
            purpose,
            fails,
            subject,
            preheader,
            text,
            html,
            html_kb,
            time_zone,
            language,
            odd: odd.into_iter().map(Finding::from).collect(),
        }
    }
}

/// A test mail that is on its way.
#[derive(Debug, Serialize, ToSchema)]
struct Ordered {
    /// Its id, which a log names if it does not leave.
    id: String,
    /// How many more may be sent today, the account's calendar day.
    left_today: u32,
}

/// Renders one e-mail of the draft as it would leave for a contact. Nothing is written and nobody
/// gets mail; the link to unsubscribe in it unsubscribes nobody.
#[utoipa::path(
    post, path = "/v1/campaigns/{id}/emails/{key}/preview", tag = "Campaigns",
    params(("id" = String, Path), ("key" = String, Path, description = "The key under `emails`")),
    request_body = WhatToPreview,
    responses(
        (status = 200, body = PreviewShape), (status = 404, body = Problem),
        (status = 422, body = Problem),
    ),
)]
async fn preview(
    on: Previewing,
    once: Once,
    Json(what): Json<WhatToPreview>,
) -> Result<Answer, Problem> {
    // It quotes what people wrote.
    once.shows_anew();
    let WhatToPreview { contact, object, version } = what;
    let made = on.made(version, contact.as_ref(), object.as_ref(), SOMEBODY).await?;
    let answer = PreviewShape::from(made.preview);
    let mut room = Room::WHOLE;
    if !room.holds(json_text(&answer)?.as_bytes()) {
        let message = "the mail is longer than an answer may be; let it be shorter";
        return Err(Problem::invalid_at("", "too_large", message));
    }
    Answer::ok(&answer)
}

/// Sends one e-mail of the draft to one address, with `[Test]` before its subject. It is no
/// message: nothing in any campaign follows from it, nothing counts it, and its links unsubscribe
/// nobody. An account sends 50 a day.
#[utoipa::path(
    post, path = "/v1/campaigns/{id}/emails/{key}/test", tag = "Campaigns",
    params(("id" = String, Path), ("key" = String, Path, description = "The key under `emails`")),
    request_body = WhatToTest,
    responses(
        (status = 202, body = Ordered), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem),
        (status = 429, body = Problem),
    ),
)]
async fn test(on: Previewing, once: Once, Json(what): Json<WhatToTest>) -> Result<Answer, Problem> {
    let to = address::read(&what.to).map_err(|why| Problem::invalid_at("to", "email", why))?;
    let WhatToTest { contact, object, version, .. } = what;
    let made = on.made(version, contact.as_ref(), object.as_ref(), &to).await?;
    let not_sent = |why: &str| Problem::invalid_at("", "not_rendered", why);
    if let Some(why) = &made.preview.fails {
        return Err(not_sent(why));
    }
    let sender = made.sender.as_ref().ok_or_else(|| not_sent(NO_SENDER))?;
    let email = email_of(&made.source.document, &on.key).map_err(Problem::not_found)?;
    let store = &on.platform.store;
    // Repeats of the call have the same id, also after a crash.
    let id = match once.identity(store).await? {
        Some(identity) => format!("{identity:016x}"),
        None => store.entropy.text(ID),
    };
    let mail = TestMail {
        to: &to,
        campaign: &on.campaign,
        key: &on.key,
        email,
        sender,
        values: made.values,
        contact: made.stored,
    };
    let left_today = on.platform.test_mails.order(&id, mail).await.map_err(|why| match why {
        NotSent::Refused(_) => Problem::invalid_at("to", "refused", why),
        NotSent::TooMany { again } => {
            let seconds = (again - store.now()).num_seconds().max(1);
            let detail = format!("{why}; the next one from {} on", instant_text(again));
            Problem::too_many(detail, u32::try_from(seconds).unwrap_or(u32::MAX))
        }
        NotSent::Erasing => Problem::conflict(why.to_string()),
        NotSent::Failed(error) => error.into(),
    })?;
    Answer::new(StatusCode::ACCEPTED, &Ordered { id, left_today })
}

/// A call about an e-mail of a campaign.
struct Previewing {
    platform: Platform,
    campaign: CampaignId,
    key: String,
}

impl FromRequestParts<Api> for Previewing {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let Path((campaign, key)) = Path::from_request_parts(parts, api).await?;
        Ok(Self { platform: api.platform.clone(), campaign, key })
    }
}

/// A mail as it was rendered.
struct RenderedMail {
    source: LocatedDocument,
    preview: Preview,
    sender: Option<Sender>,
    values: MergeValues,
    /// Whose values they are, if somebody's who is there.
    stored: Option<ContactId>,
}

impl Previewing {
    /// Renders the e-mail of the draft, or of a version. `address` is that of an invented contact
    /// without one.
    async fn made(
        &self,
        version: Option<u32>,
        contact: Option<&Value>,
        object: Option<&Value>,
        address: &str,
    ) -> Result<RenderedMail, Problem> {
        let Platform { campaigns, catalog, email_channel, mail, .. } = &self.platform;
        let text = campaigns.text(&self.campaign, version).await?;
        let refused = |all: Vec<dacapo_engine::problem::Problem>| {
            Problem::invalid(all.into_iter().map(Fault::from).collect())
        };
        let source = read_document(&text).map_err(refused)?;
        let email = email_of(&source.document, &self.key).map_err(Problem::not_found)?;
        // Errors elsewhere keep it from being published, and not from being looked at.
        let problems = campaigns.validate(&self.campaign, &text).await?;
        let (wrong, odd) = problems_of(&source.document, &self.key, problems);
        if !wrong.is_empty() {
            return Err(refused(wrong));
        }
        let loaded = catalog.current().await?;
        let finder = Finder::new(&self.platform, &source.document, &loaded, address);
        let Whom { subject, person, stored } = finder.find(contact, object).await?;
        let sender = email_channel.sender_of(email, &source.document, &loaded).cloned();
        let shown = Shown {
            account: &loaded.account,
            source: &source,
            key: &self.key,
            email,
            subject: &subject,
            person: person.as_ref(),
            unsubscribe_url: &email_channel.test_url(),
        };
        let values = shown.values();
        let rendered = mail.rendered(email, &values, true).await;
        let mut preview = shown.preview(rendered, sender.as_ref(), odd);
        if sender.is_none() {
            preview.fails.get_or_insert_with(|| NO_SENDER.to_owned());
        }
        Ok(RenderedMail { source, preview, sender, values, stored })
    }
}
