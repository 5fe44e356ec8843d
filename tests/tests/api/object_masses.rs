//! Many objects: mass actions, new versions, erasing, bounds, many at once (R16, R50, R70 to R74).

use chrono::TimeDelta;
use dacapo_engine::contact::{Author, Patch};
use dacapo_engine::ids::ObjectType;
use dacapo_platform::objects::{MOST_OBJECTS, ObjectError, ObjectWrite, PersonWrite};
use serde_json::{Value, json};

use crate::called::{ADMIN, Called};
use crate::objects::{
    ANN, APPOINTMENTS, account, book, booking, items, stands, stood, subjects, until,
};

/// Runs a mass action, and returns how it ended.
async fn done(api: &Called, what: &str, body: &Value) -> Value {
    let taken = api.post(&format!("/v1/mass-actions/{what}"), body).await.is(202);
    api.idle().await;
    let id = taken["id"].as_str().expect("an id");
    let ended = api.get(&format!("/v1/mass-actions/{id}")).await.is(200);
    assert_eq!(ended["status"], "completed", "{ended:#}");
    ended
}

#[tokio::test]
async fn r16_stopping_contacts_takes_their_objects_along() {
    let api = account().await;
    book(&api, "one", "Oslo", "2026-11-03T10:00:00Z").await;
    book(&api, "two", "Bergen", "2026-11-05T10:00:00Z").await;
    api.hook(&json!({ "email": "ben@example.com", "tags": "Vip" })).await;
    for selected in [
        json!({ "emails": ["ann@example.com", "ben@example.com"] }),
        json!({ "tag": "Vip" }),
        json!("enrolled"),
    ] {
        api.post(&format!("{ANN}/tags"), &json!({ "add": ["Vip"] })).await.is(200);
        api.idle().await;
        let mut wanted = json!({ "campaigns": ["appointments"], "contacts": selected,
            "reset_contacts": true, "reset_statistics": true, "dry_run": true });
        let dry = api.post("/v1/mass-actions/stop-campaign", &wanted).await.is(202);
        assert_eq!(dry["affected"], json!(2), "{dry:#}");
        assert_eq!(dry["sample"][0]["contact_id"], api.ann().await["id"]);
        wanted["dry_run"] = json!(false);
        let ended = done(&api, "stop-campaign", &wanted).await;
        let named = selected.get("emails").is_some() || selected.get("tag").is_some();
        let expected = if named { (1, 1) } else { (2, 0) };
        assert_eq!((&ended["done"], &ended["skipped"]), (&json!(expected.0), &json!(expected.1)));
        assert_eq!(stands(&api).await, stood(&[("one", "ready"), ("two", "ready")]));
        let statistics = api.get("/v1/campaigns/appointments/statistics").await.is(200);
        assert_eq!((&statistics["entered"], &statistics["active"]), (&json!(0), &json!(0)));
        for key in ["one", "two"] {
            let asked = json!({ "fields": { "status": "asked" } });
            let path = format!("/v1/objects/appointment/{key}");
            api.put(&path, &asked).await.is(200);
            api.put(&path, &json!({ "fields": { "status": "booked" } })).await.is(200);
        }
        api.idle().await;
        assert_eq!(stands(&api).await, stood(&[("one", "active"), ("two", "active")]));
    }
}

#[tokio::test]
async fn r06_objects_that_are_there_enter_when_a_version_enrolls_them() {
    let api = Called::new().await;
    let fields = json!({ "fields": { "starts_at": { "type": "datetime" }, "place": { "type": "text" },
        "status": { "type": "text" } } });
    api.put("/v1/object-types/appointment", &fields).await.is(200);
    book(&api, "one", "Oslo", "2026-11-03T10:00:00Z").await;
    let headers = [("x-api-key", ADMIN), ("content-type", "application/yaml")];
    let put = api.bare("PUT", "/v1/campaigns/appointments", &headers, APPOINTMENTS).await;
    assert!(put.status.is_success(), "{}", put.text);
    let enroll = json!({ "enroll_existing": true });
    api.post("/v1/campaigns/appointments/publish", &enroll).await.is(200);
    api.idle().await;
    assert_eq!(stands(&api).await, stood(&[("one", "active")]));
    assert_eq!(subjects(&api).await, ["one: Oslo for Ann"]);
    // The next version takes it along in flight.
    let migrate = json!({ "in_flight": "migrate" });
    api.bare("PUT", "/v1/campaigns/appointments", &headers, APPOINTMENTS).await;
    api.post("/v1/campaigns/appointments/publish", &migrate).await.is(200);
    api.idle().await;
    let all = items(&api, &format!("{ANN}/enrollments")).await;
    assert_eq!(all[0]["version"], 2, "{all:#?}");
    // No version may be about something else.
    let other = APPOINTMENTS.replace("per: appointment\n", "");
    api.bare("PUT", "/v1/campaigns/appointments", &headers, other).await;
    let refused = api.post("/v1/campaigns/appointments/publish", &json!({})).await.problem(422);
    assert!(refused.to_string().contains("per: appointment"), "{refused:#}");
}

#[tokio::test]
async fn r74_erasing_the_contact_erases_its_objects_and_frees_their_keys() {
    let api = account().await;
    book(&api, "old", "Oslo", "2026-11-03T10:00:00Z").await;
    let mut moved = booking("Oslo", "2026-11-04T10:00:00Z");
    moved["replaces"] = json!("old");
    api.put("/v1/objects/appointment/new", &moved).await.is(200);
    book(&api, "two", "Bergen", "2026-11-05T10:00:00Z").await;
    assert_eq!(api.delete(ANN).await.status, 204);
    api.idle().await;
    for key in ["old", "new", "two"] {
        api.get(&format!("/v1/objects/appointment/{key}")).await.problem(404);
    }
    let statistics = api.get("/v1/campaigns/appointments/statistics").await.is(200);
    assert_eq!(statistics["active"], 0);
    until(&api, "2026-11-06T00:00:00Z").await;
    // The keys are free: the same bookings may come again, of anybody.
    for key in ["old", "new", "two"] {
        let body = json!({ "contact": { "email": "ben@example.com" } });
        let made = api.put(&format!("/v1/objects/appointment/{key}"), &body).await.is(200);
        assert_eq!(made["created"], true, "{key}");
    }
}

#[tokio::test]
async fn r74_a_deleted_object_leaves_its_campaigns_and_its_history_stays() {
    let api = account().await;
    book(&api, "one", "Oslo", "2026-11-03T10:00:00Z").await;
    assert_eq!(api.delete("/v1/objects/appointment/one").await.status, 204);
    api.delete("/v1/objects/appointment/one").await.problem(404);
    assert_eq!(stands(&api).await, stood(&[]));
    until(&api, "2026-11-06T00:00:00Z").await;
    assert_eq!(subjects(&api).await, ["one: Oslo for Ann"], "no reminder of what is gone");
    let history = items(&api, &format!("{ANN}/history?limit=200")).await;
    assert!(history.iter().any(|line| line["object"]["key"] == "one"), "{history:#?}");
    let statistics = api.get("/v1/campaigns/appointments/statistics").await.is(200);
    assert_eq!(statistics["active"], 0);
    book(&api, "one", "Rom", "2026-11-09T10:00:00Z").await;
    assert_eq!(stands(&api).await, stood(&[("one", "active")]));
}

#[tokio::test]
async fn r74_a_contact_has_at_most_a_thousand_objects() {
    let api = account().await;
    let objects = &api.embedded.platform.objects;
    let kind = ObjectType::new("appointment").expect("a type");
    let (nothing, by) = (Patch::default(), Author::MailService);
    let alone = |_: &_| Ok(Vec::new());
    for n in 0..=MOST_OBJECTS {
        let key = format!("k{n}");
        let write = ObjectWrite {
            kind: &kind,
            key: &key,
            replaces: None,
            person: PersonWrite::ByAddress("ann@example.com", &nothing),
            patch: &nothing,
        };
        let written = objects.upsert(write, &by, &alone).await;
        match written {
            Ok(_) if n < MOST_OBJECTS => {}
            Err(ObjectError::TooMany) if n == MOST_OBJECTS => {}
            other => panic!("{n}: {other:?}"),
        }
    }
    let refused = api.put("/v1/objects/appointment/more", &booking("Oslo", "2027-01-01")).await;
    assert!(refused.problem(409)["detail"].as_str().unwrap().contains("1000 objects"));
    assert_eq!(api.delete("/v1/objects/appointment/k7").await.status, 204);
    book(&api, "more", "Oslo", "2027-01-01T10:00:00Z").await;
}

#[tokio::test]
async fn r42_of_contact_is_committed_with_the_enrollment_whoever_writes_meanwhile() {
    let api = account().await;
    for n in 0..12 {
        book(&api, &format!("k{n}"), "Oslo", "2026-11-03T10:00:00Z").await;
    }
    // Twelve objects write to the same contact at once.
    api.post(&format!("{ANN}/tags"), &json!({ "add": ["Help"] })).await.is(200);
    api.idle().await;
    for n in 0..12 {
        let object = api.get(&format!("/v1/objects/appointment/k{n}")).await.is(200);
        assert!(object["tags"].get("Marked").is_some(), "{object:#}");
    }
    assert!(api.ann().await["tags"].get("Helped").is_some());
    let now = api.embedded.platform.store.now();
    api.embedded.worker.advance(now + TimeDelta::days(4)).await;
    assert_eq!(subjects(&api).await.len(), 24);
}
