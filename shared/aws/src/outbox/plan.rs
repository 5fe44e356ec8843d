//! The plan for a list of orders: which schedules, which deletions, which batches. No service is
//! called here.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use dacapo_platform::Instant;
use dacapo_platform::ports::{Declined, LONGEST_DELAY, NotTaken, Order, Queue, QueueMessage};

/// What is due within this time goes straight to the queue: the Scheduler knows minutes only.
const SHORTEST_SCHEDULE: TimeDelta = TimeDelta::minutes(2);

/// How much earlier other schedules are set. The receiver of the message waits for the instant
/// itself.
const SCHEDULED_EARLIER_BY: TimeDelta = TimeDelta::minutes(1);

/// How many messages SQS takes at once.
const MOST_A_BATCH: usize = 10;

/// How many bytes SQS takes at once, and the Scheduler as an input.
const LARGEST_BATCH: usize = 256 * 1024;

/// A schedule to make.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NewSchedule {
    /// The timer that it is for.
    pub(super) order: Order,
    pub(super) name: String,
    /// `at(…)`, in UTC.
    pub(super) expression: String,
    /// What it sends.
    pub(super) input: String,
}

/// A message to send.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outgoing {
    /// The order that it is for.
    pub(super) order: Order,
    pub(super) body: String,
    /// The delay in seconds.
    pub(super) delay: i32,
}

/// All that is to be done.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    pub(super) schedules: Vec<NewSchedule>,
    /// Names.
    pub(super) cancels: Vec<String>,
    pub(super) batches: Vec<(Queue, Vec<Outgoing>)>,
    /// Orders that cannot be carried out at all, or not yet.
    pub(super) not_taken: Vec<NotTaken>,
}

impl Plan {
    /// The plan for these orders at an instant.
    pub(super) fn of(orders: Vec<Order>, now: Instant) -> Self {
        let mut plan = Self::default();
        let mut sends: BTreeMap<Queue, Vec<Outgoing>> = BTreeMap::new();
        // Of several orders for one name the last one counts, since they are carried out
        // concurrently.
        let mut last: BTreeMap<String, Order> = BTreeMap::new();
        let mut messages = Vec::new();
        for order in orders {
            match &order {
                Order::Schedule { name, .. } | Order::Cancel { name } => {
                    last.insert(name.clone(), order);
                }
                Order::Send { .. } => messages.push(order),
            }
        }
        for order in messages.into_iter().chain(last.into_values()) {
            let planned = match &order {
                Order::Cancel { name } => {
                    plan.cancels.push(name.clone());
                    continue;
                }
                Order::Schedule { name, at, message } if *at - now > SHORTEST_SCHEDULE => {
                    schedule(&order, name, *at - SCHEDULED_EARLIER_BY, message)
                        .map(|schedule| plan.schedules.push(schedule))
                }
                Order::Schedule { at, message, .. } => outgoing(&order, message, *at, now)
                    .map(|outgoing| sends.entry(Queue::Timers).or_default().push(outgoing)),
                Order::Send { queue, at, message } => outgoing(&order, message, *at, now)
                    .map(|outgoing| sends.entry(*queue).or_default().push(outgoing)),
            };
            if let Err(why) = planned {
                plan.not_taken.push(NotTaken { order, why });
            }
        }
        for (queue, outgoing) in sends {
            plan.batches.extend(batches(outgoing).map(|batch| (queue, batch)));
        }
        plan
    }
}

fn schedule(
    order: &Order,
    name: &str,
    at: Instant,
    message: &QueueMessage,
) -> Result<NewSchedule, Declined> {
    let (order, name, input) = (order.clone(), name.to_owned(), text(message)?);
    let expression = format!("at({})", at.format("%Y-%m-%dT%H:%M:%S"));
    Ok(NewSchedule { order, name, expression, input })
}

fn outgoing(
    order: &Order,
    message: &QueueMessage,
    at: Instant,
    now: Instant,
) -> Result<Outgoing, Declined> {
    let wait = (at - now).max(TimeDelta::zero());
    if wait > LONGEST_DELAY {
        let minutes = LONGEST_DELAY.num_minutes();
        return Err(Declined::Retryable(format!(
            "a queue holds a message back for {minutes} minutes"
        )));
    }
    // Rounded up to a second, so that it is never early.
    let seconds = (wait + TimeDelta::milliseconds(999)).num_seconds();
    let (order, body) = (order.clone(), text(message)?);
    Ok(Outgoing { order, body, delay: i32::try_from(seconds).unwrap_or(0) })
}

fn text(message: &QueueMessage) -> Result<String, Declined> {
    let text = serde_json::to_string(message).map_err(|e| Declined::Permanent(e.to_string()))?;
    if text.len() > LARGEST_BATCH {
        let (bytes, most) = (text.len(), LARGEST_BATCH);
        let why = format!("its message has {bytes} bytes, and {most} is the most that fits");
        return Err(Declined::Permanent(why));
    }
    Ok(text)
}

/// As many as SQS takes at once.
fn batches(outgoing: Vec<Outgoing>) -> impl Iterator<Item = Vec<Outgoing>> {
    let mut batches: Vec<(usize, Vec<Outgoing>)> = Vec::new();
    for one in outgoing {
        let size = one.body.len();
        match batches.last_mut() {
            Some((bytes, batch))
                if batch.len() < MOST_A_BATCH && *bytes + size <= LARGEST_BATCH =>
            {
                *bytes += size;
                batch.push(one);
            }
            Some(_) | None => batches.push((size, vec![one])),
        }
    }
    batches.into_iter().map(|(_, batch)| batch)
}

#[cfg(test)]
mod tests {
    use dacapo_engine::decide::Event;
    use dacapo_engine::ids::{CampaignId, ContactId};
    use dacapo_platform::handlers::timer_name;
    use dacapo_platform::ports::{EnrollmentEvent, PendingTimer};

    use super::*;

    fn at(millis: i64) -> Instant {
        Instant::from_timestamp_millis(1_796_126_400_000 + millis).unwrap()
    }

    fn enrollment_event(due: Instant) -> QueueMessage {
        let contact = ContactId::new("c0123456789abcde").unwrap();
        let campaign = CampaignId::new("appointment-loop").unwrap();
        let event = Event::TimerDue { run: 2, step: 7, due };
        QueueMessage::EnrollmentEvent(EnrollmentEvent::new(contact, campaign, event))
    }

    fn order(name: &str, due: Instant) -> Order {
        Order::Schedule { name: name.to_owned(), at: due, message: enrollment_event(due) }
    }

    #[test]
    fn a_timer_is_called_the_same_for_ever() {
        let contact = ContactId::new("c0123456789abcde").unwrap();
        let campaign = CampaignId::new("appointment-loop").unwrap();
        let name = timer_name(&contact, &campaign, "t", 2, 7, at(0));
        assert_eq!(name, "t-c01234564e3076da1847d7ef-2-7-1796126400000");
        let longest = ContactId::new("c".repeat(64)).unwrap();
        let far = Instant::from_timestamp_millis(253_402_300_799_999).unwrap();
        let name = timer_name(&longest, &campaign, "t", u32::MAX, u32::MAX, far);
        assert!(name.len() <= 64, "{name}");
    }

    #[test]
    fn a_schedule_is_set_a_minute_early_and_named_like_its_timer() {
        let timer = order("t-1", at(3_600_500));
        let plan = Plan::of(vec![timer.clone()], at(0));
        assert_eq!(
            plan.schedules,
            [NewSchedule {
                order: timer,
                name: "t-1".to_owned(),
                expression: "at(2026-12-01T12:59:00)".to_owned(),
                input: r#"{"wake":{"c":"c0123456789abcde","p":"appointment-loop","e":{"TimerDue":{"run":2,"step":7,"due":"2026-12-01T13:00:00.500Z"}}}}"#.to_owned(),
            }]
        );
        assert_eq!((plan.cancels.len(), plan.batches.len()), (0, 0));
    }

    #[test]
    fn what_is_due_within_two_minutes_goes_straight_to_the_queue() {
        let orders = vec![order("t-1", at(120_000)), order("t-2", at(1)), order("t-3", at(-5_000))];
        let plan = Plan::of(orders, at(0));
        assert_eq!(plan.schedules, []);
        let [(Queue::Timers, batch)] = &plan.batches[..] else { panic!("{plan:?}") };
        assert_eq!(batch.iter().map(|one| one.delay).collect::<Vec<_>>(), [120, 1, 0]);
    }

    #[test]
    fn the_last_order_about_a_name_counts() {
        let cancel = |name: &str| Order::Cancel { name: name.to_owned() };
        let orders = vec![
            cancel("t-1"),
            order("t-1", at(600_000)),
            order("t-2", at(600_000)),
            cancel("t-2"),
        ];
        let plan = Plan::of(orders, at(0));
        assert_eq!(plan.schedules.iter().map(|s| &*s.name).collect::<Vec<_>>(), ["t-1"]);
        assert_eq!(plan.cancels, ["t-2"]);
    }

    #[test]
    fn a_batch_holds_ten_messages_and_as_many_bytes_as_fit() {
        let one =
            |size: usize| Outgoing { order: order("t-1", at(0)), body: "x".repeat(size), delay: 0 };
        let sizes = |bodies: Vec<Outgoing>| batches(bodies).map(|b| b.len()).collect::<Vec<_>>();
        assert_eq!(sizes((0..23).map(|_| one(10)).collect()), [10, 10, 3]);
        assert_eq!(sizes(vec![one(200_000), one(62_144), one(1)]), [2, 1]);
    }

    #[test]
    fn what_no_queue_holds_back_for_so_long_is_not_taken_yet_and_the_rest_is_planned() {
        let send = |at| Order::Send { queue: Queue::Jobs, at, message: enrollment_event(at) };
        assert_eq!(Plan::of(vec![send(at(900_000))], at(0)).not_taken, []);
        let plan = Plan::of(vec![send(at(900_001)), send(at(0))], at(0));
        let [NotTaken { order, why: Declined::Retryable(_) }] = &plan.not_taken[..] else {
            panic!("{plan:?}")
        };
        assert_eq!(*order, send(at(900_001)));
        assert_eq!(plan.batches.len(), 1);
    }

    #[test]
    fn a_message_that_fits_nowhere_is_refused_permanently_and_the_rest_is_planned() {
        let contact = ContactId::new("c1").unwrap();
        let pending = |name: String| {
            let message = Box::new(QueueMessage::Erase(contact.clone()));
            let message = QueueMessage::Timer(PendingTimer { name, at: at(0), message });
            Order::Send { queue: Queue::Jobs, at: at(0), message }
        };
        let large = pending("x".repeat(256 * 1024));
        let plan = Plan::of(vec![large.clone(), pending("t-1".to_owned())], at(0));
        let [NotTaken { order, why: Declined::Permanent(why) }] = &plan.not_taken[..] else {
            panic!("{plan:?}")
        };
        assert_eq!(*order, large);
        assert!(why.contains("262144 is the most"), "{why}");
        assert_eq!(plan.batches.len(), 1);
    }
}
