//! One image, opened by the production code, and everything that must hold of it.
//!
//! Owns the checks of a recovered store. Never decides which states are allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, RangeInclusive};
use std::sync::Arc;

use actor_store::{
    FoldProgress, Image, MemoryDisk, Options, Recording, Store, StoreFault, StoreId, Table,
};

use super::states::{Model, States, digest};

/// The name that a store gets if opening has to create it.
const FRESH: StoreId = *b"a fresh store id";

/// How closely to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// All records, and whether start-up would find all that is due or busy.
    Records,
    /// Also fold everything, and compare records and indexes once more.
    Folded,
}

/// What was found in an image.
#[derive(Debug)]
pub(super) struct Found {
    /// Which state.
    pub(super) state: usize,
    /// Which life of the store began.
    pub(super) incarnation: u64,
    pub(super) id: StoreId,
    /// How many events of the recovery were over when the store was open.
    pub(super) opened: usize,
    /// What recovery and closing did to the disk.
    pub(super) recovery: Recording,
}

/// Opens an image. The state it holds must be one of the allowed ones, and whole.
pub(super) fn inspect(
    image: &Image,
    states: &States,
    allowed: RangeInclusive<usize>,
    look: Look,
) -> Result<Found, String> {
    let disk = MemoryDisk::from_image(image);
    disk.record();
    let store = Store::open(Arc::new(disk.clone()), options(), FRESH)
        .map_err(|why| format!("does not open: {why}"))?;
    let (id, incarnation, opened) = (store.id(), store.incarnation(), disk.recorded());
    let state = look_at(&store, states, allowed, look)?;
    drop(store);
    Ok(Found {
        state,
        incarnation,
        id,
        opened,
        recovery: disk.recording(),
    })
}

/// Was the store created by this opening?
pub(super) fn is_new(found: &Found) -> bool {
    found.id == FRESH
}

fn options() -> Options {
    Options {
        cache_bytes: 256 * 1024,
        // A generation is folded in several transactions.
        fold_chunk: 4,
        ..Options::default()
    }
}

fn look_at(
    store: &Store,
    states: &States,
    allowed: RangeInclusive<usize>,
    look: Look,
) -> Result<usize, String> {
    let faulty = |fault: StoreFault| format!("cannot be read: {fault}");
    let found = dump(store).map_err(faulty)?;
    let state = allowed
        .clone()
        .find(|state| *states.model(*state) == found)
        .ok_or_else(|| wrong(&found, states, &allowed))?;
    let last = store.stats().last_batch;
    if last != state as u64 {
        return Err(format!(
            "state {state} was found, and batch {last} is called the last"
        ));
    }
    check_found_at_start(store, &found)?;
    if look == Look::Folded {
        fold(store).map_err(faulty)?;
        if dump(store).map_err(faulty)? != found {
            return Err("folding changes what there is".to_owned());
        }
        check_indexes(store, &found)?;
    }
    Ok(state)
}

fn wrong(found: &Model, states: &States, allowed: &RangeInclusive<usize>) -> String {
    let Err(why) = states.admit(digest(found), allowed.clone()) else {
        return "two states have one digest".to_owned();
    };
    let expected = states.model(*allowed.start());
    let missing = expected.keys().filter(|key| !found.contains_key(*key));
    let strange = found
        .iter()
        .filter(|(key, value)| expected.get(*key) != Some(value));
    format!(
        "{why}; {} records are missing and {} are strange",
        missing.count(),
        strange.count()
    )
}

fn dump(store: &Store) -> Result<Model, StoreFault> {
    let mut model = Model::new();
    for table in Table::ALL {
        let rows = store.range(table, b"", Bound::Unbounded, usize::MAX)?;
        model.extend(rows.into_iter().map(|(key, value)| ((table, key), value)));
    }
    Ok(model)
}

fn fold(store: &Store) -> Result<(), StoreFault> {
    while store.stats().overlay_records > 0 && store.fold_step(true)? != FoldProgress::Idle {}
    Ok(())
}

type Place = (Table, Vec<u8>);

fn busy(store: &Store) -> Result<BTreeSet<Place>, String> {
    let busy = store.busy(None, usize::MAX).map_err(|e| e.to_string())?;
    Ok(busy.into_iter().collect())
}

fn due(store: &Store) -> Result<BTreeSet<(Place, u64)>, String> {
    let due = store.due(u64::MAX, usize::MAX).map_err(|e| e.to_string())?;
    let place = |row: actor_store::IndexRow| ((row.table, row.key), row.time);
    Ok(due.into_iter().map(place).collect())
}

// An index row may be early or stale, and what the journal's tail holds is named apart. But nothing may be missed.
fn check_found_at_start(store: &Store, model: &Model) -> Result<(), String> {
    let recovered: BTreeMap<Place, _> = store
        .recovered(u64::MAX)
        .into_iter()
        .map(|(table, key, index)| ((table, key), index))
        .collect();
    let (busy, due) = (busy(store)?, due(store)?);
    for (place, value) in model {
        match recovered.get(place) {
            Some(index) if *index == value.index => continue,
            Some(_) => {
                return Err(format!(
                    "a record of `{}` came back with another index",
                    place.0
                ));
            }
            None => {}
        }
        if value.index.busy && !busy.contains(place) {
            return Err(format!("a busy record of `{}` is in no index", place.0));
        }
        let is_due = |time: u64| due.iter().any(|(of, at)| of == place && *at <= time);
        if value.index.deadline.is_some_and(|time| !is_due(time)) {
            return Err(format!("a deadline in `{}` is in no index", place.0));
        }
    }
    match recovered.keys().find(|place| !model.contains_key(*place)) {
        Some(place) => Err(format!(
            "a record of `{}` was recovered and is not there",
            place.0
        )),
        None => Ok(()),
    }
}

// Once everything is folded, the indexes are exactly those of the records.
fn check_indexes(store: &Store, model: &Model) -> Result<(), String> {
    let rows = model.iter();
    let expected: BTreeSet<(Place, u64)> = rows
        .clone()
        .filter_map(|(place, value)| Some((place.clone(), value.index.deadline?)))
        .collect();
    if due(store)? != expected {
        return Err("the index of deadlines is not that of the records".to_owned());
    }
    let expected: BTreeSet<Place> = rows
        .filter(|(_, value)| value.index.busy)
        .map(|(place, _)| place.clone())
        .collect();
    if busy(store)? != expected {
        return Err("the index of busy records is not that of the records".to_owned());
    }
    Ok(())
}
