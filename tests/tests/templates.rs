//! Unusual templates: none of them may abort the process, hang it, or exceed the size limit of the
//! output.
//!
//! A stack overflow cannot be caught. So everything here is rendered on threads with a stack of 512
//! KB, a quarter of the worker's threads; and once in a separate process, whose exit status is
//! checked.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use chrono::DateTime;
use dacapo_engine::language::Language;
use dacapo_engine::template::{
    Budget, Escape, FILTERS, FUNCTIONS, LONGEST_OUTPUT_BYTES, MergeValue, MergeValues, RenderError,
    TESTS, placeholders, render, render_within,
};
use dacapo_engine::time::Zone;
use dacapo_tests::template_grammar::template_of;
use proptest::prelude::*;

const SMALL_STACK: usize = 512 * 1024;

/// Enough for the slowest of them in a build without optimization, on a busy machine.
const LONGEST_RENDERING: Duration = Duration::from_secs(20);

fn values() -> MergeValues {
    let text = |text: &str| MergeValue::Text(text.to_owned());
    let tags = (0..1_000).map(|n| format!("tag {n}")).collect();
    let values = [
        ("contact.name", text("Ann <3")),
        ("contact.text", MergeValue::Text("long ".repeat(2_000))),
        ("contact.tags", MergeValue::List(tags)),
        ("contact.at", MergeValue::DateTime(DateTime::UNIX_EPOCH)),
        ("contact.price", MergeValue::Number(12.5)),
    ];
    MergeValues {
        zone: Zone::Europe__Berlin,
        language: Language::of("de"),
        values: values.into_iter().map(|(path, value)| (path.to_owned(), value)).collect(),
    }
}

/// Runs on a small stack, with a time limit.
fn on_a_small_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = mpsc::channel();
    let thread = std::thread::Builder::new().stack_size(SMALL_STACK);
    let working = thread
        .spawn(move || {
            let _ = tell.send(work());
        })
        .expect("a thread");
    let done = told.recv_timeout(LONGEST_RENDERING);
    assert!(done.is_ok(), "it has panicked, or takes longer than {LONGEST_RENDERING:?}");
    working.join().expect("it ends");
    done.expect("it is done in time")
}

fn compiled_and_rendered(source: &str) -> [Result<String, RenderError>; 2] {
    let source = source.to_owned();
    on_a_small_stack(move || {
        let _ = placeholders(&source);
        let values = values();
        let _ = render_within(Budget::Small, &source, Escape::Text, &values);
        [Escape::Text, Escape::Html].map(|escape| render(&source, escape, &values))
    })
}

/// Each with the expected result: a part of the error, or an empty text if it may be rendered.
fn hostile() -> Vec<(String, &'static str)> {
    let chain = |before: &str, link: &str, times: usize, after: &str| {
        format!("{{{{ {before}{}{after} }}}}", link.repeat(times))
    };
    let doubled =
        |set: &str, times: usize| format!("{{% set a = 'xx' %}}{}{{{{ a }}}}", set.repeat(times));
    let (deep, open, large, steps) =
        ("depend on each other", "are open", "larger than", "too many steps");
    let mut all = Vec::new();
    for times in [300, 5_000, 100_000] {
        for link in ["+1", "~1", ".a", "|e", "[0]", " and 1", " if 1", "*2", " is odd", "()"] {
            all.push((chain("1", link, times, ""), if times > 60_000 { "" } else { deep }));
        }
        for before in ["-", "not ", "1 if 1 else "] {
            all.push((chain("", before, times, "1"), if times > 60_000 { "" } else { deep }));
        }
    }
    for (one, other) in [("(", ")"), ("[", "]"), ("{1:", "}"), ("range(", ")")] {
        all.push((chain("", one, 2_000, "1") + &other.repeat(2_000), open));
        all.push((chain("", one, 2_000, "1"), open));
    }
    for tag in
        ["if 1", "for a in [1]", "with a = 1", "filter upper", "macro m()", "set a", "autoescape 1"]
    {
        all.push((format!("{{% {tag} %}}").repeat(2_000), open));
    }
    all.push(("{% if 1 %}".to_owned() + &"{% elif 1 %}".repeat(5_000) + "{% endif %}", deep));
    all.push(("{{ 1 }}".repeat(30_000), "words and marks"));
    all.push((doubled("{% set a = a ~ a %}", 36), large));
    all.push((doubled("{% set a = a + a %}", 36), large));
    all.push((doubled("{% set a = [a, a] %}", 30), large));
    all.push((doubled("{% set a = [a] %}", 200), "lie in each other"));
    all.push((doubled("{% set a = {'a': a} %}", 200), "lie in each other"));
    all.push((doubled("{% set a = dict(a=a) %}", 200), "lie in each other"));
    all.push((doubled("{% set a = a|replace('', a) %}", 36), large));
    all.push(("{{ contact.text|replace('', contact.tags) }}".to_owned(), large));
    all.push(("{{ [1]|slice(9223372036854775808) }}".to_owned(), ""));
    all.push(("{{ 'x'|center(9223372036854775808) }}".to_owned(), ""));
    all.push((doubled("{% set a = a|join(a) %}", 36), large));
    all.push((doubled("{% set a %}{{ a }}{{ a }}{% endset %}", 36), ""));
    all.push((doubled("{% set a = a|urlencode|urlencode %}{% set a = a ~ '%%%' %}", 40), ""));
    all.push((doubled("{% set a = a|tojson %}", 60), ""));
    all.push((doubled("{% set a = a|chain(a) %}", 40), ""));
    all.push((doubled("{% set a = a|list + a|list %}", 40), ""));
    all.push(("{{ 'x' * 1000000000 }}".to_owned(), "repeated with"));
    all.push(("{{ 100000 * 10000 * 'x' }}".to_owned(), "repeated with"));
    all.push(("{{ ('x' * 10000) * 10000 }}".to_owned(), "repeated with"));
    all.push(("{{ [1] * 100000000 }}".to_owned(), "repeated with"));
    all.push(("{{ (1 ~ 2) * 10 ** 9 }}".to_owned(), "repeated with"));
    all.push(("{% set n = 1000000000 %}{{ 'x' * n }}".to_owned(), large));
    all.push(("{% set n = 1000000000 %}{{ [1] * n }}".to_owned(), large));
    all.push(("{% set n = 1000000000 %}{{ [] * n }}".to_owned(), ""));
    for filter in [
        "center(1000000000)",
        "indent(1000000000)",
        "batch(1000000000, 'x')",
        "slice(1000000000)",
        "wordwrap(1, wrapstring='x' * 9000)",
        "tojson(indent=1000000000)",
    ] {
        all.push((format!("{{{{ contact.text|{filter} }}}}"), ""));
        all.push((format!("{{{{ [1, 2]|{filter} }}}}"), ""));
    }
    for format in ["%1000000000d", "%.1000000000f", "%*d", "%01000000000d"] {
        all.push((format!("{{{{ '{format}'|format(1000000000, 1) }}}}"), large));
    }
    all.push(("{{ ('%(a)s' * 2000)|format(a=contact.text) }}".to_owned(), large));
    all.push(("{% for n in range(1000000000) %}{% endfor %}".to_owned(), ""));
    all.push((
        "{% for n in range(99999) %}{% for n in range(99999) %}{% endfor %}{% endfor %}".to_owned(),
        steps,
    ));
    for work in [
        "contact.tags|sort",
        "contact.tags|unique",
        "contact.tags|map('upper')|list",
        "contact.tags|groupby('a')",
        "contact.text|trim(contact.text)",
        "contact.text == contact.text ~ ''",
        "contact.text in contact.tags",
        "contact.tags|select('in', contact.text)|list",
        "contact.text|striptags",
        "contact.tags|tojson",
        "contact.text|wordwrap(1)",
        "contact.text[::-1]",
        "dict(**{'a': contact.text})",
        "loop.changed(contact.text)",
        "m(*contact.tags)",
    ] {
        all.push((
            format!(
                "{{% macro m() %}}{{% endmacro %}}{{% for n in range(90000) %}}\
             {{% set x = {work} %}}{{% endfor %}}"
            ),
            "",
        ));
    }
    let raw = "x".repeat(50_000);
    all.push((
        format!("{{% set a %}}{{% for n in range(90000) %}}{raw}{{% endfor %}}{{% endset %}}"),
        steps,
    ));
    all.push((format!("{{% macro m() %}}{raw}{{% endmacro %}}{{% for n in range(90000) %}}{{% set a = m() %}}{{% endfor %}}"), steps));
    all.push((format!("{{% for n in range(90000) %}}{raw}{{% endfor %}}"), steps));
    all.push(("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}".to_owned(), "recursion"));
    all.push(("{% macro m(a) %}{{ m(a ~ a) }}{% endmacro %}{{ m('xx') }}".to_owned(), ""));
    all.push(("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}".to_owned(), "recursion"));
    all.push((
        "{% for x in [1] recursive %}{% set a = loop([1]) %}{% endfor %}".to_owned(),
        "recursion",
    ));
    all.push(("{{ 'abc'[5:1:-9223372036854775807] }}".to_owned(), ""));
    all.push(("{{ -9223372036854775807 - 99999999999999999999999999999999999 }}".to_owned(), ""));
    all.push(("{{ 9 ** 99999999 }}{{ 1 // 0 }}{{ 1 % 0 }}".to_owned(), ""));
    all.push(("{{ contact.at|date('%Y' * 5000) }}".to_owned(), "at most 200"));
    all
}

#[test]
fn no_template_overflows_a_small_stack_or_takes_long_or_much() {
    for (source, expected) in hostile() {
        let shown: String = source.chars().take(80).collect();
        let begin = Instant::now();
        for done in compiled_and_rendered(&source) {
            match done {
                Ok(text) => {
                    assert!(text.len() <= LONGEST_OUTPUT_BYTES, "{shown}");
                    assert!(expected.is_empty(), "{shown} was rendered, {} bytes", text.len());
                }
                Err(why) => {
                    let why = why.to_string();
                    assert!(
                        why.contains(expected),
                        "{shown}\n  fails with {why}\n  not {expected}"
                    );
                    assert!(why.len() < 1_000, "{shown}: {} bytes of reason", why.len());
                }
            }
        }
        assert!(begin.elapsed() < LONGEST_RENDERING, "{shown} took {:?}", begin.elapsed());
    }
}

/// Checks the process itself: it may not end by a signal.
#[test]
fn no_template_aborts_the_process() {
    let itself = std::env::current_exe().unwrap();
    let done = Command::new(itself)
        .args(["--exact", "no_template_overflows_a_small_stack_or_takes_long_or_much", "--quiet"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success(),
        "{:?}\n{said}\n{}",
        done.status,
        String::from_utf8_lossy(&done.stderr)
    );
}

#[test]
fn what_is_just_within_the_bounds_is_rendered() {
    let rendered = |source: String| {
        let [text, _] = compiled_and_rendered(&source);
        text.map(|text| text.len()).map_err(|why| why.to_string())
    };
    assert_eq!(rendered(format!("{{{{ 1{} }}}}", "+1".repeat(190))), Ok(3));
    assert_eq!(rendered(format!("{{{{ 'x'{} }}}}", "~'x'".repeat(190))), Ok(191));
    assert_eq!(rendered(format!("{{{{ {}1{} }}}}", "[".repeat(22), "]".repeat(22))), Ok(43));
    assert_eq!(rendered("{% if 1 %}".repeat(23) + "x" + &"{% endif %}".repeat(23)), Ok(1));
    let elif =
        format!("{{% if none %}}{}{{% else %}}x{{% endif %}}", "{% elif none %}".repeat(180));
    assert_eq!(rendered(elif), Ok(1));
    let macros =
        "{% macro m(n) %}{{ n }}{% if n > 0 %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(9) }}";
    assert_eq!(rendered(macros.to_owned()), Ok(10));
    assert_eq!(rendered("{{ 'x' * 9000 }}{{ 'ab' * 3 }}".to_owned()), Ok(9006));
    let page = "x".repeat(200_000);
    assert_eq!(rendered(format!("{{% set a %}}{page}{{% endset %}}{{{{ a ~ a }}}}")), Ok(400_000));
    assert_eq!(
        rendered("{% for tag in contact.tags %}{{ loop.index }}{% endfor %}".to_owned()),
        Ok(2893)
    );
}

#[test]
fn filters_do_what_jinja_says() {
    let values = values();
    let text = |source: &str| {
        render(source, Escape::Text, &values).unwrap_or_else(|error| panic!("{source}: {error}"))
    };
    for (source, expected) in [
        ("{{ 'a b&c/ä'|urlencode }}", "a%20b%26c/%C3%A4"),
        (
            "{{ {'a': 1, 'b': ['<', true, none]}|tojson }}",
            r#"{"a": 1, "b": ["\u003c", true, null]}"#,
        ),
        ("{{ 'foo bar baz qux'|truncate(9) }}", "foo..."),
        ("{{ 'foo bar baz qux'|truncate(9, true) }}", "foo ba..."),
        ("{{ 'foo bar baz qux'|truncate(11) }}", "foo bar baz qux"),
        ("{{ 'foo bar baz qux'|truncate(11, false, '…', leeway=0) }}", "foo bar…"),
        ("{{ '<p>Hi <b>Ann</b> &amp; Co<!-- x --></p>  now'|striptags }}", "Hi Ann & Co now"),
        ("{{ 'one two-three, 4'|wordcount }}", "4"),
        ("{{ 'one two three'|wordwrap(7) }}", "one two\nthree"),
        ("{{ ('word ' * 30)|wordwrap|lines|length }}", "2"),
        ("{{ 'abcdefghij'|wordwrap(4, wrapstring='|') }}", "abcd|efgh|ij"),
        ("[{{ 'ab'|center(6) }}]", "[  ab  ]"),
        (
            "{{ 13000|filesizeformat }} {{ 1|filesizeformat }} {{ 2048|filesizeformat(true) }}",
            "13.0 kB 1 Byte 2.0 KiB",
        ),
        ("{{ '%.2f EUR'|format(contact.price) }}", "12.50 EUR"),
        ("{{ 'a\nb'|indent(2) }}", "a\n  b"),
        ("{% for row in [1, 2, 3]|batch(2, 0) %}{{ row }};{% endfor %}", "1, 2;3, 0;"),
        ("{% for part in [1, 2, 3]|slice(2) %}{{ part }};{% endfor %}", "1, 2;3;"),
        ("{{ [3, 1, 2]|sort|join('-') }}{{ [1, 2]|sum }}{{ 'abc'[::-1] }}", "1-2-33cba"),
        ("{{ 'abcdef'[1:4] }} {{ [1, 2, 3, 4][-2:] }} {{ [1, 2, 3, 4][3:0:-2] }}", "bcd 3, 4 4, 2"),
        ("{{ 'ab' * 2 }} {{ 2 * 3 }} {{ 1.5 * 2 }} {{ [1] * 2 }}", "abab 6 3 1, 1"),
        ("{{ '<b>'|forceescape }} {{ 'x'|replace('x', 'yy') }}", "&lt;b&gt; yy"),
        ("{% set x = 2 %}{{ 1 < x < 3 }} {{ 3 > x > 2 }} {{ x * x }}", "true false 4"),
        ("{{ 1 < 2 < 3 }} {{ 'a' in ['a'] }} {{ {'a': 1}['a'] }}", "true true 1"),
        ("{% set k = 'a' %}{{ {'a': 1}[k] }}{{ (1 if false else 'x') ~ 'y' }}", "1xy"),
        (
            "{% macro m(a, b='!') %}{{ a }}{{ b }}{% endmacro %}{{ m(*['x']) }}{{ m('y', **{'b': '?'}) }}",
            "x!y?",
        ),
        (
            "{% for n in [1, [2, [3]]] recursive %}{{ loop(n) if n is sequence else n }}{% endfor %}",
            "123",
        ),
        (
            "{% for a in ['x', 'x', 'y'] %}{% if loop.changed(a) %}{{ a }}{% endif %}{% endfor %}",
            "xy",
        ),
    ] {
        assert_eq!(text(source), expected, "{source}");
    }
    let html = |source: &str| render(source, Escape::Html, &values).unwrap();
    assert_eq!(html("{% for n in [1] %}<i>{{ contact.name }}</i>{% endfor %}"), "<i>Ann &lt;3</i>");
    assert_eq!(html("{% set a %}<i>{{ contact.name }}</i>{% endset %}{{ a }}"), "<i>Ann &lt;3</i>");
    assert_eq!(html("{{ '<p>x</p>'|striptags }}{{ '<'|e|forceescape }}"), "x&amp;lt;");
}

/// The time of the small budget, which is for rendering within a decision. Much longer here than in
/// production, where the build is optimized and the machine is not shared.
#[test]
fn the_small_budget_is_over_in_little_time() {
    let values = values();
    let source = "{% for n in range(90000) %}{% set x = contact.tags|sort %}{% endfor %}";
    let fastest = (0..10).map(|_| {
        let begin = Instant::now();
        let done = render_within(Budget::Small, source, Escape::Text, &values);
        assert_eq!(done, Err(RenderError::TooManySteps));
        begin.elapsed()
    });
    let fastest = fastest.min().unwrap_or_default();
    assert!(fastest < Duration::from_millis(100), "{fastest:?}");
    let long = "x".repeat(20_000);
    let done = render_within(Budget::Small, &long, Escape::Text, &values);
    assert!(done.is_err_and(|why| why.is_over_budget()));
}

#[test]
fn text_is_made_from_hostile_html_in_bounded_time() {
    let nested = |open: &str, close: &str, times: usize| {
        format!("{}deep inside{}", open.repeat(times), close.repeat(times))
    };
    let all = [
        nested("<ul><li>", "</li></ul>", 5_000),
        nested("<ul><li>", "</li></ul>", 12),
        nested("<table><tr><td>", "</td></tr></table>", 12),
        nested("<table><tr><td>", "</td></tr></table>", 2_000),
        nested("<blockquote>", "</blockquote>", 12),
        nested("<div>", "</div>", 99),
        nested("<b>", "", 20_000),
        nested("<p><b>", "", 2_000),
        "<table><tr>".to_owned() + &"<td>x</td>".repeat(4_000) + "</tr></table>",
        "<table><tr><td colspan=2000000000>x<td rowspan=2000000000>y</table>".to_owned(),
        "<table>".to_owned() + &"<tr><td colspan=100000 rowspan=100000>x".repeat(3_000),
        "<table>".to_owned() + &"<tr><td colspan=1000>x<td rowspan=60000>y".repeat(2_000),
        "<table><tr><td colspan=99999999999><td rowspan=-1>".repeat(10),
        "<li>x".repeat(9_000),
        format!("<p>{}</p>", "word ".repeat(100_000)),
        "x".repeat(500_000),
        "<".repeat(100_000),
        "<a href='".repeat(9_000),
    ];
    for html in all {
        let shown: String = html.chars().take(40).collect();
        let text =
            on_a_small_stack(move || dacapo_platform::text_of_html(&html, Budget::Full).unwrap());
        assert!(!shown.contains("inside") || text.contains("inside"), "{shown}");
    }
}

/// Compares the table of `docs/templates.md` with the language.
#[test]
fn the_page_lists_the_filters_tests_and_functions_that_there_are() {
    let page = include_str!("../../docs/templates.md");
    for (heading, offered) in [("Filters", FILTERS), ("Tests", TESTS), ("Functions", FUNCTIONS)] {
        let (_, section) = page.split_once(&format!("\n## {heading}\n")).unwrap();
        let section = section.split("\n## ").next().unwrap_or_default();
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        let listed: BTreeSet<&str> = rows
            .filter_map(|row| row.split('|').nth(1))
            .flat_map(|names| names.split('`').skip(1).step_by(2))
            .map(|name| name.split('(').next().unwrap_or(name))
            .collect();
        let offered: BTreeSet<&str> = offered.iter().copied().collect();
        assert_eq!(listed, offered, "mend docs/templates.md, section {heading}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, max_shrink_iters: 100, ..ProptestConfig::default() })]

    #[test]
    fn templates_of_any_bytes_end_within_their_bounds(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for done in compiled_and_rendered(&template_of(&bytes)) {
            let is_too_long = done.is_ok_and(|text| text.len() > LONGEST_OUTPUT_BYTES);
            prop_assert!(!is_too_long);
        }
    }
}
