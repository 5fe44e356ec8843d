//! Timers that are found, and those that are left alone.

use crate::lint::tests::{silent, trips};

#[test]
fn r22_d301_says_nothing_where_empty_is_written_or_a_mail_shows_the_date() {
    let campaign = super::DATE_NOTHING_SETS_PAGE.example;
    silent("D301", &campaign.replace("offset: 3 days", "offset: 3 days, empty: wait"));
    silent("D301", &campaign.replace("Tell us.", "'{{ contact.trial_end | date }}'"));
    trips("D301", campaign, &["before_the_end"]);
}

#[test]
fn r22_d302_a_timer_with_another_way_to_it_is_left_alone() {
    let campaign = super::TIMER_ALWAYS_LATE_PAGE.example;
    silent("D302", &campaign.replace("missed: hour_before", "missed: evening_before"));
    trips("D302", &campaign.replace("-12 hours", "-36 hours"), &["evening_before"]);
    silent("D302", &campaign.replace("-12 hours", "2 days"));
}

#[test]
fn d304_a_message_of_another_campaign_on_the_same_booking_confirms() {
    let campaign = super::REMINDER_WITHOUT_CONFIRMATION_PAGE.example;
    let other = "id: confirms\nelements:\n  e: { type: event, on: { field_set: appointment }, next: m }\n  \
                 m: { type: email, email: m }\nfields: { appointment: { type: datetime } }\n\
                 emails: { m: { purpose: transactional, subject: See you, text: Fine. } }\n";
    trips("D304", campaign, &["booked"]);
    silent("D304", &format!("{campaign}\n---\n{other}"));
}

#[test]
fn d304_a_series_that_begins_months_before_a_date_needs_no_confirmation() {
    let campaign = super::REMINDER_WITHOUT_CONFIRMATION_PAGE.example;
    trips("D304", &campaign.replace("-1 hour", "-14 days"), &["booked"]);
    silent("D304", &campaign.replace("-1 hour", "-39 weeks"));
}

#[test]
fn d304_a_choice_may_mean_that_no_confirmation_is_needed() {
    let campaign = crate::lint::timing::REMINDER_WITHOUT_CONFIRMATION_PAGE.example;
    let chosen = campaign.replace("next: hour_before }", "next: asks }").replace(
        "elements:",
        "elements:\n  asks: { type: condition, when: { tag: Told }, then: hour_before }",
    );
    silent("D304", &chosen);
}
