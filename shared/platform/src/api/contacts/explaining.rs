//! Why a contact, or one of its objects, is where it is in a campaign, what comes next, and why
//! nothing happened (R61).
//!
//! It is read here and put into words by `dacapo_authoring::explain`. What is read is bounded: the
//! contact, its enrollment, [`HISTORY_READ`] pieces of the history and
//! [`MOST_MESSAGES_OR_CHANGES`] messages.

use std::sync::Arc;

use axum::extract::State;
use dacapo_authoring::explain::{
    ExplainedMessage, ExplanationInput, MOST_MESSAGES_OR_CHANGES, Remembered, explain as explained,
};
use dacapo_engine::campaign::nearest::remedy;
use dacapo_engine::campaign::{Campaign, Timeline};
use dacapo_engine::decide::Situation;
use dacapo_engine::ids::{CampaignId, ContactId};
use serde::Deserialize;

use crate::api::Api;
use crate::api::call::extract::{Path, Query};
use crate::api::call::idempotency::Answer;
use crate::api::call::problem::Problem;
use crate::api::call::surface::{Surface, calls};
use crate::api::contacts::calls::contact_named;
use crate::api::contacts::explanation::ExplanationShape;
use crate::api::contacts::object_names::{ObjectNames, subject_of};
use crate::api::contacts::remembered::{Piece, remembered};
use crate::catalog::{Head, Loaded};
use crate::enrollments::StoredEnrollment;
use crate::error::Error;
use crate::keys::Keys;
use crate::messages::MessageRecord;
use crate::platform::Platform;
use crate::store::{Store, read};

/// How many pieces of the history are read, of all campaigns: what one decision did is one.
const HISTORY_READ: usize = 100;

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, explain)
}

/// About what.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct AboutWhat {
    /// The campaign.
    campaign: String,
    /// In a campaign about objects, the one that is meant: its type and key, such as
    /// `appointment/evt-7`. Left out, it is the only one that the contact has.
    object: Option<String>,
}

/// Where the contact is in a campaign, since when and why; what comes next and when; if it has not
/// started, what is missing; what is parked; why a message was not sent, and why a change did
/// nothing. In sentences, and as data.
#[utoipa::path(get, path = "/v1/contacts/{id}/explain", tag = "Contacts",
    params(("id" = String, Path, description = "The id, or `email:ann@example.com`"), AboutWhat),
    responses((status = 200, body = ExplanationShape), (status = 404, body = Problem),
    (status = 422, body = Problem)))]
async fn explain(
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(about): Query<AboutWhat>,
) -> Result<Answer, Problem> {
    let Platform { store, catalog, contacts, decisions, objects, .. } = &api.platform;
    let person = contact_named(contacts, &id).await?;
    let loaded = catalog.current().await?;
    let campaign = campaign_named(&loaded, &about.campaign)?;
    let object = (about.object.as_deref(), true);
    let subject = subject_of(&loaded.catalog, objects, &person.id, object, &campaign).await?;
    let names = ObjectNames::of(&loaded.catalog, objects, &person.id).await?;
    let contact = match subject.is_object() {
        true => contacts.get(&subject).await?,
        false => Some(person.clone()),
    };
    let Some(contact) = contact else {
        return Err(Problem::not_found(format!(
            "the object `{}` is gone",
            object.0.unwrap_or("?")
        )));
    };
    if let Some(error) = loaded.broken.get(&campaign) {
        return Err(error.clone().into());
    }
    let stored = decisions.enrollment(&subject, &campaign).await?;
    let enrollment = stored.as_ref().map(|stored| &stored.enrollment);
    let published = match loaded.campaigns.get(&campaign) {
        Some(published) => decisions.with_version(published, enrollment).await?,
        None => Arc::new(Campaign {
            id: campaign.clone(),
            timeline: Timeline::default(),
            versions: std::collections::BTreeMap::new(),
        }),
    };
    let others = decisions.statuses(&published, &subject).await?;
    let statuses = |other: &CampaignId| others.get(other).copied();
    let reading = SubjectReader { store, subject: &subject, campaign: &campaign };
    let (history, is_all) = reading.history(stored.as_ref()).await?;
    let messages = reading.messages().await?;
    let explanation = explained(&ExplanationInput {
        situation: Situation {
            account: &loaded.account,
            campaign: &published,
            contact: &contact,
            person: subject.is_object().then_some(&person),
            baseline: contact.rev,
            enrollment,
            statuses: &statuses,
            is_image: false,
            now: store.now(),
        },
        paused_until: loaded.catalog.campaigns.get(&campaign).and_then(Head::paused_until),
        history: &history,
        messages: &messages,
    });
    let shape = ExplanationShape::of(campaign, names.name(&subject), explanation, is_all);
    Answer::ok(&shape)
}

/// A campaign that people see.
fn campaign_named(loaded: &Loaded, named: &str) -> Result<CampaignId, Problem> {
    let campaigns = &loaded.catalog.campaigns;
    let id = CampaignId::new(named).ok();
    let found = id.filter(|id| campaigns.get(id).is_some_and(Head::is_there));
    found.ok_or_else(|| {
        let known = campaigns.iter().filter(|(_, head)| head.is_there());
        let remedy = remedy(named, known.map(|(id, _)| id.as_str()));
        Problem::not_found(format!("there is no campaign `{named}`; {remedy}"))
    })
}

/// What is read of a subject in a campaign.
struct SubjectReader<'a> {
    store: &'a Store,
    subject: &'a ContactId,
    campaign: &'a CampaignId,
}

impl SubjectReader<'_> {
    /// The newest history of the campaign, newest first, and whether that is all there is.
    async fn history(
        &self,
        stored: Option<&StoredEnrollment>,
    ) -> Result<(Vec<Remembered>, bool), Error> {
        let Self { store, subject, campaign } = self;
        let (pieces, is_all) = remembered(store, subject, campaign, stored, HISTORY_READ).await?;
        let history = pieces.into_iter().filter_map(|piece| match piece {
            Piece::Decided(of, record) => (of == **campaign).then_some(Remembered::Decided(record)),
            Piece::Nothing(trace) => Some(Remembered::Nothing(trace)),
        });
        Ok((history.collect(), is_all))
    }

    /// The newest messages, newest first.
    async fn messages(&self) -> Result<Vec<ExplainedMessage>, Error> {
        let partition = self.store.keys.contact_partition(self.subject);
        let prefix = Keys::messages_of(self.subject, self.campaign);
        let query = crate::table::Query::of(&partition).prefix(&prefix).descending();
        let page = self.store.table.query(query.limit(MOST_MESSAGES_OR_CHANGES).strong()).await?;
        let message = |item| {
            let record: MessageRecord = read(item)?;
            Ok(ExplainedMessage {
                at: record.at,
                run: record.run,
                element: record.element,
                status: record.status.word(),
                reason: record.reason,
            })
        };
        page.items.iter().map(message).collect()
    }
}
