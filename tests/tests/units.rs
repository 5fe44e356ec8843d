//! Request units of one appointment loop, by DynamoDB's arithmetic on the embedded store: fast
//! enough to run always. `tests/aws/tests/units.rs` compares the arithmetic with DynamoDB Local.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so")]

use std::sync::Arc;

use dacapo_embedded::SqliteStore;
use dacapo_tests::kit::MeteredTable;
use dacapo_tests::kit::request_units::{Booking, Report, measure, measure_booking};

async fn loops(batch: usize) -> (Report, Report) {
    let store = SqliteStore::open(None, |_| true).unwrap();
    measure(Arc::new(MeteredTable::new(store)), batch).await.unwrap()
}

/// Write and read units of every further loop, at most.
async fn takes_at_most(batch: usize, written: f64, read: f64) {
    let (first, again) = loops(batch).await;
    println!(
        "the first time, batches of {batch}\n{first}\nfrom then on, batches of {batch}\n{again}"
    );
    assert!(again.written() <= written, "{} write units", again.written());
    assert!(again.read() <= read, "{} read units", again.read());
}

// Today's units. The promise is at most 27 and 14 units at batches of ten, 33 and 20 at one. Lower
// these when it takes less.

#[tokio::test]
async fn a_loop_in_batches_of_ten_takes_no_more_than_it_did() {
    takes_at_most(10, 26.7, 13.3).await;
}

#[tokio::test]
async fn a_loop_in_batches_of_one_takes_no_more_than_it_did() {
    takes_at_most(1, 32.0, 19.5).await;
}

/// A booking from booked to reminded, as an object (R70) and as fields of the contact: printed
/// beside each other, and the object bounded.
async fn a_booking_takes_at_most(batch: usize, written: f64, read: f64) {
    let table = || Arc::new(MeteredTable::new(SqliteStore::open(None, |_| true).unwrap()));
    let fields = measure_booking(table(), batch, Booking::Fields).await.unwrap();
    let object = measure_booking(table(), batch, Booking::Object).await.unwrap();
    println!("as fields, batches of {batch}\n{fields}\nas an object, batches of {batch}\n{object}");
    assert!(object.written() <= written, "{} write units", object.written());
    assert!(object.read() <= read, "{} read units", object.read());
}

/// The same from the URL of a connection: what came is kept with its body, the call is counted, and
/// pointers lead to it from the contact and the address in it.
#[tokio::test]
async fn r70_a_booking_through_a_connection_takes_no_more_than_it_did() {
    let table = Arc::new(MeteredTable::new(SqliteStore::open(None, |_| true).unwrap()));
    let booking = measure_booking(table, 10, Booking::Connection).await.unwrap();
    println!("through a connection, batches of 10\n{booking}");
    assert!(booking.written() <= 34.5, "{} write units", booking.written());
    assert!(booking.read() <= 32.0, "{} read units", booking.read());
}

#[tokio::test]
async fn r70_a_booking_as_an_object_in_batches_of_ten_takes_no_more_than_it_did() {
    a_booking_takes_at_most(10, 23.5, 27.0).await;
}

#[tokio::test]
async fn r70_a_booking_as_an_object_in_batches_of_one_takes_no_more_than_it_did() {
    a_booking_takes_at_most(1, 27.1, 30.6).await;
}
