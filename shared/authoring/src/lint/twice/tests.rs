//! What happens once only: the article's own example, and what is left alone.

use crate::fix::apply;
use crate::lint::tests::{findings, plays, silent, trips};

/// The example of the article, as it tells it: only "Appointment made" is withdrawn.
const AS_TOLD: &str = r#"
id: appointment-loop
sender: { address: hello@studio-nord.example }
fields:
  appointment: { type: datetime, label: Appointment }
elements:
  lead: { type: start, when: { tag: Lead }, next: invite }
  invite: { type: email, email: invite, next: two_days }
  two_days: { type: wait, for: 2 days, next: invite_again }
  invite_again: { type: email, email: invite_again, next: booked }
  booked: { type: event, on: { tag_added: Appointment made }, next: confirm }
  confirm: { type: email, email: confirmation, next: hour_before }
  hour_before: { type: date_timer, field: appointment, offset: -1 hour, next: remind }
  remind: { type: email, email: reminder }
  not_reached: { type: event, on: { tag_added: Not reached }, next: again }
  again: { type: reset, next: withdraw }
  withdraw: { type: tag, remove: [Appointment made], next: sorry }  # as the article says
  sorry: { type: email, email: sorry, next: booked }
emails:
  invite: { subject: Meet us, text: "https://calendly.example/studio-nord" }
  invite_again: { subject: Still time, text: "https://calendly.example/studio-nord" }
  confirmation:
    purpose: transactional
    subject: See you
    text: "Your appointment is on {{ contact.appointment | date('long') }}."
  reminder: { purpose: transactional, subject: In an hour, text: See you soon. }
  sorry: { purpose: transactional, subject: We missed you, text: "https://calendly.example/studio-nord" }
"#;

#[test]
fn r7_r11_the_articles_own_example_loops_once_and_the_remedy_mends_it() {
    trips("D104", AS_TOLD, &["not_reached"]);
    let found = findings(AS_TOLD);
    let finding = found.iter().find(|it| it.code == "D104").expect("found");
    assert!(finding.message.contains("`Not reached`"), "{}", finding.message);
    let proof = finding.proof.as_ref().expect("a proof");
    assert!(plays(AS_TOLD, proof), "the second no-show does nothing");
    let (mended, applied) = apply(AS_TOLD, &found);
    assert!(applied >= 1);
    assert!(
        mended.contains("remove: [Not reached, Appointment made], next: sorry }  # as the article"),
        "{mended}"
    );
    silent("D104", &mended);
    assert!(!plays(&mended, proof), "with the remedy the second no-show begins another run");
}

#[test]
fn r5_r11_the_second_booking_of_the_articles_example() {
    let withdrawn = AS_TOLD.replace("[Appointment made]", "[Not reached]");
    trips("D105", &withdrawn, &["booked"]);
    silent("D105", AS_TOLD);
    trips("D106", AS_TOLD, &["booked"]);
}

#[test]
fn r7_d104_another_campaign_may_withdraw_the_tag_and_an_assigned_one_fires_again() {
    let loops = |on: &str| {
        format!(
            "id: a\nelements:\n  e: {{ type: event, on: {{ {on}: Missed }}, next: r }}\n  \
             r: {{ type: reset, next: w }}\n  w: {{ type: wait, for: 1 day }}\n"
        )
    };
    trips("D104", &loops("tag_added"), &["e"]);
    silent("D104", &loops("tag_assigned"));
    let other = "id: b\nelements:\n  e: { type: start, when: { tag: Missed }, next: t }\n  \
                 t: { type: tag, remove: [Missed] }\n";
    silent("D104", &format!("{}---\n{other}", loops("tag_added")));
}

#[test]
fn r5_d105_an_event_of_once_in_a_lifetime_is_left_alone() {
    silent(
        "D105",
        "id: a\nelements:\n  e: { type: event, on: { tag_added: Customer }, next: w }\n  \
         w: { type: wait, for: 1 day }\n  \
         m: { type: event, on: { tag_added: Missed }, next: r }\n  r: { type: reset, next: t }\n  \
         t: { type: tag, remove: [Missed] }\n",
    );
}

#[test]
fn r71_d106_objects_have_a_booking_each() {
    let campaign = super::SECOND_BOOKING_DOES_NOTHING_PAGE.example;
    let about_objects = campaign.replace(
        "fields: { appointment: { type: datetime } }",
        "per: booking\nobjects: { booking: { fields: { appointment: { type: datetime } } } }",
    );
    silent("D106", &about_objects);
}

#[test]
fn r16_d106_a_stop_that_resets_or_another_campaign_that_does_is_enough() {
    let campaign = crate::lint::twice::SECOND_BOOKING_DOES_NOTHING_PAGE.example;
    let stops = campaign.replace(
        "remind: { type: email, email: remind }",
        "remind: { type: email, email: remind, next: stop }\n  \
         stop: { type: stop_campaign, reset_contacts: true }",
    );
    silent("D106", &stops);
    let other = "id: resets\nelements:\n  e: { type: event, on: { tag_added: Kept }, next: r }\n  \
                 r: { type: reset, campaign: appointments }\n";
    silent("D106", &format!("{campaign}\n---\n{other}"));
}
