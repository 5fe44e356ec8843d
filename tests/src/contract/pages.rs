//! Queries of the table and of its index.

use std::str::FromStr;

use dacapo_platform::table::{
    Condition, Cursor, Item, Key, LARGEST_PAGE, LARGEST_TRANSACTION, LONGEST_SK, Query, Range,
    Write, size,
};

use super::{Shared, assert_invalid, eventually, item, key};

/// Not alphabetically, not by UTF-16: U+FF5E comes before U+1F600.
pub async fn sort_keys_are_ordered_by_their_bytes(table: &Shared, scope: &str) {
    let ordered =
        ["!", "A", "Z", "a", "a ", "aa", "b", "z", "Ä", "ß", "ä", "中", "\u{ff5e}", "\u{1f600}"];
    let mut shuffled = ordered;
    shuffled.reverse();
    shuffled.swap(2, 9);
    put_all(table, shuffled.map(|sk| item(key(scope, sk), "text"))).await;
    assert_eq!(sort_keys(table, Query::of(scope).strong()).await, ordered);
    let from_z = Query::of(scope).between("z", "中").strong();
    assert_eq!(sort_keys(table, from_z).await, ["z", "Ä", "ß", "ä", "中"]);
}

/// Bytewise too: a prefix finds exactly the keys that begin with it.
pub async fn a_prefix_bounds_a_query(table: &Shared, scope: &str) {
    let all = [
        "CONTACT",
        "D",
        "E",
        "E#",
        "E#a",
        "E#b",
        "E#\u{10ffff}",
        "E$",
        "F",
        "e#a",
        "é#",
        "\u{10ffff}a",
    ];
    put_all(table, all.map(|sk| item(key(scope, sk), "text"))).await;
    let found = |prefix| sort_keys(table, Query::of(scope).prefix(prefix).strong());
    assert_eq!(found("E#").await, ["E#", "E#a", "E#b", "E#\u{10ffff}"]);
    assert_eq!(found("E#\u{10ffff}").await, ["E#\u{10ffff}"]);
    assert_eq!(found("\u{10ffff}").await, ["\u{10ffff}a"]);
    assert_eq!(found("X").await, [""; 0]);
    let descending = Query::of(scope).prefix("E#").descending().limit(1).strong();
    assert_eq!(sort_keys(table, descending).await, ["E#\u{10ffff}", "E#b", "E#a", "E#"]);
}

/// Both bounds are inclusive.
pub async fn both_bounds_are_included(table: &Shared, scope: &str) {
    put_all(table, ["a", "b", "b1", "c", "d"].map(|sk| item(key(scope, sk), "text"))).await;
    assert_eq!(
        sort_keys(table, Query::of(scope).between("b", "c").strong()).await,
        ["b", "b1", "c"]
    );
    let descending = Query::of(scope).between("aa", "c").descending().limit(2).strong();
    assert_eq!(sort_keys(table, descending).await, ["c", "b1", "b"]);
}

/// Bounds in the wrong order, or longer than a key may be; an empty one is no bound.
pub async fn bounds_that_hold_nothing_find_nothing(table: &Shared, scope: &str) {
    put_all(table, ["a", "b", "c"].map(|sk| item(key(scope, sk), "text"))).await;
    let long = "b".repeat(1_100);
    for query in [
        Query::of(scope).between("c", "a"),
        Query::of(scope).between("b", ""),
        Query::of(scope).prefix(&long),
    ] {
        assert_eq!(sort_keys(table, query.strong()).await, [""; 0]);
    }
    assert_eq!(sort_keys(table, Query::of(scope).prefix("").strong()).await, ["a", "b", "c"]);
    assert_eq!(sort_keys(table, Query::of(scope).between("", "b").strong()).await, ["a", "b"]);
}

/// For every limit the pages together are complete, each within the limit.
pub async fn pages_of_a_limit_join_in_either_order(table: &Shared, scope: &str) {
    let all: Vec<String> = (0..25).map(|n| format!("{n:02}")).collect();
    put_all(table, all.iter().map(|sk| item(key(scope, sk), "text"))).await;
    let reversed: Vec<String> = all.iter().rev().cloned().collect();
    for limit in [1, 7, 24, 25, 26] {
        assert_eq!(sort_keys(table, Query::of(scope).limit(limit).strong()).await, all);
        assert_eq!(
            sort_keys(table, Query::of(scope).limit(limit).descending().strong()).await,
            reversed
        );
    }
    // A cursor survives as text, and its item may have been deleted.
    let first = table.query(Query::of(scope).limit(5).strong()).await.expect("a page");
    table
        .write(vec![Write::delete(key(scope, "04"), Condition::Always)], None)
        .await
        .expect("a delete");
    let cursor = first.cursor.map(|cursor| Cursor::from_str(&cursor.to_string()).expect("a text"));
    let second =
        table.query(Query::of(scope).limit(1).after(cursor).strong()).await.expect("a page");
    assert_eq!(second.items.first().map(|item| item.key.sk.as_str()), Some("05"));
}

/// Without a limit, a page ends at 1 MB of items.
pub async fn pages_end_at_a_megabyte(table: &Shared, scope: &str) {
    let text = "x".repeat(150_000);
    let all: Vec<String> = (0..20).map(|n| format!("{n:02}")).collect();
    put_all(table, all.iter().map(|sk| item(key(scope, sk), &text))).await;
    let (mut found, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = table.query(Query::of(scope).after(cursor).strong()).await.expect("a page");
        assert!(page.items.iter().map(size).sum::<usize>() <= LARGEST_PAGE);
        found.extend(page.items.into_iter().map(|item| item.key.sk));
        pages += 1;
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(found, all);
    assert!(pages >= 3, "three megabytes came on {pages} pages");
}

/// Cursors are untrusted input: no cursor or other text opens another partition.
pub async fn a_cursor_of_another_partition_is_refused(table: &Shared, scope: &str) {
    let other = format!("{scope} other");
    put_all(table, ["a", "b", "c"].map(|sk| item(key(&other, sk), "text"))).await;
    let page = table.query(Query::of(&other).limit(1).strong()).await.expect("a page");
    assert!(page.cursor.is_some());
    assert_invalid(&table.query(Query::of(scope).after(page.cursor).strong()).await);
    for text in ["", "text", "W10", "bnVsbA"] {
        let cursor = Cursor::from_str(text).ok();
        assert_invalid(&table.query(Query::of(scope).after(cursor.clone()).strong()).await);
        assert_invalid(&table.query_index(Query::of(scope).after(cursor)).await);
    }
}

/// Nor does one lead outside of the query's range, or to what can be no key.
pub async fn a_cursor_outside_of_the_query_is_refused(table: &Shared, scope: &str) {
    let listed = |sk: &str| item(key(scope, sk), "text").index(key(scope, sk));
    put_all(table, ["a1", "a2", "a3", "b"].map(listed)).await;
    let long = "a".repeat(LONGEST_SK + 1);
    for sk in ["", "b", "A", &long] {
        let cursor = Some(Cursor::at(&[scope, sk]));
        assert_invalid(&table.query(Query::of(scope).prefix("a").after(cursor)).await);
        let cursor = Some(Cursor::at(&[scope, sk, scope, "a1"]));
        assert_invalid(&table.query_index(Query::of(scope).prefix("a").after(cursor)).await);
    }
    for (pk, sk) in [("", "a1"), (scope, ""), (scope, &long)] {
        let cursor = Some(Cursor::at(&[scope, "a1", pk, sk]));
        assert_invalid(&table.query_index(Query::of(scope).after(cursor)).await);
    }
    let mut from = Query::of(scope);
    from.range = Range::From(&long);
    assert_invalid(&table.query(from).await);
    // One that a page may have ended at, whose item is gone.
    let cursor = Some(Cursor::at(&[scope, "a2x"]));
    let page = table.query(Query::of(scope).prefix("a").after(cursor)).await.expect("a page");
    assert_eq!(page.items.len(), 1);
}

/// Paging with a limit of 0 would never end.
pub async fn a_page_of_none_is_refused(table: &Shared, scope: &str) {
    assert_invalid(&table.query(Query::of(scope).limit(0)).await);
    assert_invalid(&table.query_index(Query::of(scope).limit(0)).await);
}

/// A partition whose name begins with another's is another one.
pub async fn partitions_are_apart(table: &Shared, scope: &str) {
    let longer = format!("{scope}#");
    put_all(table, [item(key(scope, "a"), "text"), item(key(&longer, "b"), "text")]).await;
    assert_eq!(sort_keys(table, Query::of(scope).strong()).await, ["a"]);
    assert_eq!(sort_keys(table, Query::of(&longer).strong()).await, ["b"]);
}

/// Items without an index key aren't in it.
pub async fn the_index_is_sparse(table: &Shared, scope: &str) {
    let listed = item(key(scope, "listed"), "text").index(key(scope, "b"));
    let first = item(key(scope, "first"), "text").index(key(scope, "a"));
    put_all(table, [listed, first, item(key(scope, "unlisted"), "text")]).await;
    assert_listed(table, scope, &[("a", "first"), ("b", "listed")]).await;
    eventually(vec![("b".to_owned(), "listed".to_owned())], || {
        entries(table, Query::of(scope).prefix("b"))
    })
    .await;
}

/// A put moves an item in the index or removes it, a delete removes it.
pub async fn the_index_follows_its_items(table: &Shared, scope: &str) {
    let elsewhere = format!("{scope} elsewhere");
    let put = |sk, index: Option<Key>| {
        let bare = item(key(scope, sk), "text");
        Write::put(Item { index, ..bare }, Condition::Always)
    };
    let write = |write| async { table.write(vec![write], None).await.expect("a write") };
    for sk in ["a", "b", "c", "d"] {
        write(put(sk, Some(key(scope, sk)))).await;
    }
    write(put("a", Some(key(scope, "z")))).await;
    write(put("b", Some(key(&elsewhere, "b")))).await;
    write(put("c", None)).await;
    assert_listed(table, scope, &[("d", "d"), ("z", "a")]).await;
    assert_listed(table, &elsewhere, &[("b", "b")]).await;
    write(Write::delete(key(scope, "d"), Condition::Present)).await;
    assert_listed(table, scope, &[("z", "a")]).await;
}

/// Many items of one index key, cut anywhere, in either order: each is found once.
pub async fn the_index_pages_through_equal_keys(table: &Shared, scope: &str) {
    let all: Vec<String> = (0..12).map(|n| format!("{n:02}")).collect();
    let index = |n: usize| if n < 8 { "same" } else { "zest" };
    put_all(
        table,
        all.iter()
            .enumerate()
            .map(|(n, sk)| item(key(scope, sk), "text").index(key(scope, index(n)))),
    )
    .await;
    for limit in [1, 5, 12] {
        for query in [Query::of(scope).limit(limit), Query::of(scope).limit(limit).descending()] {
            let sorted = || async {
                let mut found = entries(table, query.clone()).await;
                found.sort();
                found.into_iter().map(|(_, sk)| sk).collect::<Vec<_>>()
            };
            eventually(all.clone(), sorted).await;
        }
        let last = entries(table, Query::of(scope).limit(limit).descending()).await;
        assert!(last[..4].iter().all(|(index, _)| index == "zest"));
    }
}

/// A strong read of an index does not exist, so it is refused.
pub async fn the_index_has_no_strong_reads(table: &Shared, scope: &str) {
    assert_invalid(&table.query_index(Query::of(scope).strong()).await);
}

async fn put_all(table: &Shared, items: impl IntoIterator<Item = Item>) {
    let mut writes = Vec::new();
    let mut bytes = 0;
    for item in items {
        bytes += size(&item);
        if bytes > LARGEST_TRANSACTION / 2 {
            table.write(std::mem::take(&mut writes), None).await.expect("puts");
            bytes = size(&item);
        }
        writes.push(Write::put(item, Condition::Always));
    }
    table.write(writes, None).await.expect("puts");
}

/// The sort keys of all pages of a query.
async fn sort_keys(table: &Shared, mut query: Query<'_>) -> Vec<String> {
    let mut found = Vec::new();
    loop {
        let page = table.query(query.clone()).await.expect("a page");
        assert!(page.items.len() <= query.limit);
        found.extend(page.items.into_iter().map(|item| item.key.sk));
        match page.cursor {
            None => return found,
            cursor => query.cursor = cursor,
        }
    }
}

/// The index's and the item's sort keys on all pages of a query of the index.
async fn entries(table: &Shared, mut query: Query<'_>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    loop {
        let page = table.query_index(query.clone()).await.expect("a page");
        assert!(page.items.len() <= query.limit);
        found.extend(page.items.into_iter().map(|(index, item)| (index.sk, item.sk)));
        match page.cursor {
            None => return found,
            cursor => query.cursor = cursor,
        }
    }
}

async fn assert_listed(table: &Shared, pk: &str, due: &[(&str, &str)]) {
    let due = due.iter().map(|(index, sk)| ((*index).to_owned(), (*sk).to_owned())).collect();
    eventually(due, || entries(table, Query::of(pk))).await;
}
