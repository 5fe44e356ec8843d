//! Who is in a scenario.

use dacapo_engine::ids::ContactId;
use dacapo_engine::problem::Problem;
use serde_json::Value;

use crate::scenario::{Post, Scenario};
use crate::wrong::wrong;

/// What the only contact is called, if the address says no name.
const SOMEBODY: &str = "contact";

/// A contact of a scenario.
#[derive(Debug, Clone)]
pub(super) struct Person<'a> {
    /// The name in the scenario, which is the id in the world.
    pub(super) id: ContactId,
    /// What is posted at the beginning.
    pub(super) post: &'a Post,
    /// Where that stands in the scenario.
    pub(super) path: String,
}

/// Who is there at the beginning, in order of name.
pub(super) fn people(scenario: &Scenario) -> Result<Vec<Person<'_>>, Problem> {
    match (&scenario.contact, scenario.contacts.is_empty()) {
        (Some(_), false) => Err(wrong(
            "contradiction",
            "contact",
            "`contact` is for a scenario with one contact, and `contacts` is there too",
            "put all of them under `contacts`, each with a name",
        )),
        (None, true) => Err(wrong(
            "missing_key",
            "contact",
            "there is nobody in it",
            "add `contact`, such as contact: { email: ann@example.com, first_name: Ann }",
        )),
        (Some(post), true) => {
            let local = post.0.get("email").and_then(Value::as_str).unwrap_or_default();
            let local = local.split('@').next().unwrap_or_default();
            let local = local.split(['.', '+']).next().unwrap_or_default();
            let id = ContactId::new(local).or_else(|_| ContactId::new(SOMEBODY));
            let id = id.map_err(|why| named_wrong(SOMEBODY, &why.to_string()))?;
            Ok(vec![Person { id, post, path: "contact".to_owned() }])
        }
        (None, false) => {
            let people = scenario.contacts.iter().map(|(name, post)| {
                let id = ContactId::new(name.as_str());
                let id = id.map_err(|why| named_wrong(name, &why.to_string()))?;
                if id.is_object() {
                    return Err(named_wrong(name, "it contains a dot; use letters or digits"));
                }
                Ok(Person { id, post, path: format!("contacts.{name}") })
            });
            people.collect()
        }
    }
}

fn named_wrong(name: &str, why: &str) -> Problem {
    let message = format!("`{name}` is no name for a contact: {why}");
    wrong("invalid_value", "contacts", message, "give it a short name, such as ann")
}
