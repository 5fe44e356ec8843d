//! Objects that have been kept long enough go, with their keys and enrollments, and only those that
//! nothing waits for (R74).

use chrono::TimeDelta;
use dacapo_engine::contact::{Author, Patch};
use dacapo_engine::ids::ObjectType;
use dacapo_platform::objects::{MOST_OBJECTS, ObjectWrite, PersonWrite};
use dacapo_platform::table::{Body, Condition, Item, Write};
use serde_json::{Value, json};

use crate::called::Called;
use crate::objects::{ANN, account, book, booking, items, stands, stood, subjects, until};

/// An account whose appointments are kept for so long.
async fn keeping(keep: &str) -> Called {
    let api = account().await;
    api.put("/v1/object-types/appointment", &json!({ "keep": keep })).await.is(200);
    api
}

fn path(key: &str) -> String {
    format!("/v1/objects/appointment/{key}")
}

async fn keys(api: &Called) -> Vec<String> {
    let all = items(api, &format!("{ANN}/objects")).await;
    all.iter().map(|one| one["key"].as_str().expect("a key").to_owned()).collect()
}

/// How many enrollments the statistics count: those that entered ever, and those that are active.
async fn counted(api: &Called) -> (Value, Value) {
    let statistics = api.get("/v1/campaigns/appointments/statistics").await.is(200);
    (statistics["entered"].clone(), statistics["active"].clone())
}

/// Writes an object that is new.
async fn makes(api: &Called, key: &str, body: &Value) {
    let made = api.put(&path(key), body).await.is(200);
    assert_eq!(made["created"], true, "{made:#}");
}

/// Moves an object through so many keys, `prefix-0` and on; answers the last.
async fn moved(api: &Called, prefix: &str, times: u32) -> String {
    let contact = json!({ "email": "ann@example.com" });
    let first = format!("{prefix}-0");
    makes(api, &first, &json!({ "contact": contact })).await;
    for n in 1..=times {
        let replaces = format!("{prefix}-{}", n - 1);
        api.put(&path(&format!("{prefix}-{n}")), &json!({ "replaces": replaces })).await.is(200);
    }
    format!("{prefix}-{times}")
}

/// *Deletes an object, with its keys*: however many it had, each can be used again.
#[tokio::test]
async fn r70_no_key_is_left_of_an_object_that_was_moved_often() {
    let api = account().await;
    for (prefix, times) in [("B", 60), ("C", 230)] {
        let last = moved(&api, prefix, times).await;
        api.delete(&path(&last)).await.is(204);
        for n in [0, 1, 2, 11, times / 2, times - 1, times] {
            let key = format!("{prefix}-{n}");
            api.get(&path(&key)).await.problem(404);
            makes(&api, &key, &json!({ "contact": { "email": "ann@example.com" } })).await;
        }
    }
}

/// The same where its time is over (R74).
#[tokio::test]
async fn r74_an_object_that_was_moved_often_goes_with_its_keys() {
    let api = keeping("30 days").await;
    moved(&api, "B", 230).await;
    until(&api, "2026-12-04T12:00:00Z").await;
    assert_eq!(keys(&api).await, Vec::<String>::new());
    let ben = json!({ "contact": { "email": "ben@example.com" } });
    for n in [0, 1, 100, 229, 230] {
        makes(&api, &format!("B-{n}"), &ben).await;
    }
}

/// A key that was left behind by an object which is gone counts for nothing.
#[tokio::test]
async fn r70_a_key_whose_object_is_gone_is_free() {
    let api = account().await;
    let kind = ObjectType::new("appointment").unwrap();
    let store = &api.embedded.platform.store;
    let ann = api.post("/v1/contacts", &json!({ "email": "gone@example.com" })).await.is(201);
    let object = format!("{}.appointment.x", ann["id"].as_str().unwrap());
    for (key, more) in [("old", json!({ "b": "new" })), ("new", json!({ "r": ["old"] }))] {
        let mut left = json!({ "c": object });
        left.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let item = Item::new(store.keys.object(&kind, key), Body::of(&left).unwrap());
        store.table.write(vec![Write::put(item, Condition::Always)], None).await.unwrap();
    }
    api.get(&path("old")).await.problem(404);
    let contact = json!({ "contact": { "email": "ann@example.com" } });
    let old = path("old");
    let (one, other) = tokio::join!(api.put(&old, &contact), api.put(&old, &contact));
    let created = [one.is(200), other.is(200)].map(|came| came["created"] == true);
    assert!(created == [true, false] || created == [false, true], "{created:?}");
    assert_eq!(keys(&api).await, ["old"], "there is one of them");
    let next = json!({ "replaces": "new", "contact": contact["contact"] });
    makes(&api, "next", &next).await;
    assert_eq!(keys(&api).await, ["old", "next"]);
}

#[tokio::test]
async fn r74_an_object_without_tokens_goes_when_its_type_says_and_one_with_a_token_stays() {
    let api = keeping("30 days").await;
    book(&api, "over", "Oslo", "2026-11-03T10:00:00Z").await;
    book(&api, "changed", "Rom", "2026-11-03T10:00:00Z").await;
    book(&api, "waits", "Bergen", "2027-02-01T10:00:00Z").await;
    // It never was in any campaign.
    api.put(&path("idle"), &json!({ "contact": { "email": "ann@example.com" } })).await.is(200);
    until(&api, "2026-11-30T12:00:00Z").await;
    assert_eq!(keys(&api).await, ["over", "changed", "waits", "idle"]);
    // On the day before: its last change counts, not when it was made.
    api.put(&path("changed"), &json!({ "fields": { "place": "Bari" } })).await.is(200);
    api.idle().await;
    until(&api, "2026-12-01T11:59:59Z").await;
    assert_eq!(keys(&api).await, ["over", "changed", "waits", "idle"], "not before its time");
    until(&api, "2026-12-03T12:00:00Z").await;
    assert_eq!(keys(&api).await, ["changed", "waits"]);
    assert_eq!(stands(&api).await, stood(&[("changed", "completed"), ("waits", "active")]));
    api.get(&path("over")).await.problem(404);
    api.get(&format!("{ANN}/enrollments?object=appointment/over")).await.problem(404);
    let export = api.get("/v1/object-types/appointment/export").await.text;
    assert_eq!(export.lines().count(), 3, "{export}");
    until(&api, "2027-01-02T12:00:00Z").await;
    assert_eq!(keys(&api).await, ["waits"]);

    // What happened stays, and still names what is gone.
    let history = items(&api, &format!("{ANN}/history?limit=200")).await;
    assert!(history.iter().any(|line| line["object"]["key"] == "over"), "{history:#?}");
    assert_eq!(subjects(&api).await.len(), 5);
    assert_eq!(counted(&api).await, (json!(3), json!(1)));
    // The one with a token is reminded in its time, and goes when nothing waits for it any more.
    until(&api, "2027-02-02T12:00:00Z").await;
    assert!(subjects(&api).await.contains(&"waits: Soon: Bergen".to_owned()));
    until(&api, "2027-02-06T12:00:00Z").await;
    assert_eq!(keys(&api).await, [""; 0]);
    assert_eq!(counted(&api).await, (json!(3), json!(0)));
}

#[tokio::test]
async fn r74_without_a_keep_it_is_four_hundred_days_and_a_shorter_one_counts_at_once() {
    let api = account().await;
    book(&api, "one", "Oslo", "2026-11-03T10:00:00Z").await;
    until(&api, "2027-12-05T12:00:00Z").await;
    assert_eq!(keys(&api).await, ["one"], "the 399th day");
    until(&api, "2027-12-07T12:00:00Z").await;
    assert_eq!(keys(&api).await, [""; 0], "the 401st");
    book(&api, "two", "Oslo", "2027-12-09T10:00:00Z").await;
    until(&api, "2028-01-20T12:00:00Z").await;
    assert_eq!(keys(&api).await, ["two"]);
    api.put("/v1/object-types/appointment", &json!({ "keep": "10 days" })).await.is(200);
    until(&api, "2028-01-20T13:00:00Z").await;
    assert_eq!(keys(&api).await, [""; 0]);
    // However short it is: as long as the feed may bring a change, the object is there.
    api.put("/v1/object-types/appointment", &json!({ "keep": "1 day" })).await.is(200);
    book(&api, "three", "Oslo", "2028-01-01T10:00:00Z").await;
    until(&api, "2028-01-21T13:00:00Z").await;
    assert_eq!(keys(&api).await, ["three"]);
    until(&api, "2028-01-23T15:00:00Z").await;
    assert_eq!(keys(&api).await, [""; 0]);
}

#[tokio::test]
async fn r74_no_type_is_kept_for_less_than_a_day() {
    let api = keeping("1 day").await;
    for keep in ["-1 day", "0 minutes", "23 hours"] {
        let answer =
            api.put("/v1/object-types/appointment", &json!({ "fields": {}, "keep": keep })).await;
        assert_eq!(answer.faults(422), [("keep".to_owned(), "span".to_owned())], "{keep}");
        assert!(answer.text.contains(keep) && answer.text.contains("400 days"), "{}", answer.text);
    }
    assert_eq!(api.get("/v1/object-types/appointment").await.is(200)["keep"], "1 day");
}

#[tokio::test]
async fn r74_a_late_post_about_an_object_that_went_makes_it_anew() {
    let api = keeping("30 days").await;
    book(&api, "old", "Oslo", "2026-11-03T10:00:00Z").await;
    let mut moved = booking("Oslo", "2026-11-04T10:00:00Z");
    moved["replaces"] = json!("old");
    let first = api.put(&path("new"), &moved).await.is(200);
    api.idle().await;
    until(&api, "2026-12-10T12:00:00Z").await;
    for key in ["old", "new"] {
        api.get(&path(key)).await.problem(404);
    }
    // Without its contact nobody knows whose it is.
    let nobody = api.put(&path("new"), &json!({ "fields": { "place": "Rom" } })).await;
    assert_eq!(nobody.faults(422), [("contact".to_owned(), "required".to_owned())]);
    for key in ["old", "new"] {
        let again = book(&api, key, "Rom", "2026-12-20T10:00:00Z").await;
        assert_eq!(again["created"], true, "{key}: {again}");
        assert_ne!(again["object_id"], first["object_id"]);
    }
    assert_eq!(stands(&api).await, stood(&[("old", "active"), ("new", "active")]));
    assert_eq!(subjects(&api).await.iter().filter(|one| one.contains("Rom for Ann")).count(), 2);
}

#[tokio::test]
async fn r74_looking_again_changes_nothing_and_without_types_nothing_is_looked_at() {
    let api = Called::new().await;
    let platform = &api.embedded.platform;
    let due = async || platform.catalog.current().await.expect("the catalog").catalog.objects_due;
    let rev = async || platform.catalog.current().await.expect("the catalog").rev;
    let before = rev().await;
    for _ in 0..3 {
        let tomorrow = platform.store.now() + TimeDelta::days(1);
        api.embedded.worker.advance(tomorrow).await;
    }
    assert_eq!((rev().await, due().await), (before, None), "no type, no write");

    let api = keeping("30 days").await;
    book(&api, "over", "Oslo", "2026-11-03T10:00:00Z").await;
    until(&api, "2026-12-05T12:00:00Z").await;
    assert_eq!(keys(&api).await, [""; 0]);
    let seen = async || {
        let mut all = vec![api.get("/v1/campaigns/appointments/statistics").await.is(200)];
        for what in ["objects", "enrollments", "history", "messages"] {
            all.push(api.get(&format!("{ANN}/{what}")).await.is(200));
        }
        all
    };
    let before = seen().await;
    let platform = &api.embedded.platform;
    for _ in 0..2 {
        // As if every round had been lost: the next one begins at once.
        platform
            .catalog
            .change(|catalog| {
                catalog.objects_due = None;
                Ok::<_, dacapo_platform::error::Error>(((), Vec::new()))
            })
            .await
            .expect("a change");
        platform.expiry.look().await.expect("a look");
        platform.expiry.look().await.expect("a look");
        api.idle().await;
    }
    assert_eq!(seen().await, before);
    // As long as no object is there none is due before one that is made now would be.
    let due = platform.catalog.current().await.expect("the catalog").catalog.objects_due;
    let now = platform.store.now();
    assert!(due.is_some_and(|due| due - now == TimeDelta::days(30)), "{due:?} {now}");
}

#[tokio::test]
async fn r74_what_is_parked_or_held_for_a_defect_keeps_its_object() {
    let api = keeping("30 days").await;
    let pause = "/v1/campaigns/appointments/pause";
    api.post(pause, &json!({})).await.is(200);
    book(&api, "parked", "Oslo", "2027-03-03T10:00:00Z").await;
    until(&api, "2027-01-10T12:00:00Z").await;
    assert_eq!(keys(&api).await, ["parked"], "it enters when the campaign is resumed");
    api.post("/v1/campaigns/appointments/resume", &json!({})).await.is(200);
    api.idle().await;
    assert_eq!(stands(&api).await, stood(&[("parked", "active")]));
    assert_eq!(subjects(&api).await, ["parked: Oslo for Ann"]);
}

#[tokio::test]
async fn r74_a_thousand_objects_go_and_leave_room_for_as_many() {
    let api = keeping("30 days").await;
    let objects = &api.embedded.platform.objects;
    let kind = ObjectType::new("appointment").expect("a type");
    let (nothing, by) = (Patch::default(), Author::MailService);
    for n in 0..MOST_OBJECTS {
        let key = format!("k{n}");
        let write = ObjectWrite {
            kind: &kind,
            key: &key,
            replaces: None,
            person: PersonWrite::ByAddress("ann@example.com", &nothing),
            patch: &nothing,
        };
        objects.upsert(write, &by, &|_: &_| Ok(Vec::new())).await.expect("an object");
    }
    let refused = api.put(&path("more"), &booking("Oslo", "2027-01-01T10:00:00Z")).await;
    refused.problem(409);
    until(&api, "2026-12-05T12:00:00Z").await;
    assert_eq!(keys(&api).await, [""; 0]);
    book(&api, "more", "Oslo", "2027-01-01T10:00:00Z").await;
    assert_eq!(keys(&api).await, ["more"]);
}
