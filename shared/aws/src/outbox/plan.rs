//! What is to be done for a list of orders: which schedules, which deletions, which batches. Nothing here reaches
//! anybody.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use dacapo_platform::Instant;
use dacapo_platform::ports::{Message, Order, Queue, Unavailable};

/// What is due so soon goes straight to the queue: the Scheduler keeps minutes only.
const SOON: TimeDelta = TimeDelta::minutes(2);

/// How much earlier other schedules are set. Who takes the message waits for the instant itself.
const EARLY: TimeDelta = TimeDelta::minutes(1);

/// The longest delay that SQS knows.
const LONGEST_DELAY: TimeDelta = TimeDelta::minutes(15);

/// How many messages SQS takes at once.
const MOST_A_BATCH: usize = 10;

/// How many bytes SQS takes at once, and the Scheduler as an input.
const LARGEST_BATCH: usize = 256 * 1024;

/// A schedule to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NewSchedule {
    pub(super) name: String,
    /// `at(…)`, in UTC.
    pub(super) expression: String,
    /// What it sends.
    pub(super) input: String,
}

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub(super) body: String,
    /// In seconds.
    pub(super) delay: i32,
}

/// All that is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) schedules: Vec<NewSchedule>,
    /// Names.
    pub(super) cancels: Vec<String>,
    pub(super) batches: Vec<(Queue, Vec<Outgoing>)>,
}

impl Plan {
    /// The plan for these orders at an instant.
    pub(super) fn of(orders: Vec<Order>, now: Instant) -> Result<Self, Unavailable> {
        let mut plan = Self::default();
        let mut sends: BTreeMap<Queue, Vec<Outgoing>> = BTreeMap::new();
        // Of orders about one name the last one counts: they are carried out side by side.
        let mut last: BTreeMap<String, Option<(Instant, Message)>> = BTreeMap::new();
        for order in orders {
            match order {
                Order::Schedule { name, at, message } => {
                    last.insert(name, Some((at, message)));
                }
                Order::Cancel { name } => {
                    last.insert(name, None);
                }
                Order::Send { queue, at, message } => {
                    sends.entry(queue).or_default().push(outgoing(&message, at, now)?);
                }
            }
        }
        for (name, order) in last {
            match order {
                Some((at, message)) if at - now > SOON => {
                    plan.schedules.push(schedule(name, at - EARLY, &message)?);
                }
                Some((at, message)) => {
                    sends.entry(Queue::Timers).or_default().push(outgoing(&message, at, now)?);
                }
                None => plan.cancels.push(name),
            }
        }
        for (queue, outgoing) in sends {
            plan.batches.extend(batches(outgoing).map(|batch| (queue, batch)));
        }
        Ok(plan)
    }
}

fn schedule(name: String, at: Instant, message: &Message) -> Result<NewSchedule, Unavailable> {
    let input = text(message)?;
    let expression = format!("at({})", at.format("%Y-%m-%dT%H:%M:%S"));
    Ok(NewSchedule { name, expression, input })
}

fn outgoing(message: &Message, at: Instant, now: Instant) -> Result<Outgoing, Unavailable> {
    let wait = (at - now).max(TimeDelta::zero());
    if wait > LONGEST_DELAY {
        let minutes = LONGEST_DELAY.num_minutes();
        return Err(Unavailable(format!("a queue holds a message back for {minutes} minutes")));
    }
    // A second that has begun is waited for: never early.
    let seconds = (wait + TimeDelta::milliseconds(999)).num_seconds();
    Ok(Outgoing { body: text(message)?, delay: i32::try_from(seconds).unwrap_or(0) })
}

fn text(message: &Message) -> Result<String, Unavailable> {
    let text = serde_json::to_string(message).map_err(|error| Unavailable(error.to_string()))?;
    if text.len() > LARGEST_BATCH {
        return Err(Unavailable(format!("a message of {} bytes fits nowhere", text.len())));
    }
    Ok(text)
}

/// As many at once as SQS takes.
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
    use dacapo_platform::ports::Wake;

    use super::*;

    fn at(millis: i64) -> Instant {
        Instant::from_timestamp_millis(1_796_126_400_000 + millis).unwrap()
    }

    fn wake(due: Instant) -> Message {
        Message::Wake(Wake {
            contact: ContactId::new("c0123456789abcde").unwrap(),
            campaign: CampaignId::new("appointment-loop").unwrap(),
            event: Event::TimerDue { run: 2, step: 7, due },
            purpose: None,
        })
    }

    fn order(name: &str, due: Instant) -> Order {
        Order::Schedule { name: name.to_owned(), at: due, message: wake(due) }
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
        let plan = Plan::of(vec![order("t-1", at(3_600_500))], at(0)).unwrap();
        assert_eq!(
            plan.schedules,
            [NewSchedule {
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
        let plan = Plan::of(orders, at(0)).unwrap();
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
        let plan = Plan::of(orders, at(0)).unwrap();
        assert_eq!(plan.schedules.iter().map(|s| &*s.name).collect::<Vec<_>>(), ["t-1"]);
        assert_eq!(plan.cancels, ["t-2"]);
    }

    #[test]
    fn a_batch_holds_ten_messages_and_as_many_bytes_as_fit() {
        let one = |size: usize| Outgoing { body: "x".repeat(size), delay: 0 };
        let sizes = |bodies: Vec<Outgoing>| batches(bodies).map(|b| b.len()).collect::<Vec<_>>();
        assert_eq!(sizes((0..23).map(|_| one(10)).collect()), [10, 10, 3]);
        assert_eq!(sizes(vec![one(200_000), one(62_144), one(1)]), [2, 1]);
    }

    #[test]
    fn what_no_queue_can_hold_is_refused() {
        let send = |at| Order::Send { queue: Queue::Sweeps, at, message: wake(at) };
        assert!(Plan::of(vec![send(at(900_000))], at(0)).is_ok());
        assert!(Plan::of(vec![send(at(900_001))], at(0)).is_err());
    }
}
