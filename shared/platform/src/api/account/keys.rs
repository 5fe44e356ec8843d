//! API keys: made, listed, deleted. A key is shown once, and only its hash is kept.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use dacapo_engine::compact::SortCompactly as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::call::auth::{Scope, StoredKey};
use crate::api::call::extract::{Json, Path, Query};
use crate::api::call::idempotency::{Answer, Once};
use crate::api::call::lists::{Filling, Listed, Page, Paging, listing_failed};
use crate::api::call::problem::Problem;
use crate::api::call::surface::{Surface, calls};
use crate::catalog::CatalogStore;
use crate::contact_json::instant_text;
use crate::error::Error;
use crate::keys::{api_key, sha256};
use crate::store::{Store, item, read};
use crate::table::{Condition, Consistency, Cursor, Key, Range, Write};

/// The prefix of a key, so that it is recognised where it does not belong.
const PREFIX: &str = "dk_";

/// The prefix of a cursor of the list.
const LISTED: &str = "keys";

/// The longest name, in bytes.
const LONGEST_NAME: usize = 64;

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, list, create, delete)
}

/// An API key, without the key itself.
#[derive(Debug, Serialize, ToSchema)]
struct KeyShape {
    id: String,
    /// It stands in the history as the author of changes.
    name: String,
    scopes: Vec<Scope>,
    #[schema(format = DateTime)]
    created_at: String,
}

/// A new API key.
#[derive(Debug, Serialize, ToSchema)]
struct NewKey {
    #[serde(flatten)]
    shape: KeyShape,
    /// The key. It is not shown again.
    key: String,
}

/// What a key is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WrittenKey {
    /// It stands in the history as the author of changes.
    name: String,
    /// What it may do, at least one thing.
    scopes: Vec<Scope>,
}

impl KeyShape {
    fn of(hash: &str, stored: &StoredKey) -> Self {
        Self {
            id: hash.to_owned(),
            name: stored.name.clone(),
            scopes: stored.scopes.clone(),
            created_at: instant_text(stored.created_at),
        }
    }
}

/// Makes a key.
#[utoipa::path(post, path = "/v1/keys", tag = "Keys", request_body = WrittenKey,
    responses((status = 201, body = NewKey), (status = 422, body = Problem)))]
async fn create(
    State(store): State<Arc<Store>>,
    once: Once,
    Json(sent): Json<WrittenKey>,
) -> Result<Answer, Problem> {
    let name = sent.name.trim().to_owned();
    if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        let message = format!("a name has 1 to {LONGEST_NAME} bytes and no control characters");
        return Err(Problem::invalid_at("name", "name", message));
    }
    let mut scopes = sent.scopes;
    scopes.sort_compactly();
    scopes.dedup();
    if scopes.is_empty() {
        let message = "choose at least one of webhook, read, write and admin";
        return Err(Problem::invalid_at("scopes", "scopes", message));
    }
    let secret = once.secret(&*store.entropy);
    let key = format!("{PREFIX}{secret}");
    let hash = sha256(&key);
    let account = store.keys.account().clone();
    let stored = StoredKey { account, name, scopes, created_at: store.now() };
    let listed = Key::new(store.keys.api_keys_listed(), hash.as_str());
    let kept = item(api_key(&hash), &stored)?.index(listed);
    let answer = NewKey { shape: KeyShape::of(&hash, &stored), key };
    let answer = Answer::new(StatusCode::CREATED, &answer)?;
    let mut writes = vec![Write::put(kept, Condition::Absent)];
    writes.extend(once.keeps_without(&secret, &answer)?);
    store.write(writes).await.map_err(Error::from)?;
    Ok(answer)
}

/// The keys. Those given on the command line are not listed.
#[utoipa::path(get, path = "/v1/keys", tag = "Keys", params(Paging),
    responses((status = 200, body = Page<KeyShape>)))]
async fn list(
    State(store): State<Arc<Store>>,
    Query(paging): Query<Paging>,
) -> Result<Listed<KeyShape>, Problem> {
    let (limit, after) = (paging.limit()?, paging.after(LISTED)?);
    let partition = store.keys.api_keys_listed();
    // One more than fits shows whether there is a next page. The last one of the page before is
    // skipped.
    let mut query = crate::table::Query::of(&partition).limit(limit + 2);
    if let Some(after) = &after {
        query.range = Range::From(after);
    }
    let found = store.table.query_index(query).await.map_err(listing_failed)?;
    let listed = found.items.into_iter().filter(|(listed, _)| Some(&listed.sk) != after.as_ref());
    let (listed, keys): (Vec<Key>, Vec<Key>) = listed.unzip();
    let stored = store.table.get_many(&keys, Consistency::Strong).await;
    let (mut page, mut last, mut more) = (Filling::of(limit), after, found.cursor.is_some());
    for (listed, stored) in listed.into_iter().zip(stored.map_err(Error::from)?) {
        if let Some(stored) = stored
            && !page.put(&KeyShape::of(&listed.sk, &read(&stored)?))?
        {
            more = true;
            break;
        }
        last = Some(listed.sk);
    }
    let next = last.filter(|_| more).map(|last| Cursor::at(&[LISTED, &last]));
    Ok(page.until(next.as_ref())?)
}

/// Deletes a key: from now on it opens nothing.
#[utoipa::path(delete, path = "/v1/keys/{id}", tag = "Keys",
    params(("id" = String, Path, description = "The key's id")),
    responses((status = 204), (status = 404, body = Problem)))]
async fn delete(
    State(store): State<Arc<Store>>,
    State(catalog): State<Arc<CatalogStore>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let missing = || Problem::not_found("there is no such key");
    let key = api_key(&id);
    let stored = store.get(&key).await.map_err(Error::from)?.ok_or_else(missing)?;
    if read::<StoredKey>(&stored)?.account != *store.keys.account() {
        return Err(missing());
    }
    // Written together with the catalog: code that caches the key looks there whether it is valid.
    catalog
        .change(|catalog| {
            catalog.keys_deleted += 1;
            Ok::<_, Problem>(((), vec![Write::delete(key.clone(), Condition::Always)]))
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
