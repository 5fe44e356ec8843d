//! Responses of Lambda have a limit (*Lambda quotas*, *Invoke*: 6 MB,
//! <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>). Every answer stays
//! below it, whatever contacts, mails and posts contain, and a client that follows the pages
//! receives everything once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::collections::{BTreeMap, BTreeSet};

use dacapo_functions_tests::cloud::{Cloud, Delivery, KEY};
use dacapo_functions_tests::events::http;
use dacapo_platform::api::LARGEST_ANSWER;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Map, Value, json};

/// How many text fields the account has: more than a contact can fill.
const FIELDS: usize = 60;

/// The longest text of a field, in bytes.
const LONGEST_TEXT: usize = 4_096;

const JSON: (&str, &str) = ("content-type", "application/json");

/// An answer as it is returned to Lambda.
struct Handed {
    status: u64,
    headers: Value,
    body: String,
    bytes: usize,
}

impl Handed {
    fn json(&self) -> Value {
        assert!(self.status < 300, "{} {}", self.status, self.body);
        serde_json::from_str(&self.body).unwrap()
    }

    /// The only fault.
    fn fault(&self) -> Value {
        assert_eq!(self.status, 422, "{}", self.body);
        let problem: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(problem["errors"].as_array().unwrap().len(), 1, "{problem}");
        problem["errors"][0].clone()
    }
}

/// Calls, and checks the answer against the limit, by its size as serde writes it for Lambda.
async fn call(cloud: &Cloud, method: &str, path: &str, kind: (&str, &str), body: &str) -> Handed {
    let answer = cloud.answer(&http(method, path, &[("x-api-key", KEY), kind], body)).await;
    let bytes = serde_json::to_vec(&answer).unwrap().len();
    assert!(bytes <= LARGEST_ANSWER, "{method} {path}: {bytes}");
    Handed {
        status: answer["statusCode"].as_u64().unwrap(),
        headers: answer["headers"].clone(),
        body: answer["body"].as_str().unwrap().to_owned(),
        bytes,
    }
}

async fn get(cloud: &Cloud, path: &str) -> Handed {
    call(cloud, "GET", path, JSON, "").await
}

/// All items of a list, with how many there were on each page, and how many bytes each page had.
async fn followed(cloud: &Cloud, path: &str) -> (Vec<Value>, Vec<(usize, usize)>) {
    let (mut items, mut pages, mut cursor) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = get(cloud, &format!("{path}?limit=200{cursor}")).await;
        let bytes = page.bytes;
        let mut page = page.json();
        let more = page["items"].as_array_mut().unwrap();
        assert!(!more.is_empty() || items.is_empty(), "an empty page leads nowhere");
        pages.push((more.len(), bytes));
        items.append(more);
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (items, pages),
        }
    }
}

/// The rows of an export by the id of the contact, and how many there were in each part.
async fn exported(cloud: &Cloud) -> (BTreeMap<String, BTreeMap<String, String>>, Vec<usize>) {
    let (mut rows, mut parts, mut cursor) = (BTreeMap::new(), Vec::new(), String::new());
    loop {
        let part = get(cloud, &format!("/v1/contacts/export?limit=10000{cursor}")).await;
        assert_eq!(part.status, 200, "{}", part.body);
        let mut file = csv::Reader::from_reader(part.body.as_bytes());
        let read: Vec<BTreeMap<String, String>> = file.deserialize().map(Result::unwrap).collect();
        parts.push(read.len());
        for row in read {
            assert!(rows.insert(row["id"].clone(), row).is_none(), "a contact twice");
        }
        match part.headers["dacapo-next-cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (rows, parts),
        }
    }
}

/// An account with many fields.
async fn cloud() -> Cloud {
    let cloud = Cloud::new(Delivery::Once).await;
    for n in 0..FIELDS {
        let made =
            call(&cloud, "PUT", &format!("/v1/fields/f{n}"), JSON, "{\"type\":\"text\"}").await;
        made.json();
    }
    cloud
}

/// A text that grows when it is escaped, or does not: the part that it repeats, and its length.
type Text = (Vec<&'static str>, usize);

fn hostile() -> impl Strategy<Value = Text> {
    let part = prop_oneof![
        4 => Just("\""),
        2 => Just("\\"),
        2 => Just("\u{b}"),
        1 => Just("\n"),
        1 => Just("\r\n"),
        1 => Just("\t"),
        1 => Just("😀"),
        1 => Just("é"),
        1 => Just("=,;"),
        1 => Just("\",\""),
        1 => Just("a"),
    ];
    (prop::collection::vec(part, 1..6), 1..=LONGEST_TEXT)
}

/// Between letters, since white space around a text is not kept.
fn written((parts, long): &Text) -> String {
    let mut text = String::from("x");
    for part in parts.iter().cycle() {
        if text.len() + part.len() >= *long {
            break;
        }
        text += part;
    }
    text + "x"
}

/// A contact: how many of its fields have the text.
fn contact() -> impl Strategy<Value = (Text, usize)> {
    (hostile(), prop_oneof![3 => 30..=FIELDS, 1 => 0..30_usize])
}

fn posted(nth: usize, text: &str, fields: usize) -> Value {
    let fields: Map<String, Value> = (0..fields).map(|n| (format!("f{n}"), json!(text))).collect();
    json!({ "email": format!("p{nth}@example.com"), "fields": fields })
}

async fn page_by_page(contacts: Vec<(Text, usize)>) {
    let cloud = cloud().await;
    let mut taken = BTreeMap::new();
    for (nth, (text, fields)) in contacts.iter().enumerate() {
        let body = posted(nth, &written(text), *fields).to_string();
        let made = call(&cloud, "POST", "/v1/contacts", JSON, &body).await;
        // A contact that is too large to be sent or stored is refused with a reason.
        if made.status == 413 || (made.status == 422 && made.fault()["code"] == "too_large") {
            continue;
        }
        let made = made.json();
        taken.insert(made["id"].as_str().unwrap().to_owned(), made);
    }
    let (listed, pages) = followed(&cloud, "/v1/contacts").await;
    let ids: Vec<&str> = listed.iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, taken.keys().collect::<Vec<_>>(), "everybody once, in order: {pages:?}");
    assert!(listed.iter().all(|one| one["fields"] == taken[one["id"].as_str().unwrap()]["fields"]));
    // A page that ends before its limit had no room for the next item.
    for (nth, (_, bytes)) in pages.iter().enumerate() {
        let largest = 900_000;
        assert!(nth + 1 == pages.len() || bytes + largest > LARGEST_ANSWER, "{pages:?}");
    }

    let (rows, parts) = exported(&cloud).await;
    assert_eq!(rows.keys().collect::<Vec<_>>(), taken.keys().collect::<Vec<_>>(), "{parts:?}");
    for (id, contact) in &taken {
        let fields = contact["fields"].as_object().unwrap();
        assert!(fields.iter().all(|(key, text)| rows[id][key] == text.as_str().unwrap()), "{id}");
    }
    // Without pages it is complete, or refused.
    let whole = get(&cloud, "/v1/contacts/export").await;
    if parts.len() == 1 {
        assert_eq!(whole.status, 200);
        assert_eq!(csv::Reader::from_reader(whole.body.as_bytes()).records().count(), taken.len());
    } else {
        assert_eq!(
            (&whole.fault()["path"], &whole.fault()["code"]),
            (&json!("limit"), &json!("too_large"))
        );
    }
}

#[test]
fn whatever_contacts_hold_pages_are_handed_over_and_lead_to_everybody_once() {
    let cases = Config::default().cases.div_ceil(64);
    let config = Config {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(0xDA_CA_90),
        max_shrink_iters: 20,
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let many = prop::collection::vec(contact(), 1..24);
    TestRunner::new(config)
        .run(&many, |contacts| {
            runtime.block_on(page_by_page(contacts));
            Ok(())
        })
        .unwrap_or_else(|why| panic!("{why}"));
    // The worst case: only quotation marks, in many pages.
    runtime.block_on(page_by_page(vec![((vec!["\""], LONGEST_TEXT), 47); 20]));
}

/// A mail of the longest length, of which every character grows when it is escaped.
fn loud(character: &str) -> String {
    let many = character.repeat(5_000);
    let body = format!("{{% for n in range(100) %}}{many}{{% endfor %}}");
    let document = json!({
        "id": "loud",
        "sender": { "address": "sender@example.com" },
        "elements": {
            "go": { "type": "start", "when": { "tag": "Go" }, "next": "mail" },
            "mail": { "type": "email", "email": "mail" },
        },
        "emails": { "mail": { "purpose": "transactional", "subject": "Loud", "text": body, "html": body } },
    });
    document.to_string()
}

/// A contact that has received the mail so often.
async fn told(document: &str, times: usize) -> Cloud {
    let mut cloud = Cloud::new(Delivery::Once).await;
    let (status, answer) = cloud.call("PUT", "/v1/campaigns/loud", document).await;
    assert_eq!(status, 201, "{answer}");
    let (status, answer) = cloud.call("POST", "/v1/campaigns/loud/publish", "{}").await;
    assert_eq!(status, 200, "{answer}");
    let (status, answer) = cloud
        .call("POST", "/v1/hooks/contact", "{\"email\":\"ann@example.com\",\"tags\":[\"Go\"]}")
        .await;
    assert_eq!(status, 200, "{answer}");
    cloud.until_idle().await;
    for _ in 1..times {
        for what in ["reset", "start"] {
            let path = format!("/v1/contacts/email:ann@example.com/enrollments/loud/{what}");
            let (status, answer) = cloud.call("POST", &path, "{}").await;
            assert_eq!(status, 200, "{answer}");
            cloud.until_idle().await;
        }
    }
    assert_eq!(cloud.services.sent().len(), times);
    cloud
}

#[tokio::test]
async fn whole_mails_are_handed_over_page_by_page() {
    let cloud = told(&loud("\""), 4).await;
    let (messages, pages) = followed(&cloud, "/v1/contacts/email:ann@example.com/messages").await;
    let runs: Vec<u64> = messages.iter().map(|one| one["run"].as_u64().unwrap()).collect();
    assert_eq!(runs, [1, 2, 3, 4]);
    assert!(pages.iter().all(|(items, _)| *items == 1), "two mails are 8 MB: {pages:?}");
    for message in &messages {
        for body in ["body_text", "body_html"] {
            assert_eq!(message[body].as_str().unwrap().len(), 500_000);
        }
        assert_eq!(message["left_out"], Value::Null);
    }
}

#[tokio::test]
async fn a_mail_that_no_answer_holds_is_shown_without_its_html() {
    let cloud = told(&loud("\u{1}"), 2).await;
    let (messages, _) = followed(&cloud, "/v1/contacts/email:ann@example.com/messages").await;
    assert_eq!(messages.len(), 2);
    for message in messages {
        assert_eq!(message["left_out"], json!(["body_html"]));
        assert_eq!(message["body_html"], Value::Null);
        assert_eq!(message["body_text"].as_str().unwrap().len(), 500_000);
    }
}

#[tokio::test]
async fn what_is_told_about_an_import_is_handed_over_and_kept() {
    let cloud = cloud().await;
    for n in 0..50 {
        call(&cloud, "PUT", &format!("/v1/fields/n{n}"), JSON, "{\"type\":\"number\"}")
            .await
            .json();
    }
    let head: Vec<String> = (0..50).map(|n| format!("n{n}")).collect();
    let cells = vec!["\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\""; 50].join(",");
    let mut file = format!("email,{}\n", head.join(","));
    for n in 0..600 {
        file += &format!("p{n}@example.com,{cells}\n");
    }
    let kind = ("content-type", "text/csv");
    let imported = call(&cloud, "POST", "/v1/contacts/import", kind, &file).await.json();
    assert_eq!(imported["complete"], true);
    let told = imported["errors"].as_array().unwrap();
    assert_eq!((imported["refused"].as_u64(), told.len()), (Some(600), 500), "the first are told");
    let counts: Vec<usize> =
        told.iter().map(|row| row["errors"].as_array().unwrap().len()).collect();
    assert_eq!((counts[0], counts[9], counts[10], counts[200]), (50, 50, 1, 1));

    // With a key its progress is stored, which must fit into an item.
    for replayed in [Value::Null, json!("true")] {
        let headers = [("x-api-key", KEY), kind, ("idempotency-key", "many")];
        let event = http("POST", "/v1/contacts/import", &headers, &file);
        let answer = cloud.answer(&event).await;
        assert_eq!(answer["statusCode"], 200, "{}", answer["body"]);
        assert_eq!(answer["headers"]["idempotency-replayed"], replayed);
        let again: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(again["refused"], 600);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_post_is_handed_over_however_much_it_is() {
    let cloud = cloud().await;
    let form = ("content-type", "application/x-www-form-urlencoded");
    // 60,000 different values for one name: refused, and not repeated in the answer.
    let mut twice = "email=ann@example.com".to_owned();
    for n in 0..30_000 {
        twice += &format!("&f1={n}");
    }
    let refused = call(&cloud, "POST", "/v1/hooks/contact", form, &twice).await;
    assert_eq!(refused.status, 422);
    let skipped = call(&cloud, "POST", "/v1/hooks/contact?invalid=skip", form, &twice).await;
    assert_eq!(skipped.json()["skipped"].as_array().unwrap().len(), 100);
    // Names and values that are far longer than any that is kept.
    let long = format!("{}x", "\"\\\u{b}".repeat(20_000));
    for body in [
        json!({ "email": "ann@example.com", "f1": long }),
        json!({ "email": "ann@example.com", (long.as_str()): 1 }),
        json!({ "email": long }),
        json!({ "email": "ann@example.com", "tags": [long] }),
    ] {
        let refused = call(&cloud, "POST", "/v1/hooks/contact", JSON, &body.to_string()).await;
        assert_eq!(refused.status, 422, "{}", refused.body);
        assert!(refused.bytes < 40_000, "{}", refused.bytes);
    }
    let unknown: Map<String, Value> =
        (0..100).map(|n| (format!("{n}{}", "\"".repeat(5_000)), json!(1))).collect();
    let unknown = Value::Object(unknown).to_string();
    let refused = call(&cloud, "PATCH", "/v1/account", JSON, &unknown).await;
    let problem: Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!((refused.status, problem["errors"].as_array().unwrap().len()), (422, 100));
    let path = format!("/v1/campaigns/{}", "%22".repeat(9_000));
    assert_eq!(get(&cloud, &path).await.status, 404);
}

#[tokio::test]
async fn a_document_is_handed_over_as_it_was_written_where_json_is_too_long() {
    let cloud = Cloud::new(Delivery::Once).await;
    // One fault, which occurs two hundred times.
    let anchored = "\\x0b".repeat(5_000);
    let mut document = format!(
        "id: long\nelements: {{}}\nemails:\n  m0: {{ subject: S, text: &t \"{anchored}\" }}\n"
    );
    for n in 1..200 {
        document += &format!("  m{n}: {{ subject: S, text: *t }}\n");
    }
    let kind = ("content-type", "application/yaml");
    let saved = call(&cloud, "PUT", "/v1/campaigns/long", kind, &document).await;
    assert_eq!(saved.status, 201, "{}", saved.body);
    let refused = get(&cloud, "/v1/campaigns/long").await;
    assert_eq!(
        (&refused.fault()["path"], &refused.fault()["code"]),
        (&json!("format"), &json!("too_large"))
    );
    assert_eq!(get(&cloud, "/v1/campaigns/long?format=yaml").await.body, document);
}

#[tokio::test]
async fn what_is_the_same_for_everybody_is_handed_over() {
    let cloud = Cloud::new(Delivery::Once).await;
    let mut seen = BTreeSet::new();
    for path in ["/v1/openapi.json", "/v1/campaign-schema.json", "/healthz"] {
        let answer = get(&cloud, path).await;
        assert_eq!(answer.status, 200);
        seen.insert(answer.bytes);
    }
    assert!(seen.iter().all(|bytes| *bytes < LARGEST_ANSWER / 10), "{seen:?}");
}
