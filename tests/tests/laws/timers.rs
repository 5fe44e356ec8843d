//! Laws of timers.

use dacapo_engine::decide::{Effect, Event, outstanding};
use dacapo_engine::enrollment::{MessageRest, Rest};
use dacapo_engine::history::Happened;
use dacapo_engine::simulation::{Observed, SimulatedWork, World};

use crate::check;
use crate::drive::{Performed, Watch};
use crate::stories::stories;

struct Timers;

impl Watch for Timers {
    fn after(&mut self, done: &Performed<'_>) {
        // A timer fires at its instant or later, and acts once: its token is gone from the step.
        if let SimulatedWork::Event(contact, campaign, Event::TimerDue { run, step, due }) =
            done.work
        {
            let key = (contact.clone(), campaign.clone());
            let fired = done.observed.iter().any(|one| match one {
                Observed::History(_, _, record) => {
                    record.because == dacapo_engine::history::Cause::Timer
                        && record.lines.iter().any(|line| line.what == Happened::TimerFired)
                }
                _ => false,
            });
            if fired {
                assert!(done.now >= *due, "{:?} at {}", done.work, done.now);
                let stays = done
                    .after(&key)
                    .filter(|enrollment| enrollment.run == *run)
                    .and_then(|enrollment| enrollment.token(*step));
                assert!(stays.is_none(), "{:?}: {stays:?}", done.work);
            }
        }
        // Every token with a due instant was scheduled by this decision or before; none is
        // scheduled twice in one decision.
        for made in done.made {
            let SimulatedWork::Effects { effects, .. } = made else { continue };
            let mut live: Vec<(u32, u32)> = Vec::new();
            for effect in effects {
                match effect {
                    Effect::Schedule { run, step, .. } => {
                        assert!(!live.contains(&(*run, *step)), "{effects:?}");
                        live.push((*run, *step));
                    }
                    Effect::Cancel { run, step, .. } => live.retain(|one| *one != (*run, *step)),
                    Effect::Recheck { .. }
                    | Effect::Deliver { .. }
                    | Effect::RecordMessage { .. }
                    | Effect::Call { .. }
                    | Effect::Command { .. }
                    | Effect::StatusChanged { .. } => {}
                }
            }
        }
    }

    fn at_rest(&mut self, world: &World) {
        for (key, enrollment) in world.enrollments() {
            let campaign = world.campaign(&key.1).expect("it was published");
            let paused = campaign.timeline.standing().is_none_or(|standing| standing.paused);
            for token in &enrollment.tokens {
                let Some(due) = token.due() else { continue };
                if due <= world.now() {
                    assert!(paused, "{key:?} should have gone: {token:?}");
                    continue;
                }
                let event = Event::TimerDue { run: enrollment.run, step: token.step, due };
                let live = world
                    .timers()
                    .filter(|d| d.contact == key.0 && d.campaign == key.1 && d.event == event);
                assert_eq!(live.count(), 1, "{key:?}: {token:?}");
            }
        }
        // Timers and queues follow from the state alone: lost ones can be ordered again.
        for (key, enrollment) in world.enrollments() {
            let campaign = world.campaign(&key.1).expect("it was published");
            let graph = &campaign.versions[&enrollment.version];
            let effects = outstanding(enrollment, graph);
            let waits_for = effects.iter().filter_map(|effect| match effect {
                Effect::Schedule { run, step, due } => {
                    Some(Event::TimerDue { run: *run, step: *step, due: *due })
                }
                Effect::Recheck { run, due } => Some(Event::RecheckDue { run: *run, due: *due }),
                Effect::Deliver { .. } => None,
                Effect::Cancel { .. }
                | Effect::RecordMessage { .. }
                | Effect::Call { .. }
                | Effect::Command { .. }
                | Effect::StatusChanged { .. } => panic!("no token waits for {effect:?}"),
            });
            let is_later = |event: &Event| event.due().is_some_and(|due| due > world.now());
            let mut waits_for: Vec<Event> = waits_for.filter(is_later).collect();
            let its = world.timers().filter(|d| d.contact == key.0 && d.campaign == key.1);
            let its = its.filter(|timer| timer.at > world.now());
            // A parked trigger is dropped without cancelling its recheck.
            let is_live = |event: &Event| match event {
                Event::RecheckDue { run, due } => {
                    let is_parked = enrollment.parked.is_some() && enrollment.run == *run;
                    is_parked && enrollment.eligible_at == Some(*due)
                }
                _ => true,
            };
            let mut set: Vec<Event> =
                its.map(|timer| timer.event.clone()).filter(is_live).collect();
            let order = |event: &Event| (event.due(), event.run_and_step());
            waits_for.sort_by_key(order);
            set.sort_by_key(order);
            assert_eq!(waits_for, set, "{key:?}: {enrollment:?}");
            let queued = effects.iter().filter(|one| matches!(one, Effect::Deliver { .. }));
            let waiting = enrollment
                .tokens
                .iter()
                .filter(|token| token.rest == Rest::Message(MessageRest::Queued));
            assert_eq!(queued.count(), waiting.count(), "{key:?}: {enrollment:?}");
        }
        // For every timer that is set a token waits: the others were cancelled.
        for timer in world.timers().filter(|timer| timer.at > world.now()) {
            let Event::TimerDue { run, step, due } = timer.event else { continue };
            let enrollment = world.enrollment(&timer.contact, &timer.campaign);
            let token = enrollment.filter(|e| e.run == run).and_then(|e| e.token(step));
            assert_eq!(token.and_then(|token| token.due()), Some(due), "{timer:?}");
        }
    }
}

#[test]
fn r23_every_scheduled_timer_is_fired_cancelled_or_stale() {
    check(2_500, &stories(50), |story| {
        story.run(&mut Timers);
    });
}
