//! Graphs that lead nowhere or in circles.

use expect_test::expect;

use super::{check, check_elements};

#[test]
fn there_are_no_elements() {
    check(
        r#"
id: test
elements: {}
"#,
        &expect![[r#"
            elements 2:1 no_elements: the campaign has no elements — add a start and what follows it
        "#]],
    );
}

#[test]
fn nobody_can_enter() {
    check_elements(
        r#"
a: { type: wait, for: 1 day, next: b }
b: { type: end }
"#,
        &expect![[r#"
            elements 2:1 no_entry: no contact can enter: there is neither a start nor an event — add an element of type `start` or `event`
        "#]],
    );
}

#[test]
fn an_edge_leads_nowhere() {
    check_elements(
        r#"
a: { type: start, when: { tag: A }, next: wellcome }
w: { type: event, on: { custom: x }, next: welcome }
welcome: { type: end }
"#,
        &expect![[r#"
            elements.a.next 3:45 dangling_edge: there is no element `wellcome` — did you mean `welcome`?
        "#]],
    );
}

#[test]
fn a_branch_leads_nowhere() {
    check_elements(
        r#"
a: { type: start, when: { tag: A }, next: b }
b: { type: split, branches: [ { weight: 1 }, { weight: 1, next: zzzzzz } ] }
"#,
        &expect![[r#"
            elements.b.branches[1].next 4:67 dangling_edge: there is no element `zzzzzz` — choose one of `a`, `b`
        "#]],
    );
}

#[test]
fn an_edge_leads_into_a_start() {
    check_elements(
        r#"
a: { type: start, when: { tag: A }, next: b }
b: { type: wait, for: 1 day, next: a }
"#,
        &expect![[r#"
            elements.b.next 4:38 edge_into_start: `a` is a start, where contacts enter; no path leads into it — lead to `b`, the element after it
        "#]],
    );
}

#[test]
fn an_edge_leads_to_its_own_element() {
    check_elements(
        r#"
a: { type: start, when: { tag: A }, next: b }
b: { type: wait, for: 1 day, next: b }
"#,
        &expect![[r#"
            elements.b.next 4:38 self_edge: `b` leads to itself — lead to another element; to repeat something, put a wait in between
        "#]],
    );
}

#[test]
fn two_elements_cannot_be_reached() {
    check_elements(
        r#"
a: { type: start, when: { tag: A } }
b: { type: wait, for: 1 day, next: c }
c: { type: end }
"#,
        &expect![[r#"
            elements.b 4:3 unreachable: no path from a start or an event leads to `b` — lead an edge to it, or remove it
            elements.c 5:3 unreachable: no path from a start or an event leads to `c` — lead an edge to it, or remove it
        "#]],
    );
}

#[test]
fn r8_a_goal_must_be_reached_to_take_a_token() {
    check_elements(
        r#"
a: { type: start, when: { tag: A } }
b: { type: goal, when: { tag: B } }
"#,
        &expect![[r#"
            elements.b 4:3 unreachable: no path from a start or an event leads to `b` — lead an edge to it, or remove it
        "#]],
    );
}

#[test]
fn r16_what_follows_stopping_oneself_is_never_reached() {
    check_elements(
        r#"
a: { type: start, when: { tag: A }, next: b }
b: { type: stop_campaign, next: c }
c: { type: end }
"#,
        &expect![[r#"
            warning: elements.b.next 4:35 edge_without_effect: a path that stops its own campaign ends; this edge is never taken — remove it, or name the other campaign that is to be stopped
            elements.c 5:3 unreachable: no path from a start or an event leads to `c` — lead an edge to it, or remove it
        "#]],
    );
}

#[test]
fn r41_tags_in_a_circle() {
    check_elements(
        r#"
a: { type: start, when: { tag: A }, next: b }
b: { type: tag, add: [B], next: c }
c: { type: condition, when: { tag: C }, then: b, else: d }
d: { type: end }
"#,
        &expect![[r#"
            elements.b 4:3 cycle_without_rest: a token would run in a circle without resting: b → c → b — put a wait, a date timer, an event or a goal with `unmet: wait` between them
        "#]],
    );
}

#[test]
fn r41_an_email_is_no_rest() {
    check(
        r#"
id: test
elements:
  a: { type: start, when: { tag: A }, next: b }
  b: { type: email, email: x, next: c }
  c: { type: goal, when: { tag: B }, unmet: continue, next: b }
emails:
  x: { subject: x, text: x }
"#,
        &expect![[r#"
            elements.b 4:3 cycle_without_rest: a token would run in a circle without resting: b → c → b — put a wait, a date timer, an event or a goal with `unmet: wait` between them
        "#]],
    );
}

#[test]
fn r41_a_reset_does_not_break_a_circle() {
    check_elements(
        r#"
a: { type: start, when: { tag: A }, next: b }
b: { type: reset, next: c }
c: { type: set_field, fields: { points: 1 }, next: b }
"#,
        &expect![[r#"
            elements.b 4:3 cycle_without_rest: a token would run in a circle without resting: b → c → b — put a wait, a date timer, an event or a goal with `unmet: wait` between them
        "#]],
    );
}

#[test]
fn r41_a_goal_that_waits_is_a_rest() {
    check_elements(
        r#"
a: { type: start, when: { tag: A }, next: b }
b: { type: tag, add: [B], next: c }
c: { type: goal, when: { tag: C }, next: b }
"#,
        &expect![[""]],
    );
}

#[test]
fn r41_waits_timers_and_events_are_rests() {
    check_elements(
        r#"
a: { type: start, when: { tag: A }, next: b }
b: { type: wait, for: 1 day, next: c }
c: { type: tag, add: [B], next: b }
d: { type: event, on: { tag_added: D }, next: e }
e: { type: reset, next: d }
f: { type: event, on: { tag_added: F }, next: g }
g: { type: date_timer, field: visit, next: h }
h: { type: tag, add: [B], next: g }
"#,
        &expect![[r#"
            warning: elements.g 9:3 path_ends_when_missed: who arrives after the moment has passed does not get to `h`: without `missed` the path waits here for another date, and ends when the date has passed — add `missed: h`, or `past: end` if it is to end
        "#]],
    );
}

#[test]
fn r41_two_circles_through_one_element_are_both_named() {
    check_elements(
        r#"
a: { type: start, when: { tag: A }, next: b }
b: { type: condition, when: { tag: B }, then: c, else: d }
c: { type: tag, add: [C], next: b }
d: { type: tag, add: [D], next: b }
"#,
        &expect![[r#"
            elements.b 4:3 cycle_without_rest: a token would run in a circle without resting: b → c → b — put a wait, a date timer, an event or a goal with `unmet: wait` between them
            elements.d 6:3 cycle_without_rest: a token would run in a circle without resting: d → b → d — put a wait, a date timer, an event or a goal with `unmet: wait` between them
        "#]],
    );
}
