//! Reads the template. Short forms of CloudFormation are expanded: `!Ref Table` is `{"Ref":
//! "Table"}`.

use std::path::Path;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Value, json};

/// What a new stack is given for the parameters that have no default.
pub(crate) const GIVEN: [(&str, &str); 2] =
    [("SenderAddress", "hello@example.com"), ("AlarmAddress", "you@example.com")];

/// A page or another file of the repository.
pub(crate) fn page(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    std::fs::read_to_string(path).unwrap()
}

/// The template, as JSON.
pub(crate) struct Template(pub(crate) Value);

impl Template {
    /// That of the repository.
    pub(crate) fn read() -> Self {
        Self(read(&page("template.yaml")))
    }

    /// The resources of a type: each with its name and its properties.
    pub(crate) fn resources(&self, kind: &str) -> Vec<(&str, &Value)> {
        let all = self.0["Resources"].as_object().unwrap().iter();
        let found: Vec<_> = all
            .filter(|(_, resource)| resource["Type"] == kind)
            .map(|(name, resource)| (name.as_str(), &resource["Properties"]))
            .collect();
        assert!(!found.is_empty(), "the template has no {kind}: mend this test");
        found
    }

    /// Whether a condition holds in a new stack with the defaults only; parameters without one are
    /// in [`GIVEN`].
    pub(crate) fn holds(&self, condition: &str) -> bool {
        let condition = &self.0["Conditions"][condition];
        assert!(!condition.is_null(), "the template has no such condition");
        self.truth(condition)
    }

    fn truth(&self, condition: &Value) -> bool {
        if let Some(inner) = condition["Fn::Not"].as_array() {
            return !self.truth(&inner[0]);
        }
        let sides = condition["Fn::Equals"].as_array();
        let sides = sides.unwrap_or_else(|| panic!("teach this test what {condition} means"));
        self.text(&sides[0]) == self.text(&sides[1])
    }

    fn text(&self, value: &Value) -> String {
        if let Some(name) = value["Ref"].as_str() {
            let given = GIVEN.iter().find(|(parameter, _)| *parameter == name);
            return match given {
                Some((_, value)) => (*value).to_owned(),
                None => self.text(&self.0["Parameters"][name]["Default"]),
            };
        }
        if let Some(joined) = value["Fn::Join"].as_array() {
            return self.text(&joined[1]);
        }
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    }

    /// What is left of a value in a new stack with the defaults only. `None` if nothing is.
    pub(crate) fn chosen<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        let value = match value["Fn::If"].as_array() {
            None => value,
            Some(choice) => &choice[if self.holds(choice[0].as_str().unwrap()) { 1 } else { 2 }],
        };
        (!value.is_null() && value["Ref"] != "AWS::NoValue").then_some(value)
    }

    /// A resource's properties.
    pub(crate) fn properties(&self, name: &str) -> &Value {
        let properties = &self.0["Resources"][name]["Properties"];
        assert!(properties.is_object(), "the template has no resource {name}");
        properties
    }
}

/// The resource that a value refers to, by `!Ref` or by `!GetAtt`.
pub(crate) fn referred(value: &Value) -> Option<&str> {
    // Of a choice, the one that a new stack makes.
    if let Some(choice) = value["Fn::If"].as_array() {
        return referred(&choice[1]);
    }
    if let Some(name) = value["Ref"].as_str() {
        return Some(name);
    }
    value["Fn::GetAtt"].as_str()?.split('.').next()
}

/// One value or several, as a list.
pub(crate) fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Null => Vec::new(),
        other => vec![other],
    }
}

/// A list or a map that has begun, and what its tag makes of it.
struct Open {
    tag: Option<String>,
    value: Value,
    key: Option<String>,
}

fn read(text: &str) -> Value {
    let mut open: Vec<Open> = Vec::new();
    let mut root = Value::Null;
    for event in Parser::new_from_str(text) {
        let (event, _) = event.unwrap();
        let finished = match event {
            Event::Scalar(text, style, _, tag) => {
                let value = if style == ScalarStyle::Plain { plain(&text) } else { json!(text) };
                Some(tagged(tag.as_deref().map(long).as_deref(), value))
            }
            Event::SequenceStart(_, tag) => {
                open.push(Open { tag: tag.as_deref().map(long), value: json!([]), key: None });
                None
            }
            Event::MappingStart(_, tag) => {
                open.push(Open { tag: tag.as_deref().map(long), value: json!({}), key: None });
                None
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let ended = open.pop().unwrap();
                Some(tagged(ended.tag.as_deref(), ended.value))
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::Alias(_) => None,
        };
        if let Some(value) = finished {
            put(&mut open, &mut root, value);
        }
    }
    root
}

fn put(open: &mut [Open], root: &mut Value, value: Value) {
    let Some(inside) = open.last_mut() else {
        *root = value;
        return;
    };
    match &mut inside.value {
        Value::Array(items) => items.push(value),
        Value::Object(entries) => match inside.key.take() {
            None => {
                inside.key = Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            }
            Some(key) => {
                entries.insert(key, value);
            }
        },
        other => panic!("{other} holds nothing"),
    }
}

/// The long form of a short tag's name.
fn long(tag: &Tag) -> String {
    match tag.suffix.as_str() {
        "Ref" => "Ref".to_owned(),
        name => format!("Fn::{name}"),
    }
}

fn tagged(tag: Option<&str>, value: Value) -> Value {
    match tag {
        None => value,
        Some(name) => Value::Object(Map::from_iter([(name.to_owned(), value)])),
    }
}

fn plain(text: &str) -> Value {
    match text {
        "true" => json!(true),
        "false" => json!(false),
        _ => text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number)),
    }
}
