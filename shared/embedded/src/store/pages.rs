//! Queries, a page at a time.

use dacapo_platform::table::{
    Cursor, Direction, Item, Key, LARGEST_PAGE, Query, QueryPage, Range, TableError,
};
use rusqlite::{Connection, params_from_iter};

use super::rows;

/// The key after which a page begins.
pub(super) struct PageStart {
    /// In the table the sort key, in the index its sort key.
    sort: String,
    /// In the index: the item, to distinguish those with the same index key.
    item: Option<Key>,
}

impl PageStart {
    /// Where a query of the table continues.
    pub(super) fn of_items(query: &Query<'_>) -> Result<Option<Self>, TableError> {
        let Some(cursor) = &query.cursor else { return Ok(None) };
        let [_, sort] = cursor.parts(query.pk)?;
        Ok(Some(Self { sort, item: None }))
    }

    /// Where a query of the index continues.
    pub(super) fn of_index(query: &Query<'_>) -> Result<Option<Self>, TableError> {
        let Some(cursor) = &query.cursor else { return Ok(None) };
        let [_, sort, pk, sk] = cursor.parts(query.pk)?;
        Ok(Some(Self { sort, item: Some(Key { pk, sk }) }))
    }
}

/// A page of the table.
pub(super) fn items(
    connection: &Connection,
    query: &Query<'_>,
    from: Option<&PageStart>,
) -> rusqlite::Result<QueryPage<Item>> {
    let select = Select::new(query, from, "sk");
    let text = format!(
        "SELECT sk, rev, gpk, gsk, expires, body FROM items WHERE pk = ?1{} ORDER BY sk{}",
        select.where_, select.direction
    );
    let mut statement = connection.prepare_cached(&text)?;
    let mut rows = statement.query(params_from_iter(select.values))?;
    let mut page = Filling::<Item>::new(query.limit);
    while let Some(row) = rows.next()? {
        let item = rows::item(query.pk, row)?;
        let size = item.key.pk.len() + item.key.sk.len() + item.body.len();
        if !page.takes(size) {
            return Ok(page.cut(|last| Cursor::at(&[query.pk, &last.key.sk])));
        }
        page.items.push(item);
    }
    Ok(QueryPage { items: page.items, cursor: None })
}

/// A page of the index.
pub(super) fn index(
    connection: &Connection,
    query: &Query<'_>,
    from: Option<&PageStart>,
) -> rusqlite::Result<QueryPage<(Key, Key)>> {
    let select = Select::new(query, from, "gsk");
    let direction = select.direction;
    let text = format!(
        "SELECT gsk, pk, sk FROM items WHERE gpk = ?1{} ORDER BY gsk{direction}, pk{direction}, \
         sk{direction}",
        select.where_
    );
    let mut statement = connection.prepare_cached(&text)?;
    let mut rows = statement.query(params_from_iter(select.values))?;
    let mut page = Filling::<(Key, Key)>::new(query.limit);
    while let Some(row) = rows.next()? {
        let listed = (
            Key::new(query.pk, row.get::<_, String>(0)?),
            Key { pk: row.get(1)?, sk: row.get(2)? },
        );
        let size = listed.0.pk.len() + listed.0.sk.len() + listed.1.pk.len() + listed.1.sk.len();
        if !page.takes(size) {
            return Ok(
                page.cut(|(index, item)| Cursor::at(&[query.pk, &index.sk, &item.pk, &item.sk]))
            );
        }
        page.items.push(listed);
    }
    Ok(QueryPage { items: page.items, cursor: None })
}

/// A page while it is read. It ends at the limit or at its bytes, for which the text of a body is a
/// good enough measure here.
struct Filling<T> {
    items: Vec<T>,
    bytes: usize,
    limit: usize,
}

impl<T> Filling<T> {
    fn new(limit: usize) -> Self {
        Self { items: Vec::new(), bytes: 0, limit }
    }

    fn takes(&mut self, size: usize) -> bool {
        self.bytes += size;
        self.items.is_empty() || (self.items.len() < self.limit && self.bytes <= LARGEST_PAGE)
    }

    fn cut(self, cursor: impl FnOnce(&T) -> Cursor) -> QueryPage<T> {
        let cursor = self.items.last().map(cursor);
        QueryPage { items: self.items, cursor }
    }
}

/// The part of a statement that bounds and orders sort keys.
struct Select {
    where_: String,
    direction: &'static str,
    values: Vec<String>,
}

impl Select {
    /// Each end gets at most one bound, the tighter one. Of two, SQLite would seek one and scan to
    /// the other, again for every page.
    fn new(query: &Query<'_>, from: Option<&PageStart>, column: &str) -> Self {
        let mut select =
            Self { where_: String::new(), direction: "", values: vec![query.pk.to_owned()] };
        let (mut lower, mut upper) = match query.range {
            Range::All => (None, None),
            Range::Prefix(prefix) => {
                (Some((">=", prefix.to_owned())), after_prefix(prefix).map(|end| ("<", end)))
            }
            Range::From(from) => (Some((">=", from.to_owned())), None),
            Range::Between(from, to) => {
                (Some((">=", from.to_owned())), Some(("<=", to.to_owned())))
            }
        };
        let place = match query.order {
            Direction::Ascending => {
                let place = from
                    .filter(|place| lower.as_ref().is_none_or(|(_, bound)| place.sort >= *bound));
                lower = lower.filter(|_| place.is_none());
                place
            }
            Direction::Descending => {
                select.direction = " DESC";
                let place = from
                    .filter(|place| upper.as_ref().is_none_or(|(_, bound)| place.sort <= *bound));
                upper = upper.filter(|_| place.is_none());
                place
            }
        };
        for (comparison, bound) in lower.into_iter().chain(upper) {
            select.bound(column, comparison, [bound]);
        }
        if let Some(place) = place {
            let comparison = if query.order == Direction::Ascending { ">" } else { "<" };
            match place.item.clone() {
                None => select.bound(column, comparison, [place.sort.clone()]),
                Some(item) => select.bound(
                    "(gsk, pk, sk)",
                    comparison,
                    [place.sort.clone(), item.pk, item.sk],
                ),
            }
        }
        select
    }

    fn bound<const N: usize>(&mut self, columns: &str, comparison: &str, values: [String; N]) {
        let first = self.values.len() + 1;
        let places: Vec<String> = (first..first + N).map(|n| format!("?{n}")).collect();
        self.where_ += &format!(" AND {columns} {comparison} ({})", places.join(", "));
        self.values.extend(values);
    }
}

/// The smallest text above all those that begin with `prefix`; `None` if there is none.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        // Ranges of characters step over the gap of the surrogates.
        if let Some(next) = (last..=char::MAX).nth(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::after_prefix;

    #[test]
    fn a_prefix_ends_before_the_next_text_of_its_length() {
        assert_eq!(after_prefix("E#").as_deref(), Some("E$"));
        assert_eq!(after_prefix("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(after_prefix("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(after_prefix(""), None);
    }
}
