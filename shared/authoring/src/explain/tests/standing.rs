//! What is parked, paused, stopped, held, completed; and an object.

use std::collections::BTreeMap;

use dacapo_engine::contact::Patch;
use dacapo_engine::enrollment::Status;
use dacapo_engine::field::FieldType;
use dacapo_engine::history::Command;
use dacapo_engine::ids::{CampaignId, FieldKey, ObjectType};
use dacapo_engine::simulation::ObjectKey;
use dacapo_engine::time::Zone;
use expect_test::expect;

use super::{LOOP, Story, ann, as_text, zapier};

#[test]
fn r61_what_is_parked_is_told_until_when_and_by_which_trigger() {
    let mut story = Story::of(LOOP);
    story.write(&[("appointment", "2026-12-02 14:00")], &["Lead", "Booked"], &[]);
    story.at("2026-12-02 15:00").add("Kept").says(&expect![[r#"
        The contact ann@example.com waits for a trigger that restarts the campaign meeting, in run 2, since Dec 2, 2026, 3:00 PM (UTC), because tag Kept was added by API key zapier.
        The condition of `lead` holds, so the restart needs only a trigger: any change of tags or fields.
        Next, Dec 2, 2026, 3:05 PM (UTC): from then on any change of tags or fields checks the start conditions.
        -- awaiting_restart run 2 since 12-02 15:00
        next 12-02 15:05 -: from then on any change of tags or fields checks the start conditions
        next - lead: it enters with the next change of tags or fields, since its condition holds
        next - booked: it enters once the tag Booked is added (`tag_added`; Booked is there already, and has to be withdrawn first)
        start lead
          + the tag Lead and no tag Customer since -
            + the tag Lead since 12-01 09:00
            + no tag Customer since -
              - the tag Customer since -
        message 12-02 13:00 remind sent: -
        change 12-02 15:00 tag Kept was added by API key zapier
          effect: `kept` the goal was reached; `again` campaign restarted, a trigger from Dec 2, 2026, 3:05 PM (UTC) on starts it
        change 12-01 09:00 tag Lead was added, tag Booked was added, field appointment was set by API key zapier
          effect: `booked` the event happened; `lead` used up: what it leads to has happened; `hour_before` timer set for Dec 2, 2026, 1:00 PM (UTC)
        change 12-01 09:00 field email was set by API key zapier
          nothing: nothing in this campaign reacted to it
    "#]]);
    story.at("2026-12-02 15:02").add("Other").says(&expect![[r#"
        The contact ann@example.com waits for a trigger that restarts the campaign meeting, in run 2, since Dec 2, 2026, 3:00 PM (UTC), because tag Kept was added by API key zapier.
        The condition of `lead` holds, so the restart needs only a trigger: any change of tags or fields.
        A trigger is parked until Dec 2, 2026, 3:05 PM (UTC), because tag Other was added by API key zapier.
        Next, Dec 2, 2026, 3:05 PM (UTC): the start conditions are checked, for the trigger that is parked.
        -- awaiting_restart run 2 since 12-02 15:00
        next 12-02 15:05 -: the start conditions are checked, for the trigger that is parked
        next - lead: it enters with the next change of tags or fields, since its condition holds
        next - booked: it enters once the tag Booked is added (`tag_added`; Booked is there already, and has to be withdrawn first)
        start lead
          + the tag Lead and no tag Customer since -
            + the tag Lead since 12-01 09:00
            + no tag Customer since -
              - the tag Customer since -
        parked 12-02 15:05 -: because tag Other was added by API key zapier
        message 12-02 13:00 remind sent: -
        change 12-02 15:02 tag Other was added by API key zapier
          effect: waiting for restart, parked until Dec 2, 2026, 3:05 PM (UTC), because tag Other was added by API key zapier
        change 12-02 15:00 tag Kept was added by API key zapier
          effect: `kept` the goal was reached; `again` campaign restarted, a trigger from Dec 2, 2026, 3:05 PM (UTC) on starts it
        change 12-01 09:00 tag Lead was added, tag Booked was added, field appointment was set by API key zapier
          effect: `booked` the event happened; `lead` used up: what it leads to has happened; `hour_before` timer set for Dec 2, 2026, 1:00 PM (UTC)
        change 12-01 09:00 field email was set by API key zapier
          nothing: nothing in this campaign reacted to it
    "#]]);
    story.at("2026-12-02 15:05").says(&expect![[r#"
        The contact ann@example.com waits for a trigger that restarts the campaign meeting, in run 3, since Dec 2, 2026, 3:05 PM (UTC), rechecked, because tag Other was added by API key zapier.
        The condition of `lead` holds, so the restart needs only a trigger: any change of tags or fields.
        Next, Dec 2, 2026, 3:10 PM (UTC): from then on any change of tags or fields checks the start conditions.
        -- awaiting_restart run 3 since 12-02 15:05
        next 12-02 15:10 -: from then on any change of tags or fields checks the start conditions
        next - lead: it enters with the next change of tags or fields, since its condition holds
        next - booked: it enters once the tag Booked is added (`tag_added`; Booked is there already, and has to be withdrawn first)
        start lead
          + the tag Lead and no tag Customer since -
            + the tag Lead since 12-01 09:00
            + no tag Customer since -
              - the tag Customer since -
        message 12-02 13:00 remind sent: -
        change 12-02 15:02 tag Other was added by API key zapier
          effect: waiting for restart, parked until Dec 2, 2026, 3:05 PM (UTC), because tag Other was added by API key zapier
        change 12-02 15:00 tag Kept was added by API key zapier
          effect: `kept` the goal was reached; `again` campaign restarted, a trigger from Dec 2, 2026, 3:05 PM (UTC) on starts it
        change 12-01 09:00 tag Lead was added, tag Booked was added, field appointment was set by API key zapier
          effect: `booked` the event happened; `lead` used up: what it leads to has happened; `hour_before` timer set for Dec 2, 2026, 1:00 PM (UTC)
        change 12-01 09:00 field email was set by API key zapier
          nothing: nothing in this campaign reacted to it
    "#]]);
}

#[test]
fn r61_a_pause_parks_and_everything_stands_still() {
    let mut story = Story::of(LOOP);
    let id = CampaignId::new("meeting").expect("an id");
    story.add("Lead").at("2026-12-02 08:00");
    story.0.pause(&id);
    story.0.settle();
    story.add("Booked").says(&expect![[r#"
        The contact ann@example.com is in run 1 of the campaign meeting, since Dec 1, 2026, 9:00 AM (UTC), because tag Lead was added by API key zapier.
        The campaign is paused since Dec 2, 2026, 8:00 AM (UTC), until it is resumed: everything stands still.
        At `two_days` since Dec 1, 2026, 9:00 AM (UTC) (because the message was settled): it waits until Dec 3, 2026, 9:00 AM (UTC).
        For `booked` something is parked until the campaign is resumed, because tag Booked was added by API key zapier.
        -- active run 1 since 12-01 09:00
        at two_days since 12-01 09:00 due 12-03 09:00
        next - -: the campaign is resumed, and what stands still goes on
        next - two_days: it goes on to `booked`
        next - booked: once the tag Booked is added (`tag_added`), it leaves `two_days` for `booked`
        next - kept: once this holds: the tag Kept, it leaves `two_days` for `kept`
        parked - booked: because tag Booked was added by API key zapier
        message 12-01 09:00 invite sent: -
        change 12-02 08:00 tag Booked was added by API key zapier
          effect: `booked` parked until the campaign is resumed, because tag Booked was added by API key zapier
        change 12-01 09:00 tag Lead was added by API key zapier
          effect: `lead` entered the campaign; `invite` message on its way
        change 12-01 09:00 field email was set by API key zapier
          nothing: nothing in this campaign reacted to it
    "#]]);
}

#[test]
fn r61_who_is_stopped_or_ready_is_told_what_lets_it_in_again() {
    let mut story = Story::of(LOOP);
    story.add("Lead").by_hand(Command::Stop).says(&expect![[r#"
        The contact ann@example.com is stopped in the campaign meeting, since Dec 1, 2026, 9:00 AM (UTC), because API key zapier asked for it by hand.
        -- stopped run 1 since 12-01 09:00
        next - -: it is reset (`…/reset`): until then nothing lets it in
        message 12-01 09:00 invite sent: -
        change 12-01 09:00 tag Lead was added by API key zapier
          effect: `lead` entered the campaign; `invite` message on its way
        change 12-01 09:00 field email was set by API key zapier
          nothing: nothing in this campaign reacted to it
    "#]]);
    story.by_hand(Command::Reset).says(&expect![[r#"
        The contact ann@example.com is ready for run 2 of the campaign meeting, and nothing is running, since Dec 1, 2026, 9:00 AM (UTC), because it was reset (because API key zapier asked for it by hand).
        The condition of `lead` holds, but it is looked at only when something that it reads changes: a tag that is assigned again is enough.
        -- ready run 2 since 12-01 09:00
        next - lead: it enters with the next change of what the start reads, since its condition holds
        next - booked: it enters once the tag Booked is added (`tag_added`)
        start lead
          + the tag Lead and no tag Customer since -
            + the tag Lead since 12-01 09:00
            + no tag Customer since -
              - the tag Customer since -
        message 12-01 09:00 invite sent: -
        change 12-01 09:00 tag Lead was added by API key zapier
          effect: `lead` entered the campaign; `invite` message on its way
        change 12-01 09:00 field email was set by API key zapier
          nothing: nothing in this campaign reacted to it
    "#]]);
}

#[test]
fn r11_r61_a_reset_is_told_as_one_with_its_cause() {
    let text = "id: meeting\nelements:\n  \
         booked: { type: event, on: { tag_added: Booked }, next: thanks }\n  \
         thanks: { type: email, email: thanks, next: again }\n  \
         again: { type: reset, next: rest }\n  rest: { type: wait, for: 1 day }\n\
         emails: { thanks: { purpose: transactional, subject: Thanks, text: Thanks } }\n";
    let mut story = Story::of(text);
    let explained = story.add("Booked").explained(&ann(), "meeting");
    let why = "because it was reset at `again` (because the message was settled)";
    assert_eq!((explained.run, explained.why.as_deref()), (Some(2), Some(why)));
    assert_eq!(explained.since, Some(super::instant("2026-12-01 09:00")), "the path goes on");
    assert!(explained.summary.contains(why), "{}", explained.summary);
    // Without `next` nothing is running, and the event needs a tag that can be added.
    let explained =
        Story::of(&text.replace(", next: rest", "")).add("Booked").explained(&ann(), "meeting");
    assert_eq!((explained.status, explained.why.as_deref()), (Some(Status::Ready), Some(why)));
    let next: Vec<&str> = explained.next.iter().map(|next| next.text.as_str()).collect();
    let once = "it enters once the tag Booked is added (`tag_added`; Booked is there already, and \
                has to be withdrawn first)";
    assert_eq!(next, [once]);
}

#[test]
fn r61_who_is_held_is_told_which_guard_it_was() {
    let mut story = Story::of(
        "id: meeting\nsettings: { max_runs_per_day: 1 }\nelements:\n  \
         lead: { type: event, on: { tag_assigned: Lead }, next: again }\n  again: { type: reset }\n",
    );
    story.add("Lead").at("2026-12-01 10:00").add("Lead").says(&expect![[r#"
        The contact ann@example.com is held in the campaign meeting (the most runs a day were reached), since Dec 1, 2026, 10:00 AM (UTC), because tag Lead was assigned again by API key zapier.
        -- held run 2 since 12-01 10:00
        next - -: somebody releases it (`…/release`), or it is reset
        change 12-01 10:00 tag Lead was assigned again by API key zapier
          effect: `lead` held: the most runs a day were reached
        change 12-01 09:00 tag Lead was added by API key zapier
          effect: `lead` the event happened; `again` campaign reset
        change 12-01 09:00 field email was set by API key zapier
          nothing: nothing in this campaign reacted to it
    "#]]);
}

#[test]
fn r61_a_completed_run_is_told_when_it_ended_and_what_could_begin_another_path() {
    let mut story = Story::of(
        "id: meeting\nelements:\n  lead: { type: start, when: { tag: Lead }, next: w }\n  \
         w: { type: wait, for: 1 day }\n  called: { type: event, on: { custom: called } }\n",
    );
    story.add("Lead").at("2026-12-03 08:00").write(&[], &["Lead"], &[]);
    story.says(&expect![[r#"
        The contact ann@example.com has completed run 1 of the campaign meeting, since Dec 2, 2026, 9:00 AM (UTC), because the timer came due.
        Each start has fired in this run; a reset or a restart lets it in again.
        The last change did nothing here (tag Lead was assigned again by API key zapier): `lead` has fired in run 1.
        -- completed run 1 since 12-02 09:00
        next - called: it enters once the event called is posted (`custom`)
        change 12-03 08:00 tag Lead was assigned again by API key zapier
          nothing: `lead` has fired in run 1
        change 12-01 09:00 tag Lead was added by API key zapier
          effect: `lead` entered the campaign; `w` waits until Dec 2, 2026, 9:00 AM (UTC)
        change 12-01 09:00 field email was set by API key zapier
          nothing: nothing in this campaign reacted to it
    "#]]);
}

#[test]
fn r71_r61_an_object_is_explained_by_itself() {
    let mut story = Story::of(
        "id: meeting\nper: appointment\nobjects: { appointment: { fields: { starts_at: datetime } } }\n\
         elements:\n  booked: { type: start, when: { field: starts_at, is: future }, next: before }\n  \
         before: { type: date_timer, field: starts_at, offset: -1 hour }\n",
    );
    let kind = ObjectType::new("appointment").expect("a type");
    let key = ObjectKey { person: ann(), kind: kind.clone(), key: "a1".to_owned(), replaces: None };
    let at = FieldType::Datetime.read(&"2026-12-09 14:00".into(), Zone::UTC).expect("a date");
    let starts_at = FieldKey::new("starts_at").expect("a key");
    let patch = Patch { fields: BTreeMap::from([(starts_at, at)]), ..Patch::default() };
    story.0.write_object(&key, &patch, zapier());
    story.0.settle();
    let object = story.0.object(&kind, "a1").expect("an object").clone();
    expect![[r#"
        The appointment `a1` of ann@example.com is in run 1 of the campaign meeting, since Dec 1, 2026, 9:00 AM (UTC), because field starts_at was set by API key zapier.
        At `before` since Dec 1, 2026, 9:00 AM (UTC) (because field starts_at was set by API key zapier): it waits until Dec 9, 2026, 1:00 PM (UTC), which follows the date in the field starts_at.
        Next, Dec 9, 2026, 1:00 PM (UTC): at `before` the path ends.
        -- active run 1 since 12-01 09:00
        at before since 12-01 09:00 due 12-09 13:00
        next 12-09 13:00 before: the path ends
        change 12-01 09:00 field starts_at was set by API key zapier
          effect: `booked` entered the campaign; `before` timer set for Dec 9, 2026, 1:00 PM (UTC)
    "#]].assert_eq(&as_text(&story.explained(&object, "meeting")));
}
