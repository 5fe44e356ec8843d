//! Received calls, read and written.
//!
//! A received call is two items: what is known of it, which changes, and its body, which does not.
//! Both are written before anything is done about the call, together with pointers by which it is
//! found when a person is erased who is named in it.

use dacapo_engine::compact::SortCompactly as _;
use dacapo_engine::ids::{ConnectionId, ContactId};
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::connections::store::{Connections, WithRevision, found, readable};
use crate::connections::stored::{Bytes, CALLS_KEPT, CallOutcome, ReceivedCall};
use crate::error::Error;
use crate::mentions::Mentions;
use crate::store::{TRIES, item, read};
use crate::table::{Condition, Consistency, Cursor, Key, MOST_WRITES, Query, QueryPage, Write};
use crate::unsubscribe::sealed;

/// The most calls of a connection that are kept of a day.
const MOST_A_DAY: i64 = 20_000;

/// How many bytes of a connection's calls are kept of a day: about as many as 20,000 usual calls
/// have, for a URL that is public must not fill the disk.
const MOST_BYTES_A_DAY: i64 = 256 << 20;

/// A call of so many bytes is kept also when those of the day are used up: most are as small.
const SMALL: usize = 8 << 10;

/// How many bytes a pointer to a call takes, about.
const POINTER: usize = 300;

/// The most refused calls of a connection that are kept of a day, beside the others: who has the
/// URL and no secret must not use up what the tool may send.
const MOST_REFUSED_A_DAY: i64 = 1_000;

/// How many addresses a body may name: each leads to it when its owner is erased.
const MOST_ADDRESSES: usize = 500;

/// How many pointers are written in the transaction that keeps a call; the others before it.
const TOGETHER: usize = 40;

/// How many calls came on a day.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct StoredDay {
    calls: i64,
    refused: i64,
    bytes: i64,
}

impl StoredDay {
    fn with_one(outcome: CallOutcome, bytes: usize) -> Self {
        let refused = i64::from(outcome == CallOutcome::Refused);
        Self { calls: 1 - refused, refused, bytes: i64::try_from(bytes).unwrap_or(i64::MAX) }
    }

    fn has_room_for(&self, outcome: CallOutcome, bytes: usize) -> bool {
        match outcome {
            CallOutcome::Refused => self.refused < MOST_REFUSED_A_DAY,
            CallOutcome::Received
            | CallOutcome::Done
            | CallOutcome::Ignored
            | CallOutcome::Failed => {
                let has_room = self.bytes < MOST_BYTES_A_DAY || bytes <= SMALL;
                self.calls < MOST_A_DAY && has_room
            }
        }
    }
}

/// Where a received call is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallPlace<'a> {
    /// The connection.
    pub(crate) connection: &'a ConnectionId,
    /// The id of the call.
    pub(crate) id: &'a str,
}

/// A call that is to be kept.
pub(crate) struct NewCall<'a> {
    /// What is known of it.
    pub(crate) call: ReceivedCall,
    /// Its body, if that is kept.
    pub(crate) body: Option<&'a [u8]>,
    /// A text in which the addresses of the body stand as they are, if the body is none.
    pub(crate) plain: Option<&'a str>,
}

/// How a call was kept.
#[derive(Debug, Clone)]
pub(crate) enum KeepOutcome {
    /// It is new.
    New(WithRevision<ReceivedCall>),
    /// It came before.
    Known(WithRevision<ReceivedCall>),
    /// There were too many today.
    Full,
    /// It names so many addresses that their owners could not all be erased from it.
    TooMany(usize),
}

impl Connections {
    /// Keeps a call, before anything is done about it.
    pub(crate) async fn keep(
        &self,
        at: CallPlace<'_>,
        new: &NewCall<'_>,
    ) -> Result<KeepOutcome, Error> {
        let CallPlace { connection, id } = at;
        let keys = &self.store.keys;
        let (key, day) = (keys.received_call(connection, id), new.call.at.date_naive());
        let day = keys.received_on(connection, day);
        for _ in 0..TRIES {
            let wanted = [key.clone(), day.clone()];
            let stored = self.store.table.get_many(&wanted, Consistency::Strong).await?;
            let mut stored = stored.into_iter();
            let (there, today) = (stored.next().flatten(), stored.next().flatten());
            // One that has expired, and was not deleted yet, is as good as gone.
            let rev = match found::<ReceivedCall>(there)? {
                Some(known) if self.is_kept(&known) => return Ok(KeepOutcome::Known(known)),
                Some(expired) => expired.rev,
                None => 0,
            };
            let so_far: Option<StoredDay> = today.as_ref().map(read).transpose()?;
            let expires = new.call.expires();
            let mut writes = vec![self.put_call(at, &new.call, rev)?];
            let (mut bytes, mut before) = (0, Vec::new());
            if let Some(body) = new.body {
                let stored = item(keys.received_body(connection, id), &Bytes::of(body))?;
                writes.push(Write::put(stored.expires(expires), Condition::Always));
                let mut pointers = self.pointers(at, body, new.plain, expires).await?;
                bytes = body.len() + pointers.len() * POINTER;
                if pointers.len() > MOST_ADDRESSES {
                    return Ok(KeepOutcome::TooMany(pointers.len()));
                }
                before = pointers.split_off(pointers.len().min(TOGETHER));
                writes.extend(pointers);
            }
            let outcome = new.call.outcome;
            if so_far.as_ref().is_some_and(|day| !day.has_room_for(outcome, bytes)) {
                tracing::warn!(connection = connection.as_str(), "no more calls are kept of today");
                return Ok(KeepOutcome::Full);
            }
            // A pointer to a call that was not kept after all expires with the others.
            for some in before.chunks(MOST_WRITES) {
                self.store.write(some.to_vec()).await?;
            }
            if self.store.write_if_first(writes).await? {
                let one = StoredDay::with_one(outcome, bytes);
                if let Err(error) = self.count(&new.call, one, day, so_far.is_none()).await {
                    tracing::warn!(%error, "a received call is not counted");
                }
                return Ok(KeepOutcome::New(WithRevision { what: new.call.clone(), rev: rev + 1 }));
            }
        }
        Err(Error::Contended(TRIES))
    }

    /// Counts a call that was kept. Apart from its transaction, so that calls that come at once do
    /// not refuse each other; if it fails, the day has room for one more.
    async fn count(
        &self,
        call: &ReceivedCall,
        one: StoredDay,
        day: Key,
        is_first: bool,
    ) -> Result<(), Error> {
        // The first of a day makes the item, which has to expire.
        if is_first {
            let first = item(day.clone(), &one)?.expires(call.expires() + CALLS_KEPT);
            if self.store.write_if_first(vec![Write::put(first, Condition::Absent)]).await? {
                return Ok(());
            }
        }
        let StoredDay { calls, refused, bytes } = one;
        let counters = [("calls", calls), ("refused", refused), ("bytes", bytes)]
            .map(|(name, more)| (name.to_owned(), more));
        let add = Write::Add { key: day, index: None, counters: counters.into() };
        Ok(self.store.write(vec![add]).await?)
    }

    /// Pointers to a call from the addresses in it, for when their owners are erased.
    async fn pointers(
        &self,
        at: CallPlace<'_>,
        body: &[u8],
        plain: Option<&str>,
        expires: Instant,
    ) -> Result<Vec<Write>, Error> {
        let text = String::from_utf8_lossy(body);
        let named = [Mentions::of(&text), Mentions::of(plain.unwrap_or_default())];
        let mut addresses: Vec<&str> = named.iter().flat_map(Mentions::addresses).collect();
        addresses.sort_compactly();
        addresses.dedup();
        if addresses.is_empty() {
            return Ok(Vec::new());
        }
        let secret = self.catalog.secret().await?;
        let pointers = addresses.into_iter().map(|address| {
            let sealed = sealed(&secret, address);
            let key = self.store.keys.received_that_names(&sealed, at.connection, at.id);
            pointer(key, expires, Condition::Always)
        });
        pointers.collect()
    }

    /// Whether a call has written this contact.
    pub(crate) async fn has_written(
        &self,
        contact: &ContactId,
        at: CallPlace<'_>,
    ) -> Result<bool, Error> {
        let key = self.store.keys.received_of(contact, at.connection, at.id);
        let pointer = self.store.get(&key).await?;
        // One that has expired is of an earlier call with the same id.
        let now = self.store.now();
        Ok(pointer.is_some_and(|pointer| pointer.expires.is_none_or(|expires| now < expires)))
    }

    /// A pointer from a contact to a call that wrote it, for the transaction of that write.
    pub(crate) fn pointer_of(
        &self,
        contact: &ContactId,
        at: CallPlace<'_>,
        expires: Instant,
        condition: Condition,
    ) -> Result<Write, Error> {
        let key = self.store.keys.received_of(contact, at.connection, at.id);
        pointer(key, expires, condition)
    }

    fn put_call(&self, at: CallPlace<'_>, call: &ReceivedCall, rev: u64) -> Result<Write, Error> {
        let CallPlace { connection, id } = at;
        let listed = self.store.keys.received_listed(connection, call.at, id);
        let key = self.store.keys.received_call(connection, id);
        let stored = item(key, call)?.rev(rev + 1).index(listed).expires(call.expires());
        Ok(Write::next(stored))
    }

    /// Counts an attempt before it is begun, so that one that ends the process counts, too. `None`
    /// if the call has been erased or another worker has it.
    pub(crate) async fn begin_again(
        &self,
        at: CallPlace<'_>,
        found: WithRevision<ReceivedCall>,
    ) -> Result<Option<WithRevision<ReceivedCall>>, Error> {
        let WithRevision { mut what, rev } = found;
        what.attempts += 1;
        what.broken_off += 1;
        what.begun = Some(self.store.now());
        let is_first = self.store.write_if_first(vec![self.put_call(at, &what, rev)?]).await?;
        Ok(is_first.then_some(WithRevision { what, rev: rev + 1 }))
    }

    /// Stores what came of a call. If it has been erased, or another worker has written it, that
    /// stays.
    pub(crate) async fn settle(
        &self,
        at: CallPlace<'_>,
        before: &WithRevision<ReceivedCall>,
        call: &ReceivedCall,
    ) -> Result<(), Error> {
        self.store.write_if_first(vec![self.put_call(at, call, before.rev)?]).await.map(drop)
    }

    /// A call, if it is still kept.
    pub(crate) async fn call(
        &self,
        at: CallPlace<'_>,
    ) -> Result<Option<WithRevision<ReceivedCall>>, Error> {
        let key = self.store.keys.received_call(at.connection, at.id);
        Ok(found(self.store.get(&key).await?)?.filter(|found| self.is_kept(found)))
    }

    /// The body of a call.
    pub(crate) async fn body(&self, at: CallPlace<'_>) -> Result<Option<Bytes>, Error> {
        let key = self.store.keys.received_body(at.connection, at.id);
        self.store.get(&key).await?.map(|stored| read(&stored)).transpose()
    }

    /// Calls that came between two instants and have not been ended, at most `limit`: those first
    /// that were begun again least often, and of those the oldest.
    pub(crate) async fn unfinished(
        &self,
        connection: &ConnectionId,
        (from, until): (Instant, Instant),
        (limit, deadline): (usize, Instant),
    ) -> Result<Vec<(String, WithRevision<ReceivedCall>)>, Error> {
        let partition = self.store.keys.received_calls(connection);
        let [from, until] =
            [from, until].map(|at| self.store.keys.received_listed(connection, at, "").sk);
        let (mut unfinished, mut cursor) = (Vec::new(), None);
        loop {
            let query = Query::of(&partition).between(&from, &until).after(cursor);
            let page = self.store.table.query_index(query).await?;
            for (id, found) in self.listed(page.items).await? {
                if found.what.outcome == CallOutcome::Received {
                    unfinished.push((id, found));
                }
            }
            unfinished.sort_compactly_by_key(|(_, found)| found.what.attempts);
            unfinished.truncate(limit);
            cursor = page.cursor;
            // No later one would come before one that was never begun again.
            let is_new = |(_, found): &(_, WithRevision<ReceivedCall>)| found.what.attempts == 0;
            let is_full = unfinished.len() == limit && unfinished.last().is_some_and(is_new);
            if cursor.is_none() || is_full || self.store.now() >= deadline {
                return Ok(unfinished);
            }
        }
    }

    /// The calls that were listed, with their ids.
    async fn listed(
        &self,
        listed: Vec<(Key, Key)>,
    ) -> Result<Vec<(String, WithRevision<ReceivedCall>)>, Error> {
        let (listed, keys): (Vec<Key>, Vec<Key>) = listed.into_iter().unzip();
        let stored = self.store.table.get_many(&keys, Consistency::Strong).await?;
        let mut calls = Vec::new();
        for (listed, stored) in listed.iter().zip(stored) {
            let id = listed.sk.split_once('#').map_or("", |(_, id)| id);
            let Some(stored) = stored else { continue };
            let call = readable(&stored, found::<ReceivedCall>(Some(stored.clone()))).flatten();
            let call = call.filter(|found| self.is_kept(found));
            calls.extend(call.map(|found| (id.to_owned(), found)));
        }
        Ok(calls)
    }

    /// A page of calls with their ids, newest first. The list is eventually consistent.
    pub(crate) async fn calls(
        &self,
        connection: &ConnectionId,
        limit: usize,
        cursor: Option<Cursor>,
    ) -> Result<QueryPage<(String, ReceivedCall)>, Error> {
        let partition = self.store.keys.received_calls(connection);
        let query = Query::of(&partition).descending().limit(limit).after(cursor);
        let page = self.store.table.query_index(query).await?;
        let listed = self.listed(page.items).await?;
        let items = listed.into_iter().map(|(id, found)| (id, found.what)).collect();
        Ok(QueryPage { items, cursor: page.cursor })
    }

    /// Expired items may stay readable for days.
    fn is_kept(&self, found: &WithRevision<ReceivedCall>) -> bool {
        self.store.now() < found.what.expires()
    }
}

/// An item that leads to a call.
fn pointer(key: Key, expires: Instant, condition: Condition) -> Result<Write, Error> {
    Ok(Write::put(item(key, &serde_json::Map::new())?.expires(expires), condition))
}
