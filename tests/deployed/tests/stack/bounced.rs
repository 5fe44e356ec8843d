//! An address that bounces receives no more mail (R32).

use dacapo_deployed_tests::{Stack, awaited, sent_to, until};
use serde_json::json;

use crate::{IMMEDIATE, beside_others};

/// SES's own simulator bounces mail to this address.
const NOBODY: &str = "bounce+nobody@simulator.amazonses.com";

/// Its other address accepts all mail.
const SOMEBODY: &str = "success+somebody@simulator.amazonses.com";

const CAMPAIGN: &str = "
id: twice
sender: { address: studio@example.com }
elements:
  hello: { type: event, on: { tag_added: Hello }, next: first }
  first: { type: email, email: first }
  more: { type: event, on: { tag_added: More }, next: second }
  second: { type: email, email: second }
emails:
  first: { purpose: transactional, subject: First, text: Hello. }
  second: { purpose: transactional, subject: Second, text: Hello again. }
";

#[test]
fn r32_an_address_that_bounced_gets_no_more_mail() {
    let _beside_others = beside_others();
    let stack = Stack::told();
    let api = stack.api();
    api.publish("twice", CAMPAIGN);
    for address in [NOBODY, SOMEBODY] {
        api.contact(&format!("{address}-hello"), &json!({ "email": address, "tags": ["Hello"] }));
    }
    for address in [NOBODY, SOMEBODY] {
        awaited(&stack, address, IMMEDIATE, &["First"]);
    }
    let path = format!("/v1/contacts/email:{}", NOBODY.replace('+', "%2B"));
    until("the bounce to be heard of", IMMEDIATE, || {
        let contact = api.get(&path);
        if contact["suppressed"] == "bounced" { Ok(()) } else { Err(contact.to_string()) }
    });
    for address in [NOBODY, SOMEBODY] {
        api.contact(&format!("{address}-more"), &json!({ "email": address, "tags": ["More"] }));
    }
    awaited(&stack, SOMEBODY, IMMEDIATE, &["First", "Second"]);
    let messages = until("the second message to be settled", IMMEDIATE, || {
        let messages = api.get(&format!("{path}/messages"))["items"].clone();
        let settled = messages.as_array().unwrap().len() == 2;
        if settled { Ok(messages) } else { Err(messages.to_string()) }
    });
    let told = |nth: usize| [&messages[nth]["status"], &messages[nth]["reason"]];
    assert_eq!(told(0)[0], "sent", "it had left before it bounced");
    assert_eq!(told(1)[0], "suppressed", "{:?}", told(1));
    assert_eq!(sent_to(&stack, NOBODY).len(), 1);
}
