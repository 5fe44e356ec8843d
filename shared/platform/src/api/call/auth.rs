//! The caller, and what it may do.
//!
//! | scope | may |
//! |---|---|
//! | `webhook` | post to `/v1/hooks/*`, and nothing else |
//! | `read` | read everything but keys and the URLs of connections |
//! | `write` | everything but keys, connections and changes of the account |
//! | `admin` | everything |
//!
//! Only the SHA-256 of a key is kept. It is looked up by that, so the time of the lookup says
//! nothing about any key. The admin key given from outside is compared in constant time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use chrono::TimeDelta;
use dacapo_engine::contact::Author;
use dacapo_engine::ids::AccountId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

use crate::Instant;
use crate::api::Api;
use crate::api::call::problem::Problem;
use crate::catalog::CatalogStore;
use crate::contacts::Contacts;
use crate::error::Error;
use crate::keys::{api_key, sha256};
use crate::platform::Platform;
use crate::ports::Unavailable;
use crate::store::{Store, read};

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Post to the hooks.
    Webhook,
    /// Read.
    Read,
    /// Read and write.
    Write,
    /// Everything.
    Admin,
}

impl Scope {
    /// Its name in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    /// Whether a key of this scope includes the scope `needed`.
    fn reaches(self, needed: Self) -> bool {
        match self {
            Self::Webhook => needed == Self::Webhook,
            Self::Read => needed == Self::Read,
            Self::Write => needed != Self::Admin,
            Self::Admin => true,
        }
    }
}

/// The SHA-256 of an admin key that is not stored: given on the command line, or kept as a secret
/// of the stack.
#[derive(Debug, Clone)]
pub struct AdminKey {
    name: String,
    hash: [u8; 32],
}

impl AdminKey {
    /// The admin key of this text, named `admin`.
    pub fn of(key: &str) -> Self {
        Self { name: "admin".to_owned(), hash: Sha256::digest(key.as_bytes()).into() }
    }

    /// The same under another name, which is the author of its changes in the history.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Whether a call has it.
    pub fn is_in(&self, headers: &HeaderMap) -> bool {
        key_of(headers).is_some_and(|key| self.is(&key))
    }

    fn is(&self, key: &str) -> bool {
        let given: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        given.ct_eq(&self.hash).into()
    }
}

/// Where the admin key is known from.
#[derive(Clone)]
pub enum Admin {
    /// There is none.
    None,
    /// It was given when the process started.
    Told(AdminKey),
    /// It is kept elsewhere.
    Kept(Arc<dyn AdminKeeper>),
}

/// Where the admin key is kept. It is read only for keys that are otherwise unknown.
#[async_trait]
pub trait AdminKeeper: Send + Sync {
    /// The admin key, if there is one.
    async fn admin_key(&self) -> Result<Option<AdminKey>, Unavailable>;
}

impl From<Option<AdminKey>> for Admin {
    fn from(told: Option<AdminKey>) -> Self {
        told.map_or(Self::None, Self::Told)
    }
}

impl Admin {
    /// The admin key if it is known without reading it from elsewhere.
    fn told(&self) -> Option<&AdminKey> {
        match self {
            Self::Told(key) => Some(key),
            Self::None | Self::Kept(_) => None,
        }
    }

    /// The admin key that is kept elsewhere.
    async fn kept(&self) -> Result<Option<AdminKey>, Unavailable> {
        match self {
            Self::Kept(keeper) => keeper.admin_key().await,
            Self::None | Self::Told(_) => Ok(None),
        }
    }
}

/// An API key as it is stored, under its hash.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::api) struct StoredKey {
    /// The account.
    pub(in crate::api) account: AccountId,
    /// Its name in the history.
    pub(in crate::api) name: String,
    /// What it may do.
    pub(in crate::api) scopes: Vec<Scope>,
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub(in crate::api) created_at: Instant,
}

/// The caller: the holder of a key.
#[derive(Debug, Clone)]
pub(in crate::api) struct Holder(Arc<Held>);

#[derive(Debug)]
struct Held {
    id: String,
    name: String,
    scopes: Vec<Scope>,
}

impl Holder {
    /// The id of the key.
    pub(in crate::api) fn id(&self) -> &str {
        &self.0.id
    }

    /// The name of the key.
    pub(in crate::api) fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether it includes this scope.
    pub(in crate::api) fn may(&self, needed: Scope) -> bool {
        self.0.scopes.iter().any(|scope| scope.reaches(needed))
    }

    /// The author of the changes that are requested.
    pub(in crate::api) fn author(&self) -> Author {
        Author::ApiKey(self.0.name.clone())
    }
}

impl<S: Sync> FromRequestParts<S> for Holder {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(no_key)
    }
}

/// Lets only authorised calls through. From here on the caller is known.
pub(in crate::api) async fn authenticated(api: &Api, request: &mut Request) -> Result<(), Problem> {
    let Some(needed) = needed(request.method(), request.uri().path()) else { return Ok(()) };
    let key = key_of(request.headers()).ok_or_else(no_key)?;
    // A hook reads the catalog anyway.
    let working = (needed == Scope::Webhook).then(|| Working::of(&api.platform));
    let holder = holder(api, &key, working.as_ref()).await?;
    if !holder.may(needed) {
        let has: Vec<&str> = holder.0.scopes.iter().map(|scope| scope.word()).collect();
        return Err(Problem::forbidden(format!(
            "this needs a key with the scope {}; this one has {}",
            needed.word(),
            has.join(", "),
        )));
    }
    request.extensions_mut().insert(holder);
    if let Some(working) = working {
        request.extensions_mut().insert(working);
    }
    Ok(())
}

/// Mass actions on the account as a whole.
const OF_THE_ACCOUNT: [&str; 2] = ["mass-actions/erase-account", "mass-actions/reconcile"];

/// The scope that a call needs; `None` for calls without a key.
pub(in crate::api) fn needed(method: &Method, path: &str) -> Option<Scope> {
    let reads = method == Method::GET || method == Method::HEAD;
    let path = path.strip_prefix("/v1/")?;
    let first = path.split('/').next().unwrap_or_default();
    Some(match first {
        // Editors and code generators load them.
        "openapi.json" | "campaign-schema.json" => return None,
        // The URL itself is what opens it.
        "in" => return None,
        "hooks" => Scope::Webhook,
        "keys" => Scope::Admin,
        "account" | "connections" if !reads => Scope::Admin,
        "mass-actions" if !reads && OF_THE_ACCOUNT.contains(&path) => Scope::Admin,
        _ if reads => Scope::Read,
        _ => Scope::Write,
    })
}

fn no_key() -> Problem {
    Problem::unauthorized("send the API key as `Authorization: Bearer KEY` or `X-Api-Key: KEY`")
}

/// The key that a call sends, valid or not.
pub fn key_of(headers: &HeaderMap) -> Option<String> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, key) = value.to_str().ok()?.trim().split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| key.trim().to_owned());
    }
    Some(headers.get("x-api-key")?.to_str().ok()?.trim().to_owned())
}

/// Keys that were read, each with the revision of the catalog at that time. Deleting a key also
/// writes the catalog, so a key known as of the current revision is still valid.
#[derive(Default)]
pub(in crate::api) struct KnownKeys(Mutex<HashMap<String, (u64, Holder)>>);

impl KnownKeys {
    /// The most keys that are cached.
    const MOST_KEYS: usize = 1_024;

    fn knows(&self, hash: &str) -> bool {
        self.0.lock().is_ok_and(|known| known.contains_key(hash))
    }

    fn get(&self, hash: &str, rev: u64) -> Option<Holder> {
        let known = self.0.lock().ok()?;
        known.get(hash).filter(|(known, _)| *known == rev).map(|(_, holder)| holder.clone())
    }

    fn add(&self, hash: &str, rev: u64, holder: &Holder) {
        if let Ok(mut known) = self.0.lock() {
            if known.len() >= Self::MOST_KEYS {
                known.clear();
            }
            known.insert(hash.to_owned(), (rev, holder.clone()));
        }
    }
}

/// The parts that one call of a hook needs: they read the catalog once.
#[derive(Clone)]
pub(in crate::api) struct Working {
    pub(in crate::api) store: Arc<Store>,
    pub(in crate::api) catalog: Arc<CatalogStore>,
    pub(in crate::api) contacts: Arc<Contacts>,
}

impl Working {
    fn of(platform: &Platform) -> Self {
        let Platform { store, catalog, contacts, .. } = platform.at_work();
        Self { store, catalog, contacts }
    }
}

async fn holder(api: &Api, key: &str, working: Option<&Working>) -> Result<Holder, Problem> {
    let hash = sha256(key);
    let as_admin = |admin: &AdminKey, id| {
        let (name, scopes) = (admin.name.clone(), vec![Scope::Admin]);
        Holder(Arc::new(Held { id, name, scopes }))
    };
    if let Some(admin) = api.admin.told().filter(|admin| admin.is(key)) {
        return Ok(as_admin(admin, hash));
    }
    let now = api.platform.store.now();
    if api.unknown_keys.has(&hash, now) {
        return Err(unknown());
    }
    // Before anything is read that others need: each key is a separate item of the table, so a
    // client that tries many of them reads no item twice and delays no other call.
    let mut first = None;
    if !api.known_keys.knows(&hash) {
        first = stored(api, &hash).await?;
        if first.is_none() {
            let kept = api.admin.kept().await.map_err(Error::from)?;
            let Some(admin) = kept.filter(|admin| admin.is(key)) else {
                api.unknown_keys.add(hash, now);
                return Err(unknown());
            };
            return Ok(as_admin(&admin, hash));
        }
    }
    let rev = match working {
        Some(working) => Some(working.catalog.current().await?.rev),
        None => None,
    };
    if let Some(known) = rev.and_then(|rev| api.known_keys.get(&hash, rev)) {
        return Ok(known);
    }
    let stored = match (first, rev) {
        (Some(first), None) => first,
        // The keys cached from now on are valid as of the catalog that was just read.
        (_, _) => stored(api, &hash).await?.ok_or_else(unknown)?,
    };
    let StoredKey { name, scopes, .. } = stored;
    let holder = Holder(Arc::new(Held { id: hash.clone(), name, scopes }));
    if let Some(rev) = rev {
        api.known_keys.add(&hash, rev, &holder);
    }
    Ok(holder)
}

async fn stored(api: &Api, hash: &str) -> Result<Option<StoredKey>, Problem> {
    let stored = api.platform.store.get(&api_key(hash)).await.map_err(Error::from)?;
    let stored: Option<StoredKey> = stored.map(|item| read(&item)).transpose()?;
    Ok(stored.filter(|stored| stored.account == *api.platform.store.keys.account()))
}

fn unknown() -> Problem {
    Problem::unauthorized("this API key is unknown, or was deleted")
}

/// Unknown keys that were sent: for a while they are refused without another read.
#[derive(Default)]
pub(in crate::api) struct UnknownKeys(Mutex<HashMap<String, Instant>>);

impl UnknownKeys {
    /// The most keys that are remembered.
    const MOST_KEYS: usize = 4_096;

    /// For how long: a key that was unknown may become the admin key.
    const FOR: TimeDelta = TimeDelta::minutes(1);

    fn has(&self, hash: &str, now: Instant) -> bool {
        let Ok(unknown) = self.0.lock() else { return false };
        unknown.get(hash).is_some_and(|since| now >= *since && now - *since < Self::FOR)
    }

    fn add(&self, hash: String, now: Instant) {
        if let Ok(mut unknown) = self.0.lock() {
            if unknown.len() >= Self::MOST_KEYS {
                unknown.clear();
            }
            unknown.insert(hash, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_needs_a_scope() {
        let needed =
            |method: &str, path| needed(&method.parse().unwrap(), path).map_or("none", Scope::word);
        assert_eq!(needed("POST", "/v1/hooks/contact"), "webhook");
        assert_eq!(needed("GET", "/v1/contacts"), "read");
        assert_eq!(needed("GET", "/v1/account"), "read");
        assert_eq!(needed("PATCH", "/v1/account"), "admin");
        assert_eq!(needed("GET", "/v1/keys"), "admin");
        assert_eq!(needed("DELETE", "/v1/keys/k"), "admin");
        assert_eq!(needed("POST", "/v1/mass-actions/stop-campaign"), "write");
        assert_eq!(needed("POST", "/v1/mass-actions/erase-account"), "admin");
        assert_eq!(needed("POST", "/v1/mass-actions/reconcile"), "admin");
        assert_eq!(needed("DELETE", "/v1/mass-actions/job-1"), "write");
        assert_eq!(needed("GET", "/v1/connections/x/calls"), "read");
        assert_eq!(needed("PUT", "/v1/connections/x"), "admin");
        assert_eq!(needed("POST", "/v1/connections/x/calls/y/replay"), "admin");
        assert_eq!(needed("POST", "/v1/in/token"), "none");
        assert_eq!(needed("GET", "/u/token"), "none");
        assert_eq!(needed("GET", "/v1/openapi.json"), "none");
        assert_eq!(needed("GET", "/v1/campaign-schema.json"), "none");
        assert_eq!(needed("GET", "/healthz"), "none");
    }

    #[test]
    fn an_unknown_key_is_answered_from_memory_for_a_minute() {
        let (unknown, now) = (UnknownKeys::default(), Instant::UNIX_EPOCH);
        unknown.add("hash".to_owned(), now);
        assert!(unknown.has("hash", now + TimeDelta::seconds(59)));
        assert!(!unknown.has("hash", now + TimeDelta::seconds(60)));
        assert!(!unknown.has("hash", now - TimeDelta::seconds(1)), "the clock went back");
        assert!(!unknown.has("other", now));
        for nth in 0..UnknownKeys::MOST_KEYS {
            unknown.add(nth.to_string(), now);
        }
        assert!(unknown.0.lock().unwrap().len() <= UnknownKeys::MOST_KEYS);
    }

    #[test]
    fn scopes_reach_so_far() {
        let reached = |scope: Scope| {
            [Scope::Webhook, Scope::Read, Scope::Write, Scope::Admin].map(|n| scope.reaches(n))
        };
        assert_eq!(reached(Scope::Webhook), [true, false, false, false]);
        assert_eq!(reached(Scope::Read), [false, true, false, false]);
        assert_eq!(reached(Scope::Write), [true, true, true, false]);
        assert_eq!(reached(Scope::Admin), [true; 4]);
    }
}
