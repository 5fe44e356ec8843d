//! Connections and their URLs, read and written.

use std::sync::Arc;

use dacapo_engine::ids::{AccountId, ConnectionId};
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::catalog::CatalogStore;
use crate::connections::known::KnownUrls;
use crate::connections::stored::{Connection, OVERLAP, Replaced};
use crate::error::Error;
use crate::keys::{connection_url, sha256};
use crate::store::{Store, TRIES, item, read};
use crate::table::{Condition, Item, Query, TableError, Write};

/// The most connections of an account.
pub(crate) const MOST_CONNECTIONS: usize = 100;

/// How many letters and digits the token of a URL has: 200 bits.
const TOKEN: usize = 40;

/// What a URL leads to.
#[derive(Debug, Serialize, Deserialize)]
struct StoredUrl {
    account: AccountId,
    connection: ConnectionId,
}

/// A connection, or a call, with the revision in which it was read.
#[derive(Debug, Clone)]
pub(crate) struct WithRevision<T> {
    pub(crate) what: T,
    pub(super) rev: u64,
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
    pub(crate) known: Arc<KnownUrls>,
    /// Where the API is reached from outside, without a slash at the end.
    pub(crate) public_url: String,
}

impl Connections {
    /// The connections, in order of id.
    pub(crate) async fn list(&self) -> Result<Vec<Connection>, Error> {
        let partition = self.store.keys.connections();
        let stored = self.store.all(Query::of(&partition).strong()).await?;
        Ok(stored.iter().filter_map(|stored| readable(stored, read(stored))).collect())
    }

    /// A connection.
    pub(crate) async fn get(
        &self,
        id: &ConnectionId,
    ) -> Result<Option<WithRevision<Connection>>, Error> {
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
        let key = || self.store.keys.connection(id);
        for _ in 0..TRIES {
            let WithRevision { what, rev } = match self.get(id).await {
                Ok(Some(found)) => found,
                Ok(None) => return Ok(false),
                // Its URLs lead to nothing then.
                Err(Error::Unreadable(_)) => {
                    self.store.write(vec![Write::delete(key(), Condition::Always)]).await?;
                    return Ok(true);
                }
                Err(error) => return Err(error),
            };
            let mut writes = vec![Write::delete(key(), Condition::Rev(rev))];
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
        before: Option<&WithRevision<Connection>>,
    ) -> Result<Write, Error> {
        let stored = item(self.store.keys.connection(&connection.id), connection)?;
        Ok(Write::next(stored.rev(before.map_or(0, |before| before.rev) + 1)))
    }
}

/// What was read of an item. One that is damaged is left out and logged: it must not hide the
/// others.
pub(super) fn readable<T>(stored: &Item, read: Result<T, Error>) -> Option<T> {
    let key = &stored.key;
    read.inspect_err(|error| tracing::error!(%error, pk = key.pk, sk = key.sk, "it cannot be read"))
        .ok()
}

/// A stored thing with its revision.
pub(super) fn found<T: serde::de::DeserializeOwned>(
    stored: Option<Item>,
) -> Result<Option<WithRevision<T>>, Error> {
    let Some(stored) = stored else { return Ok(None) };
    Ok(Some(WithRevision { what: read(&stored)?, rev: stored.rev.unwrap_or(0) }))
}
