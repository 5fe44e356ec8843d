//! What a request may hold. Every table checks it first, so that all of them refuse the same
//! requests with the same errors.

use std::collections::HashSet;

use super::{
    Condition, Consistency, Cursor, Item, Key, Query, RESERVED, Range, TableError, Write, size,
    size_at_most,
};

/// The bytes of the largest item.
pub const LARGEST_ITEM: usize = 400 * 1024;
/// The bytes of items on the largest page.
pub const LARGEST_PAGE: usize = 1024 * 1024;
/// The bytes of items in the largest transaction.
pub const LARGEST_TRANSACTION: usize = 4 * 1024 * 1024;
/// The most writes in a transaction.
pub const MOST_WRITES: usize = 100;
/// The bytes of the longest partition key.
pub const LONGEST_PK: usize = 2048;
/// The bytes of the longest sort key.
pub const LONGEST_SK: usize = 1024;
/// The bytes of the longest token of a transaction.
pub const LONGEST_TOKEN: usize = 36;

/// Whether these writes can be made together at all, whatever is stored.
pub fn check<'a>(writes: impl IntoIterator<Item = &'a Write>) -> Result<(), TableError> {
    let mut seen = HashSet::new();
    let mut together_at_most = 0;
    let mut items = Vec::new();
    for write in writes {
        check_key(write.key())?;
        if !seen.insert(write.key()) {
            return Err(TableError::Invalid(format!(
                "`{}` is written twice in one transaction",
                write.key()
            )));
        }
        match write {
            Write::Put { item, .. } => {
                check_item(item)?;
                together_at_most += size_at_most(item);
                items.push(item);
            }
            Write::Check { key, condition: Condition::Always } => {
                return Err(TableError::Invalid(format!("the check of `{key}` checks nothing")));
            }
            Write::Add { key, index, counters } => {
                index.as_ref().map_or(Ok(()), check_key)?;
                if counters.is_empty() && index.is_none() {
                    return Err(TableError::Invalid(format!("nothing is added to `{key}`")));
                }
                if let Some(name) = RESERVED.into_iter().find(|name| counters.contains_key(*name)) {
                    return Err(TableError::Invalid(format!(
                        "`{name}` is an attribute of every item, no counter"
                    )));
                }
            }
            Write::Delete { .. } | Write::Check { .. } => {}
        }
    }
    if seen.len() > MOST_WRITES {
        return Err(TableError::Invalid(format!(
            "{} writes are too many, {MOST_WRITES} fit",
            seen.len()
        )));
    }
    if together_at_most > LARGEST_TRANSACTION {
        let together = items.iter().copied().map(size).sum();
        if together > LARGEST_TRANSACTION {
            return Err(TableError::TooLarge {
                key: None,
                size: together,
                bound: LARGEST_TRANSACTION,
            });
        }
    }
    Ok(())
}

/// Whether an item can be stored.
pub fn check_item(item: &Item) -> Result<(), TableError> {
    check_key(&item.key)?;
    item.index.as_ref().map_or(Ok(()), check_key)?;
    // Reading a body to measure it costs more than storing it, and few come near the bound.
    if size_at_most(item) > LARGEST_ITEM {
        let size = size(item);
        if size > LARGEST_ITEM {
            return Err(TableError::TooLarge {
                key: Some(item.key.clone()),
                size,
                bound: LARGEST_ITEM,
            });
        }
    }
    Ok(())
}

/// Whether something can be stored under a key.
pub fn check_key(key: &Key) -> Result<(), TableError> {
    let fits = |part: &str, bound: usize| (1..=bound).contains(&part.len());
    if fits(&key.pk, LONGEST_PK) && fits(&key.sk, LONGEST_SK) {
        return Ok(());
    }
    Err(TableError::Invalid(format!(
        "a key has 1 to {LONGEST_PK} and 1 to {LONGEST_SK} bytes, this one {} and {}",
        key.pk.len(),
        key.sk.len()
    )))
}

/// Whether a token can name a transaction.
pub fn check_token(token: &str) -> Result<(), TableError> {
    if (1..=LONGEST_TOKEN).contains(&token.len()) {
        return Ok(());
    }
    Err(TableError::Invalid(format!(
        "a token has 1 to {LONGEST_TOKEN} bytes, this one {}",
        token.len()
    )))
}

/// Whether a query can be answered by the table, or by the index.
pub fn check_query(query: &Query<'_>, index: bool) -> Result<(), TableError> {
    if query.pk.is_empty() {
        return Err(TableError::Invalid("a query names a partition".to_owned()));
    }
    if query.limit == 0 {
        return Err(TableError::Invalid("a page of no items leads nowhere".to_owned()));
    }
    if index && query.consistency == Consistency::Strong {
        return Err(TableError::Invalid("the index has no strong reads".to_owned()));
    }
    if let Range::From(from) | Range::Between(from, _) = query.range
        && from.len() > LONGEST_SK
    {
        return Err(TableError::Invalid("no sort key is as long as this bound".to_owned()));
    }
    match &query.cursor {
        Some(cursor) => check_cursor(query, cursor, index),
        None => Ok(()),
    }
}

/// Whether a page of this query can have ended at a cursor, which comes back from outside: it names
/// keys that can be, of the query's partition and range. DynamoDB refuses others in its own way,
/// and SQLite would read from anywhere.
fn check_cursor(query: &Query<'_>, cursor: &Cursor, index: bool) -> Result<(), TableError> {
    let place = if index {
        let [pk, sk, of, at] = cursor.parts(query.pk)?;
        check_key(&Key { pk: of, sk: at })?;
        Key { pk, sk }
    } else {
        let [pk, sk] = cursor.parts(query.pk)?;
        Key { pk, sk }
    };
    check_key(&place)?;
    if query.range.contains(&place.sk) {
        return Ok(());
    }
    Err(TableError::Invalid("the cursor belongs to no page of this query".to_owned()))
}
