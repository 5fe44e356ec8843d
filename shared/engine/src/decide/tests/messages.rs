//! Messages from the queue to their settling: `decide/messages.rs`.

use expect_test::expect;

use super::{Event, Story, delivery, instant, settled, timer};
use crate::contact::Consent;
use crate::statistics::Outcome;

const MAIL: &str = "
    lead: { type: start, when: { tag: Lead }, next: mail }
    mail: { type: email, email: offer, next: day }
    day: { type: wait, for: 1 day }
";

#[test]
fn r31_a_token_rests_at_an_email_until_its_message_is_settled() {
    let mut story = Story::of(MAIL);
    story.add("Lead").check(
        &Event::Changed,
        &expect![[r#"
            run 1 active
            token 1 at mail: message, queued
            fired lead
            effect: deliver 1.1, Marketing
            effect: status changed, chain 1, depth 0
            12-01 09:00 because tag Lead was added by API key desk:
              run 1 lead: entered the campaign
              run 1 mail: message on its way
        "#]],
    );
    story.check(
        &delivery(1, 1),
        &expect![[r#"
        deliver mail of step 1
    "#]],
    );
    story.check(
        &settled(1, 1),
        &expect![[r#"
            run 1 active
            token 2 at day: wait until 12-02 09:00
            fired lead
            effect: schedule 1.2 at 12-02 09:00
            12-01 09:00 because the message was settled:
              run 1 mail: message sent
              run 1 day: waits until Dec 2, 2026, 9:00 AM (UTC)
        "#]],
    );
    story.check(
        &settled(1, 1),
        &expect![[r#"
        ignored: LeftStep
    "#]],
    );
}

#[test]
fn r31_consent_is_looked_at_right_before_the_message_leaves() {
    let mut story = Story::of(MAIL);
    story.add("Lead").happens(&Event::Changed);
    story.consent(Consent::Unsubscribed).check(
        &delivery(1, 1),
        &expect![[r#"
            run 1 active
            token 2 at day: wait until 12-02 09:00
            fired lead
            effect: record 1.1 at mail, offer is suppressed: the contact unsubscribed
            effect: schedule 1.2 at 12-02 09:00
            12-01 09:00 because the message was due:
              run 1 mail: message suppressed: the contact unsubscribed
              run 1 day: waits until Dec 2, 2026, 9:00 AM (UTC)
        "#]],
    );
}

#[test]
fn r32_a_transactional_message_needs_no_consent() {
    let mut story = Story::of(
        "
        lead: { type: start, when: { tag: Lead }, next: mail }
        mail: { type: email, email: notice }
    ",
    );
    story.consent(Consent::Unsubscribed).add("Lead").happens(&Event::Changed);
    story.check(
        &delivery(1, 1),
        &expect![[r#"
        deliver mail of step 1
    "#]],
    );
}

#[test]
fn r34_a_message_from_a_date_timer_is_not_sent_after_the_date() {
    let mut story = Story::of(
        "
        lead: { type: start, when: { tag: Lead }, next: before }
        before: { type: date_timer, field: visit, offset: -1 hour, next: mail }
        mail: { type: email, email: notice }
    ",
    );
    story.visit("2026-12-02 14:00").add("Lead").happens(&Event::Changed);
    story.at("2026-12-02 13:00").happens(&timer(1, 1, "2026-12-02 13:00"));
    story.at("2026-12-02 14:01").check(
        &delivery(1, 2),
        &expect![[r#"
            run 1 completed
            fired lead
            effect: record 1.2 at mail, notice is suppressed: too late: the date has passed
            effect: status changed, chain 13468336956716680152, depth 0
            12-02 14:01 because the message was due:
              run 1 mail: message suppressed: too late: the date has passed
              run 1 -: campaign completed
        "#]],
    );
}

#[test]
fn r43_the_message_over_the_days_bound_is_not_queued() {
    let mut story = Story::with_settings(
        "{ max_messages_per_day: 1 }",
        "
        lead: { type: start, when: { tag: Lead }, next: first }
        first: { type: email, email: offer, next: second }
        second: { type: email, email: offer }
    ",
    );
    story.add("Lead").happens(&Event::Changed);
    story.check(
        &settled(1, 1),
        &expect![[r#"
        run 1 held
        fired lead
        held MessagesPerDay
        effect: record 1.2 at second, offer is suppressed: the most messages a day were reached
        effect: status changed, chain 1, depth 0
        12-01 09:00 because the message was settled:
          run 1 first: message sent
          run 1 second: message suppressed: the most messages a day were reached
          run 1 second: held: the most messages a day were reached
    "#]],
    );
}

#[test]
fn marketing_mail_waits_for_the_send_window() {
    let mut story = Story::with_settings("{ email_time: { from: '10:00', to: '18:00' } }", MAIL);
    story.add("Lead").check(
        &Event::Changed,
        &expect![[r#"
            run 1 active
            token 1 at mail: message, window from 12-01 10:00
            fired lead
            effect: schedule 1.1 at 12-01 10:00
            effect: status changed, chain 1, depth 0
            12-01 09:00 because tag Lead was added by API key desk:
              run 1 lead: entered the campaign
              run 1 mail: message waits for the send window, Dec 1, 2026, 10:00 AM (UTC)
        "#]],
    );
    story.at("2026-12-01 10:00").check(
        &timer(1, 1, "2026-12-01 10:00"),
        &expect![[r#"
            run 1 active
            token 1 at mail: message, queued
            fired lead
            effect: deliver 1.1, Marketing
            12-01 10:00 because the timer came due:
              run 1 mail: message on its way
        "#]],
    );
    story.at("2026-12-01 18:00").check(
        &delivery(1, 1),
        &expect![[r#"
            run 1 active
            token 1 at mail: message, window from 12-02 10:00
            fired lead
            effect: schedule 1.1 at 12-02 10:00
            12-01 18:00 because the message was due:
              run 1 mail: message waits for the send window, Dec 2, 2026, 10:00 AM (UTC)
        "#]],
    );
}

#[test]
fn r30_a_message_from_before_a_restore_is_taken_as_sent() {
    let mut story = Story::of(MAIL);
    story.add("Lead").happens(&Event::Changed);
    story.at("2026-12-05 09:00").account.sent_until = Some(instant("2026-12-04 00:00"));
    story.check(&delivery(1, 1), &expect![[r#"
        run 1 active
        token 2 at day: wait until 12-02 09:00
        fired lead
        effect: record 1.1 at mail, offer is unknown: it was due before the restore, and may have been sent then
        effect: schedule 1.2 at 12-02 09:00
        12-01 09:00 because the message was due:
          run 1 mail: message unknown: it was due before the restore, and may have been sent then
          run 1 day: waits until Dec 2, 2026, 9:00 AM (UTC)
    "#]]);
}

#[test]
fn r31_a_message_that_failed_lets_the_token_go_on() {
    let mut story = Story::of(MAIL);
    story.add("Lead").happens(&Event::Changed);
    let reason = Some("the mail service refused it".to_owned());
    let event = Event::Settled { run: 1, step: 1, outcome: Outcome::Failed, reason };
    story.check(
        &event,
        &expect![[r#"
            run 1 active
            token 2 at day: wait until 12-02 09:00
            fired lead
            effect: schedule 1.2 at 12-02 09:00
            12-01 09:00 because the message was settled:
              run 1 mail: message failed: the mail service refused it
              run 1 day: waits until Dec 2, 2026, 9:00 AM (UTC)
        "#]],
    );
}

#[test]
fn r42_a_message_that_leaves_after_hours_begins_a_chain_of_its_own() {
    let mut story = Story::of(
        "
        lead: { type: start, when: { tag: Lead }, next: mail }
        mail: { type: email, email: offer, next: won }
        won: { type: goal, when: { field: visit, is: past }, next: note }
        note: { type: tag, add: [Won] }
    ",
    );
    story.visit("2026-12-01 10:00").add("Lead").happens(&Event::Changed);
    story.at("2026-12-01 12:00").check(
        &delivery(1, 1),
        &expect![[r#"
        run 1 completed
        fired lead, won
        write +Won (depth 1)
        effect: status changed, chain 16862936150897645201, depth 0
        12-01 12:00 because the message was due:
          run 1 mail: message dropped before it left
          run 1 won: the goal was reached
          run 1 note: added tag Won
          run 1 -: campaign completed
    "#]],
    );
}
