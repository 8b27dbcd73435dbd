//! What one endpoint says to another of its shard overtakes nothing, and nothing is over while it waits.

use actor_store::{Crash, MemoryDisk, Table};

use super::{super::NEAR_IN_A_ROW, Hand, Rig};
use crate::{NodeBuilder, node::Clock, node::deaths::ARMED_MS, prelude::*, protocol::Role};

/// Writes down what it is told.
#[derive(Default, Serialize, Deserialize)]
struct Worker {
    told: Vec<u32>,
}

#[dialog(timeout = "2 days", uses(Hand))]
impl Worker {
    #[handler]
    fn work(&mut self, what: u32) {
        self.told.push(what);
    }
    #[handler]
    fn told(&self) -> Vec<u32> {
        self.told.clone()
    }
    #[handler]
    fn leave(self) -> u32 {
        7
    }
    /// Takes its time.
    #[handler]
    fn labour(&mut self, cx: &mut Cx<'_, Self>) {
        cx.get::<Hand>().pass(5);
    }
}

/// Hires a worker, and tells it more.
#[derive(Default, Serialize, Deserialize)]
struct Boss {
    worker: Option<DialogRef<Worker>>,
    said: u32,
    done: u32,
    late: u32,
    heard: Vec<u32>,
}

#[dialog(timeout = "2 days")]
impl Boss {
    #[handler]
    fn hire(&mut self, cx: &mut Cx<'_, Self>) {
        let worker = cx.open::<Worker>();
        self.said += 1;
        worker.work(self.said).tell();
        self.worker = Some(worker.dialog().reference());
    }
    #[handler]
    fn more(&mut self, cx: &mut Cx<'_, Self>) {
        self.said += 1;
        if let Some(worker) = &self.worker {
            cx.to(worker).work(self.said).tell();
        }
    }
    #[handler]
    fn inquire(&mut self, cx: &mut Cx<'_, Self>) {
        if let Some(worker) = &self.worker {
            cx.to(worker).told().then(Self::HEARD);
        }
    }
    #[resume]
    fn heard(&mut self, answer: Answer<Vec<u32>>) {
        self.heard = answer.unwrap();
    }
    #[handler]
    fn said(&self) -> (u32, Vec<u32>) {
        (self.said, self.heard.clone())
    }
    /// Many workers, each of whom has ten seconds, and the last a little less.
    #[handler]
    fn hire_many(&mut self, cx: &mut Cx<'_, Self>, workers: u32, labour: bool) {
        for worker in 0..workers {
            let ten = Duration::from_millis(10_000 - u64::from(worker));
            let worker = cx.open::<Worker>();
            if labour {
                worker.labour().within(ten).then(Self::DONE);
            } else {
                worker.work(1).within(ten).then(Self::DONE);
            }
        }
    }
    #[resume]
    fn done(&mut self, answer: Answer<()>) {
        match answer {
            Ok(()) => self.done += 1,
            Err(_) => self.late += 1,
        }
    }
    #[handler]
    fn counts(&self) -> (u32, u32) {
        (self.done, self.late)
    }
}

/// A boss who has just hired many workers; their openings, its own answer and their messages wait within the shard.
fn hired(workers: u32, labour: bool) -> (Rig, BossClient<crate::Remote>) {
    let mut rig = Rig::new("only", serve);
    let boss = rig.node.open_as::<Boss>("b");
    let asked = rig.ask(boss.counts());
    rig.answer(asked).unwrap();
    drop(rig.ask(boss.hire_many(workers, labour)));
    rig.turns(2);
    assert_eq!(rig.shard.near.len() as u32, workers + 1 + workers);
    (rig, boss)
}

fn serve(builder: NodeBuilder) -> NodeBuilder {
    builder.serve::<Boss>().serve::<Worker>()
}

/// Says the same again and again, and waits for the answer each time.
#[derive(Default, Serialize, Deserialize)]
struct Bore {
    left: u32,
    worker: Option<DialogRef<Worker>>,
}

#[dialog(timeout = "2 days")]
impl Bore {
    #[handler]
    fn begin(&mut self, cx: &mut Cx<'_, Self>, times: u32) {
        self.left = times;
        let worker = cx.open::<Worker>();
        self.worker = Some(worker.dialog().reference());
        worker.work(1).then(Self::AGAIN);
    }
    #[resume]
    fn again(&mut self, cx: &mut Cx<'_, Self>, _answer: Answer<()>) {
        self.left -= 1;
        if let Some(worker) = self.worker.as_ref().filter(|_| self.left > 0) {
            cx.to(worker).work(1).then(Self::AGAIN);
        }
    }
}

/// A node that is never idle is held back no longer than there is something to wait for.
#[test]
fn what_need_not_wait_for_a_sync_does_not_although_others_have_waited() {
    const TIMES: u32 = 20;
    let rig = Rig::new("only", |builder| serve(builder).serve::<Bore>());
    let mut rig = rig.start_again(|builder| serve(builder).serve::<Bore>(), Crash::KeepAll);
    let bores: Vec<_> = (0..5)
        .map(|n| rig.node.open_as::<Bore>(n.to_string()))
        .collect();
    let _asked: Vec<_> = bores
        .iter()
        .map(|bore| rig.ask(bore.begin(TIMES)))
        .collect();
    // Each hop waits for its sync.
    for _ in 0..3 {
        while rig.shard.turn().unwrap() {}
        rig.shard.settle().unwrap();
        assert!(!rig.shared.held_back.is_empty() && rig.shard.near.is_empty());
        rig.commit();
    }
    let handled = |rig: &Rig| rig.node.stats().handled;
    let before = handled(&rig);
    assert!(before < 50, "{before}");
    rig.clock.pass(ARMED_MS);
    while rig.shard.turn().unwrap() {}
    assert!(
        handled(&rig) >= 5 * 2 * u64::from(TIMES),
        "{}",
        handled(&rig)
    );
    assert!(rig.shared.held_back.is_empty());
}

/// Everything that two nodes say to each other.
fn pump(far: &mut Rig, rig: &mut Rig) {
    for _ in 0..4 {
        far.quiet();
        far.deliver_to(rig);
        rig.quiet();
        rig.deliver_to(far);
    }
    far.quiet();
}

/// After a good end nothing is held back: what the last life left in the inbox is what everything else waits for.
#[test]
fn what_a_start_found_is_heard_before_what_follows_from_it() {
    let mut reversed = 0;
    for day in 0..8 {
        let clock = Hand::default();
        clock.pass(day * 86_400_000);
        let mut rig = Rig::start("only", serve, MemoryDisk::new(), clock);
        let boss = rig.node.open_as::<Boss>("b");
        let asked = rig.ask(boss.counts());
        rig.answer(asked).unwrap();
        let _hired = rig.ask(boss.hire());
        rig.turns(2);
        let _more = rig.ask(boss.more());
        // As if there had been as many messages within the shard as may be in a row.
        rig.shard.in_a_row = NEAR_IN_A_ROW;
        rig.turns(1);
        let is_said = |of: u16| rig.shard.near.iter().any(|delivery| delivery.to.slot == of);
        let mut waiting: Vec<u16> = rig.shard.near.iter().map(|it| it.to.slot).collect();
        let (worker, boss) = (waiting[0], waiting.pop().unwrap());
        assert!(worker != boss && is_said(worker));
        // A start reads them in order of their addresses.
        reversed += u32::from(boss < worker);
        let mut rig = rig.stop_well_and_start(serve);
        assert!(
            rig.clock.now_ms() >= rig.shared.armed_until_ms,
            "a good end"
        );
        assert_eq!(
            rig.rows(Table::Inbox),
            4,
            "opening, message, answer, message"
        );
        let boss = rig.node.open_as::<Boss>("b");
        let asked = rig.ask(boss.inquire());
        rig.answer(asked).unwrap();
        let asked = rig.ask(boss.said());
        assert_eq!(rig.answer(asked).unwrap(), (2, vec![1, 2]));
        assert_eq!(rig.rows(Table::Inbox), 0);
        assert!(rig.shared.held_back.is_empty(), "for ever");
    }
    assert!((1..8).contains(&reversed), "{reversed}");
}

/// After an end that was none, messages within the store wait for their sync for a while. The first that need not wait is
/// not heard before those that did.
#[test]
fn what_a_sync_held_back_is_heard_before_what_was_said_after_it() {
    let mut far = Rig::new("far", |builder| builder);
    let mut rig = Rig::start("only", serve, MemoryDisk::new(), far.clock.clone());
    let boss = far.node.open_as::<Boss>("b");
    let mut asked = far.ask(boss.counts());
    pump(&mut far, &mut rig);
    assert!(asked.poll().is_ready());
    let mut rig = rig.start_again(serve, Crash::KeepAll);
    let start = far.clock.now_ms();
    far.clock.pass(ARMED_MS - 1);
    rig.quiet();
    let _hired = far.ask(boss.hire());
    far.quiet();
    far.deliver_to(&rig);
    rig.turns(1);
    rig.shard.settle().unwrap();
    let held = rig.sync();
    rig.clock.pass(2);
    assert!(rig.clock.now_ms() > start + ARMED_MS);
    let _more = far.ask(boss.more());
    far.quiet();
    far.deliver_to(&rig);
    // The way is free for what is said from now on; the worker's opening is released and not yet heard.
    rig.let_out(held);
    pump(&mut far, &mut rig);
    let mut asked = far.ask(boss.inquire());
    pump(&mut far, &mut rig);
    assert!(asked.poll().is_ready());
    let mut asked = far.ask(boss.said());
    pump(&mut far, &mut rig);
    let std::task::Poll::Ready(said) = asked.poll() else {
        panic!("no answer")
    };
    assert_eq!(said.unwrap(), (2, vec![1, 2]));
    // Nothing is held back for ever.
    assert!(rig.shared.held_back.is_empty());
}

/// An answer that lies in the shard's own queue has arrived.
#[test]
fn no_deadline_is_over_while_its_answer_waits_within_the_shard() {
    const WORKERS: u32 = 5;
    let (mut rig, boss) = hired(WORKERS, false);
    // Each of them is opened and asked.
    rig.turns(WORKERS + 1 + WORKERS);
    assert_eq!(rig.shard.near.len(), WORKERS as usize, "the answers");
    rig.clock.pass(10_000);
    rig.shard.in_a_row = NEAR_IN_A_ROW;
    rig.quiet();
    let asked = rig.ask(boss.counts());
    assert_eq!(rig.answer(asked).unwrap(), (WORKERS, 0));
}

/// Also where they are so many that others have their turn between them.
#[test]
fn no_deadline_is_over_while_one_of_many_answers_waits_within_the_shard() {
    for (workers, calls) in [(NEAR_IN_A_ROW + 2, 0), (2 * NEAR_IN_A_ROW + 2, 3)] {
        let (mut rig, boss) = hired(workers, false);
        rig.turns(workers + 1 + workers);
        assert_eq!(rig.shard.near.len(), workers as usize, "the answers");
        rig.clock.pass(10_000);
        rig.shard.in_a_row = NEAR_IN_A_ROW;
        rig.turns(1);
        // What comes from outside from now on is not among what had arrived.
        for _ in 0..calls {
            drop(rig.ask(boss.counts()));
        }
        rig.quiet();
        let asked = rig.ask(boss.counts());
        assert_eq!(rig.answer(asked).unwrap(), (workers, 0), "{calls}");
    }
}

/// What had arrived is counted anew for each deadline, also where the last one went with its dialog.
#[test]
fn no_deadline_is_over_because_an_earlier_one_was_not() {
    let mut rig = Rig::new("only", serve);
    let ten = Duration::from_secs(10);
    let worker = rig.node.open_as::<Worker>("w");
    let asked = rig.ask(worker.told());
    rig.answer(asked).unwrap();
    let other = rig.node.open::<Worker>();
    let asked = rig.ask(other.leave().within(ten));
    let meet = |rig: &mut Rig| {
        // The call, what is said, the answer; and then answer and deadline meet.
        while rig
            .shard
            .near
            .front()
            .is_none_or(|it| it.to.key.role == Role::Target)
        {
            rig.turns(1);
        }
        rig.clock.pass(10_000);
        rig.shard.in_a_row = NEAR_IN_A_ROW;
    };
    meet(&mut rig);
    assert_eq!(rig.answer(asked), Ok(7));
    let asked = rig.ask(worker.told().within(ten));
    meet(&mut rig);
    assert_eq!(rig.answer(asked), Ok(vec![]));
}

/// Cells that were not used for long go also where nothing comes from outside for long.
#[test]
fn a_shard_that_talks_to_itself_forgets_what_it_does_not_use() {
    const WORKERS: u32 = 60;
    const CELLS: usize = 6;
    let (mut rig, boss) = hired(WORKERS, false);
    rig.shard.keep(CELLS);
    let mut most = 0;
    for _ in 0..WORKERS {
        rig.turns(1);
        // What is not handed over yet stays.
        rig.shard.settle().unwrap();
        most = most.max(rig.shard.shelves.len());
    }
    // The initiators, of which there is one for each worker, were there before.
    assert!(most <= WORKERS as usize + 4 * CELLS, "{most}");
    let left = rig.shard.shelves.len();
    assert!(left <= 4 * CELLS, "{left}");
    rig.quiet();
    let asked = rig.ask(boss.counts());
    assert_eq!(rig.answer(asked).unwrap(), (WORKERS, 0));
}

/// The kernel takes a thread off its processor when it likes, and more often the more there is to do: what waits then is
/// better done together.
#[test]
fn a_shard_that_was_away_for_a_while_goes_on_with_its_lot() {
    const WORKERS: u32 = 5;
    let (mut rig, boss) = hired(WORKERS, false);
    let mut most = 0;
    for _ in 0..2 * WORKERS {
        rig.turns(1);
        rig.clock.pass(10);
        most = most.max(rig.shard.lot.steps());
    }
    assert!(most > WORKERS, "all of it in one lot: {most}");
    let asked = rig.ask(boss.counts());
    assert_eq!(rig.answer(asked).unwrap(), (WORKERS, 0));
}

/// What is done waits for no handler that takes its time.
#[test]
fn after_a_slow_message_within_the_shard_transactions_go_alone() {
    const WORKERS: u32 = 5;
    let (mut rig, boss) = hired(WORKERS, true);
    rig.turns(WORKERS + 1);
    assert!(rig.shard.lot.steps() > WORKERS, "all of it in one lot");
    // The first who is slow.
    rig.turns(1);
    for _ in 1..WORKERS {
        rig.turns(1);
        assert_eq!(rig.shard.lot.steps(), 1, "the others were handed over");
    }
    let asked = rig.ask(boss.counts());
    assert_eq!(rig.answer(asked).unwrap(), (WORKERS, 0));
}
