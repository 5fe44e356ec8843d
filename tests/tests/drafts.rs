//! One draft of many writers, in one process. `tests/aws` tests the same on DynamoDB.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::Arc;

use dacapo_embedded::SqliteStore;
use dacapo_tests::drafts::one_draft_of_many_writers;
use dacapo_tests::kit::EventuallyConsistent;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_writers_of_a_draft_one_is_taken_and_nothing_is_lost() {
    one_draft_of_many_writers(SqliteStore::open(None, |_| false).unwrap(), "main").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_writers_of_a_draft_one_is_taken_where_eventual_reads_are_late() {
    let table = EventuallyConsistent::new(SqliteStore::open(None, |_| false).unwrap(), 7);
    one_draft_of_many_writers(Arc::new(table), "main").await;
}
