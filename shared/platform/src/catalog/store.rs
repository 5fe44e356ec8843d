//! The catalog is read, remembered and changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use dacapo_engine::campaign::Campaign;
use dacapo_engine::campaign::format::Email;
use dacapo_engine::campaign::graph::Graph;
use dacapo_engine::campaign::reader;
use dacapo_engine::compact::CollectCompactly as _;
use dacapo_engine::ids::CampaignId;

use crate::Instant;
use crate::catalog::{Catalog, Head, Loaded, StoredVersion};
use crate::error::Error;
use crate::mail::read_by;
use crate::store::{Store, TRIES, item, read};
use crate::table::{Since, TableError, Write};

/// The catalog as it was read for one invocation; `None` before that.
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
    /// A read may be late, so a revision only grows, unless the account was erased and begins anew.
    fn knows(&self, rev: u64) {
        if rev <= 1 {
            self.known.store(rev, Ordering::Relaxed);
        } else {
            self.known.fetch_max(rev, Ordering::Relaxed);
        }
    }
}

/// The account's settings, fields and campaigns, as every process keeps them.
pub struct CatalogStore {
    pub(crate) store: Arc<Store>,
    pub(crate) cache: Arc<CatalogCache>,
    pub(crate) alone: bool,
    pub(crate) pinned: Option<Arc<Pinned>>,
}

impl CatalogStore {
    /// The same for the work of one invocation: it is read once, when it is first needed, and again
    /// only for a change that was made later.
    pub(crate) fn at_work(&self) -> Self {
        self.with(Some(Arc::default()))
    }

    /// The same without what was read for the invocation.
    pub(crate) fn unpinned(&self) -> Self {
        self.with(None)
    }

    fn with(&self, pinned: Option<Arc<Pinned>>) -> Self {
        let (store, cache) = (Arc::clone(&self.store), Arc::clone(&self.cache));
        Self { store, cache, alone: self.alone, pinned }
    }

    /// How many campaigns there were when the catalog was last read; 0 if it never was.
    pub(crate) fn known_campaigns(&self) -> usize {
        let loaded = self.cache.loaded.lock().ok().and_then(|loaded| loaded.clone());
        loaded.map_or(0, |loaded| loaded.catalog.campaigns.len())
    }

    /// The revision of the catalog for a write of a contact that is made now; `None` if it is not
    /// known for certain. Reads nothing.
    pub(crate) fn known_revision(&self) -> Option<u64> {
        if self.alone {
            return Some(self.cache.known.load(Ordering::Relaxed));
        }
        let pinned = self.pinned.as_ref()?.0.lock().ok()?;
        pinned.as_ref().map(|(loaded, _)| loaded.rev)
    }

    /// The catalog as it is now, or as it was when the invocation first needed it.
    ///
    /// # Errors
    ///
    /// What the table answers. A campaign that cannot be read is listed as broken, and does not
    /// prevent decisions in the others.
    pub async fn current(&self) -> Result<Arc<Loaded>, Error> {
        self.after(Instant::MIN_UTC).await
    }

    /// The catalog as it was after a change at `changed`, or later: a decision about a change must
    /// know what was published before it.
    pub(crate) async fn after(&self, changed: Instant) -> Result<Arc<Loaded>, Error> {
        Ok(self.after_with_instant(changed).await?.0)
    }

    /// The same, and since when it may be out of date.
    pub(crate) async fn after_with_instant(
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
        let now = self.store.now();
        let loaded = self.read().await?;
        if let Some(pinned) = &self.pinned
            && let Ok(mut pinned) = pinned.0.lock()
        {
            *pinned = Some((Arc::clone(&loaded), now));
        }
        Ok((loaded, now))
    }

    /// The catalog as it was last read, however long ago, for what does not change, such as the
    /// secret; it is read if there is none with a secret yet.
    pub(crate) async fn loaded_eventual(&self) -> Result<Arc<Loaded>, Error> {
        let known = self.cache.loaded.lock().ok().and_then(|loaded| loaded.clone());
        match known.filter(|known| !known.catalog.secret.is_empty()) {
            Some(known) => Ok(known),
            None => self.current().await,
        }
    }

    async fn read(&self) -> Result<Arc<Loaded>, Error> {
        let known = self.cache.loaded.lock().ok().and_then(|loaded| loaded.clone());
        let rev = known.as_ref().map_or(0, |known| known.rev);
        let stored =
            match (self.store.table.get_since(&self.store.keys.catalog(), rev).await?, known) {
                (Since::Same, Some(known)) => {
                    self.cache.knows(known.rev);
                    return Ok(known);
                }
                (Since::Same, None) => None,
                (Since::Now(stored), _) => stored,
            };
        let rev = stored.as_ref().and_then(|item| item.rev).unwrap_or(0);
        self.cache.knows(rev);
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
        if complete && let Ok(mut cache) = self.cache.loaded.lock() {
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

    /// A published version, as a graph.
    ///
    /// # Errors
    ///
    /// [`Error::NoVersion`] or [`Error::Unreadable`] if it is not there or cannot be read.
    pub async fn version(&self, id: &CampaignId, version: u32) -> Result<Arc<Graph>, Error> {
        let name = (id.clone(), version);
        if let Some(graph) = self.cache.versions.lock().ok().and_then(|all| all.get(&name).cloned())
        {
            return Ok(graph);
        }
        let missing = || Error::NoVersion(id.clone(), version);
        let stored =
            self.store.get(&self.store.keys.version(id, version)).await?.ok_or_else(missing)?;
        let stored: StoredVersion = read(&stored)?;
        let mut source = reader::read(&stored.source).map_err(|_| missing())?;
        let settings = &mut source.document.settings;
        settings.restart_delay = settings.restart_delay.or(stored.restart_delay);
        let graph = Arc::new(Graph::new(version, source.document, &stored.fields, &stored.objects));
        if let Ok(mut versions) = self.cache.versions.lock() {
            versions.insert(name, Arc::clone(&graph));
        }
        Ok(graph)
    }

    /// The placeholders that an e-mail of a published version reads.
    pub(crate) fn read_by(&self, graph: &Graph, key: &str, email: &Email) -> Arc<BTreeSet<String>> {
        let name = (graph.document.id.clone(), graph.version, key.to_owned());
        let Ok(mut known) = self.cache.placeholders.lock() else {
            return Arc::new(read_by(email).collect_compactly());
        };
        Arc::clone(
            known.entry(name).or_insert_with(|| Arc::new(read_by(email).collect_compactly())),
        )
    }

    /// Changes the catalog, on condition that no other writer did meanwhile. `change` may be called
    /// several times; the writes that it answers are made in one transaction with the change.
    ///
    /// # Errors
    ///
    /// What `change` refuses, or the table.
    pub async fn change<T, E: From<Error>>(
        &self,
        mut change: impl FnMut(&mut Catalog) -> Result<(T, Vec<Write>), E>,
    ) -> Result<T, E> {
        for _ in 0..TRIES {
            let loaded = self.read().await?;
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
                catalog.secret = self.store.entropy.text(40);
            }
            let stored = item(self.store.keys.catalog(), &catalog)?.rev(loaded.rev + 1);
            let mut writes = vec![Write::next(stored)];
            writes.extend(with_it);
            match self.store.write(writes).await {
                Ok(()) => {
                    self.cache.knows(loaded.rev + 1);
                    return Ok(answer);
                }
                Err(TableError::Conflict { which: 0, .. } | TableError::Contended) => {}
                Err(error) => return Err(E::from(Error::from(error))),
            }
        }
        Err(E::from(Error::Contended(TRIES)))
    }

    /// The account's secret, which is made if there is none yet.
    pub(crate) async fn secret(&self) -> Result<String, Error> {
        self.change(|catalog| {
            if catalog.secret.is_empty() {
                catalog.secret = self.store.entropy.text(40);
            }
            Ok::<_, Error>((catalog.secret.clone(), Vec::new()))
        })
        .await
    }
}
