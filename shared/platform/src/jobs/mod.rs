//! Jobs: work on many contacts, a page at a time.
//!
//! | item | holds |
//! |---|---|
//! | `JOB` | who asked for what, and how it ended |
//! | `LANE#…` | how far a part of the job is, and what it has counted |
//! | `PAGE#…` | the contacts of a page, fixed when they were first listed |
//!
//! A job is split into shards. A message in the queue is a step of a shard: it does some pages,
//! decides each contact, and stores its counts together with the place that it reached, on
//! condition that no other worker did. So a page counts once, however often it is done: the
//! enrollment remembers the job, which shows what was decided before.
//!
//! A job is about the account as it was when the job was requested, its *as of*: contacts that
//! enrolled later are not touched. Lists are eventually consistent, so a shard that listed contacts
//! too early goes through its list once more, for those that have appeared since. Jobs that concern
//! the same campaign are done one after the other.
//!
//! | file | is about |
//! |---|---|
//! | `lifecycle` | how a job begins, waits, and ends |
//! | `worker` | what a message does |
//! | `pages` | where the contacts of a page come from |
//! | `outcomes` | what is done to a contact, and how it counts |
//! | `objects` | whom a job would be about, in a campaign about objects: asked by `selection` |
//! | `selection` | how many there are; the dry run |
//! | `progress` | progress, the list, cancelling |
//! | `account` | what is erased after the contacts of an account |
//! | `reconciling` | what a contact waits for from timers and queues is ordered again |

mod account;
mod lifecycle;
mod objects;
mod outcomes;
mod pages;
mod progress;
mod reconciling;
mod requested;
mod selection;
mod worker;

use std::sync::Arc;

use chrono::serde::ts_milliseconds_option;
use dacapo_engine::enrollment::Status;
use dacapo_engine::ids::{CampaignId, ContactId, ObjectType, Tag};
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::catalog::CatalogStore;
use crate::orders::Orders;
use crate::store::Store;
use crate::table::Cursor;

pub use crate::catalog::OpenJob;
pub(crate) use account::AccountErasure;
pub use lifecycle::BeginError;
pub(crate) use outcomes::{PageParts, PageWork};
pub(crate) use pages::Pages;
pub use progress::{CancelError, Progress};
pub(crate) use reconciling::Reconciler;
pub use requested::Requested;
pub use selection::{Counted, Picked, Sample};
pub use worker::JobWorker;

/// The jobs of the account: begun, listed, counted, ended.
pub struct Jobs {
    pub(crate) store: Arc<Store>,
    pub(crate) catalog: Arc<CatalogStore>,
    pub(crate) orders: Arc<Orders>,
}

/// The most shards of a job.
pub const SHARDS: u32 = crate::keys::SHARDS;

/// What is done to each contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum JobKind {
    /// R16.
    StopCampaign {
        /// Whether it may enter again.
        reset_contacts: bool,
        /// Whether its contribution to the statistics is subtracted.
        reset_statistics: bool,
    },
    /// Held enrollments are released (R40).
    Release,
    /// A version was published, or a campaign resumed, and contacts that are there may enter (R6).
    EnrollExisting,
    /// Every member follows the campaign's milestones: a version in flight, a resume (R50, R51).
    Milestones,
    /// Everything about every contact is erased, and then everything else in the account.
    EraseAccount,
    /// Timers and messages are ordered again from the table: after a restore, or in a new stack.
    Reconcile {
        /// The instant to which the table was restored, if it was.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "ts_milliseconds_option")]
        restored_to: Option<Instant>,
        /// Until when messages are taken to have left.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "ts_milliseconds_option")]
        sent_until: Option<Instant>,
    },
}

impl JobKind {
    /// The word for it, as programs outside read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::StopCampaign { .. } => "stop_campaign",
            Self::Release => "release",
            Self::EnrollExisting => "enroll_existing",
            Self::Milestones => "milestones",
            Self::EraseAccount => "erase_account",
            Self::Reconcile { .. } => "reconcile",
        }
    }

    /// Whether it is done in campaigns, one after the other, and not to contacts as such.
    pub(crate) fn is_in_campaigns(self) -> bool {
        match self {
            Self::EraseAccount | Self::Reconcile { .. } => false,
            Self::StopCampaign { .. } | Self::Release | Self::EnrollExisting | Self::Milestones => {
                true
            }
        }
    }

    /// Whether it stops or releases: that is about those who were in the campaign when it was asked
    /// for.
    pub(crate) fn stops_or_releases(self) -> bool {
        match self {
            Self::StopCampaign { .. } | Self::Release => true,
            Self::EnrollExisting
            | Self::Milestones
            | Self::EraseAccount
            | Self::Reconcile { .. } => false,
        }
    }
}

/// Which contacts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// These, in pages that were made with the job; and a number of contacts that do not exist.
    Named {
        /// How many there are.
        there: u64,
        /// How many there are not.
        missing: u64,
    },
    /// Those that have the tag.
    Tag(Tag),
    /// Those that are in the campaign.
    Enrolled,
    /// All of them.
    Everybody,
    /// All objects of a type.
    Objects(ObjectType),
    /// Those that are in the campaign, narrowed.
    Members(Members),
}

/// Some of those that are in a campaign.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Members {
    /// The type of the objects that the campaigns are about. All members of such a campaign are
    /// objects of the type, so it says which campaigns are meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_type: Option<ObjectType>,
    /// Those that stand so in it when their turn comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

impl Selection {
    /// The tag that those who are meant have, if that is what makes them meant.
    pub(crate) fn tag(&self) -> Option<&Tag> {
        match self {
            Self::Tag(tag) => Some(tag),
            Self::Named { .. }
            | Self::Enrolled
            | Self::Everybody
            | Self::Objects(_)
            | Self::Members(_) => None,
        }
    }

    /// How those that are meant have to stand in the campaign.
    pub(crate) fn status(&self) -> Option<Status> {
        match self {
            Self::Members(members) => members.status,
            Self::Named { .. }
            | Self::Tag(_)
            | Self::Enrolled
            | Self::Everybody
            | Self::Objects(_) => None,
        }
    }
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// It waits for earlier jobs of the same campaigns, or for a campaign to be resumed.
    Queued,
    /// It is being done.
    Running,
    /// All of it was done.
    Completed,
    /// It is cancelled, and what was under way is done to its end. Never stored: see
    /// [`Job::ends_as`].
    Cancelling,
    /// It was cancelled; what was done stays done, and nothing more is done.
    Cancelled,
    /// It could not go on.
    Failed,
}

impl JobStatus {
    /// The word for it, as programs outside read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// Whether it is over: nothing more is done.
    pub fn is_over(self) -> bool {
        match self {
            Self::Queued | Self::Running | Self::Cancelling => false,
            Self::Completed | Self::Cancelled | Self::Failed => true,
        }
    }
}

/// A job as it is stored: who asked for what, when, and how it ended. It is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its sequence number among the account's jobs.
    pub seq: u64,
    /// What is done.
    #[serde(flatten)]
    pub kind: JobKind,
    /// The contacts that it is about.
    pub selection: Selection,
    /// In which campaigns, in order of id.
    pub campaigns: Vec<CampaignId>,
    /// Whether all campaigns were requested.
    #[serde(default)]
    pub all: bool,
    /// The name of the API key that asked.
    pub by: String,
    /// When it was requested: it is about the account as it was then.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub at: Instant,
    /// How many shards it has.
    #[serde(rename = "lanes")]
    pub shards: u32,
    /// How many pairs of contact and campaign there were when it was asked for, as the lists showed
    /// them.
    pub estimate: u64,
    /// Whether there were so many at least, since there was no time to count all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimate_is_a_minimum: bool,
    /// How it ended, if it has.
    pub status: JobStatus,
    /// How it ends as soon as no worker is at any of its shards: nothing new is begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_as: Option<JobStatus>,
    /// Why it could not go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "ts_milliseconds_option")]
    pub ended_at: Option<Instant>,
    /// What a dry run found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<Picked>,
    /// The number of writes.
    pub n: u64,
}

impl Job {
    /// Its id, as programs outside and the history know it.
    pub fn id(&self) -> String {
        format!("{PREFIX}{}", self.seq)
    }

    /// The sequence number of an id.
    pub fn seq_of(id: &str) -> Option<u64> {
        id.strip_prefix(PREFIX)?.parse().ok()
    }
}

/// How the ids of jobs begin.
const PREFIX: &str = "job-";

/// What was counted: pairs of contact and campaign.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// It was done, by this job or by a later one that committed first.
    pub done: u64,
    /// It could not be done.
    pub failed: u64,
    /// Nothing was to be done.
    pub skipped: u64,
}

impl Counts {
    /// All of them.
    pub fn sum(self) -> u64 {
        self.done + self.failed + self.skipped
    }

    fn add(&mut self, other: Self) {
        self.done += other.done;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// Something that could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactFailure {
    /// The contact.
    pub contact: ContactId,
    /// The campaign.
    pub campaign: Option<CampaignId>,
    /// The reason.
    pub reason: String,
}

/// How far a shard is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Shard {
    /// The number of the next step.
    #[serde(rename = "turn")]
    next_step: u32,
    /// Whether it has looked at its lists.
    begun: bool,
    /// Whether the lists showed everything before it began, so that it need not go through them
    /// again.
    settled: bool,
    /// How often it has been through the lists, from 0.
    pass: u8,
    /// Which of the job's campaigns it is at.
    campaign: u32,
    /// The next page in this campaign.
    page: u32,
    /// Where the list goes on behind the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<Cursor>,
    /// In the second pass: up to which page of the first it has looked.
    #[serde(default)]
    compared: u32,
    /// Contacts whose older changes have to come from the feed first, each with the campaign.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    late: Vec<(u32, ContactId)>,
    /// Since when some of them wait.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "ts_milliseconds_option")]
    waits: Option<Instant>,
    counts: Counts,
    /// The first failures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    failures: Vec<ContactFailure>,
    /// How many pages it has been through.
    pages: u32,
    /// The worker that has claimed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claim: Option<Claim>,
    ended: bool,
    /// The number of writes.
    n: u64,
}

/// A worker at a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    by: String,
    #[serde(with = "chrono::serde::ts_milliseconds")]
    until: Instant,
}

/// A page as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct StoredPage {
    contacts: Vec<ContactId>,
    /// Where the list goes on behind it; `None` on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<Cursor>,
}

/// How a contact counts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ContactOutcome {
    Done,
    Skipped,
    Failed(String),
    /// Its older changes have to come from the feed first.
    Late,
    /// It does not belong to the selection.
    Outside,
    /// The campaign is paused: no contact enters it now.
    Paused,
}
