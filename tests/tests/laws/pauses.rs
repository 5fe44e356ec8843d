//! Laws of pauses (R51): nothing fires during a pause, and nothing that arrives is lost.

use dacapo_engine::campaign::Campaign;
use dacapo_engine::campaign::format::{Edge, Element};
use dacapo_engine::contact::Change;
use dacapo_engine::enrollment::{Enrollment, Status};
use dacapo_engine::history::Happened;
use dacapo_engine::ids::{ElementId, Tag};
use dacapo_engine::simulation::{SimulatedWork, World};

use crate::check;
use crate::drive::{Performed, Watch};
use crate::runs::{Restarts, lines};
use crate::stories::stories;

/// A pause (R51): nothing fires, what would have fired is parked, and after the resume nothing is
/// parked.
struct Pauses;

impl Pauses {
    /// The entries that would have fired on a change, in the version that applies.
    fn concerned(campaign: &Campaign, enrollment: &Enrollment, change: &Change) -> Vec<ElementId> {
        let graph = &campaign.versions[&enrollment.version];
        let added = |tags: &[Tag]| tags.iter().any(|tag| change.added.contains(tag));
        let mut entries = Vec::new();
        for (_, id, element) in graph.elements() {
            if let Element::Event(event) = element
                && let Edge::TagAdded(tags) = &event.on
                && added(tags.as_slice())
            {
                entries.push(id.clone());
            }
        }
        if enrollment.status != Status::AwaitingRestart {
            let starts =
                graph.starts().filter(|(.., reads)| graph.makes_start_checked(change, reads));
            entries.extend(starts.map(|(_, id, ..)| id.clone()));
        }
        entries.retain(|id| !enrollment.has_fired(id));
        entries
    }
}

impl Watch for Pauses {
    fn after(&mut self, done: &Performed<'_>) {
        for (key, before) in done.before {
            let campaign = done.world.campaign(&key.1).expect("it was published");
            let timeline = &campaign.timeline;
            let stands_paused =
                |applied| timeline.standing_after(applied).is_some_and(|s| s.paused);
            // No milestone is left to apply, so all later changes are in the pause.
            if before.milestones == timeline.count() && stands_paused(timeline.count()) {
                for line in lines(done.observed).get(key).into_iter().flatten() {
                    assert!(!fires(&line.what), "{key:?}: {line:?} after {:?}", done.work);
                }
            }
            let SimulatedWork::Contact { before: rev, image } = done.work else { continue };
            let unseen = image.changes_after(before.seen.max(*rev)).unwrap_or(&[]);
            let barred = matches!(before.status, Status::Stopped | Status::Held);
            let ([change], false) = (unseen, image.id != key.0 || barred) else { continue };
            if !stands_paused(before.milestones.max(timeline.before(change))) {
                continue;
            }
            let after = done.after(key).expect("it was there");
            if after.run != before.run || after.status != before.status {
                // A resume came before the change and was applied with it.
                continue;
            }
            for id in Self::concerned(campaign, after, change) {
                let is_parked = after.parked_entries.iter().any(|entry| entry.element == id);
                assert!(is_parked, "{key:?}: {id} is lost after {change:?}");
            }
            let is_trigger = before.status == Status::AwaitingRestart
                && Restarts::is_foreign(before, change)
                && campaign.versions[&after.version].starts().next().is_some();
            assert!(!is_trigger || after.parked.is_some(), "{key:?}: lost after {change:?}");
        }
    }

    fn at_rest(&mut self, world: &World) {
        for (key, enrollment) in world.enrollments() {
            let campaign = world.campaign(&key.1).expect("it was published");
            let paused = campaign.timeline.standing().is_none_or(|standing| standing.paused);
            let parked = &enrollment.parked_entries;
            assert!(paused || parked.is_empty(), "{key:?} is still parked: {enrollment:?}");
        }
    }
}

fn fires(what: &Happened) -> bool {
    matches!(
        what,
        Happened::Entered
            | Happened::EventFired
            | Happened::UsedUp
            | Happened::GoalReached
            | Happened::TimerFired
            | Happened::Rechecked
    )
}

#[test]
fn r51_nothing_fires_in_a_pause_and_nothing_is_lost() {
    check(2_500, &stories(50), |story| {
        story.run(&mut Pauses);
    });
}
