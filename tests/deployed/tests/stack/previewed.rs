//! A test mail leaves from the stack, though the function that is asked for it may send none.

use dacapo_deployed_tests::{Stack, awaited, sent_to};
use serde_json::json;

use crate::{IMMEDIATE, beside_others};

const CAMPAIGN: &str = "
id: shown
sender: { address: studio@example.com }
elements:
  hello: { type: event, on: { tag_added: Shown }, next: mail }
  mail: { type: email, email: mail }
emails:
  mail: { subject: \"Hello {{ contact.first_name | default('you') }}\", text: Hello. }
";

#[test]
fn r30_a_test_mail_leaves_once_by_the_queue_and_its_link_unsubscribes_nobody() {
    let _beside_others = beside_others();
    let stack = Stack::told();
    let api = stack.api();
    api.publish("shown", CAMPAIGN);
    let mail = "/v1/campaigns/shown/emails/mail";
    let contact = json!({ "first_name": "Ann" });
    let seen = api.post(&format!("{mail}/preview"), "seen", &json!({ "contact": contact }));
    assert_eq!(seen["subject"], "Hello Ann", "{seen}");
    let asked = json!({ "to": "tester@example.com", "contact": contact });
    for _ in 0..2 {
        api.post(&format!("{mail}/test"), "tested", &asked);
    }
    let sent = awaited(&stack, "tester@example.com", IMMEDIATE, &["[Test] Hello Ann"]);
    assert!(sent.text.contains("/u/test"), "{}", sent.text);
    assert_eq!(sent_to(&stack, "tester@example.com").len(), 1);
    assert_eq!(api.get("/v1/campaigns/shown/statistics")["messages"]["sent"], 0);
}
