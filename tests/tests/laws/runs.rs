//! Laws of runs: what fires once, what never acts again, what is never lost, and the invariants of
//! every enrollment.

use std::cell::RefCell;
use std::collections::BTreeMap;

use dacapo_engine::campaign::format::Element;
use dacapo_engine::condition::View;
use dacapo_engine::contact::Change;
use dacapo_engine::decide::{Effect, Event};
use dacapo_engine::enrollment::{Enrollment, MessageRest, Rest, Status};
use dacapo_engine::history::{Happened, Line};
use dacapo_engine::simulation::{Observed, SimulatedWork, World};
use dacapo_engine::statistics::Outcome;

use crate::check;
use crate::drive::{Key, Performed, Watch};
use crate::stories::stories;

/// The lines of the history in the order in which they were written.
pub(crate) fn lines(observed: &[Observed]) -> BTreeMap<Key, Vec<Line>> {
    let mut lines: BTreeMap<Key, Vec<Line>> = BTreeMap::new();
    for one in observed {
        if let Observed::History(contact, campaign, record) = one {
            let key = (contact.clone(), campaign.clone());
            lines.entry(key).or_default().extend(record.lines.iter().cloned());
        }
    }
    lines
}

#[test]
fn r5_each_entry_and_goal_fires_at_most_once_a_run() {
    check(1_500, &stories(40), |story| {
        let drive = story.run(&mut crate::drive::Unwatched);
        for (key, lines) in lines(&drive.world.observed) {
            // An id whose type has changed is another element (R50).
            let mut fired: Vec<_> = lines
                .iter()
                .filter(|line| {
                    matches!(
                        line.what,
                        Happened::Entered
                            | Happened::EventFired
                            | Happened::UsedUp
                            | Happened::GoalReached
                    )
                })
                .map(|line| (line.run, &line.element, line.what.kind()))
                .collect();
            let count = fired.len();
            fired.sort();
            fired.dedup();
            assert_eq!(fired.len(), count, "{key:?}: {lines:#?}");
        }
    });
}

struct RunNumbers;

impl Watch for RunNumbers {
    fn after(&mut self, done: &Performed<'_>) {
        for (key, before) in done.before {
            let after = done.after(key).expect("an enrollment is never lost");
            assert!(after.run >= before.run, "{key:?} after {:?}", done.work);
            assert!(after.rev >= before.rev, "{key:?} after {:?}", done.work);
            assert!(after.seen >= before.seen, "{key:?} after {:?}", done.work);
            assert!(after.milestones >= before.milestones, "{key:?} after {:?}", done.work);
            if after.run == before.run {
                assert!(after.arrivals >= before.arrivals, "{key:?} after {:?}", done.work);
            }
        }
    }
}

#[test]
fn r11_the_run_number_never_falls() {
    check(1_500, &stories(40), |story| {
        story.run(&mut RunNumbers);
    });
}

struct OldRuns;

impl Watch for OldRuns {
    fn after(&mut self, done: &Performed<'_>) {
        for (key, lines) in lines(done.observed) {
            let mut run = done.before(&key).map_or(1, |before| before.run);
            for line in lines {
                assert!(line.run >= run, "{key:?} writes {line:?} in run {run}");
                run = line.run;
            }
        }
        for one in done.observed {
            let Observed::Message(message) = one else { continue };
            if message.outcome == Outcome::Suppressed {
                continue;
            }
            let key = (message.contact.clone(), message.campaign.clone());
            let enrollment = done.after(&key).expect("messages are of enrollments");
            assert_eq!(message.run, enrollment.run, "{message:?}");
            let token = enrollment.token(message.step).expect("a token rests at its step");
            assert_eq!(token.rest, Rest::Message(MessageRest::Queued));
            assert_eq!(token.element, message.element);
        }
        for made in done.made {
            let SimulatedWork::Effects { contact, campaign, effects, .. } = made else { continue };
            let enrollment = done.world.enrollment(contact, campaign).expect("it was committed");
            for effect in effects {
                if let Effect::Schedule { run, step, due } = effect
                    && *run < enrollment.run
                {
                    let cancelled = Effect::Cancel { run: *run, step: *step, due: *due };
                    assert!(effects.contains(&cancelled), "{effects:?} in run {}", enrollment.run);
                }
            }
        }
    }
}

#[test]
fn r18_nothing_of_an_old_run_acts() {
    check(1_500, &stories(40), |story| {
        story.run(&mut OldRuns);
    });
}

/// A chain of writes is no longer (R42).
const MOST_LOOKS: usize = 25;

/// Compares events for steps that were left or have ended with no event.
#[derive(Default)]
struct Stale {
    instead: Option<(World, World)>,
}

impl Stale {
    fn is_stale(enrollment: Option<&Enrollment>, event: &Event, world: &World) -> bool {
        let token =
            |run: u32, step: u32| enrollment.filter(|e| e.run == run).and_then(|e| e.token(step));
        match event {
            Event::TimerDue { run, step, due } => {
                world.now() < *due || token(*run, *step).and_then(|t| t.due()) != Some(*due)
            }
            // The ledger is not read.
            Event::DeliveryDue { run, step } if has_message(world, *run, *step) => false,
            Event::DeliveryDue { run, step } => {
                token(*run, *step).is_none_or(|t| t.rest != Rest::Message(MessageRest::Queued))
            }
            Event::Settled { run, step, .. } => {
                token(*run, *step).is_none_or(|t| !matches!(t.rest, Rest::Message(_)))
            }
            Event::RecheckDue { run, due } => enrollment
                .is_none_or(|e| e.run != *run || e.parked.is_none() || e.eligible_at != Some(*due)),
            _ => false,
        }
    }
}

fn has_message(world: &World, run: u32, step: u32) -> bool {
    world.messages().any(|message| message.run == run && message.step == step)
}

impl Watch for Stale {
    fn before(&mut self, world: &World, work: &SimulatedWork) {
        self.instead = None;
        let SimulatedWork::Event(contact, campaign, event) = work else { return };
        if matches!(event, Event::Changed) {
            return;
        }
        let mut instead = world.clone();
        // A message is decided again until it has seen what its own campaign wrote meanwhile (R31).
        let looks = if matches!(event, Event::DeliveryDue { .. }) { MOST_LOOKS } else { 1 };
        for _ in 0..looks {
            instead.perform(SimulatedWork::Event(
                contact.clone(),
                campaign.clone(),
                Event::Changed,
            ));
        }
        if Self::is_stale(instead.enrollment(contact, campaign), event, &instead) {
            self.instead = Some((world.clone(), instead));
        }
    }

    fn after(&mut self, done: &Performed<'_>) {
        let Some((_, instead)) = self.instead.take() else { return };
        for (key, enrollment) in instead.enrollments() {
            let is = done.after(key).map(unnumbered);
            assert_eq!(is, Some(unnumbered(enrollment)), "after {:?}", done.work);
        }
        assert_eq!(instead.messages().count(), done.world.messages().count(), "{:?}", done.work);
        let (a, b) = (lines(&instead.observed), lines(&done.world.observed));
        assert_eq!(a, b, "after {:?}", done.work);
    }
}

/// An enrollment without the number of its decisions, and without what these have read.
fn unnumbered(enrollment: &Enrollment) -> Enrollment {
    let mut unnumbered = enrollment.clone();
    (unnumbered.rev, unnumbered.seen, unnumbered.milestones) = (0, 0, 0);
    unnumbered
}

#[test]
fn r18_a_timer_or_message_of_a_left_step_changes_nothing() {
    check(1_200, &stories(40), |story| {
        story.run(&mut Stale::default());
    });
}

pub(crate) struct Restarts;

impl Restarts {
    /// Whether a change is a trigger for an enrollment that awaits its restart (R13).
    pub(crate) fn is_foreign(enrollment: &Enrollment, change: &Change) -> bool {
        change.is_of_tags_or_fields() && enrollment.restart_chain != Some(change.causality.chain)
    }
}

impl Watch for Restarts {
    fn after(&mut self, done: &Performed<'_>) {
        let SimulatedWork::Contact { before: rev, image } = done.work else { return };
        for (key, before) in done.before.iter().filter(|(key, _)| key.0 == image.id) {
            let campaign = done.world.campaign(&key.1).expect("it was published");
            let unseen = image.changes_after(before.seen.max(*rev)).unwrap_or(&[]);
            let [change] = unseen else { continue };
            let applied = before.milestones.max(campaign.timeline.before(change));
            let paused = campaign.timeline.standing_after(applied).is_none_or(|s| s.paused);
            // Without starts there is no trigger.
            let starts = |version: &u32| campaign.versions[version].starts().next().is_some();
            if before.status != Status::AwaitingRestart
                || !campaign.versions.keys().all(starts)
                || before.milestones != campaign.timeline.count()
                || !Self::is_foreign(before, change)
                || paused
            {
                continue;
            }
            let after = done.after(key).expect("it was there");
            if after.status != Status::AwaitingRestart || after.run != before.run {
                continue;
            }
            // Still waiting: either it is parked, or the starts were evaluated and none holds.
            if before.eligible_at.is_some_and(|at| change.at < at) {
                assert!(after.parked.is_some(), "{key:?} after {change:?}");
            } else {
                let view = View {
                    contact: image,
                    person: image,
                    statuses: &|other| {
                        done.world.enrollment(&key.0, other).map(|enrollment| enrollment.status)
                    },
                    now: change.at,
                    zone: done.world.account.zone_of(image),
                };
                let graph = &campaign.versions[&after.version];
                for (_, id, start, _) in graph.starts().filter(|(_, id, ..)| !after.has_fired(id)) {
                    assert!(!start.when.holds(&view), "{key:?}: {id} holds after {change:?}");
                }
            }
        }
    }

    fn at_rest(&mut self, world: &World) {
        for (key, enrollment) in world.enrollments() {
            let campaign = world.campaign(&key.1).expect("it was published");
            let paused = campaign.timeline.standing().is_none_or(|standing| standing.paused);
            let overdue = enrollment.eligible_at.is_none_or(|at| at <= world.now());
            if enrollment.parked.is_some() && !paused {
                assert!(!overdue, "{key:?} is still parked: {enrollment:?}");
                let (run, due) = (enrollment.run, enrollment.eligible_at.expect("it is parked"));
                let recheck = Event::RecheckDue { run, due };
                let rechecks = world
                    .timers()
                    .filter(|d| d.contact == key.0 && d.campaign == key.1 && d.event == recheck);
                assert_eq!(rechecks.count(), 1, "{key:?}: {enrollment:?}");
            }
        }
    }
}

#[test]
fn r14_a_trigger_after_a_restart_is_never_lost() {
    check(2_000, &stories(50), |story| {
        story.run(&mut Restarts);
    });
}

/// What is parked does not vanish: it is rechecked, or discarded with a line. A restart discards
/// only a trigger of its own chain.
struct ParkedTriggers;

impl Watch for ParkedTriggers {
    fn after(&mut self, done: &Performed<'_>) {
        let lines = lines(done.observed);
        for (key, before) in done.before {
            let (Some(parked), Some(after)) = (&before.parked, done.after(key)) else { continue };
            let lines = lines.get(key).map_or(&[][..], Vec::as_slice);
            let count = |is: fn(&Happened) -> bool| lines.iter().filter(|it| is(&it.what)).count();
            let answered = count(|it| matches!(it, Happened::Rechecked));
            let discarded = count(|it| matches!(it, Happened::ParkedDiscarded));
            if after.parked.is_none() {
                assert!(answered + discarded > 0, "{key:?} after {:?}: {lines:?}", done.work);
            }
            let restarts = count(|it| matches!(it, Happened::Restarted { .. }));
            let others = count(|it| {
                matches!(
                    it,
                    Happened::Reset
                        | Happened::Stopped
                        | Happened::Held { .. }
                        | Happened::Released
                )
            });
            let is_own = after.restart_chain == Some(parked.causality.chain);
            if restarts == 1 && answered + others == 0 && !is_own {
                assert!(after.parked.is_some(), "{key:?} after {:?}: {lines:?}", done.work);
            }
        }
    }
}

#[test]
fn r14_a_parked_trigger_is_rechecked_or_discarded_with_a_line() {
    check(2_000, &stories(50), |story| {
        story.run(&mut ParkedTriggers);
    });
}

#[test]
fn r30_at_most_one_message_per_step() {
    check(1_500, &stories(40), |story| {
        let drive = story.run(&mut crate::drive::Unwatched);
        let mut steps: Vec<_> = drive
            .world
            .messages()
            .map(|message| (&message.contact, &message.campaign, message.run, message.step))
            .collect();
        let count = steps.len();
        steps.sort();
        steps.dedup();
        assert_eq!(steps.len(), count);
        // The history settles no message twice, and no unknown message.
        let mut settled: BTreeMap<(Key, u32, String), (usize, usize)> = BTreeMap::new();
        for (key, lines) in lines(&drive.world.observed) {
            for line in lines {
                if let (Happened::MessageSettled { .. }, Some(element)) = (&line.what, line.element)
                {
                    settled.entry((key.clone(), line.run, element.to_string())).or_default().0 += 1;
                }
            }
        }
        for message in drive.world.messages() {
            let key = (message.contact.clone(), message.campaign.clone());
            settled.entry((key, message.run, message.element.to_string())).or_default().1 += 1;
        }
        for (place, (lines, messages)) in settled {
            assert!(lines <= messages, "{place:?}: {lines} lines, {messages} messages");
        }
    });
}

struct Shape;

impl Watch for Shape {
    fn after(&mut self, done: &Performed<'_>) {
        for (key, enrollment) in done.world.enrollments() {
            let about = || format!("{key:?} after {:?}: {enrollment:#?}", done.work);
            let active = enrollment.status == Status::Active;
            assert_eq!(active, !enrollment.tokens.is_empty(), "{}", about());
            assert_eq!(enrollment.status == Status::Held, enrollment.held.is_some(), "{}", about());
            if enrollment.parked.is_some() {
                assert!(enrollment.eligible_at.is_some(), "{}", about());
                let barred = matches!(enrollment.status, Status::Stopped | Status::Held);
                assert!(!barred, "{}", about());
            }
            if enrollment.status == Status::AwaitingRestart {
                assert!(enrollment.eligible_at.is_some(), "{}", about());
            }
            // Each entry is parked once, and only while it can still fire (R51).
            for (nth, entry) in enrollment.parked_entries.iter().enumerate() {
                let mut others = enrollment.parked_entries[..nth].iter();
                let same =
                    others.any(|it| (&it.element, it.is_event) == (&entry.element, entry.is_event));
                let barred = matches!(enrollment.status, Status::Stopped | Status::Held);
                assert!(!same && !barred, "{}", about());
            }
            let graph =
                &done.world.campaign(&key.1).expect("published").versions[&enrollment.version];
            for (nth, token) in enrollment.tokens.iter().enumerate() {
                assert!(token.step >= 1 && token.step <= enrollment.arrivals, "{}", about());
                let same = enrollment.tokens[..nth].iter().any(|other| other.step == token.step);
                assert!(!same, "{}", about());
                let (_, element) = graph.element(&token.element).expect("it exists");
                let fits = match token.rest {
                    Rest::Message(_) => element.message().is_some(),
                    Rest::Wait(_) => matches!(element, Element::Wait(_)),
                    Rest::Date(_) => matches!(element, Element::DateTimer(_)),
                    Rest::Event => matches!(element, Element::Event(_)),
                    Rest::Goal => matches!(element, Element::Goal(_)),
                };
                assert!(fits, "{}", about());
                // A token that rests at an event or goal waits for something that can still happen.
                if matches!(token.rest, Rest::Event | Rest::Goal) {
                    assert!(!enrollment.has_fired(&token.element), "{}", about());
                }
            }
            for (nth, fired) in enrollment.fired.iter().enumerate() {
                assert!(!enrollment.fired[..nth].contains(fired), "{}", about());
            }
        }
    }
}

#[test]
fn every_active_enrollment_has_tokens_and_no_other_has() {
    check(2_000, &stories(40), |story| {
        story.run(&mut Shape);
    });
}

/// All kinds of lines, except those that no story of this length can have.
const KINDS: [&str; 37] = [
    "entered",
    "event",
    "used_up",
    "goal",
    "rests",
    "ended",
    "wait",
    "timer",
    "timer_moved",
    "timer_without_date",
    "timer_missed",
    "timer_fired",
    "message",
    "message_waits",
    "message_sent",
    "message_suppressed",
    "message_failed",
    "message_dropped",
    "branch",
    "wrote",
    "element_gone",
    "reset",
    "restart",
    "parked",
    "parked_forgotten",
    "not_fired",
    "recheck",
    "not_started",
    "stopped",
    "held",
    "released",
    "completed",
    "commanded",
    "start_ignored",
    "webhook",
    "migrated",
    "statistics_reset",
];

#[test]
fn the_stories_reach_what_the_laws_are_about() {
    let kinds: RefCell<BTreeMap<&str, usize>> = RefCell::default();
    check(1_500, &stories(50), |story| {
        let drive = story.run(&mut crate::drive::Unwatched);
        for line in lines(&drive.world.observed).values().flatten() {
            *kinds.borrow_mut().entry(line.what.kind()).or_default() += 1;
        }
    });
    let kinds = kinds.into_inner();
    println!("{kinds:?}");
    let missing: Vec<_> = KINDS.iter().filter(|kind| !kinds.contains_key(*kind)).collect();
    assert!(missing.is_empty(), "no story reaches {missing:?}");
}
