//! Templates that exceed the limits, as the API reports them: refused if that is known in advance,
//! else failed with a recorded reason. All other mail is sent.

use serde_json::{Value, json};

use crate::called::{ADMIN, Called};

const ANN: &str = "/v1/contacts/email:ann@example.com";

/// A campaign with a field, and with e-mails of these texts one after the other.
fn campaign(field: &str, texts: &[&str]) -> Value {
    let mut elements = json!({
        "lead": { "type": "start", "when": { "tag": "Lead" }, "next": "note" },
        "note": { "type": "set_field", "fields": { "city": field }, "next": "mail0" },
    });
    let mut emails = json!({});
    for (n, text) in texts.iter().enumerate() {
        let (mail, next) = (format!("mail{n}"), format!("mail{}", n + 1));
        emails[&mail] = json!({ "subject": "Hello", "text": text, "purpose": "transactional" });
        elements[&mail] = json!({ "type": "email", "email": mail });
        if n + 1 < texts.len() {
            elements[&mail]["next"] = json!(next);
        }
    }
    json!({
        "id": "greedy",
        "name": "Greedy",
        "sender": { "name": "Studio Nord", "address": "hello@studio-nord.example" },
        "elements": elements,
        "emails": emails,
    })
}

async fn saved(api: &Called, campaign: &Value) {
    let headers = [("x-api-key", ADMIN), ("content-type", "application/json")];
    let saved = api.bare("PUT", "/v1/campaigns/greedy", &headers, campaign.to_string()).await;
    assert!(saved.status.is_success(), "{}", saved.text);
}

#[tokio::test]
async fn a_template_over_its_budget_fails_with_the_reason_and_what_follows_leaves() {
    let api = Called::with_fields().await;
    let doubled = "{% set a = 'xx' %}".to_owned() + &"{% set a = a ~ a %}".repeat(36) + "{{ a }}";
    let endless = "{% for n in range(99999) %}{% set x = contact.tags|sort %}{% endfor %}";
    let texts = [
        doubled.as_str(),
        endless,
        // More than the small budget: rendered on another thread.
        "{% for n in range(20000) %}{% endfor %}Dear you",
        "Good bye",
    ];
    let long_loop = "{% for n in range(99999) %}{% endfor %}x";
    saved(&api, &campaign(long_loop, &texts)).await;
    api.post("/v1/campaigns/greedy/publish", &json!({})).await.is(200);
    api.hook(&json!({ "email": "ann@example.com", "tags": "Lead" })).await;
    api.idle().await;
    let page = api.get(&format!("{ANN}/messages")).await.is(200);
    let messages = page["items"].as_array().expect("messages");
    let told: Vec<(&str, &str)> = messages
        .iter()
        .map(|one| {
            (one["status"].as_str().unwrap_or_default(), one["reason"].as_str().unwrap_or_default())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("failed", "a value in the template is larger than 1024 KiB; shorten it"),
            (
                "failed",
                "the template takes too many steps; shorten its loops and what they work on"
            ),
            ("sent", ""),
            ("sent", ""),
        ]
    );
    assert_eq!(messages[2]["body_text"], "Dear you");
    let history = api.get(&format!("{ANN}/history")).await;
    assert!(history.text.contains("too many steps"), "the field says why: {}", history.text);
}

#[tokio::test]
async fn a_template_that_is_too_deep_is_refused_on_publishing() {
    let api = Called::with_fields().await;
    for deep in [
        format!("{{{{ {}1 }}}}", "-".repeat(5_000)),
        format!("{{{{ 1{} }}}}", "+1".repeat(5_000)),
        format!("{{{{ {}1{} }}}}", "(".repeat(100), ")".repeat(100)),
    ] {
        saved(&api, &campaign("x", &[&deep])).await;
        let refused = api.post("/v1/campaigns/greedy/publish", &json!({})).await;
        assert!(refused.status.is_client_error(), "{}", refused.text);
        assert!(refused.text.contains("template_syntax"), "{}", refused.text);
    }
}
