//! Reading and writing one item.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::DateTime;
use dacapo_platform::table::{
    Condition, Consistency, Item, LARGEST_ITEM, LONGEST_PK, LONGEST_SK, TableError, Write, size,
};
use serde_json::{Value, json};

use super::{Shared, assert_invalid, body, conflict, eventually, get, item, key, said};

/// Every part of an item is read back; an expiry in whole seconds, never earlier than given.
pub async fn a_put_is_read_back_whole(table: &Shared, scope: &str) {
    let says = json!({
        "text": "Zoë \"quoted\"\n\u{1f600}", "number": -12.5, "big": 9_007_199_254_740_991_i64,
        "yes": true, "none": null, "empty": "", "list": [1, [], {}], "map": { "rev": 1 }
    });
    let expires = DateTime::from_timestamp(4_000_000_000, 0).expect("an instant");
    let whole = Item::new(key(scope, "whole"), body(&says))
        .rev(7)
        .index(key(scope, "listed"))
        .expires(expires);
    table.write(vec![Write::put(whole.clone(), Condition::Always)], None).await.expect("a put");
    assert_eq!(get(table, &whole.key).await, Some(whole.clone()));

    let fraction = DateTime::from_timestamp(4_000_000_000, 1).expect("an instant");
    let bare = item(key(scope, "whole"), "bare").expires(fraction);
    table.write(vec![Write::put(bare.clone(), Condition::Always)], None).await.expect("a put");
    let found = get(table, &bare.key).await.expect("the item");
    assert_eq!((found.rev, found.index), (None, None), "a put replaces all of it");
    assert_eq!(found.expires.map(|at| at.timestamp()), Some(4_000_000_001));
}

/// Numbers of any size, strings of any characters, nesting of any depth of JSON.
pub async fn whatever_a_body_says_comes_back(table: &Shared, scope: &str) {
    let nested = |depth: usize| (0..depth).fold(json!({ "end": 1.5 }), |inside, _| json!([inside]));
    let bodies = [
        json!({}),
        json!({ "n": [0, -1, 1.5, 0.25, u64::MAX, i64::MIN, 1e20, 1e-7, 1e125, -1e-100] }),
        json!({ "n": [1e126, -1e-131, 1e300, 1e-300] }),
        json!({ "text": ["", "\u{0}", "\"\\\n", "\u{ff5e}\u{1f600}", "Zoë"] }),
        json!({ "map": { " ": { "\u{1f600}": "" } }, "a b": 1, "a.b": 2, "#a": 3, ":a": 4, "a\"b": 5 }),
        json!({ "deep": nested(25) }),
        json!({ "deeper": nested(60) }),
    ];
    for (nth, says) in bodies.into_iter().enumerate() {
        let whole = Item::new(key(scope, &nth.to_string()), body(&says));
        table.write(vec![Write::put(whole.clone(), Condition::Always)], None).await.expect("a put");
        let found = get(table, &whole.key).await.expect("the item");
        let found: Value = found.body.read().expect("an object");
        assert!(says_the_same(&found, &says), "{found} was due to say {says}");
    }
}

/// Equal, except that a number may be written differently, `1e20` in digits and `2.0` as `2`, and
/// that the last bit of a long number may differ.
fn says_the_same(found: &Value, due: &Value) -> bool {
    match (found, due) {
        (Value::Number(found), Value::Number(due)) => {
            let (number, is) = (found.as_f64().unwrap_or(0.0), due.as_f64().unwrap_or(0.0));
            found == due || (number - is).abs() <= 4.0 * f64::EPSILON * is.abs()
        }
        (Value::Array(found), Value::Array(due)) => {
            found.len() == due.len()
                && found.iter().zip(due).all(|(found, due)| says_the_same(found, due))
        }
        (Value::Object(found), Value::Object(due)) => {
            found.len() == due.len()
                && due.iter().all(|(name, due)| {
                    found.get(name).is_some_and(|found| says_the_same(found, due))
                })
        }
        (found, due) => found == due,
    }
}

/// The delete of a missing item succeeds.
pub async fn a_delete_removes_and_bears_a_repeat(table: &Shared, scope: &str) {
    let key = key(scope, "gone");
    table
        .write(vec![Write::put(item(key.clone(), "here"), Condition::Always)], None)
        .await
        .expect("a put");
    for _ in 0..2 {
        table
            .write(vec![Write::delete(key.clone(), Condition::Always)], None)
            .await
            .expect("a delete");
        assert_eq!(get(table, &key).await, None);
    }
    let (_, current) =
        conflict(table.write(vec![Write::delete(key, Condition::Present)], None).await);
    assert_eq!(current, None);
}

/// `Absent`, with the item as it stands where there is one.
pub async fn absent_holds_only_where_there_is_none(table: &Shared, scope: &str) {
    let key = key(scope, "one");
    table
        .write(vec![Write::put(item(key.clone(), "first"), Condition::Absent)], None)
        .await
        .expect("a put");
    let second = Write::put(item(key.clone(), "second"), Condition::Absent);
    let (which, current) = conflict(table.write(vec![second], None).await);
    assert_eq!((which, current), (0, Some(item(key.clone(), "first"))));
    assert_eq!(said(table, &key).await.as_deref(), Some("first"));
}

/// `Present`.
pub async fn present_holds_only_where_there_is_one(table: &Shared, scope: &str) {
    let key = key(scope, "one");
    let put = |says| vec![Write::put(item(key.clone(), says), Condition::Present)];
    assert_eq!(conflict(table.write(put("too early"), None).await), (0, None));
    assert_eq!(get(table, &key).await, None);
    table
        .write(vec![Write::put(item(key.clone(), "first"), Condition::Always)], None)
        .await
        .expect("a put");
    table.write(put("second"), None).await.expect("a put");
    assert_eq!(said(table, &key).await.as_deref(), Some("second"));
}

/// `Rev`: not of another revision, not of an item without one, not of no item.
pub async fn rev_holds_only_of_that_revision(table: &Shared, scope: &str) {
    let key = key(scope, "one");
    let put = |rev, expected| {
        vec![Write::put(item(key.clone(), "text").rev(rev), Condition::Rev(expected))]
    };
    assert_eq!(conflict(table.write(put(1, 0), None).await), (0, None));
    table
        .write(vec![Write::put(item(key.clone(), "bare"), Condition::Absent)], None)
        .await
        .expect("a put");
    assert_eq!(conflict(table.write(put(1, 0), None).await).1, Some(item(key.clone(), "bare")));
    table
        .write(vec![Write::put(item(key.clone(), "text").rev(1), Condition::Always)], None)
        .await
        .expect("a put");
    table.write(put(2, 1), None).await.expect("a put");
    assert_eq!(conflict(table.write(put(2, 1), None).await).1.and_then(|item| item.rev), Some(2));
    let delete = |rev| vec![Write::delete(key.clone(), Condition::Rev(rev))];
    conflict(table.write(delete(1), None).await);
    table.write(delete(2), None).await.expect("a delete");
}

/// A writer whose answer was lost tries again and finds what it wrote itself.
pub async fn a_failed_condition_shows_the_callers_own_write(table: &Shared, scope: &str) {
    let mine = Item::new(key(scope, "one"), body(&json!({ "write": "w-1" }))).rev(1);
    let put = vec![Write::put(mine.clone(), Condition::Absent)];
    table.write(put.clone(), None).await.expect("a put");
    let (_, current) = conflict(table.write(put, None).await);
    let found: Value = current.expect("the item").body.read().expect("an object");
    assert_eq!(found["write"], "w-1");
}

/// In every round: of the writers that read the same revision one succeeds, the others get a
/// conflict.
pub async fn of_writers_that_race_for_one_item_one_wins(table: &Shared, scope: &str) {
    const WRITERS: usize = 4;
    let key = key(scope, "contested");
    table
        .write(vec![Write::put(item(key.clone(), "start").rev(0), Condition::Absent)], None)
        .await
        .expect("a put");
    for round in 0..40 {
        let racers = (0..WRITERS).map(|racer| {
            let (table, key) = (Arc::clone(table), key.clone());
            tokio::spawn(async move {
                let next = item(key, &format!("racer {racer}")).rev(round + 1);
                (racer, table.write(vec![Write::put(next, Condition::Rev(round))], None).await)
            })
        });
        let mut winners = Vec::new();
        for racer in racers.collect::<Vec<_>>() {
            match racer.await.expect("a racer that ends") {
                (racer, Ok(())) => winners.push(format!("racer {racer}")),
                (_, outcome) => {
                    assert_eq!(conflict(outcome).1.and_then(|item| item.rev), Some(round + 1));
                }
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        assert_eq!(said(table, &key).await, winners.pop());
    }
}

/// An add makes the item and the numbers in it, adds to them, and leaves the rest alone.
pub async fn add_makes_and_adds(table: &Shared, scope: &str) {
    let key = key(scope, "counts");
    let add = |index: Option<&str>, counters: &[(&str, i64)]| Write::Add {
        key: key.clone(),
        index: index.map(|sk| super::key(scope, sk)),
        counters: counters.iter().map(|(name, amount)| ((*name).to_owned(), *amount)).collect(),
    };
    table.write(vec![add(None, &[("sent", 2)])], None).await.expect("an add");
    assert_eq!(get(table, &key).await, Some(Item::new(key.clone(), body(&json!({ "sent": 2 })))));
    table
        .write(vec![add(Some("listed"), &[("sent", -3), ("opened", 1)])], None)
        .await
        .expect("an add");
    table.write(vec![add(None, &[("opened", 1)])], None).await.expect("an add");
    let counts = Item::new(key.clone(), body(&json!({ "sent": -1, "opened": 2 })));
    assert_eq!(get(table, &key).await, Some(counts.index(super::key(scope, "listed"))));
    assert_invalid(&table.write(vec![add(None, &[])], None).await);
    assert_invalid(&table.write(vec![add(None, &[("rev", 1)])], None).await);
}

/// Counters are whole numbers, whatever else the body says.
pub async fn add_to_what_is_no_number_is_refused(table: &Shared, scope: &str) {
    let key = key(scope, "text");
    table
        .write(vec![Write::put(item(key.clone(), "text"), Condition::Always)], None)
        .await
        .expect("a put");
    let counters = BTreeMap::from([("says".to_owned(), 1)]);
    assert_invalid(
        &table.write(vec![Write::Add { key: key.clone(), index: None, counters }], None).await,
    );
    assert_eq!(said(table, &key).await.as_deref(), Some("text"));
}

/// Exact to the byte; one byte more is refused with both numbers.
pub async fn an_item_of_the_largest_size_is_stored(table: &Shared, scope: &str) {
    let key = key(scope, "large");
    let frame = size(&item(key.clone(), ""));
    let largest = item(key.clone(), &"x".repeat(LARGEST_ITEM - frame));
    assert_eq!(size(&largest), LARGEST_ITEM);
    table.write(vec![Write::put(largest.clone(), Condition::Always)], None).await.expect("a put");
    assert_eq!(get(table, &key).await, Some(largest));
    let larger = item(key.clone(), &"x".repeat(LARGEST_ITEM - frame + 1));
    let refused =
        TableError::TooLarge { key: Some(key), size: LARGEST_ITEM + 1, bound: LARGEST_ITEM };
    assert_eq!(table.write(vec![Write::put(larger, Condition::Always)], None).await, Err(refused));
}

/// The longest key is stored and found again.
pub async fn a_key_that_is_empty_or_too_long_is_refused(table: &Shared, scope: &str) {
    let long = |text: &str, length: usize| format!("{text}{}", "k".repeat(length - text.len()));
    let longest = dacapo_platform::table::Key::new(long(scope, LONGEST_PK), long("", LONGEST_SK));
    table
        .write(vec![Write::put(item(longest.clone(), "text"), Condition::Always)], None)
        .await
        .expect("a put");
    assert_eq!(said(table, &longest).await.as_deref(), Some("text"));
    for (pk, sk) in [
        ("", "s"),
        (scope, ""),
        (&long("", LONGEST_PK + 1), "s"),
        (scope, &long("", LONGEST_SK + 1)),
    ] {
        let key = dacapo_platform::table::Key::new(pk, sk);
        assert_invalid(
            &table
                .write(vec![Write::put(item(key.clone(), "text"), Condition::Always)], None)
                .await,
        );
        assert_invalid(&table.get(&key, Consistency::Strong).await);
    }
}

/// Also missing items, duplicates, and more than a batch of the cloud holds.
pub async fn many_items_come_in_the_order_asked_for(table: &Shared, scope: &str) {
    for n in 0..120 {
        let put = Write::put(item(key(scope, &n.to_string()), &n.to_string()), Condition::Always);
        table.write(vec![put], None).await.expect("a put");
    }
    let mut wanted: Vec<String> = (0..120).rev().map(|n| n.to_string()).collect();
    wanted.extend(["none".to_owned(), "7".to_owned()]);
    let keys: Vec<_> = wanted.iter().map(|sk| key(scope, sk)).collect();
    let found = table.get_many(&keys, Consistency::Strong).await.expect("a read");
    let found: Vec<_> = found.into_iter().map(|item| item.map(|item| item.key.sk)).collect();
    let due: Vec<_> = wanted.into_iter().map(|sk| Some(sk).filter(|sk| sk != "none")).collect();
    assert_eq!(found, due);
}

/// It may see an older state, but not permanently.
pub async fn an_eventual_read_comes_to_see_a_write(table: &Shared, scope: &str) {
    let key = key(scope, "one");
    for says in ["first", "second"] {
        table
            .write(vec![Write::put(item(key.clone(), says), Condition::Always)], None)
            .await
            .expect("a put");
    }
    let second = Some(item(key.clone(), "second"));
    eventually(Ok(second.clone()), || table.get(&key, Consistency::Eventual)).await;
    let keys = [key.clone()];
    eventually(Ok(vec![second]), || table.get_many(&keys, Consistency::Eventual)).await;
    table.write(vec![Write::delete(key.clone(), Condition::Always)], None).await.expect("a delete");
    eventually(Ok(None), || table.get(&key, Consistency::Eventual)).await;
}
