//! Laws of contacts: what a change is, and how it is undone.

use chrono::TimeDelta;
use dacapo_engine::contact::{CHANGES_KEPT, Consent, Contact, MOST_TAGS, Patch};
use dacapo_engine::ids::Tag;
use proptest::prelude::*;

use crate::check;
use crate::stories::{by, contact_id, dawn, patch};

/// The comparable part of a contact, including the shown form of tags. The instant of the last
/// change is left out: its change may no longer be kept.
fn shown(contact: &Contact) -> (Contact, Vec<String>) {
    let tags = contact.tags.keys().map(|tag| tag.as_str().to_owned()).collect();
    let updated_at = contact.created_at;
    (Contact { recent: Vec::new(), updated_at, ..contact.clone() }, tags)
}

fn writes() -> impl Strategy<Value = Vec<(u8, [u8; 4])>> {
    prop::collection::vec(any::<(u8, [u8; 4])>(), 1..20)
}

#[test]
fn r1_a_write_that_changes_nothing_does_nothing() {
    check(1_500, &writes(), |writes| {
        let mut now = dawn();
        let mut contact = Contact::new(contact_id(0), Consent::Subscribed, now);
        for (minutes, what) in writes {
            now += TimeDelta::minutes(i64::from(minutes % 3));
            let patch = patch(now, what);
            let before = contact.clone();
            let change = contact.apply(&patch, by(), None, now, 0).cloned();
            match change {
                None => assert_eq!(contact, before),
                Some(change) => {
                    assert_eq!(change.rev, before.rev + 1);
                    assert_eq!(contact.rev, change.rev);
                    assert_eq!(contact.recent.last(), Some(&change));
                }
            }
            // The same again changes only tags' instants and custom events (R2).
            let mut again = contact.clone();
            if again.apply(&patch, by(), None, now, 0).is_some() {
                assert!(!patch.add.is_empty() || patch.event.is_some(), "{patch:?}");
            } else {
                assert_eq!(again, contact);
            }
        }
    });
}

#[test]
fn r3_a_contact_can_be_looked_at_as_an_earlier_change_left_it() {
    check(1_500, &writes(), |writes| {
        let mut now = dawn();
        let mut contact = Contact::new(contact_id(0), Consent::Subscribed, now);
        let mut left = vec![contact.clone()];
        for (minutes, what) in writes {
            now += TimeDelta::minutes(i64::from(minutes % 3));
            if contact.apply(&patch(now, what), by(), None, now, 0).is_some() {
                left.push(contact.clone());
            }
            let stored: Contact =
                serde_json::from_str(&serde_json::to_string(&contact).unwrap()).unwrap();
            assert_eq!(stored, contact);
            assert!(contact.recent.len() <= CHANGES_KEPT);
            for was in &left {
                let looked_at = contact.as_of(was.rev);
                assert_eq!(looked_at.is_some(), contact.changes_after(was.rev).is_some());
                if let Some(looked_at) = looked_at {
                    assert_eq!(shown(&looked_at), shown(was));
                    if !looked_at.recent.is_empty() {
                        assert_eq!(looked_at.updated_at, was.updated_at);
                    }
                }
            }
            assert!(contact.as_of(contact.rev.saturating_sub(1)).is_some());
        }
    });
}

#[test]
fn a_no_is_taken_back_only_by_a_patch_that_says_so() {
    check(1_500, &writes(), |writes| {
        let mut now = dawn();
        let mut contact = Contact::new(contact_id(0), Consent::Unsubscribed, now);
        for (minutes, what) in writes {
            now += TimeDelta::minutes(i64::from(minutes % 3));
            let patch = patch(now, what);
            let before = contact.consent;
            contact.apply(&patch, by(), None, now, 0);
            if before == Consent::Unsubscribed && contact.consent != before {
                assert!(patch.resubscribe && patch.consent == Some(contact.consent), "{patch:?}");
            }
        }
    });
}

#[test]
fn a_contact_has_room_for_a_thousand_tags() {
    let tags = |range: std::ops::Range<usize>| -> Vec<Tag> {
        range.map(|n| Tag::new(&format!("t{n}")).expect("a tag")).collect()
    };
    let mut contact = Contact::new(contact_id(0), Consent::Subscribed, dawn());
    let all = Patch { add: tags(0..MOST_TAGS), ..Patch::default() };
    assert!(contact.has_room_for(&all));
    contact.apply(&all, by(), None, dawn(), 0);
    let has_room = |add, remove| contact.has_room_for(&Patch { add, remove, ..Patch::default() });
    assert!(has_room(tags(0..MOST_TAGS), tags(0..0)), "assigned again");
    assert!(!has_room(tags(MOST_TAGS..MOST_TAGS + 1), tags(0..0)), "one more");
    assert!(has_room(tags(MOST_TAGS..MOST_TAGS + 1), tags(0..1)), "in the place of another");
    assert!(!has_room(tags(MOST_TAGS..MOST_TAGS + 2), tags(0..1)));
    assert!(!has_room([tags(0..1), tags(MOST_TAGS..MOST_TAGS + 1)].concat(), tags(0..1)));
}
