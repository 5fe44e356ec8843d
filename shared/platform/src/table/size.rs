//! The size of an item, by DynamoDB's arithmetic.
//!
//! Source: *Amazon DynamoDB Developer Guide*, "DynamoDB item sizes and formats". An item is the sum
//! of its attributes, an attribute its name and its value; a body's members are attributes. What
//! DynamoDB's own values cannot hold counts with the length of its JSON, which is how it is stored
//! there.

use serde_json::{Map, Number, Value};

use super::Item;

/// How deep lists and maps nest in DynamoDB as native values, the body's members being the first
/// level. It allows somewhat more.
pub const DEEPEST: usize = 28;

/// The size of an item in bytes. It reads the body, so it costs about as much as parsing it.
#[must_use]
pub fn size(item: &Item) -> usize {
    let members: usize = match item.body.read::<Map<String, Value>>() {
        Ok(members) => members.iter().map(|(name, value)| name.len() + value_size(value, 1)).sum(),
        // A text that is not an object cannot have come from `Body::of`; its length is a good
        // enough answer.
        Err(_) => item.body.len(),
    };
    frame(item) + members
}

/// An upper bound in bytes, at most twice the size: known without reading the body.
///
/// No JSON text takes more than twice its length. The worst is nesting: `[]` are two bytes of text
/// and, as an element of another list, four in the table.
#[must_use]
pub fn size_at_most(item: &Item) -> usize {
    frame(item) + 2 * item.body.len()
}

/// Everything but the body: the table's own attributes.
fn frame(item: &Item) -> usize {
    let key = "PK".len() + item.key.pk.len() + "SK".len() + item.key.sk.len();
    let rev = item.rev.map_or(0, |rev| "rev".len() + number_size(&rev.into()));
    let index = item
        .index
        .as_ref()
        .map_or(0, |index| "GSI1PK".len() + index.pk.len() + "GSI1SK".len() + index.sk.len());
    let expires = item.expires.map_or(0, |at| "ttl".len() + number_size(&at.timestamp().into()));
    key + rev + index + expires
}

/// A value at this depth of the body.
fn value_size(value: &Value, depth: usize) -> usize {
    let inside = |value| 1 + value_size(value, depth + 1);
    match value {
        Value::Null | Value::Bool(_) => 1,
        Value::Number(number) if is_native_number(number) => number_size(number),
        Value::String(text) => text.len(),
        Value::Array(elements) if depth <= DEEPEST => {
            3 + elements.iter().map(inside).sum::<usize>()
        }
        Value::Object(members) if depth <= DEEPEST => {
            3 + members.iter().map(|(name, value)| name.len() + inside(value)).sum::<usize>()
        }
        Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string().len(),
    }
}

/// Whether DynamoDB can hold the number: its exponents are smaller than those of a double.
#[must_use]
pub fn is_native_number(number: &Number) -> bool {
    !number.is_f64()
        || number.as_f64().is_some_and(|n| n == 0.0 || (1e-130..1e126).contains(&n.abs()))
}

/// One byte for two significant digits, one more, and one for a minus.
fn number_size(number: &Number) -> usize {
    let text = number.to_string();
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let significant = digits.trim_start_matches('0').trim_end_matches('0').len();
    significant.div_ceil(2) + 1 + usize::from(text.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Body, Key};
    use serde_json::json;

    fn of(body: &Value) -> usize {
        size(&Item::new(Key::new("p", "s"), Body::of(body).unwrap())) - "PKpSKs".len()
    }

    #[test]
    fn every_attribute_counts_with_its_name() {
        assert_eq!(of(&json!({})), 0);
        assert_eq!(of(&json!({ "name": "Zoë" })), 4 + 4);
        assert_eq!(of(&json!({ "yes": true, "none": null })), 3 + 1 + 4 + 1);
        assert_eq!(of(&json!({ "n": 1 })), 1 + 2);
        assert_eq!(of(&json!({ "n": 12000 })), 1 + 2);
        assert_eq!(of(&json!({ "n": -123.5 })), 1 + 4);
        assert_eq!(of(&json!({ "l": [1, "ab"] })), 1 + 3 + (1 + 2) + (1 + 2));
        assert_eq!(of(&json!({ "m": { "a": [] } })), 1 + 3 + (1 + 1 + 3));
        let far = Body::of(&json!({ "n": 1.5e200 })).unwrap();
        let kept = far.read::<Value>().unwrap()["n"].to_string();
        assert_eq!(of(&json!({ "n": 1.5e200 })), 1 + kept.len(), "no number that DynamoDB has");
        let item = Item::new(Key::new("p", "s"), Body::of(&json!({})).unwrap())
            .rev(7)
            .index(Key::new("a", "bc"));
        assert_eq!(size(&item), "PKpSKs".len() + "rev".len() + 2 + "GSI1PKaGSI1SKbc".len());
    }

    #[test]
    fn what_nests_too_deep_counts_with_its_json() {
        let nested = |depth| (0..depth).fold(json!(1), |inside, _| json!([inside]));
        let depth = DEEPEST;
        assert_eq!(of(&json!({ "n": nested(depth) })), 1 + depth * (3 + 1) + 2);
        assert_eq!(of(&json!({ "n": nested(depth + 2) })), 1 + depth * (3 + 1) + "[[1]]".len());
    }

    #[test]
    fn the_bound_without_reading_is_never_below_the_size() {
        let mut deep = json!(1);
        for _ in 0..40 {
            deep = json!([deep]);
        }
        for body in [
            json!({}),
            json!({ "l": vec![1; 500] }),
            json!({ "l": vec![deep; 50] }),
            json!({ "é": "é\n\"" }),
        ] {
            let item = Item::new(Key::new("p", "s"), Body::of(&body).unwrap());
            assert!(size(&item) <= size_at_most(&item), "{body}");
        }
    }
}
