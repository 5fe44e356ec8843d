//! Mass actions: every contact is stopped, and the statistics are as if no contact had entered.

use chrono::TimeDelta;
use dacapo_platform::dead_letters::{DeadLetterKind, NewDeadLetter};
use dacapo_platform::table::Consistency;
use serde_json::{Value, json};

use crate::called::{ADMIN, Called};

const WELCOME: &str = r#"
id: welcome
name: Welcome
sender: { name: Studio Nord, address: hello@studio-nord.example }
elements:
  lead:  { type: start, when: { tag: Lead }, next: hello }
  hello: { type: email, email: hello, next: pause }
  pause: { type: wait, for: 2 days, next: bye }
  bye:   { type: email, email: bye }
emails:
  hello: { subject: "Hello {{ contact.first_name }}", text: "Dear {{ contact.first_name }}, {{ unsubscribe_url }}" }
  bye:   { subject: "Bye {{ contact.first_name }}", text: "Dear {{ contact.first_name }}, {{ unsubscribe_url }}" }
"#;

const NEWS: &str = r#"
id: news
name: News
sender: { name: Studio Nord, address: hello@studio-nord.example }
elements:
  reader: { type: start, when: { tag: Reader }, next: pause }
  pause:  { type: wait, for: 30 days }
"#;

async fn published(api: &Called, id: &str, document: &str) {
    let headers = [("x-api-key", ADMIN), ("content-type", "application/yaml")];
    let saved =
        api.bare("PUT", &format!("/v1/campaigns/{id}"), &headers, document.to_owned()).await;
    assert!(saved.status.is_success(), "{}", saved.text);
    api.post(&format!("/v1/campaigns/{id}/publish"), &json!({})).await.is(200);
}

async fn account() -> Called {
    let api = Called::new().await;
    published(&api, "welcome", WELCOME).await;
    published(&api, "news", NEWS).await;
    api
}

async fn lead(api: &Called, name: &str) {
    let email = format!("{}@example.com", name.to_lowercase());
    api.hook(&json!({ "email": email, "first_name": name, "tags": "Lead" })).await;
    api.idle().await;
}

async fn days(api: &Called, days: i64) {
    let now = api.embedded.platform.store.now();
    api.embedded.worker.advance(now + TimeDelta::days(days)).await;
}

async fn statistics(api: &Called, id: &str) -> Value {
    api.get(&format!("/v1/campaigns/{id}/statistics?by=day")).await.is(200)
}

async fn subjects(api: &Called, name: &str) -> Vec<String> {
    let path = format!("/v1/contacts/email:{name}@example.com/messages");
    let page = api.get(&path).await.is(200);
    let all = page["items"].as_array().expect("messages");
    all.iter()
        .map(|one| format!("{} {}", one["run"], one["subject"].as_str().expect("a subject")))
        .collect()
}

async fn kinds(api: &Called, name: &str) -> Vec<(String, String)> {
    let page = api.get(&format!("/v1/contacts/email:{name}@example.com/history")).await.is(200);
    let text = |line: &Value, key: &str| line[key].as_str().expect("a text").to_owned();
    let lines = page["items"].as_array().expect("lines");
    lines.iter().map(|line| (text(line, "kind"), text(line, "cause"))).collect()
}

async fn status(api: &Called, name: &str) -> Value {
    let path = format!("/v1/contacts/email:{name}@example.com/enrollments");
    api.get(&path).await.is(200)["items"][0]["status"].clone()
}

/// Runs a mass action, and returns how it ended.
async fn done(api: &Called, what: &str, body: &Value) -> Value {
    let taken = api.post(&format!("/v1/mass-actions/{what}"), body).await.is(202);
    api.idle().await;
    let id = taken["id"].as_str().expect("an id");
    let ended = api.get(&format!("/v1/mass-actions/{id}")).await.is(200);
    assert_eq!(ended["status"], "completed", "{ended:#}");
    assert_eq!(taken["total"], ended["total"], "{ended:#}");
    let sum = ["done", "failed", "skipped"].map(|key| ended[key].as_u64().expect("a count"));
    assert_eq!(ended["total"], sum.iter().sum::<u64>(), "{ended:#}");
    ended
}

#[tokio::test]
async fn r16_a_test_contact_runs_through_is_reset_with_its_statistics_and_runs_again() {
    let api = account().await;
    lead(&api, "Bob").await;
    days(&api, 3).await;
    let without_ann = statistics(&api, "welcome").await;
    assert_eq!(without_ann["days"][0]["entered"], 1);

    lead(&api, "Ann").await;
    days(&api, 3).await;
    assert_eq!(subjects(&api, "ann").await, ["1 Hello Ann", "1 Bye Ann"]);
    assert_eq!(status(&api, "ann").await, "completed");
    let with_ann = statistics(&api, "welcome").await;
    assert_eq!((&with_ann["entered"], &with_ann["completed"]), (&json!(2), &json!(2)));
    assert_eq!(with_ann["messages"]["sent"], 4);
    assert_eq!(with_ann["days"].as_array().map(Vec::len), Some(4), "two days for each");

    // "you can use the user again"
    let ended = done(
        &api,
        "stop-campaign",
        &json!({ "campaigns": ["welcome"], "contacts": { "emails": ["Ann@example.com"] },
                 "reset_contacts": true, "reset_statistics": true }),
    )
    .await;
    assert_eq!((&ended["done"], &ended["skipped"]), (&json!(1), &json!(0)));
    assert_eq!(status(&api, "ann").await, "ready");
    assert_eq!(statistics(&api, "welcome").await, without_ann, "as if she had never been there");
    let lines = kinds(&api, "ann").await;
    let cause = format!("because of mass action {}", ended["id"].as_str().unwrap());
    assert!(lines.contains(&("reset".to_owned(), cause.clone())), "{lines:?}");
    assert!(lines.contains(&("statistics_reset".to_owned(), cause)), "{lines:?}");
    assert!(lines.iter().any(|(kind, _)| kind == "entered"), "the history stays: {lines:?}");

    // The same webhook.
    lead(&api, "Ann").await;
    days(&api, 3).await;
    assert_eq!(
        subjects(&api, "ann").await,
        ["1 Hello Ann", "1 Bye Ann", "2 Hello Ann", "2 Bye Ann"]
    );
    let again = statistics(&api, "welcome").await;
    assert_eq!((&again["entered"], &again["completed"]), (&json!(2), &json!(2)));
    assert_eq!((&again["restarted"], &again["messages"]["sent"]), (&json!(0), &json!(4)));
}

#[tokio::test]
async fn r16_without_reset_they_are_stopped_and_do_not_enter() {
    let api = account().await;
    for name in ["Ann", "Bob", "Cem"] {
        lead(&api, name).await;
    }
    api.hook(&json!({ "email": "dan@example.com", "first_name": "Dan" })).await;
    api.idle().await;
    let body = json!({ "campaigns": ["welcome"], "contacts": { "emails":
        ["ann@example.com", "bob@example.com", "dan@example.com", "nobody@example.com"] } });
    let ended = done(&api, "stop-campaign", &body).await;
    assert_eq!((&ended["done"], &ended["skipped"]), (&json!(2), &json!(2)));
    assert_eq!(status(&api, "ann").await, "stopped");
    assert_eq!(status(&api, "cem").await, "active");
    let counted = statistics(&api, "welcome").await;
    assert_eq!((&counted["active"], &counted["stopped"]), (&json!(1), &json!(2)));
    assert_eq!(counted["entered"], 3, "the statistics stay");
    lead(&api, "Ann").await;
    days(&api, 3).await;
    assert_eq!(status(&api, "ann").await, "stopped");
    assert_eq!(subjects(&api, "ann").await, ["1 Hello Ann"]);
}

#[tokio::test]
async fn everybody_enrolled_or_with_a_tag_in_one_campaign_or_all() {
    let api = account().await;
    for n in 0..450 {
        let tags = if n % 3 == 0 { "Lead, Reader" } else { "Lead" };
        api.hook(&json!({ "email": format!("c{n}@example.com"), "first_name": "C", "tags": tags }))
            .await;
    }
    api.hook(&json!({ "email": "zoe@example.com", "first_name": "Z", "tags": "Reader" })).await;
    api.idle().await;
    let body = json!({ "campaigns": "all", "contacts": { "tag": "reader" }, "dry_run": true });
    let found = api.post("/v1/mass-actions/stop-campaign", &body).await.is(202);
    assert_eq!((&found["total"], &found["looked_at"]), (&json!(302), &json!(302)), "{found:#}");
    assert_eq!((&found["affected"], &found["would_skip"]), (&json!(301), &json!(1)));
    assert_eq!(found["sample"].as_array().map(Vec::len), Some(20));
    assert_eq!(statistics(&api, "news").await["active"], 151, "a dry run changes nothing");

    let ended = done(
        &api,
        "stop-campaign",
        &json!({ "campaigns": "all", "contacts": { "tag": "reader" }, "reset_contacts": true }),
    )
    .await;
    assert_eq!((&ended["total"], &ended["done"]), (&json!(302), &json!(301)));
    let welcome = statistics(&api, "welcome").await;
    assert_eq!((&welcome["active"], &welcome["restarted"]), (&json!(300), &json!(150)));
    assert_eq!(statistics(&api, "news").await["active"], 0);

    let body =
        json!({ "campaigns": ["welcome"], "contacts": "enrolled", "reset_statistics": true });
    let ended = done(&api, "stop-campaign", &body).await;
    assert_eq!(ended["done"], 450);
    let welcome = statistics(&api, "welcome").await;
    assert_eq!((&welcome["stopped"], &welcome["entered"]), (&json!(450), &json!(0)));
    assert_eq!((&welcome["days"], &welcome["messages"]["sent"]), (&json!([]), &json!(0)));

    let all = api.get("/v1/mass-actions?limit=2").await.is(200);
    assert_eq!(all["items"][0]["id"], ended["id"], "newest first");
    assert_eq!(all["items"][0]["by"], "admin");
    let next = all["next_cursor"].as_str().expect("a cursor");
    let all = api.get(&format!("/v1/mass-actions?limit=2&cursor={next}")).await.is(200);
    assert_eq!(all["items"][0]["dry_run"], true);
}

#[tokio::test]
async fn what_is_asked_for_has_to_make_sense() {
    let api = account().await;
    let stop = "/v1/mass-actions/stop-campaign";
    let faults = api.post(stop, &json!({})).await.faults(422);
    let required = |path: &str| (path.to_owned(), "required".to_owned());
    assert_eq!(faults, [required("campaigns"), required("contacts")]);
    for (body, path, code) in [
        (
            json!({ "campaigns": ["welcom"], "contacts": "enrolled" }),
            "campaigns.0",
            "unknown_campaign",
        ),
        (json!({ "campaigns": "every", "contacts": "enrolled" }), "campaigns", "shape"),
        (json!({ "campaigns": "all", "contacts": "everybody" }), "contacts", "shape"),
        (json!({ "campaigns": "all", "contacts": { "ids": [], "tag": "a" } }), "contacts", "shape"),
        (json!({ "campaigns": "all", "contacts": { "ids": [] } }), "contacts.ids", "required"),
        (
            json!({ "campaigns": "all", "contacts": { "emails": ["x"] } }),
            "contacts.emails.0",
            "value",
        ),
        (json!({ "campaigns": "all", "contacts": { "tag": " " } }), "contacts.tag", "tag"),
    ] {
        let faults = api.post(stop, &body).await.faults(422);
        assert_eq!(faults, [(path.to_owned(), code.to_owned())], "{body}");
    }
    let many = json!({ "campaigns": "all", "contacts": { "ids": vec!["c1"; 10_001] } });
    assert_eq!(api.post(stop, &many).await.faults(422)[0].1, "too_many");
    let misspelt = json!({ "campaigns": "all", "contacts": "enrolled", "reset": true });
    api.post(stop, &misspelt).await.problem(422);
    for id in ["job-99", "99", "x"] {
        api.get(&format!("/v1/mass-actions/{id}")).await.problem(404);
        api.delete(&format!("/v1/mass-actions/{id}")).await.problem(404);
    }
}

#[tokio::test]
async fn the_same_call_again_is_the_same_mass_action() {
    let api = account().await;
    lead(&api, "Ann").await;
    let body = json!({ "campaigns": ["welcome"], "contacts": "enrolled", "reset_contacts": true });
    let first = api.once("k", "/v1/mass-actions/stop-campaign", &body).await.is(202);
    api.idle().await;
    let again = api.once("k", "/v1/mass-actions/stop-campaign", &body).await;
    assert_eq!(again.is(202), first);
    api.idle().await;
    assert_eq!(statistics(&api, "welcome").await["restarted"], 1);
    let all = api.get("/v1/mass-actions").await.is(200);
    assert_eq!(all["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_mass_action_is_cancelled_unless_it_is_over() {
    let api = account().await;
    lead(&api, "Ann").await;
    let body = json!({ "campaigns": ["welcome"], "contacts": "enrolled" });
    let ended = done(&api, "stop-campaign", &body).await;
    let path = format!("/v1/mass-actions/{}", ended["id"].as_str().unwrap());
    api.delete(&path).await.problem(409);
}

/// mass-actions: what is cancelled says that it has ended only when nothing more is done.
#[tokio::test]
async fn a_cancelled_mass_action_has_ended_when_nothing_more_is_done() {
    let api = account().await;
    for n in 0..600 {
        let email = format!("p{n}@example.com");
        api.hook(&json!({ "email": email, "first_name": "P", "tags": "Lead" })).await;
    }
    api.idle().await;
    let body = json!({ "campaigns": ["welcome"], "contacts": "enrolled" });
    let taken = api.post("/v1/mass-actions/stop-campaign", &body).await.is(202);
    // It waits for the first, so nothing of it is under way.
    let waits = api.post("/v1/mass-actions/stop-campaign", &body).await.is(202);
    let path = |taken: &Value| format!("/v1/mass-actions/{}", taken["id"].as_str().unwrap());
    let second = api.delete(&path(&waits)).await;
    let first = api.delete(&path(&taken)).await;
    // The worker may be faster: then all was done, or it has wound up before the answer was read.
    // In `jobs::cancelled` it does nothing meanwhile, so that the answer is `cancelling`.
    if first.status == 409 {
        return;
    }
    assert_eq!(second.is(200)["status"], "cancelled");
    let first = first.is(200);
    assert_eq!(first["status"] == "cancelled", first["ended_at"] != Value::Null, "{first:#}");
    assert!(first["status"] == "cancelling" || first["status"] == "cancelled", "{first:#}");
    let again = api.delete(&path(&taken)).await.is(200);
    let ended = loop {
        let now = api.get(&path(&taken)).await.is(200);
        assert_eq!(now["status"] == "cancelled", now["ended_at"] != Value::Null, "{now:#}");
        if now["status"] == "cancelled" {
            break now;
        }
        assert_eq!(now["status"], "cancelling");
        tokio::task::yield_now().await;
    };
    let stopped = async || statistics(&api, "welcome").await["stopped"].clone();
    api.idle().await;
    assert_eq!(api.get(&path(&taken)).await.is(200), ended, "nothing more was done");
    assert_eq!(stopped().await, ended["done"], "and all that was done is counted");
    assert!(again["status"] == "cancelling" || again["status"] == "cancelled");
    assert_eq!(api.delete(&path(&taken)).await.is(200), ended);
    // Whoever waits for it comes next.
    let rest = done(&api, "stop-campaign", &body).await;
    assert_eq!(stopped().await, json!(600), "{rest:#}");
}

#[tokio::test]
async fn r40_held_contacts_are_released_together() {
    let api = Called::new().await;
    let document = WELCOME.replace("elements:", "settings: { max_runs_per_day: 1 }\nelements:");
    published(&api, "welcome", &document).await;
    for name in ["Ann", "Bob"] {
        lead(&api, name).await;
    }
    let reset = json!({ "campaigns": ["welcome"], "contacts": { "emails": ["ann@example.com"] },
                        "reset_contacts": true });
    done(&api, "stop-campaign", &reset).await;
    lead(&api, "Ann").await;
    assert_eq!(status(&api, "ann").await, "held");
    let everybody = json!({ "campaigns": "all", "contacts": "enrolled" });
    let ended = done(&api, "release", &everybody).await;
    assert_eq!((&ended["done"], &ended["skipped"]), (&json!(1), &json!(1)));
    assert_eq!(status(&api, "ann").await, "ready");
    assert_eq!(status(&api, "bob").await, "active");
    let lines = kinds(&api, "ann").await;
    let cause = format!("because of mass action {}", ended["id"].as_str().unwrap());
    assert_eq!(lines[0], ("released".to_owned(), cause));
}

#[tokio::test]
async fn an_account_is_erased_with_everything_and_can_be_used_again() {
    let api = account().await;
    api.put("/v1/fields/city", &json!({ "type": "text" })).await.is(200);
    for n in 0..300 {
        api.hook(
            &json!({ "email": format!("p{n}@example.com"), "first_name": "P", "tags": "Lead" }),
        )
        .await;
    }
    let (writes, admin) = (api.key("tool", "write").await, api.key("boss", "admin").await);
    api.idle().await;
    let platform = &api.embedded.platform;
    let (kind, raw) = (DeadLetterKind::Decision, "p7@example.com");
    let found = NewDeadLetter { name: "stream/7", kind, by: "effects", why: "no key", raw };
    platform.dead_letters.keep(found).await.unwrap();
    let path = "/v1/mass-actions/erase-account";
    assert_eq!(api.with_key(&writes, "POST", path).await.status, 403);
    let told = api.post(path, &json!({})).await.problem(422)["detail"].to_string();
    assert!(told.contains("erase account main"), "{told}");
    assert_eq!(api.get("/v1/contacts").await.is(200)["items"].as_array().map(Vec::len), Some(50));

    let taken = api.post(path, &json!({ "confirm": "erase account main" })).await.is(202);
    let job = format!("/v1/mass-actions/{}", taken["id"].as_str().unwrap());
    api.post("/v1/hooks/contact", &json!({ "email": "late@example.com" })).await.problem(409);
    api.delete(&job).await.problem(409);
    api.idle().await;
    let ended = api.get(&job).await.is(200);
    assert_eq!((&ended["status"], &ended["done"]), (&json!("completed"), &json!(300)), "{ended:#}");
    for list in ["contacts", "campaigns", "tags", "fields", "keys"] {
        let left = api.get(&format!("/v1/{list}")).await.is(200);
        assert_eq!(left["items"], json!([]), "{list}");
    }
    assert_eq!(api.get("/dev/messages").await.is(200)["items"], json!([]));
    let dead_letter = platform.store.keys.dead_letter("stream/7");
    let dead_letter = platform.store.table.get(&dead_letter, Consistency::Strong).await.unwrap();
    assert_eq!(dead_letter, None, "it may name somebody");
    assert_eq!(api.with_key(&admin, "GET", "/v1/contacts").await.status, 401);
    let jobs = api.get("/v1/mass-actions").await.is(200);
    assert_eq!(jobs["items"].as_array().map(Vec::len), Some(1), "who did it is kept");

    published(&api, "welcome", WELCOME).await;
    lead(&api, "Ann").await;
    assert_eq!(statistics(&api, "welcome").await["entered"], 1);
}

#[tokio::test]
async fn contacts_are_listed_by_campaign_and_status() {
    let api = account().await;
    for name in ["Ann", "Bob", "Cem"] {
        lead(&api, name).await;
    }
    let bob = json!({ "campaigns": ["welcome"], "contacts": { "emails": ["bob@example.com"] } });
    done(&api, "stop-campaign", &bob).await;
    let count = async |query: &str| {
        let page = api.get(&format!("/v1/contacts?{query}")).await.is(200);
        page["items"].as_array().map(Vec::len)
    };
    assert_eq!(count("campaign=welcome").await, Some(3));
    assert_eq!(count("campaign=welcome&status=active").await, Some(2));
    assert_eq!(count("campaign=welcome&status=stopped&q=bo").await, Some(1));
    assert_eq!(count("campaign=welcome&status=stopped&tag=lead").await, Some(1));
    assert_eq!(count("campaign=news").await, Some(0));
    api.get("/v1/contacts?status=active").await.faults(422);
    api.get("/v1/contacts?campaign=welcome&status=gone").await.faults(422);
}
