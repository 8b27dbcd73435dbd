//! Keys of records in memory, and of writes.
//!
//! Owns their layout: the keys of a node are short, and a short key lies where it is used. Never changes one.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use crate::fault::Hex;

/// The longest key without an allocation of its own: that of a message.
const SHORT_BYTES: usize = 30;

/// A key: bytes, compared and hashed as such. A short one is no allocation.
#[derive(Clone)]
pub struct Key(Bytes);

#[derive(Clone)]
enum Bytes {
    Short { len: u8, bytes: [u8; SHORT_BYTES] },
    Long(Arc<[u8]>),
}

impl Key {
    /// These parts, one behind the other.
    pub fn of<const N: usize>(parts: [&[u8]; N]) -> Self {
        let len = parts.iter().map(|part| part.len()).sum::<usize>();
        if len > SHORT_BYTES {
            return parts.concat().into();
        }
        let mut bytes = [0; SHORT_BYTES];
        let mut rest = &mut bytes[..];
        for part in parts {
            let (place, behind) = rest.split_at_mut(part.len());
            place.copy_from_slice(part);
            rest = behind;
        }
        let len = len as u8;
        Self(Bytes::Short { len, bytes })
    }

    /// Its bytes.
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Bytes::Short { len, bytes } => &bytes[..usize::from(*len)],
            Bytes::Long(bytes) => bytes,
        }
    }
}

impl Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl From<&[u8]> for Key {
    fn from(key: &[u8]) -> Self {
        if key.len() > SHORT_BYTES {
            return Self(Bytes::Long(key.into()));
        }
        let mut bytes = [0; SHORT_BYTES];
        bytes[..key.len()].copy_from_slice(key);
        Self(Bytes::Short {
            len: key.len() as u8,
            bytes,
        })
    }
}

impl From<Vec<u8>> for Key {
    fn from(key: Vec<u8>) -> Self {
        key.as_slice().into()
    }
}

impl<const N: usize> From<[u8; N]> for Key {
    fn from(key: [u8; N]) -> Self {
        key.as_slice().into()
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        self.as_slice()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Key {}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Hex(self.as_slice()), f)
    }
}

/// Hashes keys: some multiplications, from a seed that nobody outside this process can know.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct KeyHash;

/// What [`KeyHash`] builds.
#[derive(Debug)]
pub(crate) struct KeyHasher(u64);

static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0_u8));

impl BuildHasher for KeyHash {
    type Hasher = KeyHasher;

    fn build_hasher(&self) -> KeyHasher {
        KeyHasher(*SEED)
    }
}

impl KeyHasher {
    fn mix(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * u128::from(0xf39c_c060_5ced_c835_u64);
        self.0 = (product as u64 ^ (product >> 64) as u64).rotate_left(23);
    }
}

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            self.mix(u64::from_le_bytes(word));
        }
    }

    fn write_usize(&mut self, length: usize) {
        self.mix(length as u64);
    }

    fn finish(&self) -> u64 {
        let product = u128::from(self.0) * u128::from(0xa076_1d64_78bd_642f_u64);
        product as u64 ^ (product >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_all_lengths_are_the_bytes_they_were_made_of_and_in_their_order() {
        let bytes: Vec<u8> = (0..100).map(|n: u8| n.wrapping_mul(37)).collect();
        for a in 0..bytes.len() {
            let key = Key::from(&bytes[..a]);
            assert_eq!(key.as_slice(), &bytes[..a]);
            let (first, second) = bytes[..a].split_at(a / 3);
            assert_eq!(Key::of([first, &[], second]), key);
            for b in 0..bytes.len() {
                let other = Key::from(&bytes[b..]);
                assert_eq!(key.cmp(&other), bytes[..a].cmp(&bytes[b..]));
            }
        }
        assert_eq!(size_of::<Key>(), 32);
    }

    #[test]
    fn a_key_and_its_bytes_have_one_hash_and_similar_keys_have_others() {
        let mut hashes = std::collections::BTreeSet::new();
        for n in 0..10_000_u32 {
            let mut bytes = [0; 27];
            bytes[19..23].copy_from_slice(&n.to_be_bytes());
            let hash = KeyHash.hash_one(&bytes[..]);
            assert_eq!(KeyHash.hash_one(Key::from(&bytes[..])), hash);
            // A table looks at the lowest bits, and at the highest seven.
            hashes.insert((hash & 0x3fff, hash >> 57));
        }
        assert!(hashes.len() > 9_900, "{}", hashes.len());
    }
}
