//! What the template refers to exists, and settings are strings. CloudFormation would report errors
//! only at deployment.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::reading::Template;

/// Every name that a part of the template refers to, with where it stands.
fn referred_to<'t>(part: &'t Value, at: &str, found: &mut Vec<(String, &'t str)>) {
    match part {
        Value::Object(members) => {
            for (key, value) in members {
                let at = format!("{at}/{key}");
                match (key.as_str(), value) {
                    ("Ref" | "Condition", Value::String(name)) if members.len() == 1 => {
                        found.push((at, name));
                    }
                    ("Fn::GetAtt", Value::String(name)) => {
                        found.push((at, name.split('.').next().unwrap_or(name)));
                    }
                    ("Fn::GetAtt", Value::Array(parts)) => {
                        found.extend(parts.first().and_then(Value::as_str).map(|name| (at, name)));
                    }
                    _ => referred_to(value, &at, found),
                }
            }
        }
        Value::Array(items) => {
            for (nth, item) in items.iter().enumerate() {
                referred_to(item, &format!("{at}/{nth}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn nothing_is_referred_to_that_is_not_there() {
    let template = Template::read();
    let names = |section: &str| template.0[section].as_object().unwrap().keys();
    let known: BTreeSet<&str> = ["Parameters", "Conditions", "Resources"]
        .into_iter()
        .flat_map(names)
        .map(String::as_str)
        .collect();
    let mut found = Vec::new();
    referred_to(&template.0, "", &mut found);
    assert!(found.len() > 200, "mend this test: it finds {} references", found.len());
    let wrong: Vec<_> = found
        .iter()
        .filter(|(_, name)| !name.starts_with("AWS::") && !known.contains(name))
        .collect();
    assert!(wrong.is_empty(), "there is no such parameter, condition or resource: {wrong:#?}");
}

/// Whether a value is a number, in any branch.
fn is_number(value: &Value) -> bool {
    match value {
        Value::Number(_) => true,
        Value::Object(members) => members
            .get("Fn::If")
            .and_then(Value::as_array)
            .is_some_and(|branches| branches.iter().any(is_number)),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) => false,
    }
}

#[test]
fn settings_are_texts() {
    for (name, function) in Template::read().resources("AWS::Serverless::Function") {
        let settings = function["Environment"]["Variables"].as_object();
        for (setting, value) in settings.into_iter().flatten() {
            assert!(!is_number(value), "{name}: put {setting} between quotation marks: {value}");
        }
    }
}
