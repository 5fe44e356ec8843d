//! Objects of a type as CSV, each with the address of its contact, as an import reads them.

use axum::extract::State;
use axum::response::Response;
use dacapo_engine::contact::Contact;
use dacapo_engine::ids::{FieldKey, ObjectType};

use crate::api::Api;
use crate::api::call::extract::{Path, Query};
use crate::api::call::lists::foreign_cursor;
use crate::api::call::problem::Problem;
use crate::api::call::surface::{Surface, calls};
use crate::api::contacts::csv::export::{LAST, Part, Rows, put_last};
use crate::api::contacts::object_names::object_type;
use crate::contacts::read_contact;
use crate::error::Error;
use crate::keys::SHARDS;
use crate::platform::Platform;
use crate::table::{Consistency, Cursor, LONGEST_SK};

/// How many objects are read at once.
const OBJECTS_AT_ONCE: usize = 50;

/// The prefix of a cursor of the file.
const EXPORTED: &str = "object-export";

/// The columns before those of the type's fields; the second name where the type has a field of
/// the first one.
const COLUMNS: [(&str, &str); 4] =
    [("id", "id"), ("key", "key"), ("email", "contact.email"), ("contact_id", "contact.id")];

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, export)
}

/// The name of the file, as a header says it.
const FILE: &str = "attachment; filename=\"objects.csv\"";

/// Exports the objects of a type as CSV, with a column for every field of the type, as an import
/// reads them: all of them, or
/// `limit` of them at most, and then `Dacapo-Next-Cursor` tells where the next part begins, if
/// there is one. Every part has the row of headings. 422 for all of them where an answer does not
/// hold them.
#[utoipa::path(
    get, path = "/v1/object-types/{type}/export", tag = "Objects",
    params(("type" = String, Path, description = "The type"), Part),
    responses(
        (status = 200, body = String, content_type = "text/csv"), (status = 404, body = Problem),
        (status = 422, body = Problem),
    ),
)]
async fn export(
    State(api): State<Api>,
    Path(kind): Path<String>,
    Query(part): Query<Part>,
) -> Result<Response, Problem> {
    let (limit, from) = (part.limit()?, part.cursor()?);
    let loaded = api.platform.catalog.current().await?;
    let (kind, definition) = object_type(&loaded.catalog, &kind)?;
    let fields: Vec<FieldKey> = definition.fields.keys().cloned().collect();
    let mut rows = Rows::default();
    let names = fields.iter().map(FieldKey::as_str);
    let before = COLUMNS
        .into_iter()
        .map(|(name, other)| if definition.fields.contains_key(name) { other } else { name });
    rows.put(before.chain(names).chain(LAST))?;
    let (mut shard, mut after) = match from {
        Some(cursor) => {
            let [_, shard, after] = cursor.parts::<3>(EXPORTED).map_err(|_| foreign_cursor())?;
            let shard: u32 = shard.parse().map_err(|_| foreign_cursor())?;
            if shard >= SHARDS || after.len() > LONGEST_SK {
                return Err(foreign_cursor());
            }
            (shard, Some(after).filter(|after| !after.is_empty()))
        }
        None => (0, None),
    };
    let (mut left, mut next) = (limit.unwrap_or(usize::MAX), None);
    'file: while shard < SHARDS {
        let page = page(&api.platform, kind, shard, after.as_deref()).await?;
        let Some(last) = page.last().map(|(id, _)| id.clone()) else {
            (shard, after) = (shard + 1, None);
            continue;
        };
        let mut before = after.take().unwrap_or_default();
        for (id, row) in page {
            if let Some((object, person)) = row {
                let cells = cells(&fields, &object, person.as_ref());
                if left == 0 || !rows.put(cells.iter().map(String::as_str))? {
                    next = Some(Cursor::at(&[EXPORTED, &shard.to_string(), &before]));
                    break 'file;
                }
                left -= 1;
            }
            before = id;
        }
        after = Some(last);
    }
    part.answer(FILE, rows.done()?, next.as_ref())
}

/// An id of a list, and the object with its person, if it is still there.
type Entry = (String, Option<(Contact, Option<Contact>)>);

/// The next objects of a shard.
async fn page(
    platform: &Platform,
    kind: &ObjectType,
    shard: u32,
    after: Option<&str>,
) -> Result<Vec<Entry>, Error> {
    let Platform { store, objects, .. } = platform;
    let ids = objects.listed(kind, shard, after, OBJECTS_AT_ONCE).await?;
    let own = ids.iter().map(|id| store.keys.contact(id));
    let persons = ids.iter().map(|id| store.keys.contact(&id.person()));
    let keys: Vec<_> = own.chain(persons).collect();
    let mut stored = store.table.get_many(&keys, Consistency::Strong).await?;
    let persons = stored.split_off(ids.len());
    let mut entries = Vec::new();
    for ((id, object), person) in ids.into_iter().zip(stored).zip(persons) {
        let object = object.map(|item| read_contact(&item)).transpose()?;
        let person = person.map(|item| read_contact(&item)).transpose()?;
        entries.push((id.to_string(), object.map(|object| (object, person))));
    }
    Ok(entries)
}

fn cells(fields: &[FieldKey], object: &Contact, person: Option<&Contact>) -> Vec<String> {
    let key = object.object.as_ref().map(|identity| identity.key.clone()).unwrap_or_default();
    let email = person.and_then(Contact::address).unwrap_or_default().to_owned();
    let mut row = vec![object.id.to_string(), key, email, object.id.person().to_string()];
    put_last(&mut row, fields, object);
    row
}
