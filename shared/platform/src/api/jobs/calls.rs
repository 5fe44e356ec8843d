//! Mass actions: requested, shown, cancelled.
//!
//! A request is answered at once with a job, which is done a page at a time (`crate::jobs`). The
//! job is the audit entry, too: who asked, when, and for what.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::api::Api;
use crate::api::call::auth::Holder;
use crate::api::call::extract::{Json, Path, Query};
use crate::api::call::idempotency::{Answer, Once};
use crate::api::call::lists::{Filling, Listed, Page, Paging, foreign_cursor};
use crate::api::call::problem::Problem;
use crate::api::call::shapes::{
    CampaignSelection, ContactSelection, EnrollmentStatus, MassActionStatus, SelectedContacts,
};
use crate::api::call::surface::{Surface, calls};
use crate::api::jobs::selecting::requested;
use crate::contact_json::instant_text;
use crate::error::Error;
use crate::jobs::{
    BeginError, CancelError, Job, JobKind, Jobs, Picked, Progress, Requested, Selection,
};
use crate::platform::Platform;
use crate::table::Cursor;

/// What a cursor of the list begins with.
const LISTED: &str = "mass-actions";

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, list, get, cancel, stop_campaign, release, erase_account)
}

/// What is to be stopped.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StopCampaign {
    /// Ids of campaigns, or `"all"`.
    #[schema(value_type = CampaignSelection, required = true)]
    #[serde(default)]
    campaigns: Value,
    /// `{"ids": […]}`, `{"emails": […]}`, `{"tag": "…"}`; `"enrolled"`: everybody in the campaigns;
    /// `{"object_type": "…", "status": "…"}`, or one of the two: the objects of a type in the
    /// campaigns about it, and those that stand so.
    #[schema(value_type = ContactSelection, required = true)]
    #[serde(default)]
    contacts: Value,
    /// Whether they may enter again, from the beginning.
    #[serde(default)]
    reset_contacts: bool,
    /// Whether what they contributed to the statistics is taken off. Their history stays.
    #[serde(default)]
    reset_statistics: bool,
    /// Whether the call only shows what would be done.
    #[serde(default)]
    dry_run: bool,
}

/// What is to be released.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Release {
    /// Ids of campaigns, or `"all"`.
    #[schema(value_type = CampaignSelection, required = true)]
    #[serde(default)]
    campaigns: Value,
    /// `{"ids": […]}`, `{"emails": […]}`, `{"tag": "…"}`; `"enrolled"`: everybody in the campaigns;
    /// `{"object_type": "…"}`: the objects of a type in the campaigns about it.
    #[schema(value_type = ContactSelection, required = true)]
    #[serde(default)]
    contacts: Value,
    /// Whether the call only shows what would be done.
    #[serde(default)]
    dry_run: bool,
}

/// The confirmation that everything in the account is to be erased.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EraseAccount {
    /// The text that a call without it is answered with.
    #[serde(default)]
    confirm: String,
}

/// A mass action that was taken.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Taken {
    id: String,
    /// `queued`; `completed` for a dry run.
    #[schema(value_type = MassActionStatus)]
    status: &'static str,
    /// How many pairs of contact and campaign it is about, as the lists show it now.
    total: u64,
    /// `true` if there was no time to count all: then `total` means *at least*.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    total_is_a_minimum: Option<bool>,
    #[serde(flatten)]
    found: Found,
}

impl Taken {
    fn answer(job: &Job) -> Result<Answer, Error> {
        let (id, found) = (job.id(), Found::of(job.dry_run.as_ref()));
        let total_is_a_minimum = job.estimate_is_a_minimum.then_some(true);
        let (status, total) = (job.status.word(), job.estimate);
        let taken = Self { id, status, total, total_is_a_minimum, found };
        Answer::of(StatusCode::ACCEPTED, &taken)
    }
}

/// What a dry run found; without one, nothing of it is there.
#[derive(Debug, Default, Serialize, ToSchema)]
struct Found {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    dry_run: Option<bool>,
    /// How many pairs were looked at: all of them, up to 10,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    looked_at: Option<u64>,
    /// How many of those would be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    affected: Option<u64>,
    /// How many of those would be skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    would_skip: Option<u64>,
    /// The first that would be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sample: Option<Vec<Pair>>,
}

/// A contact in a campaign.
#[derive(Debug, Serialize, ToSchema)]
struct Pair {
    contact_id: String,
    /// The object that is in it, if the campaign is about objects.
    #[schema(required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    object_id: Option<String>,
    campaign: String,
    /// How it stands there.
    #[schema(value_type = EnrollmentStatus)]
    status: &'static str,
}

impl Found {
    fn of(dry_run: Option<&Picked>) -> Self {
        let Some(picked) = dry_run else { return Self::default() };
        let sample = picked.sample.iter().map(|sample| Pair {
            contact_id: sample.contact.person().to_string(),
            object_id: sample.contact.is_object().then(|| sample.contact.to_string()),
            campaign: sample.campaign.to_string(),
            status: sample.status.word(),
        });
        Self {
            dry_run: Some(true),
            looked_at: Some(picked.looked_at),
            affected: Some(picked.affected),
            would_skip: Some(picked.skipped),
            sample: Some(sample.collect()),
        }
    }
}

/// A mass action.
#[derive(Debug, Serialize, ToSchema)]
struct MassAction {
    id: String,
    /// `stop_campaign`, `release`, `enroll_existing`, `milestones`, `erase_account` or `reconcile`.
    kind: &'static str,
    /// `queued`, `running`, `completed`, `cancelled` or `failed`; `cancelling` as long as something
    /// of a cancelled one is still under way.
    #[schema(value_type = MassActionStatus)]
    status: &'static str,
    /// How many pairs of contact and campaign it is about, of `erase_account` and `reconcile`
    /// contacts: an estimate until it has ended.
    total: u64,
    /// `true` if there was no time to count all: then `total` means *at least*, until it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    total_is_a_minimum: Option<bool>,
    done: u64,
    failed: u64,
    /// Those to which nothing was to be done: the contact was never in the campaign, or waits for
    /// nothing.
    skipped: u64,
    /// Ids of campaigns, or `"all"`.
    #[schema(value_type = CampaignSelection)]
    campaigns: Value,
    /// `{"tag": "…"}`, `{"named": 3}`, `"enrolled"`, `"everybody"`, `{"object_type": "…", "status":
    /// "…"}` or one of the two.
    #[schema(value_type = SelectedContacts)]
    contacts: Value,
    reset_contacts: bool,
    reset_statistics: bool,
    /// Of `reconcile`: the instant to which the table was restored.
    #[schema(format = DateTime, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    restored_to: Option<String>,
    /// Of `reconcile`: until when messages are taken to have been sent.
    #[schema(format = DateTime, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_until: Option<String>,
    /// The name of the API key that asked.
    by: String,
    /// When it was asked for. It speaks of the account as it was then: a contact that enrolled
    /// later is not changed.
    #[schema(format = DateTime)]
    as_of: String,
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// Why it could not go on.
    reason: Option<String>,
    /// The first of what could not be done.
    failures: Vec<FailureShape>,
    #[serde(flatten)]
    found: Found,
}

/// Something that could not be done.
#[derive(Debug, Serialize, ToSchema)]
struct FailureShape {
    contact_id: String,
    /// The object that is in it, if the campaign is about objects.
    #[schema(required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    object_id: Option<String>,
    campaign: Option<String>,
    reason: String,
}

impl From<Progress> for MassAction {
    fn from(progress: Progress) -> Self {
        let Progress { job, status, total, total_is_a_minimum, counts, failures } = progress;
        let (resets, instants) = match job.kind {
            JobKind::StopCampaign { reset_contacts, reset_statistics } => {
                ((reset_contacts, reset_statistics), (None, None))
            }
            JobKind::Reconcile { restored_to, sent_until } => {
                ((false, false), (restored_to, sent_until))
            }
            JobKind::Release
            | JobKind::EnrollExisting
            | JobKind::Milestones
            | JobKind::EraseAccount => ((false, false), (None, None)),
        };
        let ((reset_contacts, reset_statistics), (restored_to, sent_until)) = (resets, instants);
        let failures = failures.into_iter().map(|failure| FailureShape {
            contact_id: failure.contact.person().to_string(),
            object_id: failure.contact.is_object().then(|| failure.contact.to_string()),
            campaign: failure.campaign.map(|campaign| campaign.to_string()),
            reason: failure.reason,
        });
        Self {
            id: job.id(),
            kind: job.kind.word(),
            status: status.word(),
            total,
            total_is_a_minimum: total_is_a_minimum.then_some(true),
            done: counts.done,
            failed: counts.failed,
            skipped: counts.skipped,
            campaigns: if job.all { json!("all") } else { json!(job.campaigns) },
            contacts: match &job.selection {
                Selection::Named { there, missing } => json!({ "named": there + missing }),
                Selection::Tag(tag) => json!({ "tag": tag }),
                Selection::Enrolled => json!("enrolled"),
                Selection::Everybody => json!("everybody"),
                Selection::Objects(kind) => json!({ "objects": kind }),
                Selection::Members(members) => json!(members),
            },
            reset_contacts,
            reset_statistics,
            restored_to: restored_to.map(instant_text),
            sent_until: sent_until.map(instant_text),
            as_of: instant_text(job.at),
            ended_at: job.ended_at.map(instant_text),
            reason: job.reason,
            failures: failures.collect(),
            found: Found::of(job.dry_run.as_ref()),
            by: job.by,
        }
    }
}

/// The mass actions, newest first, with those that followed from publishing and resuming.
#[utoipa::path(get, path = "/v1/mass-actions", tag = "Mass actions", params(Paging),
    responses((status = 200, body = Page<MassAction>)))]
async fn list(
    State(jobs): State<Arc<Jobs>>,
    Query(paging): Query<Paging>,
) -> Result<Listed<MassAction>, Problem> {
    let (limit, before) = (paging.limit()?, paging.after(LISTED)?);
    let before = before.map(|seq| seq.parse()).transpose().map_err(|_| foreign_cursor())?;
    // One more than fits shows whether there is a next page.
    let (jobs, mut next) = jobs.list(limit + 1, before).await?;
    let (mut page, mut last) = (Filling::of(limit), None);
    for progress in jobs {
        let seq = progress.job.seq;
        if !page.put(&MassAction::from(progress))? {
            next = last;
            break;
        }
        last = Some(seq);
    }
    let next = next.map(|seq| Cursor::at(&[LISTED, &seq.to_string()]));
    Ok(page.until(next.as_ref())?)
}

fn missing() -> Problem {
    Problem::not_found("there is no such mass action")
}

/// A mass action, and how far it is.
#[utoipa::path(
    get, path = "/v1/mass-actions/{id}", tag = "Mass actions",
    params(("id" = String, Path)),
    responses((status = 200, body = MassAction), (status = 404, body = Problem)),
)]
async fn get(
    State(jobs): State<Arc<Jobs>>,
    Path(id): Path<String>,
) -> Result<axum::Json<MassAction>, Problem> {
    let seq = Job::seq_of(&id).ok_or_else(missing)?;
    let progress = jobs.progress(seq).await?.ok_or_else(missing)?;
    Ok(axum::Json(progress.into()))
}

/// Cancels a mass action. What was done stays done. Pages of 200 that are under way are done to
/// their end: until then it is `cancelling`, then `cancelled`, and nothing more is done.
#[utoipa::path(
    delete, path = "/v1/mass-actions/{id}", tag = "Mass actions",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = MassAction), (status = 404, body = Problem),
        (status = 409, body = Problem),
    ),
)]
async fn cancel(
    State(jobs): State<Arc<Jobs>>,
    Path(id): Path<String>,
) -> Result<axum::Json<MassAction>, Problem> {
    let seq = Job::seq_of(&id).ok_or_else(missing)?;
    match jobs.cancel(seq).await {
        Ok(progress) => Ok(axum::Json(progress.into())),
        Err(CancelError::NoSuchJob) => Err(missing()),
        Err(error @ (CancelError::Over(_) | CancelError::Erasing)) => {
            Err(Problem::conflict(error.to_string()))
        }
        Err(CancelError::Failed(error)) => Err(error.into()),
    }
}

/// Stops contacts in campaigns (R16): all they were doing there ends. With `reset_contacts` they
/// may enter again. Contacts that were never in a campaign are skipped.
#[utoipa::path(
    post, path = "/v1/mass-actions/stop-campaign", tag = "Mass actions",
    request_body = StopCampaign,
    responses(
        (status = 202, body = Taken), (status = 409, body = Problem),
        (status = 422, body = Problem),
    ),
)]
async fn stop_campaign(
    State(api): State<Api>,
    holder: Holder,
    once: Once,
    Json(sent): Json<StopCampaign>,
) -> Result<Answer, Problem> {
    let StopCampaign { campaigns, contacts: selected, reset_contacts, reset_statistics, dry_run } =
        sent;
    let kind = JobKind::StopCampaign { reset_contacts, reset_statistics };
    let requested = requested(&api.platform, &holder, kind, (&campaigns, &selected)).await?;
    taken(&api.platform.jobs, &once, requested, dry_run).await
}

/// Releases contacts that a guard holds in campaigns (R40): they are ready. Others are skipped.
#[utoipa::path(
    post, path = "/v1/mass-actions/release", tag = "Mass actions",
    request_body = Release,
    responses(
        (status = 202, body = Taken), (status = 409, body = Problem),
        (status = 422, body = Problem),
    ),
)]
async fn release(
    State(api): State<Api>,
    holder: Holder,
    once: Once,
    Json(sent): Json<Release>,
) -> Result<Answer, Problem> {
    let Release { campaigns, contacts: selected, dry_run } = sent;
    let kind = JobKind::Release;
    let requested = requested(&api.platform, &holder, kind, (&campaigns, &selected)).await?;
    taken(&api.platform.jobs, &once, requested, dry_run).await
}

/// Erases the account: every contact with everything about them, campaigns, statistics, fields,
/// tags, API keys, settings. It cannot be cancelled. Without `confirm` nothing is done, and the
/// answer says what to send.
#[utoipa::path(
    post, path = "/v1/mass-actions/erase-account", tag = "Mass actions",
    request_body = EraseAccount,
    responses(
        (status = 202, body = Taken), (status = 409, body = Problem),
        (status = 422, body = Problem),
    ),
)]
async fn erase_account(
    State(api): State<Api>,
    holder: Holder,
    once: Once,
    Json(sent): Json<EraseAccount>,
) -> Result<Answer, Problem> {
    let Platform { store, catalog, jobs, .. } = &api.platform;
    let wanted = format!("erase account {}", store.keys.account());
    if sent.confirm.trim() != wanted {
        let message = format!("this cannot be undone; send {{\"confirm\": \"{wanted}\"}} to do it");
        return Err(Problem::invalid_at("confirm", "confirm", message));
    }
    let counted = jobs.count_contacts().await?;
    let job = catalog
        .change(|catalog| {
            if catalog.erased_by.is_some() {
                return Err(Problem::conflict("the account is being erased already"));
            }
            let (job, mut writes) = jobs.open_erasure(catalog, holder.name(), counted)?;
            writes.extend(once.keeps(&Taken::answer(&job)?)?);
            Ok((job, writes))
        })
        .await?;
    jobs.dispatch_or_leave().await;
    Ok(Taken::answer(&job)?)
}

/// Opens the job, or does a dry run.
pub(super) async fn taken(
    jobs: &Jobs,
    once: &Once,
    requested: Requested,
    dry_run: bool,
) -> Result<Answer, Problem> {
    let together = |job: &Job| once.keeps(&Taken::answer(job)?);
    let job = if dry_run {
        jobs.dry_run(&requested, together).await?
    } else {
        jobs.begin(&requested, together).await?
    };
    Ok(Taken::answer(&job)?)
}

impl From<BeginError> for Problem {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::TooMany => Self::conflict(error.to_string()),
            BeginError::Failed(error) => error.into(),
        }
    }
}
