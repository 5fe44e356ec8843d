//! What every table must do, on every engine: the sentences of the table port, one case each.
//!
//! [`table_contract!`](crate::table_contract) makes a test of every case. A case receives a table
//! and a scope: a prefix of its partitions, so that all cases may share one table in the cloud. It
//! uses strong reads, or waits for eventual ones.

pub mod items;
pub mod pages;
pub mod transactions;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use dacapo_platform::table::{Body, Consistency, Item, Key, Table, TableError};
use serde_json::{Value, json};

/// The cases: `table_contract!` makes a module of tests of them, one for every case, on tables that
/// `$open` opens: `table_contract!(in_memory, open_in_memory())`, where the expression is a
/// [`Shared`] table. `table_contract!(cases)` is a list of them, for an engine that is started once
/// for all.
#[macro_export]
macro_rules! table_contract {
    (cases) => {
        $crate::table_contract!(@list @cases)
    };
    ($engine:ident, $open:expr) => {
        $crate::table_contract!(@list @tests $engine, $open,);
    };
    (@list @$what:ident $($arguments:tt)*) => {
        $crate::table_contract! { @$what $($arguments)*
            items: a_put_is_read_back_whole, whatever_a_body_says_comes_back,
                a_delete_removes_and_bears_a_repeat,
                absent_holds_only_where_there_is_none, present_holds_only_where_there_is_one,
                rev_holds_only_of_that_revision, a_failed_condition_shows_the_callers_own_write,
                of_writers_that_race_for_one_item_one_wins, add_makes_and_adds,
                add_to_what_is_no_number_is_refused, an_item_of_the_largest_size_is_stored,
                a_key_that_is_empty_or_too_long_is_refused, many_items_come_in_the_order_asked_for,
                an_eventual_read_comes_to_see_a_write;
            transactions: a_transaction_is_all_or_nothing, the_failed_write_is_named,
                a_check_holds_a_transaction_to_its_condition, a_check_of_nothing_is_refused,
                an_item_twice_is_refused, a_hundred_items_fit_and_no_more,
                four_megabytes_fit_and_no_more, add_and_a_conditional_put_go_together,
                a_token_makes_a_repeat_harmless, a_token_of_other_writes_is_refused,
                transactions_that_race_never_half_apply, no_writes_are_no_work;
            pages: sort_keys_are_ordered_by_their_bytes, a_prefix_bounds_a_query,
                both_bounds_are_included, bounds_that_hold_nothing_find_nothing,
                pages_of_a_limit_join_in_either_order,
                pages_end_at_a_megabyte, a_cursor_of_another_partition_is_refused,
                a_cursor_outside_of_the_query_is_refused, a_page_of_none_is_refused, partitions_are_apart, the_index_is_sparse,
                the_index_follows_its_items, the_index_pages_through_equal_keys,
                the_index_has_no_strong_reads;
        }
    };
    (@tests $engine:ident, $open:expr, $($cases:ident: $($case:ident),+;)+) => {
        mod $engine {
            #[allow(unused_imports)]
            use super::*;
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let table = $open;
                    $crate::contract::$cases::$case(&table, stringify!($case)).await;
                }
            )+)+
        }
    };
    (@cases $($cases:ident: $($case:ident),+;)+) => {
        vec![$($(
            $crate::contract::Case {
                name: stringify!($case),
                run: |table, scope| {
                    Box::pin(async move { $crate::contract::$cases::$case(&table, &scope).await })
                },
            },
        )+)+]
    };
}

/// A case, by name.
pub struct Case {
    /// Its name: the sentence that it tests.
    pub name: &'static str,
    /// Runs it, on a table and in a scope. It panics if the table breaks the contract.
    pub run: fn(Shared, String) -> Running,
}

/// A case that is being run.
pub type Running = Pin<Box<dyn Future<Output = ()>>>;

/// All cases.
#[must_use]
pub fn cases() -> Vec<Case> {
    table_contract!(cases)
}

/// What a case receives.
pub type Shared = std::sync::Arc<dyn Table>;

fn key(scope: &str, sk: &str) -> Key {
    Key::new(scope, sk)
}

fn body(value: &Value) -> Body {
    Body::of(value).expect("an object without reserved members")
}

/// An item whose only content is `says`.
fn item(key: Key, says: &str) -> Item {
    Item::new(key, body(&json!({ "says": says })))
}

async fn get(table: &Shared, key: &Key) -> Option<Item> {
    table.get(key, Consistency::Strong).await.expect("a read that is answered")
}

/// The item's `says`, by a strong read.
async fn said(table: &Shared, key: &Key) -> Option<String> {
    let body: Value = get(table, key).await?.body.read().expect("an object");
    Some(body["says"].as_str().unwrap_or_default().to_owned())
}

/// The item that a conflict shows, and the number of the write that failed.
fn conflict(outcome: Result<(), TableError>) -> (usize, Option<Item>) {
    match outcome {
        Err(TableError::Conflict { which, current }) => (which, current.map(|item| *item)),
        other => panic!("a conflict was due, not {other:?}"),
    }
}

fn assert_invalid<T: std::fmt::Debug>(outcome: &Result<T, TableError>) {
    assert!(matches!(outcome, Err(TableError::Invalid(_))), "Invalid was due, not {outcome:?}");
}

/// Asks again until the answer is the expected one.
async fn eventually<T: PartialEq + std::fmt::Debug, F: Future<Output = T>>(
    due: T,
    ask: impl Fn() -> F,
) {
    for _ in 0..500 {
        if ask().await == due {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(ask().await, due, "it didn't come in time");
}
