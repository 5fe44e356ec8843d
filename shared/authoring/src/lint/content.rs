//! D403 and D404: what templates put in.

use std::collections::BTreeSet;

use dacapo_engine::campaign::format::Element;
use dacapo_engine::compact::CollectCompactly as _;
use dacapo_engine::field::FieldType;
use dacapo_engine::ids::FieldKey;
use dacapo_engine::language::Language;
use dacapo_engine::template::{Escape, MergeValue, MergeValues, RenderError, placeholders, render};
use dacapo_engine::time::Zone;
use serde_json::Value;

use super::expected::{message, not_sent, sent};
use super::facts::{AllFacts, ElementPath, Facts};
use super::lacking::{Field, way_without};
use super::story::Story;
use super::words::line_and_column;
use super::{At, LintFindings, LintPage, path_of_email};
use crate::finding::{Edit, Proof};
use crate::scenario::ExpectedMessage;

pub(super) static PLACEHOLDER_CAN_BE_EMPTY_PAGE: LintPage = LintPage {
    code: "D403",
    what: "A placeholder in an e-mail that is shown without a default, where nothing on the way to \
           the e-mail makes sure that the field has a value.",
    why: "A half-empty mail never leaves: the message fails, with the reason in the history (R33), \
          and the contact hears nothing.",
    example: r#"
id: welcome
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Lead }, next: hello }
  hello: { type: email, email: hello }
emails:
  hello: { subject: Hello, text: "Dear {{ contact.last_name }}, nice to meet you." }
"#,
    mended: r#"
id: welcome
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Lead }, next: hello }
  hello: { type: email, email: hello }
emails:
  hello: { subject: Hello, text: "Dear {{ contact.last_name | default('friend') }}, nice to meet you." }
"#,
    limits: "A field that the campaign names somewhere is judged way by way: it is found only if \
             there is a way without a start, a branch, a goal, an event, a date timer or a \
             `set_field` that makes sure of it, and if a scenario can go it. Taken to be there are \
             `contact.email`, a date that a timer behind the e-mail follows, since it is posted \
             with the booking, and what lies behind a tag that a campaign assigns, since it may \
             stand for what was asked before.",
};

pub(super) fn placeholder_can_be_empty(
    facts: &Facts<'_>,
    all: &AllFacts<'_>,
    found: &mut LintFindings<'_>,
) {
    let mut named: BTreeSet<Field> = BTreeSet::new();
    for at in 0..facts.len() {
        let reads = facts.reads(at);
        let own = facts.document.per.is_none();
        let field = |of_person: bool| move |key| Field { of_person, key };
        named.extend(reads.fields.into_iter().map(field(own)));
        named.extend(reads.person.fields.into_iter().map(field(true)));
        let sets = facts.sets(at).into_iter();
        named.extend(sets.map(|(key, kind)| field(kind.is_none())(key.clone())));
    }
    for (key, email) in &facts.document.emails {
        let texts = [
            ("subject", Some(&email.subject), Escape::Text),
            ("text", email.text.as_ref(), Escape::Text),
            ("html", email.html.as_ref(), Escape::Html),
        ];
        let mut told = BTreeSet::new();
        for (part, text, escape) in texts {
            let Some(text) = text.filter(|text| text.contains("{{")) else { continue };
            let Ok(read) = placeholders(text) else { continue };
            for placeholder in &read {
                let Some(field) = field_of(facts, placeholder) else { continue };
                let is_there = field.key.as_str() == "email" || told.contains(placeholder);
                if is_there || !fails_without(facts, text, escape, &read, placeholder) {
                    continue;
                }
                let mut senders = senders(facts, key).into_iter();
                let (way, proof) = if named.contains(&field) {
                    let lacking = senders.find_map(|at| {
                        let way = way_without(facts, all, at, &field)?;
                        let proof = without(facts, Some(&way), at, &field)?;
                        Some((way, proof))
                    });
                    let Some((way, proof)) = lacking else { continue };
                    (Some(way), Some(proof))
                } else {
                    (None, senders.next().and_then(|at| without(facts, None, at, &field)))
                };
                let comes = way.as_ref().map(|way| format!(" and comes {}", by(facts, way)));
                let asks =
                    if way.is_some() { "on this way asks for it" } else { "asks for it before" };
                told.insert(placeholder.clone());
                let byte = text.find(placeholder.as_str()).unwrap_or_default();
                let message = format!(
                    "who has no `{}`{} is not sent `{key}` at all: `{placeholder}` is shown \
                     without a default, and nothing {asks}",
                    field.key,
                    comes.unwrap_or_default(),
                );
                let remedy = format!(
                    "write `{{{{ {placeholder} | default(\"…\") }}}}`, or ask in a condition \
                     whether it is set"
                );
                found.add(At::Byte(key, part, text, byte), message, remedy).proof = proof;
            }
        }
    }
}

/// A way in words: where it begins, and which edges of a choice it takes.
fn by(facts: &Facts<'_>, way: &ElementPath) -> String {
    let (first, _) = way.first().copied().unwrap_or_default();
    let chosen = way.iter().filter(|(_, edge)| !matches!(*edge, "next" | ""));
    let chosen: Vec<String> =
        chosen.map(|(at, edge)| format!("`{edge}` of `{}`", facts.id(*at))).collect();
    let from = format!("from `{}`", facts.id(first));
    if chosen.is_empty() { from } else { format!("{from} by {}", chosen.join(", then ")) }
}

/// The field that a placeholder shows.
fn field_of(facts: &Facts<'_>, placeholder: &str) -> Option<Field> {
    let (root, key) = placeholder.split_once('.')?;
    let is_of_contact = match &facts.document.per {
        None if root == "contact" || root == "fields" => true,
        Some(_) if root == "contact" => true,
        Some(kind) if root == kind.as_str() || root == "fields" => false,
        None | Some(_) => return None,
    };
    if ["id", "consent", "tags", "key"].contains(&key) {
        return None;
    }
    let key = FieldKey::new(key).ok()?;
    facts.type_of(is_of_contact, &key).map(|_| Field { of_person: is_of_contact, key })
}

/// Whether rendering fails if only this one has no value.
fn fails_without(
    facts: &Facts<'_>,
    text: &str,
    escape: Escape,
    read: &BTreeSet<String>,
    without: &str,
) -> bool {
    let all = read.iter().filter(|name| *name != without);
    let values = all.filter_map(|name| {
        let value = match field_of(facts, name) {
            None if name.ends_with("tags") => MergeValue::List(vec!["Lead".to_owned()]),
            None if name == "campaign.run" => MergeValue::Number(1.0),
            None => MergeValue::Text("some".to_owned()),
            Some(Field { of_person, key }) => sample(facts.type_of(of_person, &key)?)?,
        };
        Some((name.clone(), value))
    });
    let values = MergeValues {
        zone: Zone::UTC,
        language: Language::of("en"),
        values: values.collect_compactly(),
    };
    matches!(render(text, escape, &values), Err(RenderError::Empty { placeholder, .. }) if placeholder == without)
}

fn sample(kind: FieldType) -> Option<MergeValue> {
    let written = match kind {
        FieldType::Text => Value::from("some"),
        FieldType::Number => Value::from(1),
        FieldType::Boolean => Value::from(true),
        FieldType::Date => Value::from("2027-03-01"),
        FieldType::Datetime => Value::from("2027-03-01 10:00"),
    };
    use dacapo_engine::field::FieldValue;
    Some(match kind.read(&written, Zone::UTC).ok()?? {
        FieldValue::Text(text) => MergeValue::Text(text),
        FieldValue::Number(number) => MergeValue::Number(number),
        FieldValue::Boolean(truth) => MergeValue::Boolean(truth),
        FieldValue::Date(day) => MergeValue::Date(day),
        FieldValue::Datetime(at) => MergeValue::DateTime(at),
    })
}

/// The elements that send an e-mail.
pub(super) fn senders(facts: &Facts<'_>, key: &str) -> Vec<usize> {
    let sends = facts
        .elements()
        .filter(|(_, element)| matches!(element, Element::Email(email) if email.email == key));
    sends.map(|(at, _)| at).collect()
}

/// Somebody without the value comes to the e-mail, by this way or the shortest.
fn without(
    facts: &Facts<'_>,
    way: Option<&ElementPath>,
    at: usize,
    field: &Field,
) -> Option<Proof> {
    let mut story = Story::new(facts);
    match way {
        Some(way) => story.go(way)?,
        None => story.to(at).map(|_| ())?,
    }
    if !story.lacks(&field.key, field.of_person) {
        return None;
    }
    let shows = format!("She has no `{}`, and `{}` was not sent.", field.key, facts.id(at));
    let mut proof = story.shows(shows, not_sent(message(facts.id(at))));
    if let Some(contact) = &mut proof.scenario.contact
        && field.of_person
    {
        contact.0.remove(field.key.as_str());
    }
    Some(proof)
}

pub(super) static LINK_WITHOUT_URLENCODE_PAGE: LintPage = LintPage {
    code: "D404",
    what: "A link in whose query a value is put without `urlencode`: `?name={{ contact.first_name \
           }}`.",
    why: "A name with a space, an `&` or an umlaut cuts the link off or changes what it says; the \
          booking page gets half of it.",
    example: r#"
id: invite
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Lead }, next: invite }
  invite: { type: email, email: invite }
emails:
  invite:
    subject: Meet us
    text: "https://calendly.example/nord?name={{ contact.first_name | default('') }}"
"#,
    mended: r#"
id: invite
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Lead }, next: invite }
  invite: { type: email, email: invite }
emails:
  invite:
    subject: Meet us
    text: "https://calendly.example/nord?name={{ contact.first_name | default('') | urlencode }}"
"#,
    limits: "Only the query, behind the `?`, is looked at: a whole link that comes from a field \
             must not be encoded. Numbers, ids and links of Dacapo itself need nothing.",
};

pub(super) fn link_without_urlencode(
    facts: &Facts<'_>,
    _: &AllFacts<'_>,
    found: &mut LintFindings<'_>,
) {
    for (key, email) in &facts.document.emails {
        for (part, text) in [("text", &email.text), ("html", &email.html)] {
            let Some(text) = text else { continue };
            for (begins, inside) in in_queries(text) {
                let name: String = inside
                    .trim()
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'))
                    .collect();
                let Some(field) = field_of(facts, &name) else { continue };
                let is_text = facts.type_of(field.of_person, &field.key) == Some(FieldType::Text);
                if !is_text || inside.contains("urlencode") || inside.contains(['~', '+']) {
                    continue;
                }
                let end = begins + inside.trim_end().len();
                let (line, column) = line_and_column(text, end);
                let path = path_of_email(key).key(part);
                let place = found.given.source.places.in_text(&path, line, column);
                // In double quotes an escape would move the place.
                let place = place.filter(|place| {
                    let before = crate::fix::offset(found.given.text, *place);
                    before.is_some_and(|at| found.given.text[..at].ends_with(inside.trim_end()))
                });
                let message = format!(
                    "`{name}` is put into the query of a link as it is: a space, a `+` or an `&` \
                     in it breaks the link"
                );
                let remedy = format!("write `{{{{ {} | urlencode }}}}`", inside.trim());
                let finding = found.add(At::Byte(key, part, text, begins), message, remedy);
                finding.edit = place.map(|place| Edit {
                    label: format!("encode `{name}`"),
                    safe: true,
                    from: place,
                    to: place,
                    text: " | urlencode".to_owned(),
                });
                finding.proof = torn(facts, key, part, &field, &text[..begins]);
            }
        }
    }
}

/// What stands between `{{` and `}}` in queries of links: where it begins, and what it is.
fn in_queries(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find("http").map(|at| at + from) {
        from = at + 4;
        let scheme = text[from..].strip_prefix('s').unwrap_or(&text[from..]);
        if !scheme.starts_with("://") {
            continue;
        }
        let (mut here, mut in_query) = (at, false);
        while let Some(c) = text[here..].chars().next() {
            if text[here..].starts_with("{{") {
                let Some(length) = text[here..].find("}}") else { break };
                if in_query {
                    let begins = here + 2;
                    found.push((begins, &text[begins..here + length]));
                }
                here += length + 2;
                continue;
            }
            if c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>') {
                break;
            }
            in_query |= c == '?';
            here += c.len_utf8();
        }
        from = here.max(from);
    }
    found
}

/// A value with a space and an `&`, or an address with a `+`, stands in the link as it is.
fn torn(facts: &Facts<'_>, key: &str, part: &str, field: &Field, before: &str) -> Option<Proof> {
    let at = *senders(facts, key).first()?;
    let mut story = Story::new(facts);
    story.to(at)?;
    let is_address = field.of_person && field.key.as_str() == "email";
    let (value, what) = if is_address {
        ("ann+news@example.com", "a `+` in a query is read as a space")
    } else {
        ("Ann & Ben", "the link ends at the first space")
    };
    let last = before.rsplit([' ', '\n', '"', '}']).next()?.strip_suffix("{{")?;
    let text = (part == "text").then(|| format!("{last}{value}"));
    let shows = format!("Her `{}` is `{value}`, and {what}.", field.key);
    let mut proof = story.shows(shows, sent(ExpectedMessage { text, ..message(facts.id(at)) }));
    let contact = proof.scenario.contact.as_mut().filter(|_| field.of_person)?;
    contact.0.insert(field.key.to_string(), Value::from(value));
    Some(proof)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{findings, silent, trips};
    use super::in_queries;

    fn mail(text: &str) -> String {
        format!(
            "id: a\nsender: {{ address: a@b.example }}\nfields: {{ coupon: {{ type: text }}, seats: {{ type: number }} }}\n\
             elements:\n  s: {{ type: start, when: {{ tag: A }}, next: m }}\n  \
             m: {{ type: email, email: m }}\nemails:\n  m:\n    subject: S\n    text: |\n      {text}\n"
        )
    }

    #[test]
    fn r33_d403_knows_defaults_branches_and_what_is_always_there() {
        trips("D403", &mail("{{ contact.coupon }}"), &["m"]);
        trips("D403", &mail("{{ contact.coupon | upper }}"), &["m"]);
        for text in [
            "{{ contact.coupon | default('none') }}",
            "{% if contact.coupon %}{{ contact.coupon }}{% endif %}",
            "{{ contact.email }}",
            "{{ campaign.name }} {{ unsubscribe_url }}",
        ] {
            silent("D403", &mail(text));
        }
        let asked =
            mail("{{ contact.coupon }}").replace("{ tag: A }", "{ field: coupon, is: set }");
        silent("D403", &asked);
    }

    /// Two entries, a branch on the field, and what stands behind it.
    fn asked(when: &str, rest: &str) -> String {
        format!(
            "id: a\nsender: {{ address: a@b.example }}\nfields: {{ coupon: {{ type: text }} }}\n\
             elements:\n  s: {{ type: start, when: {when}, next: c }}\n  \
             c: {{ type: condition, when: {{ field: coupon, is: set }}, then: m, else: o }}\n  \
             m: {{ type: email, email: m }}\n{rest}\
             emails:\n  m: {{ subject: S, text: '{{{{ contact.coupon }}}}' }}\n  \
             n: {{ subject: S, text: '{{{{ contact.coupon | default(1) }}}}' }}\n"
        )
    }

    #[test]
    fn r33_d403_is_judged_on_the_way_to_the_e_mail() {
        let tag = "{ tag: A }";
        // Behind `then` it is there; behind `else`, and from an entry that does not ask, it is not.
        silent("D403", &asked(tag, "  o: { type: email, email: n }\n"));
        trips("D403", &asked(tag, "  o: { type: email, email: m }\n"), &["m"]);
        trips(
            "D403",
            &asked(tag, "  o: { type: end }\n  e: { type: event, on: { custom: e }, next: m }\n"),
            &["m"],
        );
        let set = "{ field: coupon, is: set }";
        silent("D403", &asked(set, "  o: { type: email, email: m }\n"));
        // What was written is there, until it is cleared.
        let write = |value: &str| {
            format!("  o: {{ type: set_field, fields: {{ coupon: {value} }}, next: m }}\n")
        };
        silent("D403", &asked(tag, &write("X")));
        trips("D403", &asked(tag, &write("null")), &["m"]);
        trips(
            "D403",
            &asked(set, "  o: { type: end }\n").replace("then: m, else", "then: w, else").replace(
                "  o:",
                "  w: { type: set_field, fields: { coupon: null }, next: m }\n  o:",
            ),
            &["m"],
        );
        // A goal at which paths wait, and an event on the field, make sure of it.
        let goal = |unmet: &str| {
            format!(
                "  o: {{ type: goal, when: {{ field: coupon, contains: X }}, unmet: {unmet}, next: m }}\n"
            )
        };
        silent("D403", &asked(tag, &goal("wait")));
        trips("D403", &asked(tag, &goal("continue")), &["m"]);
        silent(
            "D403",
            &asked(
                tag,
                "  o: { type: end }\n  e: { type: event, on: { field_changed: coupon }, next: m }\n",
            ),
        );
    }

    #[test]
    fn r33_d403_a_tag_that_the_campaign_assigns_may_stand_for_what_was_asked() {
        let campaign = |add: &str| {
            asked(
                "{ tag: A }",
                &format!(
                    "  o: {{ type: condition, when: {{ tag: Known }}, then: m, else: t }}\n  t: {{ type: tag, add: [{add}] }}\n"
                ),
            )
        };
        trips("D403", &campaign("Other"), &["m"]);
        silent("D403", &campaign("Known"));
    }

    #[test]
    fn d404_only_texts_in_a_query_and_the_edit_mends_it() {
        let link =
            |value: &str| mail(&format!("Book: https://b.example/x?c={{{{ {value} }}}} now"));
        let campaign = link("contact.coupon | default('')");
        trips("D404", &campaign, &["m"]);
        let (mended, applied) = crate::fix::apply(&campaign, &findings(&campaign));
        assert_eq!(applied, 1);
        assert!(mended.contains("{{ contact.coupon | default('') | urlencode }} now"), "{mended}");
        silent("D404", &mended);
        silent("D404", &link("contact.seats | default(1)"));
        silent("D404", &link("contact.id"));
        let address = link("contact.email");
        trips("D404", &address, &["m"]);
        let found = findings(&address);
        let proof = found.iter().find(|it| it.code == "D404").and_then(|it| it.proof.as_ref());
        let proof = proof.expect("a proof with an address");
        assert!(proof.shows.contains("ann+news@example.com"), "{}", proof.shows);
        silent("D404", &mail("https://b.example/{{ contact.coupon | default('') }}"));
        silent("D404", &mail("Is it {{ contact.coupon | default('') }}? https://b.example"));
    }

    #[test]
    fn a_query_ends_with_the_link() {
        let found = |text| in_queries(text).into_iter().map(|it| it.1.trim()).collect::<Vec<_>>();
        assert_eq!(found("http://a/?b={{ c }}&d={{ e }} {{ f }}"), ["c", "e"]);
        assert_eq!(found("<a href=\"https://a/?b={{ c }}\">{{ d }}</a>"), ["c"]);
        assert_eq!(found("http {{ a }} httpx://?{{ b }} https://ä?ö={{"), [""; 0]);
    }
}
