//! Redrive of dead letters on AWS, after the defect is fixed: every kind of work, by a function
//! that may do it anyway, and once, however often its message is delivered.
//!
//! The defect is an unreadable catalog: meanwhile every function keeps what it receives as a dead
//! letter.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use chrono::TimeDelta;
use dacapo_aws::functions::feedback;
use dacapo_engine::ids::ContactId;
use dacapo_functions_tests::cloud::{Cloud, Delivery};
use dacapo_platform::dead_letters::NewDeadLetter;
use dacapo_platform::ports::{Queue, QueueMessage};
use dacapo_platform::table::{Body, Condition, Consistency, Item, Write};
use serde_json::{Value, json};

const CAMPAIGN: &str = r#"
id: hello
sender: { address: sender@example.com }
elements:
  go: { type: start, when: { tag: Go }, next: mail }
  mail: { type: email, email: mail, next: hook }
  hook: { type: webhook, url: "https://hook.example/x", next: wait }
  wait: { type: wait, for: 1 hour, next: later }
  later: { type: email, email: mail }
emails:
  mail: { purpose: marketing, subject: Hello, text: Hello }
"#;

struct Story {
    cloud: Cloud,
    /// The original catalog, while the stored one is unreadable.
    sound: Option<Item>,
}

impl Story {
    async fn begun(delivery: Delivery) -> Self {
        let cloud = Cloud::new(delivery).await;
        let story = Self { cloud, sound: None };
        story.called("PUT", "/v1/campaigns/hello", CAMPAIGN).await;
        story.called("POST", "/v1/campaigns/hello/publish", "{}").await;
        story
    }

    async fn called(&self, method: &str, path: &str, body: &str) -> Value {
        let (status, answer) = self.cloud.call(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status}: {answer}");
        answer
    }

    /// Posts to the hook. Returns the contact's id.
    async fn posted(&self, tag: &str) -> ContactId {
        let body = json!({ "email": "ann@example.com", "tags": [tag] }).to_string();
        let answer = self.called("POST", "/v1/hooks/contact", &body).await;
        ContactId::new(answer["contact_id"].as_str().unwrap()).unwrap()
    }

    /// Makes the catalog unreadable.
    async fn breaks(&mut self) {
        let key = self.cloud.platform.store.keys.catalog();
        let table = &self.cloud.platform.store.table;
        let sound = table.get(&key, Consistency::Strong).await.unwrap().unwrap();
        let garbage = Body::of(&json!({ "settings": "ann@example.com" })).unwrap();
        self.put(Item::new(key, garbage).rev(sound.rev.unwrap() + 1)).await;
        self.sound = Some(sound);
    }

    /// Makes it readable again.
    async fn is_mended(&mut self) {
        let sound = self.sound.take().unwrap();
        let rev = sound.rev.unwrap() + 2;
        self.put(sound.rev(rev)).await;
    }

    async fn put(&self, item: Item) {
        let write = vec![Write::put(item, Condition::Always)];
        self.cloud.platform.store.table.write(write, None).await.unwrap();
    }

    async fn dead_letters(&self) -> Vec<Value> {
        let all = self.called("GET", "/v1/dead-letters", "").await;
        all["items"].as_array().unwrap().clone()
    }

    /// The only dead letter: its source, and its contact.
    async fn only(&self, by: &str, kind: &str, about: Option<&ContactId>) -> String {
        let letters = self.dead_letters().await;
        assert_eq!(letters.len(), 1, "{letters:?}");
        let letter = &letters[0];
        assert_eq!((&letter["by"], &letter["kind"]), (&json!(by), &json!(kind)), "{letter}");
        assert_eq!(letter["contact_id"], json!(about.map(ContactId::as_str)), "{letter}");
        assert!(!letter.to_string().contains("ann@example.com"), "it quotes nothing: {letter}");
        letter["id"].as_str().unwrap().to_owned()
    }

    /// Redrives a letter, with all that follows. Returns what is left of it.
    async fn redriven(&mut self, id: &str) -> Option<Value> {
        let path = format!("/v1/dead-letters/{id}");
        let asked = self.called("POST", &format!("{path}/redrive"), "{}").await;
        assert!(asked["asked_at"].is_string(), "{asked}");
        self.cloud.until_idle().await;
        let (status, left) = self.cloud.call("GET", &path, "").await;
        (status != 404).then_some(left)
    }

    fn subjects(&self) -> usize {
        self.cloud.services.sent().len()
    }
}

#[tokio::test]
async fn a_change_is_decided_after_all_and_what_is_not_mended_says_so() {
    for delivery in [Delivery::Once, Delivery::Twice(7)] {
        let mut story = Story::begun(delivery).await;
        let ann = story.posted("Go").await;
        story.breaks().await;
        while story.cloud.stream("tag-change").await {}
        let id = story.only("tag-change", "change", Some(&ann)).await;
        assert!(id.starts_with("tag-change:"), "{id}");
        // Not fixed yet: it stays, with the number of tries.
        let left = story.redriven(&id).await.unwrap();
        assert_eq!((&left["tries"], &left["asked_at"]), (&json!(1), &Value::Null), "{left}");
        assert_eq!(story.subjects(), 0);
        story.is_mended().await;
        assert_eq!(story.redriven(&id).await, None);
        assert_eq!(story.subjects(), 1, "the campaign has begun");
        assert_eq!(story.dead_letters().await, [] as [Value; 0]);
    }
}

#[tokio::test]
async fn a_decision_is_performed_after_all() {
    for delivery in [Delivery::Once, Delivery::Twice(8)] {
        let mut story = Story::begun(delivery).await;
        let ann = story.posted("Go").await;
        while story.cloud.stream("tag-change").await {}
        while story.cloud.stream("effects").await {}
        // The mail is sent, and the decision that follows is not performed: it calls a webhook, and
        // sets a timer.
        while story.cloud.queues().await {}
        assert_eq!((story.subjects(), story.cloud.services.called().len()), (1, 0));
        story.breaks().await;
        while story.cloud.stream("effects").await {}
        let id = story.only("effects", "decision", Some(&ann)).await;
        story.is_mended().await;
        assert_eq!(story.redriven(&id).await, None);
        assert_eq!(story.cloud.services.called().len(), 1);
        story.cloud.advance(story.cloud.now() + TimeDelta::hours(2)).await;
        assert_eq!(story.subjects(), 2, "the timer was set");
    }
}

#[tokio::test]
async fn a_timer_and_a_mail_are_led_to_the_function_that_may_do_them() {
    let mut story = Story::begun(Delivery::Once).await;
    let ann = story.posted("Go").await;
    while story.cloud.stream("tag-change").await {}
    while story.cloud.stream("effects").await {}
    story.breaks().await;
    while story.cloud.queues().await {}
    let id = story.only("deliver", "message", Some(&ann)).await;
    story.is_mended().await;
    story.called("POST", &format!("/v1/dead-letters/{id}/redrive"), "{}").await;
    // The API puts it into a queue that it may use: from there it is passed on.
    for (queue, there) in [(Queue::Jobs, false), (Queue::Marketing, true)] {
        let waiting = story.cloud.services.waiting(queue);
        assert!(
            matches!(waiting.as_slice(), [QueueMessage::Redrive(redrive)]
                if redrive.letter == id && redrive.contact.as_ref() == Some(&ann) && redrive.in_own_queue == there),
            "{queue:?}: {waiting:?}"
        );
        assert!(story.cloud.queues().await);
    }
    assert_eq!(story.subjects(), 1);
    assert_eq!(story.dead_letters().await, [] as [Value; 0]);

    story.cloud.until_idle().await;
    story.cloud.advance(story.cloud.now() + TimeDelta::minutes(58)).await;
    story.breaks().await;
    story.cloud.advance(story.cloud.now() + TimeDelta::minutes(10)).await;
    let id = story.only("timer", "message", Some(&ann)).await;
    story.is_mended().await;
    assert_eq!(story.redriven(&id).await, None);
    assert_eq!(story.subjects(), 2);
}

#[tokio::test]
async fn what_the_mail_service_told_is_heard_after_all() {
    let mut story = Story::begun(Delivery::Once).await;
    let gone = "gone@example.com";
    let event = json!({ "id": "e1", "source": "aws.ses", "detail": {
        "eventType": "Bounce",
        "bounce": { "bounceType": "Permanent", "bouncedRecipients": [{ "emailAddress": gone }] },
        "mail": { "messageId": "r", "tags": {
            "contact": ["c1m8r9w900chj68s3"], "campaign": ["hello"], "run": ["1"], "step": ["1"],
        } },
    } });
    story.breaks().await;
    feedback::feedback(&story.cloud.platform, &event).await.unwrap();
    let about = ContactId::new("c1m8r9w900chj68s3").unwrap();
    let id = story.only("feedback", "report", Some(&about)).await;
    assert_eq!(id, "feedback:e1");
    story.is_mended().await;
    assert_eq!(story.redriven(&id).await, None);
    let body = json!({ "email": gone }).to_string();
    let posted = story.called("POST", "/v1/contacts", &body).await;
    assert_eq!(posted["suppressed"], "bounced", "{posted}");
}

#[tokio::test]
async fn a_letter_that_panics_again_says_so_and_takes_nobody_with_it() {
    let mut story = Story::begun(Delivery::Once).await;
    story.posted("Go").await;
    story.breaks().await;
    while story.cloud.stream("tag-change").await {}
    story.is_mended().await;
    let id = story.dead_letters().await[0]["id"].as_str().unwrap().to_owned();
    let sound = story.cloud.platform.redriving.reading;
    story.cloud.platform = story
        .cloud
        .platform
        .with(|setup| setup.reading.change = |_| panic!("a defect about ann@example.com"));
    let left = story.redriven(&id).await.unwrap();
    assert_eq!(left["why"], "it panicked: a defect about (address)", "{left}");
    story.cloud.platform = story.cloud.platform.with(|setup| setup.reading = sound);
    assert_eq!(story.redriven(&id).await, None);
    assert_eq!(story.subjects(), 1);
}

#[tokio::test]
async fn what_is_put_aside_anew_while_it_is_done_again_is_kept() {
    let mut story = Story::begun(Delivery::Once).await;
    story.posted("Go").await;
    story.breaks().await;
    while story.cloud.stream("tag-change").await {}
    story.is_mended().await;
    let id = story.dead_letters().await[0]["id"].as_str().unwrap().to_owned();
    let asked = story.cloud.platform.redriving.redrive(&id).await.unwrap().unwrap().body;
    let found = NewDeadLetter {
        name: &id,
        kind: asked.kind,
        by: "tag-change",
        why: "anew",
        raw: &asked.raw,
    };
    story.cloud.platform.dead_letters.keep(found).await.unwrap();
    // Its message finds a letter whose redrive was not requested.
    story.cloud.until_idle().await;
    let left = story.dead_letters().await;
    assert_eq!((&left[0]["why"], &left[0]["tries"]), (&json!("anew"), &json!(1)), "{left:?}");
    assert_eq!(story.redriven(&id).await, None);
}

/// The item of a contact with so many bytes that nothing reads.
async fn padded(story: &Story, contact: &ContactId, bytes: usize) {
    let key = story.cloud.platform.store.keys.contact(contact);
    let table = &story.cloud.platform.store.table;
    let stored = table.get(&key, Consistency::Strong).await.unwrap().unwrap();
    let mut body: serde_json::Map<String, Value> = stored.body.read().unwrap();
    body.insert("pad".to_owned(), json!("x".repeat(bytes)));
    let rev = stored.rev.unwrap();
    story.put(Item { body: Body::of(&body).unwrap(), ..stored }.rev(rev)).await;
}

/// `stream` fails if a record comes again.
#[tokio::test]
async fn a_change_that_no_letter_can_hold_blocks_nothing_and_leaves_its_key() {
    // With both images it does not fit, with one it does, and with neither.
    for (bytes, left_out) in [(300_000, "OldImage"), (408_800, "NewImage")] {
        let mut story = Story::begun(Delivery::Once).await;
        let ann = story.posted("Other").await;
        while story.cloud.stream("tag-change").await {}
        padded(&story, &ann, bytes).await;
        padded(&story, &ann, bytes + 1).await;
        story.breaks().await;
        while story.cloud.stream("tag-change").await {}
        let letters = story.dead_letters().await;
        assert_eq!(letters.len(), 2, "{bytes}");
        for letter in &letters {
            assert_eq!(letter["contact_id"], json!(ann.as_str()), "{bytes}");
        }
        let id = letters[1]["id"].as_str().unwrap();
        let kept = story.cloud.platform.dead_letters.get(id).await.unwrap().unwrap();
        let raw: Value = serde_json::from_str(&kept.body.raw).unwrap();
        assert!(raw["dynamodb"][left_out]["pad"].is_null(), "{bytes}: {left_out} is left out");
        assert_eq!(raw["dynamodb"]["NewImage"].is_null(), left_out == "NewImage", "{bytes}");
        story.is_mended().await;
        match story.redriven(id).await {
            None => assert_eq!(left_out, "OldImage"),
            Some(left) => {
                assert_eq!(left_out, "NewImage");
                assert!(left["why"].as_str().unwrap().contains("reconcile"), "{left}");
            }
        }
    }
}
