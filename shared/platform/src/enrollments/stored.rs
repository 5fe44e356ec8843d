//! An enrollment's item: the state, and all effects of its last decision.
//!
//! Items are read by [`read_stored`] and [`read_state`] alone. In items of earlier versions, what a
//! decision deferred to the next one is in the state, as `e.lf`: they find it there, too.

use chrono::NaiveDate;
use dacapo_engine::decide::Effect;
use dacapo_engine::enrollment::Enrollment;
use dacapo_engine::history::Record;
use dacapo_engine::statistics::Tally;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::error::Error;
use crate::store::read;
use crate::table::Item;

/// An enrollment as it is stored: the state, and the effects of the last decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredEnrollment {
    /// The state.
    #[serde(rename = "e")]
    pub enrollment: Enrollment,
    /// The effects that are to be performed.
    #[serde(rename = "x", default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<Effect>,
    /// What goes into the history.
    #[serde(rename = "h", default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<Record>,
    /// What is added to the statistics.
    #[serde(rename = "d", default, skip_serializing_if = "Tally::is_empty")]
    pub delta: Tally,
    /// The day of the account on which that is counted, if any of it is counted by day.
    #[serde(rename = "y", default, skip_serializing_if = "Option::is_none")]
    pub day: Option<NaiveDate>,
    /// The revision of the decision whose lines come first, if they were deferred to this one.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// What an earlier decision deferred and cannot be recorded as one with this one's.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Box<Deferred>>,
    /// What this decision defers to the next one.
    #[serde(rename = "lf", default, skip_serializing_if = "Option::is_none")]
    pub deferred: Option<Box<Deferred>>,
    /// Set if nothing that the decision has written to the contact concerns the campaign.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub self_write: Option<SelfWrite>,
    /// The instant as of which no other campaign asked for the status, if the decision changed it.
    #[serde(
        rename = "n",
        default,
        skip_serializing_if = "Option::is_none",
        with = "chrono::serde::ts_milliseconds_option"
    )]
    pub status_unread_as_of: Option<Instant>,
    /// The enrollment's `rev` after the decision with these effects: they are performed only from
    /// the image of that revision.
    #[serde(rename = "s")]
    pub stamp: u64,
    /// The identity of the write.
    pub w: String,
}

/// Lines and counts of a decision that are recorded together with the next one's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deferred {
    /// The enrollment's `rev` after the decision.
    #[serde(rename = "s")]
    pub stamp: u64,
    /// The version whose elements are named.
    #[serde(rename = "v")]
    pub version: u32,
    /// What goes into the history.
    #[serde(rename = "h")]
    pub records: Vec<Record>,
    /// What is added to the statistics, the gauges included.
    #[serde(rename = "d", default, skip_serializing_if = "Tally::is_empty")]
    pub delta: Tally,
    /// The day of the account on which that is counted, if any of it is counted by day.
    #[serde(rename = "y", default, skip_serializing_if = "Option::is_none")]
    pub day: Option<NaiveDate>,
}

/// A contact's change by a campaign that does not concern the campaign itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfWrite {
    /// The contact's `rev` after it.
    #[serde(rename = "r")]
    pub rev: u64,
    /// The revision of the catalog as of which that was found.
    #[serde(rename = "c")]
    pub catalog: u64,
}

/// The state alone, for deciding, without the effects of the last decision.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct State {
    #[serde(rename = "e")]
    pub(crate) enrollment: Enrollment,
    /// What the last decision deferred to the next one.
    #[serde(rename = "lf", default)]
    pub(crate) deferred: Option<Box<Deferred>>,
    #[serde(rename = "o", default)]
    pub(crate) self_write: Option<SelfWrite>,
}

impl State {
    /// The smallest `rev` that the contact can have.
    pub(crate) fn knows(&self) -> u64 {
        self.self_write.map_or(0, |self_write| self_write.rev).max(self.enrollment.seen)
    }
}

impl StoredEnrollment {
    /// When the last decision was made, if its item says so.
    pub(crate) fn last_decided(&self) -> Option<Instant> {
        let deferred = self.deferred.iter().flat_map(|deferred| &deferred.records);
        deferred.chain(&self.records).map(|record| record.at).max()
    }
}

/// The whole item of an enrollment.
pub(crate) fn read_stored(item: &Item) -> Result<StoredEnrollment, Error> {
    let mut stored: StoredEnrollment = read(item)?;
    if stored.deferred.is_none() {
        stored.deferred = deferred_in_state(item)?;
    }
    Ok(stored)
}

/// The state alone, from the item of an enrollment.
pub(crate) fn read_state(item: &Item) -> Result<State, Error> {
    let mut state: State = read(item)?;
    if state.deferred.is_none() {
        state.deferred = deferred_in_state(item)?;
    }
    Ok(state)
}

/// What was deferred to the next decision, at its place in items of earlier versions.
fn deferred_in_state(item: &Item) -> Result<Option<Box<Deferred>>, Error> {
    #[derive(Deserialize)]
    struct Earlier {
        e: InState,
    }
    #[derive(Deserialize)]
    struct InState {
        #[serde(default)]
        lf: Option<Box<Deferred>>,
    }
    // Nearly no item has it, so only those that do are read twice.
    if item.body.as_str().contains(r#""lf":"#) { Ok(read::<Earlier>(item)?.e.lf) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dacapo_engine::ids::{AccountId, CampaignId, ContactId};

    use crate::keys::Keys;
    use crate::table::{Body, size};

    /// What a decision deferred to the next one.
    const DEFERRED: &str = concat!(
        r#""lf":{"s":1,"v":1,"h":[{"t":1796126400000,"b":{"c":{"r":1,"w":[{"a":"Go"}],"#,
        r#""y":{"k":"desk"}}},"l":[{"n":1,"e":"go","k":"ev"},{"n":1,"e":"mail","k":"mq"}]}],"#,
        r#""d":{"active":1,"at:mail":1,"e:mail":1,"entered":1},"y":"2026-12-01"}"#,
    );

    /// The item of an enrollment whose message is queued, with `in_state` in its state and `beside`
    /// behind it.
    fn stored_as(in_state: &str, beside: &str) -> Item {
        let state = concat!(
            r#""n":1,"st":"active","v":1,"tk":[{"e":"mail","s":1,"t":1796126400000,"#,
            r#""w":{"m":"q"},"c":[5,0]}],"fi":["go"],"ar":1,"be":true,"en":true,"se":1,"ms":1,"#,
            r#""cr":1796126400000,"ta":{"e:mail":1,"entered":1},"#,
        );
        let effects = r#""x":[{"m":{"n":1,"s":1,"p":"transactional"}}],"#;
        let body =
            format!(r#"{{"e":{{{state}{in_state}"rv":1}},{effects}{beside}"s":1,"w":"k3v9x0qa"}}"#);
        let id = ContactId::new("ann").unwrap();
        let campaign = CampaignId::new("hello").unwrap();
        let key = Keys::of(AccountId::new("main").unwrap()).enrollment(&id, &campaign);
        Item::new(key, Body::stored(body)).rev(1)
    }

    #[test]
    fn a_deferred_recording_is_found_where_earlier_versions_stored_it() {
        let earlier = stored_as(&format!("{DEFERRED},"), "");
        let now = stored_as("", &format!("{DEFERRED},"));
        let stored = read_stored(&earlier).unwrap();
        let left = stored.deferred.as_deref().unwrap();
        assert_eq!((left.stamp, left.records[0].lines.len()), (1, 2));
        assert_eq!(read_state(&earlier).unwrap().deferred.as_deref(), Some(left));
        assert_eq!(read_stored(&now).unwrap(), stored);
        assert_eq!(read_state(&now).unwrap().deferred, stored.deferred);
    }

    #[test]
    fn a_deferred_recording_is_stored_beside_the_state_and_takes_no_more_room() {
        let earlier = stored_as(&format!("{DEFERRED},"), "");
        let now = stored_as("", &format!("{DEFERRED},"));
        let written = Body::of(&read_stored(&earlier).unwrap()).unwrap();
        assert_eq!(written.as_str(), now.body.as_str());
        assert!(size(&now) <= size(&earlier), "{} > {}", size(&now), size(&earlier));
    }

    #[test]
    fn most_items_have_no_deferred_recording() {
        let plain = stored_as("", "");
        assert_eq!(read_stored(&plain).unwrap().deferred, None);
        assert_eq!(read_state(&plain).unwrap().deferred, None);
        assert_eq!(Body::of(&read_stored(&plain).unwrap()).unwrap().as_str(), plain.body.as_str());
    }
}
