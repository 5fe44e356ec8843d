//! What was last seen of an account: `.dacapo/accounts.json` in the folder.
//!
//! ```json
//! {"accounts": {"https://api.example": {"welcome": {"etag": "\"k3v0m2c5\"", "sha256": "…"}}}}
//! ```
//!
//! Of each campaign the tag of the draft, and the hash of its text. Without `etag` it was seen that
//! the account has it no more. `to_publish` says that it was pushed from here and is not published
//! yet. It holds no key and no text. It belongs to the files beside it, so it is committed with
//! them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dacapo_engine::ids::CampaignId;
use dacapo_platform::keys::sha256;
use serde_json::{Map, Value, json};

use super::account::is_tag;

use super::documents::{OWN, replace};

const NAME: &str = "accounts.json";

/// The longest file that is read, in bytes.
const LONGEST_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// What was seen of a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// The tag of the draft; `None` if there was none any more.
    pub(super) etag: Option<String>,
    pub(super) sha256: String,
    /// Whether it was pushed from here and is not published yet.
    pub(super) to_publish: bool,
}

impl Seen {
    /// A draft.
    pub(super) fn draft(etag: &str, text: &str) -> Self {
        Self { etag: Some(etag.to_owned()), sha256: sha256(text), to_publish: false }
    }

    /// Whether this is the text that was seen.
    pub(super) fn is(&self, text: &str) -> bool {
        self.sha256 == sha256(text)
    }
}

/// What was seen of one account.
#[derive(Debug)]
pub(super) struct Memory {
    root: PathBuf,
    account: String,
    seen: BTreeMap<CampaignId, Seen>,
    others: Map<String, Value>,
}

impl Memory {
    /// What the folder remembers of an account.
    ///
    /// # Errors
    ///
    /// That the file cannot be read.
    pub(super) fn read(root: &Path, account: &str) -> Result<Self, String> {
        let path = root.join(OWN).join(NAME);
        let damaged = |why: &str| {
            format!(
                "{}: {why}; if git has left both sides of a conflict in it, take the side whose \
                 campaigns are in the folder, or delete it: then `dacapo pull` remembers anew",
                path.display()
            )
        };
        let mut others = Map::new();
        match std::fs::metadata(&path) {
            Ok(there) if there.len() > LONGEST_FILE_BYTES => return Err(damaged("it is too long")),
            Ok(_) => {
                let text = std::fs::read_to_string(&path);
                let text = text.map_err(|error| damaged(&error.to_string()))?;
                let file: Value =
                    serde_json::from_str(&text).map_err(|error| damaged(&error.to_string()))?;
                let accounts = file["accounts"].as_object();
                others = accounts.ok_or_else(|| damaged("it has no `accounts`"))?.clone();
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(damaged(&error.to_string())),
        }
        let own = others.remove(account).unwrap_or_else(|| json!({}));
        let mut seen = BTreeMap::new();
        for (id, one) in own.as_object().ok_or_else(|| damaged("an account is no map"))? {
            let id = CampaignId::new(id).map_err(|why| damaged(&format!("{id:?}: {why}")))?;
            let sha256 = one["sha256"].as_str();
            let sha256 = sha256.ok_or_else(|| damaged(&format!("`{id}` has no `sha256`")))?;
            let etag = one["etag"].as_str().map(str::to_owned);
            // It is sent as a condition: `*` would overwrite whatever is there.
            if etag.as_deref().is_some_and(|etag| !is_tag(etag)) {
                return Err(damaged(&format!("the `etag` of `{id}` is no entity tag")));
            }
            let to_publish = one["to_publish"] == true;
            seen.insert(id, Seen { etag, sha256: sha256.to_owned(), to_publish });
        }
        let (root, account) = (root.to_owned(), account.to_owned());
        Ok(Self { root, account, seen, others })
    }

    pub(super) fn get(&self, id: &CampaignId) -> Option<&Seen> {
        self.seen.get(id)
    }

    pub(super) fn ids(&self) -> Vec<CampaignId> {
        self.seen.keys().cloned().collect()
    }

    /// Remembers a campaign, or forgets it; at once on disk, if that is anything new.
    pub(super) fn set(&mut self, id: &CampaignId, seen: Option<Seen>) -> Result<(), String> {
        if self.seen.get(id) == seen.as_ref() {
            return Ok(());
        }
        match seen {
            Some(seen) => self.seen.insert(id.clone(), seen),
            None => self.seen.remove(id),
        };
        let one = |(id, seen): (&CampaignId, &Seen)| {
            let mut one = Map::new();
            one.extend(seen.etag.iter().map(|etag| ("etag".to_owned(), json!(etag))));
            one.insert("sha256".to_owned(), json!(seen.sha256));
            if seen.to_publish {
                one.insert("to_publish".to_owned(), json!(true));
            }
            (id.to_string(), Value::Object(one))
        };
        let mut accounts = self.others.clone();
        accounts.insert(self.account.clone(), self.seen.iter().map(one).collect());
        let text = format!("{:#}\n", json!({ "accounts": accounts }));
        replace(&self.root, &self.root.join(OWN).join(NAME), &text)
    }

    /// The same for what may be published by now.
    pub(super) fn is_published(&mut self, id: &CampaignId) -> Result<(), String> {
        let seen = self.seen.get(id).cloned().map(|seen| Seen { to_publish: false, ..seen });
        self.set(id, seen)
    }
}
