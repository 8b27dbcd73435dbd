//! Bytes of a first version, kept in `tests/golden`: a second version must read them for ever.
//!
//! `UPDATE_GOLDEN=1 cargo test -p tests --test promises golden` writes them anew, with the library as it is. That is for a
//! scene that is added; files that users may have on their disks are kept, and read.

use std::{fmt::Write as _, ops::Bound, path::PathBuf, sync::Arc};

use actor_core::{
    NodeBuilder,
    prelude::*,
    world::{Moment, World},
};
use actor_store::{Disk, Index, MemoryDisk, Options, Store, Table, Value, Write};

use crate::versions::{v1, v2};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("golden")
        .join(name)
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
    if text.is_empty() {
        "-".to_owned()
    } else {
        text
    }
}

fn unhex(text: &str) -> Vec<u8> {
    if text == "-" {
        return Vec::new();
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// All rows of a store: `table key deadline busy value`.
fn dump(disk: &MemoryDisk) -> String {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let store = Store::open(disk, Options::default(), [0; 16]).unwrap();
    let mut text = format!("store {}\n", hex(&store.id()));
    for table in Table::ALL {
        let rows = store
            .range(table, &[], Bound::Unbounded, usize::MAX)
            .unwrap();
        for (key, value) in rows {
            let deadline = value
                .index
                .deadline
                .map_or("-".to_owned(), |at| at.to_string());
            writeln!(
                text,
                "{} {} {deadline} {} {}",
                table.name(),
                hex(&key),
                value.index.busy,
                hex(&value.bytes)
            )
            .unwrap();
        }
    }
    text
}

/// A store with these rows, opened more often than the one that wrote them.
fn load(name: &str) -> MemoryDisk {
    let text = std::fs::read_to_string(file(name)).unwrap();
    let mut lines = text.lines();
    let id = unhex(lines.next().unwrap().strip_prefix("store ").unwrap());
    let memory = MemoryDisk::new();
    let open = || {
        let disk: Arc<dyn Disk> = Arc::new(memory.clone());
        Store::open(disk, Options::default(), id.clone().try_into().unwrap()).unwrap()
    };
    for _ in 0..8 {
        drop(open());
    }
    let store = open();
    let mut writes = Vec::new();
    for line in lines {
        let fields: Vec<&str> = line.split(' ').collect();
        let [table, key, deadline, busy, value] = fields[..] else {
            panic!("five fields: {line}")
        };
        let table = Table::ALL.into_iter().find(|known| known.name() == table);
        writes.push(Write {
            table: table.unwrap(),
            key: unhex(key).into(),
            value: Some(Value {
                bytes: unhex(value).into(),
                index: Index {
                    deadline: deadline.parse().ok(),
                    busy: busy == "true",
                },
            }),
        });
    }
    store.publish(writes);
    store.commit(store.cut()).unwrap();
    drop(store);
    memory
}

fn opened(world: &mut World, node: &str, key: &str, cents: u64) -> v1::OrderClient {
    let opening = world.open_as::<v1::Order>(node, key).put(cents);
    world.run(opening.quote()).unwrap().1
}

/// Two stores: a dialog at rest, a message and an opening that did not get through, and pending work whose answer did not.
fn write_two() {
    let mut world = World::calm();
    world.node("target", NodeBuilder::serve::<v1::Order>);
    world.node("caller", |builder| builder);
    let order = opened(&mut world, "caller", "served", 150);
    assert_eq!(world.run(order.add(30).once("first")).unwrap(), 180);
    let asking = opened(&mut world, "caller", "asking", 250);
    world.hold(u32::MAX, |frame| frame.from == "target");
    let opening = world.open_as::<v1::Order>("caller", "pending").put(450);
    drop(world.start(opening.quote()));
    world.advance(Duration::from_secs(2));
    world.hold(u32::MAX, |frame| frame.from == "caller");
    drop(world.start(asking.add(5).once("add")));
    let opening = world.open_as::<v1::Order>("caller", "opening").put(350);
    drop(world.start(opening.quote()));
    world.settle();
    world.crash("caller");
    world.crash("target");
    for name in ["caller", "target"] {
        let path = file(&format!("orders-{name}.rows"));
        std::fs::write(path, dump(&world.disk(name))).unwrap();
    }
}

/// One store: a dialog at rest, and a message that lies in an inbox.
fn write_one() {
    for seed in 0.. {
        assert!(seed < 100, "no seed leaves a row in an inbox");
        let mut world = World::new(seed).sync_takes(3);
        world.node("only", NodeBuilder::serve::<v1::Order>);
        let order = opened(&mut world, "only", "served", 150);
        assert_eq!(world.run(order.add(30).once("first")).unwrap(), 180);
        let asking = opened(&mut world, "only", "asking", 250);
        world.settle();
        world.crash_at("only", Moment::AfterCommit, 1);
        drop(world.start(asking.add(5).once("add")));
        world.settle();
        let text = dump(&world.disk("only"));
        if text.contains("\ninbox ") {
            std::fs::write(file("orders-only.rows"), text).unwrap();
            return;
        }
    }
}

#[test]
fn golden_files_are_written_anew_on_demand() {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(file("")).unwrap();
        write_two();
        write_one();
    }
    for name in [
        "orders-only.rows",
        "orders-caller.rows",
        "orders-target.rows",
    ] {
        assert!(
            file(name).metadata().unwrap().len() < 20_000,
            "{name} is small"
        );
    }
}

fn reached(world: &mut World, node: &str, key: &str, cents: u64) -> v2::OrderClient {
    let opening = world.open_as::<v2::Order>(node, key).put(cents);
    let (quoted, order) = world.run(opening.quote()).unwrap();
    assert_eq!(quoted, cents, "{key}");
    order
}

#[test]
fn golden_stores_of_a_first_version_are_read_and_gone_on_with_by_the_second() {
    let mut two = World::calm();
    two.node_on(
        "target",
        load("orders-target.rows"),
        NodeBuilder::serve::<v2::Order>,
    );
    two.node_on("caller", load("orders-caller.rows"), |builder| builder);
    let mut one = World::calm();
    one.node_on(
        "caller",
        load("orders-only.rows"),
        NodeBuilder::serve::<v2::Order>,
    );
    for (mut world, keys) in [(two, 4), (one, 2)] {
        let all = [
            ("served", 150),
            ("asking", 250),
            ("pending", 450),
            ("opening", 350),
        ];
        for (key, cents) in &all[..keys] {
            let order = reached(&mut world, "caller", key, *cents);
            let total = match *key {
                // Recorded, and not added again.
                "served" => world.run(order.add(30).once("first")).unwrap(),
                // Said by the first version, done by the second, once.
                "asking" => world.run(order.add(5).once("add")).unwrap(),
                _ => world.run(order.add(1)).unwrap(),
            };
            let added = match *key {
                "served" => 30,
                "asking" => 5,
                _ => 1,
            };
            assert_eq!(total, cents + added, "{key}");
            let remarks = world.run(order.remarks()).unwrap();
            assert_eq!(remarks, format!("{} euros {}", total / 100, total % 100));
        }
    }
}

#[test]
fn golden_stores_are_still_read_by_the_first_version() {
    let mut world = World::calm();
    world.node_on(
        "target",
        load("orders-target.rows"),
        NodeBuilder::serve::<v1::Order>,
    );
    world.node_on("caller", load("orders-caller.rows"), |builder| builder);
    let order = opened(&mut world, "caller", "asking", 250);
    assert_eq!(world.run(order.add(5).once("add")).unwrap(), 255);
}
