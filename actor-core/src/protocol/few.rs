//! A map that mostly has one entry or none, and then takes no memory of its own.
//!
//! Owns nothing but its entries. A tree that is emptied keeps its root, eleven places wide: for a dialog that once had
//! something under way that is hundreds of bytes, for as long as it is in memory. This map gives them back.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::ops::RangeBounds;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An ordered map of entries of which there is mostly one at a time; without values, a set.
#[derive(Clone)]
pub struct Few<K, V = ()>(Entries<K, V>);

#[derive(Clone)]
#[allow(
    clippy::box_collection,
    reason = "a tree beside its place would make a map of nothing three words larger"
)]
enum Entries<K, V> {
    One(Option<(K, V)>),
    /// There were several at once. It stays like that until the last has gone, so that what comes and goes beside
    /// another does not build a tree each time.
    Many(Box<BTreeMap<K, V>>),
}

use Entries::{Many, One};

impl<K, V> Few<K, V> {
    /// None.
    pub const fn new() -> Self {
        Self(One(None))
    }
}

impl<K: Ord, V> Few<K, V> {
    /// How many there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            One(one) => usize::from(one.is_some()),
            Many(many) => many.len(),
        }
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of this key.
    pub fn get(&self, key: &K) -> Option<&V> {
        match &self.0 {
            One(Some((one, value))) if one == key => Some(value),
            One(_) => None,
            Many(many) => many.get(key),
        }
    }

    /// The value of this key.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        match &mut self.0 {
            One(Some((one, value))) if one == key => Some(value),
            One(_) => None,
            Many(many) => many.get_mut(key),
        }
    }

    /// Is there an entry of this key?
    pub fn contains(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// The lowest key.
    pub fn first(&self) -> Option<&K> {
        self.keys().next()
    }

    /// Puts a value under a key, in the place of the one that was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.room_for(&key) {
            One(one) => one.replace((key, value)).map(|(_, old)| old),
            Many(many) => many.insert(key, value),
        }
    }

    /// The value of this key, which is made if there is none.
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        match self.room_for(&key) {
            One(one) => &mut one.get_or_insert_with(|| (key, make())).1,
            Many(many) => many.entry(key).or_insert_with(make),
        }
    }

    /// A place for this key: a single one is free, or is that of the same key.
    fn room_for(&mut self, key: &K) -> &mut Entries<K, V> {
        if let One(one) = &mut self.0
            && let Some(other) = one.take_if(|(one, _)| one != key)
        {
            self.0 = Many(Box::new([other].into()));
        }
        &mut self.0
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        match &mut self.0 {
            One(one) => one.take_if(|(one, _)| one == key).map(|(_, value)| value),
            Many(many) => {
                let value = many.remove(key);
                self.give_back();
                value
            }
        }
    }

    /// Leaves out what `keeps` does not want.
    pub fn retain(&mut self, mut keeps: impl FnMut(&K, &mut V) -> bool) {
        match &mut self.0 {
            One(one) => _ = one.take_if(|(key, value)| !keeps(key, value)),
            Many(many) => {
                many.retain(keeps);
                self.give_back();
            }
        }
    }

    /// Leaves out everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn give_back(&mut self) {
        if self.is_empty() {
            self.clear();
        }
    }

    /// All of them, by rising keys.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        let (one, many) = match &self.0 {
            One(one) => (one.as_ref(), None),
            Many(many) => (None, Some(many.iter())),
        };
        let one = one.map(|(key, value)| (key, value));
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// Those whose keys lie in a range, by rising keys.
    pub fn range(&self, keys: impl RangeBounds<K>) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        let (one, many) = match &self.0 {
            One(one) => (one.as_ref().filter(|(key, _)| keys.contains(key)), None),
            Many(many) => (None, Some(many.range(keys))),
        };
        let one = one.map(|(key, value)| (key, value));
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// The keys, rising.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// The values, by rising keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }
}

impl<K, V> Default for Few<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

/// What it holds, and not how.
impl<K: Ord, V: PartialEq> PartialEq for Few<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<K: Ord, V: Eq> Eq for Few<K, V> {}

impl<K: Ord + Hash, V: Hash> Hash for Few<K, V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.len().hash(state);
        self.iter().for_each(|entry| entry.hash(state));
    }
}

impl<K: Ord + fmt::Debug, V: fmt::Debug> fmt::Debug for Few<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Few<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut few = Self::default();
        entries
            .into_iter()
            .for_each(|(key, value)| _ = few.insert(key, value));
        few
    }
}

/// As a map of the standard library.
impl<K: Ord + Serialize, V: Serialize> Serialize for Few<K, V> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.len()))?;
        for (key, value) in self.iter() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de, K: Ord + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Few<K, V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Entry(PhantomData))
    }
}

struct Entry<K, V>(PhantomData<(K, V)>);

impl<'de, K: Ord + Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for Entry<K, V> {
    type Value = Few<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut few = Few::default();
        while let Some((key, value)) = map.next_entry()? {
            few.insert(key, value);
        }
        Ok(few)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_entries_are_those_of_a_map_whatever_comes_and_goes() {
        let mut seed = 1_u64;
        for _ in 0..200 {
            let (mut few, mut map) = (Few::default(), BTreeMap::new());
            for _ in 0..40 {
                seed = seed
                    .wrapping_mul(0x5851_f42d_4c95_7f2d)
                    .wrapping_add(0x1405_7b7e_f767_814f);
                let (key, value) = (seed >> 33 & 3, seed >> 40);
                match seed >> 60 {
                    0..6 => assert_eq!(few.insert(key, value), map.insert(key, value)),
                    6..8 => assert_eq!(
                        few.get_or_insert_with(key, || value),
                        map.entry(key).or_insert(value)
                    ),
                    8..14 => assert_eq!(few.remove(&key), map.remove(&key)),
                    _ => {
                        few.retain(|at, _| *at != key);
                        map.retain(|at, _| *at != key);
                    }
                }
                assert!(few.iter().eq(map.iter()));
                assert!(few.range(key..).eq(map.range(key..)));
                assert!(few.range(..key).rev().eq(map.range(..key).rev()));
                assert_eq!((few.get(&key), few.len()), (map.get(&key), map.len()));
                assert_eq!(few, map.iter().map(|(key, value)| (*key, *value)).collect());
                if few.is_empty() {
                    assert!(matches!(few.0, One(None)), "it gives everything back");
                }
            }
        }
    }

    #[test]
    fn few_entries_are_written_as_those_of_a_map() {
        for count in 0..4_u64 {
            let map: BTreeMap<u64, bool> = (0..count).map(|at| (at, at % 2 == 0)).collect();
            let few: Few<u64, bool> = map.clone().into_iter().collect();
            let bytes = actor_store::codec::encode(&map).expect("plain data");
            assert_eq!(actor_store::codec::encode(&few).expect("plain data"), bytes);
            assert_eq!(actor_store::codec::decode(&bytes), Ok(few));
        }
    }

    #[test]
    fn a_set_takes_two_words() {
        assert_eq!(size_of::<Few<u64>>(), 16);
    }
}
