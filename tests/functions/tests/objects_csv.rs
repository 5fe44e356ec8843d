//! Objects in bulk over the functions, as AWS delivers everything: imported from CSV, exported in
//! parts and imported again, found by tag and campaign, stopped by type and status (R16, R70, R71).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use chrono::TimeDelta;
use dacapo_functions_tests::cloud::{Cloud, Delivery, KEY};
use dacapo_functions_tests::events::http;
use serde_json::{Value, json};

const BOOKINGS: &str = "
id: bookings
name: Bookings
per: appointment
sender: { name: Studio, address: hello@studio.example }
objects:
  appointment: { fields: { status: { type: text }, place: { type: text } } }
elements:
  booked: { type: start, when: { field: status, equals: booked }, next: days }
  days:   { type: wait, for: 20 days }
";

const TYPE: &str = "/v1/object-types/appointment";

/// A call with CSV; the answer as the gateway gets it.
async fn file(cloud: &Cloud, method: &str, path: &str, key: &str, text: &str) -> Value {
    let headers = [("x-api-key", KEY), ("content-type", "text/csv"), ("idempotency-key", key)];
    let answer = cloud.answer(&http(method, path, &headers, text)).await;
    assert_eq!(answer["statusCode"], 200, "{}", answer["body"]);
    answer
}

fn body(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

/// How many rows were created, changed, unchanged and refused.
fn counts(imported: &Value) -> [u64; 4] {
    ["created", "changed", "unchanged", "refused"].map(|name| imported[name].as_u64().unwrap())
}

/// Runs a mass action, and returns how it ended: lists are looked at again after two minutes.
async fn done(cloud: &mut Cloud, contacts: Value) -> Value {
    let wanted = json!({ "campaigns": "all", "contacts": contacts }).to_string();
    let (status, taken) = cloud.call("POST", "/v1/mass-actions/stop-campaign", &wanted).await;
    assert_eq!(status, 202, "{taken:#}");
    cloud.advance(cloud.now() + TimeDelta::minutes(10)).await;
    let path = format!("/v1/mass-actions/{}", taken["id"].as_str().unwrap());
    let (_, ended) = cloud.call("GET", &path, "").await;
    assert_eq!(ended["status"], "completed", "{ended:#}");
    ended
}

async fn told(delivery: Delivery) {
    let mut cloud = Cloud::new(delivery).await;
    assert_eq!(cloud.call("PUT", "/v1/campaigns/bookings", BOOKINGS).await.0, 201);
    assert_eq!(cloud.call("POST", "/v1/campaigns/bookings/publish", "{}").await.0, 200);
    let mut rows = "key,email,status,place,contact.tags\n".to_owned();
    for n in 0..40 {
        let status = if n % 4 == 0 { "asked" } else { "booked" };
        let tag = if n % 10 < 2 { "Vip" } else { "" };
        rows += &format!("k{n},p{}@example.com,{status},-Oslo,{tag}\n", n / 2);
    }
    rows += "k0,nobody,booked,,\n";
    let path = format!("{TYPE}/import");
    let first = file(&cloud, "POST", &path, "one", &rows).await;
    assert_eq!(counts(&body(&first)), [40, 0, 0, 1], "{first:#}");
    let repeated = file(&cloud, "POST", &path, "one", &rows).await;
    assert_eq!(repeated["headers"]["idempotency-replayed"], "true");
    cloud.until_idle().await;

    // Out in parts, and in again: nothing is changed.
    let (mut cursor, mut parts) = (String::new(), 0);
    loop {
        let path = format!("{TYPE}/export?limit=15{cursor}");
        let part = file(&cloud, "GET", &path, "export", "").await;
        let text = part["body"].as_str().unwrap();
        let again = body(
            &file(&cloud, "POST", &format!("{TYPE}/import"), &format!("part {parts}"), text).await,
        );
        assert_eq!(again["unchanged"], again["rows"], "{again:#}");
        parts += 1;
        match part["headers"]["dacapo-next-cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(parts, 3);
    let (_, vip) = cloud.call("GET", "/v1/contacts?campaign=bookings&tag=Vip&limit=50", "").await;
    let emails: Vec<_> = vip["items"].as_array().unwrap().iter().map(|one| &one["email"]).collect();
    assert_eq!(emails.len(), 4, "{emails:?}");

    let one = json!({ "object_type": "appointment", "status": "active" });
    let ended = done(&mut cloud, one.clone()).await;
    assert_eq!((&ended["done"], &ended["contacts"]), (&json!(30), &one), "{ended:#}");
    let ended = done(&mut cloud, one).await;
    assert_eq!((&ended["done"], &ended["skipped"]), (&json!(0), &json!(30)), "{ended:#}");
    let (_, statistics) = cloud.call("GET", "/v1/campaigns/bookings/statistics", "").await;
    assert_eq!((&statistics["active"], &statistics["stopped"]), (&json!(0), &json!(30)));
}

#[tokio::test]
async fn r70_objects_are_imported_found_and_stopped_over_the_functions() {
    told(Delivery::Once).await;
}

#[tokio::test]
async fn r16_a_stop_by_type_and_status_counts_once_where_everything_is_delivered_twice() {
    for seed in 1..=3 {
        told(Delivery::Twice(seed)).await;
    }
}
