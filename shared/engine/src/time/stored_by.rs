//! The stored form of a map to instants: milliseconds. What is more exact than a millisecond is
//! lost; a number that is no instant is refused.

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
    let mut map = BTreeMap::new();
    for (key, millis) in BTreeMap::<K, i64>::deserialize(deserializer)? {
        let at = Instant::from_timestamp_millis(millis)
            .ok_or_else(|| serde::de::Error::custom("an instant out of range"))?;
        map.insert(key, at);
    }
    Ok(map)
}
