//! Laws of contacts: what a change is, and how it is undone.

use chrono::TimeDelta;
use dacapo_engine::contact::{CHANGES_KEPT, Consent, Contact};
use proptest::prelude::*;

use crate::check;
use crate::stories::{by, contact_id, dawn, patch};

/// What can be compared of a contact: tags as they are shown, too; not when it last changed, which is said by
/// a change that may no longer be carried.
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
            // The same again changes nothing but tags' instants and custom events (R2).
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
