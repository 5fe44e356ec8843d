//! Names that are derived from the stack's name: none is longer than AWS allows, for every stack
//! name.

use serde_json::Value;

use crate::reading::{Template, page};

/// The longest name of a stack that CloudFormation allows.
const LONGEST_STACK: usize = 128;

/// The length of the last part of a stack's id, and of the first part of that.
const ID: usize = 36;
const BEGIN_OF_ID: usize = 8;

/// The longest name of a Region that there may be.
const REGION: usize = 20;

/// The longest name of a function, and what CloudFormation puts behind a logical name: a hyphen and
/// twelve characters.
const LONGEST_FUNCTION: usize = 64;
const BEHIND: usize = 13;

/// The place of a name that the template sets, and how long it may be.
const LIMITS: [(&str, usize); 6] = [
    ("HttpApi/Name", 128),
    ("HttpApiLogs/LogGroupName", 512),
    ("Schedules/Name", 64),
    ("Overview/DashboardName", 255),
    ("Sampling/SamplingRule/RuleName", 32),
    ("Sampling/SamplingRule/ServiceName", 64),
];

/// The texts below a value that contain the stack's name or id, each with its place.
fn naming(place: String, value: &Value, found: &mut Vec<(String, Value)>) {
    let text = value.to_string();
    if !text.contains("AWS::StackName") && !text.contains("AWS::StackId") {
        return;
    }
    match value {
        Value::Object(entries)
            if entries.keys().all(|key| key != "Ref" && !key.starts_with("Fn::")) =>
        {
            for (key, value) in entries {
                naming(format!("{place}/{key}"), value, found);
            }
        }
        Value::Array(items) => {
            for (nth, value) in items.iter().enumerate() {
                naming(format!("{place}/{nth}"), value, found);
            }
        }
        Value::Object(_) | Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {
            found.push((place, value.clone()));
        }
    }
}

/// The length of a text in a stack with a name of this length.
fn length(value: &Value, stack: usize) -> usize {
    if value["Ref"] == "AWS::StackName" {
        return stack;
    }
    let (text, variables) = match &value["Fn::Sub"] {
        Value::String(text) => (text.clone(), None),
        Value::Array(parts) => (parts[0].as_str().unwrap().to_owned(), Some(&parts[1])),
        other => panic!("names are made by Ref and Sub, not of {other} in {value}"),
    };
    let mut length = text.len();
    for part in text.split("${").skip(1) {
        let name = part.split('}').next().unwrap();
        length -= name.len() + 3;
        length += match name {
            "AWS::StackName" => stack,
            "AWS::Region" => REGION,
            name => id(&variables.unwrap()[name]),
        };
    }
    length
}

/// The length of what is taken out of the stack's id.
fn id(part: &Value) -> usize {
    let of_id = serde_json::json!({
        "Fn::Select": [2, { "Fn::Split": ["/", { "Ref": "AWS::StackId" }] }]
    });
    if *part == of_id {
        return ID;
    }
    let beginning = serde_json::json!({ "Fn::Select": [0, { "Fn::Split": ["-", of_id] }] });
    assert_eq!(*part, beginning, "take the last part of the stack's id, or how that begins");
    BEGIN_OF_ID
}

/// The longest name of a stack for which the names of its functions begin with all of it.
fn longest_traced(template: &Template) -> usize {
    let blocks = template.resources("AWS::Serverless::Function").into_iter();
    let longest = blocks.map(|(name, _)| name.len()).max().unwrap();
    LONGEST_FUNCTION - BEHIND - longest - 1
}

#[test]
fn no_name_is_too_long_whatever_the_stack_is_called() {
    let template = Template::read();
    let mut found = Vec::new();
    for (name, resource) in template.0["Resources"].as_object().unwrap() {
        naming(name.clone(), &resource["Properties"], &mut found);
    }
    for (place, value) in &found {
        let limit = LIMITS.iter().find(|(of, _)| of == place).map(|(_, limit)| *limit);
        let limit = limit.unwrap_or_else(|| panic!("{place}: how long may it be? Add it here"));
        // Functions are found for tracing by how their names begin, and the page about tracing says
        // so.
        let traced = place.ends_with("/ServiceName");
        let stack = if traced { longest_traced(&template) } else { LONGEST_STACK };
        let length = length(value, stack);
        assert!(length <= limit, "{place}: {length} characters, of which AWS takes {limit}");
    }
    assert_eq!(found.len(), LIMITS.len(), "take out of the list what is gone");
}

#[test]
fn who_traces_is_told_how_long_the_stacks_name_may_be() {
    let template = Template::read();
    let said = format!("at most {} characters", longest_traced(&template));
    let parameter = template.0["Parameters"]["TracedShare"]["Description"].as_str().unwrap();
    assert!(parameter.contains(&said), "TracedShare has to say: {said}");
    assert!(page("docs/deploy.md").contains(&said), "docs/deploy.md has to say: {said}");
}
