//! Which messages a function may send, and which queue accepts them: one table defines it
//! (`Queue::takes`), senders are checked against it, and every handler refuses the rest.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use chrono::TimeDelta;
use dacapo_engine::decide::Event;
use dacapo_engine::ids::{CampaignId, ContactId, ElementId, ObjectType};
use dacapo_functions_tests::cloud::{Cloud, Delivery};
use dacapo_platform::error::Error;
use dacapo_platform::ports::{
    EnrollmentEvent, ExpiryStep, JobStep, PendingTimer, Queue, QueueMessage, Redrive, WebhookCall,
};
use dacapo_platform::table::{Body, Condition, Consistency, Item, Query, Write};
use serde_json::json;

/// One of each.
fn messages(cloud: &Cloud) -> Vec<QueueMessage> {
    let (contact, campaign) = (ContactId::new("c1").unwrap(), CampaignId::new("hello").unwrap());
    let enrollment_event = |event| {
        let (contact, campaign) = (contact.clone(), campaign.clone());
        QueueMessage::EnrollmentEvent(EnrollmentEvent::new(contact, campaign, event))
    };
    let call = WebhookCall {
        contact: contact.clone(),
        campaign: campaign.clone(),
        run: 1,
        step: 1,
        version: 1,
        element: ElementId::new("hook").unwrap(),
    };
    let due = Box::new(enrollment_event(Event::TimerDue { run: 1, step: 1, due: cloud.now() }));
    vec![
        QueueMessage::clone(&due),
        enrollment_event(Event::RecheckDue { run: 1, due: cloud.now() }),
        enrollment_event(Event::DeliveryDue { run: 1, step: 1 }),
        QueueMessage::Call(call),
        QueueMessage::JobStep(JobStep { job: 1, shard: 0, number: 0, shown: false }),
        QueueMessage::Erase(contact),
        QueueMessage::Timer(PendingTimer { name: "t-1".to_owned(), at: cloud.now(), message: due }),
        QueueMessage::Redrive(Redrive {
            letter: "none".to_owned(),
            contact: None,
            in_own_queue: false,
        }),
        QueueMessage::PausesEnd { at: cloud.now() },
        QueueMessage::ExpireObjects(ExpiryStep {
            kind: ObjectType::new("appointment").unwrap(),
            shard: 0,
            after: None,
            due: None,
        }),
        QueueMessage::TestMail("none".to_owned()),
    ]
}

#[tokio::test]
async fn each_handler_takes_what_its_queue_takes_and_refuses_the_rest() {
    let cloud = Cloud::new(Delivery::Once).await;
    let platform = &cloud.platform;
    for message in messages(&cloud) {
        for queue in Queue::ALL {
            let done = match queue {
                Queue::Timers => platform.queues.handle_timers(&message).await,
                Queue::Transactional | Queue::Marketing | Queue::Calls => {
                    platform.queues.handle_deliveries(&message).await
                }
                Queue::Jobs => platform.queues.handle_jobs(&message).await,
            };
            let refused = matches!(done, Err(Error::Misdirected));
            // `deliver` handles three queues with one handler.
            let of_deliver = [Queue::Transactional, Queue::Marketing, Queue::Calls];
            let takes = if of_deliver.contains(&queue) {
                of_deliver.iter().any(|queue| queue.takes(&message))
            } else {
                queue.takes(&message)
            };
            assert_eq!(refused, !takes, "{queue:?} {message:?}");
        }
    }
}

#[tokio::test]
async fn an_erasure_comes_to_its_end_twenty_five_hours_later() {
    let mut cloud = Cloud::new(Delivery::Once).await;
    let body = json!({ "email": "ann@example.com", "tags": ["Lead"] }).to_string();
    let (_, posted) = cloud.call("POST", "/v1/hooks/contact", &body).await;
    let contact = ContactId::new(posted["contact_id"].as_str().unwrap()).unwrap();
    cloud.until_idle().await;
    let (status, answer) = cloud.call("DELETE", "/v1/contacts/email:ann@example.com", "").await;
    assert_eq!(status, 204, "{answer}");
    // `api` sets no timers: who does gets it through a queue.
    assert_eq!(cloud.services.scheduled(), []);
    cloud.until_idle().await;
    assert_eq!(cloud.services.scheduled(), [QueueMessage::Erase(contact.clone())]);
    // A late worker writes something about her once more.
    let late = cloud.platform.store.keys.history(
        &contact,
        cloud.now(),
        &CampaignId::new("p").unwrap(),
        1,
        0,
    );
    let body = Body::of(&json!({})).unwrap();
    let item = Item::new(late, body);
    let write = Write::put(item, Condition::Always);
    cloud.platform.store.table.write(vec![write], None).await.unwrap();
    cloud.advance(cloud.now() + TimeDelta::hours(26)).await;
    assert_eq!(cloud.services.scheduled(), []);
    let partition = cloud.platform.store.keys.tombstone(&contact).pk;
    let left = cloud.platform.store.table.query(Query::of(&partition).strong()).await.unwrap();
    let left: Vec<&str> = left.items.iter().map(|item| item.key.sk.as_str()).collect();
    assert_eq!(left, ["ERASED"], "nothing but the tombstone");
    let key = cloud.platform.store.keys.tombstone(&contact);
    let tombstone = cloud.platform.store.table.get(&key, Consistency::Strong).await.unwrap();
    let tombstone = tombstone.unwrap().body;
    assert!(!tombstone.as_str().contains("address"), "a timer comes a minute early: {tombstone:?}");
    let dead_letters = cloud.platform.store.keys.dead_letter("x").pk;
    let dead_letters =
        cloud.platform.store.table.query(Query::of(&dead_letters).strong()).await.unwrap();
    assert!(dead_letters.items.is_empty(), "{:?}", dead_letters.items);
}
