//! Elements, e-mails and fields that make no sense.

use expect_test::expect;

use super::{check, check_elements, found_in, line, with_account, with_elements};
use crate::campaign::reader::read;
use crate::campaign::validate::{AccountView, validate};

#[test]
fn an_email_is_unknown_and_another_unused() {
    check(
        r#"
id: test
elements:
  a: { type: start, when: { tag: A }, next: b }
  b: { type: email, email: wellcome }
emails:
  welcome: { subject: Hello, text: x }
"#,
        &expect![[r#"
            elements.b.email 4:28 unknown_email: there is no e-mail `wellcome` under `emails` — did you mean `welcome`?
            warning: emails.welcome 6:3 unused_email: no element sends the e-mail `welcome` — remove it, or send it from an element of type `email`
        "#]],
    );
}

#[test]
fn an_email_is_empty_and_senders_are_no_addresses() {
    check(
        r#"
id: test
sender: { address: studio }
elements:
  a: { type: start, when: { tag: A }, next: b }
  b: { type: email, email: x }
emails:
  x: { subject: Hello, sender: { address: "a b@c.example" }, reply_to: "x@" }
  y: { subject: Hello, reply_to: "{{ contact.owner }}" }
"#,
        &expect![[r#"
            sender.address 2:20 bad_address: this is not an e-mail address — write it like hello@studio-nord.example
            emails.x 7:3 empty_email: the e-mail `x` has neither `text` nor `html` — write at least one of them
            emails.x.sender.address 7:43 bad_address: this is not an e-mail address — write it like hello@studio-nord.example
            emails.x.reply_to 7:72 bad_address: this is not an e-mail address — write it like hello@studio-nord.example
            emails.y 8:3 empty_email: the e-mail `y` has neither `text` nor `html` — write at least one of them
            warning: emails.y 8:3 unused_email: no element sends the e-mail `y` — remove it, or send it from an element of type `email`
            emails.y.reply_to 8:34 bad_address: this is not an e-mail address — write it like hello@studio-nord.example
        "#]],
    );
}

/// SES and most servers send from no other: the domain is written in ASCII for them, the rest
/// cannot be.
#[test]
fn a_sender_has_ascii_before_the_at_and_any_domain_behind_it() {
    check(
        r#"
id: test
sender: { address: jörg@example.com }
elements:
  a: { type: start, when: { tag: A }, next: b }
  b: { type: email, email: x }
emails:
  x: { subject: Hello, text: x, sender: { address: jo@müller.example }, reply_to: "jö@müller.example" }
"#,
        &expect![[r#"
            sender.address 2:20 bad_address: before the @ a sender has ASCII only, or mail services refuse it: `jörg` — write that part without accents; the domain may keep them
            emails.x.reply_to 7:83 bad_address: before the @ a sender has ASCII only, or mail services refuse it: `jö` — write that part without accents; the domain may keep them
        "#]],
    );
}

#[test]
fn fields_in_conditions_are_unknown_or_of_another_type() {
    check_elements(
        r#"
a: { type: start, when: { field: vist, is: set } }
b: { type: start, when: { any: [ { field: points, is: past }, { field: member, within: 2 days } ] } }
c: { type: start, when: { not: { field: points, contains: "1" } } }
d: { type: start, when: { field: points, greater: many } }
e: { type: start, when: { field: birthday, less: 31.31.2026 } }
f: { type: start, when: { field: first_name, equals: "" } }
g: { type: start, when: { all: [] } }
"#,
        &expect![[r#"
            elements.a.when.field 3:36 unknown_field: there is no contact field `vist` — did you mean `visit`? or declare it under `fields`
            elements.b.when.any[0].is 4:57 test_of_wrong_type: `past` asks for a date, but the field is a number — use a field of type `date` or `datetime`, or another test
            elements.b.when.any[1].within 4:90 test_of_wrong_type: `within` asks for a date, but the field is a boolean — use a field of type `date` or `datetime`, or another test
            elements.c.when.not.contains 5:51 test_of_wrong_type: `contains` asks for a text, but the field is a number — use `equals`, `greater` or `less`
            elements.d.when.greater 6:53 invalid_value: "many" is not a number — write it like 12.5
            elements.e.when.less 7:52 invalid_value: "31.31.2026" names a day or a time that does not exist — write it like 2026-12-01 14:30
            elements.f.when.equals 8:56 invalid_value: no value ever compares to an empty one — write `is: empty` to ask for an empty field
            warning: elements.g.when.all 9:34 empty_condition: an empty `all` always holds — write conditions in it
        "#]],
    );
}

#[test]
fn conditions_that_make_sense() {
    check_elements(
        r#"
a: { type: start, when: { field: points, greater: 10 } }
b: { type: start, when: { field: birthday, less: 2026-05-31 } }
c: { type: start, when: { field: member, equals: true } }
d: { type: start, when: { field: first_name, contains: Ann } }
e: { type: start, when: { field: visit, within: -2 days } }
f: { type: start, when: { campaign: other, status: active } }
"#,
        &expect![[""]],
    );
}

#[test]
fn events_on_unknown_fields_and_on_nothing() {
    check_elements(
        r#"
a: { type: event, on: { field_changed: visti } }
b: { type: event, on: { tag_added: [] } }
c: { type: event, on: { custom: "" } }
"#,
        &expect![[r#"
            elements.a.on.field_changed 3:42 unknown_field: there is no contact field `visti` — did you mean `visit`? or declare it under `fields`
            elements.b.on.tag_added 4:38 never_fires: an event on no tag never fires — name at least one tag
            elements.c.on.custom 5:35 never_fires: an event without a name never fires — write the name that is posted
        "#]],
    );
}

#[test]
fn declared_fields_clash() {
    check(
        r#"
id: test
fields:
  tags: { type: text }
  email: { type: text }
  visit: { type: date }
  points: { type: number }
elements:
  a: { type: start, when: { tag: A } }
"#,
        &expect![[r#"
            fields.tags 3:3 reserved_field: `tags` means `tags` wherever contacts are read or written — choose another key
            fields.email 4:3 built_in_field: every contact has a field `email` — remove the declaration; the field can be used without one
            fields.visit.type 5:18 field_type_differs: `visit` is a date here but a datetime in the account — write `type: datetime`, or choose another key
        "#]],
    );
}

#[test]
fn one_identity_no_campaign_waits_for_or_assigns_a_tag_that_only_looks_like_another() {
    check_elements(
        r#"
a: { type: start, when: { all: [{ tag: A }, { tag: "Lead\u200b" }] }, next: b }
b: { type: event, on: { tag_added: ["A", "Kun\u202ede"] }, next: c }
c: { type: tag, add: ["B\u00ad"], remove: ["Lead\u200b"] }
"#,
        &expect![[r#"
            elements.a.when.all[1].tag 3:54 unseen_character: the tag "Lead\u{200b}" contains U+200B (ZERO WIDTH SPACE), which nobody can see — write the tag anew
            elements.b.on.tag_added[1] 4:44 unseen_character: the tag "Kun\u{202e}de" contains U+202E (RIGHT-TO-LEFT OVERRIDE), which nobody can see — write the tag anew
            elements.c.add[0] 5:25 unseen_character: the tag "B\u{ad}" contains U+00AD (SOFT HYPHEN), which nobody can see — write the tag anew
        "#]],
    );
}

#[test]
fn set_fields_that_cannot_be_set() {
    check_elements(
        r#"
a: { type: start, when: { tag: A }, next: b }
b:
  type: set_field
  fields:
    email: a@b.example
    time_zone: Berlin
    points: many
    visit: [1]
    nothing: 1
    member: ~
    first_name: "{{ contact.last_name }}"
"#,
        &expect![[r#"
            elements.b.fields.email 7:7 cannot_be_set: a campaign cannot change whom it writes to — remove `email`; change the address through the API
            elements.b.fields.time_zone 8:18 invalid_value: this is not a time zone — write it like Europe/Berlin
            elements.b.fields.points 9:15 invalid_value: "many" is not a number — write it like 12.5
            elements.b.fields.visit 10:14 invalid_value: [1] is no datetime — send a single value
            elements.b.fields.nothing 11:7 unknown_field: there is no contact field `nothing` — choose one of `birthday`, `email`, `first_name`, `last_name`, `locale`, `member`, `phone`, `points`, `time_zone`, `visit` or declare it under `fields`
        "#]],
    );
}

#[test]
fn waits_without_an_end() {
    check_elements(
        r#"
a: { type: start, when: { tag: A }, next: b }
b: { type: wait, next: c }
c: { type: wait, for: 0 minutes, next: d }
d: { type: wait, for: -1 hour, next: e }
e: { type: wait, until: {}, next: f }
f: { type: wait, until: { weekdays: [mon] } }
"#,
        &expect![[r#"
            elements.b 4:3 endless_or_empty_wait: the wait does not say how long — add `for`, or `until` with a time or weekdays
            elements.c.for 5:25 invalid_duration: a wait takes some time — write a duration such as `2 days` or `90 minutes`
            elements.d.for 6:25 invalid_duration: a wait takes some time — write a duration such as `2 days` or `90 minutes`
            elements.e 7:3 endless_or_empty_wait: the wait does not say how long — add `for`, or `until` with a time or weekdays
        "#]],
    );
}

#[test]
fn date_timers_that_make_no_sense() {
    check_elements(
        r#"
a: { type: start, when: { tag: A }, next: b }
b: { type: date_timer, field: points, next: c }
c: { type: date_timer, field: visit, at: 09:00, past: continue, missed: d, grace: -1 minute, next: d }
d: { type: date_timer, field: vist }
"#,
        &expect![[r#"
            warning: elements.b 4:3 path_ends_when_missed: who arrives after the moment has passed does not get to `c`: without `missed` the path waits here for another date, and ends when the date has passed — add `missed: c`, or `past: end` if it is to end
            elements.b.field 4:33 field_is_no_date: a date timer follows a date, but `points` is a number — use a field of type `date` or `datetime`
            warning: elements.c.at 5:40 key_without_effect: `visit` has a time of its own; `at` is for dates — remove `at`
            warning: elements.c.missed 5:67 key_without_effect: the edge `missed` is taken with `past: missed` only — remove `past`, or `missed`
            elements.c.grace 5:85 invalid_duration: a timer cannot be late by less than nothing — write a duration such as `30 minutes`
            elements.d.field 6:33 unknown_field: there is no contact field `vist` — did you mean `visit`? or declare it under `fields`
        "#]],
    );
}

#[test]
fn splits_that_cannot_choose() {
    check_elements(
        r#"
a: { type: start, when: { tag: A }, next: b }
b: { type: split, branches: [ { weight: 0, next: c }, { weight: 0 } ] }
c: { type: split, branches: [] }
"#,
        &expect![[r#"
            elements.b.branches 4:31 no_weight: no branch has a weight, so no way can be chosen — give at least one branch a weight above 0
            elements.c.branches 5:31 no_branches: the split has no branches — write at least one: `{ weight: 50, next: … }`
        "#]],
    );
}

#[test]
fn elements_with_nothing_to_do() {
    check_elements(
        r#"
a: { type: start, when: { tag: A }, next: b }
b: { type: tag, next: c }
c: { type: set_field, fields: {}, next: d }
d: { type: condition, when: { tag: D } }
"#,
        &expect![[r#"
            warning: elements.b 4:3 nothing_to_do: no tag is assigned or withdrawn here — complete it, or remove it
            warning: elements.c 5:3 nothing_to_do: no field is set here — complete it, or remove it
            warning: elements.d 6:3 nothing_to_do: a condition without `then` and `else` ends every path — complete it, or remove it
        "#]],
    );
}

#[test]
fn campaigns_that_are_not_there_yet() {
    check_elements(
        r#"
a: { type: start, when: { tag: A }, next: b }
b: { type: reset, campaign: othr, next: c }
c: { type: start_campaign, campaign: test, next: d }
d: { type: stop_campaign, campaign: third }
e: { type: start, when: { campaign: fourth, status: active } }
"#,
        &expect![[r#"
            warning: elements.b.campaign 4:31 unknown_campaign: there is no campaign `othr` yet — check the id, or publish that campaign too
            warning: elements.d.campaign 6:39 unknown_campaign: there is no campaign `third` yet — check the id, or publish that campaign too
            warning: elements.e.when.campaign 7:39 unknown_campaign: there is no campaign `fourth` yet — check the id, or publish that campaign too
        "#]],
    );
}

#[test]
fn settings_out_of_bounds() {
    check(
        r#"
id: test
settings:
  restart_delay: -1 minute
  max_runs_per_day: 0
  max_messages_per_day: 0
elements:
  a: { type: start, when: { tag: A } }
"#,
        &expect![[r#"
            settings.restart_delay 3:18 invalid_duration: a restart cannot be delayed by less than nothing — write a duration such as `5 minutes`, or `0 minutes` for no delay
            settings.max_runs_per_day 4:21 invalid_value: with `max_runs_per_day: 0` the campaign could do nothing — write at least 1
            settings.max_messages_per_day 5:25 invalid_value: with `max_messages_per_day: 0` the campaign could do nothing — write at least 1
        "#]],
    );
}

#[test]
fn a_restart_delay_over_a_year() {
    check(
        r#"
id: test
settings: { restart_delay: 366 days }
elements:
  a: { type: start, when: { tag: A } }
"#,
        &expect![[r#"
            settings.restart_delay 2:28 invalid_duration: a restart is delayed by at most 365 days — write a shorter duration, or put a wait into the campaign
        "#]],
    );
}

#[test]
fn no_restart_delay_at_all() {
    check(
        r#"
id: test
settings: { restart_delay: 0 minutes }
elements:
  a: { type: start, when: { tag: A } }
"#,
        &expect![[""]],
    );
}

#[test]
fn r33_unknown_placeholders() {
    check(
        r#"
id: test
elements:
  a: { type: start, when: { tag: A }, next: b }
  b: { type: email, email: x }
emails:
  x:
    subject: "Hello {{ contact.firstname }}"
    text: |
      Hello {{ contact.first_name }},
        your {{ contact.pionts }} and {{ fields.pionts }}
    html: "<p>{{ unsubscribe_link }} {{ campaign.title }} {{ tags | join(', ') }} {{ links.unsubscribe }}</p>"
"#,
        &expect![[r#"
            emails.x.subject 7:24 unknown_placeholder: there is nothing to put in for `contact.firstname` — did you mean `contact.first_name`?
            emails.x.text 10:17 unknown_placeholder: there is nothing to put in for `contact.pionts` — did you mean `contact.points`?
            emails.x.text 10:42 unknown_placeholder: there is nothing to put in for `fields.pionts` — did you mean `fields.points`?
            emails.x.html 11:18 unknown_placeholder: there is nothing to put in for `unsubscribe_link` — did you mean `unsubscribe_url`?
            emails.x.html 11:41 unknown_placeholder: there is nothing to put in for `campaign.title` — choose one of `contact.birthday`, `contact.email`, `contact.first_name`, `contact.last_name`, `contact.locale`, `contact.member`, `contact.phone`, `contact.points`, `contact.time_zone`, `contact.visit`, `contact.id`, `contact.consent`, `contact.tags`, `tags`, `campaign.id`, `campaign.name`, `campaign.run`, `unsubscribe_url`, `links.unsubscribe`
        "#]],
    );
}

#[test]
fn templates_with_mistakes() {
    check(
        r#"
id: test
elements:
  a: { type: start, when: { tag: A }, next: b }
  b: { type: email, email: x }
emails:
  x:
    subject: "Hello {{ contact.first_name"
    text: |
      Hello,
      {% if tags %} there
    html: "{{ contact.visit | dat }}"
"#,
        &expect![[r#"
            emails.x.subject 7:32 template_syntax: unexpected end of input, expected end of variable block (line 1 of the template) — mend the template
            emails.x.text 10:20 template_syntax: unexpected end of input, expected end of block (line 2 of the template) — mend the template
            emails.x.html 11:31 template_syntax: there is no filter `dat` (line 1 of the template) — mend the template
        "#]],
    );
}

#[test]
fn webhooks() {
    check_elements(
        r#"
a: { type: start, when: { tag: A }, next: b }
b: { type: webhook, url: ftp://example.com, next: c }
c: { type: webhook, url: "https://example.com/{{ contact.idd }}", headers: { X-A: "{{ tag }}" }, next: d }
d: { type: webhook, url: "{{ contact.first_name }}/x", body: { a: [ 1, { b: "{{ contact.points }} {{ contact.poins }}" } ] } }
"#,
        &expect![[r#"
            elements.b.url 4:28 bad_url: a webhook calls an http or https address — write it like https://example.com/hook
            elements.c.url 5:52 unknown_placeholder: there is nothing to put in for `contact.idd` — did you mean `contact.id`?
            elements.c.headers.X-A 5:89 unknown_placeholder: there is nothing to put in for `tag` — did you mean `tags`?
            elements.d.body.a[1].b 6:104 unknown_placeholder: there is nothing to put in for `contact.poins` — did you mean `contact.points`?
        "#]],
    );
}

#[test]
fn a_webhook_says_nothing_that_the_connection_says_and_no_password_in_its_url() {
    check_elements(
        r#"
a: { type: start, when: { tag: A }, next: b }
b: { type: webhook, url: "https://ann:secret@example.com/", headers: { Content-Length: "5", "X A": b, "": b, "X:B": b, X-Source: b }, next: c }
c: { type: webhook, url: "https://{{ contact.id }}@example.com", headers: { HOST: b, "Transfer-Encoding": b, Dacapo-Webhook: b }, next: d }
d: { type: webhook, url: "https://exa mple.com", next: e }
e: { type: webhook, url: "https://example.com/a@b?c=@{{ contact.email }}", next: f }
f: { type: webhook, url: "https://{{ contact.id | default('a/@b') }}.example.com" }
"#,
        &expect![[r#"
            elements.b.url 4:28 bad_url: a name and a password before the host are not sent — leave out what stands before the `@`, and send it as a header, such as `Authorization`
            elements.b.headers.Content-Length 4:74 bad_header: `Content-Length` is written by Dacapo itself, as the connection and the body need it — leave it out
            elements.b.headers.X A 4:95 bad_header: "X A" is no name of a header — write letters, digits and `-`, such as `X-Source`
            elements.b.headers. 4:105 bad_header: "" is no name of a header — write letters, digits and `-`, such as `X-Source`
            elements.b.headers.X:B 4:112 bad_header: "X:B" is no name of a header — write letters, digits and `-`, such as `X-Source`
            elements.c.url 5:28 bad_url: a name and a password before the host are not sent — leave out what stands before the `@`, and send it as a header, such as `Authorization`
            elements.c.headers.HOST 5:79 bad_header: `HOST` is written by Dacapo itself, as the connection and the body need it — leave it out
            elements.c.headers.Transfer-Encoding 5:88 bad_header: `Transfer-Encoding` is written by Dacapo itself, as the connection and the body need it — leave it out
            elements.c.headers.Dacapo-Webhook 5:112 bad_header: `Dacapo-Webhook` is written by Dacapo itself, as the connection and the body need it — leave it out
            elements.d.url 6:28 bad_url: a webhook calls an address with a host — write it like https://example.com/hook
        "#]],
    );
}

#[test]
fn a_subject_and_a_senders_name_fit_into_a_header() {
    let long = "a".repeat(501);
    let text = format!(
        "id: ..\nsender: {{ name: {}, address: a@b.example }}\nelements:\n  a: {{ type: start, when: {{ tag: A }}, next: b }}\n  b: {{ type: email, email: x }}\nemails:\n  x: {{ subject: {long}, text: x }}\n",
        "a".repeat(201)
    );
    check(
        &text,
        &expect![[r#"
        id 1:5 reserved_id: `..` means a folder in a URL, so no campaign can be called that — choose another id, with a letter or a digit
        sender.name 2:17 invalid_value: a sender's name has at most 200 bytes, this one 201 — write a shorter name
        warning: emails.x.subject 7:17 subject_is_cut: a subject is sent with at most 500 bytes, and this one has 501: its end is left out — write a shorter subject
    "#]],
    );
}

#[test]
fn nobody_is_the_sender() {
    let text = "id: test\nelements:\n  a: { type: start, when: { tag: A }, next: b }\n  b: { type: email, email: x }\nemails:\n  x: { subject: x, text: x }\n";
    let of_own = text.replace("text: x", "text: x, sender: { address: a@b.example }");
    let source = read(text).expect("it can be read");
    let with_own = read(&of_own).expect("it can be read");
    with_account(|account| {
        let account = AccountView { sender: false, ..*account };
        let lines: String = validate(&source, &account).iter().map(line).collect();
        expect![[r#"
            sender 1:1 no_sender: nobody is named as the sender of `x`, neither here nor in the account — add `sender: { name: …, address: … }`
        "#]].assert_eq(&lines);
        assert_eq!(validate(&with_own, &account), []);
    });
}

#[test]
fn r22_a_date_timer_that_ends_the_path_when_missed_is_told() {
    let found = |timer: &str| {
        found_in(&with_elements(&format!(
            "
lead: {{ type: start, when: {{ tag: Lead }}, next: day_before }}
day_before: {{ type: date_timer, field: visit, offset: -1 day, {timer} }}
remind: {{ type: email, email: reminder, next: after }}
after: {{ type: wait, for: 2 days, next: thanks }}
thanks: {{ type: email, email: thanks }}
"
        )))
    };
    let told = found("next: remind");
    assert!(told.contains("warning: elements.day_before"), "{told}");
    assert!(told.contains("path_ends_when_missed"), "{told}");
    assert!(told.contains("add `missed: after`, or `past: end` if it is to end"), "{told}");
    // The author has said what is to happen; or nothing is lost but a message about the moment.
    for timer in ["missed: after, next: remind", "past: end, next: remind", "next: thanks"] {
        assert!(!found(timer).contains("path_ends_when_missed"), "{timer}");
    }
}

#[test]
fn what_is_allowed_needs_a_reason_and_an_element_that_is_there() {
    let document = |allow: &str| {
        format!("id: test\nelements:\n  a: {{ type: start, when: {{ tag: A }} }}\nallow: {allow}\n")
    };
    check(&document("[{ lint: D101, element: a, reason: by hand }]"), &expect![""]);
    check(
        &document("[{ lint: D101 }]"),
        &expect![[r#"
            allow[0].reason 4:9 missing_key: the key `reason` is missing — add `reason`
        "#]],
    );
    check(
        &document("[{ lint: D101, element: b, reason: ' ' }]"),
        &expect![[r#"
            allow[0].element 4:32 unknown_element: there is no element and no e-mail `b` — did you mean `a`?
            allow[0].reason 4:43 missing_reason: `D101` is allowed without a reason — write in a sentence why it is meant so
        "#]],
    );
}
