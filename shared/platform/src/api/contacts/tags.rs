//! The tags of the account, and how many contacts have each.

use axum::extract::State;
use dacapo_engine::ids::Tag;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::Api;
use crate::api::call::extract::Query;
use crate::api::call::lists::{Filling, Listed, Page, Paging};
use crate::api::call::problem::Problem;
use crate::api::call::surface::{Surface, calls};
use crate::error::Error;
use crate::handlers::StoredTag;
use crate::keys::SHARDS;
use crate::platform::{Platform, read};
use crate::table::Cursor;

/// What a cursor of the list begins with.
const LISTED: &str = "tags";

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, list)
}

/// A tag.
#[derive(Debug, Serialize, ToSchema)]
struct TagShape {
    /// As it was first written.
    tag: String,
    /// How many contacts have it: what the lists show, which follow changes within moments.
    count: usize,
}

/// The tags, in alphabetical order. A tag that nobody has any more is still listed.
#[utoipa::path(get, path = "/v1/tags", tag = "Account", params(Paging),
    responses((status = 200, body = Page<TagShape>)))]
async fn list(
    State(api): State<Api>,
    Query(paging): Query<Paging>,
) -> Result<Listed<TagShape>, Problem> {
    let (limit, after) = (paging.limit()?, paging.after(LISTED)?);
    let tags = api.platform.all_tags().await?;
    let begins =
        after.map_or(0, |after| tags.partition_point(|tag| tag.folded() <= after.as_str()));
    let (mut page, mut last): (_, Option<&Tag>) = (Filling::of(limit), None);
    for tag in &tags[begins..] {
        // Counting takes a while.
        let is_on_it = !page.is_full() && {
            let count = api.platform.count_tagged(tag).await?;
            page.put(&TagShape { tag: tag.to_string(), count })?
        };
        if !is_on_it {
            let next = last.map(|last| Cursor::at(&[LISTED, last.folded()]));
            return Ok(page.until(next.as_ref())?);
        }
        last = Some(tag);
    }
    Ok(page.until(None)?)
}

impl Platform {
    /// The tags of the account, in order.
    async fn all_tags(&self) -> Result<Vec<Tag>, Error> {
        let partition = self.keys.tags();
        let mut tags = Vec::new();
        let mut cursor = None;
        loop {
            let query = crate::table::Query::of(&partition).after(cursor);
            let page = self.ports.table.query(query).await?;
            for stored in &page.items {
                tags.push(read::<StoredTag>(stored)?.tag);
            }
            cursor = page.cursor;
            if cursor.is_none() {
                tags.sort_unstable();
                // Two spellings that were two tags once.
                tags.dedup();
                return Ok(tags);
            }
        }
    }

    async fn count_tagged(&self, tag: &Tag) -> Result<usize, Error> {
        let mut count = 0;
        for shard in 0..SHARDS {
            let before = self.keys.tagged_before(tag, shard);
            for partition in std::iter::once(self.keys.tagged(tag, shard)).chain(before) {
                let mut cursor = None;
                loop {
                    let query = crate::table::Query::of(&partition).after(cursor);
                    let page = self.ports.table.query(query).await?;
                    count += page.items.len();
                    cursor = page.cursor;
                    if cursor.is_none() {
                        break;
                    }
                }
            }
        }
        Ok(count)
    }
}
