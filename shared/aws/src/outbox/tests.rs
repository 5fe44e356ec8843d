//! Answers of SQS and the Scheduler, and what they mean for an order.

use dacapo_engine::decide::Event;
use dacapo_engine::ids::{CampaignId, ContactId};
use dacapo_platform::Instant;
use dacapo_platform::ports::{EnrollmentEvent, QueueMessage};
use serde_json::{Value, json};

use super::*;
use crate::settings::Schedules;
use crate::testing::{PreparedAnswer, Server, clients};

struct Standing;

impl Clock for Standing {
    fn now(&self) -> Instant {
        at(0)
    }
}

fn at(minutes: i64) -> Instant {
    Instant::from_timestamp_millis(1_796_126_400_000 + minutes * 60_000).unwrap()
}

fn outbox(server: &Server) -> AwsOutbox {
    let clients = clients(&server.url);
    let url = |queue: &str| format!("{}/000000000000/{queue}", server.url);
    let schedules = Schedules {
        target: "arn:aws:sqs:eu-central-1:000000000000:timers".to_owned(),
        group: "group".to_owned(),
        role: "arn:aws:iam::000000000000:role/scheduler".to_owned(),
        dead_letters: "arn:aws:sqs:eu-central-1:000000000000:undelivered".to_owned(),
    };
    let queues =
        [(Queue::Timers, "timers"), (Queue::Transactional, "transactional"), (Queue::Jobs, "stop")];
    let queues = queues.map(|(queue, name)| (queue, url(name))).to_vec();
    AwsOutbox::new(clients.sqs(), queues, Arc::new(Standing))
        .with_timers(clients.scheduler(), schedules)
}

fn enrollment_event(event: Event) -> QueueMessage {
    let (contact, campaign) = (ContactId::new("c1").unwrap(), CampaignId::new("hello").unwrap());
    QueueMessage::EnrollmentEvent(EnrollmentEvent::new(contact, campaign, event))
}

fn timer(name: &str) -> Order {
    let due = at(60);
    let message = enrollment_event(Event::TimerDue { run: 1, step: 1, due });
    Order::Schedule { name: name.to_owned(), at: due, message }
}

fn mail(step: u32) -> Order {
    let message = enrollment_event(Event::DeliveryDue { run: 1, step });
    Order::Send { queue: Queue::Transactional, at: at(0), message }
}

/// What the Scheduler's answer means for a timer, and what was asked of it.
async fn set(answer: PreparedAnswer) -> (Vec<NotTaken>, Server) {
    let server = Server::answering([answer]).await;
    (outbox(&server).dispatch(vec![timer("t-1")]).await, server)
}

#[tokio::test]
async fn a_timer_is_refused_permanently_only_where_it_is_wrong_itself() {
    const ROLE: &str =
        "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.";
    for (status, kind, said, permanent) in [
        (
            400,
            "ValidationException",
            "Invalid Schedule Expression at(+10000-01-01T00:00:00).",
            true,
        ),
        (400, "ValidationException", ROLE, false),
        (400, "ValidationException", "Provided Arn is not in correct format.", false),
        (402, "ServiceQuotaExceededException", "The request exceeds a service quota.", false),
        (404, "ResourceNotFoundException", "Schedule group group does not exist.", false),
        (403, "AccessDeniedException", "is not authorized to perform: iam:PassRole", false),
        (400, "SomethingNewException", "who knows", false),
    ] {
        let (not_taken, _) = set(PreparedAnswer::error(status, kind, said)).await;
        let [NotTaken { order, why }] = &not_taken[..] else { panic!("{kind}: {not_taken:?}") };
        assert_eq!(*order, timer("t-1"));
        let (words, is_permanent) = match why {
            Declined::Retryable(words) => (words, false),
            Declined::Permanent(words) => (words, true),
        };
        assert_eq!(is_permanent, permanent, "{kind}: {words}");
        assert!(words.contains(kind) && words.contains(said), "{words}");
    }
}

#[tokio::test]
async fn a_timer_that_is_wrong_is_asked_for_once_and_the_next_one_all_the_same() {
    let refuses = PreparedAnswer::error(400, "ValidationException", "no");
    let takes =
        PreparedAnswer::json(200, r#"{"ScheduleArn":"arn:aws:scheduler:::schedule/group/t-2"}"#);
    let server = Server::answering([refuses, takes]).await;
    let outbox = outbox(&server);
    assert_eq!(outbox.dispatch(vec![timer("t-1")]).await.len(), 1);
    assert_eq!(outbox.dispatch(vec![timer("t-2")]).await, []);
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn a_scheduler_that_takes_nothing_is_asked_nothing_for_a_while() {
    let answer = PreparedAnswer::error(402, "ServiceQuotaExceededException", "too many");
    let server = Server::answering([answer]).await;
    let outbox = outbox(&server);
    for _ in 0..3 {
        let orders = vec![timer("t-1"), Order::Cancel { name: "t-2".to_owned() }];
        let not_taken = outbox.dispatch(orders.clone()).await;
        assert_eq!(not_taken.iter().map(|one| one.order.clone()).collect::<Vec<_>>(), orders);
        let told = |one: &NotTaken| matches!(&one.why, Declined::Retryable(why) if why.contains("too many"));
        assert!(not_taken.iter().all(told), "{not_taken:?}");
    }
    assert_eq!(server.asked().len(), 2, "one for each order, the first time");
}

/// The answer of SQS to a batch: the accepted ids, and for the others the code and whether it is
/// the sender's fault.
fn answer(taken: &[&str], failed: &[(&str, &str, bool)]) -> PreparedAnswer {
    let taken: Vec<Value> = taken
        .iter()
        .map(|id| json!({ "Id": id, "MessageId": format!("m{id}"), "MD5OfMessageBody": "0" }))
        .collect();
    let failed: Vec<Value> = failed
        .iter()
        .map(|(id, code, fault)| json!({ "Id": id, "Code": code, "SenderFault": fault }))
        .collect();
    PreparedAnswer::json(200, &json!({ "Successful": taken, "Failed": failed }).to_string())
}

/// The ids that were sent.
fn offered(server: &Server) -> Vec<Vec<String>> {
    let ids = |body: &str| {
        let body: Value = serde_json::from_str(body).unwrap();
        let entries = body["Entries"].as_array().unwrap().iter();
        entries.map(|entry| entry["Id"].as_str().unwrap().to_owned()).collect()
    };
    server.asked().iter().map(|asked| ids(&asked.body)).collect()
}

#[tokio::test]
async fn a_message_that_is_wrong_is_refused_permanently_and_the_others_of_its_batch_are_taken() {
    let server = Server::answering([
        answer(&["0"], &[("1", "InvalidMessageContents", true), ("2", "InternalError", false)]),
        answer(&[], &[("2", "RequestThrottled", true)]),
        answer(&["2"], &[]),
    ])
    .await;
    let not_taken = outbox(&server).dispatch(vec![mail(1), mail(2), mail(3)]).await;
    let why = Declined::Permanent("InvalidMessageContents".to_owned());
    assert_eq!(not_taken, [NotTaken { order: mail(2), why }]);
    assert_eq!(offered(&server), [vec!["0", "1", "2"], vec!["2"], vec!["2"]]);
}

#[tokio::test]
async fn what_a_queue_does_not_take_three_times_is_not_taken_for_now() {
    let server = Server::answering([answer(&["0"], &[("1", "InternalError", false)])]).await;
    let not_taken = outbox(&server).dispatch(vec![mail(1), mail(2)]).await;
    let why = Declined::Retryable("offered 3 times: InternalError".to_owned());
    assert_eq!(not_taken, [NotTaken { order: mail(2), why }]);
    assert_eq!(offered(&server).len(), OFFERS);
}

#[tokio::test]
async fn none_of_a_batch_is_taken_for_now_or_permanently() {
    for (kind, permanent) in [
        ("com.amazonaws.sqs#BatchRequestTooLong", true),
        ("com.amazonaws.sqs#InvalidMessageContents", true),
        ("com.amazonaws.sqs#QueueDoesNotExist", false),
        ("com.amazon.coral.service#AccessDeniedException", false),
    ] {
        let server = Server::answering([PreparedAnswer::error(400, kind, "said")]).await;
        let not_taken = outbox(&server).dispatch(vec![mail(1), mail(2)]).await;
        assert_eq!(not_taken.len(), 2, "{kind}");
        let is_meant = |one: &NotTaken| match &one.why {
            Declined::Retryable(_) => !permanent,
            Declined::Permanent(_) => permanent,
        };
        assert!(not_taken.iter().all(is_meant), "{not_taken:?}");
    }
}

#[tokio::test]
async fn a_queue_that_the_function_was_told_nothing_of_takes_nothing_for_now() {
    let server = Server::answering([answer(&["0"], &[])]).await;
    let order = Order::Send {
        queue: Queue::Marketing,
        at: at(0),
        message: enrollment_event(Event::DeliveryDue { run: 1, step: 1 }),
    };
    let not_taken = outbox(&server).dispatch(vec![order, mail(1)]).await;
    let [NotTaken { why: Declined::Retryable(why), .. }] = &not_taken[..] else {
        panic!("{not_taken:?}")
    };
    assert!(why.contains("sends nothing to that queue"), "{why}");
    assert_eq!(server.asked().len(), 1, "the other one is sent");
}
