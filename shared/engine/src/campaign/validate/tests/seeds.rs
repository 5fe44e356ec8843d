//! The two campaigns that the product began with, and the ways a document can be written.

use super::{found_in, with_elements};
use crate::campaign::format::{Document, Edge, Element, OneOrMany};
use crate::campaign::reader::read;
use crate::campaign::schema::json_schema;

pub(super) const APPOINTMENT: &str = r#"id: appointment-loop
name: Repeat automated appointment scheduling
sender: { name: Studio Nord, address: hello@studio-nord.example }
fields:
  appointment: { type: datetime, label: Appointment }
elements:
  lead:        { type: start, when: { tag: Lead }, next: invite }
  invite:      { type: email, email: invite, next: two_days }
  two_days:    { type: wait, for: 2 days, next: invite_again }
  invite_again: { type: email, email: invite_again, next: booked }
  booked:      { type: event, on: { tag_added: Appointment made }, next: confirm }
  confirm:     { type: email, email: confirmation, next: hour_before }
  hour_before: { type: date_timer, field: appointment, offset: -1 hour, next: remind }
  remind:      { type: email, email: reminder }
  not_reached: { type: event, on: { tag_added: Not reached }, next: again }
  again:       { type: reset, next: withdraw }
  withdraw:    { type: tag, remove: [Appointment made, Not reached], next: sorry }
  sorry:       { type: email, email: sorry, next: booked }
emails:
  invite:       { subject: "Let's meet, {{ contact.first_name }}", text: "Book here." }
  invite_again: { subject: "Still there?", text: "Book here." }
  confirmation:
    purpose: transactional
    subject: "See you on {{ contact.appointment | date('full') }}"
    text: |
      Dear {{ contact.first_name | default("guest") }},
      see you soon.
  reminder: { purpose: transactional, subject: "In an hour", html: "<p>At {{ fields.appointment | date('time') }}</p>" }
  sorry:    { subject: "We missed you", text: "Book again, or leave: {{ unsubscribe_url }}" }
"#;

pub(super) const WEBINAR: &str = r#"id: webinar
name: Webinar registration
fields:
  webinar_date: { type: datetime }
elements:
  registered: { type: start, when: { all: [ { field: webinar_date, is: set }, { field: webinar_date, is: future } ] }, next: welcome }
  welcome:    { type: email, email: welcome, next: day_before }
  day_before: { type: date_timer, field: webinar_date, offset: -1 day, next: tomorrow, missed: attended }
  tomorrow:   { type: email, email: tomorrow, next: attended }
  attended:   { type: goal, when: { tag: Attended }, unmet: wait, next: thanks }
  thanks:     { type: email, email: thanks, next: withdraw }
  withdraw:   { type: tag, remove: [Attended], next: again }
  again:      { type: restart, name: Ready for the next webinar, tag: Webinar restarted }
emails:
  welcome:  { subject: "Welcome", text: "On {{ contact.webinar_date | date('full') }}" }
  tomorrow: { subject: "Tomorrow", text: "{{ campaign.name }}" }
  thanks:   { subject: "Thank you", text: "{{ tags | join(', ') }}" }
"#;

fn document(text: &str) -> Document {
    match read(text) {
        Ok(source) => source.document,
        Err(problems) => panic!("{problems:#?}\n{text}"),
    }
}

#[test]
fn the_seeds_can_be_published() {
    assert_eq!(found_in(APPOINTMENT), "");
    assert_eq!(found_in(WEBINAR), "");
}

#[test]
fn what_is_written_is_read_again() {
    for seed in [APPOINTMENT, WEBINAR] {
        let written = document(seed);
        for json in [serde_json::to_string(&written), serde_json::to_string_pretty(&written)] {
            let json = json.expect("a document can be written");
            assert_eq!(document(&json), written);
            assert_eq!(document(&json.replace("  ", "\t")), written);
            let stored: Document = serde_json::from_str(&json).expect("serde reads what it wrote");
            assert_eq!(stored, written);
        }
    }
}

#[test]
fn every_element_and_condition_is_read_again() {
    let written = document(
        r#"
id: all
description: Everything.
settings:
  restart_delay: 0 minutes
  email_time: { from: 08:00, to: "20:00", weekdays: [mon, fri] }
elements:
  a: { type: event, on: { tag_assigned: [A, B] }, requires_active: true, next: b }
  b: { type: condition, when: { any: [ { not: { tag: 2024 } }, { field: x, equals: 007 }, { field: x, contains: 5 } ] }, then: c, else: d }
  c: { type: split, branches: [ { weight: 50, next: d }, { weight: 50 } ] }
  d: { type: set_field, fields: { x: ~, y: 1.5, z: true, p: +49301234, q: 01234 }, next: e }
  e: { type: wait, for: 1 day, until: { time: 09:00, weekdays: [tue] }, next: f }
  f: { type: webhook, url: "https://x.example", method: PUT, headers: { A: 1 }, body: { a: [1, "2", null] }, next: g }
  g: { type: stop_campaign, campaign: other, reset_contacts: true, next: h }
  h: { type: start_campaign, campaign: other, next: i }
  i: { type: start, when: { campaign: other, status: [active, none] }, next: j }
  j: { type: end }
  k: { type: date_timer, field: x, offset: -1 day, at: 10:00, past: end, empty: end, grace: 1 hour, missed: j, next: j }
"#,
    );
    let json = serde_json::to_string(&written).expect("a document can be written");
    assert_eq!(document(&json), written);
    assert_eq!(
        serde_json::from_str::<Document>(&json).expect("serde reads what it wrote"),
        written
    );
    assert!(json.contains(r#"{"p":"+49301234","q":"01234","x":null,"y":1.5,"z":true}"#), "{json}");
    assert!(json.contains(r#"{"tag":"2024"}"#), "{json}");
}

#[test]
fn a_json_twin_reads_equal() {
    let yaml = "id: twin\nname: Yes\nelements:\n  a: { type: event, on: { tag_added: 007 }, next: b }\n  b:\n    type: wait\n    for: 2 days\nemails:\n  x: { subject: \"Grüße 😀\", text: \"a/b\" }\n";
    let json = "\u{feff}{\"id\":\"twin\",\"name\":\"Yes\",\n\t\"elements\":\t{\n\t\t\"a\":{\"type\":\"event\",\"on\":{\"tag_added\":\"007\"},\"next\":\"b\"},\n\t\t\"b\":{\"next\":null,\"for\":\"2 days\",\"type\":\"wait\"}\n\t},\n\t\"emails\":{\"x\":{\"subject\":\"Gr\\u00fc\\u00dfe \\ud83d\\ude00\",\"text\":\"a\\/b\"}}}";
    assert_eq!(document(yaml), document(json));
    let crlf = yaml.replace('\n', "\r\n");
    assert_eq!(document(yaml), document(&crlf));
}

#[test]
fn texts_keep_what_was_written() {
    let read = document(&with_elements(
        "a: { type: event, on: { tag_added: [2024, 1.50, Yes, true] } }\nb: { type: event, on: { tag_added: 0x1F } }",
    ));
    let tags: Vec<&str> = read
        .elements
        .iter()
        .flat_map(|(_, element)| match element {
            Element::Event(event) => match &event.on {
                Edge::TagAdded(tags @ (OneOrMany::One(_) | OneOrMany::Many(_))) => tags.as_slice(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        })
        .map(|tag| tag.as_str())
        .collect();
    assert_eq!(tags, ["2024", "1.50", "Yes", "true", "0x1F"]);
}

#[test]
fn the_order_of_elements_is_kept() {
    let read = document(&with_elements("z: { type: end }\na: { type: end }\nm: { type: end }"));
    let ids: Vec<&str> = read.elements.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["z", "a", "m"]);
}

#[test]
fn aliases_repeat_what_they_name() {
    let read =
        document("id: test\nelements:\n  a: &a { type: event, on: { tag_added: A } }\n  b: *a\n");
    assert_eq!(read.elements[0].1, read.elements[1].1);
}

#[test]
fn the_schema_names_every_type_of_element() {
    let schema = json_schema();
    assert_eq!(schema["properties"]["elements"]["additionalProperties"]["$ref"], "#/$defs/Element");
    let choices = schema["$defs"]["Element"]["oneOf"].as_array().expect("a choice of elements");
    let words: Vec<&str> =
        choices.iter().filter_map(|one| one["properties"]["type"]["const"].as_str()).collect();
    assert_eq!(words.len(), 16, "{words:?}");
}
