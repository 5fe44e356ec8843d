//! What is told of two documents, and what makes no difference.

use dacapo_engine::campaign::format::Document;
use dacapo_engine::campaign::reader::read;
use expect_test::{Expect, expect};

use super::{Difference, longest_rising};

const LOOP: &str = include_str!("../../../../examples/appointment-loop.yaml");

fn document(text: &str) -> Document {
    read(text).expect("a document").document
}

/// Compares the example with itself after these replacements.
fn check(replaced: &[(&str, &str)], expected: &Expect) {
    let mut text = LOOP.to_owned();
    for (old, new) in replaced {
        assert!(text.contains(old), "the example has no {old:?}");
        text = text.replacen(old, new, 1);
    }
    expected.assert_eq(&Difference::between(&document(LOOP), &document(&text)).text());
}

#[test]
fn how_a_document_is_written_makes_no_difference() {
    check(
        &[
            ("# A contact is invited", "# Another comment"),
            ("for: 2 days, next: invite_again", "next: invite_again, for: \"2 days\""),
            ("offset: -1 hour, next: remind", "offset: -1 hour, past: missed, next: remind"),
            ("    purpose: transactional\n", "    \"purpose\":   transactional\n"),
            ("Let's meet, {{", "Let\\u0027s meet, {{"),
        ],
        &expect![""],
    );
}

#[test]
fn elements_are_told_with_the_keys_that_changed() {
    check(
        &[
            (
                "for: 2 days, next: invite_again",
                "for: 3 days, until: { time: \"09:00\" }, next: invite_again",
            ),
            (
                "when: { tag: Lead }",
                "when: { all: [{ tag: Lead }, { field: appointment, is: empty }] }",
            ),
            (
                "next: hour_before }",
                "next: day_before }\n  day_before: { type: date_timer, field: appointment, offset: -1 day, next: hour_before }",
            ),
            ("remind: { type: email, email: reminder }", "remind: { type: end }"),
            ("  sorry: { type: email, email: sorry, next: booked }\n", ""),
            ("Not reached], next: sorry", "Not reached]"),
        ],
        &expect![[r#"
            ~ element lead
                when: { tag: Lead } → { all: [{ tag: Lead }, { field: appointment, is: empty }] }
            ~ element two_days
                for: 2 days → 3 days
                until: (nothing) → { time: "09:00", weekdays: [mon, tue, wed, thu, fri, sat, sun] }
            ~ element confirm
                next: hour_before → day_before
            + element day_before (date_timer)
            ~ element remind
                email: reminder → (nothing)
                type: email → end
            ~ element withdraw
                next: sorry → (nothing)
            - element sorry (email)
        "#]],
    );
}

#[test]
fn other_parts_are_told_by_name() {
    check(
        &[
            ("name: Repeat automated appointment scheduling", "name: Appointments"),
            ("name: Studio Nord, address", "name: Studio Süd, address"),
        ],
        &expect![[r#"
            ~ name: Repeat automated appointment scheduling → Appointments
            ~ sender
                name: Studio Nord → Studio Süd
        "#]],
    );
    let allow = &LOOP[LOOP.find("allow:").expect("what is allowed")..];
    check(
        &[
            ("sender: { name: Studio Nord, address: hello@studio-nord.example }\n", ""),
            ("label: Appointment", "label: Begins"),
            ("fields:\n", "settings: { restart_delay: 1 day }\nfields:\n  place: text\n"),
            (allow, ""),
        ],
        &expect![[r#"
            - sender
            ~ settings
                restart_delay: (nothing) → 1 day
            ~ field appointment
                label: Appointment → Begins
            + field place (text)
            - allow
        "#]],
    );
}

#[test]
fn long_texts_are_shown_from_their_first_difference_on() {
    check(
        &[
            (
                "at {{ contact.appointment | date('time') }}.\n  reminder",
                "at {{ contact.appointment | date('time') }}.\n\n      Bring your papers.\n  reminder",
            ),
            ("subject: \"Still time to meet\"", "subject: \"Still time\u{200b} to meet\""),
        ],
        &expect![[r#"
            ~ e-mail confirmation
                text: …tment | date('time') }}. → …tment | date('time') }}.\n\nBring your papers.
            ~ e-mail invite_again
                subject: Still time to meet → Still time\u{200b} to meet
        "#]],
    );
}

#[test]
fn r10_an_element_in_another_place_is_told() {
    let lead = "  lead: { type: start, when: { tag: Lead }, next: invite }\n";
    check(
        &[(lead, ""), ("  not_reached:", &format!("{lead}  not_reached:"))],
        &expect![[r#"
        ~ element lead
            order: first → behind remind
    "#]],
    );
    let (one, other) = (
        "{ id: x, elements: { a: { type: end }, b: { type: end }, c: { type: end } } }",
        "{ id: x, elements: { c: { type: end }, d: { type: end }, a: { type: end }, b: { type: end } } }",
    );
    let difference = Difference::between(&document(one), &document(other));
    expect![[r#"
        ~ element c
            order: behind b → first
        + element d (end)
    "#]]
    .assert_eq(&difference.text());
    let data = serde_json::to_string_pretty(&difference).expect("JSON");
    expect![[r#"
        [
          {
            "part": "elements",
            "id": "c",
            "kind": "changed",
            "keys": [
              {
                "key": "order",
                "before": "behind b",
                "after": "first"
              }
            ]
          },
          {
            "part": "elements",
            "id": "d",
            "kind": "added",
            "keys": [
              {
                "key": "type",
                "before": null,
                "after": "end"
              }
            ]
          }
        ]"#]]
    .assert_eq(&data);
}

#[test]
fn what_stays_in_order_is_as_long_as_it_can_be() {
    for (list, expected) in [
        (vec![], vec![]),
        (vec![0, 1, 2], vec![0, 1, 2]),
        (vec![2, 0, 1], vec![1, 2]),
        (vec![3, 2, 1, 0], vec![3]),
        (vec![1, 0, 3, 2, 5, 4], vec![1, 3, 5]),
    ] {
        assert_eq!(longest_rising(&list).into_iter().collect::<Vec<_>>(), expected, "{list:?}");
    }
}

#[test]
fn a_document_is_no_different_from_itself() {
    for text in [
        LOOP,
        include_str!("../../../../examples/appointments.yaml"),
        include_str!("../../../../examples/onboarding.yaml"),
    ] {
        let difference = Difference::between(&document(text), &document(text));
        assert!(difference.is_empty(), "{}", difference.text());
    }
}
