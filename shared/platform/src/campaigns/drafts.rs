//! Drafts: saved and read, and on what condition they are replaced, published or deleted.
//!
//! Every draft that is saved gets an identity of its own, which stands in the campaign's head, too.
//! What a caller has seen ([`OnlyIf`]) is compared with it in the conditional write of the catalog
//! that replaces, publishes or deletes the draft: nobody can come between. A draft is kept as it
//! was written, with the name of the API key that wrote it.

use dacapo_authoring::difference::Difference;
use dacapo_engine::campaign::reader::{self, LocatedDocument};
use dacapo_engine::ids::CampaignId;
use dacapo_engine::problem::Problem;
use serde::{Deserialize, Serialize};

use super::{CampaignError, Campaigns, read_document, shown_name, there};
use crate::Instant;
use crate::error::Error;
use crate::store::{TRIES, item, read};
use crate::table::{Condition, Write};

/// The outcome of saving a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// Whether there was no campaign of this id before.
    pub created: bool,
    /// The name that people see.
    pub name: String,
    /// Errors that prevent publishing, and warnings.
    pub problems: Vec<Problem>,
    /// The identity of the draft.
    pub identity: String,
}

/// A draft as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The text, YAML or JSON.
    pub source: String,
    /// What names it alone: the next one that is saved has another, also if it says the same.
    pub identity: String,
    /// The name of the API key that wrote it; `None` if it was stored before this was kept.
    pub by: Option<String>,
    /// When it was saved.
    pub at: Instant,
}

/// Some drafts of a campaign, by their identities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drafts {
    /// Whichever there is.
    Any,
    /// These.
    Of(Vec<String>),
}

impl Drafts {
    fn has(&self, there: Option<&str>) -> bool {
        match (self, there) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::Of(identities), Some(there)) => identities.iter().any(|one| one == there),
        }
    }
}

/// The draft that has to be there for a call to be done; by default it does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OnlyIf {
    /// There is one of these.
    pub there: Option<Drafts>,
    /// There is none of these.
    pub absent: Option<Drafts>,
}

impl OnlyIf {
    /// Whether that is so with the draft of this identity, or with none.
    pub(super) fn holds(&self, identity: Option<&str>) -> bool {
        self.there.as_ref().is_none_or(|seen| seen.has(identity))
            && self.absent.as_ref().is_none_or(|seen| !seen.has(identity))
    }
}

/// A draft is not the one that the caller has seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// Of this campaign.
    pub campaign: CampaignId,
    /// The draft that is there; `None` if there is none any more.
    pub draft: Option<Draft>,
    /// What is different in the document that was sent instead, if one was.
    pub difference: Option<Difference>,
}

/// A draft as it is stored.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredDraft {
    pub(super) source: String,
    /// Its identity in the head.
    pub(super) saved: String,
    #[serde(with = "chrono::serde::ts_milliseconds")]
    at: Instant,
    /// The name of the API key that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

impl From<StoredDraft> for Draft {
    fn from(stored: StoredDraft) -> Self {
        let StoredDraft { source, saved, at, by } = stored;
        Self { source, identity: saved, by, at }
    }
}

impl Campaigns {
    /// Saves a draft. Errors in a readable document are answered, and do not prevent saving. `by`
    /// is the name of the API key that asks. If exactly this text is there already where another
    /// draft was seen, it was saved by a call whose answer was lost: that one is answered.
    ///
    /// # Errors
    ///
    /// [`CampaignError::TooLarge`]; [`CampaignError::Invalid`] if it cannot be read or has another
    /// id; [`CampaignError::Changed`] unless `only_if` holds.
    pub async fn put_draft(
        &self,
        id: &CampaignId,
        text: &str,
        by: &str,
        only_if: &OnlyIf,
    ) -> Result<Saved, CampaignError> {
        let source = read_document(id, text)?;
        for _ in 0..TRIES {
            if let Some(saved) = self.save(id, text, &source, by, only_if).await? {
                return Ok(saved);
            }
            let found = self.changed(id, only_if).await?;
            let Some(changed) = found else { continue };
            return match changed.draft {
                Some(draft) if draft.source == text && only_if.absent.is_none() => {
                    let catalog = &self.catalog.current().await?.catalog;
                    let name = there(catalog, id)?.name.clone();
                    let problems = self.problems(&source, catalog);
                    Ok(Saved { created: false, name, problems, identity: draft.identity })
                }
                draft => {
                    let before = draft.as_ref().and_then(|draft| reader::read(&draft.source).ok());
                    let before = before.map(|before| before.document);
                    let difference =
                        before.map(|before| Difference::between(&before, &source.document));
                    let changed = Changed { draft, difference, ..changed };
                    Err(CampaignError::Changed(Box::new(changed)))
                }
            };
        }
        Err(Error::Contended(TRIES).into())
    }

    /// Saves it, unless another draft is there: `None`.
    async fn save(
        &self,
        id: &CampaignId,
        text: &str,
        source: &LocatedDocument,
        by: &str,
        only_if: &OnlyIf,
    ) -> Result<Option<Saved>, CampaignError> {
        let name = shown_name(source);
        let (identity, at) = (self.store.new_write_id(), self.store.now());
        self.catalog
            .change(|catalog| {
                let found = there(catalog, id).ok();
                if !only_if.holds(found.map(|head| head.saved.as_str())) {
                    return Ok((None, Vec::new()));
                }
                let created = found.is_none();
                let problems = self.problems(source, catalog);
                let head = catalog.campaigns.entry(id.clone()).or_default();
                head.saved.clone_from(&identity);
                head.draft = true;
                if head.version == 0 {
                    head.per = source.document.per.clone();
                }
                if head.standing().is_none() {
                    head.name.clone_from(&name);
                }
                let (name, saved) = (head.name.clone(), identity.clone());
                let (source, by) = (text.to_owned(), Some(by.to_owned()));
                let draft = StoredDraft { source, saved, at, by };
                let write = Write::put(item(self.store.keys.draft(id), &draft)?, Condition::Always);
                let saved = Saved { created, name, problems, identity: identity.clone() };
                Ok((Some(saved), vec![write]))
            })
            .await
    }

    /// The draft as it was written. It is kept after publishing.
    ///
    /// # Errors
    ///
    /// [`CampaignError::NoSuchCampaign`], and what the table answers.
    pub async fn draft(&self, id: &CampaignId) -> Result<Draft, CampaignError> {
        Ok(self.stored_draft(id).await?.into())
    }

    pub(super) async fn stored_draft(&self, id: &CampaignId) -> Result<StoredDraft, CampaignError> {
        let stored = self.find_draft(id).await?;
        stored.ok_or_else(|| CampaignError::NoSuchCampaign(id.clone()))
    }

    async fn find_draft(&self, id: &CampaignId) -> Result<Option<StoredDraft>, CampaignError> {
        let stored = self.store.get(&self.store.keys.draft(id)).await.map_err(Error::from)?;
        Ok(stored.map(|stored| read(&stored)).transpose()?)
    }

    /// Why a call is refused whose condition did not hold.
    pub(super) async fn refusal(
        &self,
        id: &CampaignId,
        only_if: &OnlyIf,
    ) -> Result<CampaignError, CampaignError> {
        let changed = self.changed(id, only_if).await?;
        let again = || Error::Contended(1).into();
        Ok(changed.map_or_else(again, |changed| CampaignError::Changed(Box::new(changed))))
    }

    /// What the caller has not seen; `None` if the condition holds by now.
    async fn changed(
        &self,
        id: &CampaignId,
        only_if: &OnlyIf,
    ) -> Result<Option<Changed>, CampaignError> {
        let draft = self.find_draft(id).await?;
        let holds = only_if.holds(draft.as_ref().map(|draft| draft.saved.as_str()));
        let draft = draft.map(Draft::from);
        let changed = || Changed { campaign: id.clone(), draft, difference: None };
        Ok((!holds).then(changed))
    }
}
