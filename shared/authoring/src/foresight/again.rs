//! What happened, once more.

use chrono::TimeDelta;
use dacapo_engine::campaign::format::Document;
use dacapo_engine::campaign::{Campaign, Reached, Timeline};
use dacapo_engine::compact::SortCompactly as _;
use dacapo_engine::history::{Happened, Record};
use dacapo_engine::ids::ElementId;
use dacapo_engine::simulation::World;
use dacapo_engine::time::Instant;

use super::recorded::{Recorded, RecordedAction, recorded};
use super::{Compared, PlayedRun, SubjectInFlight, Unplayed, plays_until};

/// Plays what is recorded once more, from the first line on until now: on the versions that applied
/// then, and with the other document published right before the run that the subject is in. The
/// first has to lead to where the subject is, and to the messages that it has got in this run.
///
/// # Errors
///
/// Why the subject cannot be played again; that is never taken for another way.
pub fn again(
    known: &SubjectInFlight<'_>,
    of: &Recorded<'_>,
    document: &Document,
) -> Result<Compared, Unplayed> {
    let id = &known.campaign.id;
    let own: Vec<&Record> =
        of.records.iter().filter(|(campaign, _)| campaign == id).map(|(_, it)| it).collect();
    let run = known.enrollment.run;
    let is_of_run = |record: &&Record| record.lines.iter().any(|line| line.run == run);
    let first = own.first().filter(|_| of.is_all).ok_or(Unplayed::LongHistory)?;
    let nth = own.iter().position(is_of_run).ok_or(Unplayed::LongHistory)?;
    let began = own[nth].at;
    // Right behind what came before it: a message that took a while may have come in between.
    let before = nth.checked_sub(1).map(|before| own[before].at + TimeDelta::milliseconds(1));
    let published = before.filter(|at| *at < began).unwrap_or(began);
    let story = Story::of(known, of, first)?;

    let was = story.played(known, None)?;
    let played = PlayedRun::of(&was, &known.subject.id, id, began);
    let tokens = known.enrollment.tokens.iter().map(|token| token.element.clone());
    let mut rests: Vec<ElementId> = tokens.collect();
    rests.sort_compactly();
    let settled = own
        .iter()
        .flat_map(|record| &record.lines)
        .filter(|line| line.run == run && matches!(line.what, Happened::MessageSettled { .. }));
    let mut settled: Vec<ElementId> = settled.filter_map(|line| line.element.clone()).collect();
    settled.sort_compactly();
    let is_as_it_was = played.rests == rests
        && played.run == run
        && played.status == Some(known.enrollment.status)
        && settled_in(run, &was) == settled;
    if !is_as_it_was {
        return Err(Unplayed::CameOutOtherwise);
    }
    let would_be = story.played(known, Some((published, document)))?;
    let would_be = PlayedRun::of(&would_be, &known.subject.id, id, began);
    let is_elsewhere = played.ends_elsewhere(&would_be);
    Ok(Compared { was: played, would_be, is_elsewhere })
}

/// What is to happen once more.
struct Story {
    began: Instant,
    subject: dacapo_engine::contact::Contact,
    deeds: Vec<(Instant, RecordedAction)>,
    /// The milestones before, and those that came later.
    timeline: Timeline,
    milestones: Vec<(Instant, Reached)>,
}

impl Story {
    fn of(
        known: &SubjectInFlight<'_>,
        of: &Recorded<'_>,
        first: &Record,
    ) -> Result<Self, Unplayed> {
        let began = first.at;
        let (subject, deeds) = recorded(known.subject, &known.campaign.id, of, first);
        let (mut timeline, mut milestones) = (Timeline::default(), Vec::new());
        for (_, milestone) in known.campaign.timeline.after(0) {
            if milestone.at <= began {
                timeline.reach(milestone.at, milestone.what.clone());
            } else {
                milestones.push((milestone.at, milestone.what.clone()));
            }
        }
        if timeline.standing().is_none() {
            return Err(Unplayed::LongTimeline);
        }
        Ok(Self { began, subject, deeds, timeline, milestones })
    }

    /// The world in the end. `other` is a document and when it is published; no version is after
    /// it.
    fn played(
        &self,
        known: &SubjectInFlight<'_>,
        other: Option<(Instant, &Document)>,
    ) -> Result<World, Unplayed> {
        let (subject, id) = (&known.subject.id, &known.campaign.id);
        let mut world = known.world(self.began);
        let campaign = Campaign { timeline: self.timeline.clone(), ..known.campaign.clone() };
        world.take_over(campaign, known.catalog);
        world.place(self.subject.clone());
        let (mut other, mut is_published) = (other, false);
        let mut milestones = self.milestones.iter().peekable();
        let mut done = 0;
        let mut deeds = self.deeds.iter().peekable();
        loop {
            let next = [
                other.map(|(at, _)| at),
                milestones.peek().map(|(at, _)| *at),
                deeds.peek().map(|(at, _)| *at),
            ];
            let Some(at) = next.into_iter().flatten().min() else { break };
            if at > world.now() {
                plays_until(&mut world, at - TimeDelta::milliseconds(1), &mut done)?;
                world.jump_to(at);
            }
            if let Some((_, document)) = other.take_if(|(due, _)| *due <= at) {
                world.publish(document.clone(), false, false);
                is_published = true;
            } else if let Some((_, what)) = milestones.next_if(|(due, _)| *due <= at) {
                // No version comes behind the other document.
                if !(is_published && matches!(what, Reached::Published { .. })) {
                    world.reaches(id, what.clone());
                }
            } else if let Some((_, deed)) = deeds.next() {
                match deed.clone() {
                    RecordedAction::Write(patch, by) => {
                        world.write(subject, &patch, by);
                    }
                    RecordedAction::ByHand(command, by) => world.by_hand(subject, id, command, by),
                    RecordedAction::Release(by) => world.release(subject, id, by),
                    RecordedAction::EnrollExisting => world.enroll_existing(id),
                }
            }
        }
        plays_until(&mut world, known.now, &mut done)?;
        Ok(world)
    }
}

/// The elements whose messages were settled in a run, in order of id.
fn settled_in(run: u32, world: &World) -> Vec<ElementId> {
    let settled = world.messages().filter(|message| message.run == run);
    let mut settled: Vec<ElementId> = settled.map(|message| message.element.clone()).collect();
    settled.sort_compactly();
    settled
}
