//! The tags of the account, and how many contacts have each.

use std::sync::Arc;

use axum::extract::State;
use dacapo_engine::ids::Tag;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::call::extract::Query;
use crate::api::call::lists::{Filling, Listed, Page, Paging};
use crate::api::call::problem::Problem;
use crate::api::call::surface::{Surface, calls};
use crate::table::Cursor;
use crate::tags::Tags;

/// The prefix of a cursor of the list.
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
    State(tags): State<Arc<Tags>>,
    Query(paging): Query<Paging>,
) -> Result<Listed<TagShape>, Problem> {
    let (limit, after) = (paging.limit()?, paging.after(LISTED)?);
    let all = tags.all().await?;
    let begins = after.map_or(0, |after| all.partition_point(|tag| tag.folded() <= after.as_str()));
    let (mut page, mut last): (_, Option<&Tag>) = (Filling::of(limit), None);
    for tag in &all[begins..] {
        // Counting takes time.
        let is_on_it = !page.is_full() && {
            let count = tags.count(tag).await?;
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
