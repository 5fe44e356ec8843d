//! What each element does with a token that arrives: `decide/steps.rs`.

use expect_test::expect;

use super::{Event, Story};

#[test]
fn r10_a_token_passes_what_is_no_rest_in_one_decision() {
    let mut story = Story::of(
        "
        lead: { type: start, when: { tag: Lead }, next: ask }
        ask: { type: condition, when: { tag: Vip }, then: gift, else: usual }
        gift: { type: end }
        usual: { type: split, branches: [{ weight: 0, next: gift }, { weight: 1, next: call }] }
        call: { type: webhook, url: 'https://example.org/', next: done }
        done: { type: tag, add: [Done], remove: [Lead], next: count }
        count: { type: set_field, fields: { points: 5 }, next: gift }
    ",
    );
    story.add("Lead").check(
        &Event::Changed,
        &expect![[r#"
            run 1 completed
            fired lead
            write +Done -Lead (depth 1)
            write points=Some(Number(5.0)) (depth 1)
            effect: call 1.3 at call of version 1
            effect: status changed, chain 1, depth 0
            12-01 09:00 because tag Lead was added by API key desk:
              run 1 lead: entered the campaign
              run 1 ask: took the way else
              run 1 usual: took the way branches[1]
              run 1 call: webhook call on its way
              run 1 done: added tag Done, removed tag Lead
              run 1 count: set field points
              run 1 -: campaign completed
        "#]],
    );
}

#[test]
fn r11_other_campaigns_are_told_and_the_token_passes() {
    let mut story = Story::of(
        "
        lead: { type: start, when: { tag: Lead }, next: reset }
        reset: { type: reset, campaign: other, next: stop }
        stop: { type: stop_campaign, campaign: other, next: start }
        start: { type: start_campaign, campaign: other }
    ",
    );
    story.add("Lead").check(
        &Event::Changed,
        &expect![[r#"
        run 1 completed
        fired lead
        effect: command other to Reset, chain 1, depth 1
        effect: command other to Stop, chain 1, depth 1
        effect: command other to Start, chain 1, depth 1
        effect: status changed, chain 1, depth 0
        12-01 09:00 because tag Lead was added by API key desk:
          run 1 lead: entered the campaign
          run 1 reset: reset campaign other
          run 1 stop: stopped campaign other
          run 1 start: asked campaign other to start
          run 1 -: campaign completed
    "#]],
    );
}

#[test]
fn r16_a_path_that_stops_its_own_campaign_ends() {
    let mut story = Story::of(
        "
        lead: { type: start, when: { tag: Lead }, next: off }
        off: { type: stop_campaign }
    ",
    );
    story.add("Lead").check(
        &Event::Changed,
        &expect![[r#"
            run 1 stopped
            fired lead
            effect: status changed, chain 1, depth 0
            12-01 09:00 because tag Lead was added by API key desk:
              run 1 lead: entered the campaign
              run 1 off: campaign stopped
        "#]],
    );
}

#[test]
fn r8_an_early_token_does_as_unmet_says() {
    let mut story = Story::of(
        "
        one: { type: event, on: { tag_added: One }, next: waits }
        two: { type: event, on: { tag_added: Two }, next: goes_on }
        three: { type: event, on: { tag_added: Three }, next: ends }
        waits: { type: goal, when: { tag: Customer } }
        goes_on: { type: goal, when: { tag: Customer }, unmet: continue, next: mail }
        ends: { type: goal, when: { tag: Customer }, unmet: end }
        mail: { type: email, email: offer }
    ",
    );
    story.add("One").add("Two").add("Three").check(
        &Event::Changed,
        &expect![[r#"
            run 1 active
            token 1 at waits: goal
            token 3 at mail: message, queued
            fired one, two, three
            effect: deliver 1.3, Marketing
            effect: status changed, chain 3, depth 0
            12-01 09:00 because tag One was added by API key desk:
              run 1 one: the event happened
              run 1 waits: waits here
            12-01 09:00 because tag Two was added by API key desk:
              run 1 two: the event happened
              run 1 mail: message on its way
            12-01 09:00 because tag Three was added by API key desk:
              run 1 three: the event happened
              run 1 ends: the path ends here
        "#]],
    );
}

#[test]
fn r41_a_token_in_a_circle_holds_the_contact() {
    let mut story = Story::of(
        "
        lead: { type: start, when: { tag: Lead }, next: there }
        there: { type: tag, add: [There], next: back }
        back: { type: tag, remove: [There], next: there }
    ",
    );
    let decision = story.add("Lead").happens(&Event::Changed).enrollment.take();
    expect![[r#"
        run 1 held
        fired lead
        held Moves
    "#]]
    .assert_eq(&super::state(&decision.expect("an enrollment")));
}
