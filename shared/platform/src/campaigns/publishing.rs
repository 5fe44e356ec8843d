//! Publishing (R50), the standing of a campaign, and the jobs that follow from a milestone.
//!
//! A version and the catalog that names it are written in one transaction. The work on many
//! contacts that follows is a job, which is opened by the same transaction.

use std::sync::Arc;

use dacapo_engine::campaign::Reached;
use dacapo_engine::campaign::format::Document;
use dacapo_engine::campaign::graph::Graph;
use dacapo_engine::campaign::reader::LocatedDocument;
use dacapo_engine::compact::CollectCompactly as _;
use dacapo_engine::ids::CampaignId;
use dacapo_engine::problem::{Problem, Severity};

use super::{
    CampaignError, Campaigns, MOST_FINDINGS, OnlyIf, linting, object_refused, read_document,
    shown_name, there, there_mut, too_many_fields,
};
use crate::Instant;
use crate::catalog::{Catalog, FieldsFull, Head, Paused, StoredVersion, Together};
use crate::error::Error;
use crate::jobs::{JobKind, Requested};
use crate::store::{TRIES, item};
use crate::table::{Condition, Write};

/// How a draft is published.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Publish {
    /// Whether contacts that are there already may enter (R6).
    pub enroll_existing: bool,
    /// Whether tokens in flight move to the new version.
    pub migrate: bool,
    /// Which draft is to be published.
    pub only_if: OnlyIf,
}

/// What would be published.
#[derive(Debug, Clone)]
pub struct Proposed {
    /// The document, with the operator's restart delay if it has none.
    pub document: Document,
    /// The version that it would be.
    pub version: u32,
    /// The version that is published; `None` if none is.
    pub published: Option<Arc<Graph>>,
    /// The catalog with what the document declares.
    pub catalog: Catalog,
    /// What the lints find in it, at most [`MOST_FINDINGS`].
    pub findings: Vec<Problem>,
}

/// The standing of a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is not published.
    Draft,
    /// It runs, in this version.
    Published(u32),
    /// It is paused: its tokens do not move.
    Paused {
        /// In this version.
        version: u32,
        /// When the pause ends by itself, if that was said.
        until: Option<Instant>,
    },
}

impl State {
    pub(super) fn of(head: &Head) -> Self {
        match head.standing() {
            None => Self::Draft,
            Some(standing) if standing.paused => {
                Self::Paused { version: standing.version, until: head.paused_until() }
            }
            Some(standing) => Self::Published(standing.version),
        }
    }

    /// The word for it, as programs outside read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Published(_) => "published",
            Self::Paused { .. } => "paused",
        }
    }

    /// The newest version, if there is one.
    pub fn version(self) -> Option<u32> {
        match self {
            Self::Draft => None,
            Self::Published(version) | Self::Paused { version, .. } => Some(version),
        }
    }

    /// When its pause ends by itself, if it is paused and that was said.
    pub fn paused_until(self) -> Option<Instant> {
        match self {
            Self::Draft | Self::Published(_) => None,
            Self::Paused { until, .. } => until,
        }
    }
}

impl Campaigns {
    /// Publishes the draft as the next version, even if it equals the version before, and answers
    /// the version. `by` is the name of the API key that asks. A paused campaign stays paused;
    /// contacts that may enter do so when it is resumed.
    ///
    /// # Errors
    ///
    /// [`CampaignError::Invalid`] with everything that has to be corrected;
    /// [`CampaignError::NoSuchCampaign`]; [`CampaignError::Changed`] unless `how.only_if` holds.
    pub async fn publish(
        &self,
        id: &CampaignId,
        how: Publish,
        by: &str,
        together: impl Together<u32>,
    ) -> Result<u32, CampaignError> {
        for _ in 0..TRIES {
            let draft = self.stored_draft(id).await?;
            // The transaction makes sure that it is still this draft.
            if !how.only_if.holds(Some(&draft.saved)) {
                return Err(self.refusal(id, &how.only_if).await?);
            }
            let source = read_document(id, &draft.source)?;
            let name = shown_name(&source);
            let version = self
                .catalog
                .change(|catalog| {
                    if there_mut(catalog, id)?.saved != draft.saved {
                        return Ok((None, Vec::new()));
                    }
                    self.declare(catalog, &source)?;
                    let (at, fields) = (self.store.now(), catalog.field_types());
                    let per = source.document.per.as_ref();
                    let objects = per
                        .and_then(|kind| catalog.objects.get_key_value(kind))
                        .map(|(kind, definition)| (kind.clone(), definition.clone()))
                        .into_iter()
                        .collect_compactly();
                    let head = there_mut(catalog, id)?;
                    head.version += 1;
                    head.name.clone_from(&name);
                    head.followed = source.document.followed_fields();
                    head.per = per.cloned();
                    head.draft = false;
                    let mut resumes = false;
                    if head.withdrawn {
                        head.withdrawn = false;
                        resumes = head.standing().is_some_and(|standing| standing.paused);
                    }
                    if resumes {
                        let resumed = Reached::Resumed { skip: true, by: Some(by.to_owned()) };
                        head.timeline.reach(at, resumed);
                        head.pause = Paused::default();
                    }
                    let version = head.version;
                    let published = Reached::Published { version, migrate: how.migrate };
                    head.timeline.reach(at, published);
                    let milestones = how.migrate || resumes;
                    let enroll_existing = how.enroll_existing;
                    let follows = Follows { milestones, enroll_existing, by };
                    let jobs = self.follow(catalog, id, follows)?;
                    let restart_delay = self.defaults.restart_delay;
                    let source = draft.source.clone();
                    let stored = StoredVersion { source, fields, objects, restart_delay, at };
                    let stored = item(self.store.keys.version(id, version), &stored)?;
                    let mut writes = vec![Write::put(stored, Condition::Absent)];
                    writes.extend(jobs);
                    writes.extend(together(&version)?);
                    Ok::<_, CampaignError>((Some(version), writes))
                })
                .await?;
            // Otherwise the draft was saved again after it was read.
            if let Some(version) = version {
                self.jobs.dispatch_or_leave().await;
                return Ok(version);
            }
        }
        Err(Error::Contended(TRIES).into())
    }

    /// What publishing the draft would publish, or publishing this text in its place. Nothing is
    /// written.
    ///
    /// # Errors
    ///
    /// As [`Self::publish`].
    pub async fn proposed(
        &self,
        id: &CampaignId,
        text: Option<&str>,
        only_if: &OnlyIf,
    ) -> Result<Proposed, CampaignError> {
        let loaded = self.catalog.current().await?;
        let mut catalog = loaded.catalog.clone();
        let head = there(&catalog, id)?;
        if !only_if.holds(Some(&head.saved)) {
            return Err(self.refusal(id, only_if).await?);
        }
        let (version, published) = (head.version + 1, head.standing());
        let text = match text {
            Some(text) => text.to_owned(),
            None => self.stored_draft(id).await?.source,
        };
        let mut source = read_document(id, &text)?;
        self.declare(&mut catalog, &source)?;
        let mut findings = linting::with_findings(&text, &source, &loaded, Vec::new());
        findings.truncate(MOST_FINDINGS);
        let published = match published {
            Some(standing) => Some(self.catalog.version(id, standing.version).await?),
            None => None,
        };
        // The operator's delay is no difference between two versions.
        let delay = &mut source.document.settings.restart_delay;
        *delay = delay.or(self.defaults.restart_delay);
        Ok(Proposed { document: source.document, version, published, catalog, findings })
    }

    /// Declares in the catalog what a document declares, if it can be published.
    fn declare(
        &self,
        catalog: &mut Catalog,
        source: &LocatedDocument,
    ) -> Result<(), CampaignError> {
        let mut errors = self.problems(source, catalog);
        errors.retain(|problem| problem.severity == Severity::Error);
        if !errors.is_empty() {
            return Err(CampaignError::Invalid(errors));
        }
        for (key, field) in &source.document.fields {
            let full = |FieldsFull| CampaignError::Invalid(vec![too_many_fields()]);
            catalog.declare(key, field.clone()).map_err(full)?;
        }
        for (kind, wanted) in &source.document.objects {
            let refused = |why| CampaignError::Invalid(vec![object_refused(kind, &why)]);
            catalog.declare_object(kind, wanted).map_err(refused)?;
        }
        Ok(())
    }

    /// Opens the jobs that follow from a milestone.
    pub(super) fn follow(
        &self,
        catalog: &mut Catalog,
        id: &CampaignId,
        follows: Follows<'_>,
    ) -> Result<Vec<Write>, CampaignError> {
        let mut writes = Vec::new();
        if follows.milestones {
            let requested = Requested::of_campaign(JobKind::Milestones, id, None, follows.by);
            writes.extend(self.jobs.open(catalog, &requested)?.1);
        }
        let head = there_mut(catalog, id)?;
        // While a campaign is paused no contact enters: contacts that may enter are searched for on
        // the resume.
        let paused = head.standing().is_some_and(|standing| standing.paused);
        let per = head.per.clone();
        let enrolls = std::mem::take(&mut head.enrolls) || follows.enroll_existing;
        if paused {
            head.enrolls = enrolls;
        } else if enrolls {
            let requested =
                Requested::of_campaign(JobKind::EnrollExisting, id, per.as_ref(), follows.by);
            writes.extend(self.jobs.open(catalog, &requested)?.1);
        }
        Ok(writes)
    }
}

/// What follows from a milestone.
#[derive(Clone, Copy)]
pub(super) struct Follows<'a> {
    /// Every member follows it.
    pub(super) milestones: bool,
    /// Contacts that are there may enter.
    pub(super) enroll_existing: bool,
    /// The name of the API key that asked.
    pub(super) by: &'a str,
}
