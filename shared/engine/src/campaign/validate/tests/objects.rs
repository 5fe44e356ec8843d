//! Campaigns about objects: their types and fields, and what is said of the contact (R70 to R73).

use expect_test::expect;

use super::{check, found_in};

#[test]
fn r71_the_type_that_a_campaign_is_about_is_declared() {
    check(
        r#"
id: test
per: appointmnt
objects:
  appointment: { fields: { starts_at: { type: datetime } } }
elements:
  a: { type: start, when: { tag: A } }
"#,
        &expect![[r#"
            per 2:6 unknown_object_type: there is no type of objects `appointmnt` — did you mean `appointment`? or declare it under `objects: { appointmnt: { fields: … } }`
        "#]],
    );
    check(
        r#"
id: test
per: order
elements:
  a: { type: start, when: { field: total, greater: 10 } }
"#,
        &expect![""],
    );
}

#[test]
fn r70_a_type_and_its_fields_are_called_like_nothing_else_and_typed_as_in_the_account() {
    check(
        r#"
id: test
objects:
  contact: { fields: { a: { type: text } } }
  order: { fields: { total: { type: text }, key: { type: text } }, keep: -1 day }
elements:
  a: { type: start, when: { tag: A } }
"#,
        &expect![[r#"
            objects.contact 3:3 reserved_object_type: `contact` means something else in templates — choose another word for the type
            objects.order.fields.total.type 4:37 field_type_differs: `total` of `order` is a text here but a number in the account — write `type: number`, or choose another key
            objects.order.fields.key 4:45 reserved_field: `key` means something else wherever objects are read or written — choose another key
            objects.order.keep 4:74 invalid_duration: an object is kept for `1 day` at least, not for `-1 day` — write a longer duration, such as `400 days`, or leave `keep` out
        "#]],
    );
}

#[test]
fn r74_an_object_is_kept_for_a_day_at_least() {
    let keeping = |keep: &str| {
        found_in(&format!(
            "id: test\nobjects:\n  order: {{ fields: {{}}, keep: {keep} }}\nelements:\n  a: {{ type: start, when: {{ tag: A }} }}\n"
        ))
    };
    for enough in ["1 day", "24 hours", "400 days"] {
        assert_eq!(keeping(enough), "", "{enough}");
    }
    for too_short in ["0 seconds", "23 hours 59 minutes", "-1 day"] {
        let found = keeping(too_short);
        assert!(
            found.contains("objects.order.keep 3:") && found.contains("invalid_duration"),
            "{found}"
        );
    }
}

#[test]
fn r70_a_type_is_an_id_of_at_most_24_bytes_without_a_dot() {
    check(
        r#"
id: test
per: a.b
objects:
  a-type-that-is-far-too-long: { fields: {} }
elements:
  a: { type: start, when: { tag: A } }
"#,
        &expect![[r#"
            per 2:6 invalid_value: "a.b" is not an id: it contains a dot — use letters, digits, `-` or `_`
            objects.a-type-that-is-far-too-long 4:3 invalid_value: "a-type-that-is-far-too-long" is not an id: it is longer than 24 characters — choose a shorter one
        "#]],
    );
}

#[test]
fn r71_a_field_without_more_is_the_objects_and_under_contact_the_contacts() {
    check(
        r#"
id: test
per: visit
objects:
  visit: { fields: { starts_at: { type: datetime }, status: { type: text } } }
elements:
  a: { type: start, when: { all: [{ field: start_at, is: set }, { field: email, is: set }, { contact: { field: starts_at, is: set } }] }, next: b }
  b: { type: date_timer, field: birthday, next: c }
  c: { type: set_field, fields: { points: 3 }, next: d }
  d: { type: set_field, of: contact, fields: { points: many, email: x, status: y } }
  e: { type: event, on: { contact: { field_set: status } } }
  f: { type: event, on: { field_set: points } }
"#,
        &expect![[r#"
            elements.a.when.all[0].field 6:44 unknown_field: there is no field `start_at` of `visit` — did you mean `starts_at`? or declare it under `objects: { visit: { fields: … } }`
            elements.a.when.all[1].field 6:74 unknown_field: there is no field `email` of `visit` — write `contact: { field: email, … }` for the contact's, or declare it under `objects: { visit: { fields: … } }`
            elements.a.when.all[2].contact.field 6:112 unknown_field: there is no contact field `starts_at` — choose one of `birthday`, `email`, `first_name`, `last_name`, `locale`, `member`, `phone`, `points`, `time_zone`, `visit` or declare it under `fields`
            warning: elements.b 7:3 path_ends_when_missed: who arrives after the moment has passed does not get to `c`: without `missed` the path waits here for another date, and ends when the date has passed — add `missed: c`, or `past: end` if it is to end
            elements.b.field 7:33 unknown_field: there is no field `birthday` of `visit` — choose one of `starts_at`, `status` or declare it under `objects: { visit: { fields: … } }`
            elements.c.fields.points 8:35 unknown_field: there is no field `points` of `visit` — choose one of `starts_at`, `status` or declare it under `objects: { visit: { fields: … } }`
            elements.d.fields.points 9:56 invalid_value: "many" is not a number — write it like 12.5
            elements.d.fields.email 9:62 cannot_be_set: a campaign cannot change whom it writes to — remove `email`; change the address through the API
            elements.d.fields.status 9:72 unknown_field: there is no contact field `status` — choose one of `birthday`, `email`, `first_name`, `last_name`, `locale`, `member`, `phone`, `points`, `time_zone`, `visit` or declare it under `fields`
            elements.e.on.contact.field_set 10:49 unknown_field: there is no contact field `status` — choose one of `birthday`, `email`, `first_name`, `last_name`, `locale`, `member`, `phone`, `points`, `time_zone`, `visit` or declare it under `fields`
            elements.f.on.field_set 11:38 unknown_field: there is no field `points` of `visit` — choose one of `starts_at`, `status` or declare it under `objects: { visit: { fields: … } }`
        "#]],
    );
}

#[test]
fn r72_where_the_contact_is_meant_anyway_it_is_not_said() {
    check(
        r#"
id: test
elements:
  a: { type: start, when: { contact: { tag: A } }, next: b }
  b: { type: tag, add: [B], of: contact, next: c }
  c: { type: set_field, fields: { points: 1 }, of: contact }
  d: { type: event, on: { contact: { tag_added: B } } }
"#,
        &expect![[r#"
            elements.a.when.contact 3:29 contact_is_meant_anyway: the contact is meant here anyway: nothing in between belongs to a contact — leave `contact` out; it is for campaigns about objects, with `per`
            elements.b.of 4:29 contact_is_meant_anyway: the contact is meant here anyway: nothing in between belongs to a contact — leave `contact` out; it is for campaigns about objects, with `per`
            elements.c.of 5:48 contact_is_meant_anyway: the contact is meant here anyway: nothing in between belongs to a contact — leave `contact` out; it is for campaigns about objects, with `per`
            elements.d.on.contact 6:27 contact_is_meant_anyway: the contact is meant here anyway: nothing in between belongs to a contact — leave `contact` out; it is for campaigns about objects, with `per`
        "#]],
    );
    check(
        r#"
id: test
per: order
elements:
  a: { type: start, when: { contact: { contact: { tag: A } } } }
  b: { type: event, on: { contact: { contact: { tag_added: B } } } }
  c: { type: tag, add: [B], of: order }
"#,
        &expect![[r#"
            elements.c.of 6:33 invalid_value: there is no choice `order` — choose one of `contact`
        "#]],
    );
}

#[test]
fn r71_another_campaign_is_about_the_same_or_about_contacts() {
    check(
        r#"
id: test
per: visit
objects: { visit: {} }
elements:
  a: { type: start, when: { any: [{ campaign: other, status: active }, { campaign: orders, status: active }] }, next: b }
  b: { type: start_campaign, campaign: orders, next: c }
  c: { type: reset, campaign: other, next: d }
  d: { type: stop_campaign, campaign: orders }
"#,
        &expect![[r#"
            elements.a.when.any[1].campaign 5:84 other_subject: `orders` is about `order`, but what is meant here is about `visit` — name a campaign about `visit`, or about contacts
            elements.b.campaign 6:40 other_subject: `orders` is about `order`, but what is meant here is about `visit` — name a campaign about `visit`, or about contacts
            elements.d.campaign 8:39 other_subject: `orders` is about `order`, but what is meant here is about `visit` — name a campaign about `visit`, or about contacts
        "#]],
    );
    check(
        r#"
id: test
elements:
  a: { type: start, when: { campaign: orders, status: active } }
"#,
        &expect![[r#"
            elements.a.when.campaign 3:39 other_subject: `orders` is about `order`, but what is meant here is about contacts — name a campaign about contacts
        "#]],
    );
}

#[test]
fn r71_a_published_campaign_is_about_the_same_for_ever() {
    check(
        r#"
id: other
per: order
elements:
  a: { type: start, when: { tag: A } }
"#,
        &expect![[r#"
            per 2:6 other_subject: `other` is about `order` here, but its published versions are about contacts — leave `per` out, or choose another `id`: a campaign is about the same for ever
        "#]],
    );
    check(
        r#"
id: orders
elements:
  a: { type: start, when: { tag: A } }
"#,
        &expect![[r#"
            per 1:1 other_subject: `orders` is about contacts here, but its published versions are about `order` — write `per: order`, or choose another `id`: a campaign is about the same for ever
        "#]],
    );
}

#[test]
fn r73_time_is_no_edge_and_something_has_to_change() {
    check(
        r#"
id: test
elements:
  a: { type: event, on: { becomes: { all: [{ tag: A }, { not: { field: visit, is: past } }] } } }
  b: { type: event, on: { becomes: { field: visit, within: 2 days } } }
  c: { type: event, on: { becomes: { campaign: other, status: active } } }
  d: { type: event, on: { becomes: { field: visit, is: future } } }
  e: { type: event, on: { becomes: { field: vist, is: set } } }
  f: { type: event, on: { becomes: { tag: A } } }
"#,
        &expect![[r#"
            elements.a.on.becomes 3:36 time_is_no_edge: `past` comes true or not by the passing of time, and nothing happens then — leave it out here and ask it in a `condition` behind the event, or follow the date with a `date_timer`
            elements.b.on.becomes 4:36 time_is_no_edge: `within` comes true or not by the passing of time, and nothing happens then — leave it out here and ask it in a `condition` behind the event, or follow the date with a `date_timer`
            elements.c.on.becomes 5:36 never_fires: a condition on no tag and no field never becomes true by a change — name the tag or the field whose change it is about; a start reads the status of another campaign
            elements.d.on.becomes 6:36 time_is_no_edge: `future` comes true or not by the passing of time, and nothing happens then — leave it out here and ask it in a `condition` behind the event, or follow the date with a `date_timer`
            elements.e.on.becomes.field 7:45 unknown_field: there is no contact field `vist` — did you mean `visit`? or declare it under `fields`
        "#]],
    );
    check(
        r#"
id: test
per: order
elements:
  a: { type: event, on: { becomes: { contact: { field: visit, is: past } } } }
  b: { type: event, on: { contact: { becomes: { field: visit, is: past } } } }
  c: { type: event, on: { contact: { becomes: { tag: A } } } }
"#,
        &expect![[r#"
            elements.a.on.becomes 4:36 time_is_no_edge: `past` comes true or not by the passing of time, and nothing happens then — leave it out here and ask it in a `condition` behind the event, or follow the date with a `date_timer`
            elements.b.on.contact.becomes 5:47 time_is_no_edge: `past` comes true or not by the passing of time, and nothing happens then — leave it out here and ask it in a `condition` behind the event, or follow the date with a `date_timer`
        "#]],
    );
}

#[test]
fn r72_templates_read_the_object_and_its_contact() {
    check(
        r#"
id: test
per: visit
objects: { visit: { fields: { starts_at: { type: datetime } } } }
elements:
  a: { type: start, when: { tag: A }, next: b }
  b: { type: email, email: x }
emails:
  x:
    subject: "{{ visit.starts_at }} {{ fields.starts_at }} {{ visit.key }} {{ visit.tags | join }} {{ contact.first_name }} {{ contact.points }}"
    text: "{{ visit.start_at }} {{ contact.starts_at }} {{ fields.points }} {{ order.total }}"
"#,
        &expect![[r#"
            emails.x.text 10:15 unknown_placeholder: there is nothing to put in for `visit.start_at` — did you mean `visit.starts_at`?
            emails.x.text 10:36 unknown_placeholder: there is nothing to put in for `contact.starts_at` — choose one of `visit.starts_at`, `contact.birthday`, `contact.email`, `contact.first_name`, `contact.last_name`, `contact.locale`, `contact.member`, `contact.phone`, `contact.points`, `contact.time_zone`, `contact.visit`, `visit.key`, `visit.tags`, `contact.id`, `contact.consent`, `contact.tags`, `tags`, `campaign.id`, `campaign.name`, `campaign.run` and 2 more
            emails.x.text 10:60 unknown_placeholder: there is nothing to put in for `fields.points` — choose one of `fields.starts_at`, `contact.id`, `contact.consent`, `contact.tags`, `tags`, `campaign.id`, `campaign.name`, `campaign.run`, `unsubscribe_url`, `links.unsubscribe`
            emails.x.text 10:80 unknown_placeholder: there is nothing to put in for `order.total` — choose one of `visit.starts_at`, `contact.birthday`, `contact.email`, `contact.first_name`, `contact.last_name`, `contact.locale`, `contact.member`, `contact.phone`, `contact.points`, `contact.time_zone`, `contact.visit`, `visit.key`, `visit.tags`, `contact.id`, `contact.consent`, `contact.tags`, `tags`, `campaign.id`, `campaign.name`, `campaign.run` and 2 more
        "#]],
    );
}

#[test]
fn r70_a_field_may_be_its_type_alone() {
    check(
        r#"
id: test
per: appointment
objects:
  appointment: { label: Appointment, fields: { starts_at: datetime, place: { type: text } } }
fields: { city: text, born: { type: date, label: Born } }
elements:
  a: { type: date_timer, field: starts_at, offset: -1 hour, next: b }
  b: { type: end }
  c: { type: start, when: { all: [{ field: starts_at, is: future }, { contact: { field: born, is: past } }] }, next: a }
"#,
        &expect![""],
    );
    check(
        r#"
id: test
objects:
  appointment: { fields: { starts_at: datetme, place: [text], ends_at: { type: time }, x: } }
fields: { city: words, born: 7 }
elements:
  a: { type: start, when: { tag: A } }
"#,
        &expect![[r#"
            objects.appointment.fields.starts_at 3:39 invalid_value: there is no type `datetme` — did you mean `datetime`?
            fields.city 4:17 invalid_value: there is no type `words` — choose one of `text`, `number`, `boolean`, `date`, `datetime`
            fields.born 4:30 wrong_type: a type such as `datetime`, or a map with the keys `type` and `label` belongs here, not integer `7` — write a type such as `datetime`, or a map with the keys `type` and `label`
        "#]],
    );
}
