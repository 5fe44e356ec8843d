//! Campaigns as people work on them: drafts, validation, and the list of campaigns.
//!
//! A draft is kept as it was written. It may have any errors, but it must be readable. A published
//! version never changes. A deleted campaign has no further effects, but its past stays: the
//! versions are kept, because messages that were sent are shown from them, and a campaign of the
//! same id goes on counting where the deleted one ended.

mod drafts;
mod example_hosts;
mod fields;
mod linting;
mod pausing;
mod publishing;
mod statistics;

use std::sync::Arc;

use dacapo_engine::campaign::format::Sender;
use dacapo_engine::campaign::reader::{self, LocatedDocument};
use dacapo_engine::campaign::validate::{AccountView, Subjects, validate};
use dacapo_engine::ids::{CampaignId, ObjectType};
use dacapo_engine::problem::{Problem, Severity};
use dacapo_engine::time::Span;

pub use crate::catalog::{Together, alone};
pub use drafts::{Changed, Draft, Drafts, OnlyIf, Saved};
pub use fields::FieldDeleted;
pub use pausing::{Pause, PausedTogether, Resume, ResumedTogether};
pub use publishing::{Proposed, Publish, State};
pub use statistics::{DayStatistics, ElementStatistics, MessageStatistics, Statistics};

use crate::Instant;
use crate::catalog::{
    Catalog, CatalogStore, FieldsFull, Head, MOST_FIELDS, ObjectTypeRefused, StoredVersion,
};
use crate::error::Error;
use crate::jobs::Jobs;
use crate::orders::Orders;
use crate::store::{Store, read};
use crate::table::{Condition, Write};

/// The longest document that is kept, in bytes: a version is one item, together with the account's
/// fields.
pub const LONGEST_DRAFT: usize = 300 * 1024;

/// Why a request about a campaign was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CampaignError {
    /// There is none of this id.
    #[error("there is no campaign `{0}`")]
    NoSuchCampaign(CampaignId),
    /// It has no such version.
    #[error("campaign `{0}` has no version {1}")]
    NoSuchVersion(CampaignId, u32),
    /// It is a draft only.
    #[error("campaign `{0}` was never published; publish it first")]
    NotPublished(CampaignId),
    /// Contacts are active in it.
    #[error(
        "{active} contacts are active in campaign `{campaign}`; pause it, stop them with a mass \
         action, and delete it then"
    )]
    InUse {
        /// The campaign.
        campaign: CampaignId,
        /// The number of contacts.
        active: u64,
    },
    /// The document is too long.
    #[error(
        "the document has {bytes} bytes; at most {LONGEST_DRAFT} are kept: link to images and \
         style sheets"
    )]
    TooLarge {
        /// How long it is.
        bytes: usize,
    },
    /// The document cannot be read, or not be published.
    #[error("the document has {} errors", .0.len())]
    Invalid(Vec<Problem>),
    /// Its draft is another one than the caller has seen.
    #[error("the draft of campaign `{}` is another one", .0.campaign)]
    Changed(Box<Changed>),
    /// The platform.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// How many findings are told when a campaign is published: the answer is kept with the request.
pub const MOST_FINDINGS: usize = 20;

/// A version as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The text, YAML or JSON.
    pub source: String,
    /// When it was published.
    pub at: Instant,
}

/// A campaign in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: CampaignId,
    /// The name that people see.
    pub name: String,
    /// Its standing.
    pub state: State,
    /// When the newest version was published.
    pub published_at: Option<Instant>,
    /// Whether the draft has changes that are not published yet.
    pub draft: bool,
}

/// Defaults, set by the operator of the platform.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Defaults {
    /// The sender of mail.
    pub sender: Option<Sender>,
    /// The restart delay (R12) of versions that are published from now on.
    pub restart_delay: Option<Span>,
}

/// The campaigns of the account: drafts, versions, statistics.
pub struct Campaigns {
    pub(crate) store: Arc<Store>,
    pub(crate) catalog: Arc<CatalogStore>,
    pub(crate) jobs: Arc<Jobs>,
    pub(crate) orders: Arc<Orders>,
    pub(crate) defaults: Defaults,
}

impl Campaigns {
    /// A published version as it was written, also of a campaign that was deleted since.
    ///
    /// # Errors
    ///
    /// [`CampaignError::NoSuchVersion`], and what the table answers.
    pub async fn published(&self, id: &CampaignId, version: u32) -> Result<Written, CampaignError> {
        let missing = || CampaignError::NoSuchVersion(id.clone(), version);
        let stored =
            self.store.get(&self.store.keys.version(id, version)).await.map_err(Error::from)?;
        let StoredVersion { source, at, .. } = read(&stored.ok_or_else(missing)?)?;
        Ok(Written { source, at })
    }

    /// The text of a published version, or of the draft.
    ///
    /// # Errors
    ///
    /// As [`Self::published`] and [`Self::draft`].
    pub async fn text(
        &self,
        id: &CampaignId,
        version: Option<u32>,
    ) -> Result<String, CampaignError> {
        Ok(match version {
            Some(version) => self.published(id, version).await?.source,
            None => self.draft(id).await?.source,
        })
    }

    /// The campaigns that are there, in order of id.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn list(&self) -> Result<Vec<Listed>, Error> {
        let loaded = self.catalog.current().await?;
        let there = loaded.catalog.campaigns.iter().filter(|(_, head)| head.is_there());
        Ok(there.map(|(id, head)| listed(id, head)).collect())
    }

    /// One of them.
    ///
    /// # Errors
    ///
    /// [`CampaignError::NoSuchCampaign`], and what the table answers.
    pub async fn head(&self, id: &CampaignId) -> Result<Listed, CampaignError> {
        Ok(listed(id, there(&self.catalog.current().await?.catalog, id)?))
    }

    /// Errors and warnings of a document, for the account as it is now, and what the lints find in
    /// it; also why it cannot be read.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn validate(
        &self,
        id: &CampaignId,
        text: &str,
    ) -> Result<Vec<Problem>, CampaignError> {
        match read_document(id, text) {
            Ok(source) => {
                let loaded = self.catalog.current().await?;
                let problems = self.problems(&source, &loaded.catalog);
                Ok(linting::with_findings(text, &source, &loaded, problems))
            }
            Err(CampaignError::Invalid(problems)) => Ok(problems),
            Err(error) => Err(error),
        }
    }

    /// What the lints find in the draft, at most [`MOST_FINDINGS`], and what of an example is left
    /// in it: nothing if it has errors.
    ///
    /// # Errors
    ///
    /// [`CampaignError::NoSuchCampaign`]; what the table answers.
    pub async fn findings(&self, id: &CampaignId) -> Result<Vec<Problem>, CampaignError> {
        let draft = self.stored_draft(id).await?;
        let found = match read_document(id, &draft.source) {
            Ok(source) => {
                let loaded = self.catalog.current().await?;
                let left = example_hosts::warning(&source.document);
                let mut found = linting::with_findings(&draft.source, &source, &loaded, Vec::new());
                found.truncate(MOST_FINDINGS - 1);
                found.extend(left);
                found
            }
            Err(_) => Vec::new(),
        };
        Ok(found)
    }

    /// Deletes a campaign. A draft is deleted completely. A campaign that was published is no
    /// longer listed, but its versions, history, messages and statistics stay. Published again, it
    /// goes on with the next version, and contacts that completed it still have completed it.
    ///
    /// # Errors
    ///
    /// [`CampaignError::InUse`] while contacts are active in it, paused or not;
    /// [`CampaignError::NoSuchCampaign`]; [`CampaignError::Changed`] unless `only_if` holds.
    pub async fn delete(&self, id: &CampaignId, only_if: &OnlyIf) -> Result<(), CampaignError> {
        if self.head(id).await?.state != State::Draft {
            let active = self.statistics(id).await?.active;
            if active > 0 {
                return Err(CampaignError::InUse { campaign: id.clone(), active });
            }
        }
        let is_gone = self.catalog.change(|catalog| {
            let head = there_mut(catalog, id)?;
            if !only_if.holds(Some(&head.saved)) {
                return Ok::<_, CampaignError>((false, Vec::new()));
            }
            if head.version == 0 {
                catalog.campaigns.remove(id);
            } else {
                head.withdrawn = true;
                head.draft = false;
                head.saved.clear();
                head.enrolls = false;
            }
            Ok((true, vec![Write::delete(self.store.keys.draft(id), Condition::Always)]))
        });
        if is_gone.await? { Ok(()) } else { Err(self.refusal(id, only_if).await?) }
    }
}

/// Reads a document that is to be kept as this campaign's.
fn read_document(id: &CampaignId, text: &str) -> Result<LocatedDocument, CampaignError> {
    if text.len() > LONGEST_DRAFT {
        return Err(CampaignError::TooLarge { bytes: text.len() });
    }
    let source = reader::read(text).map_err(CampaignError::Invalid)?;
    if source.document.id != *id {
        return Err(CampaignError::Invalid(vec![Problem {
            severity: Severity::Error,
            code: "other_id",
            path: "id".to_owned(),
            line: None,
            column: None,
            message: format!("the document is of campaign `{}`, not of `{id}`", source.document.id),
            remedy: format!("write `id: {id}`, or save it as `{}`", source.document.id),
        }]));
    }
    Ok(source)
}

impl Campaigns {
    /// Errors and warnings of a document in this account.
    /// What a campaign is about, as far as it is known: the draft that is checked may still change
    /// that, as long as it was never published.
    fn subjects(
        &self,
        source: &LocatedDocument,
        catalog: &Catalog,
        id: &CampaignId,
    ) -> Option<Subjects> {
        let head = catalog.campaigns.get(id)?;
        let known = head.version > 0 || *id != source.document.id;
        known.then(|| Subjects::of(head.per.as_ref()))
    }

    fn problems(&self, source: &LocatedDocument, catalog: &Catalog) -> Vec<Problem> {
        let known = |id: &CampaignId| there(catalog, id).is_ok();
        let sender = catalog.settings.sender.is_some() || self.defaults.sender.is_some();
        let account = AccountView {
            fields: &catalog.fields,
            objects: &catalog.objects,
            subjects: &|id| self.subjects(source, catalog, id),
            campaigns: &known,
            sender,
        };
        let mut problems = validate(source, &account);
        let declared = source.document.fields.keys();
        let new = declared.filter(|key| !catalog.fields.contains_key(*key)).count();
        if new > 0 && catalog.fields.len() + new > MOST_FIELDS {
            problems.push(too_many_fields());
        }
        problems
    }
}

/// The document declares more fields than fit into the account.
fn too_many_fields() -> Problem {
    Problem {
        severity: Severity::Error,
        code: "too_many_fields",
        path: "fields".to_owned(),
        line: None,
        column: None,
        message: FieldsFull.to_string(),
        remedy: "declare fewer, or take away fields that nobody needs".to_owned(),
    }
}

/// A type of objects cannot be made as the document declares it.
fn object_refused(kind: &ObjectType, why: &ObjectTypeRefused) -> Problem {
    Problem {
        severity: Severity::Error,
        code: "object_type",
        path: format!("objects.{kind}"),
        line: None,
        column: None,
        message: why.to_string(),
        remedy: "change the declaration, or leave out what the account has already".to_owned(),
    }
}

/// The name that people see: the id, where none is given.
fn shown_name(source: &LocatedDocument) -> String {
    let document = &source.document;
    let name = document.name.trim();
    if name.is_empty() { document.id.to_string() } else { name.to_owned() }
}

fn listed(id: &CampaignId, head: &Head) -> Listed {
    Listed {
        id: id.clone(),
        name: head.name.clone(),
        state: State::of(head),
        published_at: head.standing().and_then(|_| head.timeline.published_at()),
        draft: head.draft,
    }
}

fn there<'a>(catalog: &'a Catalog, id: &CampaignId) -> Result<&'a Head, CampaignError> {
    let head = catalog.campaigns.get(id).filter(|head| head.is_there());
    head.ok_or_else(|| CampaignError::NoSuchCampaign(id.clone()))
}

fn there_mut<'a>(catalog: &'a mut Catalog, id: &CampaignId) -> Result<&'a mut Head, CampaignError> {
    let head = catalog.campaigns.get_mut(id).filter(|head| head.is_there());
    head.ok_or_else(|| CampaignError::NoSuchCampaign(id.clone()))
}
