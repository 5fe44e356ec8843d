//! Dead letters: after an erasure none names the person, in one process. `tests/aws` tests the same
//! on DynamoDB.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::Arc;

use dacapo_embedded::SqliteStore;
use dacapo_tests::dead_letters::an_erasure_leaves_none;
use dacapo_tests::kit::EventuallyConsistent;

#[tokio::test]
async fn an_erasure_leaves_no_dead_letter_that_names_the_person() {
    an_erasure_leaves_none(SqliteStore::open(None, |_| true).unwrap(), "main").await;
}

#[tokio::test]
async fn an_erasure_leaves_none_where_lists_and_eventual_reads_are_late() {
    let table = EventuallyConsistent::new(SqliteStore::open(None, |_| true).unwrap(), 7);
    an_erasure_leaves_none(Arc::new(table), "main").await;
}
