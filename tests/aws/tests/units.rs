//! Request units: what the kit estimates from the sizes of items, compared with the consumed
//! capacity that DynamoDB Local answers.
//!
//! DynamoDB answers no capacity for a write whose condition failed: those are estimated on both
//! sides, and compared to see that both sides follow the same rule.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::Arc;

use dacapo_aws::table::{DynamoTable, Meter};
use dacapo_aws_tests::emulator::Emulator;
use dacapo_aws_tests::tables;
use dacapo_platform::table::{
    Body, Condition, Consistency, Item, Key, Query, Table, TableError, Write,
};
use dacapo_tests::kit::MeteredTable;
use dacapo_tests::kit::request_units::measure;
use serde_json::json;

/// A table whose units are both estimated and answered.
struct Compared {
    table: Arc<MeteredTable>,
    meter: Arc<Meter>,
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
        Self { table, meter, _emulator: emulator }
    }

    /// What was just done took so many read and write units, by the estimate and by the answers.
    fn took(&self, what: &str, read: f64, written: f64) -> Option<String> {
        let (estimated, answered) = (self.table.take(), self.meter.take());
        let estimated = (
            estimated.iter().map(|units| units.read).sum::<f64>(),
            estimated.iter().map(|units| units.written).sum::<f64>(),
        );
        let answered = (
            answered.iter().map(|spent| spent.read).sum::<f64>(),
            answered.iter().map(|spent| spent.written).sum::<f64>(),
        );
        let expected = (read, written);
        let same = estimated == expected && answered == expected;
        let wrong = format!(
            "{what}: {expected:?} expected, {estimated:?} estimated, {answered:?} answered"
        );
        (!same).then_some(wrong)
    }
}

fn key(sk: &str) -> Key {
    Key::new("units", sk)
}

/// An item whose body has so many bytes of text.
fn item(sk: &str, bytes: usize) -> Item {
    Item::new(key(sk), Body::of(&json!({ "text": "x".repeat(bytes) })).unwrap())
}

fn put(item: Item) -> Write {
    Write::put(item, Condition::Always)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_estimated_units_are_those_that_dynamodb_local_answers() {
    let compared = Compared::start().await;
    let table = &compared.table;
    let mut wrong = Vec::new();
    let write = async |writes: Vec<Write>| table.write(writes, None).await;
    let refused = async |writes: Vec<Write>| {
        let outcome = table.write(writes, None).await;
        assert!(matches!(outcome, Err(TableError::Conflict { .. })), "{outcome:?}");
    };

    write(vec![put(item("small", 10))]).await.unwrap();
    wrong.extend(compared.took("a small put", 0.0, 1.0));
    write(vec![put(item("large", 5_000))]).await.unwrap();
    wrong.extend(compared.took("a put of 5 KB", 0.0, 5.0));
    write(vec![put(item("large", 10))]).await.unwrap();
    wrong.extend(compared.took("a put that makes 5 KB small", 0.0, 5.0));
    write(vec![put(item("large", 5_000))]).await.unwrap();
    wrong.extend(compared.took("a put that makes it large again", 0.0, 5.0));

    for (consistency, small, large) in
        [(Consistency::Strong, 1.0, 2.0), (Consistency::Eventual, 0.5, 1.0)]
    {
        table.get(&key("small"), consistency).await.unwrap();
        wrong.extend(compared.took("a read", small, 0.0));
        table.get(&key("none"), consistency).await.unwrap();
        wrong.extend(compared.took("a read of nothing", small, 0.0));
        table.get(&key("large"), consistency).await.unwrap();
        wrong.extend(compared.took("a read of 5 KB", large, 0.0));
        table.get_many(&["small", "large", "none"].map(key), consistency).await.unwrap();
        wrong.extend(compared.took("a batch", 2.0 * small + large, 0.0));
    }

    let query = || Query::of("units");
    table.query(query().strong()).await.unwrap();
    wrong.extend(compared.took("a page of two items", 2.0, 0.0));
    table.query(query()).await.unwrap();
    wrong.extend(compared.took("an eventual page", 1.0, 0.0));
    table.query(query().prefix("nobody").strong()).await.unwrap();
    wrong.extend(compared.took("a page of nothing", 1.0, 0.0));

    write(vec![put(item("listed", 10).index(Key::new("list", "a")))]).await.unwrap();
    wrong.extend(compared.took("an entry of the index comes", 0.0, 2.0));
    write(vec![put(item("listed", 20).index(Key::new("list", "a")))]).await.unwrap();
    wrong.extend(compared.took("it stays", 0.0, 1.0));
    write(vec![put(item("listed", 20).index(Key::new("list", "b")))]).await.unwrap();
    wrong.extend(compared.took("it moves", 0.0, 3.0));
    table.query_index(Query::of("list")).await.unwrap();
    wrong.extend(compared.took("a page of the index", 0.5, 0.0));
    write(vec![Write::delete(key("listed"), Condition::Always)]).await.unwrap();
    wrong.extend(compared.took("it goes", 0.0, 2.0));

    write(vec![Write::delete(key("none"), Condition::Always)]).await.unwrap();
    wrong.extend(compared.took("a delete of nothing", 0.0, 1.0));
    let counters = [("n".to_owned(), 1)].into();
    write(vec![Write::Add { key: key("sum"), index: None, counters }]).await.unwrap();
    wrong.extend(compared.took("an addition", 0.0, 1.0));
    write(vec![Write::check(key("small"), Condition::Present)]).await.unwrap();
    wrong.extend(compared.took("a check alone", 1.0, 0.0));

    write(vec![put(item("small", 10)), put(item("large", 5_000))]).await.unwrap();
    wrong.extend(compared.took("a transaction", 0.0, 12.0));
    write(vec![put(item("small", 10)), Write::check(key("large"), Condition::Present)])
        .await
        .unwrap();
    wrong.extend(compared.took("a transaction with a check", 0.0, 12.0));
    write(vec![put(item("small", 10)), Write::delete(key("large"), Condition::Present)])
        .await
        .unwrap();
    wrong.extend(compared.took("a transaction with a delete", 0.0, 12.0));
    let counters = [("n".to_owned(), 1)].into();
    write(vec![put(item("small", 10)), Write::Add { key: key("sum"), index: None, counters }])
        .await
        .unwrap();
    wrong.extend(compared.took("a transaction with an addition", 0.0, 4.0));
    write(vec![put(item("small", 10)), put(item("listed", 10).index(Key::new("list", "a")))])
        .await
        .unwrap();
    wrong.extend(compared.took("a transaction with an entry of the index", 0.0, 5.0));

    write(vec![put(item("large", 5_000))]).await.unwrap();
    compared.took("", 0.0, 0.0);
    refused(vec![Write::put(item("large", 10), Condition::Absent)]).await;
    wrong.extend(compared.took("a refused put over 5 KB", 0.0, 5.0));
    refused(vec![Write::put(item("small", 5_000), Condition::Absent)]).await;
    wrong.extend(compared.took("a refused put of 5 KB over little", 0.0, 1.0));
    refused(vec![Write::put(item("none", 5_000), Condition::Rev(1))]).await;
    wrong.extend(compared.took("a refused put over nothing", 0.0, 1.0));
    refused(vec![Write::put(item("none", 10), Condition::Rev(1)), put(item("other", 10))]).await;
    wrong.extend(compared.took("a refused transaction", 0.0, 4.0));

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The scenario of `tests/tests/units.rs`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_appointment_loop_takes_what_is_estimated() {
    let compared = Compared::start().await;
    measure(Arc::clone(&compared.table), 10).await.unwrap();
    let answered = compared.meter.take();
    let answered = (
        answered.iter().map(|spent| spent.read).sum::<f64>(),
        answered.iter().map(|spent| spent.written).sum::<f64>(),
    );
    assert_eq!(compared.table.total(), answered);
}
