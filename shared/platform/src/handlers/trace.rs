//! Changes and posts without any effect leave a line in the history, too (R60).
//!
//! | what | when it is written | why it is written once |
//! |---|---|---|
//! | a change without effect in any campaign | after all have seen it | its `rev`, in the key |
//! | a post without change, of what campaigns read | with the post | its content, and the `rev`s |
//!
//! As long as nothing else happens, the same post adds no second line. Either costs one write; a
//! change with an effect costs none. Writes of campaigns have their line in the decision that made
//! them.

use std::collections::BTreeMap;
use std::sync::Arc;

use dacapo_engine::campaign::Campaign;
use dacapo_engine::contact::{Author, Change, Contact, Patch};
use dacapo_engine::decide::{Situation, nothing_changed, why_no_effect};
use dacapo_engine::enrollment::Enrollment;
use dacapo_engine::hash::stable;
use dacapo_engine::history::{Cause, Changed, MOST_NO_EFFECTS, NoEffect, Trace};
use dacapo_engine::ids::{CampaignId, ContactId};
use serde::{Deserialize, Serialize};

use super::recording::HISTORY_KEPT;
use crate::catalog::{CatalogStore, Loaded};
use crate::enrollments::Decisions;
use crate::error::Error;
use crate::keys::{Keys, is_trace};
use crate::store::{Store, item, read};
use crate::table::{Condition, Query, TableError, Write};

/// How many of the newest items of the history are searched for a post's own line.
const LOOKED_BACK: usize = 8;

/// The line as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredTrace {
    /// The line itself.
    #[serde(rename = "x")]
    pub trace: Trace,
    /// For a post that changed nothing: what was sent, and the revisions of contact and
    /// enrollments.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<u64>,
}

/// A contact's enrollments.
type Enrollments = BTreeMap<CampaignId, Enrollment>;

/// Writes the lines of changes and posts without effect.
pub struct Traces {
    pub(crate) store: Arc<Store>,
    pub(crate) catalog: Arc<CatalogStore>,
    pub(crate) decisions: Arc<Decisions>,
}

impl Traces {
    /// Writes the lines of changes that had no effect in any campaign. Idempotent.
    pub(super) async fn nothing_followed(
        &self,
        loaded: &Loaded,
        contact: &Contact,
        changes: &[Change],
        enrollments: &Enrollments,
    ) -> Result<(), Error> {
        for change in changes.iter().filter(|change| is_from_outside(change)) {
            let left = contact.as_of(change.rev);
            let contact = left.as_ref().unwrap_or(contact);
            let no_effect = self.why_no_effect(loaded, contact, change, enrollments, false).await?;
            let is_read = |what: &Changed| reads(loaded, &contact.id, |reads| what.is_in(reads));
            let because = Cause::of(change, |key| contact.fields.get(key).cloned(), is_read);
            let trace = Trace { at: change.at, because, unchanged: false, no_effect };
            let key = self.store.keys.trace(&contact.id, change.at, change.rev, None);
            let stored = item(key, &StoredTrace { trace, identity: None })?;
            self.write_trace(Write::put(
                stored.expires(change.at + HISTORY_KEPT),
                Condition::Absent,
            ))
            .await?;
        }
        Ok(())
    }

    /// Writes the line of a post that changed nothing, if it was about something that campaigns
    /// read. The post has been accepted: if its line cannot be written, that is logged, and is no
    /// reason to post again.
    pub(crate) async fn nothing_changed(&self, contact: &Contact, patch: &Patch, by: &Author) {
        if let Err(error) = self.line_of_no_change(contact, patch, by).await {
            let contact = contact.id.as_str();
            tracing::warn!(
                contact, %error, "a post changed nothing, and has no line in the history"
            );
        }
    }

    async fn line_of_no_change(
        &self,
        contact: &Contact,
        patch: &Patch,
        by: &Author,
    ) -> Result<(), Error> {
        let loaded = self.catalog.current().await?;
        let mut read_of_it = patch.clone();
        let id = &contact.id;
        read_of_it.fields.retain(|key, _| reads(&loaded, id, |reads| reads.fields.contains(key)));
        read_of_it.remove.retain(|tag| reads(&loaded, id, |reads| reads.tags.contains(tag)));
        if read_of_it.fields.is_empty() && read_of_it.remove.is_empty() {
            return Ok(());
        }
        let now = self.store.now();
        let (what, change) = nothing_changed(contact, &read_of_it, by.clone(), now);
        let enrollments = self.decisions.enrollments(&contact.id).await?;
        let no_effect = self.why_no_effect(&loaded, contact, &change, &enrollments, true).await?;
        if no_effect.is_empty() {
            return Ok(());
        }
        let because = Cause::Change { rev: contact.rev, what, by: by.clone() };
        let trace = Trace { at: now, because, unchanged: true, no_effect };
        let identity = identity(&trace, contact, &enrollments);
        let partition = self.store.keys.contact_partition(&contact.id);
        let query = Query::of(&partition).prefix(Keys::HISTORY).descending().strong();
        let newest = self.store.table.query(query.limit(LOOKED_BACK)).await?;
        for stored in newest.items.iter().filter(|stored| is_trace(&stored.key)) {
            if read::<StoredTrace>(stored)?.identity == Some(identity) {
                return Ok(());
            }
        }
        let key = self.store.keys.trace(&contact.id, now, contact.rev, Some(identity));
        let stored = item(key, &StoredTrace { trace, identity: Some(identity) })?;
        self.write_trace(Write::put(stored.expires(now + HISTORY_KEPT), Condition::Absent)).await
    }

    async fn write_trace(&self, write: Write) -> Result<(), Error> {
        match self.store.write(vec![write]).await {
            // It was written before.
            Ok(()) | Err(TableError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The campaigns that looked at what was sent, from the enrollments as they were then.
    async fn why_no_effect(
        &self,
        loaded: &Loaded,
        contact: &Contact,
        change: &Change,
        enrollments: &Enrollments,
        unchanged: bool,
    ) -> Result<Vec<NoEffect>, Error> {
        let statuses =
            |other: &CampaignId| enrollments.get(other).map(|enrollment| enrollment.status);
        let person = match contact.id.is_object() {
            true => self.decisions.contacts.get(&contact.id.person()).await?,
            false => None,
        };
        let mut all = Vec::new();
        for (id, campaign) in &loaded.campaigns {
            let concerned =
                campaign.is_about(&contact.id) && concerns(campaign, std::slice::from_ref(change));
            if !concerned || all.len() >= MOST_NO_EFFECTS {
                continue;
            }
            let enrollment = enrollments.get(id);
            let campaign = self.decisions.with_version(campaign, enrollment).await?;
            let situation = Situation {
                account: &loaded.account,
                campaign: &campaign,
                contact,
                person: person.as_ref(),
                baseline: contact.rev,
                enrollment,
                statuses: &statuses,
                is_image: true,
                now: change.at,
            };
            all.extend(why_no_effect(&situation, change, unchanged));
        }
        all.truncate(MOST_NO_EFFECTS);
        Ok(all)
    }
}

/// Whether a change has no line yet from the decision that made it.
pub(super) fn is_from_outside(change: &Change) -> bool {
    !matches!(change.by, Author::Element(..))
}

/// Whether any element of any campaign about the subject reads this.
fn reads(
    loaded: &Loaded,
    subject: &ContactId,
    is_read: impl Fn(&dacapo_engine::condition::Reads) -> bool,
) -> bool {
    let about = loaded.campaigns.values().filter(|campaign| campaign.is_about(subject));
    let mut versions = about.flat_map(|campaign| campaign.versions.values());
    versions.any(|graph| is_read(graph.reads()))
}

/// Identifies a post that changed nothing: the same as long as nothing happens to the contact.
fn identity(trace: &Trace, contact: &Contact, enrollments: &Enrollments) -> u64 {
    let sent = serde_json::to_string(&trace.because).unwrap_or_default();
    let no_effect = trace.no_effect.iter().map(|one| &one.campaign);
    let stands: Vec<String> = no_effect
        .map(|id| format!("{id} {}", enrollments.get(id).map_or(0, |enrollment| enrollment.rev)))
        .collect();
    stable(&[sent.as_str(), &contact.rev.to_string(), &stands.join(" ")])
}

/// Whether a subject without enrollment could enter because of the changes.
pub(super) fn concerns(campaign: &Campaign, changes: &[Change]) -> bool {
    let mut versions = campaign.versions.values();
    versions.any(|graph| changes.iter().any(|change| graph.is_concerned_by(change)))
}
