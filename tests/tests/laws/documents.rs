//! Random campaigns that can be published.
//!
//! A recipe is a few bytes. Every recipe makes a valid document, so that proptest can shrink it
//! byte by byte. Elements without a rest lead only forward, or to an element at which a token can
//! rest: so there is no cycle without a rest (R41).

use dacapo_engine::campaign::format::{Document, Element};
use dacapo_engine::campaign::reader;
use dacapo_engine::campaign::validate::{AccountView, validate};
use dacapo_engine::problem::Severity;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The tags that campaigns and contacts use.
pub(crate) const TAGS: [&str; 3] = ["A", "B", "C"];

/// The two campaigns, which can send each other commands.
pub(crate) const CAMPAIGNS: [&str; 2] = ["one", "two"];

/// A limit that is never reached: what only it would end never ends.
const MANY_RUNS: u32 = 1_000;

/// The custom event.
pub(crate) const CUSTOM: &str = "called";

const STATUSES: [&str; 7] =
    ["none", "active", "completed", "ready", "awaiting_restart", "stopped", "held"];

/// What an element is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    kind: u8,
    ways: [u8; 2],
    what: [u8; 4],
}

/// What a document is made from.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    parts: Vec<Part>,
    settings: [u8; 4],
}

pub(crate) fn recipes() -> impl Strategy<Value = Recipe> {
    let part =
        any::<(u8, [u8; 2], [u8; 4])>().prop_map(|(kind, ways, what)| Part { kind, ways, what });
    (prop::collection::vec(part, 3..=12), any::<[u8; 4]>())
        .prop_map(|(parts, settings)| Recipe { parts, settings })
}

/// What a campaign is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// Contacts.
    Contacts,
    /// Objects of the type `thing`.
    Objects,
    /// The same, and it writes to their contact.
    ObjectsAndPerson,
}

/// The campaign of a recipe, about contacts.
pub(crate) fn document(nth: usize, recipe: &Recipe) -> Document {
    document_about(nth, recipe, About::Contacts)
}

/// The campaign of a recipe.
pub(crate) fn document_about(nth: usize, recipe: &Recipe, about: About) -> Document {
    let mut json = json_of(nth, recipe);
    match about {
        About::Contacts => {}
        About::Objects => make_about_objects(&mut json, recipe, false),
        About::ObjectsAndPerson => make_about_objects(&mut json, recipe, true),
    }
    let text = json.to_string();
    let source = reader::read(&text).unwrap_or_else(|problems| panic!("{text}\n{problems:?}"));
    let account = AccountView {
        fields: &BTreeMap::new(),
        objects: &BTreeMap::new(),
        subjects: &|_| None,
        campaigns: &|_| true,
        sender: true,
    };
    let errors: Vec<_> = validate(&source, &account)
        .into_iter()
        .filter(|problem| problem.severity == Severity::Error)
        .collect();
    assert!(errors.is_empty(), "{text}\n{errors:?}");
    source.document
}

/// The text of the campaign of a recipe in which no webhook is called: nobody would answer.
pub(crate) fn text_without_webhooks(nth: usize, recipe: &Recipe) -> String {
    let mut recipe = recipe.clone();
    for part in recipe.parts.iter_mut().skip(1).filter(|part| part.kind % 46 == WEBHOOK) {
        part.kind = 24;
    }
    json_of(nth, &recipe).to_string()
}

/// The kind of part that becomes a webhook.
const WEBHOOK: u8 = 38;

fn json_of(nth: usize, recipe: &Recipe) -> Value {
    let other = CAMPAIGNS[1 - nth];
    let kinds: Vec<u8> = recipe
        .parts
        .iter()
        .enumerate()
        // The first element is an entry.
        .map(|(place, part)| if place == 0 { part.kind % 6 } else { part.kind % 46 })
        .collect();
    let mut elements = Map::new();
    for (place, part) in recipe.parts.iter().enumerate() {
        let restless = !is_a_rest(kinds[place], part);
        let way = |nth: usize| way(&recipe.parts, &kinds, place, part.ways[nth], restless);
        let made = element(kinds[place], part, other, &way(0), &way(1));
        elements.insert(name(place), made);
    }
    keep_reachable(&mut elements);
    let settings = settings(recipe.settings);
    let mut emails = Map::new();
    for (key, purpose) in [("m", "marketing"), ("t", "transactional")] {
        let is_used = elements.values().any(|element| element["email"] == json!(key));
        if is_used {
            let subject = "Hello {{ contact.first_name | default('there') }}";
            let text = if key == "t" { "{{ contact.note }}" } else { "You" };
            let email = json!({ "purpose": purpose, "subject": subject, "text": text });
            emails.insert(key.to_owned(), email);
        }
    }
    json!({
        "id": CAMPAIGNS[nth],
        "sender": { "address": "hello@studio-nord.example" },
        "fields": {
            "due": { "type": "datetime" }, "day": { "type": "date" },
            "score": { "type": "number" }, "note": { "type": "text" },
        },
        "settings": settings,
        "elements": elements,
        "emails": emails,
    })
}

/// Some of what is read is read of the contact, and perhaps some of what is written is written to
/// it.
fn make_about_objects(json: &mut Value, recipe: &Recipe, writes: bool) {
    json["per"] = json!("thing");
    json["objects"] = json!({ "thing": { "fields": json["fields"] } });
    for (place, part) in recipe.parts.iter().enumerate() {
        let Some(element) = json["elements"].get_mut(name(place)) else { continue };
        let [_, _, _, byte] = part.what;
        for key in ["when", "on"] {
            if byte % 3 == 0
                && let Some(of) = element.get(key).cloned()
            {
                element[key] = json!({ "contact": of });
            }
        }
        if writes
            && byte % 2 == 0
            && ["tag", "set_field"].map(Value::from).contains(&element["type"])
        {
            element["of"] = json!("contact");
        }
    }
    for email in json["emails"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        if email["purpose"] == "transactional" {
            email["text"] = json!("{{ thing.note }} {{ thing.key }} {{ contact.score | default }}");
        }
    }
}

fn name(place: usize) -> String {
    format!("e{place:02}")
}

/// Where an edge leads: nowhere, or to an element other than a start.
fn way(parts: &[Part], kinds: &[u8], from: usize, byte: u8, restless: bool) -> Option<String> {
    let to = usize::from(byte) % (parts.len() + 1);
    // Most edges lead forward, so that campaigns are long.
    let to = if byte >= 70 { from + 1 + usize::from(byte) % 2 } else { to };
    let target = kinds.get(to)?;
    let is_start = *target <= 2;
    let backward = to < from;
    if to == from || is_start || (restless && backward && !is_a_rest(*target, &parts[to])) {
        return None;
    }
    Some(name(to))
}

fn is_a_rest(kind: u8, part: &Part) -> bool {
    match kind {
        3..=5 | 14..=19 | 40..=42 => true,
        6..=8 => part.what[2].is_multiple_of(3),
        _ => false,
    }
}

fn element(
    kind: u8,
    part: &Part,
    other: &str,
    first: &Option<String>,
    second: &Option<String>,
) -> Value {
    let [a, b, c, d] = part.what;
    let mut made = match kind {
        0..=2 => json!({ "type": "start", "when": condition(a, b, other), "next": first }),
        3..=5 => {
            json!({ "type": "event", "on": edge(a, b), "requires_active": c % 5 == 0, "next": first })
        }
        6..=8 => json!({
            "type": "goal", "when": condition(a, b, other), "next": first,
            "unmet": pick(&["wait", "continue", "end"], c),
        }),
        9..=13 => json!({
            "type": "email", "email": pick(&["m", "t"], a), "next": first,
            "window": window(b / 4, &["later", "skip"]),
        }),
        14..=16 => wait(a, b, first),
        17..=19 => date_timer(part.what, first, second),
        20..=22 => {
            json!({ "type": "condition", "when": condition(a, b, other), "then": first, "else": second })
        }
        23 => json!({ "type": "split", "branches": [
            { "weight": a % 4, "next": first }, { "weight": 1 + b % 4, "next": second }] }),
        24..=27 => tags(a, b, first),
        28 | 29 => json!({ "type": "set_field", "fields": value(a, b), "next": first }),
        30..=32 => {
            let campaign = if a % 3 == 0 { Some(other) } else { None };
            json!({ "type": "reset", "campaign": campaign, "next": first })
        }
        33 | 34 => {
            let tag = (a % 2 == 0).then(|| pick(&TAGS, b));
            json!({ "type": "restart", "name": "again", "tag": tag })
        }
        35 | 36 if c % 3 > 0 => {
            json!({ "type": "stop_campaign", "campaign": other, "reset_contacts": d % 2 == 0, "next": first })
        }
        35 | 36 => json!({ "type": "stop_campaign", "reset_contacts": d % 2 == 0 }),
        37 => {
            let target = if c % 4 == 0 { CAMPAIGNS[usize::from(other == "one")] } else { other };
            json!({ "type": "start_campaign", "campaign": target, "next": first })
        }
        WEBHOOK => json!({ "type": "webhook", "url": "https://hook.example/x", "next": first }),
        39 => json!({ "type": "end" }),
        40..=42 => date_timer(part.what, first, second),
        _ => json!({ "type": "email", "email": pick(&["m", "t"], a), "next": first }),
    };
    if let Some(map) = made.as_object_mut() {
        map.retain(|_, value| !value.is_null());
    }
    if let Some(branches) = made.get_mut("branches").and_then(Value::as_array_mut) {
        for branch in branches.iter_mut().filter_map(Value::as_object_mut) {
            branch.retain(|_, value| !value.is_null());
        }
    }
    made
}

/// A condition over a small alphabet.
pub(crate) fn condition(a: u8, b: u8, other: &str) -> Value {
    let tag = pick(&TAGS, b);
    match a % 17 {
        0..=4 => json!({ "tag": tag }),
        5 => json!({ "field": "due", "is": "set" }),
        6 => json!({ "field": "due", "is": "future" }),
        7 => json!({ "field": "due", "is": "past" }),
        8 => json!({ "field": "due", "within": "1 day" }),
        9 => json!({ "field": "day", "is": pick(&["future", "past", "set"], b) }),
        10 => json!({ "campaign": other, "status": STATUSES[usize::from(b % 7)] }),
        11 => json!({ "all": [{ "tag": tag }, { "not": condition(b % 11, b / 16, other) }] }),
        12 => {
            json!({ "any": [condition(b % 11, b / 16, other), { "field": "score", "greater": 1 }] })
        }
        13 => json!({ "field": "note", "equals": "yes" }),
        14 => json!({ "field": "due", "time": { "from": "22:00", "to": "12:30" } }),
        15 => json!({ "field": pick(&["due", "day"], b), "weekdays": ["sat", "sun"] }),
        _ => json!({ "not": { "tag": tag } }),
    }
}

fn edge(a: u8, b: u8) -> Value {
    let tag = pick(&TAGS, b);
    let field = pick(&["due", "day", "score", "note"], b);
    match a % 9 {
        // A condition that becomes true (R73).
        _ if a >= 243 => json!({ "becomes": became(a, b) }),
        0 | 1 => json!({ "tag_added": tag }),
        2 => json!({ "tag_removed": tag }),
        3 => json!({ "tag_assigned": tag }),
        4 => json!({ "tag_added": [tag, "C"] }),
        5 => json!({ "field_set": field }),
        6 => json!({ "field_changed": field }),
        7 => json!({ "field_cleared": field }),
        _ => json!({ "custom": CUSTOM }),
    }
}

/// A condition that a change makes true: nothing in it is about time.
fn became(a: u8, b: u8) -> Value {
    let tag = pick(&TAGS, b);
    match a % 3 {
        0 => json!({ "all": [{ "tag": tag }, { "field": "score", "greater": 0 }] }),
        1 => json!({ "any": [{ "tag": tag }, { "field": "note", "equals": "yes" }] }),
        _ => json!({ "not": { "tag": tag } }),
    }
}

fn wait(a: u8, b: u8, next: &Option<String>) -> Value {
    let duration = pick(&["20 minutes", "50 minutes", "3 hours", "2 days"], a);
    let until = json!({ "time": "09:00", "weekdays": ["mon", "thu", "sun"] });
    match b % 4 {
        0 => json!({ "type": "wait", "for": duration, "until": until, "next": next }),
        1 => json!({ "type": "wait", "until": until, "next": next }),
        _ => json!({ "type": "wait", "for": duration, "next": next }),
    }
}

fn date_timer(what: [u8; 4], next: &Option<String>, missed: &Option<String>) -> Value {
    let [a, b, c, d] = what;
    let past = pick(&["missed", "continue", "end", "missed"], b);
    let missed = if past == "missed" { missed.as_ref() } else { None };
    let (field, date) = match c / 4 % 5 {
        0 => (None, Some(pick(&["2026-03-30", "2026-03-29T02:30", "2024-02-29"], d / 4))),
        _ => (Some(pick(&["due", "day"], a / 16)), None),
    };
    let empty = field.map(|_| pick(&["wait", "wait", "continue", "end"], c));
    json!({
        "type": "date_timer",
        "field": field,
        "date": date,
        "repeat": (c / 32 % 3 == 0).then_some("yearly"),
        "window": window(d / 8, &["later", "earlier", "skip"]),
        "offset": pick(&["0 minutes", "-1 hour", "-1 day", "30 minutes", "-2 days"], a),
        "past": past,
        "empty": empty,
        "grace": pick(&["30 minutes", "10 minutes", "0 minutes"], d),
        "missed": missed,
        "next": next,
    })
}

/// A window, often none.
fn window(byte: u8, otherwise: &[&str]) -> Option<Value> {
    let (from, to) = pick(&[("08:00", "20:00"), ("22:00", "03:00"), ("09:00", "09:00")], byte / 2);
    let otherwise = pick(otherwise, byte / 3);
    match byte % 4 {
        0 => Some(json!({ "from": from, "to": to, "else": otherwise })),
        1 => {
            let weekdays = ["mon", "tue", "sat"];
            Some(json!({ "from": from, "to": to, "weekdays": weekdays, "else": otherwise }))
        }
        _ => None,
    }
}

fn tags(a: u8, b: u8, next: &Option<String>) -> Value {
    let one = pick(&TAGS, b);
    let two = pick(&TAGS, b / 16);
    match a % 3 {
        0 => json!({ "type": "tag", "add": [one], "next": next }),
        1 => json!({ "type": "tag", "remove": [one], "next": next }),
        _ if one == two => json!({ "type": "tag", "add": [one], "next": next }),
        _ => json!({ "type": "tag", "add": [one], "remove": [two], "next": next }),
    }
}

fn value(a: u8, b: u8) -> Value {
    match a % 5 {
        0 => json!({ "score": b % 4 }),
        1 => json!({ "note": pick(&["yes", "no {{ contact.first_name | default('x') }}"], b) }),
        2 => json!({ "due": null }),
        3 => json!({ "due": pick(&["2026-03-29T12:00:00Z", "2026-04-01T07:00:00Z"], b) }),
        _ => json!({ "day": "2026-03-30" }),
    }
}

fn settings(bytes: [u8; 4]) -> Value {
    let mut settings = json!({
        "restart_delay": pick(&["5 minutes", "0 minutes", "2 hours", "1 day"], bytes[0]),
        "multiple_send": bytes[1].is_multiple_of(6),
        "max_runs_per_day": pick(&[10, 10, 2, MANY_RUNS, 1], bytes[2]),
        "max_messages_per_day": pick(&[20, 20, 20, 3, 1], bytes[3]),
    });
    if bytes[3] >= 200 {
        settings["email_time"] = json!({ "from": "08:00", "to": "20:00" });
    }
    settings
}

fn pick<T: Copy>(among: &[T], byte: u8) -> T {
    among[usize::from(byte) % among.len()]
}

/// Removes elements that no entry leads to.
fn keep_reachable(elements: &mut Map<String, Value>) {
    let is_entry = |element: &Value| element["type"] == "start" || element["type"] == "event";
    let mut open: Vec<String> =
        elements.iter().filter(|(_, e)| is_entry(e)).map(|(id, _)| id.clone()).collect();
    let mut reached: BTreeSet<String> = open.iter().cloned().collect();
    while let Some(id) = open.pop() {
        let Ok(element) = serde_json::from_value::<Element>(elements[&id].clone()) else {
            continue;
        };
        for (_, to) in element.edges() {
            if reached.insert(to.to_string()) {
                open.push(to.to_string());
            }
        }
    }
    elements.retain(|id, _| reached.contains(id));
}
