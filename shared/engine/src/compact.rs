//! Collecting into ordered maps and sets, and sorting, with little code.
//!
//! The standard `collect` into a map sorts first, and each sort is some five kilobytes of code for
//! every type and every iterator that it is called on. Functions on AWS Lambda are weighed, so that
//! they start quickly. Here items are inserted one after the other, and what is sorted are places,
//! by code that stands once: a little slower, which does not matter for lists of this size.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// A map or a set that is kept in order.
pub trait Ordered<Item>: Default + Extend<Item> {}

impl<K: Ord, V> Ordered<(K, V)> for BTreeMap<K, V> {}

impl<K: Ord> Ordered<K> for BTreeSet<K> {}

impl Ordered<(String, serde_json::Value)> for serde_json::Map<String, serde_json::Value> {}

/// See the module.
pub trait CollectCompactly: Iterator + Sized {
    /// All items. Of two with one key the later counts, as with `collect`.
    fn collect_compactly<C: Ordered<Self::Item>>(self) -> C {
        let mut all = C::default();
        all.extend(self);
        all
    }
}

impl<I: Iterator> CollectCompactly for I {}

/// See the module.
pub trait SortCompactly<T> {
    /// Sorts; what is equal stays in its order.
    fn sort_compactly(&mut self)
    where
        T: Ord;

    /// Sorts by a comparison; what is equal stays in its order.
    fn sort_compactly_by(&mut self, compare: impl Fn(&T, &T) -> Ordering);

    /// Sorts by a key; what has equal keys stays in its order.
    fn sort_compactly_by_key<K: Ord>(&mut self, key: impl Fn(&T) -> K) {
        self.sort_compactly_by(|one, other| key(one).cmp(&key(other)));
    }
}

impl<T> SortCompactly<T> for [T] {
    fn sort_compactly(&mut self)
    where
        T: Ord,
    {
        self.sort_compactly_by(T::cmp);
    }

    fn sort_compactly_by(&mut self, compare: impl Fn(&T, &T) -> Ordering) {
        let places = |one: usize, other: usize| compare(&self[one], &self[other]);
        let goes_to = sorted_places(self.len(), &places);
        put(self, goes_to);
    }
}

/// For each place, where the item there goes.
fn sorted_places(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut places: Vec<usize> = (0..count).collect();
    places.sort_by(|one, other| compare(*one, *other));
    let mut goes_to = vec![0; count];
    for (to, from) in places.into_iter().enumerate() {
        goes_to[from] = to;
    }
    goes_to
}

/// Puts each item where it goes.
fn put<T>(items: &mut [T], mut goes_to: Vec<usize>) {
    for place in 0..items.len() {
        while goes_to[place] != place {
            let to = goes_to[place];
            items.swap(place, to);
            goes_to.swap(place, to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All lists of up to five of three keys, each item with its place.
    fn lists() -> Vec<Vec<(u8, usize)>> {
        let longer = |list: &Vec<(u8, usize)>| {
            let (list, place) = (list.clone(), list.len());
            [0, 1, 2].map(move |key| [list.clone(), vec![(key, place)]].concat())
        };
        let mut all = vec![vec![]];
        let mut from = 0;
        for _ in 0..5 {
            let next: Vec<_> = all[from..].iter().flat_map(longer).collect();
            from = all.len();
            all.extend(next);
        }
        all
    }

    #[test]
    fn it_sorts_and_collects_as_the_standard_library_does() {
        assert_eq!(lists().len(), 1 + 3 + 9 + 27 + 81 + 243);
        for list in lists() {
            let (mut compactly, mut expected) = (list.clone(), list.clone());
            compactly.sort_compactly_by_key(|item| item.0);
            expected.sort_by_key(|item| item.0);
            assert_eq!(compactly, expected);
            compactly.sort_compactly_by(|one, other| other.cmp(one));
            expected.sort_by(|one, other| other.cmp(one));
            assert_eq!(compactly, expected);
            compactly.sort_compactly();
            expected.sort();
            assert_eq!(compactly, expected);
            let map: BTreeMap<u8, usize> = list.iter().copied().collect();
            assert_eq!(list.iter().copied().collect_compactly::<BTreeMap<_, _>>(), map);
            let set: BTreeSet<_> = list.iter().collect();
            assert_eq!(list.iter().collect_compactly::<BTreeSet<_>>(), set);
        }
    }
}
