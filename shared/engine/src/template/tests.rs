//! Tests of templates; each names the rule it pins.

use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeZone, Utc};

use super::{Escape, MergeValue, MergeValues, RenderError, one_line, placeholders, render};
use crate::language::Language;
use crate::time::Zone;

fn values() -> MergeValues {
    let text = |text: &str| MergeValue::Text(text.to_owned());
    let values = [
        ("contact.first_name", text("Ann <3")),
        ("contact.last_name", text("")),
        ("contact.city", text("  ")),
        ("contact.tags", MergeValue::List(vec!["Lead".to_owned(), "VIP".to_owned()])),
        ("contact.none", MergeValue::List(Vec::new())),
        ("contact.score", MergeValue::Number(3.0)),
        ("contact.price", MergeValue::Number(2.5)),
        ("contact.member", MergeValue::Boolean(true)),
        ("contact.birthday", MergeValue::Date(NaiveDate::from_ymd_opt(1990, 5, 17).unwrap())),
        (
            "contact.appointment",
            MergeValue::DateTime(Utc.with_ymd_and_hms(2026, 12, 1, 13, 30, 0).unwrap()),
        ),
        ("campaign.name", text("Loop")),
        ("unsubscribe_url", text("https://a.example/u?c=1&t=2")),
        ("links.unsubscribe", text("https://a.example/u?c=1&t=2")),
    ];
    MergeValues {
        zone: Zone::Europe__Berlin,
        language: Language::of("de"),
        values: values.into_iter().map(|(path, value)| (path.to_owned(), value)).collect(),
    }
}

fn text(source: &str) -> String {
    render(source, Escape::Text, &values()).unwrap()
}

fn failure(source: &str) -> String {
    render(source, Escape::Text, &values()).unwrap_err().to_string()
}

#[test]
fn r33_an_empty_value_without_a_default_fails_with_the_remedy() {
    let message = |path: &str| {
        format!(
            "{path} is empty for this contact; write {{{{ {path} | default('there') }}}}, or put {{% if {path} %}}…{{% endif %}} \
             around what speaks of it"
        )
    };
    assert_eq!(failure("Hi {{ contact.last_name }}"), message("contact.last_name"));
    assert_eq!(failure("Hi\n {{ contact.city }}!"), message("contact.city"));
    assert_eq!(failure("Hi {{ contact.nickname }}"), message("contact.nickname"));
    assert_eq!(failure("{{ contact.last_name | upper }}"), message("contact.last_name"));
    assert_eq!(
        failure("{{ contact.first_name ~ ' ' ~ contact.last_name }}"),
        message("contact.last_name")
    );
    assert_eq!(failure("{{ contact.none | join(', ') }}"), message("contact.none"));
    assert_eq!(failure("{{ contact.none }}"), message("contact.none"));
    assert_eq!(failure("{{ contact.gone | date('full') }}"), message("contact.gone"));
    assert_eq!(failure("{{ shop_url }}"), message("shop_url"));
    assert!(failure("{% set n = contact.last_name %}{{ n }}").contains("is empty"));
    assert_eq!(failure("{% for t in contact.gone %}x{% endfor %}"), message("contact.gone"));
    assert!(failure("{{ contact.a.b }}").contains("is empty"));
}

#[test]
fn r33_a_default_stands_in_for_missing_and_empty_values() {
    assert_eq!(text("Hi {{ contact.last_name | default('there') }}"), "Hi there");
    assert_eq!(text("Hi {{ contact.nickname | default('there') }}"), "Hi there");
    assert_eq!(text("Hi {{ contact.first_name | d('there') }}"), "Hi Ann <3");
    assert_eq!(text("{{ contact.none | join(', ') | default('no tags') }}"), "no tags");
    assert_eq!(text("{{ contact.gone | date('full') | default('soon') }}"), "soon");
    assert_eq!(text("{{ contact.gone | default }}"), "");
    assert_eq!(text("{% if contact.last_name %}a{% else %}b{% endif %}"), "b");
    assert_eq!(text("{% if not contact.nickname %}a{% endif %}"), "a");
    assert_eq!(text("{{ 'Frau' if contact.nickname }}{{ 'x' if contact.member else '' }}"), "x");
}

#[test]
fn r33_dates_are_shown_in_the_zone_and_language() {
    assert_eq!(text("{{ contact.appointment }}"), "Dienstag, 1. Dezember 2026 um 14:30 Uhr");
    assert_eq!(text("{{ contact.appointment | date('time') }}"), "14:30 Uhr");
    assert_eq!(text("{{ contact.appointment | date('%d.%m. %H:%M') }}"), "01.12. 14:30");
    assert_eq!(text("{{ contact.birthday }}"), "Donnerstag, 17. Mai 1990");
    assert_eq!(text("{{ contact.birthday | date('short') | upper }}"), "17.05.1990");
    assert_eq!(text("{{ contact.appointment ~ '!' }}"), "Dienstag, 1. Dezember 2026 um 14:30 Uhr!");
    assert_eq!(
        text("{{ contact.appointment | upper }}"),
        "DIENSTAG, 1. DEZEMBER 2026 UM 14:30 UHR"
    );
    assert_eq!(text("{% if contact.appointment == contact.appointment %}same{% endif %}"), "same");
    assert!(failure("{{ contact.birthday | date('time') }}").contains("without a time"));
    assert!(failure("{{ contact.appointment | date('medium') }}").contains("full, long, short"));
    assert!(failure("{{ contact.first_name | date }}").contains("needs a date"));
}

#[test]
fn numbers_booleans_and_lists_print_as_people_write_them() {
    assert_eq!(text("{{ contact.score }} {{ contact.price }} {{ contact.score / 1 }}"), "3 2.5 3");
    assert_eq!(text("{{ contact.member }}"), "true");
    assert_eq!(text("{{ contact.tags }}|{{ contact.tags | join('; ') }}"), "Lead, VIP|Lead; VIP");
    assert_eq!(text("{% if 'VIP' in contact.tags %}gold{% endif %}"), "gold");
    assert_eq!(text("{% if 'VIP' in contact.none %}gold{% endif %}"), "");
    assert!(failure("{{ contact }}").contains("group of values"));
}

#[test]
fn html_escapes_values_and_leaves_the_template_alone() {
    let html = |source: &str| render(source, Escape::Html, &values()).unwrap();
    assert_eq!(html("<b>{{ contact.first_name }}</b>"), "<b>Ann &lt;3</b>");
    assert_eq!(
        html("<a href=\"{{ unsubscribe_url }}\">"),
        "<a href=\"https://a.example/u?c=1&amp;t=2\">"
    );
    assert_eq!(html("{{ links.unsubscribe }}"), "https://a.example/u?c=1&amp;t=2");
    assert_eq!(html("{{ ['<', 'b'] | join(' & ') }}"), "&lt; &amp; b");
    assert_eq!(text("{{ contact.first_name }}"), "Ann <3");
}

#[test]
fn r33_placeholders_are_the_paths_that_a_template_reads() {
    let source = "{{ contact.first_name | default(campaign.name) }} {% if 'x' in contact.tags %}\
                  {% for t in contact.tags %}{{ loop.index }}{{ t }}{% endfor %}{% endif %}\
                  {% for n in range(3) %}{{ n }}{% endfor %}{{ unsubscribe_url }}";
    let found: Vec<String> = placeholders(source).unwrap().into_iter().collect();
    assert_eq!(found, ["campaign.name", "contact.first_name", "contact.tags", "unsubscribe_url"]);
}

#[test]
fn r33_what_can_never_render_is_found_before_publishing() {
    let problem = |source: &str| {
        let problem = placeholders(source).unwrap_err();
        (problem.message, problem.line, problem.column)
    };
    let (message, line, _) = problem("Hi\n{{ contact.first_name");
    assert!(line == 2 && !message.is_empty(), "{message} {line}");
    assert_eq!(
        problem("Hi\n {% if false %}{{ contact.x | uper }}{% endif %}"),
        ("there is no filter `uper`".to_owned(), 2, Some(31))
    );
    assert_eq!(problem("{% if a is not defned %}{% endif %}").0, "there is no test `defned`");
    assert!(problem("{% include 'a' %}").0.contains("`include`"));
    assert!(problem(&"x".repeat(300 * 1024)).0.contains("longer than"));
    for fine in [
        "{{ ' | nothing ' | upper }}{# {{ x | nope }} #}{% raw %}{{ x | nope }}{% endraw %}{{ a }}",
        "{%- if a is defined and b is not none -%}{ {{- a|trim -}} }{% endif %}",
        "{% filter upper %}a{% endfilter %} {% if a is divisibleby(3) %}{% endif %}",
        "{% for x in [1, 2] if x is odd %}{% endfor %} {'ä': \"}}\"} {{ \"}} | x\" }}",
    ] {
        assert_eq!(placeholders(fine).map(|_| ()), Ok(()), "{fine}");
    }
}

#[test]
fn work_and_output_are_bounded() {
    let failed = |source: &str| render(source, Escape::Text, &values()).unwrap_err();
    let long = "{% for n in range(1000) %}{{ 'x' * 1000 }}{% endfor %}";
    assert_eq!(failed(long), RenderError::TooLong);
    let slow = "{% for a in range(9000) %}{% for b in range(9000) %}{% endfor %}{% endfor %}";
    assert_eq!(failed(slow), RenderError::TooManySteps);
    assert!(matches!(failed("{% include 'secret' %}"), RenderError::Invalid(_)));
    assert!(matches!(failed("{{ 1 / 'a' }}"), RenderError::Invalid(_)));
}

#[test]
fn values_are_stored_compactly_and_come_back() {
    let stored = serde_json::to_value(values()).unwrap();
    assert_eq!(stored["language"], "de");
    assert_eq!(stored["zone"], "Europe/Berlin");
    assert_eq!(stored["values"]["contact.first_name"], "Ann <3");
    assert_eq!(stored["values"]["contact.birthday"]["d"], "1990-05-17");
    assert_eq!(stored["values"]["contact.appointment"]["t"], 1_796_131_800_000_i64);
    assert_eq!(stored["values"]["contact.none"], serde_json::json!([]));
    let text = serde_json::to_string(&values()).unwrap();
    assert_eq!(serde_json::from_str::<MergeValues>(&text).unwrap(), values());
    let whole: BTreeMap<String, MergeValue> =
        serde_json::from_str(r#"{"a": 3, "b": "3"}"#).unwrap();
    assert_eq!(whole["a"], MergeValue::Number(3.0));
    assert_eq!(whole["b"], MergeValue::Text("3".to_owned()));
}

#[test]
fn r33_the_empty_placeholder_is_named_wherever_it_was_read() {
    let told = failure("{% set n = contact.last_name %}\n{{ n }}");
    assert!(told.starts_with("contact.last_name is empty"), "{told}");
    let told = failure("{% macro hi(x) %}{{ x }}{% endmacro %}{{ hi(contact.city) }}");
    assert!(told.starts_with("contact.city is empty"), "{told}");
    let told = render("{{ contact.price + contact.gone }}", Escape::Html, &values()).unwrap_err();
    assert!(told.to_string().starts_with("contact.gone is empty"), "{told}");
}

#[test]
fn a_subject_is_one_line() {
    assert_eq!(one_line(" Hi\r\nBcc: x\t y\u{2028}z \u{0} "), "Hi Bcc: x y z");
}
