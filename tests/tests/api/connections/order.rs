//! The calls about one booking come in any order, and more than once: its object ends as it would
//! have in the order in which it happened (R70; 0054).

use chrono::TimeDelta;
use dacapo_platform::Instant;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::objects::{ANN, account, items, mails, only};
use super::{calcom, calendly, calls, connected, newest, one_date, with_dates};
use crate::called::Called;

/// What happens to a booking, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Booked,
    Moved,
    Cancelled,
    Missed,
    TakenBack,
}

use Step::{Booked, Cancelled, Missed, Moved, TakenBack};

/// What may happen to a booking.
const STORIES: [&[Step]; 8] = [
    &[Booked, Cancelled],
    &[Booked, Moved],
    &[Booked, Moved, Cancelled],
    &[Booked, Moved, Moved],
    &[Booked, Moved, Moved, Cancelled],
    &[Booked, Missed, TakenBack],
    &[Booked, Missed, TakenBack, Missed],
    &[Booked, Moved, Missed, TakenBack, Cancelled],
];

fn noon() -> Instant {
    Instant::from_timestamp(super::NOON, 0).expect("an instant")
}

/// The begin after so many moves.
fn begin(moves: usize) -> String {
    format!("2026-12-{:02}T13:00:00Z", 1 + 2 * moves)
}

fn uri(moves: usize) -> String {
    format!("https://api.calendly.example/scheduled_events/E/invitees/I{moves}")
}

/// A call of Calendly about the invitee after so many moves.
fn of_calendly(event: &str, moves: usize, at: Instant, change: impl FnOnce(&mut Value)) -> Value {
    let mut body = calendly::body(event, &format!("I{moves}"), |invitee| {
        invitee["created_at"] = json!(noon() + TimeDelta::minutes(10 * moves as i64));
        invitee["scheduled_event"]["start_time"] = json!(begin(moves));
        invitee["old_invitee"] = moves.checked_sub(1).map_or(Value::Null, |old| json!(uri(old)));
        change(invitee);
    });
    body["created_at"] = json!(at);
    body
}

/// The calls that Calendly makes of a story.
fn told_by_calendly(story: &[Step]) -> Vec<Value> {
    let (mut moves, mut all) = (0, Vec::new());
    for (nth, step) in story.iter().enumerate() {
        let at = noon() + TimeDelta::minutes(10 * nth as i64);
        let happened = json!({ "created_at": at });
        match step {
            Booked => all.push(of_calendly("invitee.created", 0, at, |_| {})),
            Moved => {
                all.push(of_calendly("invitee.canceled", moves, at, |invitee| {
                    invitee["rescheduled"] = json!(true);
                    invitee["new_invitee"] = json!(uri(moves + 1));
                }));
                moves += 1;
                all.push(of_calendly("invitee.created", moves, at, |_| {}));
            }
            Cancelled => all.push(of_calendly("invitee.canceled", moves, at, |invitee| {
                invitee["status"] = json!("canceled");
                invitee["cancellation"] = json!({ "reason": "ill", "created_at": at });
            })),
            Missed => all.push(of_calendly("invitee_no_show.created", moves, at, |invitee| {
                invitee["no_show"] = happened;
            })),
            TakenBack => all.push(of_calendly("invitee_no_show.deleted", moves, at, |_| {})),
        }
    }
    all
}

/// The calls that Cal.com makes of a story.
fn told_by_calcom(story: &[Step]) -> Vec<Value> {
    let mut moves = 0;
    let call = |(nth, step): (usize, &Step)| {
        let booking = |moves: usize| {
            let mut booking = calcom::booking(&format!("b{moves}"), &begin(moves));
            booking["attendees"].as_array_mut().expect("two").truncate(1);
            booking
        };
        let no_show = |no_show: bool| {
            let attendees = json!([{ "email": "ann@example.com", "noShow": no_show }]);
            json!({ "bookingUid": format!("b{moves}"), "attendees": attendees })
        };
        let (event, payload) = match step {
            Booked => ("BOOKING_CREATED", booking(0)),
            Moved => {
                let mut moved = booking(moves + 1);
                moved["rescheduleUid"] = json!(format!("b{moves}"));
                moves += 1;
                ("BOOKING_RESCHEDULED", moved)
            }
            Cancelled => {
                let mut gone = booking(moves);
                gone["cancellationReason"] = json!("ill");
                ("BOOKING_CANCELLED", gone)
            }
            Missed => ("BOOKING_NO_SHOW_UPDATED", no_show(true)),
            TakenBack => ("BOOKING_NO_SHOW_UPDATED", no_show(false)),
        };
        let mut body = calcom::body(event, &payload);
        body["createdAt"] = json!(noon() + TimeDelta::minutes(10 * nth as i64));
        body
    };
    story.iter().enumerate().map(call).collect()
}

/// A call as it comes, also if it came before, and what follows.
async fn comes(api: &Called, kind: &str, path: &str, body: &Value) {
    let now = api.embedded.platform.store.now().timestamp();
    let answer = match kind {
        "calendly" => calendly(api, path, now, body).await,
        _ => calcom(api, path, body).await,
    };
    assert_eq!(answer.status.as_u16(), 200, "{}: {body:#}", newest(api, "tool").await);
    api.idle().await;
}

/// What is left of a story: the appointment without what differs each time, and what the contact
/// has.
async fn left(kind: &str, calls: &[&Value]) -> (Value, Vec<String>) {
    let (api, path) = account(kind).await;
    for call in calls {
        comes(&api, kind, &path, call).await;
    }
    let appointment = only(&api, ANN).await;
    // Until well after the last begin: whatever was to leave has left.
    api.embedded.worker.advance("2026-12-20T13:00:00Z".parse().expect("an instant")).await;
    let messages = items(&api, &format!("{ANN}/messages")).await;
    let subjects = messages.iter().map(|one| {
        let words = one["subject"].as_str().expect("a subject").split(' ');
        words.take(2).collect::<Vec<_>>().join(" ")
    });
    let contact = api.ann().await;
    let left = json!({
        "key": appointment["key"], "fields": appointment["fields"],
        "contact": contact["fields"], "name": contact["last_name"],
    });
    (left, subjects.collect())
}

/// How far a booking is, by the subject of a mail about it.
fn position(subject: &str) -> usize {
    let positions = ["See you", "Moved to", "In an", "Your appointment"];
    positions.iter().position(|one| *one == subject).unwrap_or(positions.len())
}

/// What holds for every order and every repeat.
async fn holds(kind: &str, story: &[Step], order: &[usize]) {
    let told = match kind {
        "calendly" => told_by_calendly(story),
        _ => told_by_calcom(story),
    };
    let natural: Vec<&Value> = told.iter().collect();
    let (expected, _) = left(kind, &natural).await;
    let shuffled: Vec<&Value> = order.iter().map(|nth| &told[nth % told.len()]).collect();
    let missing = told.iter().filter(|call| !shuffled.contains(call));
    let shuffled: Vec<&Value> = shuffled.iter().copied().chain(missing).collect();
    let (found, subjects) = left(kind, &shuffled).await;
    assert_eq!(found, expected, "{kind} {story:?} as {shuffled:#?}");
    // Who has heard that it is cancelled hears nothing more of it; nothing is confirmed after it
    // was moved. (What a no-show begins takes its time, in which the other calls come. And of
    // several moves nobody can know the one between that has not come yet.)
    let positions: Vec<usize> = subjects.iter().map(|subject| position(subject)).collect();
    if !story.contains(&Missed) && story.iter().filter(|step| **step == Moved).count() < 2 {
        assert!(positions.is_sorted(), "{kind} {story:?}: {subjects:?} as {shuffled:#?}");
    }
    if story.contains(&Cancelled) {
        assert!(!positions.contains(&2), "a reminder of what is cancelled: {subjects:?}");
    }
}

fn run(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future);
}

/// Every order of so many.
fn permutations(many: usize) -> Vec<Vec<usize>> {
    if many == 0 {
        return vec![Vec::new()];
    }
    let shorter = permutations(many - 1);
    let with_last = |order: &Vec<usize>, at: usize| {
        let mut order = order.clone();
        order.insert(at, many - 1);
        order
    };
    shorter.iter().flat_map(|order| (0..many).map(|at| with_last(order, at))).collect()
}

#[test]
fn r70_booked_and_cancelled_and_moved_in_every_order() {
    for kind in ["calendly", "calcom"] {
        for order in permutations(3) {
            run(holds(kind, &[Booked, Moved, Cancelled], &order));
        }
        for order in permutations(2) {
            run(holds(kind, &[Booked, Cancelled], &order));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn r70_any_story_in_any_order_with_any_repeats_ends_the_same(
        kind in prop::sample::select(vec!["calendly", "calcom"]),
        story in prop::sample::select(STORIES.to_vec()),
        order in prop::collection::vec(0_usize..8, 0..12),
    ) {
        run(holds(kind, story, &order));
    }
}

/// The fault: a booking that came after its cancellation booked again.
#[tokio::test]
async fn what_comes_after_its_cancellation_is_ignored_and_says_so() {
    for kind in ["calendly", "calcom"] {
        let (api, path) = account(kind).await;
        let told = match kind {
            "calendly" => told_by_calendly(&[Booked, Cancelled]),
            _ => told_by_calcom(&[Booked, Cancelled]),
        };
        comes(&api, kind, &path, &told[1]).await;
        super::advance(&api, "1 minute").await;
        comes(&api, kind, &path, &told[0]).await;
        assert_eq!(only(&api, ANN).await["fields"]["status"], "cancelled");
        assert_eq!(mails(&api, ANN).await, Vec::<String>::new());
        assert_eq!(api.ann().await["tags"], json!({}), "no tag of a booking that is gone");
        let all = calls(&api, "tool").await;
        let late =
            all.iter().find(|call| call["at"] == "2026-11-01T12:01:00Z").expect("the late one");
        let code = &late["errors"][0]["code"];
        assert_eq!(code, "told_later", "{late:#}");
        // To replay it changes nothing: what happened later stays.
        let rev = only(&api, ANN).await["rev"].clone();
        let id = late["id"].as_str().expect("an id");
        let again = api.post(&format!("/v1/connections/tool/calls/{id}/replay"), &json!({})).await;
        assert_eq!(again.is(200)["outcome"], "ignored", "{}", again.text);
        assert_eq!(only(&api, ANN).await["rev"], rev);
    }
}

/// An invitee's status is final, also if something else is taken back later.
#[tokio::test]
async fn who_has_cancelled_never_comes_back_but_a_seat_may_be_taken_again() {
    let (api, path) = account("calendly").await;
    let at = |minutes| noon() + TimeDelta::minutes(minutes);
    for call in told_by_calendly(&[Booked, Cancelled]) {
        comes(&api, "calendly", &path, &call).await;
    }
    let back = of_calendly("invitee_no_show.deleted", 0, at(60), |_| {});
    comes(&api, "calendly", &path, &back).await;
    assert_eq!(only(&api, ANN).await["fields"]["status"], "cancelled");

    let (api, path) = account("calcom").await;
    for call in told_by_calcom(&[Booked, Cancelled]) {
        comes(&api, "calcom", &path, &call).await;
    }
    let mut again = told_by_calcom(&[Booked]).remove(0);
    again["createdAt"] = json!(at(60));
    comes(&api, "calcom", &path, &again).await;
    assert_eq!(only(&api, ANN).await["fields"]["status"], "booked");
    assert_eq!(items(&api, &format!("{ANN}/objects")).await.len(), 1);
}

/// Where the contact has the date itself, nothing of a late call is taken: the contact may have
/// another date by now.
#[tokio::test]
async fn one_date_for_each_contact_is_not_set_by_a_late_call() {
    for (kind, of) in
        [("calendly", told_by_calendly as fn(&[Step]) -> Vec<Value>), ("calcom", told_by_calcom)]
    {
        let api = with_dates().await;
        let path = connected(&api, "tool", &one_date(kind)).await;
        let told = of(&[Booked, Moved, Cancelled]);
        let fields = || async { api.ann().await["fields"].clone() };
        let (last, moved) = (told.len() - 1, told.len() - 2);
        comes(&api, kind, &path, &told[moved]).await;
        comes(&api, kind, &path, &told[0]).await;
        assert_eq!(fields().await["appointment_at"], begin(1), "the first came after the second");
        comes(&api, kind, &path, &told[last]).await;
        assert_eq!(fields().await["appointment_status"], "cancelled");
        let before = api.ann().await;
        for late in told.iter().rev() {
            comes(&api, kind, &path, late).await;
        }
        assert_eq!(api.ann().await, before);

        let api = with_dates().await;
        let path = connected(&api, "tool", &one_date(kind)).await;
        for late in told.iter().rev() {
            comes(&api, kind, &path, late).await;
        }
        let fields = api.ann().await["fields"].clone();
        assert_eq!(fields["appointment_status"], "cancelled", "{kind}");
        assert_eq!(fields["appointment_at"], Value::Null, "{kind}: no date that is gone");
        assert_eq!(api.ann().await["tags"], json!({}));
    }
}

/// A booking that nobody knew to be the move of another one becomes one with it, and the keys of
/// both lead to it.
/// A time that cannot be meant hides nothing that is told later.
#[tokio::test]
async fn r70_a_booking_that_was_told_in_the_year_9999_can_be_cancelled() {
    let (api, path) = account("calcom").await;
    let booking = calcom::booking("b1", "2026-12-01T13:00:00Z");
    let told = |event: &str| calcom::body(event, &booking);
    let mut booked = told("BOOKING_CREATED");
    booked["createdAt"] = json!("9999-01-01T00:00:00.000Z");
    calcom(&api, &path, &booked).await.is(200);
    super::advance(&api, "1 minute").await;
    let mut cancelled = told("BOOKING_CANCELLED");
    cancelled["createdAt"] = json!(api.embedded.platform.store.now());
    calcom(&api, &path, &cancelled).await.is(200);
    assert_eq!(only(&api, ANN).await["fields"]["status"], "cancelled");
}

#[tokio::test]
async fn r70_two_objects_that_turn_out_to_be_one_become_one() {
    let (api, path) = account("calcom").await;
    let told = told_by_calcom(&[Booked, Moved, Cancelled]);
    comes(&api, "calcom", &path, &told[0]).await;
    let before = only(&api, ANN).await;
    comes(&api, "calcom", &path, &told[2]).await;
    assert_eq!(items(&api, &format!("{ANN}/objects")).await.len(), 2, "nobody can know yet");
    comes(&api, "calcom", &path, &told[1]).await;
    let after = only(&api, ANN).await;
    assert_eq!(after["id"], before["id"], "the older one goes on");
    assert_eq!(after["fields"]["status"], "cancelled");
    for key in [&before["key"], &after["key"]] {
        let key = key.as_str().expect("a key");
        let found = api.get(&format!("/v1/objects/appointment/{key}")).await.is(200);
        assert_eq!(found["id"], after["id"], "{key}");
    }
    let subjects = mails(&api, ANN).await;
    assert_eq!(subjects.len(), 2, "it was confirmed and called off: {subjects:?}");
    // Everything goes with it.
    let key = after["key"].as_str().expect("a key");
    api.delete(&format!("/v1/objects/appointment/{key}")).await.is(204);
    for key in [&before["key"], &after["key"]] {
        let key = key.as_str().expect("a key");
        api.get(&format!("/v1/objects/appointment/{key}")).await.problem(404);
    }
}
