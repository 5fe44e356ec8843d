//! SARIF 2.1.0: the form that code hosts and editors read.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Report, Reported};
use crate::finding::{Edit, Finding, Severity};
use crate::lint::{named, page_of};

pub(super) fn sarif_log(report: &Report, version: &str) -> Value {
    let mut rules: BTreeMap<&str, Value> = BTreeMap::new();
    let mut results = Vec::new();
    for file in &report.files {
        for finding in &file.findings {
            rules.entry(finding.code).or_insert_with(|| rule(finding));
            results.push(result(file, finding));
        }
    }
    let rules: Vec<Value> = rules.into_values().collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "dacapo", "version": version, "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(finding: &Finding) -> Value {
    let mut rule = json!({ "id": finding.code });
    if let Some(lint) = named(finding.code)
        && let Some(page) = page_of(lint)
    {
        rule["name"] = json!(lint.name);
        rule["shortDescription"] = json!({ "text": page.what });
        rule["fullDescription"] = json!({ "text": page.why });
    }
    rule
}

fn result(file: &Reported, finding: &Finding) -> Value {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Advice => "note",
    };
    let artifact = json!({ "uri": uri(&file.file) });
    let mut location = json!({ "artifactLocation": artifact });
    if let Some(line) = finding.line {
        location["region"] =
            json!({ "startLine": line, "startColumn": finding.column.unwrap_or(1) });
    }
    let mut result = json!({
        "ruleId": finding.code,
        "level": level,
        "message": { "text": format!("{}. Remedy: {}.", finding.message, finding.remedy) },
        "locations": [{ "physicalLocation": location }],
    });
    // What is offered here is applied with a click: only what `--fix` would apply, too.
    if let Some(edit) = finding.edit.as_ref().filter(|edit| edit.safe) {
        result["fixes"] = json!([fix(&artifact, edit)]);
    }
    result
}

fn fix(artifact: &Value, edit: &Edit) -> Value {
    json!({
        "description": { "text": edit.label },
        "artifactChanges": [{
            "artifactLocation": artifact,
            "replacements": [{
                "deletedRegion": {
                    "startLine": edit.from.line,
                    "startColumn": edit.from.column,
                    "endLine": edit.to.line,
                    "endColumn": edit.to.column,
                },
                "insertedContent": { "text": edit.text },
            }],
        }],
    })
}

/// A path as a relative reference (RFC 3986).
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            b'\\' => uri.push('/'),
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri
}
