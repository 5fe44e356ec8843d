//! How items, images and instants are stored in the file.

use dacapo_platform::Instant;
use dacapo_platform::table::{Body, Item, Key};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

/// One item as it is.
pub(super) fn get(connection: &Connection, key: &Key) -> rusqlite::Result<Option<Item>> {
    let select = "SELECT sk, rev, gpk, gsk, expires, body FROM items WHERE pk = ?1 AND sk = ?2";
    connection
        .prepare_cached(select)?
        .query_row(params![key.pk, key.sk], |row| item(&key.pk, row))
        .optional()
}

/// The item of a row `sk, rev, gpk, gsk, expires, body`.
pub(super) fn item(pk: &str, row: &Row<'_>) -> rusqlite::Result<Item> {
    let index = match (row.get(2)?, row.get(3)?) {
        (Some(pk), Some(sk)) => Some(Key { pk, sk }),
        _ => None,
    };
    Ok(Item {
        key: Key { pk: pk.to_owned(), sk: row.get(0)? },
        rev: row.get::<_, Option<i64>>(1)?.map(i64::cast_unsigned),
        index,
        expires: row.get::<_, Option<i64>>(4)?.map(from_seconds),
        body: Body::stored(row.get::<_, String>(5)?),
    })
}

/// Stores an item, and replaces the one that may be there.
pub(super) fn put(connection: &Connection, item: &Item) -> rusqlite::Result<()> {
    let insert = "INSERT INTO items (pk, sk, rev, gpk, gsk, expires, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
        ON CONFLICT DO UPDATE SET rev = excluded.rev, gpk = excluded.gpk, gsk = excluded.gsk,
            expires = excluded.expires, body = excluded.body";
    let (gpk, gsk) = item.index.as_ref().map(|index| (&index.pk, &index.sk)).unzip();
    let expires = item.expires.map(seconds);
    let rev = item.rev.map(u64::cast_signed);
    let values = params![item.key.pk, item.key.sk, rev, gpk, gsk, expires, item.body.as_str()];
    connection.prepare_cached(insert)?.execute(values)?;
    Ok(())
}

/// Replaces an item whose index entries stay the same: the indexes are not written.
pub(super) fn replace(connection: &Connection, item: &Item) -> rusqlite::Result<()> {
    let update = "UPDATE items SET rev = ?3, body = ?4 WHERE pk = ?1 AND sk = ?2";
    let rev = item.rev.map(u64::cast_signed);
    let values = params![item.key.pk, item.key.sk, rev, item.body.as_str()];
    connection.prepare_cached(update)?.execute(values)?;
    Ok(())
}

/// An item as it will be read again: its expiry is kept in whole seconds.
pub(super) fn as_kept(item: &Item) -> Item {
    Item { expires: item.expires.map(|at| from_seconds(seconds(at))), ..item.clone() }
}

/// Removes an item.
pub(super) fn delete(connection: &Connection, key: &Key) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM items WHERE pk = ?1 AND sk = ?2")?
        .execute([&key.pk, &key.sk])?;
    Ok(())
}

/// The text kept under a name.
pub(super) fn meta(connection: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT value FROM meta WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()
}

/// What precedes the body in an image: everything of an item except its key and its body.
#[derive(Default, Serialize, Deserialize)]
struct Head {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rev: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    index: Option<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<i64>,
}

/// An item as text: the head, a line's end, and the body, which can be taken out without parsing.
pub(super) fn image(item: &Item) -> rusqlite::Result<String> {
    let index = item.index.as_ref().map(|index| (index.pk.clone(), index.sk.clone()));
    let head = Head { rev: item.rev, index, expires: item.expires.map(seconds) };
    let head = serde_json::to_string(&head)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    Ok(format!("{head}\n{}", item.body.as_str()))
}

/// The item of an image. One whose head cannot be read, because the file was damaged, is all body:
/// the handler cannot read that either and keeps it as a dead letter, and the feed goes on.
pub(super) fn from_image(key: &Key, image: &str) -> Item {
    let parts = image.split_once('\n');
    let readable = parts.and_then(|(head, body)| Some((serde_json::from_str(head).ok()?, body)));
    let (head, body): (Head, &str) = readable.unwrap_or((Head::default(), image));
    Item {
        key: key.clone(),
        rev: head.rev,
        index: head.index.map(|(pk, sk)| Key { pk, sk }),
        expires: head.expires.map(from_seconds),
        body: Body::stored(body),
    }
}

/// Whole seconds, rounded up, so that nothing expires early.
pub(super) fn seconds(at: Instant) -> i64 {
    at.timestamp() + i64::from(at.timestamp_subsec_nanos() > 0)
}

fn from_seconds(seconds: i64) -> Instant {
    Instant::from_timestamp(seconds, 0).unwrap_or(Instant::MAX_UTC)
}

/// Whole milliseconds, rounded up, so that nothing comes early.
pub(super) fn millis(at: Instant) -> i64 {
    at.timestamp_millis() + i64::from(!at.timestamp_subsec_nanos().is_multiple_of(1_000_000))
}

/// The instant of a number of milliseconds.
pub(super) fn from_millis(millis: i64) -> Instant {
    Instant::from_timestamp_millis(millis).unwrap_or(Instant::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_image_is_all_body_and_an_intact_one_comes_back() {
        let key = Key { pk: "p".to_owned(), sk: "s".to_owned() };
        let item = Item {
            key: key.clone(),
            rev: Some(7),
            index: Some(Key { pk: "g".to_owned(), sk: "h".to_owned() }),
            expires: Some(from_seconds(60)),
            body: Body::stored("{\"n\":1}"),
        };
        assert_eq!(from_image(&key, &image(&item).unwrap()), item);
        for damaged in ["", "no head", "{\"rev\": ", "{\"rev\": \"x\"}\n{\"n\":1}"] {
            let read = from_image(&key, damaged);
            assert_eq!((read.rev, read.index), (None, None), "{damaged}");
            assert_eq!(read.body.as_str(), damaged);
        }
    }
}
