//! What a reader sees of memory and tables while others write and fold.
#![cfg(feature = "test-util")]

mod support;

use std::ops::Bound;

use actor_store::{Beside, Table};
use support::{Work, commit, delete, fold_all, fresh, put};

#[test]
fn snapshots_stay_as_they_were_while_others_write_and_fold() {
    support::with_each_journal(|| {
        for seed in 0..10 {
            let (_, store) = fresh();
            let mut work = Work::new(seed);
            let mut taken = Vec::new();
            for _ in 0..25 {
                work.run(&store, 3).expect("work");
                taken.push((store.snapshot().expect("snapshot"), work.published.clone()));
            }
            work.commit(&store).expect("commit");
            fold_all(&store).expect("fold");
            for (snapshot, model) in &taken {
                for table in Table::ALL {
                    let rows = snapshot
                        .range(table, b"", Bound::Unbounded, usize::MAX)
                        .expect("range");
                    let found: Vec<_> =
                        rows.into_iter().map(|(key, v)| ((table, key), v)).collect();
                    let wanted = model.iter().filter(|((of, _), _)| *of == table);
                    let wanted: Vec<_> = wanted.map(|(k, v)| (k.clone(), v.clone())).collect();
                    assert_eq!(found, wanted);
                }
                for (table, key) in work.published.keys().chain(model.keys()) {
                    let found = snapshot.get(*table, key).expect("get");
                    assert_eq!(found.as_ref(), model.get(&(*table, key.clone())));
                }
            }
        }
    });
}

#[test]
fn a_range_merges_memory_and_tables_within_its_bounds_and_limit() {
    support::with_each_journal(|| {
        for seed in 0..20 {
            let (_, store) = fresh();
            let mut work = Work::new(seed);
            work.run(&store, 40).expect("work");
            for low in 0..9_u8 {
                for high in 0..9_u8 {
                    for limit in [0, 1, 2, 3, 100] {
                        let (from, to) = ([b'k', low], [b'k', high]);
                        for bound in [
                            Bound::Excluded(&to[..]),
                            Bound::Included(&to[..]),
                            Bound::Unbounded,
                        ] {
                            let found =
                                store.range(Table::App, &from, bound, limit).expect("range");
                            let wanted = work.published.iter().filter(|((table, key), _)| {
                                let is_before = match bound {
                                    Bound::Excluded(to) => key.as_slice() < to,
                                    Bound::Included(to) => key.as_slice() <= to,
                                    Bound::Unbounded => true,
                                };
                                *table == Table::App && key.as_slice() >= &from[..] && is_before
                            });
                            let wanted: Vec<_> = wanted
                                .take(limit)
                                .map(|((_, k), v)| (k.clone(), v.clone()))
                                .collect();
                            assert_eq!(found, wanted);
                        }
                    }
                }
            }
        }
    });
}

/// Two ends of a dialog and its actor are read together. What is published, folded or deleted between two of the reads is
/// never missed by the second.
#[test]
fn what_was_read_beside_a_row_is_used_only_while_the_tables_are_the_same() {
    // Short names have rows for each record, long ones share one.
    for name in [&b"dialog"[..], b"the name of dialog"] {
        support::with_each_journal(|| reads_beside(name));
    }
}

fn reads_beside(name: &[u8]) {
    let of = |name: &[u8], end: &[u8]| [name, end].concat();
    let end = |end: &[u8]| of(name, end);
    let (_, store) = fresh();
    let (actor, ends) = (end(b""), [end(b"0"), end(b"1"), end(b"2")]);
    let keys = [
        (Table::Actors, &actor[..]),
        (Table::Endpoints, &ends[0]),
        (Table::Endpoints, &ends[1]),
    ];
    let next = of(&name[..name.len() - 1], b"h");
    for name in [&of(&name[..name.len() - 1], b"G"), name, &next] {
        let row = |(table, key): (Table, &[u8])| put(table, &of(name, &key[name.len()..]), b"old");
        store.publish(keys.map(row).to_vec());
    }
    commit(&store, Vec::new());
    fold_all(&store).expect("fold");
    let mut beside = Beside::default();
    let mut read = |(table, key): (Table, &[u8])| {
        let beside = store
            .read_beside(table, key, &mut beside, <[u8]>::to_vec)
            .expect("read");
        let alone = store.get(table, key).expect("read");
        assert_eq!(beside, alone.map(|value| value.bytes.to_vec()));
        assert_eq!(Ok(&beside), store.read(table, key, <[u8]>::to_vec).as_ref());
        beside
    };
    for key in keys {
        assert_eq!(read(key).expect("there"), b"old");
    }
    assert_eq!(read((Table::Endpoints, &ends[2])), None);
    // In memory, then in the tables.
    let (table, key) = keys[1];
    store.publish(vec![put(table, key, b"new")]);
    assert_eq!(read(keys[0]).expect("there"), b"old");
    assert_eq!(read(keys[1]).expect("there"), b"new");
    commit(&store, Vec::new());
    fold_all(&store).expect("fold");
    assert_eq!(read(keys[1]).expect("there"), b"new");
    let (table, key) = keys[2];
    store.publish(vec![
        delete(table, key),
        put(Table::Endpoints, &ends[2], b"late"),
    ]);
    commit(&store, Vec::new());
    assert_eq!(read(keys[2]), None);
    fold_all(&store).expect("fold");
    assert_eq!(read(keys[2]), None);
    assert_eq!(read((Table::Endpoints, &ends[2])).expect("there"), b"late");
    // More than are read at once, and those of others.
    let many: Vec<_> = (b'3'..b'9').map(|n| end(&[n])).collect();
    store.publish(
        many.iter()
            .map(|key| put(Table::Endpoints, key, b"many"))
            .collect(),
    );
    commit(&store, Vec::new());
    fold_all(&store).expect("fold");
    for key in &many {
        assert_eq!(read((Table::Endpoints, key)).expect("there"), b"many");
    }
    assert_eq!(
        read((Table::Endpoints, &of(&next, b"0"))).expect("there"),
        b"old"
    );
}
