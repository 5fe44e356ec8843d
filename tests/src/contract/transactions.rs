//! Several writes as one.

use std::collections::BTreeMap;
use std::sync::Arc;

use dacapo_platform::table::{
    Condition, Item, LARGEST_TRANSACTION, Query, TableError, Write, size,
};
use serde_json::json;

use super::{Shared, assert_invalid, body, conflict, get, item, key, said};

/// If one condition does not hold, nothing is written, neither before nor after it.
pub async fn a_transaction_is_all_or_nothing(table: &Shared, scope: &str) {
    let (first, taken, last) = (key(scope, "first"), key(scope, "taken"), key(scope, "last"));
    table
        .write(vec![Write::put(item(taken.clone(), "taken"), Condition::Absent)], None)
        .await
        .expect("a put");
    let writes = vec![
        Write::put(item(first.clone(), "new"), Condition::Absent),
        Write::put(item(taken.clone(), "new"), Condition::Absent),
        Write::put(item(last.clone(), "new"), Condition::Always),
    ];
    conflict(table.write(writes.clone(), None).await);
    assert_eq!(get(table, &first).await, None);
    assert_eq!(said(table, &taken).await.as_deref(), Some("taken"));
    assert_eq!(get(table, &last).await, None);
    table
        .write(vec![Write::delete(taken.clone(), Condition::Present)], None)
        .await
        .expect("a delete");
    table.write(writes, None).await.expect("a transaction");
    for key in [first, taken, last] {
        assert_eq!(said(table, &key).await.as_deref(), Some("new"));
    }
}

/// The first of those that failed, with its item.
pub async fn the_failed_write_is_named(table: &Shared, scope: &str) {
    let there = item(key(scope, "there"), "text").rev(3);
    table.write(vec![Write::put(there.clone(), Condition::Always)], None).await.expect("a put");
    let writes = vec![
        Write::put(item(key(scope, "a"), "new"), Condition::Absent),
        Write::delete(key(scope, "b"), Condition::Always),
        Write::put(item(there.key.clone(), "new").rev(3), Condition::Rev(2)),
        Write::check(key(scope, "c"), Condition::Present),
    ];
    assert_eq!(conflict(table.write(writes, None).await), (2, Some(there)));
}

/// A check writes nothing, and its failure refuses the other writes; it can also be used alone.
pub async fn a_check_holds_a_transaction_to_its_condition(table: &Shared, scope: &str) {
    let (guard, other) = (key(scope, "guard"), key(scope, "other"));
    let writes = vec![
        Write::check(guard.clone(), Condition::Rev(1)),
        Write::put(item(other.clone(), "new"), Condition::Always),
    ];
    assert_eq!(conflict(table.write(writes.clone(), None).await), (0, None));
    assert_eq!(get(table, &other).await, None);
    let guarding = item(guard.clone(), "guard").rev(1);
    table.write(vec![Write::put(guarding.clone(), Condition::Always)], None).await.expect("a put");
    table.write(writes, None).await.expect("a transaction");
    assert_eq!(said(table, &other).await.as_deref(), Some("new"));
    assert_eq!(get(table, &guard).await, Some(guarding));
    table
        .write(vec![Write::check(guard.clone(), Condition::Present)], None)
        .await
        .expect("a check");
    conflict(table.write(vec![Write::check(guard, Condition::Absent)], None).await);
}

/// A check must be able to fail.
pub async fn a_check_of_nothing_is_refused(table: &Shared, scope: &str) {
    assert_invalid(
        &table.write(vec![Write::check(key(scope, "one"), Condition::Always)], None).await,
    );
}

/// Also if both writes would be the same, or one of them only checks.
pub async fn an_item_twice_is_refused(table: &Shared, scope: &str) {
    let put = Write::put(item(key(scope, "one"), "text"), Condition::Always);
    let check = Write::check(key(scope, "one"), Condition::Absent);
    assert_invalid(&table.write(vec![put.clone(), put.clone()], None).await);
    assert_invalid(&table.write(vec![check, put], None).await);
    assert_eq!(get(table, &key(scope, "one")).await, None);
}

/// A hundred and one are refused before anything is written.
pub async fn a_hundred_items_fit_and_no_more(table: &Shared, scope: &str) {
    let puts = |count: usize| -> Vec<Write> {
        let put = |n| Write::put(item(key(scope, &format!("{n:03}")), "text"), Condition::Absent);
        (0..count).map(put).collect()
    };
    assert_invalid(&table.write(puts(101), None).await);
    assert_eq!(get(table, &key(scope, "000")).await, None);
    table.write(puts(100), None).await.expect("a transaction");
    let page = table.query(Query::of(scope).strong()).await.expect("a page");
    assert_eq!(page.items.len(), 100);
}

/// The sum of all items, whatever each of them takes.
pub async fn four_megabytes_fit_and_no_more(table: &Shared, scope: &str) {
    let of_size = |n: usize, bytes: usize| {
        let empty = item(key(scope, &format!("{n:02}")), "");
        item(empty.key.clone(), &"x".repeat(bytes - size(&empty)))
    };
    let share = LARGEST_TRANSACTION / 16;
    let mut items: Vec<Item> = (0..16).map(|n| of_size(n, share)).collect();
    let puts = |items: &[Item]| -> Vec<Write> {
        items.iter().map(|item| Write::put(item.clone(), Condition::Always)).collect()
    };
    table.write(puts(&items), None).await.expect("a transaction");
    items[3] = of_size(3, share + 1);
    let size = LARGEST_TRANSACTION + 1;
    let refused = TableError::TooLarge { key: None, size, bound: LARGEST_TRANSACTION };
    assert_eq!(table.write(puts(&items), None).await, Err(refused));
}

/// A counter and the item that records what was counted: counted once, however often it is tried.
pub async fn add_and_a_conditional_put_go_together(table: &Shared, scope: &str) {
    let counts = key(scope, "counts");
    let count = |n: u8| {
        vec![
            Write::put(item(key(scope, &format!("event {n}")), "counted"), Condition::Absent),
            Write::Add {
                key: counts.clone(),
                index: None,
                counters: BTreeMap::from([("events".to_owned(), 1)]),
            },
        ]
    };
    table.write(count(1), None).await.expect("a transaction");
    assert_eq!(conflict(table.write(count(1), None).await).0, 0);
    table.write(count(2), None).await.expect("a transaction");
    let two = Item::new(counts.clone(), body(&json!({ "events": 2 })));
    assert_eq!(get(table, &counts).await, Some(two));
}

/// The same writes with the same token are applied once and succeed twice.
pub async fn a_token_makes_a_repeat_harmless(table: &Shared, scope: &str) {
    let counts = key(scope, "counts");
    let counters = BTreeMap::from([("events".to_owned(), 1)]);
    let writes = vec![
        Write::Add { key: counts.clone(), index: None, counters },
        Write::put(item(key(scope, "one"), "text"), Condition::Absent),
    ];
    for _ in 0..2 {
        table.write(writes.clone(), Some("token-of-the-repeat")).await.expect("a transaction");
    }
    let one = Item::new(counts.clone(), body(&json!({ "events": 1 })));
    assert_eq!(get(table, &counts).await, Some(one));
    assert_eq!(conflict(table.write(writes, Some("another-token")).await).0, 1);
}

/// A token stands for its writes; so do only tokens of a proper length.
pub async fn a_token_of_other_writes_is_refused(table: &Shared, scope: &str) {
    let writes = |says: &str| {
        let put = |sk| Write::put(item(key(scope, sk), says), Condition::Always);
        vec![put("one"), put("two")]
    };
    table.write(writes("this"), Some("token-of-others")).await.expect("a transaction");
    assert_invalid(&table.write(writes("that"), Some("token-of-others")).await);
    assert_invalid(&table.write(writes("that"), Some("")).await);
    assert_invalid(&table.write(writes("that"), Some(&"t".repeat(37))).await);
    assert_eq!(said(table, &key(scope, "one")).await.as_deref(), Some("this"));
}

/// Two items that are always written together agree at the end of every race.
pub async fn transactions_that_race_never_half_apply(table: &Shared, scope: &str) {
    let (left, right) = (key(scope, "left"), key(scope, "right"));
    for round in 0..20 {
        let racers = (0..4).map(|racer| {
            let (table, left, right) = (Arc::clone(table), left.clone(), right.clone());
            tokio::spawn(async move {
                let says = format!("round {round} racer {racer}");
                let condition =
                    if round == 0 { Condition::Absent } else { Condition::Rev(round - 1) };
                let put = |key| Write::put(item(key, &says).rev(round), condition);
                // Each writes the two in another order.
                let writes = if racer % 2 == 0 { [left, right] } else { [right, left] };
                table.write(writes.map(put).into(), None).await
            })
        });
        let mut won = 0;
        for racer in racers.collect::<Vec<_>>() {
            match racer.await.expect("a racer that ends") {
                Ok(()) => won += 1,
                Err(TableError::Conflict { .. } | TableError::Contended) => {}
                Err(other) => panic!("{other}"),
            }
        }
        assert!(won <= 1, "round {round}");
        assert_eq!(said(table, &left).await, said(table, &right).await);
        if won == 0 {
            // All conflicted with each other, as may happen in the cloud; the next round begins
            // here.
            let put = |key: &_| {
                Write::put(item(Clone::clone(key), "nobody").rev(round), Condition::Always)
            };
            table.write(vec![put(&left), put(&right)], None).await.expect("a transaction");
        }
    }
}

/// An empty transaction succeeds.
pub async fn no_writes_are_no_work(table: &Shared, _scope: &str) {
    assert_eq!(table.write(Vec::new(), None).await, Ok(()));
}
