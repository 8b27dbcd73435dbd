//! Values seen once and then named by a number, and results computed once and then looked up.
//!
//! A state of a model is a handful of numbers, whatever its parts look like, and the engine runs once for each input of
//! each part, not once for each state in which the part occurs. Owns no meaning; nothing is ever forgotten.

use std::{
    collections::{HashMap, hash_map::DefaultHasher},
    hash::{BuildHasher, BuildHasherDefault, Hash},
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock,
        atomic::{AtomicU32, Ordering},
    },
};

const SHARDS: usize = 32;
/// Values in the first chunk; each later chunk holds twice as many as the one before.
const FIRST_CHUNK: usize = 1 << 10;
const CHUNKS: usize = 22;

type Hasher = BuildHasherDefault<DefaultHasher>;
type Chunk<T> = OnceLock<Box<[OnceLock<Arc<T>>]>>;

fn shard_of<T: Hash>(value: &T) -> usize {
    Hasher::default().hash_one(value) as usize % SHARDS
}

/// Values by number, equal values by equal numbers. Reading takes no lock.
#[derive(Debug)]
pub(super) struct Interner<T> {
    numbers: Vec<Mutex<HashMap<Arc<T>, u32, Hasher>>>,
    chunks: Vec<Chunk<T>>,
    next: AtomicU32,
}

impl<T: Hash + Eq> Interner<T> {
    pub(super) fn new() -> Self {
        Self {
            numbers: (0..SHARDS).map(|_| Mutex::default()).collect(),
            chunks: (0..CHUNKS).map(|_| OnceLock::new()).collect(),
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
        let (chunk, at) = Self::place(number);
        let cells = self.chunks[chunk]
            .get_or_init(|| (0..FIRST_CHUNK << chunk).map(|_| OnceLock::new()).collect());
        assert!(
            cells[at].set(Arc::clone(&value)).is_ok(),
            "a number is given out once"
        );
        numbers.insert(value, number);
        number
    }

    /// The value of a number that [`Self::number`] gave.
    pub(super) fn get(&self, number: u32) -> &T {
        let (chunk, at) = Self::place(number);
        self.chunks[chunk]
            .get()
            .and_then(|cells| cells[at].get())
            .expect("only numbers that were given out are asked for")
    }

    pub(super) fn len(&self) -> usize {
        self.next.load(Ordering::Relaxed) as usize
    }

    fn place(number: u32) -> (usize, usize) {
        let from_first = number as usize + FIRST_CHUNK;
        let chunk = (from_first / FIRST_CHUNK).ilog2() as usize;
        (chunk, from_first - (FIRST_CHUNK << chunk))
    }
}

/// Results by key. Two threads may compute the same one; they are equal.
#[derive(Debug)]
pub(super) struct Memo<K, V> {
    known: Vec<RwLock<HashMap<K, V, Hasher>>>,
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
