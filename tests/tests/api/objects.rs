//! Objects over the HTTP API, in one process: written with their contact, through campaigns about
//! them, read back, and deleted (R70 to R74).

use serde_json::{Value, json};

use crate::called::{ADMIN, Called};

pub(crate) const APPOINTMENTS: &str = r#"
id: appointments
name: Appointments
per: appointment
sender: { name: Studio Nord, address: hello@studio-nord.example }
objects:
  appointment:
    label: Appointment
    fields: { starts_at: { type: datetime }, place: { type: text }, status: { type: text } }
elements:
  booked:      { type: start, when: { all: [{ field: status, equals: booked }, { field: starts_at, is: future }] }, next: confirm }
  confirm:     { type: email, email: confirmation, next: hour_before }
  hour_before: { type: date_timer, field: starts_at, offset: -1 hour, next: remind }
  remind:      { type: email, email: reminder, next: over }
  over:        { type: date_timer, field: starts_at, offset: 1 day, next: called_off }
  called_off:  { type: goal, when: { field: status, equals: cancelled }, unmet: end, next: pity }
  pity:        { type: email, email: cancelled }
  helped:      { type: event, on: { contact: { tag_added: Help } }, next: thank }
  thank:       { type: tag, of: contact, add: [Helped], next: mark }
  mark:        { type: tag, add: [Marked] }
emails:
  confirmation: { purpose: transactional, subject: "{{ appointment.place }} for {{ contact.first_name }}", text: "At {{ fields.starts_at }}" }
  reminder:     { purpose: transactional, subject: "Soon: {{ appointment.place }}", text: "{{ appointment.key }}" }
  cancelled:    { purpose: marketing, subject: "A pity", text: "{{ unsubscribe_url }}" }
"#;

pub(crate) const NEWS: &str = r#"
id: news
name: News
sender: { name: Studio Nord, address: hello@studio-nord.example }
elements:
  reader: { type: start, when: { tag: Reader }, next: pause }
  pause:  { type: wait, for: 30 days }
"#;

pub(crate) async fn publish(api: &Called, id: &str, document: &str) {
    let headers = [("x-api-key", ADMIN), ("content-type", "application/yaml")];
    let put = api.bare("PUT", &format!("/v1/campaigns/{id}"), &headers, document.to_owned()).await;
    assert!(put.status.is_success(), "{}", put.text);
    api.post(&format!("/v1/campaigns/{id}/publish"), &json!({})).await.is(200);
}

pub(crate) async fn account() -> Called {
    let api = Called::new().await;
    publish(&api, "appointments", APPOINTMENTS).await;
    api
}

pub(crate) fn booking(place: &str, starts_at: &str) -> Value {
    json!({
        "contact": { "email": "ann@example.com", "first_name": "Ann" },
        "fields": { "status": "booked", "starts_at": starts_at, "place": place },
    })
}

pub(crate) async fn book(api: &Called, key: &str, place: &str, starts_at: &str) -> Value {
    let path = format!("/v1/objects/appointment/{key}");
    let booked = api.put(&path, &booking(place, starts_at)).await.is(200);
    api.idle().await;
    booked
}

pub(crate) async fn until(api: &Called, at: &str) {
    api.embedded.worker.advance(at.parse().expect("an instant")).await;
}

pub(crate) async fn items(api: &Called, path: &str) -> Vec<Value> {
    let page = api.get(path).await.is(200);
    page["items"].as_array().expect("items").clone()
}

pub(crate) const ANN: &str = "/v1/contacts/email:ann@example.com";

pub(crate) async fn subjects(api: &Called) -> Vec<String> {
    let messages = items(api, &format!("{ANN}/messages")).await;
    let subject = |one: &Value| {
        let key = one["object"]["key"].as_str().unwrap_or("-");
        format!("{key}: {}", one["subject"].as_str().unwrap_or("-"))
    };
    messages.iter().map(subject).collect()
}

pub(crate) async fn stands(api: &Called) -> Vec<(String, String)> {
    let all = items(api, &format!("{ANN}/enrollments")).await;
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    all.iter().map(|one| (text(&one["object"]["key"]), text(&one["status"]))).collect()
}

pub(crate) fn stood(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(key, status)| ((*key).to_owned(), (*status).to_owned())).collect()
}

#[tokio::test]
async fn r71_two_bookings_of_one_contact_are_confirmed_and_reminded_each_for_itself() {
    let api = account().await;
    let one = book(&api, "one", "Oslo", "2026-11-03T10:00:00Z").await;
    assert_eq!((&one["created"], &one["contact_created"]), (&json!(true), &json!(true)));
    let two = book(&api, "two", "Bergen", "2026-11-05T10:00:00Z").await;
    assert_eq!((&two["created"], &two["contact_created"]), (&json!(true), &json!(false)));
    assert_eq!(one["contact_id"], two["contact_id"]);
    assert_eq!(subjects(&api).await, ["one: Oslo for Ann", "two: Bergen for Ann"]);

    until(&api, "2026-11-03T09:00:00Z").await;
    assert_eq!(
        subjects(&api).await,
        ["one: Oslo for Ann", "one: Soon: Oslo", "two: Bergen for Ann"]
    );
    // The first is cancelled; the second goes on.
    let cancelled = json!({ "fields": { "status": "cancelled" } });
    api.put("/v1/objects/appointment/one", &cancelled).await.is(200);
    api.idle().await;
    assert_eq!(stands(&api).await, stood(&[("one", "completed"), ("two", "active")]));
    until(&api, "2026-11-05T09:00:00Z").await;
    assert_eq!(subjects(&api).await[4], "two: Soon: Bergen");
    let to = items(&api, &format!("{ANN}/messages?object=appointment/two")).await;
    assert_eq!(to.len(), 2);
    assert!(to.iter().all(|one| one["to"] == "ann@example.com"), "{to:#?}");
    assert_eq!(to[0]["object"], json!({ "type": "appointment", "key": "two" }));

    let history = items(&api, &format!("{ANN}/history?object=appointment/one&limit=200")).await;
    assert!(history.iter().all(|line| line["object"]["key"] == "one"), "{history:#?}");
    assert!(history.iter().any(|line| line["kind"] == "entered"), "{history:#?}");
    let mine = items(&api, &format!("{ANN}/enrollments?object=appointment/one")).await;
    assert_eq!(mine.len(), 1);
    let contact = api.ann().await;
    assert_eq!(contact["fields"], json!({}), "the contact has none of it");

    let statistics = api.get("/v1/campaigns/appointments/statistics").await.is(200);
    assert_eq!((&statistics["entered"], &statistics["active"]), (&json!(2), &json!(1)));
    let listed = items(&api, "/v1/contacts?campaign=appointments").await;
    assert_eq!(listed.len(), 1, "a contact is listed once: {listed:#?}");
    assert_eq!(listed[0]["email"], "ann@example.com");
}

/// A key arrives as it is. (Slashes that a gateway has decoded:
/// `tests/functions/tests/handlers.rs`.)
#[tokio::test]
async fn r70_a_key_with_slashes_and_percent_signs_is_found() {
    let api = account().await;
    for (key, encoded) in [
        ("https://x.example/e/I1", "https%3A%2F%2Fx.example%2Fe%2FI1"),
        ("50%/2", "50%25%2F2"),
        ("a%2Fb", "a%252Fb"),
    ] {
        book(&api, encoded, "Oslo", "2026-11-03T10:00:00Z").await;
        let found = api.get(&format!("/v1/objects/appointment/{encoded}")).await.is(200);
        assert_eq!(found["key"], key, "{encoded}");
    }
}

#[tokio::test]
async fn r70_an_object_is_read_listed_changed_and_shown_in_one_shape() {
    let api = account().await;
    let key = "https%3A%2F%2Fapi.calendly.com%2Fscheduled_events%2F%C3%BC%20x";
    book(&api, key, "Oslo", "2026-11-03 11:00").await;
    let path = format!("/v1/objects/appointment/{key}");
    let read = api.get(&path).await.is(200);
    assert_eq!(read["key"], "https://api.calendly.com/scheduled_events/ü x");
    assert_eq!(read["type"], "appointment");
    assert_eq!(read["fields"]["starts_at"], "2026-11-03T11:00:00Z");
    assert_eq!(read["contact_id"], api.ann().await["id"]);
    // What was answered can be sent back; nothing changes then.
    let mut again = read.clone();
    again["tags"] = json!(["Vip"]);
    let changed = api.put(&path, &again).await.is(200);
    assert_eq!(changed["changed"]["tags_added"], json!(["Vip"]));
    let same = api.put(&path, &again).await.is(200);
    assert_eq!((&same["changed"]["tags_added"], &same["rev"]), (&json!([]), &changed["rev"]));
    let none = api.put(&path, &json!({ "tags": { "Vip": null } })).await.is(200);
    assert_eq!(none["changed"]["tags_removed"], json!(["Vip"]));
    book(&api, "two", "Bergen", "2026-11-05T10:00:00Z").await;
    let all = items(&api, &format!("{ANN}/objects")).await;
    assert_eq!(all.len(), 2);
    let first = api.get(&format!("{ANN}/objects?limit=1")).await.is(200);
    let cursor = first["next_cursor"].as_str().expect("a second page");
    let second = items(&api, &format!("{ANN}/objects?limit=1&cursor={cursor}")).await;
    assert_eq!(second[0]["key"], "two");
    assert_eq!(items(&api, &format!("{ANN}/objects?type=appointment")).await.len(), 2);
    // An object's id is none of a contact.
    let id = all[0]["id"].as_str().expect("an id");
    for path in [format!("/v1/contacts/{id}"), format!("/v1/contacts/{id}/objects")] {
        api.get(&path).await.problem(404);
    }
    api.delete(&format!("/v1/contacts/{id}")).await.problem(404);
    api.patch(&format!("/v1/contacts/{id}"), &json!({ "locale": "de" })).await.problem(404);
}

#[tokio::test]
async fn r70_objects_are_exported_with_their_contacts_in_parts() {
    let api = account().await;
    for n in 0..7 {
        book(&api, &format!("k{n}"), "=Oslo", "2026-11-03T10:00:00Z").await;
    }
    let path = "/v1/object-types/appointment/export";
    let all = api.get(path).await;
    let lines: Vec<&str> = all.text.lines().collect();
    assert_eq!(lines.len(), 8, "{}", all.text);
    let head = "id,key,email,contact_id,place,starts_at,status,tags,rev,created_at,updated_at";
    assert_eq!(lines[0], head);
    assert!(lines[1].contains("ann@example.com") && lines[1].contains("'=Oslo"), "{}", lines[1]);
    let (mut keys, mut cursor) = (Vec::new(), String::new());
    loop {
        let part = api.get(&format!("{path}?limit=3{cursor}")).await;
        let rows = part.text.lines().skip(1).map(|row| row.split(',').nth(1).unwrap().to_owned());
        keys.extend(rows);
        let Some(next) = part.headers.get("dacapo-next-cursor") else { break };
        cursor = format!("&cursor={}", next.to_str().unwrap());
    }
    keys.sort();
    assert_eq!(keys, ["k0", "k1", "k2", "k3", "k4", "k5", "k6"], "each once");
    api.get("/v1/object-types/none/export").await.problem(404);
    assert_eq!(api.get(&format!("{path}?limit=0")).await.faults(422)[0].0, "limit");
}

#[tokio::test]
async fn r70_every_wrong_input_is_refused_with_its_place() {
    let api = account().await;
    let path = "/v1/objects/appointment/one";
    let unknown = api.put("/v1/objects/apointment/one", &json!({})).await.problem(404);
    assert!(unknown["detail"].as_str().unwrap().contains("`appointment`"), "{unknown}");
    let at = |faults: Vec<(String, String)>| faults;
    let nobody = api.put(path, &json!({ "fields": { "place": "Oslo" } })).await;
    assert_eq!(at(nobody.faults(422)), [("contact".to_owned(), "required".to_owned())]);
    for (body, place, code) in [
        (json!({ "contact": { "email": "ann" } }), "contact.email", "email"),
        (json!({ "contact": "ann@example.com" }), "contact", "shape"),
        (json!({ "contact": { "id": "nobody" } }), "contact.id", "unknown_contact"),
        (
            json!({ "contact": { "email": "a@x.example" }, "fields": { "plase": "Oslo" } }),
            "fields.plase",
            "unknown_field",
        ),
        (
            json!({ "contact": { "email": "a@x.example" }, "fields": { "starts_at": "soon" } }),
            "fields.starts_at",
            "value",
        ),
        (json!({ "contact": { "email": "a@x.example" }, "fields": 7 }), "fields", "shape"),
        (json!({ "contact": { "email": "a@x.example" }, "colour": 7 }), "colour", "unknown_member"),
        (json!({ "contact": { "email": "a@x.example" }, "key": "two" }), "key", "other_key"),
        (json!({ "contact": { "email": "a@x.example" }, "tags": 7 }), "tags", "shape"),
        (json!({ "contact": { "email": "a@x.example" }, "event": 7 }), "event", "event"),
        (json!({ "contact": { "email": "a@x.example" }, "replaces": [] }), "replaces", "value"),
    ] {
        let refused = api.put(path, &body).await;
        let expected = [(place.to_owned(), code.to_owned())];
        assert_eq!(at(refused.faults(422)), expected, "{body}: {}", refused.text);
    }
    let misspelled =
        json!({ "contact": { "email": "a@x.example" }, "fields": { "plase": "Oslo" } });
    let told = api.put(path, &misspelled).await.problem(422);
    assert!(told["detail"].as_str().unwrap().contains("`place`"), "{told}");
    let long = "x".repeat(1_025);
    let long = api.put(&format!("/v1/objects/appointment/{long}"), &json!({})).await;
    assert_eq!(long.faults(422), [("key".to_owned(), "key".to_owned())]);
    api.get(path).await.problem(404);
    api.delete(path).await.problem(404);
    assert_eq!(items(&api, "/v1/contacts").await.len(), 0, "nothing was written");

    // An object belongs to one contact, for ever.
    book(&api, "one", "Oslo", "2026-11-03T10:00:00Z").await;
    let other = json!({ "contact": { "email": "ben@example.com" }, "fields": { "place": "Rom" } });
    let refused = api.put(path, &other).await.problem(409);
    let owner = api.ann().await["id"].as_str().unwrap().to_owned();
    assert!(refused["detail"].as_str().unwrap().contains(&owner), "{refused}");
    assert_eq!(api.get(path).await.is(200)["fields"]["place"], "Oslo");
    let unknown = format!("{ANN}/enrollments?object=one");
    assert_eq!(
        api.get(&unknown).await.faults(422),
        [("object".to_owned(), "parameter".to_owned())]
    );
    api.get(&format!("{ANN}/enrollments?object=appointment/none")).await.problem(404);
}

#[tokio::test]
async fn r70_types_are_made_by_a_campaign_or_by_hand_and_a_field_keeps_its_type() {
    let api = account().await;
    let made = api.get("/v1/object-types/appointment").await.is(200);
    assert_eq!(made["fields"]["starts_at"]["type"], "datetime");
    assert_eq!(made["label"], "Appointment");
    let more = json!({ "fields": { "room": { "type": "text" } }, "keep": "30 days" });
    let more = api.put("/v1/object-types/appointment", &more).await.is(200);
    assert_eq!(more["fields"].as_object().map(serde_json::Map::len), Some(4));
    assert_eq!((&more["label"], &more["keep"]), (&json!("Appointment"), &json!("30 days")));
    let other = json!({ "fields": { "room": { "type": "number" } } });
    let refused = api.put("/v1/object-types/appointment", &other).await.problem(409);
    assert!(refused["detail"].as_str().unwrap().contains("text field already"), "{refused}");
    api.put("/v1/object-types/order", &json!({})).await.is(200);
    let listed = items(&api, "/v1/object-types").await;
    let names: Vec<_> = listed.iter().map(|one| one["type"].as_str().unwrap()).collect();
    assert_eq!(names, ["appointment", "order"]);
    api.get("/v1/object-types/none").await.problem(404);
    for (path, body, place) in [
        ("/v1/object-types/a.b", json!({}), "type"),
        ("/v1/object-types/order", json!({ "keep": "soon" }), "keep"),
        ("/v1/object-types/order", json!({ "type": "other" }), "type"),
        (
            "/v1/object-types/order",
            json!({ "fields": { "A B": { "type": "text" } } }),
            "fields.A B",
        ),
        (
            "/v1/object-types/order",
            json!({ "fields": { "tags": { "type": "text" } } }),
            "fields.tags",
        ),
        ("/v1/object-types/contact", json!({}), "type"),
    ] {
        let faults = api.put(path, &body).await.faults(422);
        assert_eq!(faults[0].0, place, "{path} {body}");
    }
}

#[tokio::test]
async fn r70_a_key_replaces_another_in_either_order_of_the_calls() {
    for old_first in [true, false] {
        let api = account().await;
        let old = "/v1/objects/appointment/old";
        if old_first {
            book(&api, "old", "Oslo", "2026-11-03T10:00:00Z").await;
        }
        let mut moved = booking("Oslo", "2026-11-04T10:00:00Z");
        moved["replaces"] = json!("old");
        let new = api.put("/v1/objects/appointment/new", &moved).await.is(200);
        api.idle().await;
        assert_eq!(new["created"], !old_first);
        // A late call about the old key is recognised as such.
        let late = api.put(old, &booking("Oslo", "2026-11-03T10:00:00Z")).await.problem(409);
        assert!(late["detail"].as_str().unwrap().contains("`new`"), "{late}");
        let again = api.put("/v1/objects/appointment/new", &moved).await.is(200);
        assert_eq!(again["rev"], new["rev"]);
        for path in [old, "/v1/objects/appointment/new"] {
            let read = api.get(path).await.is(200);
            assert_eq!((&read["key"], &read["id"]), (&json!("new"), &new["object_id"]));
        }
        assert_eq!(items(&api, &format!("{ANN}/objects")).await.len(), 1);
        // The enrollment went on: no second confirmation, and the reminder is at the new time.
        until(&api, "2026-11-03T12:00:00Z").await;
        assert_eq!(subjects(&api).await, ["new: Oslo for Ann"]);
        until(&api, "2026-11-04T09:00:00Z").await;
        assert_eq!(subjects(&api).await, ["new: Oslo for Ann", "new: Soon: Oslo"]);
        assert_eq!(api.delete(old).await.status, 204);
        api.get("/v1/objects/appointment/new").await.problem(404);
        // Both keys are free again.
        book(&api, "old", "Rom", "2026-11-08T10:00:00Z").await;
        book(&api, "new", "Rom", "2026-11-09T10:00:00Z").await;
        let mut both = booking("Rom", "2026-11-09T10:00:00Z");
        both["replaces"] = json!("old");
        let both = api.put("/v1/objects/appointment/new", &both).await.problem(409);
        assert!(both["detail"].as_str().unwrap().contains("delete one"), "{both}");
    }
}

#[tokio::test]
async fn r72_a_change_of_the_contact_reaches_the_objects_that_have_tokens() {
    let api = account().await;
    book(&api, "one", "Oslo", "2026-11-03T10:00:00Z").await;
    book(&api, "two", "Bergen", "2026-11-05T10:00:00Z").await;
    let idle =
        json!({ "contact": { "email": "ann@example.com" }, "fields": { "status": "asked" } });
    api.put("/v1/objects/appointment/three", &idle).await.is(200);
    api.post(&format!("{ANN}/tags"), &json!({ "add": ["Help"] })).await.is(200);
    api.idle().await;
    let marked = |object: &Value| object["tags"].get("Marked").is_some();
    for (key, is) in [("one", true), ("two", true), ("three", false)] {
        let object = api.get(&format!("/v1/objects/appointment/{key}")).await.is(200);
        assert_eq!(marked(&object), is, "{object:#}");
    }
    let ann = api.ann().await;
    assert!(ann["tags"].get("Helped").is_some(), "`of: contact` writes to the contact: {ann:#}");
    assert!(ann["tags"].get("Marked").is_none(), "{ann:#}");
    assert_eq!(items(&api, "/v1/contacts?tag=Helped").await.len(), 1);
    assert_eq!(items(&api, "/v1/contacts?tag=Marked").await.len(), 0, "lists are of contacts");
    // The same tag again is another edge of each.
    let history = items(&api, &format!("{ANN}/history?object=appointment/one&limit=200")).await;
    let by_contact = |line: &&Value| line["cause"].as_str().unwrap_or("").contains("contact");
    assert!(history.iter().any(|line| by_contact(&line)), "{history:#?}");
}

#[tokio::test]
async fn r72_consent_address_and_suppression_are_the_contacts() {
    let api = account().await;
    book(&api, "one", "Oslo", "2026-11-03T10:00:00Z").await;
    api.patch(ANN, &json!({ "consent": "unsubscribed", "time_zone": "Europe/Oslo" })).await.is(200);
    api.put("/v1/objects/appointment/one", &json!({ "fields": { "status": "cancelled" } }))
        .await
        .is(200);
    api.idle().await;
    let messages = items(&api, &format!("{ANN}/messages")).await;
    assert_eq!(messages[1]["status"], "suppressed", "{messages:#?}");
    assert!(messages[1]["reason"].as_str().unwrap().contains("unsubscribed"), "{messages:#?}");
    // A day and a time without an offset are read in the contact's zone.
    book(&api, "two", "Oslo", "2026-11-06 10:00").await;
    let two = api.get("/v1/objects/appointment/two").await.is(200);
    assert_eq!(two["fields"]["starts_at"], "2026-11-06T09:00:00Z");
}

#[tokio::test]
async fn r71_by_hand_an_object_is_named_and_other_subjects_are_refused() {
    let api = account().await;
    publish(&api, "news", NEWS).await;
    book(&api, "one", "Oslo", "2026-11-03T10:00:00Z").await;
    book(&api, "two", "Bergen", "2026-11-05T10:00:00Z").await;
    let call =
        |what: &str, object: &str| format!("{ANN}/enrollments/appointments/{what}?object={object}");
    let stopped = api.post(&call("stop", "appointment/one"), &json!({})).await.is(200);
    assert_eq!((&stopped["status"], &stopped["object"]["key"]), (&json!("stopped"), &json!("one")));
    assert_eq!(stands(&api).await, stood(&[("one", "stopped"), ("two", "active")]));
    let reset = api.post(&call("reset", "appointment/one"), &json!({})).await.is(200);
    assert_eq!(reset["status"], "ready");
    let started = api.post(&call("start", "appointment/one"), &json!({})).await.is(200);
    assert_eq!(started["status"], "active");
    api.post(&call("release", "appointment/one"), &json!({})).await.problem(409);
    for what in ["start", "stop", "reset", "release"] {
        let subject = ("object".to_owned(), "subject".to_owned());
        let without = format!("{ANN}/enrollments/appointments/{what}");
        let refused = api.post(&without, &json!({})).await;
        assert_eq!(refused.faults(422), std::slice::from_ref(&subject));
        assert!(refused.text.contains("object=appointment/KEY"), "{}", refused.text);
        let of_contacts = format!("{ANN}/enrollments/news/{what}?object=appointment/one");
        assert_eq!(
            api.post(&of_contacts, &json!({})).await.faults(422),
            std::slice::from_ref(&subject)
        );
        let other_type = api.post(&call(what, "order/one"), &json!({})).await;
        assert_eq!(other_type.faults(422), [subject]);
        api.post(&call(what, "appointment/none"), &json!({})).await.problem(404);
    }
}

#[tokio::test]
async fn r70_a_hook_takes_flat_names_and_writes_both_as_one() {
    let api = account().await;
    let hook = "/v1/hooks/object/appointment";
    let posted = json!({ "Key": "z-1", "E-Mail": "ann@example.com", "name": "Ann Lee", "Status": "booked",
        "starts_at": "2026-11-03T10:00:00Z", "place": "Oslo", "tags": "First", "contact": { "tags": "Lead" } });
    let webhook = api.key("zapier", "webhook").await;
    let headers = [("x-api-key", webhook.as_str()), ("content-type", "application/json")];
    let answer = api.bare("POST", hook, &headers, posted.to_string()).await.is(200);
    api.idle().await;
    assert_eq!(answer["contact_changed"]["tags_added"], json!(["Lead"]));
    assert_eq!(answer["changed"]["tags_added"], json!(["First"]));
    assert_eq!(subjects(&api).await, ["z-1: Oslo for Ann"]);
    let form = "key=z-1&email=ann%40example.com&status=cancelled&contact%5Bphone%5D=1";
    let form_headers =
        [("x-api-key", webhook.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    api.bare("POST", hook, &form_headers, form).await.is(200);
    assert_eq!(api.ann().await["phone"], "1");
    let object = api.get("/v1/objects/appointment/z-1").await.is(200);
    assert_eq!(object["fields"]["status"], "cancelled");
    // What is unknown is refused, left out or made, as with contacts.
    let unknown = json!({ "key": "z-1", "colour": "red" });
    let refused = api.post(hook, &unknown).await;
    assert_eq!(refused.faults(422), [("colour".to_owned(), "unknown_field".to_owned())]);
    api.post(&format!("{hook}?unknown_fields=ignore"), &unknown).await.is(200);
    api.post(&format!("{hook}?unknown_fields=create"), &unknown).await.is(200);
    let object = api.get("/v1/objects/appointment/z-1").await.is(200);
    assert_eq!(object["fields"]["colour"], "red");
    let wrong = json!({ "key": "z-1", "starts_at": "soon", "place": "Rom" });
    assert_eq!(api.post(hook, &wrong).await.faults(422)[0].0, "starts_at");
    let skipped = api.post(&format!("{hook}?invalid=skip"), &wrong).await.is(200);
    assert_eq!(skipped["skipped"][0]["path"], "starts_at");
    let keyless = api.post(hook, &json!({ "email": "ann@example.com" })).await;
    assert_eq!(keyless.faults(422), [("key".to_owned(), "required".to_owned())]);
    let create = format!("{hook}?unknown_fields=create");
    let made = api.bare("POST", &create, &headers, unknown.to_string()).await;
    made.problem(403);
    // A repeat with the key of a call answers the same, and writes nothing.
    let first = api.once("k1", hook, &json!({ "key": "z-1", "event": "met" })).await.is(200);
    let second = api.once("k1", hook, &json!({ "key": "z-1", "event": "met" })).await.is(200);
    assert_eq!(first, second);
    let rev = api.get("/v1/objects/appointment/z-1").await.is(200)["rev"].clone();
    assert_eq!(rev, first["rev"]);
    let reader = api.key("reader", "read").await;
    api.with_key(&reader, "PUT", "/v1/objects/appointment/z-1").await.problem(403);
    api.with_key(&webhook, "GET", "/v1/objects/appointment/z-1").await.problem(403);
}
