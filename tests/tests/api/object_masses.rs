//! Many objects: mass actions, new versions, erasing, bounds, many at once (R16, R50, R70 to R74).

use chrono::TimeDelta;
use dacapo_engine::contact::{Author, Patch};
use dacapo_engine::ids::ObjectType;
use dacapo_platform::objects::{MOST_OBJECTS, ObjectError, ObjectWrite, PersonWrite};
use serde_json::{Value, json};

use crate::called::{ADMIN, Called};
use crate::objects::{
    ANN, APPOINTMENTS, NEWS, account, book, booking, items, publish, stands, stood, subjects, until,
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

/// Ann has three appointments: one is on its way, one was cancelled, one was stopped.
async fn three_standing() -> Called {
    let api = account().await;
    for key in ["one", "two", "three"] {
        book(&api, key, "Oslo", "2026-11-03T10:00:00Z").await;
    }
    let cancelled = json!({ "fields": { "status": "cancelled" } });
    api.put("/v1/objects/appointment/two", &cancelled).await.is(200);
    let path = format!("{ANN}/enrollments/appointments/stop?object=appointment/three");
    api.post(&path, &json!({})).await.is(200);
    api.idle().await;
    let stood_so = stood(&[("one", "active"), ("three", "stopped"), ("two", "completed")]);
    let mut stand = stands(&api).await;
    stand.sort();
    assert_eq!(stand, stood_so);
    api
}

async fn sorted_stands(api: &Called) -> Vec<(String, String)> {
    let mut stand = stands(api).await;
    stand.sort();
    stand
}

#[tokio::test]
async fn r16_objects_are_stopped_by_type_and_status_and_those_that_stand_otherwise_are_skipped() {
    let api = three_standing().await;
    let selected = json!({ "object_type": "appointment", "status": "active" });
    let mut wanted =
        json!({ "campaigns": ["appointments"], "contacts": selected, "dry_run": true });
    let dry = api.post("/v1/mass-actions/stop-campaign", &wanted).await.is(202);
    assert_eq!((&dry["affected"], &dry["would_skip"]), (&json!(1), &json!(2)), "{dry:#}");
    assert_eq!(dry["sample"][0]["status"], "active");
    wanted["dry_run"] = json!(false);
    let ended = done(&api, "stop-campaign", &wanted).await;
    assert_eq!(
        (&ended["done"], &ended["skipped"], &ended["total"]),
        (&json!(1), &json!(2), &json!(3))
    );
    assert_eq!(ended["contacts"], selected, "it says what was asked for");
    let stood_so = stood(&[("one", "stopped"), ("three", "stopped"), ("two", "completed")]);
    assert_eq!(sorted_stands(&api).await, stood_so);

    // Those that are stopped may enter again, and nobody else is touched.
    let wanted =
        json!({ "campaigns": "all", "contacts": { "status": "stopped" }, "reset_contacts": true });
    let ended = done(&api, "stop-campaign", &wanted).await;
    assert_eq!((&ended["done"], &ended["skipped"]), (&json!(2), &json!(1)), "{ended:#}");
    let stood_so = stood(&[("one", "ready"), ("three", "ready"), ("two", "completed")]);
    assert_eq!(sorted_stands(&api).await, stood_so);

    // Without a status it is all of the type, in every campaign about it.
    let wanted = json!({ "campaigns": "all", "contacts": { "object_type": "appointment" } });
    let ended = done(&api, "stop-campaign", &wanted).await;
    assert_eq!((&ended["done"], &ended["skipped"]), (&json!(3), &json!(0)), "{ended:#}");
}

#[tokio::test]
async fn r16_a_type_leaves_campaigns_about_contacts_alone() {
    let api = three_standing().await;
    publish(&api, "news", NEWS).await;
    api.hook(&json!({ "email": "ben@example.com", "tags": "Reader" })).await;
    api.idle().await;
    let wanted = json!({ "campaigns": "all", "contacts": { "object_type": "appointment" } });
    let ended = done(&api, "stop-campaign", &wanted).await;
    assert_eq!((&ended["done"], &ended["total"]), (&json!(3), &json!(3)), "{ended:#}");
    let ben = items(&api, "/v1/contacts/email:ben@example.com/enrollments").await;
    assert_eq!(ben[0]["status"], "active", "{ben:#?}");
    // By status alone it is about contacts, too.
    let wanted = json!({ "campaigns": ["news"], "contacts": { "status": "active" } });
    let ended = done(&api, "stop-campaign", &wanted).await;
    assert_eq!((&ended["done"], &ended["skipped"]), (&json!(1), &json!(0)), "{ended:#}");
    let listed = items(&api, "/v1/mass-actions").await;
    assert_eq!(listed[0]["contacts"], json!({ "status": "active" }));
}

const GUARDED: &str = r#"
id: guarded
name: Guarded
per: appointment
settings: { max_runs_per_day: 1 }
sender: { name: Studio Nord, address: hello@studio-nord.example }
elements:
  booked: { type: start, when: { field: status, equals: booked }, next: days }
  days:   { type: wait, for: 30 days }
  again:  { type: event, on: { becomes: { field: place, equals: Rom } }, next: anew }
  anew:   { type: reset, next: days }
"#;

#[tokio::test]
async fn r40_held_objects_are_released_by_type() {
    let api = Called::new().await;
    publish(&api, "appointments", APPOINTMENTS).await;
    publish(&api, "guarded", GUARDED).await;
    for key in ["one", "two"] {
        book(&api, key, "Oslo", "2026-11-03T10:00:00Z").await;
    }
    book(&api, "one", "Rom", "2026-11-03T10:00:00Z").await;
    let guarded = async || -> Vec<(String, String)> {
        let all = items(&api, &format!("{ANN}/enrollments")).await;
        let here = all.iter().filter(|one| one["campaign"] == "guarded");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let mut stand: Vec<_> =
            here.map(|one| (text(&one["object"]["key"]), text(&one["status"]))).collect();
        stand.sort();
        stand
    };
    assert_eq!(guarded().await, stood(&[("one", "held"), ("two", "active")]));
    let selected = json!({ "object_type": "appointment", "status": "held" });
    let wanted = json!({ "campaigns": ["guarded"], "contacts": selected });
    let ended = done(&api, "release", &wanted).await;
    assert_eq!((&ended["done"], &ended["skipped"]), (&json!(1), &json!(1)), "{ended:#}");
    assert_eq!(guarded().await, stood(&[("one", "ready"), ("two", "active")]));
}

#[tokio::test]
async fn r16_a_type_or_status_that_cannot_be_meant_is_refused_with_its_place() {
    let api = account().await;
    publish(&api, "news", NEWS).await;
    api.put("/v1/object-types/order", &json!({ "fields": {} })).await.is(200);
    for (campaigns, selected, path, words) in [
        (
            json!(["appointments"]),
            json!({ "object_type": "apointment" }),
            "contacts.object_type",
            "did you mean `appointment`?",
        ),
        (
            json!(["appointments"]),
            json!({ "object_type": 7 }),
            "contacts.object_type",
            "7 is no type",
        ),
        (
            json!(["appointments", "news"]),
            json!({ "object_type": "appointment" }),
            "contacts.object_type",
            "`news` is about contacts",
        ),
        (
            json!(["appointments"]),
            json!({ "object_type": "order" }),
            "contacts.object_type",
            "about each appointment",
        ),
        (
            json!("all"),
            json!({ "object_type": "order" }),
            "contacts.object_type",
            "no published campaign",
        ),
        (
            json!(["news"]),
            json!({ "status": "running" }),
            "contacts.status",
            "\"running\" is no status; write one of active",
        ),
        (
            json!(["news"]),
            json!({ "tag": "Vip", "status": "active" }),
            "contacts",
            "goes alone, or with `object_type`",
        ),
        (json!(["news"]), json!({}), "contacts", "object_type"),
    ] {
        let body = json!({ "campaigns": campaigns, "contacts": selected });
        let refused = api.post("/v1/mass-actions/stop-campaign", &body).await.problem(422);
        let errors = refused["errors"].as_array().expect("errors");
        assert_eq!((errors.len(), errors[0]["path"].as_str()), (1, Some(path)), "{refused:#}");
        assert!(errors[0]["message"].as_str().expect("words").contains(words), "{refused:#}");
    }
    let body = json!({ "campaigns": ["news"], "contacts": { "status": "active" } });
    let refused = api.post("/v1/mass-actions/release", &body).await.problem(422);
    assert!(refused.to_string().contains("only held is"), "{refused:#}");
    assert_eq!(items(&api, "/v1/mass-actions").await, [] as [Value; 0], "nothing was begun");
}
