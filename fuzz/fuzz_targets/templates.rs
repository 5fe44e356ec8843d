//! Compiles and renders whatever comes: as a template, and as bytes that a template is made from.
//!
//! Nothing may abort, hang, take much memory or make more than may be made. The fuzzer itself
//! watches time and memory (`make fuzz`).
#![no_main]

use chrono::DateTime;
use dacapo_engine::language::Language;
use dacapo_engine::template::{
    Budget, Escape, LONGEST_OUTPUT_BYTES, MergeValue, MergeValues, placeholders, render_within,
};
use dacapo_engine::time::Zone;
use libfuzzer_sys::fuzz_target;

#[path = "../../tests/src/template_grammar.rs"]
mod template_grammar;

fn values() -> MergeValues {
    let text = |text: &str| MergeValue::Text(text.to_owned());
    let tags = (0..1_000).map(|n| format!("tag {n}")).collect();
    let values = [
        ("contact.name", text("Ann <3")),
        ("contact.text", MergeValue::Text("long ".repeat(2_000))),
        ("contact.tags", MergeValue::List(tags)),
        ("contact.at", MergeValue::DateTime(DateTime::UNIX_EPOCH)),
        ("contact.score", MergeValue::Number(2.5)),
    ];
    MergeValues {
        zone: Zone::Europe__Berlin,
        language: Language::of("de"),
        values: values.into_iter().map(|(path, value)| (path.to_owned(), value)).collect(),
    }
}

fn compile_and_render(source: &str, values: &MergeValues) {
    let _ = placeholders(source);
    for budget in [Budget::Small, Budget::Full] {
        for escape in [Escape::Text, Escape::Html] {
            if let Ok(text) = render_within(budget, source, escape, values) {
                assert!(text.len() <= LONGEST_OUTPUT_BYTES);
            }
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let values = values();
    if let Ok(source) = std::str::from_utf8(bytes) {
        compile_and_render(source, &values);
    }
    compile_and_render(&template_grammar::template_of(bytes), &values);
});
