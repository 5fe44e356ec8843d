//! Random stories: two campaigns, two contacts, and what happens to them.

use chrono::{TimeDelta, TimeZone, Utc};
use dacapo_engine::account::Account;
use dacapo_engine::contact::{Author, Consent, Patch, Suppression};
use dacapo_engine::field::FieldValue;
use dacapo_engine::ids::{CampaignId, ContactId, FieldKey, Tag};
use dacapo_engine::simulation::World;
use dacapo_engine::time::{Instant, Zone};
use proptest::prelude::*;

use crate::documents::{CAMPAIGNS, CUSTOM, Recipe, TAGS, document, recipes};
use crate::drive::{Drive, Watch};

/// The contacts.
pub(crate) const CONTACTS: [&str; 2] = ["ann", "bob"];

/// One thing that happens. Bytes choose among the possible ones.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Write {
        contact: u8,
        what: [u8; 4],
    },
    /// The clock moves; nothing is performed.
    Pass(u8),
    /// The clock moves with the system at work.
    Advance(u8),
    /// Some waiting work is performed.
    Work(u8),
    /// A timer that is due fires.
    Fire(u8),
    /// All waiting and due work is performed.
    Settle,
    Pause(u8),
    Resume {
        campaign: u8,
        skip: bool,
    },
    Publish {
        campaign: u8,
        migrate: bool,
        existing: bool,
    },
    Stop {
        campaign: u8,
        contacts: bool,
        statistics: bool,
    },
    Release {
        contact: u8,
        campaign: u8,
    },
    /// Performed work is repeated, in stories of repeats only.
    Repeat(u16),
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) recipes: [Recipe; 2],
    /// What is published later.
    pub(crate) later: Recipe,
    pub(crate) acts: Vec<Act>,
}

pub(crate) fn stories(acts: usize) -> impl Strategy<Value = Story> {
    (recipes(), recipes(), recipes(), prop::collection::vec(act(), acts / 3..acts))
        .prop_map(|(one, two, later, acts)| Story { recipes: [one, two], later, acts })
}

pub(crate) fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        14 => (contact(), any::<[u8; 4]>())
            .prop_map(|(contact, what)| Act::Write { contact, what }),
        2 => any::<u8>().prop_map(Act::Pass),
        7 => any::<u8>().prop_map(Act::Advance),
        8 => any::<u8>().prop_map(Act::Work),
        3 => any::<u8>().prop_map(Act::Fire),
        2 => Just(Act::Settle),
        2 => any::<u8>().prop_map(Act::Pause),
        3 => any::<(u8, bool)>().prop_map(|(campaign, skip)| Act::Resume { campaign, skip }),
        1 => any::<(u8, bool, bool)>()
            .prop_map(|(campaign, migrate, existing)| Act::Publish { campaign, migrate, existing }),
        1 => any::<(u8, bool, bool)>()
            .prop_map(|(campaign, contacts, statistics)| Act::Stop { campaign, contacts, statistics }),
        1 => (contact(), any::<u8>())
            .prop_map(|(contact, campaign)| Act::Release { contact, campaign }),
    ]
}

/// Mostly Ann.
fn contact() -> impl Strategy<Value = u8> {
    prop_oneof![3 => Just(0), 1 => Just(1)]
}

pub(crate) fn contact_id(nth: u8) -> ContactId {
    ContactId::new(CONTACTS[usize::from(nth) % 2]).unwrap()
}

pub(crate) fn campaign_id(nth: u8) -> CampaignId {
    CampaignId::new(CAMPAIGNS[usize::from(nth) % 2]).unwrap()
}

pub(crate) fn campaigns() -> [CampaignId; 2] {
    [campaign_id(0), campaign_id(1)]
}

/// The day before clocks change in the account's zone.
pub(crate) fn dawn() -> Instant {
    Utc.with_ymd_and_hms(2026, 3, 28, 10, 0, 0).unwrap()
}

pub(crate) fn span(byte: u8) -> TimeDelta {
    let minutes = [0, 1, 4, 5, 6, 20, 60, 180, 720, 1_440, 2_880][usize::from(byte) % 11];
    TimeDelta::minutes(minutes)
}

pub(crate) fn by() -> Author {
    Author::ApiKey("zapier".to_owned())
}

fn field(key: &str) -> FieldKey {
    FieldKey::new(key).unwrap()
}

/// What a write asks for.
pub(crate) fn patch(now: Instant, what: [u8; 4]) -> Patch {
    let [kind, a, b, c] = what;
    let tag = |byte: u8| Tag::new(TAGS[usize::from(byte) % TAGS.len()]).unwrap();
    let mut patch = Patch::default();
    match kind % 14 {
        0..=3 => patch.add.push(tag(a)),
        4 => patch.remove.push(tag(a)),
        5 => {
            patch.add.push(tag(a));
            patch.remove.push(tag(b));
        }
        6 | 7 => {
            let to = [-120, 5, 60, 90, 24 * 60, 25 * 60, 50 * 60, 72 * 60][usize::from(a) % 8];
            let due = FieldValue::Datetime(now + TimeDelta::minutes(to));
            patch.fields.insert(field("due"), (b % 4 > 0).then_some(due));
        }
        8 => {
            let days = chrono::Days::new(u64::from(a) % 4);
            let day = FieldValue::Date(now.date_naive() + days - chrono::Days::new(1));
            patch.fields.insert(field("day"), (b % 4 > 0).then_some(day));
        }
        9 => {
            let score = FieldValue::Number(f64::from(a % 3));
            patch.fields.insert(field("score"), (b % 4 > 0).then_some(score));
        }
        10 => {
            let note = FieldValue::Text(["yes", "no"][usize::from(a) % 2].to_owned());
            patch.fields.insert(field("note"), (b % 4 > 0).then_some(note));
        }
        11 => patch.event = Some(CUSTOM.to_owned()),
        12 => {
            let zone = ["America/New_York", "Asia/Kolkata"][usize::from(a) % 2].to_owned();
            let zone = FieldValue::Text(zone);
            patch.fields.insert(field("time_zone"), (b % 2 > 0).then_some(zone));
        }
        _ => match a % 6 {
            0 => patch.consent = Some(Consent::Unsubscribed),
            1 | 2 => {
                patch.consent = Some(Consent::Subscribed);
                patch.resubscribe = a % 6 == 1;
            }
            3 => patch.suppressed = Some(Some(Suppression::Bounced)),
            _ => patch.suppressed = Some(None),
        },
    }
    if c % 4 == 0 {
        patch.add.push(tag(c / 4));
    }
    patch
}

impl Story {
    /// The world at the beginning of the story: two contacts, two campaigns.
    pub(crate) fn begin(&self) -> Drive {
        let account =
            Account { zone: Zone::Europe__Berlin, locale: "en".to_owned(), sent_until: None };
        let mut world = World::new(account, dawn());
        for name in CONTACTS {
            let mut patch = Patch::default();
            let address = FieldValue::Text(format!("{name}@example.com"));
            patch.fields.insert(field("email"), Some(address));
            patch.fields.insert(field("first_name"), Some(FieldValue::Text(name.to_owned())));
            world.write(&ContactId::new(name).unwrap(), &patch, by());
        }
        for (nth, recipe) in self.recipes.iter().enumerate() {
            world.publish(document(nth, recipe), false, false);
        }
        Drive::new(world)
    }

    /// Makes it happen.
    pub(crate) fn run(&self, watch: &mut dyn Watch) -> Drive {
        let mut drive = self.begin();
        for act in &self.acts {
            self.act(act, &mut drive, watch);
        }
        drive.settle(watch);
        drive
    }

    pub(crate) fn act(&self, act: &Act, drive: &mut Drive, watch: &mut dyn Watch) {
        let now = drive.world.now();
        match act {
            Act::Write { contact, what } => {
                drive.world.write(&contact_id(*contact), &patch(now, *what), by());
            }
            Act::Pass(byte) => drive.world.jump_to(now + span(*byte)),
            Act::Advance(byte) => drive.advance_to(now + span(*byte), watch),
            Act::Work(byte) => {
                let available = drive.available();
                if !available.is_empty() {
                    drive.perform(available[usize::from(*byte) % available.len()], watch);
                }
            }
            Act::Fire(byte) => {
                let due = drive.due();
                if !due.is_empty() {
                    drive.fire(&due[usize::from(*byte) % due.len()], watch);
                }
            }
            Act::Settle => drive.settle(watch),
            Act::Pause(campaign) => drive.world.pause(&campaign_id(*campaign)),
            Act::Resume { campaign, skip } => {
                drive.world.resume(&campaign_id(*campaign), *skip, "admin");
            }
            Act::Publish { campaign, migrate, existing } => {
                let document = document(usize::from(campaign % 2), &self.later);
                drive.world.publish(document, *migrate, *existing);
            }
            Act::Stop { campaign, contacts, statistics } => {
                drive.world.mass_stop(&campaign_id(*campaign), *contacts, *statistics);
            }
            Act::Release { contact, campaign } => {
                drive.world.release(&contact_id(*contact), &campaign_id(*campaign), by());
            }
            Act::Repeat(_) => {}
        }
        drive.collect();
    }
}
