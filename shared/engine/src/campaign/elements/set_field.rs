//! `set_field`: sets fields of the subject, or of the contact of an object (R72).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Arrival, EdgeKey, ElementType, Of, WhenMissed};
use crate::campaign::checks::{At, Findings, Surroundings, Template, is_template, unreadable};
use crate::campaign::node::Path;
use crate::ids::{CampaignId, ElementId, FieldKey};
use crate::time::Zone;

/// Sets fields of the contact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetField {
    /// New values; `null` clears, a text may be a template.
    pub fields: BTreeMap<FieldKey, Value>,
    /// Whose they are: the subject's, unless it says `contact`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Of>,
    /// Where the token goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ElementId>,
}

impl ElementType for SetField {
    fn edges(&self) -> Vec<(EdgeKey, &ElementId)> {
        EdgeKey::edges([("next", self.next.as_ref())])
    }

    fn arrival(&self, _: &CampaignId) -> Arrival {
        Arrival::GoesOn
    }

    fn when_missed(&self) -> WhenMissed {
        WhenMissed::IsLost
    }

    fn templates(&self, path: &Path) -> Vec<Template<'_>> {
        let path = path.key("fields");
        let texts = self.fields.iter().filter_map(|(key, value)| match value {
            Value::String(source) => Some((key, source)),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => None,
        });
        texts.map(|(key, source)| Template::small(path.key(key.as_str()), source)).collect()
    }

    fn check(&self, path: &Path, around: &Surroundings<'_>, findings: &mut Findings<'_>) {
        if self.fields.is_empty() {
            findings.nothing_to_do("no field is set here", path);
        }
        let person = match self.of {
            Some(Of::Contact) => around.of_person(&path.key("of"), findings),
            None => None,
        };
        let around = person.as_ref().unwrap_or(around);
        for (key, value) in &self.fields {
            check_value(key, value, &path.key("fields").key(key.as_str()), around, findings);
        }
    }
}

fn check_value(
    key: &FieldKey,
    value: &Value,
    path: &Path,
    around: &Surroundings<'_>,
    findings: &mut Findings<'_>,
) {
    let Some(kind) = around.fields.named(key, &At::Key(path), findings) else {
        return;
    };
    if key.as_str() == "email" && !around.is_about_objects() {
        findings.error(
            "cannot_be_set",
            &At::Key(path),
            "a campaign cannot change whom it writes to",
            "remove `email`; change the address through the API",
        );
        return;
    }
    if value.as_str().is_some_and(is_template) {
        return;
    }
    match kind.read(value, Zone::UTC) {
        Ok(Some(read)) => {
            let is_zone = || read.as_text().is_some_and(|text| text.parse::<Zone>().is_ok());
            if key.as_str() == "time_zone" && !around.is_about_objects() && !is_zone() {
                findings.error(
                    "invalid_value",
                    &At::Value(path),
                    "this is not a time zone",
                    "write it like Europe/Berlin",
                );
            }
        }
        Ok(None) => {}
        Err(why) => unreadable(&why.to_string(), kind, path, findings),
    }
}
