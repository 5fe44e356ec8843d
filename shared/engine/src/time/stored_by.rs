//! The stored form of a map to instants: milliseconds.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Instant;

pub(crate) fn serialize<K: Serialize, S: Serializer>(
    map: &BTreeMap<K, Instant>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(map.iter().map(|(key, at)| (key, at.timestamp_millis())))
}

pub(crate) fn deserialize<'de, K: Deserialize<'de> + Ord, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<K, Instant>, D::Error> {
    BTreeMap::<K, i64>::deserialize(deserializer)?
        .into_iter()
        .map(|(key, millis)| {
            let at = Instant::from_timestamp_millis(millis)
                .ok_or_else(|| serde::de::Error::custom("an instant out of range"))?;
            Ok((key, at))
        })
        .collect()
}
