//! The contract of the table on DynamoDB, as AWS's own DynamoDB Local and MiniStack emulate it.
//!
//! Each emulator is started once; the cases run on it in parallel, each in its own scope, as they
//! would in one table in the cloud. The output names every case.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use dacapo_aws::table::DynamoTable;
use dacapo_aws_tests::emulator::Emulator;
use dacapo_aws_tests::tables;
use dacapo_platform::table::LARGEST_TRANSACTION;
use dacapo_tests::contract::{self, Case, Shared};
use tokio::task::LocalSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dynamodb_local_keeps_the_contract() {
    keeps_the_contract(&Emulator::dynamodb_local().await, &[]).await;
}

/// One exception: it measures a transaction by the whole request, JSON included, where DynamoDB
/// sums the items.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ministack_keeps_the_contract() {
    let emulator = Emulator::ministack().await;
    keeps_the_contract(&emulator, &["four_megabytes_fit_and_no_more"]).await;
    let client = emulator.clients().dynamodb();
    let put = |nth: usize| {
        let bytes = LARGEST_TRANSACTION / 16 - "PKpSK00text".len();
        let put = Put::builder()
            .table_name("contract")
            .item("PK", AttributeValue::S("p".to_owned()))
            .item("SK", AttributeValue::S(format!("{nth:02}")))
            .item("text", AttributeValue::S("x".repeat(bytes)));
        TransactWriteItem::builder().put(put.build().expect("a put")).build()
    };
    let items = (0..16).map(put).collect();
    let refused = client.transact_write_items().set_transact_items(Some(items)).send().await;
    let refused = refused.expect_err("it no longer is an exception: take it off the list");
    assert_eq!(
        refused.message(),
        Some("Transaction request exceeds the 4MB transaction size limit")
    );
}

/// On a busy machine an emulator takes longer than DynamoDB. An attempt that times out has an
/// ambiguous result, which the cases do not expect.
fn patient(client: &Client) -> Client {
    let config = client.config().to_builder().timeout_config(TimeoutConfig::disabled()).build();
    Client::from_conf(config)
}

/// Runs all cases except the exceptions, which the output names.
async fn keeps_the_contract(emulator: &Emulator, exceptions: &[&str]) {
    let client = patient(&emulator.clients().dynamodb());
    tables::create(&client, "contract").await;
    let table: Shared = Arc::new(DynamoTable::new(client, "contract"));
    // They need not be `Send`; a panic ends its own case only.
    let cases = LocalSet::new();
    let mut under_way = Vec::new();
    for Case { name, run } in contract::cases() {
        if exceptions.contains(&name) {
            println!("{name} ... excepted");
            continue;
        }
        let case = cases.spawn_local(run(Arc::clone(&table), name.to_owned()));
        under_way.push((name, case));
    }
    cases.await;
    let mut failed = Vec::new();
    for (name, case) in under_way {
        let outcome = case.await;
        println!("{name} ... {}", if outcome.is_ok() { "ok" } else { "FAILED" });
        failed.extend(outcome.is_err().then_some(name));
    }
    assert!(failed.is_empty(), "cases that failed: {failed:?}; what they said stands above");
}
