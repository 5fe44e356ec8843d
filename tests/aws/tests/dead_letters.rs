//! Dead letters on DynamoDB: after an erasure none names the person, even over several pages of 1
//! MB.

use std::sync::Arc;

use dacapo_aws::table::DynamoTable;
use dacapo_aws_tests::emulator::Emulator;
use dacapo_aws_tests::tables;
use dacapo_tests::dead_letters::an_erasure_leaves_none;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_leaves_no_dead_letter_in_dynamodb_that_names_the_person() {
    let emulator = Emulator::dynamodb_local().await;
    let client = emulator.clients().dynamodb();
    tables::create(&client, "letters").await;
    an_erasure_leaves_none(Arc::new(DynamoTable::new(client, "letters")), "main").await;
}
