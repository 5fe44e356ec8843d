//! One draft of many writers on DynamoDB: of those who have seen the same draft one is taken.

use std::sync::Arc;

use dacapo_aws::table::DynamoTable;
use dacapo_aws_tests::emulator::Emulator;
use dacapo_aws_tests::tables;
use dacapo_tests::drafts::one_draft_of_many_writers;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_writers_of_a_draft_in_dynamodb_one_is_taken_and_nothing_is_lost() {
    let emulator = Emulator::dynamodb_local().await;
    let client = emulator.clients().dynamodb();
    tables::create(&client, "drafts").await;
    one_draft_of_many_writers(Arc::new(DynamoTable::new(client, "drafts")), "main").await;
}
