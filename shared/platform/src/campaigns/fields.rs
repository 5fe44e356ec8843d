//! A custom field is removed, unless a published campaign needs it.

use std::collections::BTreeMap;

use dacapo_engine::campaign::reader;
use dacapo_engine::campaign::validate::{AccountView, validate};
use dacapo_engine::compact::CollectCompactly as _;
use dacapo_engine::ids::{CampaignId, FieldKey};

use super::{CampaignError, Campaigns, Written};
use crate::catalog::Catalog;
use crate::error::Error;
use crate::store::TRIES;

/// The outcome of removing a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldDeleted {
    /// It is gone.
    Yes,
    /// There was none.
    NoSuchField,
    /// These published campaigns read or write it.
    Needed(Vec<CampaignId>),
}

/// What the validator says of a missing field in a published version.
const MISSED: [&str; 2] = ["unknown_field", "unknown_placeholder"];

impl Campaigns {
    /// Removes a custom field. Values that contacts have stay with them until they are cleared or
    /// overwritten; nothing reads them any more. Refused while a version that contacts can be on
    /// could not be published without the field.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn delete_field(&self, key: &FieldKey) -> Result<FieldDeleted, Error> {
        for _ in 0..TRIES {
            let loaded = self.catalog.current().await?;
            if !loaded.catalog.fields.contains_key(key) {
                return Ok(FieldDeleted::NoSuchField);
            }
            let in_use = versions_in_use(&loaded.catalog);
            let mut needed = Vec::new();
            for (id, versions) in &in_use {
                if self.any_needs(&loaded.catalog, id, versions, key).await? {
                    needed.push(id.clone());
                }
            }
            if !needed.is_empty() {
                return Ok(FieldDeleted::Needed(needed));
            }
            let deleted = self
                .catalog
                .change(|catalog| {
                    // A version was published meanwhile: it is checked first.
                    let same = versions_in_use(catalog) == in_use;
                    if same {
                        catalog.fields.remove(key);
                    }
                    Ok::<_, Error>((same, Vec::new()))
                })
                .await?;
            if deleted {
                return Ok(FieldDeleted::Yes);
            }
        }
        Err(Error::Contended(TRIES))
    }

    async fn any_needs(
        &self,
        catalog: &Catalog,
        id: &CampaignId,
        versions: &[u32],
        key: &FieldKey,
    ) -> Result<bool, Error> {
        for version in versions {
            match self.published(id, *version).await {
                Ok(Written { source, .. }) if needs(&source, catalog, key) => return Ok(true),
                Ok(_) | Err(CampaignError::NoSuchVersion(..)) => {}
                Err(CampaignError::Failed(error)) => return Err(error),
                Err(other) => {
                    tracing::error!(campaign = id.as_str(), version, error = %other, "unreadable");
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// The versions that contacts can be on, of every campaign that is published, paused or not.
fn versions_in_use(catalog: &Catalog) -> BTreeMap<CampaignId, Vec<u32>> {
    let published = catalog.campaigns.iter().filter(|(_, head)| head.standing().is_some());
    published.map(|(id, head)| (id.clone(), head.timeline.versions_in_use())).collect_compactly()
}

/// Whether a document could no longer be published without the field: the validator knows every
/// place where a field is named.
fn needs(text: &str, catalog: &Catalog, key: &FieldKey) -> bool {
    let Ok(mut source) = reader::read(text) else { return true };
    let mut fields = catalog.fields.clone();
    fields.extend(source.document.fields.iter().map(|(key, field)| (key.clone(), field.clone())));
    source.document.fields.clear();
    let missed = |fields: &_| {
        let account = AccountView {
            fields,
            objects: &catalog.objects,
            subjects: &|_| None,
            campaigns: &|_| true,
            sender: true,
        };
        let problems = validate(&source, &account);
        problems.iter().filter(|problem| MISSED.contains(&problem.code)).count()
    };
    let before = missed(&fields);
    fields.remove(key);
    missed(&fields) > before
}
