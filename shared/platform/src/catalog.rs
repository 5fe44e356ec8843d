//! The catalog: the account's settings and fields, and the head of every campaign.
//!
//! One item, read strongly, so that a trigger two seconds after publishing meets the new version:
//! by every decision, or once for the work of one invocation ([`Platform::at_work`]). Published
//! versions never change; they are read once and kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use dacapo_engine::account::Account;
use dacapo_engine::campaign::format::{Email, FieldDefinition, Sender};
use dacapo_engine::campaign::graph::Graph;
use dacapo_engine::campaign::reader;
use dacapo_engine::campaign::{Campaign, Standing, Timeline};
use dacapo_engine::contact::Consent;
use dacapo_engine::conventions::DateOrder;
use dacapo_engine::enrollment::Enrollment;
use dacapo_engine::field::FieldType;
use dacapo_engine::ids::{CampaignId, FieldKey};
use dacapo_engine::time::Span;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::error::Error;
use crate::jobs::OpenJob;
use crate::mail::read_by;
use crate::platform::{Platform, TRIES, item, read};
use crate::table::{Condition, Since, TableError, Write};

/// The account's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The zone of its calendar days, and of contacts that have none.
    pub time_zone: String,
    /// The language of contacts that have none.
    pub locale: String,
    /// How dates such as `03/12/2026` are read; they are refused while nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_order: Option<DateOrder>,
    /// The consent of contacts that are posted without one.
    pub default_consent: Consent,
    /// Who mail comes from, where a campaign does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<Sender>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            time_zone: "UTC".to_owned(),
            locale: "en".to_owned(),
            date_order: None,
            default_consent: Consent::Subscribed,
            sender: None,
        }
    }
}

/// The head of a campaign.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The name that people see: the newest version's, else the draft's.
    pub name: String,
    /// What happened to it; empty before the first publishing.
    #[serde(default)]
    pub timeline: Timeline,
    /// The newest version, 0 before the first publishing.
    #[serde(default)]
    pub version: u32,
    /// Whether the draft says something that is not published yet.
    #[serde(default)]
    pub draft: bool,
    /// The identity of the draft as it was last saved: what a draft that was read is compared with
    /// before it is published.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub saved: String,
    /// Whether it was deleted after it had been published: nothing happens in it until it is
    /// published again.
    #[serde(default)]
    pub withdrawn: bool,
    /// Whether contacts that are there may enter when it is resumed: it was paused when that was
    /// asked for.
    #[serde(default)]
    pub enrolls: bool,
    /// The fields whose dates timers of the newest version follow.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub followed: BTreeSet<FieldKey>,
}

impl Head {
    /// How the campaign stands; nothing while it is not published.
    pub fn standing(&self) -> Option<Standing> {
        if self.withdrawn { None } else { self.timeline.standing() }
    }

    /// Since when the campaign is paused, if it is.
    pub fn paused_since(&self) -> Option<Instant> {
        if self.withdrawn { None } else { self.timeline.paused_since() }
    }

    /// Whether it is there for people: a draft, or published. What was withdrawn is kept for its
    /// versions only.
    pub fn is_there(&self) -> bool {
        !self.withdrawn || self.draft
    }
}

/// What the catalog item holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    /// Settings.
    pub settings: Settings,
    /// Custom fields.
    pub fields: BTreeMap<FieldKey, FieldDefinition>,
    /// Campaigns, in order of id.
    pub campaigns: BTreeMap<CampaignId, Head>,
    /// The key of signed links.
    #[serde(default)]
    pub secret: String,
    /// How many API keys were deleted. Whoever knows a key as of a revision of the catalog need not
    /// read it again.
    #[serde(default, skip_serializing_if = "crate::is_zero")]
    pub keys_deleted: u64,
    /// The last sequence number given to a job.
    #[serde(default)]
    pub jobs: u64,
    /// The jobs that are not over, in the order of their numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<OpenJob>,
    /// What was due up to this instant is taken to have happened, and its messages to have left:
    /// the table was restored.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "chrono::serde::ts_milliseconds_option"
    )]
    pub sent_until: Option<Instant>,
    /// The job that is erasing the account, if one is: meanwhile nothing new is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased_by: Option<u64>,
}

impl Catalog {
    /// A campaign whose timers follow the dates in a field, if there is one.
    pub fn followed_by(&self, field: &str) -> Option<&CampaignId> {
        let mut published = self.campaigns.iter().filter(|(_, head)| head.standing().is_some());
        published.find(|(_, head)| head.followed.contains(field)).map(|(id, _)| id)
    }

    /// The account, as decisions need it.
    pub fn account(&self) -> Account {
        Account {
            zone: self.settings.time_zone.parse().unwrap_or_default(),
            locale: self.settings.locale.clone(),
            sent_until: self.sent_until,
        }
    }

    /// Makes a field, unless there is one of this key already. Answers the type that it has.
    ///
    /// # Errors
    ///
    /// [`FieldsFull`].
    pub fn declare(
        &mut self,
        key: &FieldKey,
        field: FieldDefinition,
    ) -> Result<FieldType, FieldsFull> {
        if let Some(there) = self.fields.get(key) {
            return Ok(there.kind);
        }
        if self.fields.len() >= MOST_FIELDS {
            return Err(FieldsFull);
        }
        let kind = field.kind;
        self.fields.insert(key.clone(), field);
        Ok(kind)
    }

    /// The types of the custom fields.
    pub fn field_types(&self) -> BTreeMap<FieldKey, FieldType> {
        self.fields.iter().map(|(key, field)| (key.clone(), field.kind)).collect()
    }
}

/// The most custom fields that an account has: they all stand in one item.
pub const MOST_FIELDS: usize = 500;

/// The account has as many fields as it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an account has at most {MOST_FIELDS} fields; DELETE /v1/fields/{{key}} takes away one that nobody needs"
)]
pub struct FieldsFull;

/// A stored version: what people wrote, and the account's fields at the time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredVersion {
    pub(crate) source: String,
    pub(crate) fields: BTreeMap<FieldKey, FieldType>,
    /// The restart delay for a document that does not say, as it was then: a version never changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) restart_delay: Option<Span>,
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub(crate) at: Instant,
}

/// The catalog as it was read, with its campaigns ready for decisions.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Its revision, 0 before the first write.
    pub rev: u64,
    /// What it holds.
    pub catalog: Catalog,
    /// The account.
    pub account: Account,
    /// Published campaigns with the versions that their timelines name.
    pub campaigns: BTreeMap<CampaignId, Arc<Campaign>>,
    /// Campaigns whose versions cannot be read.
    pub broken: BTreeMap<CampaignId, Error>,
}

impl Loaded {
    /// The other campaigns that ask for a contact's status in this one.
    pub(crate) fn asking_for<'a>(
        &'a self,
        campaign: &'a CampaignId,
    ) -> impl Iterator<Item = &'a CampaignId> {
        let asks = move |other: &Campaign| {
            other.versions.values().any(|graph| graph.reads().campaigns.contains(campaign))
        };
        self.campaigns
            .iter()
            .filter(move |(id, other)| *id != campaign && asks(other))
            .map(|(id, _)| id)
    }

    /// Whether it is as new as an enrollment: all milestones that were applied to that one are in
    /// it.
    pub(crate) fn knows(&self, campaign: &CampaignId, enrollment: &Enrollment) -> bool {
        let timeline = self.campaigns.get(campaign).map(|campaign| &campaign.timeline);
        timeline.is_some_and(|timeline| timeline.count() >= enrollment.milestones)
    }
}

/// The catalog as it was read for one invocation, once it was.
#[derive(Default)]
pub(crate) struct Pinned(Mutex<Option<(Arc<Loaded>, Instant)>>);

/// Campaign, version and key of an e-mail.
type EmailName = (CampaignId, u32, String);

#[derive(Default)]
pub(crate) struct CatalogCache {
    loaded: Mutex<Option<Arc<Loaded>>>,
    /// The revision that was last read or written.
    known: AtomicU64,
    versions: Mutex<HashMap<(CampaignId, u32), Arc<Graph>>>,
    placeholders: Mutex<HashMap<EmailName, Arc<BTreeSet<String>>>>,
}

impl CatalogCache {
    /// Whoever reads may be late: a revision only grows, unless the account was erased and begins
    /// anew.
    fn knows(&self, rev: u64) {
        if rev <= 1 {
            self.known.store(rev, Ordering::Relaxed);
        } else {
            self.known.fetch_max(rev, Ordering::Relaxed);
        }
    }

    /// How many campaigns there were when the catalog was last read; none where it never was.
    pub(crate) fn campaigns(&self) -> usize {
        let loaded = self.loaded.lock().ok().and_then(|loaded| loaded.clone());
        loaded.map_or(0, |loaded| loaded.catalog.campaigns.len())
    }
}

impl Platform {
    /// The platform for the work of one invocation: it reads the catalog once, when it is first
    /// needed, and again only if it meets a change that was made later. To be called when the work
    /// is there, and let go with it.
    #[must_use]
    pub fn at_work(&self) -> Self {
        Self { pinned: Some(Arc::default()), ..self.clone() }
    }

    /// The revision of the catalog that whoever writes a contact now knows; nothing if that is not
    /// known for certain. Nothing is read for it.
    pub(crate) fn known_catalog(&self) -> Option<u64> {
        if self.alone {
            return Some(self.catalog.known.load(Ordering::Relaxed));
        }
        let pinned = self.pinned.as_ref()?.0.lock().ok()?;
        pinned.as_ref().map(|(loaded, _)| loaded.rev)
    }

    /// The catalog as it is now, or as it was when the invocation first needed it.
    ///
    /// # Errors
    ///
    /// What the table answers. A campaign that cannot be read is listed as broken, and does not
    /// keep the others from being decided.
    pub async fn catalog(&self) -> Result<Arc<Loaded>, Error> {
        self.catalog_for(Instant::MIN_UTC).await
    }

    /// The catalog as it was after a change at `changed`, or later: whoever looks at a change must
    /// know what was published before it.
    pub(crate) async fn catalog_for(&self, changed: Instant) -> Result<Arc<Loaded>, Error> {
        Ok(self.catalog_as_of(changed).await?.0)
    }

    /// The same, and since when it may be out of date.
    pub(crate) async fn catalog_as_of(
        &self,
        changed: Instant,
    ) -> Result<(Arc<Loaded>, Instant), Error> {
        if let Some(pinned) = &self.pinned
            && let Ok(pinned) = pinned.0.lock()
            && let Some((loaded, at)) = &*pinned
            && changed < *at
        {
            return Ok((Arc::clone(loaded), *at));
        }
        let now = self.now();
        let loaded = self.read_catalog().await?;
        if let Some(pinned) = &self.pinned
            && let Ok(mut pinned) = pinned.0.lock()
        {
            *pinned = Some((Arc::clone(&loaded), now));
        }
        Ok((loaded, now))
    }

    /// The catalog as it was last read, however long ago, for what does not change, such as the
    /// secret; it is read if there is none with a secret yet.
    pub(crate) async fn catalog_of_late(&self) -> Result<Arc<Loaded>, Error> {
        let known = self.catalog.loaded.lock().ok().and_then(|loaded| loaded.clone());
        match known.filter(|known| !known.catalog.secret.is_empty()) {
            Some(known) => Ok(known),
            None => self.catalog().await,
        }
    }

    async fn read_catalog(&self) -> Result<Arc<Loaded>, Error> {
        let known = self.catalog.loaded.lock().ok().and_then(|loaded| loaded.clone());
        let rev = known.as_ref().map_or(0, |known| known.rev);
        let stored = match (self.ports.table.get_since(&self.keys.catalog(), rev).await?, known) {
            (Since::Same, Some(known)) => {
                self.catalog.knows(known.rev);
                return Ok(known);
            }
            (Since::Same, None) => None,
            (Since::Now(stored), _) => stored,
        };
        let rev = stored.as_ref().and_then(|item| item.rev).unwrap_or(0);
        self.catalog.knows(rev);
        let catalog: Catalog = match &stored {
            Some(item) => read(item)?,
            None => Catalog::default(),
        };
        let mut campaigns = BTreeMap::new();
        let mut broken = BTreeMap::new();
        for (id, head) in &catalog.campaigns {
            match self.campaign(id, head).await {
                Ok(campaign) => {
                    campaigns.extend(campaign.map(|campaign| (id.clone(), Arc::new(campaign))));
                }
                Err(error) if error.retryability() == crate::error::Retryability::Permanent => {
                    broken.insert(id.clone(), error);
                }
                Err(error) => return Err(error),
            }
        }
        let account = catalog.account();
        let complete = broken.is_empty();
        let loaded = Arc::new(Loaded { rev, catalog, account, campaigns, broken });
        if complete && let Ok(mut cache) = self.catalog.loaded.lock() {
            *cache = Some(Arc::clone(&loaded));
        }
        Ok(loaded)
    }

    async fn campaign(&self, id: &CampaignId, head: &Head) -> Result<Option<Campaign>, Error> {
        if head.standing().is_none() {
            return Ok(None);
        }
        let mut versions = BTreeMap::new();
        for version in head.timeline.versions() {
            versions.insert(version, self.version(id, version).await?);
        }
        Ok(Some(Campaign { id: id.clone(), timeline: head.timeline.clone(), versions }))
    }

    /// A published version, ready to be walked.
    ///
    /// # Errors
    ///
    /// [`Error::NoVersion`] or [`Error::Unreadable`] if it is not there or cannot be read.
    pub async fn version(&self, id: &CampaignId, version: u32) -> Result<Arc<Graph>, Error> {
        let name = (id.clone(), version);
        if let Some(graph) =
            self.catalog.versions.lock().ok().and_then(|all| all.get(&name).cloned())
        {
            return Ok(graph);
        }
        let missing = || Error::NoVersion(id.clone(), version);
        let stored = self.get(&self.keys.version(id, version)).await?.ok_or_else(missing)?;
        let stored: StoredVersion = read(&stored)?;
        let mut source = reader::read(&stored.source).map_err(|_| missing())?;
        let settings = &mut source.document.settings;
        settings.restart_delay = settings.restart_delay.or(stored.restart_delay);
        let graph = Arc::new(Graph::new(version, source.document, &stored.fields));
        if let Ok(mut versions) = self.catalog.versions.lock() {
            versions.insert(name, Arc::clone(&graph));
        }
        Ok(graph)
    }

    /// The placeholders that an e-mail of a published version reads.
    pub(crate) fn read_by(&self, graph: &Graph, key: &str, email: &Email) -> Arc<BTreeSet<String>> {
        let name = (graph.document.id.clone(), graph.version, key.to_owned());
        let Ok(mut known) = self.catalog.placeholders.lock() else {
            return Arc::new(read_by(email).collect());
        };
        Arc::clone(known.entry(name).or_insert_with(|| Arc::new(read_by(email).collect())))
    }

    /// Changes the catalog, on condition that nobody else did meanwhile. `change` may be called
    /// several times; the writes it answers are made together with the change, or not at all.
    ///
    /// # Errors
    ///
    /// What `change` refuses, or the table.
    pub async fn change_catalog<T, E: From<Error>>(
        &self,
        mut change: impl FnMut(&mut Catalog) -> Result<(T, Vec<Write>), E>,
    ) -> Result<T, E> {
        for _ in 0..TRIES {
            let loaded = self.read_catalog().await?;
            let mut catalog = loaded.catalog.clone();
            let (answer, with_it) = change(&mut catalog)?;
            for (id, head) in &mut catalog.campaigns {
                let before = loaded.catalog.campaigns.get(id);
                let before = before.map_or(0, |before| before.timeline.count());
                head.timeline.written_in(before, loaded.rev + 1);
            }
            if catalog == loaded.catalog && with_it.is_empty() {
                return Ok(answer);
            }
            if catalog.secret.is_empty() {
                catalog.secret = self.ports.entropy.text(40);
            }
            let stored = item(self.keys.catalog(), &catalog)?.rev(loaded.rev + 1);
            let condition =
                if loaded.rev == 0 { Condition::Absent } else { Condition::Rev(loaded.rev) };
            let mut writes = vec![Write::put(stored, condition)];
            writes.extend(with_it);
            match self.write(writes).await {
                Ok(()) => {
                    self.catalog.knows(loaded.rev + 1);
                    return Ok(answer);
                }
                Err(TableError::Conflict { which: 0, .. } | TableError::Contended) => {}
                Err(error) => return Err(E::from(Error::from(error))),
            }
        }
        Err(E::from(Error::Contended(TRIES)))
    }
}
