//! `POST /v1/campaigns/{id}/emails/{key}/preview` and `…/test`: a mail before anybody gets it.

use dacapo_platform::table::Query;
use serde_json::{Value, json};

use crate::called::Called;

const ANN: &str = "/v1/contacts/email:ann@example.com";

/// A campaign with a field of its own, and mails of several kinds.
fn document() -> Value {
    json!({
        "id": "greeting",
        "sender": { "name": "Studio Nord", "address": "hello@studio-nord.example" },
        "fields": { "meeting": { "type": "datetime" }, "city": { "type": "text" } },
        "elements": {
            "lead": {
                "type": "start",
                "when": { "all": [{ "tag": "Lead" }, { "field": "meeting", "is": "set" }] },
                "next": "hello"
            },
            "hello": { "type": "email", "email": "hello", "next": "news" },
            "news": { "type": "email", "email": "news", "next": "name" },
            "name": { "type": "email", "email": "name" }
        },
        "emails": {
            "hello": {
                "purpose": "transactional",
                "reply_to": "ann@studio-nord.example",
                "subject": "Hello {{ contact.first_name | default('you') }}",
                "text": "On {{ contact.meeting | date('%Y-%m-%d %H:%M') }}{% if contact.city %} in {{ contact.city }}{% endif %}.",
                "html": "<p>Dear {{ contact.first_name | default('you') }}</p>"
            },
            "news": { "subject": "News", "html": "<p>Read on.</p>" },
            "name": { "subject": "Hello", "text": "Dear {{ contact.last_name }}", "purpose": "transactional" }
        }
    })
}

fn preview(key: &str) -> String {
    format!("/v1/campaigns/greeting/emails/{key}/preview")
}

fn test(key: &str) -> String {
    format!("/v1/campaigns/greeting/emails/{key}/test")
}

async fn saved(document: &Value) -> Called {
    let api = Called::new().await;
    let saved = api.put("/v1/campaigns/greeting", document).await;
    assert_eq!(saved.status, 201, "{}", saved.text);
    api
}

async fn captured(api: &Called) -> Vec<Value> {
    api.idle().await;
    let all = api.get("/dev/messages").await.is(200);
    all["items"].as_array().expect("items").clone()
}

#[tokio::test]
async fn r33_an_invented_contact_is_read_as_a_posted_one_in_its_zone_and_language() {
    let api = saved(&document()).await;
    let contact = json!({
        "First Name": "Ann", "time_zone": "Europe/Berlin", "locale": "de", "tags": "Lead, VIP",
        "meeting": "2026-12-24 18:00", "fields": { "city": "Köln" }
    });
    let shown = api.post(&preview("hello"), &json!({ "contact": contact })).await.is(200);
    assert_eq!(shown["subject"], "Hello Ann", "{shown:#}");
    assert_eq!(shown["text"], "On 2026-12-24 18:00 in Köln.", "{shown:#}");
    assert_eq!(shown["html"], "<p>Dear Ann</p>");
    assert_eq!(shown["preheader"], "Dear Ann");
    assert_eq!(
        shown["from"],
        json!({ "name": "Studio Nord", "address": "hello@studio-nord.example" })
    );
    assert_eq!(shown["reply_to"], "ann@studio-nord.example");
    assert_eq!(
        (&shown["time_zone"], &shown["language"], &shown["to"]),
        (&json!("Europe/Berlin"), &json!("de"), &json!("somebody@example.com"))
    );
    assert_eq!((&shown["fails"], &shown["odd"]), (&Value::Null, &json!([])), "{shown:#}");
}

#[tokio::test]
async fn r33_a_mail_that_would_be_half_empty_says_so_and_names_the_placeholder() {
    let api = saved(&document()).await;
    let shown = api.post(&preview("name"), &json!({})).await.is(200);
    let fails = shown["fails"].as_str().expect("a reason");
    assert!(fails.starts_with("contact.last_name is empty for this contact; write"), "{fails}");
    assert_eq!((&shown["subject"], &shown["text"]), (&Value::Null, &Value::Null));
    let refused = api.post(&test("name"), &json!({ "to": "ann@example.com" })).await;
    assert_eq!(refused.faults(422), [(String::new(), "not_rendered".to_owned())]);
    assert_eq!(captured(&api).await, [] as [Value; 0]);

    let asked = json!({ "contact": { "meeting": "2026-12-24 18:00" } });
    let shown = api.post(&preview("hello"), &asked).await.is(200);
    assert_eq!(shown["subject"], "Hello you");
    let odd: Vec<(&str, &str)> =
        shown["odd"].as_array().expect("a list").iter().map(said).collect();
    assert_eq!(
        odd,
        [
            ("emails.hello.subject", "`contact.first_name` is empty for this contact"),
            ("emails.hello.text", "`contact.city` is empty for this contact"),
        ]
    );
}

fn said(odd: &Value) -> (&str, &str) {
    let text = |name: &str| odd[name].as_str().unwrap_or_default();
    (text("path"), text("message"))
}

#[tokio::test]
async fn r32_a_chosen_contact_and_what_it_would_not_get() {
    let api = saved(&document()).await;
    let post = json!({ "email": "ann@example.com", "first_name": "Ann" });
    let id = api.hook(&post).await["contact_id"].clone();
    for named in [json!("email:ann@example.com"), id] {
        let shown = api.post(&preview("news"), &json!({ "contact": named })).await.is(200);
        assert_eq!((&shown["to"], &shown["odd"]), (&json!("ann@example.com"), &json!([])));
        let html = shown["html"].as_str().expect("HTML");
        assert!(html.contains("https://dacapo.example/u/test"), "{html}");
    }
    api.patch(ANN, &json!({ "consent": "unsubscribed" })).await.is(200);
    let asked = json!({ "contact": "email:ann@example.com" });
    let shown = api.post(&preview("news"), &asked).await.is(200);
    assert_eq!(shown["odd"][0]["code"], "not_wanted", "{shown:#}");
    let confirmed = api.post(&preview("hello"), &asked).await.is(200);
    let codes = confirmed["odd"].as_array().expect("a list").iter().map(|odd| odd["code"].clone());
    assert!(codes.into_iter().all(|code| code != "not_wanted"), "transactional mail is");
}

#[tokio::test]
async fn r72_an_object_of_a_contact_may_be_there_or_invented() {
    let api = Called::new().await;
    let document = json!({
        "id": "greeting",
        "per": "appointment",
        "sender": { "address": "hello@studio-nord.example" },
        "objects": { "appointment": { "fields": { "starts_at": { "type": "datetime" }, "place": { "type": "text" } } } },
        "elements": {
            "made": { "type": "start", "when": { "field": "starts_at", "is": "set" }, "next": "hello" },
            "hello": { "type": "email", "email": "hello" }
        },
        "emails": { "hello": {
            "purpose": "transactional",
            "subject": "{{ contact.first_name | default('You') }}: {{ appointment.place }}",
            "text": "{{ appointment.starts_at | date('%Y-%m-%d %H:%M') }} {{ appointment.key }}"
        } }
    });
    api.put("/v1/campaigns/greeting", &document).await.is(201);
    let call = preview("hello");
    // The draft's type is not the account's yet.
    let invented = json!({
        "contact": { "first_name": "Ann", "time_zone": "Europe/Berlin" },
        "object": { "type": "appointment", "key": "a1", "fields": { "place": "Nord", "starts_at": "2026-12-02 14:00" } }
    });
    let shown = api.post(&call, &invented).await.is(200);
    assert_eq!(
        (&shown["subject"], &shown["text"]),
        (&json!("Ann: Nord"), &json!("2026-12-02 14:00 a1"))
    );
    let nothing = api.post(&call, &json!({})).await.is(200);
    assert!(
        nothing["fails"].as_str().is_some_and(|why| why.contains("appointment.place")),
        "{nothing:#}"
    );

    api.post("/v1/campaigns/greeting/publish", &json!({})).await.is(200);
    let object = json!({
        "contact": { "email": "ben@example.com", "first_name": "Ben" },
        "fields": { "place": "Süd", "starts_at": "2026-12-03 09:00" }
    });
    api.put("/v1/objects/appointment/b1", &object).await.is(200);
    for object in [json!("appointment/b1"), json!({ "type": "appointment", "key": "b1" })] {
        let shown = api.post(&call, &json!({ "object": object })).await.is(200);
        assert_eq!(shown["subject"], "Ben: Süd", "{shown:#}");
        assert_eq!(shown["to"], "ben@example.com");
    }
    api.hook(&json!({ "email": "ann@example.com" })).await;
    for (what, path, code) in [
        (json!({ "object": "appointment/none" }), "object", "unknown_object"),
        (json!({ "object": "order/b1" }), "object", "subject"),
        (json!({ "object": { "size": 1 } }), "object.size", "unknown_member"),
        (
            json!({ "object": { "fields": { "plaice": "x" } } }),
            "object.fields.plaice",
            "unknown_field",
        ),
        (json!({ "object": 7 }), "object", "shape"),
        (
            json!({ "object": "appointment/b1", "contact": "email:ann@example.com" }),
            "object",
            "unknown_object",
        ),
        (
            json!({ "object": "appointment/b1", "contact": { "first_name": "Ann" } }),
            "contact",
            "contradiction",
        ),
    ] {
        let refused = api.post(&call, &what).await;
        assert_eq!(refused.faults(422), [(path.to_owned(), code.to_owned())], "{what}");
    }
}

#[tokio::test]
async fn errors_elsewhere_let_a_mail_be_seen_and_its_own_are_told_with_their_places() {
    let mut document = document();
    document["elements"]["hello"]["next"] = json!("nowhere");
    document["emails"]["broken"] = json!({ "subject": "Hello", "text": "Dear {{ contact." });
    document["emails"]["unknown"] = json!({ "subject": "{{ contact.frist_name }}", "text": "x" });
    document["emails"]["a.b"] = json!({ "subject": "Dotted", "text": "x" });
    let api = saved(&document).await;
    let shown = api.post(&preview("news"), &json!({})).await.is(200);
    assert_eq!(shown["subject"], "News");
    assert_eq!(api.post(&preview("a.b"), &json!({})).await.is(200)["subject"], "Dotted");
    for (key, path, code) in [
        ("broken", "emails.broken.text", "template_syntax"),
        ("unknown", "emails.unknown.subject", "unknown_placeholder"),
    ] {
        for call in [preview(key), test(key)] {
            let refused = api.post(&call, &json!({ "to": "ann@example.com" })).await;
            let refused =
                if call.ends_with("test") { refused } else { api.post(&call, &json!({})).await };
            let faults = refused.faults(422);
            assert_eq!(faults, [(path.to_owned(), code.to_owned())], "{call}");
            assert!(refused.problem(422)["errors"][0]["line"].is_u64(), "{call}");
        }
    }
    let unknown = api.post(&preview("helo"), &json!({})).await.problem(404);
    let detail = unknown["detail"].as_str().expect("a detail");
    assert!(
        detail.contains("no e-mail `helo`") && detail.contains("`hello`, `name`, `news`"),
        "{detail}"
    );
    api.post("/v1/campaigns/none/emails/hello/preview", &json!({})).await.problem(404);
    api.post(&preview("hello"), &json!({ "version": 1 })).await.problem(404);
}

#[tokio::test]
async fn lints_and_the_length_of_the_html_are_told() {
    let mut document = document();
    let image = "<img src='https://studio-nord.example/a.png'>";
    document["emails"]["news"]["html"] =
        json!(format!("{image}{{% for n in range(60) %}}{}{{% endfor %}}", "x".repeat(2_000)));
    let api = saved(&document).await;
    let shown = api.post(&preview("news"), &json!({})).await.is(200);
    let codes: Vec<&str> = shown["odd"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|odd| odd["code"].as_str())
        .collect();
    assert_eq!(codes, ["D406", "html_is_clipped"], "{:#}", shown["odd"]);
    assert!(
        shown["html_kb"].as_f64().is_some_and(|kb| (117.0..118.5).contains(&kb)),
        "{}",
        shown["html_kb"]
    );
}

#[tokio::test]
async fn what_is_no_contact_is_refused_with_its_path() {
    let api = saved(&document()).await;
    let many: Vec<String> = (0..1_001).map(|n| format!("t{n}")).collect();
    for (contact, path, code) in [
        (json!("email:nobody@example.com"), "contact", "unknown_contact"),
        (json!("ann@example.com"), "contact", "unknown_contact"),
        (json!(["Ann"]), "contact", "shape"),
        (json!({ "shoe": 1 }), "contact.shoe", "unknown_field"),
        (json!({ "meeting": "soon" }), "contact.meeting", "value"),
        (json!({ "email": "ann@example" }), "contact.email", "email"),
        (json!({ "email": "ann@example.com\r\nBcc: b@example.com" }), "contact.email", "email"),
        (json!({ "tags": many }), "contact.tags", "too_many"),
    ] {
        let refused = api.post(&preview("news"), &json!({ "contact": contact })).await;
        assert_eq!(refused.faults(422), [(path.to_owned(), code.to_owned())]);
    }
    let huge = json!({ "contact": { "city": "x".repeat(900_000) } });
    let refused = api.post(&preview("news"), &huge).await;
    assert!(refused.status.is_success() || refused.status == 422, "{}", refused.text);
    let larger = json!({ "contact": { "city": "x".repeat(1_100_000) } });
    api.post(&preview("news"), &larger).await.problem(413);
    let object = json!({ "object": { "key": "a1" } });
    let refused = api.post(&preview("news"), &object).await;
    assert_eq!(refused.faults(422), [("object".to_owned(), "subject".to_owned())]);
}

/// Everything that is stored about a contact and a campaign.
async fn stored(api: &Called) -> Vec<String> {
    let store = &api.embedded.platform.store;
    let id = api.ann().await["id"].as_str().expect("an id").to_owned();
    let mut partitions = vec![format!("A#main#C#{id}"), "A#main".to_owned()];
    let campaign = dacapo_engine::ids::CampaignId::new("greeting").expect("an id");
    partitions.extend(store.keys.of_campaign(&campaign));
    let mut all = Vec::new();
    for partition in partitions {
        let page = store.table.query(Query::of(&partition).strong()).await.expect("a page");
        all.extend(page.items.iter().map(|item| format!("{} {:?}", item.key, item.body)));
    }
    for path in ["/history", "/messages", "/enrollments"] {
        all.push(api.get(&format!("{ANN}{path}")).await.text);
    }
    all.push(api.get("/v1/campaigns/greeting/statistics").await.text);
    all
}

#[tokio::test]
async fn r30_a_test_mail_leaves_no_trace_in_ledger_history_and_statistics() {
    let api = saved(&document()).await;
    api.post("/v1/campaigns/greeting/publish", &json!({})).await.is(200);
    let post = json!({ "email": "ann@example.com", "first_name": "Ann", "meeting": "2026-12-24 18:00", "tags": "Lead" });
    api.hook(&post).await;
    api.idle().await;
    let before = stored(&api).await;
    assert!(
        before.iter().any(|line| line.contains("M#greeting#")),
        "a message has left: {before:#?}"
    );
    let asked = json!({ "to": "Me@Müller.example", "contact": "email:ann@example.com" });
    api.post(&preview("hello"), &json!({ "contact": "email:ann@example.com" })).await.is(200);
    let sent = api.post(&test("hello"), &asked).await.is(202);
    assert_eq!(sent["left_today"], 49, "{sent}");
    let mails = captured(&api).await;
    assert_eq!(stored(&api).await, before, "byte for byte");
    let mail = mails.last().expect("a mail");
    assert_eq!(
        (&mail["subject"], &mail["to"]),
        (&json!("[Test] Hello Ann"), &json!("me@müller.example"))
    );
    assert_eq!((&mail["contact_id"], &mail["status"]), (&Value::Null, &json!("sent")));
    assert_eq!(mail["body_text"], "On 2026-12-24 18:00.");
}

#[tokio::test]
async fn r32_the_link_in_a_test_mail_unsubscribes_nobody_and_says_so() {
    let api = saved(&document()).await;
    api.hook(&json!({ "email": "ann@example.com" })).await;
    let asked = json!({ "to": "me@example.com", "contact": "email:ann@example.com" });
    api.post(&test("news"), &asked).await.is(202);
    let mails = captured(&api).await;
    let html = mails[0]["body_html"].as_str().expect("HTML");
    assert!(html.contains("href=\"https://dacapo.example/u/test\""), "{html}");
    for (method, headers) in
        [("GET", vec![]), ("POST", vec![("content-type", "application/x-www-form-urlencoded")])]
    {
        let page = api.bare(method, "/u/test", &headers, "List-Unsubscribe=One-Click").await;
        assert_eq!(page.status, 200);
        assert!(
            page.text.contains("It unsubscribes nobody.") && !page.text.contains("<form"),
            "{}",
            page.text
        );
    }
    assert_eq!(api.ann().await["consent"], "subscribed");
    let api = Called::new().await;
    api.patch("/v1/account", &json!({ "locale": "de" })).await.is(200);
    let page = api.bare("GET", "/u/test", &[], "").await;
    assert!(page.text.contains("Er meldet niemanden ab."), "{}", page.text);
}

#[tokio::test]
async fn a_repeat_with_the_same_key_sends_once() {
    let api = saved(&document()).await;
    let asked = json!({ "to": "me@example.com" });
    let first = api.once("k1", &test("news"), &asked).await.is(202);
    let again = api.once("k1", &test("news"), &asked).await;
    assert_eq!(again.is(202), first);
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(captured(&api).await.len(), 1);
    let other = api.once("k1", &test("news"), &json!({ "to": "you@example.com" })).await;
    assert_eq!(other.faults(422)[0].1, "key_reused");
    assert_eq!(api.once("k2", &test("news"), &asked).await.is(202)["left_today"], 48);
    assert_eq!(captured(&api).await.len(), 2);
    // A preview shows a contact, and nothing of it is kept with the key.
    api.hook(&json!({ "email": "ann@example.com", "first_name": "Ann", "last_name": "Lee" })).await;
    let asked = json!({ "contact": "email:ann@example.com" });
    assert_eq!(api.once("k3", &preview("name"), &asked).await.is(200)["text"], "Dear Lee");
    api.patch(ANN, &json!({ "last_name": "Low" })).await.is(200);
    assert_eq!(api.once("k3", &preview("name"), &asked).await.is(200)["text"], "Dear Low");
}

#[tokio::test]
async fn an_account_sends_fifty_test_mails_a_day_and_says_when_it_goes_on() {
    let api = saved(&document()).await;
    let asked = json!({ "to": "me@example.com" });
    for left in (0..50).rev() {
        assert_eq!(api.post(&test("news"), &asked).await.is(202)["left_today"], left);
    }
    let refused = api.post(&test("news"), &asked).await;
    let problem = refused.problem(429);
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(detail.ends_with("the next one from 2026-11-02T00:00:00Z on"), "{detail}");
    assert_eq!(refused.headers["retry-after"], "43200", "noon to midnight");
    api.post("/dev/clock", &json!({ "to": "2026-11-02T00:00:00Z" })).await.is(200);
    assert_eq!(api.post(&test("news"), &asked).await.is(202)["left_today"], 49);
    assert_eq!(captured(&api).await.len(), 51);
}

#[tokio::test]
async fn r32_an_address_that_has_refused_mail_gets_no_test_of_it() {
    let api = saved(&document()).await;
    api.hook(&json!({ "email": "ann@example.com" })).await;
    let asked = json!({ "to": "ANN@example.com", "contact": { "meeting": "2026-12-24 18:00" } });
    let refused = [("to".to_owned(), "refused".to_owned())];
    api.patch(ANN, &json!({ "consent": "unsubscribed" })).await.is(200);
    assert_eq!(api.post(&test("news"), &asked).await.faults(422), refused, "marketing");
    api.post(&test("hello"), &asked).await.is(202);
    api.patch(ANN, &json!({ "suppressed": "manual" })).await.is(200);
    assert_eq!(api.post(&test("hello"), &asked).await.faults(422), refused);
    // The refusal outlives its contact.
    assert_eq!(api.delete(ANN).await.status, 204);
    assert_eq!(api.post(&test("hello"), &asked).await.faults(422), refused);
    let refused = |to: Value| {
        let asked = json!({ "to": to });
        let api = &api;
        async move { api.post(&test("news"), &asked).await.faults(422) }
    };
    for to in [
        "",
        "me",
        "me@example.com, you@example.com",
        "me@example.com\r\nBcc: you@example.com",
        "Me <me@example.com>",
    ] {
        assert_eq!(refused(json!(to)).await, [("to".to_owned(), "email".to_owned())], "{to:?}");
    }
    assert_eq!(refused(json!(["me@example.com"])).await[0].0, "to");
    let key = api.key("reader", "read").await;
    assert_eq!(api.with_key(&key, "POST", &test("news")).await.status, 403);
}

#[tokio::test]
async fn who_is_erased_is_erased_from_test_mails() {
    let api = saved(&document()).await;
    let store = &api.embedded.platform.store;
    let partition = store.keys.test_mails();
    let texts = || async {
        let page = store.table.query(Query::of(&partition).strong()).await.expect("a page");
        page.items.iter().map(|item| item.body.as_str().to_owned()).collect::<Vec<_>>().join("\n")
    };
    let post = json!({ "email": "ann@example.com", "first_name": "Ann", "last_name": "Lee" });
    api.hook(&post).await;
    let shown = json!({ "to": "me@example.com", "contact": "email:ann@example.com" });
    api.post(&test("name"), &shown).await.is(202);
    api.post(&test("news"), &json!({ "to": "ann@example.com" })).await.is(202);
    api.post(&test("news"), &json!({ "to": "me@example.com" })).await.is(202);
    assert_eq!(captured(&api).await.len(), 3);
    let before = texts().await;
    assert!(before.contains("Lee") && before.contains("ann@example.com"), "{before}");
    assert_eq!(api.delete(ANN).await.status, 204);
    let after = texts().await;
    assert!(!after.contains("Lee") && !after.contains("ann@example.com"), "{after}");
    assert_eq!(captured(&api).await.len(), 1, "the one that is about nobody");
}
