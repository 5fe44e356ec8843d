//! Where a contact is in the campaigns, and how it got there (R60, R61).

use axum::extract::State;
use dacapo_engine::compact::SortCompactly as _;
use dacapo_engine::enrollment::{Enrollment, Guard};
use dacapo_engine::history::{Reader, Record, Trace};
use dacapo_engine::ids::{CampaignId, ContactId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::Api;
use crate::api::call::extract::{Path, Query};
use crate::api::call::lists::{
    Filling, Listed, Page, Paging, filled, foreign_cursor, listing_failed,
};
use crate::api::call::problem::Problem;
use crate::api::call::shapes::EnrollmentStatus;
use crate::api::call::surface::{Surface, calls};
use crate::api::contacts::calls::contact_named;
use crate::api::contacts::object_names::{ObjectName, ObjectNames, object_wanted};
use crate::catalog::{Catalog, Head};
use crate::contact_json::instant_text;
use crate::enrollments::{Decisions, instant_of_deferred};
use crate::error::Error;
use crate::handlers::{StoredHistory, StoredTrace, in_campaign};
use crate::keys::{Keys, is_trace, subject_in};
use crate::platform::Platform;
use crate::store::{Store, read};
use crate::table::{Cursor, Key};

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, history, enrollments)
}

/// A line of history.
#[derive(Debug, Serialize, ToSchema)]
struct HistoryLine {
    #[schema(format = DateTime)]
    at: String,
    /// In which campaign; `null` where it happened to the contact in none, and for what nothing
    /// followed from, unless just one campaign looked at it; so for the run.
    #[schema(value_type = Option<String>)]
    campaign: Option<CampaignId>,
    /// Which of the contact's objects it happened to; left out where it happened to the contact.
    #[schema(required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<ObjectName>,
    run: Option<u32>,
    /// What kind of thing happened, stable.
    kind: &'static str,
    /// What happened, in words. Instants are in `time_zone`, which is named, and written as the
    /// account's language writes them.
    text: String,
    /// The one zone of the line: the contact's, else the account's.
    time_zone: &'static str,
    /// Why, in words.
    cause: String,
    /// The element.
    element: Option<String>,
}

/// The prefix of a cursor of the history.
const HISTORY: &str = "history";

/// How many decisions a call reads before it answers with what it has found.
const LOOKED_AT: usize = 1_000;

/// Means all lines of a decision: no decision has so many.
const ALL_LINES: usize = usize::MAX;

/// Which lines of the history.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct WhichLines {
    /// What happened in the campaign of this id, and nothing else.
    campaign: Option<String>,
    /// What happened to this object of the contact, and nothing else: its type and key, such as
    /// `appointment/evt-7`.
    object: Option<String>,
}

/// What happened to the contact, newest first: in all campaigns, or in one. Where one is wanted, a
/// page may be short, or even empty, before the last.
#[utoipa::path(get, path = "/v1/contacts/{id}/history", tag = "Contacts",
    params(("id" = String, Path, description = "The id, or `email:ann@example.com`"), WhichLines,
    Paging),
    responses((status = 200, body = Page<HistoryLine>), (status = 404, body = Problem)))]
async fn history(
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(which): Query<WhichLines>,
    Query(paging): Query<Paging>,
) -> Result<Listed<HistoryLine>, Problem> {
    let limit = paging.limit()?;
    let wanted = which.campaign.as_deref().map(CampaignId::new).transpose();
    let wanted = wanted.map_err(|why| Problem::invalid_at("campaign", "id", why))?;
    // A decision leaves several lines: the place is a decision, and how many of its lines were
    // shown.
    let from = match paging.cursor() {
        Some(cursor) => {
            let [_, sk, shown] = cursor.parts::<3>(HISTORY).map_err(|_| foreign_cursor())?;
            let shown: usize = shown.parse().map_err(|_| foreign_cursor())?;
            if !sk.starts_with(Keys::HISTORY) {
                return Err(foreign_cursor());
            }
            Some((sk, shown))
        }
        None => None,
    };
    let Platform { store, catalog, contacts, decisions, objects, .. } = &api.platform;
    let contact = contact_named(contacts, &id).await?;
    let loaded = catalog.current().await?;
    let reader = Reader::of(&loaded.account, &contact);
    let named = which.object.as_deref();
    let only = object_wanted(&loaded.catalog, objects, &contact.id, named).await?;
    let names = ObjectNames::of(&loaded.catalog, objects, &contact.id).await?;
    let partition = store.keys.contact_partition(&contact.id);
    let mut deferred = deferred_to_record(store, decisions, &contact.id, &names).await?;
    let page = Filling::of(limit);
    let mut lines = Lines { from, wanted, only, names, reader, page };
    let (mut cursor, mut looked_at) = (None, 0);
    loop {
        let query = crate::table::Query::of(&partition).descending().strong();
        let query = match &lines.from {
            Some((sk, _)) => query.between(Keys::HISTORY, sk),
            None => query.prefix(Keys::HISTORY),
        };
        let page = store.table.query(query.limit(limit + 1).after(cursor)).await;
        let page = page.map_err(listing_failed)?;
        for stored in &page.items {
            while deferred.last().is_some_and(|(key, _)| key.sk > stored.key.sk) {
                let Some((key, (campaign, records))) = deferred.pop() else { break };
                if let Some(next) = lines.show(&key, &campaign, &records)? {
                    return Ok(lines.page.until(Some(&next))?);
                }
            }
            // It has been recorded meanwhile.
            deferred.retain(|(key, _)| key.sk != stored.key.sk);
            if is_trace(&stored.key) {
                let StoredTrace { trace, .. } = read(stored)?;
                if let Some(next) = lines.show_trace(&stored.key, &trace)? {
                    return Ok(lines.page.until(Some(&next))?);
                }
                continue;
            }
            let StoredHistory { campaign, records, .. } = read(stored)?;
            if let Some(next) = lines.show(&stored.key, &campaign, &records)? {
                return Ok(lines.page.until(Some(&next))?);
            }
        }
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
        looked_at += page.items.len();
        if let Some(last) = page.items.last().filter(|_| looked_at >= LOOKED_AT) {
            let next = Cursor::at(&[HISTORY, &last.key.sk, &ALL_LINES.to_string()]);
            return Ok(lines.page.until(Some(&next))?);
        }
    }
    while let Some((key, (campaign, records))) = deferred.pop() {
        if let Some(next) = lines.show(&key, &campaign, &records)? {
            return Ok(lines.page.until(Some(&next))?);
        }
    }
    Ok(lines.page.until(None)?)
}

/// The place of something in the history, its campaign, and what it is.
type DeferredToRecord = (Key, (CampaignId, Vec<Record>));

/// Deferred recordings, the newest last.
async fn deferred_to_record(
    store: &Store,
    decisions: &Decisions,
    contact: &ContactId,
    names: &ObjectNames,
) -> Result<Vec<DeferredToRecord>, Problem> {
    let states = decisions.states(contact).await?.into_iter();
    let mut states: Vec<_> =
        states.map(|(campaign, state)| (contact.clone(), campaign, state)).collect();
    if !names.is_empty() {
        states.extend(decisions.states_of_objects(contact, None).await?);
    }
    let mut all: Vec<_> = states
        .into_iter()
        .filter_map(|(subject, campaign, state)| {
            let deferred = *state.deferred?;
            let at = instant_of_deferred(&deferred, &state.enrollment);
            let key = store.keys.history(&subject, at, &campaign, deferred.stamp, 0);
            Some((key, (campaign, deferred.records)))
        })
        .collect();
    all.sort_compactly_by(|(one, _), (other, _)| one.sk.cmp(&other.sk));
    Ok(all)
}

/// A page of lines in the making.
struct Lines {
    /// The place of the first, and how many of its lines were shown.
    from: Option<(String, usize)>,
    /// The only campaign to be shown.
    wanted: Option<CampaignId>,
    /// The only object to be shown.
    only: Option<ContactId>,
    names: ObjectNames,
    reader: Reader,
    page: Filling<HistoryLine>,
}

impl Lines {
    /// Which object a line is about; `None` if it is not to be shown.
    fn object(&self, key: &Key) -> Option<Option<ObjectName>> {
        let subject = subject_in(key)?;
        let shown = self.only.as_ref().is_none_or(|only| *only == subject);
        shown.then(|| self.names.name(&subject))
    }

    /// Shows what a decision left, newest first. Returns where the next page begins if this one is
    /// full.
    fn show(
        &mut self,
        key: &Key,
        campaign: &CampaignId,
        records: &[Record],
    ) -> Result<Option<Cursor>, Error> {
        let (sk, Some(object)) = (key.sk.as_str(), self.object(key)) else { return Ok(None) };
        if self.wanted.as_ref().is_some_and(|wanted| wanted != campaign) {
            return Ok(None);
        }
        let skipped = match &self.from {
            // It was on an earlier page.
            Some((from, _)) if sk > from.as_str() => return Ok(None),
            Some((from, shown)) if sk == from => *shown,
            Some(_) | None => 0,
        };
        let newest_first = records
            .iter()
            .rev()
            .flat_map(|record| record.lines.iter().rev().map(move |line| (record, line)));
        for (nth, (record, line)) in newest_first.enumerate().skip(skipped) {
            let line = HistoryLine {
                at: instant_text(record.at),
                campaign: in_campaign(campaign).cloned(),
                object: object.clone(),
                run: in_campaign(campaign).map(|_| line.run),
                kind: line.what.kind(),
                text: line.what.words(&self.reader, &record.because),
                time_zone: self.reader.zone.name(),
                cause: record.because.words(),
                element: line.element.as_ref().map(ToString::to_string),
            };
            if !self.page.put(&line)? {
                return Ok(Some(Cursor::at(&[HISTORY, sk, &nth.to_string()])));
            }
        }
        Ok(None)
    }

    /// Shows a trace. Returns where the next page begins if this one is full.
    fn show_trace(&mut self, key: &Key, trace: &Trace) -> Result<Option<Cursor>, Error> {
        let (sk, Some(object)) = (key.sk.as_str(), self.object(key)) else { return Ok(None) };
        let is_about =
            |wanted: &CampaignId| trace.no_effect.iter().any(|one| one.campaign == *wanted);
        if self.wanted.as_ref().is_some_and(|wanted| !is_about(wanted)) {
            return Ok(None);
        }
        match &self.from {
            Some((from, shown)) if sk > from.as_str() || (sk == from && *shown > 0) => {
                return Ok(None);
            }
            Some(_) | None => {}
        }
        let line = HistoryLine {
            at: instant_text(trace.at),
            campaign: trace.campaign().cloned(),
            object,
            run: trace.run(),
            kind: trace.kind(),
            text: trace.words(),
            time_zone: self.reader.zone.name(),
            cause: trace.because.words(),
            element: trace.element().map(ToString::to_string),
        };
        let is_on_it = self.page.put(&line)?;
        Ok((!is_on_it).then(|| Cursor::at(&[HISTORY, sk, "0"])))
    }
}

/// Where a contact is in a campaign.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct EnrollmentShape {
    #[schema(value_type = String)]
    campaign: CampaignId,
    /// Which of the contact's objects is in it; left out where the contact is.
    #[schema(required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<ObjectName>,
    run: u32,
    /// `active`, `completed`, `ready`, `awaiting_restart`, `stopped` or `held`.
    #[schema(value_type = EnrollmentStatus)]
    status: &'static str,
    version: u32,
    tokens: Vec<TokenShape>,
    /// Until then no start fires.
    #[schema(format = DateTime)]
    eligible_at: Option<String>,
    /// Why the starts are checked then, or when the campaign is resumed: a trigger came too early
    /// and is parked.
    parked: Option<String>,
    /// What has come while the campaign is paused, in the order of coming: it is answered when it
    /// is resumed.
    parked_entries: Vec<ParkedEntryShape>,
    /// Why it is held.
    held: Option<&'static str>,
    /// Since when the campaign is paused, and the contact stands still in it; `null` while it runs.
    #[schema(format = DateTime)]
    paused_since: Option<String>,
    /// When the pause ends by itself; `null` if it does not, or while the campaign runs.
    #[schema(format = DateTime)]
    paused_until: Option<String>,
}

/// A start that is to be checked, or an event that is to fire.
#[derive(Debug, Serialize, ToSchema)]
struct ParkedEntryShape {
    element: String,
    /// Why, in words.
    cause: String,
}

/// Where a path of a run is.
#[derive(Debug, Serialize, ToSchema)]
struct TokenShape {
    element: String,
    /// When it arrived there.
    #[schema(format = DateTime)]
    since: String,
    /// When a timer moves it.
    #[schema(format = DateTime)]
    due: Option<String>,
}

impl EnrollmentShape {
    /// An enrollment as the API shows it.
    pub(in crate::api) fn of(
        catalog: &Catalog,
        campaign: CampaignId,
        object: Option<ObjectName>,
        enrollment: &Enrollment,
    ) -> Self {
        let tokens = enrollment.tokens.iter().map(|token| TokenShape {
            element: token.element.to_string(),
            since: instant_text(token.since),
            due: token.due().map(instant_text),
        });
        let parked_entries = enrollment.parked_entries.iter().map(|entry| ParkedEntryShape {
            element: entry.element.to_string(),
            cause: entry.because.words(),
        });
        let head = catalog.campaigns.get(&campaign);
        let paused_since = head.and_then(Head::paused_since);
        let paused_until = head.and_then(Head::paused_until);
        Self {
            paused_since: paused_since.map(instant_text),
            paused_until: paused_until.map(instant_text),
            campaign,
            object,
            run: enrollment.run,
            status: enrollment.status.word(),
            version: enrollment.version,
            tokens: tokens.collect(),
            eligible_at: enrollment.eligible_at.map(instant_text),
            parked: enrollment.parked.as_ref().map(|parked| parked.because.words()),
            parked_entries: parked_entries.collect(),
            held: enrollment.held.map(Guard::words),
        }
    }
}

/// The prefix of a cursor of the enrollments.
const ENROLLED: &str = "enrollments";

/// Which object.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct WhichObject {
    /// An object of the contact: its type and key, such as `appointment/evt-7`. In a campaign about
    /// objects, the one that is meant.
    pub(in crate::api) object: Option<String>,
}

/// Where the contact is, in order of campaign; behind that, where its objects are, each in order of
/// campaign.
#[utoipa::path(get, path = "/v1/contacts/{id}/enrollments", tag = "Contacts",
    params(("id" = String, Path, description = "The id, or `email:ann@example.com`"), WhichObject,
    Paging),
    responses((status = 200, body = Page<EnrollmentShape>), (status = 404, body = Problem)))]
async fn enrollments(
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(which): Query<WhichObject>,
    Query(paging): Query<Paging>,
) -> Result<Listed<EnrollmentShape>, Problem> {
    let begin = (paging.limit()?, paging.after(ENROLLED)?);
    let Platform { catalog, contacts, decisions, objects, .. } = &api.platform;
    let contact = contact_named(contacts, &id).await?;
    let loaded = catalog.current().await?;
    let names = ObjectNames::of(&loaded.catalog, objects, &contact.id).await?;
    let named = which.object.as_deref();
    let wanted = object_wanted(&loaded.catalog, objects, &contact.id, named).await?;
    let subject = wanted.unwrap_or_else(|| contact.id.clone());
    let own = decisions.states(&subject).await?.into_iter();
    let mut all: Vec<_> = own.map(|(campaign, state)| (subject.clone(), campaign, state)).collect();
    if which.object.is_none() && !names.is_empty() {
        all.extend(decisions.states_of_objects(&contact.id, None).await?);
    }
    // A contact's own come first, as before there were objects: their places are campaigns.
    let place = |subject: &ContactId, campaign: &CampaignId| match subject.object() {
        Some((kind, name)) => format!("~{kind}.{name}#{campaign}"),
        None => campaign.to_string(),
    };
    let shapes = all.into_iter().map(|(subject, campaign, state)| {
        let (place, object) = (place(&subject, &campaign), names.name(&subject));
        (place, EnrollmentShape::of(&loaded.catalog, campaign, object, &state.enrollment))
    });
    filled(begin, ENROLLED, shapes)
}
