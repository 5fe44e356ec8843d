//! `POST /v1/campaigns/{id}/publish?dry_run=true`: what publishing would do, and that it then does
//! (R50).

use std::collections::{BTreeMap, BTreeSet};

use expect_test::expect;
use serde_json::{Value, json};

use crate::called::{ADMIN, Called};
use crate::objects::{APPOINTMENTS, account, book, items, publish, until};

const LOOP: &str = include_str!("../../../examples/appointment-loop.yaml");

const PUBLISH: &str = "/v1/campaigns/appointment-loop/publish";

const FORESEE: &str = "/v1/campaigns/appointment-loop/publish?dry_run=true";

/// Who is in the campaign: ann is invited and waits, ben has booked, cid was not reached and is
/// to book again, dan was reminded and is done.
const WHO: [&str; 4] = ["ann", "ben", "cid", "dan"];

async fn post(api: &Called, who: &str, mut body: Value) {
    body["email"] = json!(format!("{who}@example.com"));
    body["first_name"] = json!(who);
    api.hook(&body).await;
    api.idle().await;
}

async fn at_several_places() -> Called {
    let api = Called::new().await;
    publish(&api, "appointment-loop", LOOP).await;
    let booked = |at: &str| json!({ "tags": ["Appointment made"], "appointment": at });
    for who in ["cid", "dan"] {
        post(&api, who, json!({ "tags": "Lead" })).await;
        post(&api, who, booked("2026-11-01T15:00:00Z")).await;
    }
    until(&api, "2026-11-01T16:00:00Z").await;
    post(&api, "cid", json!({ "tags": "Not reached" })).await;
    post(&api, "ben", json!({ "tags": "Lead" })).await;
    until(&api, "2026-11-02T10:00:00Z").await;
    post(&api, "ben", booked("2026-11-09T15:00:00Z")).await;
    post(&api, "ann", json!({ "tags": "Lead" })).await;
    api
}

/// The example without a second invitation and without a reminder.
fn other() -> String {
    let mut text = LOOP.to_owned();
    for (old, new) in [
        (
            "two_days: { type: wait, for: 2 days, next: invite_again }",
            "two_days: { type: wait, for: 3 days, next: booked }",
        ),
        (", offset: -1 hour, next: remind }", ", offset: -1 hour }"),
        ("  remind: { type: email, email: reminder }\n", ""),
        ("  invite_again: { type: email, email: invite_again, next: booked }\n", ""),
        ("We could not reach you\"", "We could not reach you today\""),
    ] {
        assert!(text.contains(old), "the example has no {old:?}");
        text = text.replacen(old, new, 1);
    }
    text
}

async fn save(api: &Called, document: &str) {
    let headers = [("x-api-key", ADMIN), ("content-type", "application/yaml")];
    let path = "/v1/campaigns/appointment-loop";
    api.bare("PUT", path, &headers, document.to_owned()).await.is(200);
}

async fn id_of(api: &Called, who: &str) -> String {
    let contact = api.get(&format!("/v1/contacts/email:{who}@example.com")).await.is(200);
    contact["id"].as_str().expect("an id").to_owned()
}

/// The elements of somebody's messages, and where somebody is.
async fn way(api: &Called, who: &str) -> Vec<String> {
    let path = format!("/v1/contacts/email:{who}@example.com");
    let mut way: Vec<String> = Vec::new();
    for message in items(api, &format!("{path}/messages")).await {
        way.push(message["element"].as_str().unwrap_or_default().to_owned());
    }
    for enrollment in items(api, &format!("{path}/enrollments")).await {
        way.push(enrollment["status"].to_string());
        way.extend(
            enrollment["tokens"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|token| token["element"].to_string()),
        );
    }
    way
}

/// Who is named in the examples.
async fn named(api: &Called, played: &Value) -> BTreeSet<&'static str> {
    let mut named = BTreeSet::new();
    for who in WHO {
        let id = json!(id_of(api, who).await);
        let examples = played["examples"].as_array().expect("examples");
        if examples.iter().any(|example| example["contact_id"] == id) {
            named.insert(who);
        }
    }
    named
}

#[tokio::test]
async fn r50_those_who_are_said_to_go_elsewhere_are_those_who_then_do() {
    let (moved, stayed) = (at_several_places().await, at_several_places().await);
    save(&moved, &other()).await;
    let store = &moved.embedded.store;
    let written = || (*store.commit_notifier().borrow(), store.last_change().expect("a number"));
    let before = written();
    let asked = json!({ "in_flight": "migrate" });
    let foreseen = moved.post(FORESEE, &asked).await.is(200);
    assert_eq!(written(), before, "a dry run writes nothing");
    let in_flight = &foreseen["in_flight"];
    assert_eq!((&in_flight["contacts"], &in_flight["looked_at"]), (&json!(3), &json!(3)));
    assert_eq!(in_flight["elsewhere"], in_flight["ahead"]["elsewhere"], "{foreseen:#}");
    assert_eq!(in_flight["again"]["played"], 3, "all of them can be played again: {foreseen:#}");
    let said = named(&moved, &in_flight["ahead"]).await;
    assert_eq!(in_flight["elsewhere"], json!(said.len()));

    assert_eq!(moved.post(PUBLISH, &asked).await.is(200)["version"], foreseen["version"]);
    let mut really = BTreeSet::new();
    for api in [&moved, &stayed] {
        until(api, "2027-03-01T00:00:00Z").await;
    }
    for who in WHO {
        if way(&moved, who).await != way(&stayed, who).await {
            really.insert(who);
        }
    }
    assert_eq!(said, really);
    assert_eq!(really, ["ann", "ben"].into());
}

#[tokio::test]
async fn r50_with_stay_nobody_goes_elsewhere_and_what_migrating_would_do_is_told() {
    let (moved, stayed) = (at_several_places().await, at_several_places().await);
    save(&moved, &other()).await;
    let foreseen = moved.post(FORESEE, &json!({})).await.is(200);
    let in_flight = &foreseen["in_flight"];
    assert_eq!((&in_flight["mode"], &in_flight["elsewhere"]), (&json!("stay"), &json!(0)));
    assert_eq!(in_flight["ahead"]["elsewhere"], 2, "{foreseen:#}");
    let mut text = foreseen["text"].as_str().expect("a text").to_owned();
    for who in WHO {
        text = text.replace(&id_of(&moved, who).await, who);
    }
    // The order of examples is that of ids, which are random.
    let is_example = |line: &&str| line.contains(", run 1: as it is: ");
    let mut examples: Vec<&str> = text.lines().filter(is_example).collect();
    examples.sort_unstable();
    let mut examples = examples.into_iter();
    let lines = text.lines().map(|line| match is_example(&line) {
        true => examples.next().unwrap_or_default(),
        false => line,
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    expect![[r#"
        Publishing makes version 2 of version 1.
        ~ element two_days
            for: 2 days → 3 days
            next: invite_again → booked
        ~ element hour_before
            next: remind → (nothing)
        - element invite_again (email)
        - element remind (email)
        ~ e-mail sorry
            subject: We could not reach you → We could not reach you today

        Now waiting:
            1 at two_days
            1 at booked
            1 at hour_before

        In flight: 3, of which 3 were looked at.
        They stay on the version that they are on: nobody goes elsewhere by this.
        If they migrated, 2 of 3 would go elsewhere from now on.
            ann, run 1: as it is: by two_days, invite_again, booked, sent invite_again, waits at booked in run 1; as it would be: by two_days, booked, waits at booked in run 1
            ben, run 1: as it is: by hour_before, remind, sent remind, completed in run 1; as it would be: by hour_before, completed in run 1
        If this version had been there before their runs, 0 of 3 would be elsewhere now, or would have got other messages."#]].assert_eq(&text);
    assert_eq!(
        foreseen["waiting"],
        json!([
            { "element": "two_days", "contacts": 1, "remains": true },
            { "element": "booked", "contacts": 1, "remains": true },
            { "element": "hour_before", "contacts": 1, "remains": true },
        ])
    );
    moved.post(PUBLISH, &json!({})).await.is(200);
    for api in [&moved, &stayed] {
        until(api, "2027-03-01T00:00:00Z").await;
    }
    for who in WHO {
        assert_eq!(way(&moved, who).await, way(&stayed, who).await, "{who}");
    }
}

#[tokio::test]
async fn a_document_in_the_request_is_looked_at_instead_of_the_draft() {
    let api = at_several_places().await;
    let unchanged = api.post(FORESEE, &json!({})).await.is(200);
    assert_eq!((&unchanged["changes"], &unchanged["version"]), (&json!([]), &json!(2)));
    assert_eq!(unchanged["in_flight"]["ahead"]["elsewhere"], 0);
    assert!(unchanged["text"].as_str().unwrap_or("").contains("Nothing is different."));
    // `hour_before`, at which ben waits, is gone.
    let gone = LOOP
        .replacen("  hour_before: { type: date_timer, field: appointment, offset: -1 hour, next: remind }\n", "", 1)
        .replacen("email: confirmation, next: hour_before", "email: confirmation, next: remind", 1);
    let asked = json!({ "source": gone, "in_flight": "migrate" });
    let foreseen = api.post(FORESEE, &asked).await.is(200);
    let parts: BTreeMap<&str, &str> = foreseen["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .map(|part| (part["id"].as_str().unwrap_or(""), part["kind"].as_str().unwrap_or("")))
        .collect();
    assert_eq!(parts, [("confirm", "changed"), ("hour_before", "removed")].into());
    assert_eq!(foreseen["waiting"][2]["remains"], false, "{foreseen:#}");
    let example = &foreseen["in_flight"]["ahead"]["examples"][0];
    assert_eq!(example["contact_id"], json!(id_of(&api, "ben").await));
    assert_eq!(example["would_be"]["status"], "completed");
    assert_eq!(example["was"]["sent"], json!(["remind"]));
    assert!(!foreseen.to_string().contains("@example.com"), "ids only");
    // The draft is as it was, and only the draft can be published.
    let faults = api.post(PUBLISH, &asked).await.faults(422);
    assert_eq!(faults, [("source".to_owned(), "contradiction".to_owned())]);
    assert_eq!(api.post(PUBLISH, &json!({})).await.is(200)["version"], 2);
}

#[tokio::test]
async fn what_cannot_be_published_is_refused_in_the_same_way() {
    let api = at_several_places().await;
    let wrong = LOOP.replacen("next: hour_before", "next: nowhere", 1);
    save(&api, &wrong).await;
    let refused = api.post(PUBLISH, &json!({})).await.problem(422);
    let foreseen = api.post(FORESEE, &json!({})).await.problem(422);
    assert_eq!(refused["errors"], foreseen["errors"]);
    let unreadable = api.post(FORESEE, &json!({ "source": "id: [" })).await.problem(422);
    assert!(unreadable["errors"][0]["line"].is_number(), "{unreadable:#}");
    api.post("/v1/campaigns/none/publish?dry_run=true", &json!({})).await.problem(404);
    // What another has saved since is not what the caller has seen.
    let headers =
        [("x-api-key", ADMIN), ("content-type", "application/json"), ("if-match", "\"x\"")];
    api.bare("POST", FORESEE, &headers, "{}").await.problem(412);
    // It takes the scope of publishing.
    let reader = api.key("reader", "read").await;
    api.with_key(&reader, "POST", FORESEE).await.problem(403);
}

#[tokio::test]
async fn a_first_version_has_nobody_in_flight() {
    let api = Called::new().await;
    let headers = [("x-api-key", ADMIN), ("content-type", "application/yaml")];
    api.bare("PUT", "/v1/campaigns/appointment-loop", &headers, LOOP).await.is(201);
    let foreseen = api.post(FORESEE, &json!({})).await.is(200);
    assert_eq!((&foreseen["version"], &foreseen["published"]), (&json!(1), &Value::Null));
    assert_eq!((&foreseen["changes"], &foreseen["waiting"]), (&json!([]), &json!([])));
    assert_eq!(foreseen["in_flight"]["looked_at"], 0);
    // The fields that it declares are not made.
    api.get("/v1/fields/appointment").await.problem(404);
}

#[tokio::test]
async fn r71_objects_in_flight_are_named() {
    let api = account().await;
    book(&api, "one", "Oslo", "2026-11-03T10:00:00Z").await;
    let other = APPOINTMENTS.replacen("unmet: end, next: pity", "unmet: continue, next: pity", 1);
    let asked = json!({ "source": other, "in_flight": "migrate" });
    let path = "/v1/campaigns/appointments/publish?dry_run=true";
    let foreseen = api.post(path, &asked).await.is(200);
    let in_flight = &foreseen["in_flight"];
    assert_eq!((&in_flight["elsewhere"], &in_flight["again"]["played"]), (&json!(1), &json!(1)));
    let example = &in_flight["ahead"]["examples"][0];
    assert_eq!(example["object"], json!({ "type": "appointment", "key": "one" }), "{foreseen:#}");
    assert!(foreseen["text"].as_str().unwrap_or("").contains(", appointment/one, run 1: "));
}
