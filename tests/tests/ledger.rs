//! A table that fails for a moment loses no mail: what the mail service has answered is written
//! until it is known to be written (R30).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use dacapo_engine::ids::{CampaignId, ContactId};
use dacapo_engine::statistics::Outcome;
use dacapo_platform::handlers::Done;
use dacapo_platform::messages::{MessageRecord, MessageStatus};
use dacapo_platform::platform::Platform;
use dacapo_platform::ports::{
    EnrollmentEvent, Mail, Mailer, MessageService, PutOff, SendError, SendMode,
};
use dacapo_platform::table::{TableError, Write};
use dacapo_tests::kit::{ADMIN, FailingTable, Fails, ManualPump};
use serde_json::json;

const CAMPAIGN: &str = r"
id: welcome
sender: { address: a@example.com }
elements:
  go: { type: start, when: { tag: Go }, next: hello }
  hello: { type: email, email: hello }
emails:
  hello: { purpose: transactional, subject: Hello, text: x }
";

/// A mail service that answers as a test says, and then takes everything.
#[derive(Default)]
struct Scripted {
    answers: Mutex<VecDeque<SendError>>,
    asked: Mutex<u32>,
    last: Mutex<Option<Mail>>,
}

#[async_trait]
impl MessageService for Scripted {
    fn mode(&self) -> SendMode {
        SendMode::Sent
    }

    async fn pause(&self, _: Duration) {}
}

#[async_trait]
impl Mailer for Scripted {
    async fn send(&self, mail: &Mail) -> Result<String, SendError> {
        *self.last.lock().unwrap() = Some(mail.clone());
        *self.asked.lock().unwrap() += 1;
        self.answers.lock().unwrap().pop_front().map_or(Ok("receipt".to_owned()), Err)
    }
}

struct Story {
    pump: ManualPump,
    table: Arc<FailingTable>,
    mailer: Arc<Scripted>,
    platform: Platform,
    contact: ContactId,
    enrollment_event: EnrollmentEvent,
}

impl Story {
    /// A mail is due, which the mail service answers so.
    async fn of(answers: &[SendError]) -> Self {
        Self::publishing(CAMPAIGN, answers).await
    }

    async fn publishing(document: &str, answers: &[SendError]) -> Self {
        let (campaign, store) = (CampaignId::new("welcome").unwrap(), ManualPump::store());
        let table = FailingTable::before(Arc::clone(&store) as _);
        let mut pump =
            ManualPump::publishing(store, Arc::clone(&table) as _, &campaign, document).await;
        let post = json!({ "email": "ann@example.com", "tags": ["Go"] });
        let (status, answer) = pump.call(ADMIN, "POST", "/v1/hooks/contact", &post).await;
        assert_eq!(status, 200, "{answer}");
        let contact = ContactId::new(answer["contact_id"].as_str().unwrap()).unwrap();
        pump.feed_goes_on().await;
        let mailer = Arc::new(Scripted::default());
        mailer.answers.lock().unwrap().extend(answers.iter().cloned());
        let mut platform = pump.bench.platform.clone();
        platform = platform.with(|setup| setup.ports.mailer = Arc::clone(&mailer) as _);
        let enrollment_event = pump.due.pop().unwrap();
        Self { pump, table, mailer, platform, contact, enrollment_event }
    }

    /// From now on the writes of the message fail so, by their number counted from 1.
    fn writes_fail(&self, how: impl Fn(u32) -> Option<Fails> + Send + 'static) {
        let mut seen = 0;
        self.table.fails(move |writes: &[Write]| {
            let is_of_ledger = |write: &Write| match write {
                Write::Put { item, .. } => item.body.read::<MessageRecord>().is_ok(),
                Write::Delete { .. } | Write::Check { .. } | Write::Add { .. } => false,
            };
            if !writes.iter().any(is_of_ledger) {
                return None;
            }
            seen += 1;
            how(seen)
        });
    }

    async fn handle(&self) -> Result<Done, dacapo_platform::error::Error> {
        self.platform.enrollment_events.handle(&self.enrollment_event).await
    }

    async fn record(&self) -> MessageRecord {
        let keys = &self.platform.store.keys;
        let (run, step) = (1, self.step());
        let key = keys.message(&self.contact, &self.enrollment_event.campaign, run, step);
        self.platform.messages.get(&key).await.unwrap().unwrap()
    }

    fn step(&self) -> u32 {
        match &self.enrollment_event.event {
            dacapo_engine::decide::Event::DeliveryDue { step, .. } => *step,
            other => panic!("{other:?} is no message"),
        }
    }

    fn asked(&self) -> u32 {
        *self.mailer.asked.lock().unwrap()
    }
}

#[tokio::test]
async fn r30_mail_that_did_not_leave_is_not_lost_when_the_table_throttles_its_release() {
    let refusals = [
        SendError::PutOff(PutOff::Rate, "Maximum sending rate exceeded".to_owned()),
        SendError::NotNow("451 later".to_owned()),
    ];
    for refusal in refusals {
        let story = Story::of(std::slice::from_ref(&refusal)).await;
        // The claim is written; what follows is throttled three times.
        story.writes_fail(|nth| {
            (2..5).contains(&nth).then_some(Fails::NotMade(TableError::Throttled))
        });
        let done = story.handle().await.unwrap();
        assert!(matches!(done, Done::NotBefore(_)), "{refusal}: {done:?}");
        assert_eq!(story.record().await.status, MessageStatus::Released, "{refusal}");
        story.pump.bench.clock.advance(600);
        assert_eq!(story.handle().await.unwrap(), Done::Yes);
        assert_eq!(story.record().await.status, MessageStatus::Settled(Outcome::Sent));
        assert_eq!(story.asked(), 2, "{refusal}");
    }
}

#[tokio::test]
async fn r30_what_is_known_of_a_mail_is_kept_when_the_answer_of_the_table_is_lost() {
    let outcomes =
        [(None, Outcome::Sent), (Some(SendError::Refused("554 no".to_owned())), Outcome::Failed)];
    for (answer, outcome) in outcomes {
        let answers: Vec<SendError> = answer.into_iter().collect();
        let story = Story::of(&answers).await;
        story.writes_fail(|nth| match nth {
            2 => Some(Fails::NotMade(TableError::Throttled)),
            3 => Some(Fails::AnswerLost),
            _ => None,
        });
        assert_eq!(story.handle().await.unwrap(), Done::Yes);
        assert_eq!(story.record().await.status, MessageStatus::Settled(outcome));
        assert_eq!(story.asked(), 1);
    }
}

#[tokio::test]
async fn r30_a_claim_whose_answer_is_lost_is_the_claim_of_its_worker() {
    let story = Story::of(&[]).await;
    story.writes_fail(|nth| (nth == 1).then_some(Fails::AnswerLost));
    assert_eq!(story.handle().await.unwrap(), Done::Yes);
    assert_eq!(story.record().await.status, MessageStatus::Settled(Outcome::Sent));
    assert_eq!(story.asked(), 1);
}

#[tokio::test]
async fn r30_a_claim_that_was_not_made_is_made_later_and_a_long_outage_ends_in_an_error() {
    let story = Story::of(&[]).await;
    story.writes_fail(|_| Some(Fails::NotMade(TableError::Throttled)));
    assert!(story.handle().await.is_err());
    assert_eq!(story.asked(), 0, "nothing is sent that is not claimed");
    story.writes_fail(|_| None);
    assert_eq!(story.handle().await.unwrap(), Done::Yes);
    assert_eq!(story.record().await.status, MessageStatus::Settled(Outcome::Sent));
}

/// No mail service takes other letters in a domain: it is sent in ASCII wherever it stands.
#[tokio::test]
async fn a_sender_and_a_reply_address_leave_with_their_domain_in_ascii() {
    let document = CAMPAIGN
        .replace("a@example.com", "a@müller.example")
        .replace("subject: Hello,", "subject: Hello, reply_to: b@bücher.example,");
    let story = Story::publishing(&document, &[]).await;
    assert_eq!(story.handle().await.unwrap(), Done::Yes);
    let mail = story.mailer.last.lock().unwrap().clone().unwrap();
    assert_eq!(mail.from.address, "a@xn--mller-kva.example");
    assert_eq!(mail.reply_to.as_deref(), Some("b@xn--bcher-kva.example"));
}
