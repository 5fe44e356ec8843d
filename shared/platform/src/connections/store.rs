//! Connections and received calls, read and written.
//!
//! A received call is two items: what is known of it, which changes, and its body, which does not.
//! Both are written before anything is done about the call, together with pointers by which it is
//! found when a person is erased who is named in it.

use std::sync::Arc;

use dacapo_engine::ids::{AccountId, ConnectionId, ContactId};
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::catalog::CatalogStore;
use crate::connections::known::Known;
use crate::connections::stored::{
    Bytes, CALLS_KEPT, Connection, OVERLAP, Outcome, ReceivedCall, Replaced,
};
use crate::error::Error;
use crate::keys::{connection_url, sha256};
use crate::mentions::Mentions;
use crate::store::{Store, TRIES, item, read};
use crate::table::{Condition, Consistency, Cursor, Item, Key, Page, Query, TableError, Write};
use crate::unsubscribe::sealed;

/// The most connections of an account.
pub(crate) const MOST_CONNECTIONS: usize = 100;

/// The most calls of a connection that are kept of a day.
const MOST_A_DAY: i64 = 20_000;

/// The most refused calls of a connection that are kept of a day, beside the others: who has the
/// URL and no secret must not use up what the tool may send.
const MOST_REFUSED_A_DAY: i64 = 1_000;

/// How many of the addresses in a body lead to it when their owner is erased.
const MOST_ADDRESSES: usize = 40;

/// How many letters and digits the token of a URL has: 200 bits.
const TOKEN: usize = 40;

/// What a URL leads to.
#[derive(Debug, Serialize, Deserialize)]
struct StoredUrl {
    account: AccountId,
    connection: ConnectionId,
}

/// How many calls came on a day.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct StoredDay {
    calls: i64,
    refused: i64,
}

impl StoredDay {
    fn with_one(outcome: Outcome) -> Self {
        let refused = i64::from(outcome == Outcome::Refused);
        Self { calls: 1 - refused, refused }
    }

    fn has_room_for(&self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Refused => self.refused < MOST_REFUSED_A_DAY,
            Outcome::Received | Outcome::Done | Outcome::Ignored | Outcome::Failed => {
                self.calls < MOST_A_DAY
            }
        }
    }
}

/// A connection, or a call, with the revision in which it was read.
#[derive(Debug, Clone)]
pub(crate) struct Found<T> {
    pub(crate) what: T,
    rev: u64,
}

/// Where a received call is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
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
pub(crate) enum Kept {
    /// It is new.
    New(Found<ReceivedCall>),
    /// It came before.
    Known(Found<ReceivedCall>),
    /// There were too many today.
    Full,
}

/// Why a connection was not changed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum Unchanged<E> {
    /// The change itself was refused.
    #[error("it was refused")]
    Refused(E),
    /// There are as many as there may be.
    #[error("an account has at most {MOST_CONNECTIONS} connections; delete one that nobody needs")]
    Full,
    /// The platform.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl<E> From<TableError> for Unchanged<E> {
    fn from(error: TableError) -> Self {
        Self::Failed(error.into())
    }
}

/// Connections and what came in through them.
pub struct Connections {
    pub(crate) store: Arc<Store>,
    pub(crate) catalog: Arc<CatalogStore>,
    pub(crate) known: Arc<Known>,
    /// Where the API is reached from outside, without a slash at the end.
    pub(crate) public_url: String,
}

impl Connections {
    /// The connections, in order of id.
    pub(crate) async fn list(&self) -> Result<Vec<Connection>, Error> {
        let partition = self.store.keys.connections();
        self.store.all(Query::of(&partition).strong()).await?.iter().map(read).collect()
    }

    /// A connection.
    pub(crate) async fn get(&self, id: &ConnectionId) -> Result<Option<Found<Connection>>, Error> {
        found(self.store.get(&self.store.keys.connection(id)).await?)
    }

    /// The connection that a token opens now.
    pub(crate) async fn opened_by(&self, token: &str) -> Result<Option<Connection>, Error> {
        let (hash, now) = (sha256(token), self.store.now());
        if self.known.is_unknown(&hash, now) {
            return Ok(None);
        }
        // Each token is an item of its own: whoever tries many reads no item twice.
        let url = self.store.get(&connection_url(&hash)).await?;
        let url: Option<StoredUrl> = url.map(|stored| read(&stored)).transpose()?;
        let account = self.store.keys.account();
        let connection = match url.filter(|url| url.account == *account) {
            Some(url) => self.get(&url.connection).await?,
            None => None,
        };
        let connection = connection.map(|found| found.what);
        let opened = connection.filter(|connection| connection.opens_with(token, now));
        if opened.is_none() {
            self.known.unknown(&hash, now);
        }
        Ok(opened)
    }

    /// Makes or changes a connection. `true` if it is new. `change` gets the connection as it is,
    /// or one without URL.
    pub(crate) async fn put<E>(
        &self,
        id: &ConnectionId,
        change: impl Fn(Option<&Connection>) -> Result<Connection, E>,
    ) -> Result<(Connection, bool), Unchanged<E>> {
        for _ in 0..TRIES {
            let before = self.get(id).await?;
            let mut connection =
                change(before.as_ref().map(|found| &found.what)).map_err(Unchanged::Refused)?;
            let is_new = before.is_none();
            let mut writes = Vec::new();
            if is_new {
                if self.list().await?.len() >= MOST_CONNECTIONS {
                    return Err(Unchanged::Full);
                }
                connection.token = self.store.entropy.text(TOKEN);
                writes.push(Write::put(self.url(&connection, None)?, Condition::Absent));
            }
            writes.push(self.put_connection(&connection, before.as_ref())?);
            if self.store.write_if_first(writes).await? {
                return Ok((connection, is_new));
            }
        }
        Err(Error::Contended(TRIES).into())
    }

    /// Gives a connection a new URL, with this token, which must be new; the one that it has works
    /// for a while longer, one before that no more. `together` makes writes for the same
    /// transaction; if one of them is refused, nothing is written and nothing tried again.
    pub(crate) async fn rotate(
        &self,
        id: &ConnectionId,
        token: &str,
        together: &(dyn Fn(&Connection) -> Result<Vec<Write>, Error> + Sync),
    ) -> Result<Option<Connection>, Error> {
        for _ in 0..TRIES {
            let Some(before) = self.get(id).await? else { return Ok(None) };
            let mut connection = before.what.clone();
            let until = self.store.now() + OVERLAP;
            let mut writes =
                vec![Write::put(self.url(&connection, Some(until))?, Condition::Always)];
            let ended = connection.before.take();
            writes.extend(ended.map(|ended| {
                Write::delete(connection_url(&sha256(&ended.token)), Condition::Always)
            }));
            let replaced = std::mem::replace(&mut connection.token, token.to_owned());
            connection.before = Some(Replaced { token: replaced, until });
            writes.push(Write::put(self.url(&connection, None)?, Condition::Absent));
            writes.push(self.put_connection(&connection, Some(&before))?);
            let own = writes.len();
            writes.extend(together(&connection)?);
            match self.store.write(writes).await {
                Ok(()) => return Ok(Some(connection)),
                Err(error @ TableError::Conflict { which, .. }) if which >= own => {
                    return Err(error.into());
                }
                Err(TableError::Conflict { .. } | TableError::Contended) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Contended(TRIES))
    }

    /// Deletes a connection and its URLs; what came in goes with time. `true` if there was one.
    pub(crate) async fn delete(&self, id: &ConnectionId) -> Result<bool, Error> {
        for _ in 0..TRIES {
            let Some(Found { what, rev }) = self.get(id).await? else { return Ok(false) };
            let key = self.store.keys.connection(id);
            let mut writes = vec![Write::delete(key, Condition::Rev(rev))];
            writes.extend(
                what.tokens()
                    .map(|token| Write::delete(connection_url(&sha256(token)), Condition::Always)),
            );
            if self.store.write_if_first(writes).await? {
                return Ok(true);
            }
        }
        Err(Error::Contended(TRIES))
    }

    fn url(&self, connection: &Connection, until: Option<Instant>) -> Result<Item, Error> {
        let account = self.store.keys.account().clone();
        let url = StoredUrl { account, connection: connection.id.clone() };
        let stored = item(connection_url(&sha256(&connection.token)), &url)?;
        Ok(match until {
            Some(until) => stored.expires(until),
            None => stored,
        })
    }

    fn put_connection(
        &self,
        connection: &Connection,
        before: Option<&Found<Connection>>,
    ) -> Result<Write, Error> {
        let stored = item(self.store.keys.connection(&connection.id), connection)?;
        let rev = before.map_or(0, |before| before.rev);
        let condition = before.map_or(Condition::Absent, |before| Condition::Rev(before.rev));
        Ok(Write::put(stored.rev(rev + 1), condition))
    }

    /// Keeps a call, before anything is done about it.
    pub(crate) async fn keep(&self, at: Place<'_>, new: &NewCall<'_>) -> Result<Kept, Error> {
        let Place { connection, id } = at;
        let keys = &self.store.keys;
        let (key, day) = (keys.received_call(connection, id), new.call.at.date_naive());
        let day = keys.received_on(connection, day);
        for _ in 0..TRIES {
            let wanted = [key.clone(), day.clone()];
            let stored = self.store.table.get_many(&wanted, Consistency::Strong).await?;
            let mut stored = stored.into_iter();
            let (there, today) = (stored.next().flatten(), stored.next().flatten());
            if there.is_some() {
                return Ok(found(there)?.map_or(Kept::Full, Kept::Known));
            }
            let so_far: Option<StoredDay> = today.as_ref().map(read).transpose()?;
            if so_far.as_ref().is_some_and(|day| !day.has_room_for(new.call.outcome)) {
                return Ok(Kept::Full);
            }
            let expires = new.call.expires();
            let mut writes = vec![self.put_call(at, &new.call, 0)?];
            if let Some(body) = new.body {
                let stored = item(keys.received_body(connection, id), &Bytes::of(body))?;
                writes.push(Write::put(stored.expires(expires), Condition::Always));
                writes.extend(self.pointers(at, body, new.plain, expires).await?);
            }
            if self.store.write_if_first(writes).await? {
                if let Err(error) = self.count(&new.call, day, so_far.is_none()).await {
                    tracing::warn!(%error, "a received call is not counted");
                }
                return Ok(Kept::New(Found { what: new.call.clone(), rev: 1 }));
            }
        }
        Err(Error::Contended(TRIES))
    }

    /// Counts a call that was kept. Apart from its transaction, so that calls that come at once do
    /// not refuse each other; if it fails, the day has room for one more.
    async fn count(&self, call: &ReceivedCall, day: Key, is_first: bool) -> Result<(), Error> {
        let one = StoredDay::with_one(call.outcome);
        // The first of a day makes the item, which has to expire.
        if is_first {
            let first = item(day.clone(), &one)?.expires(call.expires() + CALLS_KEPT);
            if self.store.write_if_first(vec![Write::put(first, Condition::Absent)]).await? {
                return Ok(());
            }
        }
        let counters = [("calls".to_owned(), one.calls), ("refused".to_owned(), one.refused)];
        let add = Write::Add { key: day, index: None, counters: counters.into() };
        Ok(self.store.write(vec![add]).await?)
    }

    /// Pointers to a call from the addresses in it, for when their owners are erased.
    async fn pointers(
        &self,
        at: Place<'_>,
        body: &[u8],
        plain: Option<&str>,
        expires: Instant,
    ) -> Result<Vec<Write>, Error> {
        let text = String::from_utf8_lossy(body);
        let named = [Mentions::of(&text), Mentions::of(plain.unwrap_or_default())];
        let mut addresses: Vec<&str> = named.iter().flat_map(Mentions::addresses).collect();
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.is_empty() {
            return Ok(Vec::new());
        }
        let secret = self.catalog.secret().await?;
        let pointers = addresses.into_iter().take(MOST_ADDRESSES).map(|address| {
            let sealed = sealed(&secret, address);
            let key = self.store.keys.received_that_names(&sealed, at.connection, at.id);
            self.pointer(key, expires)
        });
        pointers.collect()
    }

    /// A pointer from a contact to a call that wrote it, for the transaction of that write.
    pub(crate) fn pointer_of(
        &self,
        contact: &ContactId,
        at: Place<'_>,
        expires: Instant,
    ) -> Result<Write, Error> {
        self.pointer(self.store.keys.received_of(contact, at.connection, at.id), expires)
    }

    fn pointer(&self, key: Key, expires: Instant) -> Result<Write, Error> {
        let pointer = item(key, &serde_json::Map::new())?;
        Ok(Write::put(pointer.expires(expires), Condition::Always))
    }

    fn put_call(&self, at: Place<'_>, call: &ReceivedCall, rev: u64) -> Result<Write, Error> {
        let Place { connection, id } = at;
        let listed = self.store.keys.received_listed(connection, call.at, id);
        let key = self.store.keys.received_call(connection, id);
        let stored = item(key, call)?.rev(rev + 1).index(listed).expires(call.expires());
        let condition = if rev == 0 { Condition::Absent } else { Condition::Rev(rev) };
        Ok(Write::put(stored, condition))
    }

    /// Stores what came of a call. If it has been erased, or somebody else has worked on it, that
    /// stays.
    pub(crate) async fn settle(
        &self,
        at: Place<'_>,
        before: &Found<ReceivedCall>,
        call: &ReceivedCall,
    ) -> Result<(), Error> {
        self.store.write_if_first(vec![self.put_call(at, call, before.rev)?]).await.map(drop)
    }

    /// A call, if it is still kept.
    pub(crate) async fn call(&self, at: Place<'_>) -> Result<Option<Found<ReceivedCall>>, Error> {
        let key = self.store.keys.received_call(at.connection, at.id);
        Ok(found(self.store.get(&key).await?)?.filter(|found| self.is_kept(found)))
    }

    /// The body of a call.
    pub(crate) async fn body(&self, at: Place<'_>) -> Result<Option<Bytes>, Error> {
        let key = self.store.keys.received_body(at.connection, at.id);
        self.store.get(&key).await?.map(|stored| read(&stored)).transpose()
    }

    /// Calls that came between two instants and that nobody has ended, at most `limit`, the oldest
    /// first.
    pub(crate) async fn unfinished(
        &self,
        connection: &ConnectionId,
        (from, until): (Instant, Instant),
        limit: usize,
    ) -> Result<Vec<(String, Found<ReceivedCall>)>, Error> {
        let partition = self.store.keys.received_calls(connection);
        let [from, until] =
            [from, until].map(|at| self.store.keys.received_listed(connection, at, "").sk);
        let (mut unfinished, mut cursor) = (Vec::new(), None);
        loop {
            let query = Query::of(&partition).between(&from, &until).after(cursor);
            let page = self.store.table.query_index(query).await?;
            for (id, found) in self.listed(page.items).await? {
                if found.what.outcome == Outcome::Received {
                    unfinished.push((id, found));
                }
            }
            cursor = page.cursor;
            if cursor.is_none() || unfinished.len() >= limit {
                unfinished.truncate(limit);
                return Ok(unfinished);
            }
        }
    }

    /// The calls that were listed, with their ids.
    async fn listed(
        &self,
        listed: Vec<(Key, Key)>,
    ) -> Result<Vec<(String, Found<ReceivedCall>)>, Error> {
        let (listed, keys): (Vec<Key>, Vec<Key>) = listed.into_iter().unzip();
        let stored = self.store.table.get_many(&keys, Consistency::Strong).await?;
        let mut calls = Vec::new();
        for (listed, stored) in listed.iter().zip(stored) {
            let id = listed.sk.split_once('#').map_or("", |(_, id)| id);
            let call = found::<ReceivedCall>(stored)?.filter(|found| self.is_kept(found));
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
    ) -> Result<Page<(String, ReceivedCall)>, Error> {
        let partition = self.store.keys.received_calls(connection);
        let query = Query::of(&partition).descending().limit(limit).after(cursor);
        let page = self.store.table.query_index(query).await?;
        let listed = self.listed(page.items).await?;
        let items = listed.into_iter().map(|(id, found)| (id, found.what)).collect();
        Ok(Page { items, cursor: page.cursor })
    }

    /// Expired items may stay readable for days.
    fn is_kept(&self, found: &Found<ReceivedCall>) -> bool {
        self.store.now() < found.what.expires()
    }
}

/// A stored thing with its revision.
fn found<T: serde::de::DeserializeOwned>(stored: Option<Item>) -> Result<Option<Found<T>>, Error> {
    let Some(stored) = stored else { return Ok(None) };
    Ok(Some(Found { what: read(&stored)?, rev: stored.rev.unwrap_or(0) }))
}
