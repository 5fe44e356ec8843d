//! What cannot be read.

use expect_test::expect;

use super::{check, check_elements};

#[test]
fn an_unknown_key_proposes_the_nearest() {
    check_elements(
        r#"
a: { type: start, when: { tag: A }, nxt: b }
b: { type: end }
"#,
        &expect![[r#"
            elements.a.nxt 3:39 unknown_key: there is no key `nxt` here — did you mean `next`?
        "#]],
    );
}

#[test]
fn an_unknown_key_without_a_near_one_lists_all() {
    check_elements(
        r#"
a: { type: start, when: { tag: A }, whereto: b }
"#,
        &expect![[r#"
            elements.a.whereto 3:39 unknown_key: there is no key `whereto` here — choose one of `when`, `next`
        "#]],
    );
}

#[test]
fn an_end_has_no_keys() {
    check_elements(
        r#"
a: { type: start, when: { tag: A }, next: b }
b: { type: end, next: a }
"#,
        &expect![[r#"
            elements.b.next 4:19 unknown_key: there is no key `next` here — remove it
        "#]],
    );
}

#[test]
fn an_unknown_type_proposes_the_nearest() {
    check_elements(
        r#"
a: { type: strat, when: { tag: A } }
"#,
        &expect![[r#"
            elements.a.type 3:14 unknown_type: there is no type `strat` — did you mean `start`?
        "#]],
    );
}

#[test]
fn a_type_is_missing() {
    check_elements(
        r#"
a: { when: { tag: A } }
"#,
        &expect![[r#"
            elements.a.type 3:3 missing_key: the key `type` is missing — add `type`
        "#]],
    );
}

#[test]
fn a_type_is_a_list() {
    check_elements(
        r#"
a: { type: [start], when: { tag: A } }
"#,
        &expect![[r#"
            elements.a.type 3:14 wrong_type: a text belongs here, not a list — write a text
        "#]],
    );
}

#[test]
fn a_key_is_missing_in_a_block() {
    check_elements(
        r#"
a:
  type: email
  next: b
b:
  type: end
"#,
        &expect![[r#"
            elements.a.email 3:3 missing_key: the key `email` is missing — add `email`
        "#]],
    );
}

#[test]
fn every_bad_element_email_and_field_is_found() {
    check(
        r#"
id: bad id
nam: Test
fields:
  when: { type: dat }
  "no key": { type: text }
settings: { max_runs_per_day: many }
elements:
  a: { type: start, when: { tag: A }, nxt: b }
  b: { type: wait, for: soon }
  c: { type: goal, when: { tag: A }, unmet: wiat }
emails:
  x: { subjct: Hello, text: x }
  y: { text: y }
"#,
        &expect![[r#"
            id 1:5 invalid_value: "bad id" is not an id: it contains ' ' — use letters, digits, `-`, `_` or `.`
            nam 2:1 unknown_key: there is no key `nam` here — did you mean `name`?
            fields.when.type 4:17 unknown_type: there is no type `dat` — did you mean `date`?
            fields.no key 5:3 invalid_value: "no key" is not an id: it contains ' ' — use letters, digits, `-`, `_` or `.`
            settings.max_runs_per_day 6:31 wrong_type: a whole number belongs here, not the text `many` — write a whole number
            elements.a.nxt 8:39 unknown_key: there is no key `nxt` here — did you mean `next`?
            elements.b.for 9:25 invalid_value: "soon" is not a duration — write whole numbers with weeks, days, hours, minutes or seconds, such as `2 days`, `90 minutes` or `-1 hour`
            elements.c.unmet 10:45 invalid_value: there is no choice `wiat` — did you mean `wait`?
            emails.x.subjct 12:8 unknown_key: there is no key `subjct` here — did you mean `subject`?
            emails.y.subject 13:3 missing_key: the key `subject` is missing — add `subject`
        "#]],
    );
}

#[test]
fn the_whole_is_a_list() {
    check(
        r#"
- id: test
"#,
        &expect![[r#"
            . 1:1 wrong_type: a map with at least `id` and `elements` belongs here, not a list — write a map with at least `id` and `elements`
        "#]],
    );
}

#[test]
fn nothing_is_written() {
    check(
        r#"

"#,
        &expect![[r#"
            . 1:1 syntax: the document is empty — write a campaign: at least `id` and `elements`
        "#]],
    );
}

#[test]
fn id_and_elements_are_missing() {
    check(
        r#"
name: Test
"#,
        &expect![[r#"
            id 1:1 missing_key: the key `id` is missing — add `id`
            elements 1:1 missing_key: the key `elements` is missing — add `elements`
        "#]],
    );
}

#[test]
fn a_key_is_written_twice() {
    check(
        r#"
id: test
elements:
  a: { type: start, when: { tag: A } }
  a: { type: end }
id: again
"#,
        &expect![[r#"
            elements.a 4:3 duplicate_key: `elements.a` is written twice — give one of them another name, or remove it
            id 5:1 duplicate_key: `id` is written twice — give one of them another name, or remove it
        "#]],
    );
}

#[test]
fn a_bracket_is_left_open() {
    check(
        r#"
id: test
elements:
  a: { type: start, when: { tag: A }
  b: { type: end }
"#,
        &expect![[r#"
            elements.a 4:3 syntax: this is not valid YAML or JSON: invalid indentation in flow construct — look at the indentation, the quotes and the brackets here and just before
        "#]],
    );
}

#[test]
fn braces_without_quotes() {
    check(
        r#"
id: test
elements:
  a: { type: start, when: { tag: A } }
emails:
  x: { subject: {{ contact.first_name }}, text: x }
"#,
        &expect![[r#"
            emails.x.subject 5:18 syntax: a list or a map stands where a key belongs — put a text with braces in quotes: "{{ contact.first_name }}"
        "#]],
    );
}

#[test]
fn a_second_document() {
    check(
        r#"
id: test
elements: {}
---
id: other
"#,
        &expect![[r#"
            . 3:1 syntax: a second document begins here — write one campaign per file
        "#]],
    );
}

#[test]
fn a_yaml_tag() {
    check(
        r#"
id: !name test
elements: {}
"#,
        &expect![[r#"
            id 1:5 syntax: YAML tags such as `!this` mean nothing in a campaign — remove the tag; put a text that begins with `!` in quotes
        "#]],
    );
}

#[test]
fn an_edge_of_an_event_is_misspelt() {
    check_elements(
        r#"
a: { type: event, on: { tag_aded: A } }
"#,
        &expect![[r#"
            elements.a.on.tag_aded 3:27 unknown_key: there is no key `tag_aded` here — did you mean `tag_added`?
        "#]],
    );
}

#[test]
fn an_event_on_two_edges() {
    check_elements(
        r#"
a: { type: event, on: { tag_added: A, tag_removed: A } }
"#,
        &expect![[r#"
            elements.a.on 3:25 wrong_type: a map with exactly one of `tag_added`, `tag_removed`, `tag_assigned`, `field_set`, `field_changed`, `field_cleared`, `custom`, `becomes`, `contact` belongs here, not a map with 2 keys — write a map with exactly one of `tag_added`, `tag_removed`, `tag_assigned`, `field_set`, `field_changed`, `field_cleared`, `custom`, `becomes`, `contact`
        "#]],
    );
}

#[test]
fn an_event_on_a_word() {
    check_elements(
        r#"
a: { type: event, on: tag_added }
"#,
        &expect![[r#"
            elements.a.on 3:25 wrong_type: a map such as { tag_added: … } belongs here, not the text `tag_added` — write a map such as { tag_added: … }
        "#]],
    );
}

#[test]
fn a_tag_in_a_list_is_empty() {
    check_elements(
        r#"
a: { type: event, on: { tag_added: [A, " "] } }
"#,
        &expect![[r#"
            elements.a.on.tag_added[1] 3:42 invalid_value: " " is not a tag: a tag cannot be empty — change what is written here
        "#]],
    );
}

#[test]
fn a_condition_has_two_shapes() {
    check_elements(
        r#"
a: { type: start, when: { tag: A, field: visit, is: set } }
"#,
        &expect![[r#"
            elements.a.when 3:27 invalid_value: a condition has exactly one of `tag`, `field`, `campaign`, `all`, `any`, `not`, `contact` — change what is written here
        "#]],
    );
}

#[test]
fn a_condition_deep_inside_is_misspelt() {
    check_elements(
        r#"
a: { type: start, when: { all: [ { tag: A }, { not: { fild: visit, is: set } } ] } }
"#,
        &expect![[r#"
            elements.a.when.all[1].not.fild 3:57 unknown_key: there is no key `fild` here — did you mean `field`?
        "#]],
    );
}

#[test]
fn a_status_is_misspelt() {
    check_elements(
        r#"
a: { type: start, when: { campaign: other, status: [active, complted] } }
"#,
        &expect![[r#"
            elements.a.when.status[1] 3:63 invalid_value: there is no choice `complted` — did you mean `completed`?
        "#]],
    );
}

#[test]
fn a_weight_is_negative() {
    check_elements(
        r#"
a: { type: split, branches: [ { weight: 1 }, { weight: -1 } ] }
"#,
        &expect![[r#"
            elements.a.branches[1].weight 3:58 invalid_value: the number -1 is out of range — write a whole number from 0 to 4294967295
        "#]],
    );
}

#[test]
fn a_weight_is_a_text() {
    check_elements(
        r#"
a: { type: split, branches: [ { weight: "1" } ] }
"#,
        &expect![[r#"
            elements.a.branches[0].weight 3:43 wrong_type: a whole number belongs here, not the text `1` — write a whole number
        "#]],
    );
}

#[test]
fn a_list_is_a_text() {
    check_elements(
        r#"
a: { type: tag, add: A }
"#,
        &expect![[r#"
            elements.a.add 3:24 wrong_type: a list such as [A] belongs here, not the text `A` — write a list such as [A]
        "#]],
    );
}

#[test]
fn a_truth_is_a_text() {
    check_elements(
        r#"
a: { type: event, on: { custom: x }, requires_active: yes }
"#,
        &expect![[r#"
            elements.a.requires_active 3:57 wrong_type: true or false belongs here, not the text `yes` — write true or false
        "#]],
    );
}

#[test]
fn a_text_is_nothing() {
    check_elements(
        r#"
a: { type: email, email: }
"#,
        &expect![[r#"
            elements.a.email 3:26 wrong_type: a text belongs here, not nothing — write a text
        "#]],
    );
}

#[test]
fn a_time_of_day_is_none() {
    check(
        r#"
id: test
settings: { email_time: { from: "8 am", to: 20:00 } }
elements: {}
"#,
        &expect![[r#"
            settings.email_time.from 2:33 invalid_value: "8 am" is not a time of day — write hours and minutes from 00:00 to 23:59, such as 09:00
        "#]],
    );
}

#[test]
fn elements_are_a_list() {
    check(
        r#"
id: test
elements: [ { type: end } ]
"#,
        &expect![[r#"
            elements 2:11 wrong_type: a map belongs here, not a list — write a map
        "#]],
    );
}

#[test]
fn an_id_has_a_space() {
    check_elements(
        r#"
a b: { type: end }
"#,
        &expect![[r#"
            elements.a b 3:3 invalid_value: "a b" is not an id: it contains ' ' — use letters, digits, `-`, `_` or `.`
        "#]],
    );
}
