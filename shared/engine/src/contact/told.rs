//! What a sender tells of an object, and when it says that this happened. A sender's calls about
//! one booking arrive in any order and more than once; they lead to the same object all the same,
//! because what happened later outranks what arrived later.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Contact, Patch};
use crate::compact::CollectCompactly as _;
use crate::ids::FieldKey;
use crate::time::Instant;

/// The fields that say how a booking stands. All others say what was booked.
const STANDING: [&str; 2] = ["status", "reason"];

/// The highest rank.
const HIGHEST: u8 = 7;

/// A place in the order of what a sender tells of one thing: by time, at one instant by rank, and
/// what is final after everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "(i64, u8)", into = "(i64, u8)")]
pub struct ToldAt {
    is_final: bool,
    micros: i64,
    rank: u8,
}

impl ToldAt {
    /// After everything that can be told.
    pub const END: Self = Self { is_final: true, micros: i64::MAX, rank: HIGHEST };

    /// What happened at an instant. Of several at one instant that with the higher rank, 0 to 7, is
    /// the later.
    pub fn new(at: Instant, rank: u8) -> Self {
        Self { is_final: false, micros: at.timestamp_micros(), rank: rank.min(HIGHEST) }
    }

    /// The same, and nothing comes after it, whenever that is said to have happened.
    #[must_use]
    pub fn finally(self) -> Self {
        Self { is_final: true, ..self }
    }
}

impl From<(i64, u8)> for ToldAt {
    fn from((micros, rank): (i64, u8)) -> Self {
        Self { is_final: rank > HIGHEST, micros, rank: rank & HIGHEST }
    }
}

impl From<ToldAt> for (i64, u8) {
    fn from(ToldAt { is_final, micros, rank }: ToldAt) -> Self {
        (micros, if is_final { rank + HIGHEST + 1 } else { rank })
    }
}

/// When what an object has was told, by field; empty if its sender says nothing about that.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<(ToldAt, Vec<FieldKey>)>", into = "Vec<(ToldAt, Vec<FieldKey>)>")]
pub struct ToldByField(BTreeMap<FieldKey, ToldAt>);

impl ToldByField {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When a field was told.
    pub fn of(&self, field: &str) -> Option<ToldAt> {
        self.0.get(field).copied()
    }
}

impl From<Vec<(ToldAt, Vec<FieldKey>)>> for ToldByField {
    fn from(stored: Vec<(ToldAt, Vec<FieldKey>)>) -> Self {
        let each = |(at, fields): (ToldAt, Vec<FieldKey>)| {
            fields.into_iter().map(move |field| (field, at))
        };
        Self(stored.into_iter().flat_map(each).collect_compactly())
    }
}

impl From<ToldByField> for Vec<(ToldAt, Vec<FieldKey>)> {
    fn from(told: ToldByField) -> Self {
        let mut stored: BTreeMap<ToldAt, Vec<FieldKey>> = BTreeMap::new();
        for (field, at) in told.0 {
            stored.entry(at).or_default().push(field);
        }
        stored.into_iter().collect()
    }
}

/// When what one call tells happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Telling {
    /// When the booking came to stand as the call says.
    pub status: ToldAt,
    /// When everything else was said; `None` if the call only repeats it, such as a cancellation
    /// that names the time again. It is taken then where nothing is known.
    pub details: Option<ToldAt>,
}

impl Telling {
    fn at(&self, field: &str) -> Option<ToldAt> {
        if STANDING.contains(&field) { Some(self.status) } else { self.details }
    }

    /// Whether something later is known of how the booking stands.
    pub fn is_late(&self, told: &ToldByField) -> bool {
        told.of(STANDING[0]).is_some_and(|known| self.status < known)
    }

    /// What of a patch is news to an object about which this was told before.
    pub fn news(&self, patch: &Patch, object: Option<&Contact>, told: &ToldByField) -> Patch {
        let mut news = patch.clone();
        news.fields.retain(|field, _| match self.at(field.as_str()) {
            Some(at) => told.of(field.as_str()).is_none_or(|known| at >= known),
            None => object.is_none_or(|object| !object.fields.contains_key(field)),
        });
        news
    }

    /// Notes when the fields of a patch were told.
    pub fn note(&self, patch: &Patch, told: &mut ToldByField) {
        for field in patch.fields.keys() {
            if let Some(at) = self.at(field.as_str()) {
                let known = told.0.entry(field.clone()).or_insert(at);
                *known = at.max(*known);
            }
        }
    }
}

/// What one object takes over from another one that was told of apart, and turns out to be the same
/// thing: what was told of that, and what this one lacks.
pub fn taken_over(object: &Contact, other: &Contact) -> Patch {
    let lacks = |field: &FieldKey| !object.fields.contains_key(field);
    let wanted =
        other.fields.iter().filter(|(field, _)| other.told.0.contains_key(*field) || lacks(field));
    let fields =
        wanted.map(|(field, value)| (field.clone(), Some(value.clone()))).collect_compactly();
    let tags = other.tags.keys().filter(|tag| !object.tags.contains_key(*tag));
    Patch { add: tags.cloned().collect(), fields, ..Patch::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contact::{Author, Consent};
    use crate::field::FieldValue;
    use crate::ids::ContactId;

    fn at(seconds: i64, rank: u8) -> ToldAt {
        ToldAt::new(Instant::from_timestamp(seconds, 0).unwrap(), rank)
    }

    fn patch(fields: &[(&str, &str)]) -> Patch {
        let each = fields.iter().map(|(field, value)| {
            (FieldKey::new(*field).unwrap(), Some(FieldValue::Text((*value).to_owned())))
        });
        Patch { fields: each.collect(), ..Patch::default() }
    }

    #[test]
    fn what_is_told_has_an_order() {
        let order =
            [at(1, 0), at(1, 3), at(2, 0), at(1, 0).finally(), at(2, 0).finally(), ToldAt::END];
        assert!(order.is_sorted_by(|one, next| one < next));
        for one in order {
            let stored = serde_json::to_string(&one).unwrap();
            assert_eq!(serde_json::from_str::<ToldAt>(&stored).unwrap(), one, "{stored}");
        }
    }

    #[test]
    fn what_was_told_is_stored_by_instant() {
        let mut told = ToldByField::default();
        Telling { status: at(2, 1), details: Some(at(1, 0)) }
            .note(&patch(&[("status", "a"), ("place", "b"), ("title", "c")]), &mut told);
        let stored = serde_json::to_string(&told).unwrap();
        assert_eq!(stored, r#"[[[1000000,0],["place","title"]],[[2000000,1],["status"]]]"#);
        assert_eq!(serde_json::from_str::<ToldByField>(&stored).unwrap(), told);
    }

    /// R2: what is repeated, or comes late, changes nothing.
    #[test]
    fn what_happened_later_outranks_what_comes_later() {
        let mut object = Contact::new(
            ContactId::new("c1").unwrap(),
            Consent::None,
            Instant::from_timestamp(0, 0).unwrap(),
        );
        let mut tell = |telling: Telling, fields: &[(&str, &str)]| {
            let patch = patch(fields);
            let late = telling.is_late(&object.told);
            let news = telling.news(&patch, Some(&object), &object.told);
            object.apply(
                &news,
                Author::MailService,
                None,
                Instant::from_timestamp(9, 0).unwrap(),
                0,
            );
            telling.note(&patch, &mut object.told);
            let text = |field: &str| object.text(field).unwrap_or("-").to_owned();
            (late, text("status"), text("place"))
        };
        let shown =
            |late: bool, status: &str, place: &str| (late, status.to_owned(), place.to_owned());
        let gone = Telling { status: at(3, 0).finally(), details: None };
        assert_eq!(
            tell(gone, &[("status", "cancelled"), ("place", "Ulm")]),
            shown(false, "cancelled", "Ulm")
        );
        // The booking itself comes late: its place counts, for nobody has said when Ulm was.
        let made = Telling { status: at(1, 0), details: Some(at(1, 0)) };
        let booked = [("status", "booked"), ("place", "Kiel")];
        assert_eq!(tell(made, &booked), shown(true, "cancelled", "Kiel"));
        assert_eq!(tell(made, &booked), shown(true, "cancelled", "Kiel"));
        let again = Telling { status: at(9, 0), details: Some(at(9, 0)) };
        assert_eq!(tell(again, &booked), shown(true, "cancelled", "Kiel"));
        assert_eq!(tell(gone, &[("status", "cancelled")]), shown(false, "cancelled", "Kiel"));
    }
}
