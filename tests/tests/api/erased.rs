//! After an erasure no file of the data directory and no answer contains the person's data.

use std::path::Path;

use dacapo_embedded::SqliteStore;
use dacapo_platform::dead_letters::{DeadLetterKind, NewDeadLetter};
use dacapo_platform::keys::{is_fed, sha256};
use serde_json::json;

use crate::called::{ADMIN, Called};

const ADDRESS: &str = "ann.lindqvist@example.com";
const WORDS: [&str; 5] =
    ["ann.lindqvist", "Annelise", "Lindqvist-Berg", "+46 70 174 06 05", "allergic to strawberries"];

/// The files of a directory that hold any of these texts, with the texts.
fn found(directory: &Path, texts: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let bytes = std::fs::read(&path).expect("a file");
        for text in texts {
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                found.push((path.display().to_string(), (*text).to_owned()));
            }
        }
    }
    found
}

const MAILS: &str = "
id: welcome
name: Welcome
elements:
  lead:
    type: start
    when: { tag: Lead }
    next: greet
  greet:
    type: email
    email: hello
    next: done
  done:
    type: end
emails:
  hello:
    subject: Hello {{ contact.first_name }} {{ contact.last_name }}
    text: We have your number {{ contact.phone }} and know that you are {{ contact.note }}.
    purpose: transactional
sender: { address: we@example.com, name: We }
";

async fn publish(api: &Called) {
    let headers = [("x-api-key", ADMIN), ("content-type", "application/yaml")];
    let put = api.bare("PUT", "/v1/campaigns/welcome", &headers, MAILS).await;
    assert!(put.status.is_success(), "{}", put.text);
    let published = api.post("/v1/campaigns/welcome/publish", &json!({})).await;
    published.is(200);
}

#[tokio::test]
async fn erased_is_erased_in_every_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let api = Called::kept_in(directory.path()).await;
    api.put("/v1/fields/note", &json!({ "type": "text" })).await.is(200);
    publish(&api).await;
    let ann = json!({ "email": ADDRESS, "first_name": "Annelise", "last_name": "Lindqvist-Berg",
        "phone": "+46 70 174 06 05", "fields": { "note": "allergic to strawberries" } });
    api.once("k1", "/v1/contacts", &ann).await.is(201);
    let path = format!("/v1/contacts/email:{ADDRESS}");
    api.once("k2", &format!("{path}/tags"), &json!({ "add": ["Lead"] })).await.is(200);
    api.once("k3", &format!("{path}/events"), &json!({ "name": "met" })).await.is(200);
    api.once("k4", "/v1/hooks/contact", &ann).await.is(200);
    let csv = format!(
        "email,note,birthday_of\n{ADDRESS},allergic to strawberries,x\n{ADDRESS},,\nann.lindqvist,,\n"
    );
    let headers = [("x-api-key", ADMIN), ("content-type", "text/csv"), ("idempotency-key", "k5")];
    let imported = "/v1/contacts/import?unknown_fields=ignore";
    api.bare("POST", imported, &headers, csv).await.is(200);
    // Other contacts are added and changed, so that pages are split and rows moved.
    for n in 0..300 {
        let note = "x".repeat(n * 7 % 900);
        let body = json!({ "email": format!("p{n}@example.com"), "tags": "Lead", "fields": { "note": note } });
        api.hook(&body).await;
        if n % 20 == 0 {
            let note = format!("allergic to strawberries {}", "y".repeat(n * 3));
            api.patch(&path, &json!({ "fields": { "note": note } })).await.is(200);
            api.idle().await;
        }
    }
    api.idle().await;
    let raw = json!({ "email": ADDRESS, "about": api.get(&path).await.is(200)["id"] }).to_string();
    let why = "nobody can read it";
    let dead_letter =
        NewDeadLetter { name: "test", kind: DeadLetterKind::Report, by: "test", why, raw: &raw };
    api.embedded.platform.dead_letters.keep(dead_letter).await.expect("it is kept");
    assert!(!found(directory.path(), &WORDS).is_empty(), "it is looked for in the right place");

    assert_eq!(api.delete(&path).await.status, 204);
    api.idle().await;
    let hash = sha256(ADDRESS);
    let mut texts = WORDS.to_vec();
    texts.push(&hash);
    assert_eq!(found(directory.path(), &texts), []);

    // A repeated call about the contact answers none of its data, and creates no new contact.
    for (key, path, body) in [
        ("k1", "/v1/contacts".to_owned(), ann.clone()),
        ("k2", format!("{path}/tags"), json!({ "add": ["Lead"] })),
        ("k4", "/v1/hooks/contact".to_owned(), ann.clone()),
    ] {
        let again = api.once(key, &path, &body).await;
        again.problem(410);
        assert!(!again.text.contains("Annelise"), "{}", again.text);
    }
    api.stop().await;
    assert_eq!(found(directory.path(), &texts), [], "after the end too");
    // The others are still there.
    let store = SqliteStore::open(Some(directory.path()), is_fed).expect("it opens");
    drop(store);
    assert!(!found(directory.path(), &["p299@example.com"]).is_empty());
}

#[tokio::test]
async fn an_answer_that_shows_a_contact_is_repeated_from_the_contact() {
    let api = Called::new().await;
    let body = json!({ "email": "ann@example.com", "first_name": "Ann" });
    let first = api.once("k1", "/v1/contacts", &body).await;
    assert_eq!(api.once("k1", "/v1/contacts", &body).await.text, first.text);
    let path = "/v1/contacts/email:ann@example.com/tags";
    let tags = json!({ "add": ["Lead"] });
    let tagged = api.once("k2", path, &tags).await;
    let again = api.once("k2", path, &tags).await;
    assert_eq!((tagged.is(200), &tagged.text), (again.is(200), &again.text));
    api.patch("/v1/contacts/email:ann@example.com", &json!({ "first_name": "Anna" })).await.is(200);
    let again = api.once("k2", path, &tags).await.is(200);
    assert_eq!(again["first_name"], "Anna", "the contact as it is now");
    assert_eq!(again["changed"], tagged.is(200)["changed"], "and what the call did");
}

#[tokio::test]
async fn an_import_that_is_told_again_keeps_no_words_of_the_file() {
    let api = Called::with_fields().await;
    let headers = [("x-api-key", ADMIN), ("content-type", "text/csv"), ("idempotency-key", "k")];
    let text = "email,score\nann@example.com,twelve\n";
    let first = api.bare("POST", "/v1/contacts/import", &headers, text).await.is(200);
    assert!(first["errors"][0]["errors"][0]["message"].to_string().contains("twelve"), "{first}");
    let again = api.bare("POST", "/v1/contacts/import", &headers, text).await.is(200);
    let fault = &again["errors"][0]["errors"][0];
    assert_eq!((&again["errors"][0]["line"], &fault["code"]), (&json!(2), &json!("value")));
    assert!(!fault["message"].to_string().contains("twelve"), "{again}");
}
