//! The contract of the table on DynamoDB, as AWS's own DynamoDB Local and MiniStack emulate it.
//!
//! Each emulator is started once; the cases run on it beside each other, each in a scope of its own, as they would
//! in one table in the cloud. Every case is named in what is printed.

use std::sync::Arc;

use dacapo_aws::table::DynamoTable;
use dacapo_aws_tests::emulator::Emulator;
use dacapo_aws_tests::tables;
use dacapo_tests::contract::{self, Case, Shared};
use tokio::task::LocalSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dynamodb_local_keeps_the_contract() {
    keeps_the_contract(&Emulator::dynamodb_local().await, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ministack_keeps_the_contract() {
    keeps_the_contract(&Emulator::ministack().await, &[]).await;
}

/// Runs every case but the exceptions.
async fn keeps_the_contract(emulator: &Emulator, exceptions: &[&str]) {
    let client = emulator.clients().dynamodb();
    tables::create(&client, "contract").await;
    let table: Shared = Arc::new(DynamoTable::new(client, "contract"));
    // They need not be able to change threads; a case that panics ends alone.
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
