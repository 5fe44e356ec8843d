//! Request units: what the kit estimates from the sizes of items, compared with the consumed
//! capacity that DynamoDB Local reports.
//!
//! DynamoDB reports no capacity for a write whose condition failed. So refused writes are estimated
//! on both sides, and both sides must follow the same rule.
//!
//! In three cases DynamoDB Local reports another figure than DynamoDB bills; the test names each
//! with the reported figure. A missing item in a batch and an empty page cost nothing, where
//! DynamoDB bills the minimum of a read. A transaction is billed by one sum of bytes, where
//! DynamoDB bills every item separately
//! (<https://github.com/awslabs/amazon-dynamodb-local-samples/issues/7>, `/31`).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::Arc;

use dacapo_aws::table::{DynamoTable, Meter, Verb};
use dacapo_aws_tests::emulator::Emulator;
use dacapo_aws_tests::tables;
use dacapo_platform::table::{
    Body, Condition, Consistency, Item, Key, Query, Table, TableError, Write,
};
use dacapo_tests::kit::MeteredTable;
use dacapo_tests::kit::request_units::measure;
use serde_json::json;

/// A table whose units are both estimated and reported.
struct Compared {
    table: Arc<MeteredTable>,
    meter: Arc<Meter>,
    /// The unexpected results.
    wrong: Vec<String>,
    _emulator: Emulator,
}

impl Compared {
    async fn start() -> Self {
        let emulator = Emulator::dynamodb_local().await;
        let client = emulator.clients().dynamodb();
        tables::create(&client, "units").await;
        let (meter, table) = (Arc::new(Meter::default()), DynamoTable::new(client, "units"));
        let metered: Arc<dyn Table> = Arc::new(table.clone().metered(Arc::clone(&meter)));
        let table = Arc::new(MeteredTable::observed_through(metered, Arc::new(table)));
        Self { table, meter, wrong: Vec::new(), _emulator: emulator }
    }

    /// The last requests consumed so many read and write units, both estimated and reported.
    fn took(&mut self, what: &str, read: f64, written: f64) {
        self.takes(what, (read, written), (read, written));
    }

    /// The same where DynamoDB Local reports other units than DynamoDB.
    fn takes(&mut self, what: &str, expected: (f64, f64), of_local: (f64, f64)) {
        let estimated = sum(self.table.take().iter().map(|units| (units.read, units.written)));
        let answered = sum(self.meter.take().iter().map(|spent| (spent.read, spent.written)));
        if (estimated, answered) != (expected, of_local) {
            self.wrong.push(format!(
                "{what}: {expected:?} expected, {estimated:?} estimated; \
                 {of_local:?} expected of DynamoDB Local, {answered:?} answered"
            ));
        }
    }
}

fn sum(units: impl Iterator<Item = (f64, f64)>) -> (f64, f64) {
    units.fold((0.0, 0.0), |sums, one| (sums.0 + one.0, sums.1 + one.1))
}

fn key(sk: &str) -> Key {
    Key::new("units", sk)
}

/// An item with so many bytes of text in its body.
fn item(sk: &str, bytes: usize) -> Item {
    Item::new(key(sk), Body::of(&json!({ "text": "x".repeat(bytes) })).unwrap())
}

fn put(item: Item) -> Write {
    Write::put(item, Condition::Always)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_estimated_units_are_those_that_dynamodb_local_answers() {
    let mut compared = Compared::start().await;
    let table = Arc::clone(&compared.table);
    let write = async |writes: Vec<Write>| table.write(writes, None).await;
    let refused = async |writes: Vec<Write>| {
        let outcome = table.write(writes, None).await;
        assert!(matches!(outcome, Err(TableError::Conflict { .. })), "{outcome:?}");
    };

    write(vec![put(item("small", 10))]).await.unwrap();
    compared.took("a small put", 0.0, 1.0);
    write(vec![put(item("large", 5_000))]).await.unwrap();
    compared.took("a put of 5 KB", 0.0, 5.0);
    write(vec![put(item("large", 10))]).await.unwrap();
    compared.took("a put that makes 5 KB small", 0.0, 5.0);
    write(vec![put(item("large", 5_000))]).await.unwrap();
    compared.took("a put that makes it large again", 0.0, 5.0);

    for (consistency, small, large) in
        [(Consistency::Strong, 1.0, 2.0), (Consistency::Eventual, 0.5, 1.0)]
    {
        table.get(&key("small"), consistency).await.unwrap();
        compared.took("a read", small, 0.0);
        table.get(&key("none"), consistency).await.unwrap();
        compared.took("a read of nothing", small, 0.0);
        table.get(&key("large"), consistency).await.unwrap();
        compared.took("a read of 5 KB", large, 0.0);
        table.get_many(&["small", "large", "none"].map(key), consistency).await.unwrap();
        let of_local = (small + large, 0.0);
        compared.takes("a batch", (2.0 * small + large, 0.0), of_local);
    }

    let query = || Query::of("units");
    table.query(query().strong()).await.unwrap();
    compared.took("a page of two items", 2.0, 0.0);
    table.query(query()).await.unwrap();
    compared.took("an eventual page", 1.0, 0.0);
    table.query(query().prefix("nobody").strong()).await.unwrap();
    compared.takes("a page of nothing", (1.0, 0.0), (0.0, 0.0));

    write(vec![put(item("listed", 10).index(Key::new("list", "a")))]).await.unwrap();
    compared.took("an entry of the index comes", 0.0, 2.0);
    write(vec![put(item("listed", 20).index(Key::new("list", "a")))]).await.unwrap();
    compared.took("it stays", 0.0, 1.0);
    write(vec![put(item("listed", 20).index(Key::new("list", "b")))]).await.unwrap();
    compared.took("it moves", 0.0, 3.0);
    table.query_index(Query::of("list")).await.unwrap();
    compared.took("a page of the index", 0.5, 0.0);
    write(vec![Write::delete(key("listed"), Condition::Always)]).await.unwrap();
    compared.took("it goes", 0.0, 2.0);

    write(vec![Write::delete(key("none"), Condition::Always)]).await.unwrap();
    compared.took("a delete of nothing", 0.0, 1.0);
    let counters = [("n".to_owned(), 1)].into();
    write(vec![Write::Add { key: key("sum"), index: None, counters }]).await.unwrap();
    compared.took("an addition", 0.0, 1.0);
    write(vec![Write::check(key("small"), Condition::Present)]).await.unwrap();
    compared.took("a check alone", 1.0, 0.0);

    write(vec![put(item("small", 10)), put(item("new", 10))]).await.unwrap();
    compared.took("a transaction of small items", 0.0, 4.0);
    write(vec![put(item("small", 10)), put(item("large", 5_000))]).await.unwrap();
    compared.takes("a transaction", (0.0, 12.0), (0.0, 24.0));
    write(vec![put(item("small", 10)), Write::check(key("large"), Condition::Present)])
        .await
        .unwrap();
    compared.took("a transaction with a check", 0.0, 12.0);
    write(vec![put(item("small", 10)), Write::delete(key("large"), Condition::Present)])
        .await
        .unwrap();
    compared.takes("a transaction with a delete", (0.0, 12.0), (0.0, 24.0));
    let counters = [("n".to_owned(), 1)].into();
    write(vec![put(item("small", 10)), Write::Add { key: key("sum"), index: None, counters }])
        .await
        .unwrap();
    compared.took("a transaction with an addition", 0.0, 4.0);
    write(vec![put(item("small", 10)), put(item("listed", 10).index(Key::new("list", "a")))])
        .await
        .unwrap();
    compared.takes("a transaction with an entry of the index", (0.0, 5.0), (0.0, 12.0));

    write(vec![put(item("large", 5_000))]).await.unwrap();
    compared.took("another put of 5 KB", 0.0, 5.0);
    refused(vec![Write::put(item("large", 10), Condition::Absent)]).await;
    compared.took("a refused put over 5 KB", 0.0, 5.0);
    refused(vec![Write::put(item("small", 5_000), Condition::Absent)]).await;
    compared.took("a refused put of 5 KB over little", 0.0, 1.0);
    refused(vec![Write::put(item("none", 5_000), Condition::Rev(1))]).await;
    compared.took("a refused put over nothing", 0.0, 1.0);
    refused(vec![Write::put(item("none", 10), Condition::Rev(1)), put(item("other", 10))]).await;
    compared.took("a refused transaction", 0.0, 4.0);

    assert!(compared.wrong.is_empty(), "{}", compared.wrong.join("\n"));
}

/// The scenario of `tests/tests/units.rs`. The cases above test transactions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_appointment_loop_takes_what_is_estimated() {
    let compared = Compared::start().await;
    measure(Arc::clone(&compared.table), 10).await.unwrap();
    let answered = compared.meter.take();
    let of = |wanted: &[Verb]| {
        let spent = answered.iter().filter(|spent| wanted.contains(&spent.verb));
        sum(spent.map(|spent| (spent.read, spent.written)))
    };
    assert_eq!(compared.table.total("write"), of(&[Verb::Write]));
    let reads = of(&[Verb::Get, Verb::GetMany, Verb::Query, Verb::QueryIndex]);
    let estimated = compared.table.total("read");
    assert!(estimated.0 >= reads.0, "DynamoDB Local bills less: {estimated:?}, {reads:?}");
    assert!(of(&[Verb::Transaction]).1 > 0.0, "there are transactions");
}
