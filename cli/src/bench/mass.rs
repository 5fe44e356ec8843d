//! The mass action: contacts a second that are stopped, reset, and subtracted from the statistics,
//! on disk.
//!
//! One contact enters a campaign by the hook. All others are copies of its items under other ids,
//! written in the order of keys before the engine starts. Then all of them are stopped by one call.
//! The time is measured from the call until nothing is left to do: decisions, history, statistics
//! by day, timers. If that takes long, another contact enters another campaign meanwhile, and how
//! long that takes is reported too. A short run is measured several times, and the median is
//! reported.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

use dacapo_embedded::{Operation, SqliteStore};
use dacapo_engine::ids::{CampaignId, ContactId, Tag};
use dacapo_platform::Instant;
use dacapo_platform::handlers::timer_name;
use dacapo_platform::keys::{Keys, SHARDS};
use dacapo_platform::table::{
    Body, Condition, Consistency, Item, Key, Query, QueryPage, Table as _, Write,
};
use serde_json::{Value, json};

use super::figure;
use super::stopwatch::Stopwatch;
use super::throughput::{self, KEY, begins, resident_mb, size_of, start};
use crate::caller::Caller;

const CAMPAIGN: &str = r"
id: everybody
name: Everybody
sender: { address: bench@example.com }
elements:
  entrance: { type: start, when: { tag: Go }, next: first }
  first: { type: email, email: first, next: month }
  month: { type: wait, for: 30 days, next: second }
  second: { type: email, email: second }
emails:
  first: { subject: 'Hello {{ contact.first_name }}', text: 'Welcome. {{ unsubscribe_url }}' }
  second: { subject: 'Still there?', text: 'A month has gone by. {{ unsubscribe_url }}' }
";

/// What happens to another contact meanwhile.
const OTHER: &str = r"
id: other
name: Other
sender: { address: bench@example.com }
elements:
  entrance: { type: start, when: { tag: Other }, next: first }
  first: { type: email, email: first }
emails:
  first: { subject: 'Hello', text: 'Welcome.' }
";

/// From this many contacts on a run takes long enough for that.
const LASTING: usize = 10_000;

/// How often it is checked whether that has happened.
const ASKED_EVERY: Duration = Duration::from_millis(5);

/// How many copies are one commit: each is some ten operations.
const COPIES_A_COMMIT: usize = 8;

/// This many contacts, or a few more, are stopped to measure one number of them.
const IN_ALL: usize = 300_000;

/// How often one number of contacts is measured at most.
const MOST_RUNS: usize = 7;

/// Stops this many contacts, several times if they are few: the median run.
pub(crate) async fn median(contacts: usize) -> Result<Value, Box<dyn Error>> {
    let times = (IN_ALL / contacts).clamp(1, MOST_RUNS) | 1;
    let mut runs = Vec::new();
    for _ in 0..times {
        runs.push(measure(contacts).await?);
    }
    Ok(throughput::median(runs))
}

/// Stops this many contacts.
async fn measure(contacts: usize) -> Result<Value, Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let embedded = start(directory.path()).await?;
    let api = Caller::of(&embedded, KEY);
    api.publish("everybody", CAMPAIGN).await?;
    api.publish("other", OTHER).await?;
    let first = json!({ "email": "first@example.com", "first_name": "Ann", "tags": ["Go"] });
    api.post("/v1/hooks/contact", &first).await?;
    embedded.worker.idle().await;
    let keys = embedded.platform.store.keys.clone();
    let first = embedded.platform.contacts.id_of("first@example.com").await?;
    let first = first.ok_or("there is no contact")?;
    drop(api);
    embedded.stop().await;
    // Nothing of what is copied is to be decided again: this store has no feed.
    let store = SqliteStore::open(Some(directory.path()), |_| false)?;
    Original::read(&store, keys, first).await?.copy(&store, contacts).await?;
    drop(store);
    flush(directory.path())?;

    let embedded = start(directory.path()).await?;
    let api = Caller::of(&embedded, KEY);
    // What a process does once, at its first job, is not counted as the time of a contact.
    let nobody = json!({ "campaigns": ["everybody"], "contacts": { "tag": "Nobody" } });
    api.post("/v1/mass-actions/stop-campaign", &nobody).await?;
    embedded.worker.idle().await;
    forget_peak();
    let stopwatch = Stopwatch::start();
    let everybody = json!({ "campaigns": ["everybody"], "contacts": "enrolled",
                            "reset_contacts": true, "reset_statistics": true });
    let taken = api.post("/v1/mass-actions/stop-campaign", &everybody).await?;
    let answered = stopwatch.elapsed().as_secs_f64();
    let waited = if contacts >= LASTING { Some(somebody_else(&api).await?) } else { None };
    embedded.worker.idle().await;
    let took = stopwatch.elapsed().as_secs_f64();
    let id = taken["id"].as_str().ok_or("no id")?;
    let ended = api.get(&format!("/v1/mass-actions/{id}")).await?;
    let counted = api.get("/v1/campaigns/everybody/statistics?by=day").await?;
    let expected = json!([contacts, "completed", contacts, 0, 0, 0, 0, 0, []]);
    let found = json!([
        ended["total"],
        ended["status"],
        ended["done"],
        ended["skipped"],
        counted["active"],
        counted["entered"],
        counted["messages"]["sent"],
        counted["restarted"],
        counted["days"]
    ]);
    if found != expected {
        return Err(format!("{found} came out, {expected} expected").into());
    }
    embedded.stop().await;
    let count = figure(contacts);
    Ok(json!({
        "figure": "stop, reset",
        "contacts": contacts,
        "per_second": count / took,
        "micros_a_contact": took * 1e6 / count,
        "answered_ms": answered * 1e3,
        "others_wait_ms": waited.map(|waited| waited.as_secs_f64() * 1e3),
        "resident_mb": peak_mb().or_else(resident_mb),
        "disk_kb_a_contact": size_of(directory.path())? / 1024.0 / count,
    }))
}

/// Sends a contact into the other campaign. Answers how long it took until the first mail.
async fn somebody_else(api: &Caller) -> Result<Duration, Box<dyn Error>> {
    let stopwatch = Stopwatch::start();
    let contact = json!({ "email": "other@example.com", "tags": ["Other"] });
    let taken = api.post("/v1/hooks/contact", &contact).await?;
    let id = taken["contact_id"].as_str().ok_or("no id")?;
    loop {
        let messages = api.get(&format!("/v1/contacts/{id}/messages")).await?;
        if messages["items"].as_array().is_some_and(|messages| !messages.is_empty()) {
            return Ok(stopwatch.elapsed());
        }
        tokio::time::sleep(ASKED_EVERY).await;
    }
}

/// A contact that entered by the hook, with everything that is stored about it.
struct Original {
    keys: Keys,
    id: ContactId,
    campaign: CampaignId,
    tag: Tag,
    /// Its partition, its address, its place in the list of the tag.
    items: Vec<Item>,
    timer: Operation,
    due: Instant,
}

impl Original {
    async fn read(store: &SqliteStore, keys: Keys, id: ContactId) -> Result<Self, Box<dyn Error>> {
        let (campaign, tag) = (CampaignId::new("everybody")?, Tag::new("Go")?);
        let partition = keys.contact_partition(&id);
        let QueryPage { mut items, .. } = store.query(Query::of(&partition)).await?;
        for key in [keys.address("first@example.com"), keys.tag_member(&tag, &id)] {
            items.extend(store.get(&key, Consistency::Strong).await?);
        }
        let due = store.next_due(begins())?.ok_or("there is no timer")?;
        let timer = store.due_timers(due, 1)?.pop().ok_or("there is no timer")?;
        Ok(Self { keys, id, campaign, tag, items, timer: Operation::Schedule(timer), due })
    }

    /// Writes the copies that are missing to this number of contacts, and their counts.
    async fn copy(&self, store: &SqliteStore, contacts: usize) -> Result<(), Box<dyn Error>> {
        // In the order of keys, the file is written from its beginning to its end.
        let apart = (1 << 60) / u64::try_from(contacts)?;
        let copies = 1..u64::try_from(contacts)?;
        for first in copies.clone().step_by(COPIES_A_COMMIT) {
            let mut operations = Vec::new();
            for n in (first..copies.end).take(COPIES_A_COMMIT) {
                let id = ContactId::new(format!("c{:015x}", n * apart))?;
                operations.extend(self.copied(&id, n)?);
            }
            store.commit(operations).await?;
        }
        let more = i64::try_from(contacts)? - 1;
        for n in 0..SHARDS {
            let partition = self.keys.statistics(&self.campaign, n).pk;
            let QueryPage { items, .. } = store.query(Query::of(&partition)).await?;
            for item in items {
                let sums: BTreeMap<String, i64> = item.body.read()?;
                let counters = sums.into_iter().map(|(name, sum)| (name, sum * more)).collect();
                let add = Write::Add { key: item.key, index: None, counters };
                store.commit(vec![Operation::Write(add)]).await?;
            }
        }
        Ok(())
    }

    fn copied(&self, id: &ContactId, n: u64) -> Result<Vec<Operation>, Box<dyn Error>> {
        let keys = &self.keys;
        let address = format!("c{n}@example.com");
        let renamed = |text: &str| {
            text.replace(self.id.as_str(), id.as_str()).replace("first@example.com", &address)
        };
        let mut operations = Vec::new();
        for item in &self.items {
            let key = if item.key == keys.address("first@example.com") {
                keys.address(&address)
            } else if item.key == keys.tag_member(&self.tag, &self.id) {
                keys.tag_member(&self.tag, id)
            } else {
                Key::new(renamed(&item.key.pk), item.key.sk.clone())
            };
            let index = item.index.as_ref().map(|index| {
                if *index == keys.contact_listed(&self.id) {
                    keys.contact_listed(id)
                } else {
                    keys.member_listed(&self.campaign, id)
                }
            });
            let body = Body::stored(renamed(item.body.as_str()));
            let copy = Item { key, index, body, ..item.clone() };
            operations.push(Operation::Write(Write::put(copy, Condition::Always)));
        }
        if let Operation::Schedule(timer) = &self.timer {
            let mut timer = timer.clone();
            timer.name = timer_name(id, &self.campaign, "t", 1, 2, self.due);
            timer.sort = renamed(&timer.sort);
            timer.body = Body::stored(renamed(timer.body.as_str()));
            operations.push(Operation::Schedule(timer));
        }
        Ok(operations)
    }
}

/// Flushes what was written. Otherwise the engine would wait for it, and that would be measured.
fn flush(directory: &Path) -> std::io::Result<()> {
    std::fs::read_dir(directory)?.try_for_each(|file| File::open(file?.path())?.sync_all())
}

/// From now on the peak is that of what follows, if the system allows to reset it.
fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The most that the process held in memory.
fn peak_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kb: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kb / 1024.0)
}
