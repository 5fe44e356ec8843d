//! Contacts, enrollments, messages and history of campaigns about objects, filtered (R71).

use dacapo_engine::contact::{Author, Patch};
use dacapo_engine::field::FieldValue;
use dacapo_engine::ids::{FieldKey, ObjectType, Tag};
use dacapo_platform::objects::{ObjectWrite, PersonWrite};
use serde_json::{Value, json};

use crate::called::Called;
use crate::objects::{ANN, account, book, items, publish};

async fn emails(api: &Called, path: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api.get(&format!("{path}{cursor}")).await.is(200);
        let shown = page["items"].as_array().expect("items").iter();
        all.extend(shown.map(|one| one["email"].as_str().expect("an address").to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    all.sort();
    all
}

/// Ann has two appointments, of which one was cancelled; Ben has one; Cem has the tag and none.
async fn three() -> Called {
    let api = account().await;
    book(&api, "one", "Oslo", "2026-11-03T10:00:00Z").await;
    book(&api, "two", "Bergen", "2026-11-05T10:00:00Z").await;
    let path = "/v1/objects/appointment/one";
    api.put(path, &json!({ "fields": { "status": "cancelled" } })).await.is(200);
    let ben = json!({ "contact": { "email": "ben@example.com" }, "tags": ["Vip"],
        "fields": { "status": "booked", "starts_at": "2026-11-07T10:00:00Z", "place": "Rom" } });
    api.put("/v1/objects/appointment/three", &ben).await.is(200);
    for person in ["ann", "cem"] {
        api.hook(&json!({ "email": format!("{person}@example.com"), "tags": "Vip" })).await;
    }
    api.idle().await;
    api
}

#[tokio::test]
async fn r71_contacts_by_tag_in_a_campaign_about_objects_are_those_whose_objects_are_in_it() {
    let api = three().await;
    let both = ["ann@example.com", "ben@example.com"];
    let campaign = "/v1/contacts?campaign=appointments";
    assert_eq!(emails(&api, campaign).await, both);
    // The contact's own tag: Ben's appointment has it, he does not; Cem is not in the campaign.
    assert_eq!(emails(&api, &format!("{campaign}&tag=Vip")).await, ["ann@example.com"]);
    assert_eq!(emails(&api, &format!("{campaign}&tag=vip&limit=1")).await, ["ann@example.com"]);
    assert_eq!(emails(&api, &format!("{campaign}&tag=Other")).await, [""; 0]);
    assert_eq!(emails(&api, &format!("{campaign}&q=be")).await, ["ben@example.com"]);
    assert_eq!(emails(&api, &format!("{campaign}&q=be&tag=Vip")).await, [""; 0]);
    // A contact is there for any object that stands so, once.
    assert_eq!(emails(&api, &format!("{campaign}&status=active")).await, both);
    assert_eq!(emails(&api, &format!("{campaign}&status=completed")).await, ["ann@example.com"]);
    let narrow = format!("{campaign}&tag=Vip&status=");
    assert_eq!(emails(&api, &format!("{narrow}active")).await, ["ann@example.com"]);
    assert_eq!(emails(&api, &format!("{narrow}held")).await, [""; 0]);
    // The file is the same list.
    for (more, rows) in
        [("", 2), ("&tag=Vip", 1), ("&tag=Vip&status=completed", 1), ("&status=held", 0)]
    {
        let file = api.get(&format!("/v1/contacts/export?campaign=appointments{more}")).await.text;
        assert_eq!(file.lines().count(), rows + 1, "{more}: {file}");
    }
    // In a campaign about contacts nothing is otherwise.
    publish(&api, "news", &NEWS.replace("TAG", "Vip")).await;
    api.hook(&json!({ "email": "cem@example.com", "tags": "Vip" })).await;
    api.idle().await;
    assert_eq!(emails(&api, "/v1/contacts?campaign=news&tag=Vip").await, ["cem@example.com"]);
    let refused = api.get("/v1/contacts?status=active").await.faults(422);
    assert_eq!(refused, [("status".to_owned(), "parameter".to_owned())]);
}

const NEWS: &str = "
id: news
name: News
sender: { name: Studio Nord, address: hello@studio-nord.example }
elements:
  reader: { type: start, when: { tag: TAG }, next: pause }
  pause:  { type: wait, for: 30 days }
";

#[tokio::test]
async fn r71_enrollments_messages_history_and_objects_of_a_contact_are_filtered_by_object() {
    let api = three().await;
    publish(&api, "news", &NEWS.replace("TAG", "Reader")).await;
    api.hook(&json!({ "email": "ann@example.com", "tags": "Reader" })).await;
    api.idle().await;
    let key = |one: &Value| one["object"]["key"].as_str().unwrap_or("-").to_owned();
    for (list, all, own) in [("enrollments", 3, [1, 1]), ("messages", 3, [2, 1])] {
        let found = items(&api, &format!("{ANN}/{list}")).await;
        assert_eq!(found.len(), all, "{list}: {found:#?}");
        for (named, own) in ["one", "two"].into_iter().zip(own) {
            let path = format!("{ANN}/{list}?object=appointment/{named}");
            let found: Vec<_> = items(&api, &path).await.iter().map(key).collect();
            assert_eq!(found, vec![named; own], "{list}");
        }
    }
    let history = items(&api, &format!("{ANN}/history?campaign=appointments&limit=200")).await;
    let both: std::collections::BTreeSet<_> = history.iter().map(key).collect();
    assert_eq!(both.into_iter().collect::<Vec<_>>(), ["one", "two"], "{history:#?}");
    let path = format!("{ANN}/history?campaign=appointments&object=appointment/one&limit=200");
    let one = items(&api, &path).await;
    assert!(one.len() > 1 && one.len() < history.len(), "{one:#?}");
    assert!(one.iter().all(|line| key(line) == "one" && line["campaign"] == "appointments"));
    let news = items(&api, &format!("{ANN}/history?campaign=news&limit=200")).await;
    assert!(!news.is_empty() && news.iter().all(|line| key(line) == "-"), "{news:#?}");

    // What is not the contact's, or is nothing, is told; nothing is filtered in silence.
    for list in ["enrollments", "messages", "history"] {
        let path = |named: &str| format!("{ANN}/{list}?object={named}");
        api.get(&path("appointment/three")).await.problem(404);
        api.get(&path("appointment/none")).await.problem(404);
        api.get(&path("order/one")).await.problem(404);
        let shape = api.get(&path("one")).await.faults(422);
        assert_eq!(shape, [("object".to_owned(), "parameter".to_owned())]);
    }
    let objects = items(&api, &format!("{ANN}/objects?type=appointment")).await;
    assert_eq!(objects.len(), 2);
    api.get(&format!("{ANN}/objects?type=order")).await.problem(404);
}

#[tokio::test]
async fn r71_a_contact_with_very_many_objects_is_shown_once_over_all_pages() {
    let api = account().await;
    let kind = ObjectType::new("appointment").expect("a type");
    let (by, alone) = (Author::MailService, |_: &_| Ok(Vec::new()));
    let tagged = Patch { add: vec![Tag::new("Vip").expect("a tag")], ..Patch::default() };
    let untagged = Patch::default();
    let field = |name: &str| FieldKey::new(name).expect("a key");
    let at = "2026-11-09T10:00:00Z".parse().expect("an instant");
    let booked = [("status", "booked"), ("place", "Oslo")]
        .map(|(name, text)| (field(name), Some(FieldValue::Text(text.to_owned()))));
    let fields = booked.into_iter().chain([(field("starts_at"), Some(FieldValue::Datetime(at)))]);
    let booked = Patch { fields: fields.collect(), ..Patch::default() };
    for (person, many) in [("ann", 600), ("ben", 600), ("cem", 1)] {
        let address = format!("{person}@example.com");
        let of = if person == "cem" { &untagged } else { &tagged };
        for n in 0..many {
            let key = format!("{person}{n}");
            let person = PersonWrite::ByAddress(&address, of);
            let write =
                ObjectWrite { kind: &kind, key: &key, replaces: None, person, patch: &booked };
            api.embedded.platform.objects.upsert(write, &by, &alone).await.expect("an object");
        }
    }
    api.idle().await;
    let all = ["ann@example.com", "ben@example.com", "cem@example.com"];
    assert_eq!(emails(&api, "/v1/contacts?campaign=appointments").await, all);
    let tagged = emails(&api, "/v1/contacts?campaign=appointments&tag=Vip").await;
    assert_eq!(tagged, ["ann@example.com", "ben@example.com"]);
}
