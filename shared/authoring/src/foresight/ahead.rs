//! What comes next, from where somebody is.

use dacapo_engine::campaign::format::Document;

use super::{Compared, PlayedRun, SubjectInFlight, Unplayed, plays_until};
use crate::simulate::LONGEST_LOOK;

/// Plays on for as long as anything is due, [`LONGEST_LOOK`] at most, as if nobody did anything
/// any more: in the version that applies, and moved to the other document. A paused campaign is
/// resumed for it, once the document is published.
///
/// # Errors
///
/// [`Unplayed::TooMuch`].
pub fn ahead(known: &SubjectInFlight<'_>, document: &Document) -> Result<Compared, Unplayed> {
    let was = played_on(known, None)?;
    let would_be = played_on(known, Some(document))?;
    let is_elsewhere = was.ends_elsewhere(&would_be) || was.passes_elsewhere(&would_be);
    Ok(Compared { was, would_be, is_elsewhere })
}

fn played_on(
    known: &SubjectInFlight<'_>,
    document: Option<&Document>,
) -> Result<PlayedRun, Unplayed> {
    let (subject, id) = (&known.subject.id, &known.campaign.id);
    let mut world = known.world(known.now);
    world.take_over(known.campaign.clone(), known.catalog);
    world.place(known.subject.clone());
    world.enroll(subject, id, known.enrollment.clone());
    if let Some(document) = document {
        world.publish(document.clone(), true, false);
    }
    world.resume(id, false, "foresight");
    plays_until(&mut world, known.now + LONGEST_LOOK, &mut 0)?;
    Ok(PlayedRun::of(&world, subject, id, known.now))
}
