//! What stands in the boxes and at the arrows.

use dacapo_engine::campaign::format::{
    Document, EdgeKey, Element, Reset, StopCampaign, other_than,
};
use serde_json::{Map, Value};

use super::{ContactPath, Look};

/// The longest text of what an element does, in characters; a picture is no document.
const LONGEST_TEXT_CHARACTERS: usize = 160;

/// How deep conditions are told.
const DEEPEST_TOLD_CONDITION: usize = 6;

/// The type, as it is called in documents.
pub(super) fn kind(element: &Element) -> &'static str {
    match element {
        Element::Start(_) => "start",
        Element::Event(_) => "event",
        Element::Goal(_) => "goal",
        Element::Email(_) => "email",
        Element::Wait(_) => "wait",
        Element::DateTimer(_) => "date timer",
        Element::Condition(_) => "condition",
        Element::Split(_) => "split",
        Element::Tag(_) => "tag",
        Element::SetField(_) => "set field",
        Element::Reset(_) => "reset",
        Element::Restart(_) => "restart",
        Element::StopCampaign(_) => "stop campaign",
        Element::StartCampaign(_) => "start campaign",
        Element::Webhook(_) => "webhook",
        Element::End(_) => "end",
    }
}

/// How it looks.
pub(super) fn look(element: &Element) -> Look {
    match element {
        Element::Start(_) | Element::Event(_) | Element::Goal(_) => Look::Entry,
        Element::Email(_) => Look::Mail,
        Element::Wait(_) | Element::DateTimer(_) => Look::Rest,
        Element::Condition(_) | Element::Split(_) => Look::Choice,
        Element::Tag(_)
        | Element::SetField(_)
        | Element::Webhook(_)
        | Element::StopCampaign(_)
        | Element::StartCampaign(_) => Look::Write,
        Element::Reset(_) | Element::Restart(_) => Look::Again,
        Element::End(_) => Look::Over,
    }
}

/// What an element does, from what its author wrote.
pub(super) fn does(element: &Element, document: &Document) -> String {
    let written = serde_json::to_value(element).unwrap_or_default();
    let at = |key: &str| &written[key];
    let does = match element {
        Element::Start(_) => condition(at("when"), 0),
        Element::Goal(_) => format!("until {}", condition(at("when"), 0)),
        Element::Condition(_) => format!("{}?", condition(at("when"), 0)),
        Element::Event(_) => edge(at("on"), 0),
        Element::Email(_) => {
            let key = text(at("email"));
            document.emails.get(&key).map_or(key, |email| format!("“{}”", email.subject))
        }
        Element::Wait(_) => {
            let until = at("until");
            let parts = [
                part("", at("for")),
                part("until ", &until["time"]),
                part("on ", &Value::String(list(&until["weekdays"], ", "))),
            ];
            parts.concat()
        }
        Element::DateTimer(_) => {
            let date = if at("field").is_null() { at("date") } else { at("field") };
            let offset = text(at("offset"));
            match offset.strip_prefix('-') {
                Some(before) => format!("{before} before {}", text(date)),
                None if offset.is_empty() || offset.starts_with("0 ") => text(date),
                None => format!("{offset} after {}", text(date)),
            }
        }
        Element::Split(_) | Element::End(_) => String::new(),
        Element::Tag(_) => {
            let signed = |sign: &str, key: &str| -> Vec<String> {
                let tags = at(key).as_array().into_iter().flatten();
                tags.map(|tag| format!("{sign}{}", text(tag))).collect()
            };
            [signed("+", "add"), signed("−", "remove")].concat().join(", ")
        }
        Element::SetField(_) => {
            let fields = at("fields").as_object().into_iter().flatten();
            let set = |(key, value): (&String, &Value)| match value {
                Value::Null => format!("clear {key}"),
                value => format!("{key} = {}", text(value)),
            };
            fields.map(set).collect::<Vec<_>>().join(", ")
        }
        Element::Reset(Reset { campaign, .. })
        | Element::StopCampaign(StopCampaign { campaign, .. }) => {
            match (other_than(&document.id, campaign.as_ref()), element) {
                (Some(other), _) => other.to_string(),
                (None, Element::Reset(_)) => "the next run begins".to_owned(),
                (None, _) => "this campaign".to_owned(),
            }
        }
        Element::StartCampaign(_) => text(at("campaign")),
        Element::Restart(_) => "waits for the next start".to_owned(),
        Element::Webhook(_) => format!("{} {}", text(at("method")), text(at("url"))),
    };
    shortened(does.trim(), LONGEST_TEXT_CHARACTERS)
}

/// What stands at an arrow.
pub(super) fn label(element: &Element, key: EdgeKey) -> String {
    match (key, element) {
        (EdgeKey::Key("next"), _) => String::new(),
        (EdgeKey::Key("then"), _) => "yes".to_owned(),
        (EdgeKey::Key("else"), _) => "no".to_owned(),
        (EdgeKey::Key(key), _) => key.to_owned(),
        (EdgeKey::Branch(nth), Element::Split(split)) => {
            let all: u64 = split.branches.iter().map(|branch| u64::from(branch.weight)).sum();
            let own = split.branches.get(nth).map_or(0, |branch| u64::from(branch.weight));
            format!("{} %", (own * 100 + all / 2).checked_div(all).unwrap_or(0))
        }
        (EdgeKey::Branch(nth), _) => format!("{}", nth + 1),
    }
}

/// The picture in a few sentences.
pub(super) fn description(document: &Document, way: Option<&ContactPath>) -> String {
    let mut told = format!("A campaign of {} elements.", document.elements.len());
    let named = |is: fn(&Element) -> bool| -> Vec<&str> {
        let ids = document.elements.iter().filter(|(_, element)| is(element));
        ids.map(|(id, _)| id.as_str()).take(5).collect()
    };
    let entries = named(Element::lets_in);
    if !entries.is_empty() {
        told.push_str(&format!(" Contacts enter at {}.", entries.join(", ")));
    }
    let again = named(|element| matches!(element, Element::Reset(_) | Element::Restart(_)));
    if !again.is_empty() {
        told.push_str(&format!(" It runs again from {}.", again.join(", ")));
    }
    if let Some(way) = way {
        let passed = way.passed.iter().map(|id| id.as_str());
        let mut steps: Vec<&str> = Vec::new();
        for id in passed {
            if steps.last() != Some(&id) {
                steps.push(id);
            }
        }
        let left_out = steps.len().saturating_sub(30);
        let dots = if left_out > 0 { "… " } else { "" };
        told.push_str(&format!(
            " The way of {}: {dots}{}.",
            shortened(&way.who, 60),
            if steps.is_empty() { "none".to_owned() } else { steps[left_out..].join(", ") }
        ));
        let rests: Vec<&str> = way.rests.iter().map(|id| id.as_str()).take(5).collect();
        if !rests.is_empty() {
            told.push_str(&format!(" Now at {}.", rests.join(", ")));
        }
        let unsent: Vec<&str> = way.unsent.iter().map(|id| id.as_str()).take(5).collect();
        if !unsent.is_empty() {
            told.push_str(&format!(" Not sent: {}.", unsent.join(", ")));
        }
    }
    told
}

/// A condition in words.
fn condition(when: &Value, depth: usize) -> String {
    let Some(when) = when.as_object() else { return String::new() };
    if depth > DEEPEST_TOLD_CONDITION {
        return "…".to_owned();
    }
    let inner = |of: &Value| condition(of, depth + 1);
    let joined = |of: &Value, word: &str| {
        let parts = of.as_array().into_iter().flatten();
        let parts: Vec<String> = parts
            .map(|one| {
                let is_group = one.get("all").is_some() || one.get("any").is_some();
                if is_group { format!("({})", inner(one)) } else { inner(one) }
            })
            .collect();
        parts.join(word)
    };
    if let Some(tag) = when.get("tag") {
        text(tag)
    } else if let Some(of) = when.get("all") {
        joined(of, " and ")
    } else if let Some(of) = when.get("any") {
        joined(of, " or ")
    } else if let Some(of) = when.get("not") {
        format!("not {}", inner(of))
    } else if let Some(of) = when.get("contact") {
        format!("contact: {}", inner(of))
    } else if let Some(campaign) = when.get("campaign") {
        let status = when.get("status").map(|status| list(status, " or "));
        format!("{} in {}", status.unwrap_or_default(), text(campaign))
    } else {
        field(when)
    }
}

/// A test of a field in words.
fn field(when: &Map<String, Value>) -> String {
    let name = when.get("field").map(text).unwrap_or_default();
    let test = when.iter().find(|(key, _)| *key != "field");
    let Some((key, value)) = test else { return name };
    match key.as_str() {
        "is" => format!("{name} is {}", text(value)),
        "equals" => format!("{name} = {}", text(value)),
        "greater" => format!("{name} > {}", text(value)),
        "less" => format!("{name} < {}", text(value)),
        "contains" => format!("{name} contains {}", text(value)),
        "within" => format!("{name} within {}", text(value)),
        "time" => format!("{name} {}–{}", text(&value["from"]), text(&value["to"])),
        "weekdays" => format!("{name} on {}", list(value, ", ")),
        _ => name,
    }
}

/// What an event reacts to, in words.
fn edge(on: &Value, depth: usize) -> String {
    let Some((key, value)) = on.as_object().and_then(|on| on.iter().next()) else {
        return String::new();
    };
    let tags = || list(value, " or ");
    match key.as_str() {
        "tag_added" => format!("+{}", tags()),
        "tag_removed" => format!("−{}", tags()),
        "tag_assigned" => format!("+{} (each time)", tags()),
        "field_set" => format!("{} is set", text(value)),
        "field_changed" => format!("{} changes", text(value)),
        "field_cleared" => format!("{} is cleared", text(value)),
        "custom" => text(value),
        "becomes" => format!("becomes {}", condition(value, 0)),
        "contact" if depth < DEEPEST_TOLD_CONDITION => {
            format!("contact: {}", edge(value, depth + 1))
        }
        _ => String::new(),
    }
}

fn part(before: &str, value: &Value) -> String {
    let shown = text(value);
    if shown.is_empty() { shown } else { format!("{before}{shown} ") }
}

/// A value as a text; nothing for `null`.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// One or several.
fn list(value: &Value, between: &str) -> String {
    match value {
        Value::Array(all) => all.iter().map(text).collect::<Vec<_>>().join(between),
        one => text(one),
    }
}

/// A text on one line, of so many characters at most. Characters that change the direction of text,
/// or that XML cannot hold, are left out.
pub(super) fn shortened(text: &str, longest: usize) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_none = |c: char| turns(c) || matches!(c, '\u{fffe}' | '\u{ffff}');
    let plain = text.chars().filter(|c| !is_none(*c));
    let line: String = plain.map(|c| if c.is_control() { ' ' } else { c }).take(2_000).collect();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= longest {
        return line;
    }
    let kept: String = line.chars().take(longest.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// For tests: a condition in words.
#[cfg(test)]
pub(super) fn condition_words(when: &Value) -> String {
    condition(when, 0)
}
