//! What a call says: its body as it came, and as it is read if no name has two values.

use serde_json::Value;

use crate::connections::incoming::Misfit;
use crate::json_tree::Tree;

/// What a call says.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    /// All of it.
    pub(crate) tree: Tree,
    /// The same without members that have two different values.
    pub(crate) value: Value,
    /// What was left out for that, each by its place.
    pub(crate) twice: Vec<Misfit>,
}

impl From<Tree> for Body {
    fn from(tree: Tree) -> Self {
        let (value, places) = tree.once();
        let twice = places.into_iter().map(|place| {
            let message = stands_twice(&place);
            Misfit::new(&place, "twice", message)
        });
        Self { tree, value, twice: twice.collect() }
    }
}

impl From<Value> for Body {
    fn from(value: Value) -> Self {
        Self { tree: Tree::from(value.clone()), value, twice: Vec::new() }
    }
}

/// What is said of a place that has two different values.
pub(crate) fn stands_twice(place: &str) -> String {
    format!("`{place}` stands there twice, with different values; send one of the two")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn body(text: &str) -> Body {
        Body::from(serde_json::from_str::<Tree>(text).unwrap())
    }

    #[test]
    fn a_member_with_two_values_is_left_out_and_told_and_any_other_stays() {
        let read = body(
            r#"{"a": 1, "a": 2, "b": {"c": "x", "c": "x", "d/e": [1], "d/e": [1, 2]}, "l": [{"f": 1, "f": null}], "a": 1}"#,
        );
        assert_eq!(read.value, json!({ "b": { "c": "x" }, "l": [{}] }));
        let told: Vec<_> = read.twice.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(told, ["/b/d~1e", "/l/0/f", "/a"]);
        assert!(read.twice.iter().all(|one| one.code == "twice"));
    }

    #[test]
    fn json_without_such_a_name_is_read_as_ever() {
        let text = r#"{"a": [1, -2, 2.5, true, null, {"b": "ü"}], "c": {}}"#;
        let plain: Value = serde_json::from_str(text).unwrap();
        let read = body(text);
        assert_eq!((&read.value, read.twice.len()), (&plain, 0));
        assert_eq!(Body::from(plain).tree, read.tree);
    }
}
