//! Where a contact is in the campaigns, and how it got there (R60, R61).

use std::sync::Arc;

use axum::extract::State;
use dacapo_engine::enrollment::{Enrollment, Guard};
use dacapo_engine::history::{Reader, Record, Trace};
use dacapo_engine::ids::{CampaignId, ContactId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::call::extract::{Path, Query};
use crate::api::call::lists::{
    Filling, Listed, Page, Paging, filled, foreign_cursor, listing_failed,
};
use crate::api::call::problem::Problem;
use crate::api::call::shapes::EnrollmentStatus;
use crate::api::call::surface::{Surface, calls};
use crate::api::contacts::calls::contact_named;
use crate::catalog::{Catalog, CatalogStore, Head};
use crate::contact_json::instant_text;
use crate::contacts::Contacts;
use crate::enrollments::{Decisions, instant_of_deferred};
use crate::error::Error;
use crate::handlers::{StoredHistory, StoredTrace, in_campaign};
use crate::keys::{Keys, is_trace};
use crate::store::{Store, read};
use crate::table::Cursor;

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
}

/// What happened to the contact, newest first: in all campaigns, or in one. Where one is wanted, a
/// page may be short, or even empty, before the last.
#[utoipa::path(get, path = "/v1/contacts/{id}/history", tag = "Contacts",
    params(("id" = String, Path, description = "The id, or `email:ann@example.com`"), WhichLines, Paging),
    responses((status = 200, body = Page<HistoryLine>), (status = 404, body = Problem)))]
async fn history(
    State(store): State<Arc<Store>>,
    State(catalog): State<Arc<CatalogStore>>,
    State(contacts): State<Arc<Contacts>>,
    State(decisions): State<Arc<Decisions>>,
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
            Some((sk, shown)).filter(|(sk, _)| sk.starts_with(Keys::HISTORY))
        }
        None => None,
    };
    let contact = contact_named(&contacts, &id).await?;
    let reader = Reader::of(&catalog.current().await?.account, &contact);
    let partition = store.keys.contact_partition(&contact.id);
    let mut lines = Lines { from, wanted, reader, page: Filling::of(limit) };
    let mut deferred = deferred_to_record(&store, &decisions, &contact.id).await?;
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
            while deferred.last().is_some_and(|(sk, _)| *sk > stored.key.sk) {
                let Some((sk, (campaign, records))) = deferred.pop() else { break };
                if let Some(next) = lines.show(&sk, &campaign, &records)? {
                    return Ok(lines.page.until(Some(&next))?);
                }
            }
            // It has been recorded meanwhile.
            deferred.retain(|(sk, _)| *sk != stored.key.sk);
            if is_trace(&stored.key) {
                let StoredTrace { trace, .. } = read(stored)?;
                if let Some(next) = lines.show_trace(&stored.key.sk, &trace)? {
                    return Ok(lines.page.until(Some(&next))?);
                }
                continue;
            }
            let StoredHistory { campaign, records, .. } = read(stored)?;
            if let Some(next) = lines.show(&stored.key.sk, &campaign, &records)? {
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
    while let Some((sk, (campaign, records))) = deferred.pop() {
        if let Some(next) = lines.show(&sk, &campaign, &records)? {
            return Ok(lines.page.until(Some(&next))?);
        }
    }
    Ok(lines.page.until(None)?)
}

/// The place of something in the history, its campaign, and what it is.
type DeferredToRecord = (String, (CampaignId, Vec<Record>));

/// Deferred recordings, the newest last.
async fn deferred_to_record(
    store: &Store,
    decisions: &Decisions,
    contact: &ContactId,
) -> Result<Vec<DeferredToRecord>, Problem> {
    let states = decisions.states(contact).await?;
    let mut all: Vec<_> = states
        .into_iter()
        .filter_map(|(campaign, state)| {
            let deferred = *state.deferred?;
            let at = instant_of_deferred(&deferred, &state.enrollment);
            let key = store.keys.history(contact, at, &campaign, deferred.stamp, 0);
            Some((key.sk, (campaign, deferred.records)))
        })
        .collect();
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(all)
}

/// A page of lines in the making.
struct Lines {
    /// The place of the first, and how many of its lines were shown.
    from: Option<(String, usize)>,
    /// The only campaign to be shown.
    wanted: Option<CampaignId>,
    reader: Reader,
    page: Filling<HistoryLine>,
}

impl Lines {
    /// Shows what a decision left, newest first. Returns where the next page begins if this one is
    /// full.
    fn show(
        &mut self,
        sk: &str,
        campaign: &CampaignId,
        records: &[Record],
    ) -> Result<Option<Cursor>, Error> {
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
    fn show_trace(&mut self, sk: &str, trace: &Trace) -> Result<Option<Cursor>, Error> {
        let looked = |wanted: &CampaignId| trace.looked.iter().any(|one| one.campaign == *wanted);
        if self.wanted.as_ref().is_some_and(|wanted| !looked(wanted)) {
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

/// Where the contact is, in order of campaign.
#[utoipa::path(get, path = "/v1/contacts/{id}/enrollments", tag = "Contacts",
    params(("id" = String, Path, description = "The id, or `email:ann@example.com`"), Paging),
    responses((status = 200, body = Page<EnrollmentShape>), (status = 404, body = Problem)))]
async fn enrollments(
    State(catalog): State<Arc<CatalogStore>>,
    State(contacts): State<Arc<Contacts>>,
    State(decisions): State<Arc<Decisions>>,
    Path(id): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Listed<EnrollmentShape>, Problem> {
    let (limit, after) = (paging.limit()?, paging.after(ENROLLED)?);
    let contact = contact_named(&contacts, &id).await?;
    let loaded = catalog.current().await?;
    let all = decisions.enrollments(&contact.id).await?;
    let all = all.into_iter().filter(|(campaign, _)| {
        after.as_ref().is_none_or(|after| campaign.as_str() > after.as_str())
    });
    let shapes = all.map(|(campaign, enrollment)| {
        let place = campaign.to_string();
        (place, EnrollmentShape::of(&loaded.catalog, campaign, &enrollment))
    });
    filled(limit, ENROLLED, shapes)
}
