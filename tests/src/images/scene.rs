//! A pair of nodes in a world, or one node, whose disks record from birth; and the operations on them.
//!
//! Owns what an operation means. Every frame is lost until an operation delivers it, so each of them does one thing.
//! Never looks into a store.

use actor_core::{
    Answer, CallError, Never, NodeBuilder, Remote,
    prelude::Duration,
    world::{Fate, FrameRecord, Task, World},
};
use actor_store::{Image, MemoryDisk, Recording};

use super::{
    app::{NOTES, Talk},
    workload::{Op, Start, Workload},
};

const TARGET: &str = "target";
const CALLER: &str = "caller";
const TIMEOUT: Duration = Duration::from_secs(90);
/// Longer than anything here waits for anything.
const LONG: Duration = Duration::from_secs(4 * 86_400);
/// Questions to a node that may stop and start.
const ATTEMPTS: u32 = 100;

type Client = <Talk as actor_core::Dialog>::Client<Remote>;

/// A question, and what became of it.
struct Question {
    key: String,
    note: u64,
    task: Task<Answer<u64, Never>>,
}

/// The world of one workload.
pub(super) struct Scene {
    world: World,
    caller: &'static str,
    nodes: Vec<&'static str>,
    newest: Option<(String, Client)>,
    opened: u64,
    asked: Vec<Question>,
    /// How many of the frames are delivered, for target and caller.
    delivered: [usize; 2],
}

impl Scene {
    /// The nodes, and what was there before the workload.
    pub(super) fn new(start: Start) -> Self {
        let (caller, nodes) = match start {
            Start::OneStore => (TARGET, vec![TARGET]),
            Start::Fresh | Start::Established => (CALLER, vec![TARGET, CALLER]),
        };
        let mut world = World::calm();
        world.node(TARGET, NodeBuilder::serve::<Talk>);
        if nodes.contains(&CALLER) {
            world.node(CALLER, |builder| builder);
        }
        for node in &nodes {
            // Born again, on a disk that records.
            world.crash(node);
            let disk = world.disk(node);
            disk.restore(&Image::default());
            disk.record();
            world.restart(node);
        }
        world.lose(u32::MAX, |_| true);
        let mut scene = Self {
            world,
            caller,
            nodes,
            newest: None,
            opened: 0,
            asked: Vec::new(),
            delivered: [0; 2],
        };
        if start != Start::Fresh {
            for op in [Op::Open, Op::Receive, Op::Ack, Op::Receive] {
                scene.apply(op);
            }
        }
        scene
    }

    /// The scene before the last operation of a workload.
    pub(super) fn before_last(workload: &Workload) -> Self {
        let mut scene = Self::new(workload.start);
        let before = workload.ops.len().saturating_sub(1);
        workload.ops[..before]
            .iter()
            .for_each(|op| scene.apply(*op));
        scene
    }

    pub(super) fn apply(&mut self, op: Op) {
        match op {
            Op::Open => {
                self.opened += 1;
                let key = format!("talk {}", self.opened);
                let client = self.world.open_as::<Talk>(self.caller, &key);
                self.newest = Some((key, client));
                self.ask();
            }
            Op::Send => self.ask(),
            Op::Receive => self.deliver(0, TARGET),
            Op::Ack => self.deliver(1, CALLER),
            Op::Timeout => self.world.advance(TIMEOUT),
            Op::Close => {
                if let Some((_, client)) = &self.newest {
                    client.dialog().close();
                }
            }
            Op::Abandon => {
                if let Some((_, client)) = &self.newest {
                    client.dialog().abandon("enough");
                }
            }
        }
        self.world.settle();
    }

    fn ask(&mut self) {
        let Some((key, client)) = &self.newest else {
            return;
        };
        let note = self.asked.len() as u64;
        let request = client.note(note).once(name(note));
        let (key, task) = (key.clone(), self.world.start(request));
        self.asked.push(Question { key, note, task });
    }

    // Every frame is lost when it is sent; a copy of it arrives now.
    fn deliver(&mut self, side: usize, to: &str) {
        let frames = self.world.frames();
        let waiting = |frame: &&FrameRecord| frame.to == to && frame.fate == Fate::Lost;
        for frame in frames[self.delivered[side]..].iter().filter(waiting) {
            self.world.replay(frame);
        }
        self.delivered[side] = frames.len();
    }

    pub(super) fn nodes(&self) -> &[&'static str] {
        &self.nodes
    }

    pub(super) fn disk(&self, node: &str) -> MemoryDisk {
        self.world.disk(node)
    }

    pub(super) fn recording(&self, node: &str) -> Recording {
        self.disk(node).recording()
    }

    pub(super) fn frames(&self) -> Vec<Vec<u8>> {
        let frames = self.world.frames();
        frames.iter().map(|record| record.frame.encode()).collect()
    }

    /// The node finds this image when it starts again, with everybody else as they are.
    pub(super) fn wake_up(&mut self, node: &str, image: &Image) {
        self.world.crash(node);
        self.world.disk(node).restore(image);
        self.world.restart(node);
    }

    /// With frames that arrive again, everything comes to a clean end: what was asked is answered and was done once,
    /// what ends is forgotten, and both nodes go on.
    pub(super) fn finish(mut self, workload: &Workload) -> Result<(), String> {
        let answered = |question: &Question| matches!(question.task.take(), Some(Ok(_)));
        let asked = std::mem::take(&mut self.asked);
        let known: Vec<bool> = asked.iter().map(answered).collect();
        self.world.heal();
        self.world.settle();
        self.world.advance(TIMEOUT);
        if !workload.ends() {
            for question in &asked {
                let (key, note) = (&question.key, question.note);
                self.insist(|client| client.note(note).once(name(note)), key)
                    .map_err(|why| format!("note {note} is not answered: {why}"))?;
            }
        }
        for key in (1..=self.opened).map(|number| format!("talk {number}")) {
            let finished = self.insist(|client| client.finish().once("finish"), &key);
            if let Err(why) = finished
                && !workload.ends()
            {
                return Err(format!("`{key}` does not finish: {why}"));
            }
        }
        let last = asked.len() as u64;
        self.insist(|client| client.note(last), "the last")
            .and_then(|_| self.insist(Client::finish, "the last"))
            .map_err(|why| format!("a new dialog fails: {why}"))?;
        self.world.advance(LONG);
        self.check_notes(workload, &known)?;
        self.check_nothing_is_open()
    }

    fn insist(
        &mut self,
        ask: impl Fn(Client) -> actor_core::Request<Remote, u64, Never>,
        key: &str,
    ) -> Result<u64, String> {
        for _ in 0..ATTEMPTS {
            let client = self.world.open_as::<Talk>(self.caller, key);
            let request = ask(client);
            match self.world.run(request) {
                Err(CallError::Stopped { .. }) => self.world.advance(Duration::from_secs(2)),
                answer => return answer.map_err(|why| why.to_string()),
            }
        }
        Err(format!("asked {ATTEMPTS} times"))
    }

    fn check_notes(&mut self, workload: &Workload, known: &[bool]) -> Result<(), String> {
        let view = self.world.read(TARGET);
        let rows = view.range(NOTES, ..).map_err(|why| why.to_string())?;
        // One more than was asked: the last dialog's.
        for note in 0..=known.len() {
            let count = rows.iter().filter(|(_, row)| *row == note as u64).count();
            let was_answered = known.get(note).copied().unwrap_or(true);
            let is_certain = was_answered || !workload.ends();
            if count > 1 || (is_certain && count == 0) {
                return Err(format!("note {note} was taken {count} times"));
            }
        }
        Ok(())
    }

    fn check_nothing_is_open(&self) -> Result<(), String> {
        for node in &self.nodes {
            let dialogs = self.world.at(node).dialogs().map_err(|e| e.to_string())?;
            if let Some(open) = dialogs.iter().find(|dialog| dialog.ending.is_none()) {
                return Err(format!("{node}: still open: {open:?}"));
            }
        }
        Ok(())
    }
}

fn name(note: u64) -> String {
    format!("note {note}")
}
