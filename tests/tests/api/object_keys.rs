//! Keys of objects that were replaced often: they are free when the object is gone, however many
//! there are and whatever was broken off (R70, R74).

use dacapo_engine::ids::{ContactId, ObjectType};
use dacapo_platform::table::{Condition, Consistency, Write};
use serde_json::json;

use crate::called::Called;

/// More keys than one transaction deletes with their object.
const MANY: usize = 130;

fn path(key: usize) -> String {
    format!("/v1/objects/visit/B-{key}")
}

/// An object that has had so many keys: `B-0` and on.
async fn replaced(keys: usize) -> Called {
    let api = Called::new().await;
    let kind = json!({ "fields": {}, "keep": "30 days" });
    api.put("/v1/object-types/visit", &kind).await.is(200);
    write(&api, 0).await;
    for key in 1..keys {
        let replaces = json!({ "replaces": format!("B-{}", key - 1) });
        api.put(&path(key), &replaces).await.is(200);
    }
    api.idle().await;
    api
}

async fn write(api: &Called, key: usize) -> serde_json::Value {
    let person = json!({ "contact": { "email": "ann@example.com" } });
    api.put(&path(key), &person).await.is(200)
}

async fn key_is_there(api: &Called, key: usize) -> bool {
    let store = &api.embedded.platform.store;
    let place = store.keys.object(&ObjectType::new("visit").expect("a type"), &format!("B-{key}"));
    store.table.get(&place, Consistency::Strong).await.expect("an answer").is_some()
}

/// How many of the first keys lead somewhere.
async fn keys_there(api: &Called) -> usize {
    let mut there = 0;
    for key in 0..MANY {
        there += usize::from(key_is_there(api, key).await);
    }
    there
}

#[tokio::test]
async fn r70_a_deleted_object_leaves_none_of_its_keys_behind() {
    let api = replaced(MANY).await;
    assert_eq!(keys_there(&api).await, MANY);
    assert_eq!(api.get(&path(0)).await.is(200)["key"], format!("B-{}", MANY - 1));
    api.delete(&path(MANY - 1)).await.is(204);
    assert_eq!(keys_there(&api).await, 0);
    for key in [0, 1, 70, MANY - 1] {
        assert_eq!(write(&api, key).await["created"], true, "B-{key}");
    }
    // What was deleted twice takes nothing from what came after.
    api.idle().await;
    api.delete(&path(5)).await.problem(404);
    for key in [0, 1, 70, MANY - 1] {
        api.get(&path(key)).await.is(200);
    }
}

#[tokio::test]
async fn r74_an_object_with_very_many_keys_goes_too() {
    let api = replaced(MANY).await;
    let to = json!({ "to": "2026-12-05T12:00:00Z" });
    api.post("/dev/clock", &to).await.is(200);
    api.get(&path(MANY - 1)).await.problem(404);
    assert_eq!(keys_there(&api).await, 0);
    assert_eq!(write(&api, 3).await["created"], true);
}

#[tokio::test]
async fn r70_an_erased_contact_leaves_none_of_its_objects_keys_behind() {
    let api = replaced(MANY).await;
    api.delete("/v1/contacts/email:ann@example.com").await.is(204);
    assert_eq!(keys_there(&api).await, 0);
}

#[tokio::test]
async fn r70_a_key_whose_object_is_gone_blocks_nobody() {
    let api = replaced(4).await;
    let object = api.get(&path(3)).await.is(200)["id"].as_str().unwrap().to_owned();
    // As if the process had died after the object was deleted.
    let store = &api.embedded.platform.store;
    let place = store.keys.contact(&ContactId::new(object.as_str()).unwrap());
    store.table.write(vec![Write::delete(place, Condition::Present)], None).await.unwrap();
    assert!(key_is_there(&api, 0).await);
    api.get(&path(1)).await.problem(404);
    // By itself, as what is replaced, and both at once.
    let made = write(&api, 1).await;
    assert_eq!(made["created"], true);
    let person = json!({ "contact": { "email": "ann@example.com" }, "replaces": "B-3" });
    let other = api.put(&path(9), &person).await.is(200);
    assert_eq!(other["created"], true);
    let both = json!({ "replaces": "B-2" });
    assert_eq!(api.put(&path(1), &both).await.is(200)["object_id"], made["object_id"]);
    assert_eq!(api.get(&path(2)).await.is(200)["key"], "B-1");
}
