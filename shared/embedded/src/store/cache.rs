//! Items that were written or read recently, as they are in the file.
//!
//! What follows from a write reads what was written, and a commit empties SQLite's own caches of
//! every reader; so most reads are answered from here. It promises:
//!
//! - A read is never older than what SQLite would have answered. Before a commit the writer marks
//!   the items that it changes. Until it has noted the result, readers ask SQLite.
//! - Its size is bounded, whatever is stored.

use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dacapo_platform::table::{Item, Key};
use foldhash::fast::RandomState;
use foldhash::{HashMap, HashSet};

/// The number of locks over which the items are spread.
const SHARDS: usize = 32;

/// How many bytes of keys and bodies half of a shard holds: 32 MiB in all.
const HALF_SHARD_BYTES: usize = 512 * 1024;

/// What an item takes besides its texts, approximately.
const OVERHEAD: usize = 200;

/// Items by key.
pub(super) struct ItemCache {
    hasher: RandomState,
    shards: Vec<Mutex<Shard>>,
}

/// Two halves: what is used moves to the younger one. When that is full it becomes the older one,
/// whose items are dropped.
#[derive(Default)]
struct Shard {
    young: HashMap<Key, Arc<Item>>,
    old: HashMap<Key, Arc<Item>>,
    /// Of the younger half.
    bytes: usize,
    /// What is about to be committed.
    changing: HashSet<Key>,
    /// The number of changes so far.
    changes: u64,
}

/// What the cache knows of a key.
pub(super) enum CachedItem {
    /// The item as it is.
    Item(Arc<Item>),
    /// Ask SQLite, and store the answer with [`ItemCache::keep`].
    Unknown(Ticket),
}

/// The state of the cache when SQLite was asked.
pub(super) struct Ticket(Option<u64>);

impl Default for ItemCache {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { hasher: RandomState::default(), shards }
    }
}

impl ItemCache {
    /// What the cache knows of a key.
    pub(super) fn look_up(&self, key: &Key) -> CachedItem {
        let mut shard = self.shard(key);
        if let Some(item) = shard.young.get(key) {
            return CachedItem::Item(Arc::clone(item));
        }
        if let Some(item) = shard.old.remove(key) {
            shard.insert(Arc::clone(&item));
            return CachedItem::Item(item);
        }
        let settled = !shard.changing.contains(key);
        CachedItem::Unknown(Ticket(settled.then_some(shard.changes)))
    }

    /// Keeps what SQLite answered, unless something changed since it was asked.
    pub(super) fn keep(&self, ticket: &Ticket, item: &Item) {
        let mut shard = self.shard(&item.key);
        if ticket.0 == Some(shard.changes) {
            shard.insert(Arc::new(item.clone()));
        }
    }

    /// These are about to change: readers ask SQLite from now on.
    pub(super) fn change<'a>(&self, keys: impl Iterator<Item = &'a Key>) {
        for key in keys {
            let mut shard = self.shard(key);
            shard.changes += 1;
            shard.forget(key);
            shard.changing.insert(key.clone());
        }
    }

    /// The changes are committed; an item that is `None` is deleted.
    pub(super) fn changed(&self, items: HashMap<Key, Option<Arc<Item>>>) {
        for (key, item) in items {
            let mut shard = self.shard(&key);
            shard.changing.remove(&key);
            if let Some(item) = item {
                shard.insert(item);
            }
        }
    }

    /// The changes were undone, or the result is unknown: SQLite is asked.
    pub(super) fn not_changed<'a>(&self, keys: impl Iterator<Item = &'a Key>) {
        for key in keys {
            self.shard(key).changing.remove(key);
        }
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        let at = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        // Nothing in here panics half way through.
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    fn insert(&mut self, item: Arc<Item>) {
        let size = size(&item);
        if self.bytes + size > HALF_SHARD_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes += size;
        if let Some(before) = self.young.insert(item.key.clone(), item) {
            self.bytes -= self::size(&before).min(self.bytes);
        }
    }

    fn forget(&mut self, key: &Key) {
        if let Some(item) = self.young.remove(key) {
            self.bytes -= size(&item).min(self.bytes);
        }
        self.old.remove(key);
    }
}

fn size(item: &Item) -> usize {
    OVERHEAD + 2 * (item.key.pk.len() + item.key.sk.len()) + item.body.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dacapo_platform::table::Body;

    fn item(sk: &str, text: &str) -> Item {
        Item::new(Key::new("p", sk), Body::of(&serde_json::json!({ "text": text })).unwrap())
    }

    fn found(cache: &ItemCache, sk: &str) -> Option<Item> {
        match cache.look_up(&Key::new("p", sk)) {
            CachedItem::Item(item) => Some(Item::clone(&item)),
            CachedItem::Unknown(_) => None,
        }
    }

    fn ticket(cache: &ItemCache, sk: &str) -> Ticket {
        match cache.look_up(&Key::new("p", sk)) {
            CachedItem::Item(_) => panic!("it is known"),
            CachedItem::Unknown(ticket) => ticket,
        }
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it() {
        let cache = ItemCache::default();
        let (old, new) = (item("s", "old"), item("s", "new"));
        let before = ticket(&cache, "s");
        cache.change([&old.key].into_iter());
        let during = ticket(&cache, "s");
        cache.keep(&before, &old);
        cache.keep(&during, &old);
        assert_eq!(found(&cache, "s"), None, "readers ask SQLite while it changes");
        cache.changed(HashMap::from_iter([(new.key.clone(), Some(Arc::new(new.clone())))]));
        cache.keep(&before, &old);
        cache.keep(&during, &old);
        assert_eq!(found(&cache, "s"), Some(new));
    }

    #[test]
    fn what_was_undone_or_deleted_is_asked_for_again() {
        let cache = ItemCache::default();
        let kept = item("s", "kept");
        cache.keep(&ticket(&cache, "s"), &kept);
        assert_eq!(found(&cache, "s"), Some(kept.clone()));
        cache.change([&kept.key].into_iter());
        cache.not_changed([&kept.key].into_iter());
        cache.keep(&ticket(&cache, "s"), &kept);
        assert_eq!(found(&cache, "s"), Some(kept.clone()));
        cache.change([&kept.key].into_iter());
        cache.changed(HashMap::from_iter([(kept.key.clone(), None)]));
        assert_eq!(found(&cache, "s"), None);
    }

    #[test]
    fn its_size_is_bounded_and_what_is_used_stays() {
        let cache = ItemCache::default();
        let used = item("used", "used");
        cache.keep(&ticket(&cache, "used"), &used);
        let text = "x".repeat(50_000);
        for n in 0..2_000 {
            let other = item(&n.to_string(), &text);
            cache.keep(&ticket(&cache, &other.key.sk), &other);
            assert_eq!(found(&cache, "used"), Some(used.clone()));
        }
        let bytes: usize = cache
            .shards
            .iter()
            .flat_map(|shard| {
                let shard = shard.lock().unwrap();
                shard.young.values().chain(shard.old.values()).cloned().collect::<Vec<_>>()
            })
            .map(|item| size(&item))
            .sum();
        assert!(bytes <= 2 * SHARDS * HALF_SHARD_BYTES, "{bytes} bytes");
        assert!(bytes > SHARDS * HALF_SHARD_BYTES / 2, "{bytes} bytes");
    }
}
