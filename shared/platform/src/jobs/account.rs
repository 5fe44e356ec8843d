//! What is erased after the contacts of an account: campaigns with their statistics, lists of tags,
//! refusals, captured and test mail, dead letters, API keys, connections with what came in, other
//! jobs, and at last settings, fields and the secret of signed links.
//!
//! The job itself stays, as the record of who erased the account; it names no contact. Answers that
//! are kept for repeated calls expire within a day.

use std::sync::Arc;

use super::Job;
use crate::catalog::{Catalog, CatalogStore, Settings};
use crate::connections::Connection;
use crate::error::Error;
use crate::keys::{SHARDS, connection_url, sha256};
use crate::store::{Store, read};
use crate::table::{Condition, Item, Key, MOST_WRITES, Query, Write};
use crate::tags::StoredTag;

/// How many items are deleted at once, so that a job step ends in time.
const ITEMS_AT_ONCE: usize = 1_000;

/// Erases what is left of an account without contacts.
pub(crate) struct AccountErasure {
    pub(crate) store: Arc<Store>,
    pub(crate) catalog: Arc<CatalogStore>,
}

impl AccountErasure {
    /// Erases some of what is left. `true` if nothing is left.
    pub(super) async fn erase_rest(&self, job: &Job) -> Result<bool, Error> {
        let mut room = ITEMS_AT_ONCE;
        for campaign in &job.campaigns {
            for partition in self.store.keys.of_campaign(campaign) {
                self.erase_partition(&partition, &mut room).await?;
            }
        }
        let tags = self.store.keys.tags();
        let page = self.store.table.query(Query::of(&tags).strong().limit(ITEMS_AT_ONCE)).await?;
        if page.cursor.is_some() {
            room = 0;
        }
        for stored in page.items {
            let tag = read::<StoredTag>(&stored)?.tag;
            for shard in 0..SHARDS {
                self.erase_partition(&self.store.keys.tagged(&tag, shard), &mut room).await?;
                if let Some(before) = self.store.keys.tagged_before(&tag, shard) {
                    self.erase_partition(&before, &mut room).await?;
                }
            }
            self.erase_items(vec![stored.key], &mut room).await?;
        }
        for shard in 0..SHARDS {
            self.erase_partition(&self.store.keys.refusals(shard), &mut room).await?;
        }
        self.erase_partition(&self.store.keys.captured(), &mut room).await?;
        self.erase_partition(&self.store.keys.test_mails(), &mut room).await?;
        self.erase_partition(&self.store.keys.dead_letters_listed(), &mut room).await?;
        self.erase_listed(&self.store.keys.api_keys_listed(), &mut room).await?;
        self.erase_connections(&mut room).await?;
        self.erase_jobs(job.seq, &mut room).await?;
        if room == 0 {
            return Ok(false);
        }
        self.catalog
            .change(|catalog| {
                *catalog = Catalog {
                    settings: Settings::default(),
                    jobs: catalog.jobs,
                    open: catalog.open.clone(),
                    ..Catalog::default()
                };
                Ok::<_, Error>(((), Vec::new()))
            })
            .await?;
        Ok(true)
    }

    /// Connections with their URLs, and the calls that they received. Pointers to these hold
    /// nothing but a hash whose key is deleted with the settings, and expire.
    async fn erase_connections(&self, room: &mut usize) -> Result<(), Error> {
        let partition = self.store.keys.connections();
        let page = self.store.table.query(Query::of(&partition).strong()).await?;
        for stored in page.items {
            let connection: Connection = read(&stored)?;
            let calls = self.store.keys.received_calls(&connection.id);
            self.erase_partition(&calls, room).await?;
            if *room > 0 {
                let urls = connection.tokens().map(|token| connection_url(&sha256(token)));
                self.erase_items(urls.chain([stored.key]).collect(), room).await?;
            }
        }
        if page.cursor.is_some() {
            *room = 0;
        }
        Ok(())
    }

    /// Other jobs, with all that belongs to them.
    async fn erase_jobs(&self, but: u64, room: &mut usize) -> Result<(), Error> {
        let partition = self.store.keys.jobs_listed();
        let but = self.store.keys.job(but);
        let page = self.store.table.query_index(Query::of(&partition).limit(ITEMS_AT_ONCE)).await?;
        for (_, job) in page.items.into_iter().filter(|(_, job)| *job != but) {
            self.erase_partition(&job.pk, room).await?;
        }
        Ok(())
    }

    async fn erase_listed(&self, partition: &str, room: &mut usize) -> Result<(), Error> {
        let query = Query::of(partition).limit((*room).max(1));
        let page = self.store.table.query_index(query).await?;
        let keys = page.items.into_iter().map(|(_, key)| key).collect();
        self.erase_items(keys, room).await?;
        if page.cursor.is_some() {
            *room = 0;
        }
        Ok(())
    }

    async fn erase_partition(&self, partition: &str, room: &mut usize) -> Result<(), Error> {
        let query = Query::of(partition).strong().limit((*room).max(1));
        let page = self.store.table.query(query).await?;
        let keys = page.items.into_iter().map(|Item { key, .. }| key).collect();
        self.erase_items(keys, room).await?;
        if page.cursor.is_some() {
            *room = 0;
        }
        Ok(())
    }

    async fn erase_items(&self, keys: Vec<Key>, room: &mut usize) -> Result<(), Error> {
        let keys: Vec<Key> = keys.into_iter().take(*room).collect();
        *room -= keys.len();
        for chunk in keys.chunks(MOST_WRITES) {
            let deletes = chunk.iter().map(|key| Write::delete(key.clone(), Condition::Always));
            self.store.write(deletes.collect()).await?;
        }
        Ok(())
    }
}
