//! Fixed values of a form's connection, and dates that cannot be read.

use serde_json::{Value, json};

use super::objects::{ANN, account, items, mails, only};
use super::{advance, connected, newest, posted};
use crate::called::Called;

const FORM: &str = "/v1/connections/form";

/// A form of the own website that books an appointment, and sends no status.
fn booking_form() -> Value {
    json!({ "kind": "form", "object": "appointment", "set": { "object.status": "booked", "city": "Kiel" },
        "map": { "mail": "email", "nr": "object.key", "when": "object.starts_at", "state": "object.status" } })
}

async fn with_form() -> (Called, String) {
    let (api, _) = account("calendly").await;
    api.put("/v1/fields/city", &json!({ "type": "text" })).await.is(200);
    let path = connected(&api, "form", &booking_form()).await;
    (api, path)
}

#[tokio::test]
async fn a_form_that_sends_no_status_books_with_a_fixed_one() {
    let (api, path) = with_form().await;
    assert_eq!(api.get(FORM).await.is(200)["set"], booking_form()["set"]);
    let booked =
        json!({ "mail": "ann@example.com", "nr": "7", "when": "2026-12-01 13:00", "state": " " });
    posted(&api, &path, &booked).await.is(200);
    api.idle().await;
    let fields = only(&api, ANN).await["fields"].clone();
    assert_eq!(fields, json!({ "starts_at": "2026-12-01T13:00:00Z", "status": "booked" }));
    assert_eq!(api.ann().await["fields"], json!({ "city": "Kiel" }));
    assert_eq!(mails(&api, ANN).await, ["7: See you"]);
    let cancelled = json!({ "mail": "ann@example.com", "nr": "7", "state": "cancelled" });
    posted(&api, &path, &cancelled).await.is(200);
    assert_eq!(
        only(&api, ANN).await["fields"]["status"],
        "cancelled",
        "the form's own value counts"
    );
}

#[tokio::test]
async fn a_fixed_value_is_refused_where_no_post_could_send_it() {
    let (api, _) = with_form().await;
    for (target, value, code) in [
        ("object.stats", json!("booked"), "unknown_field"),
        ("object.starts_at", json!("soon"), "value"),
        ("object.key", json!("1"), "target"),
        ("email", json!("ann@example.com"), "target"),
        ("fields.email", json!("ann@example.com"), "target"),
        ("budget", json!("many"), "value"),
        ("resubscribe", json!("perhaps"), "value"),
        ("citi", json!("Kiel"), "unknown_field"),
        ("suppressed", json!("manual"), "unknown_field"),
        ("city", json!(" "), "value"),
        ("city", json!("x".repeat(1_001)), "value"),
    ] {
        let written = json!({ "set": { target: value }, "kind": "form", "object": "appointment",
            "map": booking_form()["map"] });
        let faults = api.put(FORM, &written).await.faults(422);
        let path = format!("set.{}", target.strip_prefix("fields.").map_or(target, |_| target));
        assert_eq!(faults, [(path, code.to_owned())], "{written}");
    }
    // Without a map every value is met by its name, and one that is called otherwise would be lost.
    for written in [
        json!({ "kind": "form", "set": { "city": "Kiel" } }),
        json!({ "kind": "calendly", "secret": super::SECRET, "set": { "city": "Kiel" } }),
    ] {
        assert_eq!(api.put("/v1/connections/other", &written).await.faults(422)[0].1, "set");
    }
}

/// A booking or a move without its date would stay silent for ever: it is told as failed, nothing
/// is written, and it is replayed when the account says how dates are written.
#[tokio::test]
async fn r24_a_booking_whose_date_cannot_be_read_fails_and_is_replayed() {
    let (api, path) = with_form().await;
    let sent = |when: &str| json!({ "mail": "ann@example.com", "nr": "7", "when": when });
    posted(&api, &path, &sent("12/11/2026 11:00")).await.is(202);
    let lost = newest(&api, "form").await;
    assert_eq!(
        (&lost["outcome"], &lost["errors"][0]["path"]),
        (&json!("failed"), &json!("object.starts_at"))
    );
    for part in ["`date_order`", "nothing was written", "replay this call"] {
        assert!(lost["why"].as_str().unwrap().contains(part), "{lost:#}");
    }
    api.get(ANN).await.problem(404);
    let date_order = json!({ "date_order": "month_first" });
    api.patch("/v1/account", &date_order).await.is(200);
    let id = lost["id"].as_str().unwrap();
    let again = api.post(&format!("{FORM}/calls/{id}/replay"), &json!({})).await.is(200);
    assert_eq!(again["outcome"], "done", "{again:#}");
    assert_eq!(only(&api, ANN).await["fields"]["starts_at"], "2026-12-11T11:00:00Z");
    // A move to a date that cannot be read is none, and a cancellation needs no date.
    advance(&api, "1 minute").await;
    posted(&api, &path, &sent("31/31/2026 11:00")).await.is(202);
    assert_eq!(newest(&api, "form").await["outcome"], "failed");
    assert_eq!(only(&api, ANN).await["fields"]["starts_at"], "2026-12-11T11:00:00Z");
    advance(&api, "1 minute").await;
    let over =
        json!({ "mail": "ann@example.com", "nr": "7", "when": "soon", "state": "cancelled" });
    posted(&api, &path, &over).await.is(200);
    let call = newest(&api, "form").await;
    assert_eq!(
        (&call["outcome"], &call["errors"][0]["path"]),
        (&json!("done"), &json!("object.starts_at"))
    );
    assert_eq!(only(&api, ANN).await["fields"]["status"], "cancelled");
}

/// Read in another zone than the visitor's, the time would be confirmed and reminded of wrongly.
#[tokio::test]
async fn r24_a_booking_in_a_zone_that_is_unknown_fails_unless_its_date_has_an_offset() {
    let (api, _) = with_form().await;
    let mut written = booking_form();
    written["map"]["zone"] = json!("time_zone");
    let path = connected(&api, "zoned", &written).await;
    let sent = |zone: &str, when: &str| json!({ "mail": "ann@example.com", "nr": "7", "zone": zone, "when": when });
    posted(&api, &path, &sent("Mars/Phobos", "2026-12-01 13:00")).await.is(202);
    let lost = newest(&api, "zoned").await;
    assert_eq!(lost["outcome"], "failed", "{lost:#}");
    for part in ["Mars/Phobos", "a zone that is known", "replay this call"] {
        assert!(lost["why"].as_str().unwrap().contains(part), "{lost:#}");
    }
    api.get(ANN).await.problem(404);
    advance(&api, "1 minute").await;
    posted(&api, &path, &sent("Mars/Phobos", "2026-12-01T13:00:00+02:00")).await.is(200);
    assert_eq!(only(&api, ANN).await["fields"]["starts_at"], "2026-12-01T11:00:00Z");
    advance(&api, "1 minute").await;
    posted(&api, &path, &sent("Asia/Tokyo", "2026-12-01 13:00")).await.is(200);
    assert_eq!(only(&api, ANN).await["fields"]["starts_at"], "2026-12-01T04:00:00Z");
}

/// The same holds of any field that a published campaign follows.
#[tokio::test]
async fn r24_the_date_is_what_a_campaign_follows() {
    let (api, _) = with_form().await;
    let fields = json!({ "ends": { "type": "date" }, "seen": { "type": "date" } });
    api.put("/v1/object-types/order", &json!({ "fields": fields })).await.is(200);
    let campaign = json!({ "id": "renewal", "per": "order", "elements": {
        "start": { "type": "start", "when": { "field": "ends", "is": "set" }, "next": "soon" },
        "soon": { "type": "date_timer", "field": "ends", "offset": "-1 day", "next": "end" },
        "end": { "type": "end" } } });
    api.put("/v1/campaigns/renewal", &campaign).await.is(201);
    api.post("/v1/campaigns/renewal/publish", &json!({})).await.is(200);
    let map = json!({ "mail": "email", "nr": "object.key", "ends": "object.ends", "seen": "object.seen" });
    let path =
        connected(&api, "shop", &json!({ "kind": "form", "object": "order", "map": map })).await;
    let sent = |field: &str| json!({ "mail": "ann@example.com", "nr": "7", field: "soon" });
    posted(&api, &path, &sent("ends")).await.is(202);
    posted(&api, &path, &sent("seen")).await.is(200);
    assert_eq!(items(&api, &format!("{ANN}/objects")).await.len(), 1);
}
