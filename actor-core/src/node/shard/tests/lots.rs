//! A lot is whole or not at all, ends what it ends, and is not larger than it may be.

use actor_store::{Table, Value, Write};

use super::{
    super::{Shard, lot::MAX_BYTES},
    Rig,
};
use crate::{
    NodeBuilder,
    node::{address::Address, shell::SCAN_EVERY_MS},
    prelude::*,
};

const KIB: usize = 1024;

#[derive(Default, Serialize, Deserialize)]
struct Pad {
    text: Vec<u8>,
}

#[dialog(timeout = "2 days")]
impl Pad {
    #[handler]
    fn keep(&mut self, text: Vec<u8>) -> usize {
        self.text = text;
        self.text.len()
    }
    #[handler]
    fn hear(&mut self, text: Vec<u8>) -> usize {
        text.len()
    }
    #[handler]
    fn tell(&mut self, bytes: usize) -> Vec<u8> {
        vec![1; bytes]
    }
}

/// Keeps its notes on a pad.
#[derive(Default, Serialize, Deserialize)]
struct Clerk {
    notes: u32,
    pad: Option<DialogRef<Pad>>,
}

#[dialog(timeout = "2 days")]
impl Clerk {
    #[handler]
    fn begin(&mut self, cx: &mut Cx<'_, Self>) {
        let pad = cx.open::<Pad>();
        pad.keep(Vec::new()).tell();
        self.pad = Some(pad.dialog().reference());
    }
    #[handler]
    fn note(&mut self) -> u32 {
        self.notes += 1;
        self.notes
    }
    /// Answers, takes a note, and then looks for its pad.
    #[handler]
    fn close_pad(&mut self, cx: &mut Cx<'_, Self>) -> u32 {
        self.notes += 100;
        if let Some(pad) = &self.pad {
            cx.to(pad).dialog().close();
        }
        self.notes
    }
    /// Copies for many, in one step.
    #[handler]
    fn copy(&mut self, cx: &mut Cx<'_, Self>, copies: u32, bytes: usize) {
        for _ in 0..copies {
            cx.open::<Pad>().hear(vec![1; bytes]).tell();
        }
    }
}

fn serve(builder: NodeBuilder) -> NodeBuilder {
    builder.serve::<Pad>().serve::<Clerk>()
}

fn clerk_alone(builder: NodeBuilder) -> NodeBuilder {
    builder.serve::<Clerk>()
}

/// A step fails in its middle because a record of its partner is of another program. What it had changed by then is in
/// memory, beside what the step before it changed.
#[test]
fn half_a_step_is_never_written_although_a_whole_one_is_before_it() {
    let mut rig = Rig::new("only", serve);
    let clerk = rig.node.open_as::<Clerk>("c");
    let asked = rig.ask(clerk.begin());
    rig.answer(asked).unwrap();
    let mut rig = rig.stop_well_and_start(serve);
    let endpoints = all(&rig, Table::Endpoints);
    let is_pads = |key: &[u8]| {
        let address = Address::from_bytes(key).unwrap();
        address != Address::target(address.key.dialog) && address.key.dialog != clerk.dialog().id()
    };
    let (pads, _) = endpoints.iter().find(|(key, _)| is_pads(key)).unwrap();
    rig.shared.store.publish(vec![Write {
        table: Table::Endpoints,
        key: pads.as_slice().into(),
        value: Some(Value::new(vec![1, 2, u8::MAX])),
    }]);
    let before = [Table::Endpoints, Table::Actors, Table::Inbox].map(|it| all(&rig, it));
    let clerk = rig.node.open_as::<Clerk>("c");
    let asked = [rig.ask(clerk.note()), rig.ask(clerk.close_pad())];
    let failed = rig.shard.run().unwrap_err();
    assert!(failed.to_string().contains("layout"), "{failed}");
    let after = [Table::Endpoints, Table::Actors, Table::Inbox].map(|it| all(&rig, it));
    assert!(
        before == after,
        "not the whole first step either: nobody has heard of it"
    );
    assert!(
        rig.shared.gate.cut().is_none(),
        "nothing is to be committed"
    );
    // Its thread does this next: whoever waits hears that the node has stopped.
    rig.shared.fail(&failed);
    drop(rig.shard);
    for mut asked in asked {
        let std::task::Poll::Ready(Err(CallError::Stopped { .. })) = asked.poll() else {
            panic!("it waits for ever");
        };
    }
}

type Row = (Vec<u8>, Value);

fn all(rig: &Rig, table: Table) -> Vec<Row> {
    let unbounded = std::ops::Bound::Unbounded;
    rig.shared
        .store
        .range(table, &[], unbounded, usize::MAX)
        .unwrap()
}

/// The key of a dialog that reached nobody is opened anew. Another handle of the key, in the next step, does not find what
/// the lot has ended in the store.
#[test]
fn what_a_lot_has_ended_is_not_found_by_the_next_step_of_the_lot() {
    let mut rig = Rig::new("only", |builder| builder);
    let one = rig.node.open_as::<Clerk>("c");
    let two = rig.node.open_as::<Clerk>("c");
    let mut asked = rig.ask(one.note());
    rig.pass(600_000);
    assert!(matches!(
        asked.poll(),
        std::task::Poll::Ready(Err(CallError::NeverReached))
    ));
    assert_eq!(rig.rows(Table::Endpoints), 1);
    assert_ne!(one.dialog().id(), crate::DialogId([0; 16]));
    let first = one.dialog().id();
    let _asked = rig.ask(one.note());
    two.dialog().close();
    rig.turns(2);
    assert_ne!(one.dialog().id(), first, "opened anew");
    let old = |shard: &Shard| shard.shelves.dossier(first).is_some();
    assert!(!old(&rig.shard), "it came back");
    rig.pass(2 * SCAN_EVERY_MS + 3_600_000);
    assert!(!old(&rig.shard));
    assert_eq!(rig.rows(Table::Endpoints), 1);
}

/// The cells of a lot are not in the store yet as they are. Shelves are swept meanwhile, all of them, with room for hardly
/// any cell, and the next step of the lot finds what the steps before it did.
#[test]
fn what_a_lot_has_changed_is_not_swept_away_before_the_store_has_it() {
    const CLERKS: u32 = 20;
    let mut rig = Rig::new("only", serve);
    let names = || (0..CLERKS).map(|n| format!("{n}"));
    let clerks: Vec<_> = names().map(|n| rig.node.open_as::<Clerk>(n)).collect();
    for clerk in &clerks {
        let asked = rig.ask(clerk.note());
        assert_eq!(rig.answer(asked), Ok(1));
    }
    rig.shard.keep(2);
    for round in 0..3 {
        let twice = clerks.iter().chain(&clerks);
        let asked: Vec<_> = twice.map(|clerk| rig.ask(clerk.note())).collect();
        while rig.shard.turn().unwrap() {
            assert!(rig.shard.lot.steps() > 0, "it was handed over");
        }
        let cells = rig.shard.shelves.len();
        for (n, asked) in (0..).zip(asked) {
            let notes = 2 + 2 * round + n / CLERKS;
            assert_eq!(rig.answer(asked), Ok(notes));
        }
        assert!(cells >= 3 * CLERKS as usize, "of the lot: {cells}");
        // Handed over, they go.
        let clerk = rig.node.open_as::<Clerk>(format!("of round {round}"));
        for note in 1..=64 {
            let asked = rig.ask(clerk.note());
            assert_eq!(rig.answer(asked), Ok(note));
        }
        let cells = rig.shard.shelves.len();
        assert!(cells < CLERKS as usize, "{cells} were kept for ever");
    }
}

/// Does everything there is, and says how much was handed over at once.
fn heaviest(rig: &mut Rig) -> usize {
    let mut heaviest = 0;
    loop {
        rig.commit();
        let worked = rig.shard.turn().unwrap();
        if !worked {
            rig.shard.settle().unwrap();
        }
        heaviest = heaviest.max(rig.shared.store.unsynced_bytes() as usize);
        if !worked {
            rig.commit();
            return heaviest;
        }
    }
}

#[test]
fn a_lot_is_handed_over_when_it_is_full_whatever_it_is_full_of() {
    const TEXT: usize = 60 * KIB;
    /// Of one step, and of what is around the texts.
    const MORE: usize = TEXT + 16 * KIB;
    // States.
    let mut rig = Rig::new("only", serve);
    let pads: Vec<_> = (0..20)
        .map(|n| rig.node.open_as::<Pad>(format!("{n}")))
        .collect();
    let _asked: Vec<_> = pads
        .iter()
        .map(|pad| rig.ask(pad.keep(vec![1; TEXT])))
        .collect();
    let lot = heaviest(&mut rig);

    assert!(lot <= MAX_BYTES + MORE, "states: {lot}");
    // Answers and messages within the store.
    let _asked: Vec<_> = pads.iter().map(|pad| rig.ask(pad.tell(TEXT))).collect();
    let lot = heaviest(&mut rig);
    eprintln!("{lot}");
    assert!(lot <= MAX_BYTES + MORE, "answers: {lot}");
    // Messages to elsewhere: bodies in rows of their own, or in the record.
    for text in [TEXT, 3 * KIB] {
        let mut rig = Rig::new("only", clerk_alone);
        let pads: Vec<_> = (0..3 * MAX_BYTES / text)
            .map(|n| rig.node.open_as::<Pad>(format!("{n}")))
            .collect();
        let _asked: Vec<_> = pads
            .iter()
            .map(|pad| rig.ask(pad.hear(vec![1; text])))
            .collect();
        let lot = heaviest(&mut rig);
        eprintln!("{lot}");
        assert!(lot <= MAX_BYTES + MORE, "messages of {text}: {lot}");
    }
}
