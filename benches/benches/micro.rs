//! The parts of a message one by one: `cargo bench -p benches`, or `cargo bench -p benches -- fold` for some.
//!
//! For whoever works on one of them and wants to know in a second. What a message costs as a whole, and what is promised
//! of it, is measured by `cargo run --release -p benches`.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_wrap,
    reason = "a benchmark that fails has nothing to say"
)]

#[path = "../src/no_disk.rs"]
mod no_disk;

use std::{hint::black_box, sync::Arc, time::Duration};

use actor_core::protocol::{
    Carrier, DialogId, Effects, Endpoint, Env, Frame, Input, Limits, MessageKind, Mode, Outgoing,
    StoreId, Timeouts, Token, handler_id,
};
use actor_store::{Disk, FileDisk, FoldProgress, Options, Store, Table, Value, Write, codec};
use divan::{Bencher, counter::ItemsCount};
use no_disk::NoDisk;

fn main() {
    divan::main();
}

const TIMEOUTS: Timeouts = Timeouts {
    initiation: Duration::from_secs(60),
    silence: Duration::from_secs(600),
    lifetime: Duration::from_secs(6000),
};

/// One side of a dialog between two stores.
struct Side {
    endpoint: Endpoint,
    limits: Limits,
    store: StoreId,
    sent: u64,
}

impl Side {
    fn step(&mut self, input: Input) -> Effects {
        let env = Env::new(&self.limits, self.store, 1);
        self.endpoint.step(input, &env)
    }

    /// The frames that leave now, stamped as a node does.
    fn flush(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        for (_, mut frame) in self.step(Input::Flush).frames {
            self.sent += 1;
            frame.stamp(self.store, "node", 1, self.sent, [0; 16]);
            frames.push(frame);
        }
        frames
    }

    /// Takes a frame in; the number of the last message that it brought.
    fn take(&mut self, frame: Frame) -> Option<u64> {
        let mut last = None;
        drop(black_box(self.step(Input::Frame(frame))));
        while self.endpoint.has_next() {
            let effects = self.step(Input::Consume);
            last = effects.deliver.map(|message| message.seq).or(last);
        }
        last
    }

    fn say(&mut self, kind: MessageKind, re: u64) {
        let said = self.step(Input::Send(Outgoing {
            kind,
            currency: false,
            re,
            handler: handler_id("post"),
            version: 1,
            body: [7; 40][..].into(),
        }));
        drop(black_box(said));
    }
}

/// An initiator and a target after their handshake.
fn pair() -> (Side, Side) {
    let limits = Limits::default();
    let (here, there) = (StoreId([1; 16]), StoreId([2; 16]));
    let (endpoint, _) = Endpoint::initiate(
        DialogId([3; 16]),
        Token([4; 16]),
        "Account",
        Mode::Handshake,
        Carrier::Remote,
        TIMEOUTS,
        77,
        false,
        &Env::new(&limits, here, 1),
    );
    let side = |endpoint, store| Side {
        endpoint,
        limits: Limits::default(),
        store,
        sent: 0,
    };
    let mut initiator = side(endpoint, here);
    let syn = initiator.flush().remove(0);
    let env = Env::new(&limits, there, 1);
    let (endpoint, _) = Endpoint::accept(syn, Token([5; 16]), Mode::Handshake, TIMEOUTS, &env);
    let mut target = side(endpoint, there);
    for frame in target.flush() {
        initiator.take(frame);
    }
    exchange(&mut initiator, &mut target);
    (initiator, target)
}

/// A request, its answer, and what both acknowledge.
fn exchange(initiator: &mut Side, target: &mut Side) {
    initiator.say(MessageKind::Ask, 0);
    let mut asked = None;
    for frame in initiator.flush() {
        asked = target.take(frame).or(asked);
    }
    target.say(MessageKind::AnswerOk, asked.unwrap());
    for frame in target.flush() {
        initiator.take(frame);
    }
    for frame in initiator.flush() {
        target.take(frame);
    }
}

/// A request and its answer through both endpoints, without bytes, handler or store.
#[divan::bench]
fn engine_request_and_answer(bencher: Bencher<'_, '_>) {
    let (mut initiator, mut target) = pair();
    bencher.bench_local(|| exchange(&mut initiator, &mut target));
}

fn frame() -> Frame {
    let (mut initiator, _) = pair();
    initiator.say(MessageKind::Ask, 0);
    initiator.flush().remove(0)
}

#[divan::bench]
fn codec_frame_encode(bencher: Bencher<'_, '_>) {
    let frame = frame();
    bencher.bench_local(|| black_box(&frame).encode());
}

#[divan::bench]
fn codec_frame_decode(bencher: Bencher<'_, '_>) {
    let bytes = frame().encode();
    bencher.bench_local(|| Frame::decode(black_box(&bytes)).unwrap());
}

#[divan::bench]
fn codec_endpoint_encode(bencher: Bencher<'_, '_>) {
    let (initiator, _) = pair();
    bencher.bench_local(|| codec::encode(black_box(&initiator.endpoint)).unwrap());
}

#[divan::bench]
fn codec_endpoint_decode(bencher: Bencher<'_, '_>) {
    let (initiator, _) = pair();
    let bytes = codec::encode(&initiator.endpoint).unwrap();
    bencher.bench_local(|| codec::decode::<Endpoint>(black_box(&bytes)).unwrap());
}

fn store(disk: Arc<dyn Disk>) -> Store {
    Store::open(disk, Options::default(), [7; 16]).unwrap()
}

/// Under a key that lies anywhere.
fn write(number: u64, value: Vec<u8>) -> Write {
    let mut key = vec![0; 19];
    let scattered = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    key[..8].copy_from_slice(&scattered.to_be_bytes());
    Write {
        table: Table::Endpoints,
        key: key.into(),
        value: Some(Value::new(value)),
    }
}

fn fold_all(store: &Store) {
    while store.fold_step(true).unwrap() != FoldProgress::Idle {}
}

/// A commit of so many records of 400 bytes over 5,000 dialogs.
fn append(bencher: Bencher<'_, '_>, store: &Store, group: u64) {
    let mut next = 0;
    bencher
        .counter(ItemsCount::new(group))
        .with_inputs(|| {
            // Folding is measured apart; it happens between two commits.
            if store.wants_fold() {
                fold_all(store);
            }
            next += group;
            let batch = next..next + group;
            store.publish(batch.map(|n| write(n % 5000, vec![5; 381])).collect());
        })
        .bench_local_values(|()| store.commit(store.cut()).unwrap());
}

#[divan::bench(args = [1, 100, 1000])]
fn journal_append_without_disk(bencher: Bencher<'_, '_>, group: u64) {
    append(bencher, &store(Arc::new(NoDisk::default())), group);
}

/// With its sync, in the directory for temporary files: set `TMPDIR` to the disk that is meant.
#[divan::bench(args = [1, 100, 1000])]
fn journal_append(bencher: Bencher<'_, '_>, group: u64) {
    let directory = tempfile::tempdir().unwrap();
    let store = store(Arc::new(FileDisk::new(directory.path())));
    append(bencher, &store, group);
}

/// 2,000 records, uniform over 100,000 that are there, into the tables: one chunk.
#[divan::bench(sample_size = 1, sample_count = 20)]
fn fold_a_chunk_without_disk(bencher: Bencher<'_, '_>) {
    const RECORDS: u64 = 100_000;
    const CHUNK: u64 = 2000;
    let store = store(Arc::new(NoDisk::default()));
    store.publish((0..RECORDS).map(|n| write(n, vec![5; 381])).collect());
    store.commit(store.cut()).unwrap();
    fold_all(&store);
    let mut next = 0;
    bencher
        .counter(ItemsCount::new(CHUNK))
        .with_inputs(|| {
            next += 1;
            let records = (0..CHUNK).map(|n| (next * 7919 + n * 31) % RECORDS);
            store.publish(records.map(|n| write(n, vec![6; 381])).collect());
            store.commit(store.cut()).unwrap();
        })
        .bench_local_values(|()| fold_all(&store));
}

/// A dormant endpoint comes back: its row is read from the tables and decoded, and it hears that it was restarted.
#[divan::bench]
fn activation_of_an_endpoint(bencher: Bencher<'_, '_>) {
    const RECORDS: u64 = 100_000;
    let (initiator, _) = pair();
    let record = codec::encode(&initiator.endpoint).unwrap();
    let store = store(Arc::new(NoDisk::default()));
    store.publish((0..RECORDS).map(|n| write(n, record.clone())).collect());
    store.commit(store.cut()).unwrap();
    fold_all(&store);
    let env = Env::new(&initiator.limits, initiator.store, 2);
    let mut next = 0;
    bencher
        .with_inputs(|| {
            next = (next + 7919) % RECORDS;
            write(next, Vec::new()).key
        })
        .bench_local_values(|key| {
            let value = store.get(Table::Endpoints, &key).unwrap().unwrap();
            let mut endpoint: Endpoint = codec::decode(&value.bytes).unwrap();
            drop(black_box(endpoint.step(Input::Restarted, &env)));
            endpoint
        });
}
