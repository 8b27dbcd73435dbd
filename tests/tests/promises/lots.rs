//! Transactions of a shard in a row are handed to the gate as one: each still stands or falls by itself, and what was
//! answered is durable.

use actor_core::{prelude::*, world::World};

use crate::apps::Counter;

const LINES: Table<u32, u32> = Table::new("lines");
const REQUESTS: u32 = 24;

#[derive(Default, Serialize, Deserialize)]
struct Log {
    lines: Vec<u32>,
    answers: u64,
}

#[dialog(timeout = "2 days", tables(LINES))]
impl Log {
    /// Does something before it fails, and fails at the first attempt with every seventh line.
    #[handler]
    fn write(&mut self, cx: &mut Cx<'_, Self>, line: u32) -> u32 {
        self.lines.push(line);
        if line.is_multiple_of(3) {
            let at = self.lines.len() as u32;
            cx.table(LINES).insert(&line, &at);
        }
        if line.is_multiple_of(5) {
            cx.open::<Counter>().increment().then(Self::COUNTED);
        }
        assert!(!line.is_multiple_of(7) || cx.attempt() > 1, "line {line}");
        self.lines.len() as u32
    }
    #[handler]
    fn refuse(&mut self, line: u32) -> Result<(), u32> {
        self.lines.push(line);
        Err(line)
    }
    #[handler]
    fn read(&self) -> (Vec<u32>, u64) {
        (self.lines.clone(), self.answers)
    }
    #[resume]
    fn counted(&mut self, answer: Answer<u64>) {
        self.answers += answer.unwrap();
    }
}

#[test]
fn each_transaction_of_a_lot_stands_or_falls_by_itself() {
    let multiples = |of: u32| (0..REQUESTS).filter(|line| line.is_multiple_of(of)).count();
    for seed in 0..120 {
        let mut world = World::new(seed);
        world.node("only", |builder| builder.serve::<Log>().serve::<Counter>());
        let log = world.open_as::<Log>("only", "log");
        assert_eq!(world.run(log.read()).unwrap().0, [], "seed {seed}");
        let written: Vec<_> = (0..REQUESTS)
            .map(|line| {
                let refused = world.start(log.refuse(line));
                (world.start(log.write(line)), refused)
            })
            .collect();
        for (line, (written, refused)) in (0..).zip(&written) {
            assert_eq!(world.finish(written).unwrap(), line + 1, "seed {seed}");
            assert!(world.finish(refused).is_err(), "seed {seed}");
        }
        world.settle();
        let lines: Vec<u32> = (0..REQUESTS).collect();
        let counted = multiples(5) as u64;
        assert_eq!(world.run(log.read()).unwrap(), (lines.clone(), counted));
        // All of it was answered, so all of it is there.
        world.power_loss("only");
        world.restart("only");
        let log = world.open_as::<Log>("only", "log");
        assert_eq!(world.run(log.read()).unwrap(), (lines, counted));
        let rows = world.read("only").range(LINES, ..).unwrap();
        assert_eq!(rows.len(), multiples(3), "seed {seed}");
        assert!(rows.iter().all(|(line, at)| line + 1 == *at), "seed {seed}");
    }
}
