//! Values seen once and then named by a number, and results computed once and then looked up.
//!
//! A state of a model is a handful of numbers, whatever its parts look like, and the engine runs once for each input of
//! each part, not once for each state in which the part occurs. Owns no meaning; nothing is ever forgotten.

use std::{
    collections::HashMap,
    hash::{BuildHasher, BuildHasherDefault, Hash, Hasher},
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock,
        atomic::{AtomicU32, Ordering},
    },
};

const SHARDS: usize = 32;
/// Values in the first chunk; each later chunk holds twice as many as the one before.
const FIRST_CHUNK: usize = 1 << 10;
const CHUNKS: usize = 22;

type Build = BuildHasherDefault<Quick>;

/// A hash of a multiplication for each word: nobody attacks a model, and most of its time would be hashing.
#[derive(Debug, Default)]
pub(super) struct Quick(u64);

impl Quick {
    fn mix(&mut self, word: u64) {
        const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
        let product = u128::from(self.0 ^ word).wrapping_mul(u128::from(ODD));
        self.0 = (product as u64).rotate_left(29) ^ (product >> 64) as u64;
    }
}

impl Hasher for Quick {
    fn finish(&self) -> u64 {
        let mut last = Self(self.0);
        last.mix(0x2545_F491_4F6C_DD1D);
        last.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word) ^ (chunk.len() as u64) << 56);
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.mix(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.mix(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.mix(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.mix(value as u64);
    }
}

/// The hash of a value, the same in every run.
pub(super) fn hash_of<T: Hash>(value: &T) -> u64 {
    Build::default().hash_one(value)
}

fn shard_of<T: Hash>(value: &T) -> usize {
    // The low bits are those by which a map finds its places.
    (hash_of(value) >> 48) as usize % SHARDS
}

/// One value for each number, set once. Reading takes no lock.
#[derive(Debug)]
pub(super) struct Slots<T>(Vec<OnceLock<Box<[OnceLock<T>]>>>);

impl<T> Slots<T> {
    pub(super) fn new() -> Self {
        Self((0..CHUNKS).map(|_| OnceLock::new()).collect())
    }

    fn get(&self, number: u32) -> Option<&T> {
        let (chunk, at) = Self::place(number);
        self.0[chunk].get()?[at].get()
    }

    /// The value of a number, computed when it is asked for first.
    pub(super) fn get_or(&self, number: u32, compute: impl FnOnce() -> T) -> &T {
        let (chunk, at) = Self::place(number);
        let new_chunk = || (0..FIRST_CHUNK << chunk).map(|_| OnceLock::new()).collect();
        self.0[chunk].get_or_init(new_chunk)[at].get_or_init(compute)
    }

    fn place(number: u32) -> (usize, usize) {
        let from_first = number as usize + FIRST_CHUNK;
        let chunk = (from_first / FIRST_CHUNK).ilog2() as usize;
        (chunk, from_first - (FIRST_CHUNK << chunk))
    }
}

/// Values by number, equal values by equal numbers. Reading takes no lock.
#[derive(Debug)]
pub(super) struct Interner<T> {
    numbers: Vec<Mutex<HashMap<Arc<T>, u32, Build>>>,
    values: Slots<Arc<T>>,
    next: AtomicU32,
}

impl<T: Hash + Eq> Interner<T> {
    pub(super) fn new() -> Self {
        Self {
            numbers: (0..SHARDS).map(|_| Mutex::default()).collect(),
            values: Slots::new(),
            next: AtomicU32::new(0),
        }
    }

    pub(super) fn number(&self, value: T) -> u32 {
        let shard = &self.numbers[shard_of(&value)];
        let mut numbers = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = numbers.get(&value) {
            return *number;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let value = Arc::new(value);
        self.values.get_or(number, || Arc::clone(&value));
        numbers.insert(value, number);
        number
    }

    /// The value of a number that [`Self::number`] gave.
    pub(super) fn get(&self, number: u32) -> &T {
        self.values
            .get(number)
            .expect("only numbers that were given out are asked for")
    }

    pub(super) fn len(&self) -> usize {
        self.next.load(Ordering::Relaxed) as usize
    }
}

/// Results by key. Two threads may compute the same one; they are equal.
#[derive(Debug)]
pub(super) struct Memo<K, V> {
    known: Vec<RwLock<HashMap<K, V, Build>>>,
}

impl<K: Hash + Eq, V: Clone> Memo<K, V> {
    pub(super) fn new() -> Self {
        Self {
            known: (0..SHARDS).map(|_| RwLock::default()).collect(),
        }
    }

    pub(super) fn get_or(&self, key: K, compute: impl FnOnce() -> V) -> V {
        let shard = &self.known[shard_of(&key)];
        if let Some(value) = shard
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
        {
            return value.clone();
        }
        let value = compute();
        shard
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, value.clone());
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_one_number_and_every_number_leads_back() {
        let interner = Interner::new();
        let numbers: Vec<u32> = (0..5000_u64)
            .map(|value| interner.number(value * 7))
            .collect();
        for (value, number) in (0..5000_u64).zip(&numbers) {
            assert_eq!(interner.number(value * 7), *number);
            assert_eq!(interner.get(*number), &(value * 7));
        }
        assert_eq!(interner.len(), 5000);
    }

    #[test]
    fn a_result_is_computed_once() {
        let memo = Memo::new();
        assert_eq!(memo.get_or(1, || 2), 2);
        assert_eq!(memo.get_or(1, || unreachable!()), 2);
    }
}
