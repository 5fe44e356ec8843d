//! Every key leads back to what it is about.

use super::*;

fn keys() -> Keys {
    Keys::of(AccountId::new("a").unwrap())
}

fn booking() -> ContactId {
    ContactId::new("cann.appointment.c1").unwrap()
}

#[test]
fn r70_everything_of_an_object_is_in_the_partition_of_its_person_and_leads_back_to_it() {
    let (keys, object) = (keys(), booking());
    let (campaign, at) = (CampaignId::new("p.q").unwrap(), Instant::UNIX_EPOCH);
    let about = [
        (keys.contact(&object), "O#appointment.c1", "object"),
        (keys.tombstone(&object), "ERASED#appointment.c1", "tombstone"),
        (keys.enrollment(&object, &campaign), "EO#appointment.c1#p.q", "enrollment"),
        (keys.message(&object, &campaign, 1, 2), "M#p.q@appointment.c1#000001#000002", "message"),
        (keys.call(&object, &campaign, 1, 2), "W#p.q@appointment.c1#000001#000002", "call"),
        (
            keys.history(&object, at, &campaign, 3, 0),
            "H#000000000000000#p.q@appointment.c1#0000000003",
            "history",
        ),
        (
            keys.history_of_webhook(&object, at, &campaign, 1, 2),
            "H#000000000000000#p.q@appointment.c1#call.1.2",
            "history",
        ),
        (
            keys.trace(&object, at, 3, None),
            "H#000000000000000#~@appointment.c1#0000000003",
            "history",
        ),
        (keys.undecided(&object, &campaign, 3), "Q#p.q@appointment.c1#000000000003", "undecided"),
    ];
    for (key, sk, what) in about {
        assert_eq!((key.pk.as_str(), key.sk.as_str()), ("A#a#C#cann", sk));
        assert_eq!(subject_in(&key), Some(object.clone()), "{sk}");
        assert_eq!(contact_in(&key), Some(object.person()), "{sk}");
        assert_eq!(kind(&key), what, "{sk}");
    }
    assert!(is_trace(&keys.trace(&object, at, 3, None)));
    assert!(!is_trace(&keys.history(&object, at, &campaign, 3, 0)));
    assert_eq!(revision_of_history(&keys.history(&object, at, &campaign, 3, 0)), Some(3));
}

#[test]
fn r71_the_feed_carries_objects_and_their_enrollments_and_names_the_subject() {
    let (keys, object) = (keys(), booking());
    let (person, campaign) = (object.person(), CampaignId::new("p").unwrap());
    for subject in [&person, &object] {
        let (itself, enrolled) = (keys.contact(subject), keys.enrollment(subject, &campaign));
        assert!(is_fed(&itself) && is_fed(&enrolled));
        assert_eq!(fed(&itself), Some((subject.clone(), None)));
        assert_eq!(fed(&enrolled), Some((subject.clone(), Some(campaign.clone()))));
    }
    for other in [
        keys.tombstone(&object),
        keys.message(&object, &campaign, 1, 1),
        keys.object(&ObjectType::new("appointment").unwrap(), "k"),
        keys.catalog(),
    ] {
        assert!(!is_fed(&other), "{other:?}");
        assert_eq!(fed(&other), None, "{other:?}");
    }
}

#[test]
fn r71_what_a_page_of_a_contact_reads_does_not_grow_with_its_objects() {
    let (keys, object) = (keys(), booking());
    let campaign = CampaignId::new("p").unwrap();
    let read = |key: &Key| (CONTACT..=BEHIND_ENROLLMENTS).contains(&key.sk.as_str());
    assert!(read(&keys.contact(&object.person())));
    assert!(read(&keys.enrollment(&object.person(), &campaign)));
    assert!(!read(&keys.contact(&object)));
    assert!(!read(&keys.enrollment(&object, &campaign)));
}

#[test]
fn r70_a_key_of_an_object_may_hold_any_text_and_is_unique_in_its_type() {
    let keys = keys();
    let kind = |name| ObjectType::new(name).unwrap();
    let text = "https://api.calendly.com/#\u{1f600} /x";
    let key = keys.object(&kind("appointment"), text);
    assert_eq!(key, keys.object(&kind("appointment"), text));
    assert_ne!(key, keys.object(&kind("order"), text));
    assert_ne!(key, keys.object(&kind("appointment"), &text.to_uppercase()));
    assert_eq!(super::kind(&key), "object key");
}

#[test]
fn an_id_can_stand_in_a_path_and_is_its_own() {
    assert_eq!(dead_letter_id("tag-change/4959"), "tag-change:4959");
    assert_eq!(dead_letter_id("feedback/a b/ü"), "feedback:a:b::");
    let long = dead_letter_id(&format!("feedback/{}", "x".repeat(2000)));
    assert!(long.starts_with("feedback:") && long.len() <= LONGEST_ID_BYTES, "{long}");
    for id in ["timer:059f36b4-87a3", long.as_str()] {
        assert_eq!(dead_letter_id(id), id);
    }
}
