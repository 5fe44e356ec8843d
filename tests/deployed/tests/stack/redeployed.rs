//! A new deployment while posts arrive: no contact is lost, and no message is sent twice.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dacapo_deployed_tests::{Stack, sent_to, until};
use serde_json::json;

use crate::{IMMEDIATE, beside_others};

/// How many posts are made after the deployment.
const AFTER: usize = 5;

const CAMPAIGN: &str = "
id: redeployed
sender: { address: studio@example.com }
elements:
  go: { type: start, when: { tag: Redeployed }, next: hello }
  hello: { type: email, email: hello, next: moment }
  moment: { type: wait, for: 1 second, next: bye }
  bye: { type: email, email: bye }
emails:
  hello: { purpose: transactional, subject: Hello, text: Hello. }
  bye: { purpose: transactional, subject: Bye, text: Bye. }
";

fn address(nth: usize) -> String {
    format!("redeployed-{nth}@example.com")
}

#[test]
fn a_new_deployment_under_traffic_loses_nobody_and_repeats_nothing() {
    let _beside_others = beside_others();
    let stack = Stack::told();
    let api = stack.api();
    api.publish("redeployed", CAMPAIGN);
    let deployed = AtomicBool::new(false);
    let posted = std::thread::scope(|scope| {
        let traffic = scope.spawn(|| {
            let mut left = AFTER;
            let mut posted = 0;
            while left > 0 {
                let body = json!({ "email": address(posted), "tags": ["Redeployed"] });
                api.contact(&format!("redeployed-{posted}"), &body);
                posted += 1;
                left -= usize::from(deployed.load(Ordering::SeqCst));
                std::thread::sleep(Duration::from_millis(300));
            }
            posted
        });
        let again = stack.deploy_again("debug");
        deployed.store(true, Ordering::SeqCst);
        assert_eq!(again.unwrap().output("ApiUrl"), stack.output("ApiUrl"), "it is the same stack");
        traffic.join().unwrap()
    });
    assert!(posted > AFTER, "posts came while it was deployed");
    for nth in 0..posted {
        until("two mails to everybody", IMMEDIATE, || {
            let mails = sent_to(&stack, &address(nth));
            if mails.len() >= 2 { Ok(()) } else { Err(format!("{nth} of {posted}: {mails:?}")) }
        });
    }
    for nth in 0..posted {
        let subjects: Vec<String> =
            sent_to(&stack, &address(nth)).into_iter().map(|mail| mail.subject).collect();
        assert_eq!(subjects, ["Hello", "Bye"], "to contact {nth} of {posted}");
    }
}
