//! A volatile actor at rest is lent to its callers: what they hear, and what it comes to, is what it is on the ordinary way.

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    thread,
};

use actor_core::{
    Remote,
    coverage::{Rare, rare_hits},
    prelude::*,
    world::World,
};

const DAY: Duration = Duration::from_secs(86_400);

/// Writes down everything that is done to it.
#[derive(Default, Serialize, Deserialize)]
struct Diary {
    lines: Vec<u64>,
    attempts: u32,
    waiting: Option<ReplyTo<u64>>,
}

#[dialog(timeout = "2 days", volatile, events = u64)]
impl Diary {
    #[handler]
    fn write(&mut self, line: u64) -> u64 {
        self.lines.push(line);
        self.lines.len() as u64
    }
    /// The same, and nothing else that is only answered.
    #[handler]
    fn also(&mut self, line: u64) -> u64 {
        self.write(line)
    }
    #[handler(currency)]
    fn mood(&mut self, line: u64) {
        self.lines.push(line);
    }
    #[handler]
    fn refuse(&mut self, line: u64) -> Result<u64, String> {
        self.lines.push(line);
        Err(format!("{} lines", self.lines.len()))
    }
    /// Panics on its first attempts.
    #[handler]
    fn stumble(&mut self, cx: &mut Cx<'_, Self>, line: u64, panics: u32) -> u64 {
        self.lines.push(line);
        assert!(cx.attempt() > panics, "attempt {}", cx.attempt());
        self.attempts = cx.attempt();
        self.lines.len() as u64
    }
    /// Wants to be woken by every other line.
    #[handler]
    fn wake(&mut self, cx: &mut Cx<'_, Self>, line: u64, after_s: u64) -> u64 {
        self.lines.push(line);
        if line.is_multiple_of(2) {
            cx.after_with(Duration::from_secs(after_s), Self::WOKEN, line);
        }
        self.lines.len() as u64
    }
    #[handler]
    fn later(&mut self, cx: &mut Cx<'_, Self>, line: u64) -> Later<u64> {
        let (later, reply) = cx.later();
        self.lines.push(line);
        self.waiting = Some(reply);
        cx.after_with(Duration::from_secs(5), Self::WOKEN, line);
        later
    }
    #[handler]
    fn shout(&mut self, cx: &mut Cx<'_, Self>, line: u64) -> u64 {
        self.lines.push(line);
        cx.tell(line);
        self.lines.len() as u64
    }
    /// Says something to its own actor, through the handle of plain code.
    #[handler]
    fn mutter(&mut self, line: u64) -> u64 {
        self.lines.push(line);
        let own = OWN.lock().unwrap().clone();
        if let Some(own) = own {
            assert!(once(own.write(line + 1)).is_none(), "the ordinary way");
        }
        self.lines.len() as u64
    }
    #[handler]
    fn read(&self) -> (Vec<u64>, u32) {
        (self.lines.clone(), self.attempts)
    }
    #[handler]
    fn grow(&mut self, lines: u64) -> u64 {
        self.lines.extend(0..lines);
        self.lines.len() as u64
    }
    #[handler]
    fn finish(self) -> u64 {
        self.lines.len() as u64
    }
    #[resume]
    fn woken(&mut self, cx: &mut Cx<'_, Self>, line: u64) {
        self.lines.push(1000 + line);
        if let Some(reply) = self.waiting.take() {
            cx.reply(reply, self.lines.len() as u64);
        }
    }
}

static OWN: Mutex<Option<Arc<DiaryClient<Remote>>>> = Mutex::new(None);

/// What a future is ready with when it is polled first, if it is.
fn once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn world(lends: bool) -> World {
    let mut world = World::calm();
    world.node("only", move |builder| builder.serve::<Diary>().lends(lends));
    world
}

/// A diary that is at rest, and lent.
fn lent(world: &mut World) -> DiaryClient<Remote> {
    let diary = world.open::<Diary>("only");
    for line in 1..=2 {
        assert_eq!(world.run(diary.write(line)).unwrap(), line);
    }
    world.settle();
    assert_eq!(once(diary.write(3)).map(Result::unwrap), Some(3), "at once");
    diary
}

#[test]
fn what_is_only_answered_is_answered_at_once() {
    let mut world = world(true);
    let diary = lent(&mut world);
    for line in 4..500 {
        // Now and then a task is asked to let others have their turn; its message is done all the same.
        let heard = once(diary.write(line)).map(Result::unwrap);
        assert!(heard.is_none_or(|heard| heard == line));
    }
    let (lines, _) = world.run(diary.read()).unwrap();
    assert_eq!(lines, (1..500).collect::<Vec<_>>());
    // A refusal is an answer, and leaves no trace.
    let refused = once(diary.refuse(0)).unwrap();
    assert!(matches!(refused, Err(CallError::Declined(why)) if why == "500 lines"));
    assert_eq!(once(diary.write(500)).map(Result::unwrap), Some(500));
    assert_eq!(diary.dialog().knowledge(), Knowledge::Answered);
    let diary = Arc::new(diary);
    // A name is looked up, a time is kept by the node, and a last message ends the dialog: none of these is done here.
    assert!(once(diary.write(501).once("a")).is_none());
    world.settle();
    assert_eq!(
        once(diary.write(502)).map(Result::unwrap),
        None,
        "not yet lent again"
    );
    world.settle();
    assert!(once(diary.write(503).within(DAY)).is_none());
    world.settle();
    let (lines, _) = world.run(diary.read()).unwrap();
    assert_eq!(lines, (1..504).collect::<Vec<_>>());
}

#[test]
fn nothing_overtakes_what_went_the_ordinary_way() {
    let mut world = world(true);
    for seed in 0..20 {
        let diary = lent(&mut world);
        // On its way, in the shard's queue: told values, and requests that nobody waits for.
        for line in 4..4 + seed % 5 {
            assert!(once(diary.write(line).within(DAY)).is_none());
        }
        let next = 4 + seed % 5;
        let _ = once(diary.mood(next));
        let asked = world.run(diary.also(next + 1)).unwrap();
        assert_eq!(asked, next + 1, "behind what was said before");
        let (lines, _) = world.run(diary.read()).unwrap();
        assert_eq!(lines, (1..=next + 1).collect::<Vec<_>>());
    }
}

#[test]
fn a_handler_that_wants_more_goes_the_ordinary_way_and_runs_once() {
    let mut world = world(true);
    let mut diary = lent(&mut world);
    let before = rare_hits(Rare::HatchMissed);
    assert!(once(diary.wake(4, 60)).is_none(), "a timer");
    assert!(rare_hits(Rare::HatchMissed) > before);
    world.settle();
    let (lines, _) = world.run(diary.read()).unwrap();
    assert_eq!(lines, [1, 2, 3, 4]);
    world.advance(Duration::from_secs(61));
    let (lines, _) = world.run(diary.read()).unwrap();
    assert_eq!(
        lines,
        [1, 2, 3, 4, 1004],
        "the timer rang, and its actor was taken back for it"
    );

    diary = lent(&mut world);
    let mut events = diary.events();
    assert!(once(diary.shout(4)).is_none(), "an event");
    assert_eq!(world.run(events.next()).unwrap().unwrap(), 4);

    diary = lent(&mut world);
    assert_eq!(
        world.run(diary.later(4)).unwrap(),
        5,
        "an answer from a later step"
    );

    diary = lent(&mut world);
    assert_eq!(world.run(diary.finish()).unwrap(), 3, "a last message");
    world.settle();
    assert_eq!(world.open_dialogs().len(), 0);
}

#[test]
fn a_panic_is_what_it_is_on_the_ordinary_way() {
    for lends in [false, true] {
        let mut world = world(lends);
        let diary = world.open::<Diary>("only");
        for line in 1..=3 {
            world.run(diary.write(line)).unwrap();
            world.settle();
        }
        let before = world.at("only").stats().panicked;
        assert_eq!(world.run(diary.stumble(4, 2)).unwrap(), 4);
        assert_eq!(world.at("only").stats().panicked - before, 2);
        let (lines, attempts) = world.run(diary.read()).unwrap();
        assert_eq!((lines, attempts), (vec![1, 2, 3, 4], 3));
        let why = world.run(diary.stumble(5, 1000)).unwrap_err();
        assert!(matches!(
            why,
            CallError::Abandoned {
                why: Abandoned::PartnerPoisoned(_),
                ..
            }
        ));
        assert_eq!(world.at("only").dead_letters().unwrap().len(), 1);
        let ended = world.run(diary.write(5)).unwrap_err();
        assert!(
            matches!(ended.knowledge(), Knowledge::Ended(_)),
            "{ended:?}"
        );
    }
}

#[test]
fn whoever_is_asked_past_its_shard_is_not_idle() {
    let mut world = world(true);
    let diary = lent(&mut world);
    for line in 4..20 {
        world.advance(DAY);
        // Every other time the deadline of before has fired meanwhile, and taken it back.
        if let Some(heard) = once(diary.write(line)) {
            assert_eq!(heard.unwrap(), line);
        } else {
            world.settle();
        }
    }
    let (lines, _) = world.run(diary.read()).unwrap();
    assert_eq!(lines, (1..20).collect::<Vec<_>>());
    world.advance(3 * DAY);
    let why = world.run(diary.write(20)).unwrap_err();
    assert!(matches!(why, CallError::Abandoned { .. }), "{why:?}");
}

#[test]
fn a_state_that_grows_is_limited_as_ever() {
    for lends in [false, true] {
        let mut world = world(lends);
        let diary = world.open::<Diary>("only");
        let mut heard = Vec::new();
        for lines in [1, 2, 3, 40_000, 1, 2_000_000, 1, 10] {
            let answer = world.run(diary.grow(lines));
            heard.push(answer.map_err(|why| matches!(why, CallError::TooLarge { .. })));
            world.settle();
        }
        let expected = [1, 3, 6, 40_006, 40_007];
        assert_eq!(heard[..5], expected.map(Ok));
        assert_eq!(heard[5..], [Err(true), Ok(40_008), Ok(40_018)]);
        // An answer that is too large rolls back as well; this one is read, and fits.
        assert_eq!(world.run(diary.read()).unwrap().0.len(), 40_018);
    }
}

#[test]
fn a_handler_says_nothing_past_its_own_step() {
    let mut world = world(true);
    let diary = Arc::new(lent(&mut world));
    *OWN.lock().unwrap() = Some(Arc::clone(&diary));
    assert_eq!(once(diary.mutter(4)).map(Result::unwrap), Some(4));
    *OWN.lock().unwrap() = None;
    let (lines, _) = world.run(diary.read()).unwrap();
    assert_eq!(lines, [1, 2, 3, 4, 5]);
}

/// The same things, asked of a diary that is lent and of one that never is.
#[test]
fn it_is_heard_and_done_what_is_on_the_ordinary_way() {
    for seed in 0..150 {
        let [lent, ordinary] = [true, false].map(|lends| life(seed, lends));
        assert_eq!(lent, ordinary, "seed {seed}");
    }
}

fn life(seed: u64, lends: bool) -> Vec<String> {
    let mut world = world(lends);
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = |n: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 11) % n
    };
    let mut diary = world.open::<Diary>("only");
    let mut told = Vec::new();
    let mut heard = Vec::new();
    let before = rare_hits(Rare::ActorLent);
    for line in 1..60 {
        let ways = if seed.is_multiple_of(3) { 6 } else { 16 };
        match below(ways) {
            0..4 => heard.push(format!("{:?}", world.run(diary.write(line)))),
            4 => heard.push(format!("{:?}", world.run(diary.refuse(line)))),
            5 => heard.push(format!("{:?}", world.run(diary.read()))),
            6 => {
                let panics = below(3) as u32;
                heard.push(format!("{:?}", world.run(diary.stumble(line, panics))));
            }
            7 => heard.push(format!("{:?}", world.run(diary.wake(line, below(100))))),
            8 => heard.push(format!("{:?}", world.run(diary.shout(line)))),
            9 => _ = once(diary.mood(line)),
            // Told: some of them are still under way when the next is asked.
            10..12 => {
                for more in 0..below(4) {
                    _ = once(diary.also(line * 100 + more));
                }
            }
            12 => world.advance(Duration::from_secs(below(200))),
            13 => {
                let diary = &diary;
                let answers = [diary.write(line), diary.also(line), diary.write(line)];
                told.extend(answers.map(|answer| world.run(answer)));
            }
            14 => heard.push(format!(
                "{:?}",
                diary.dialog().knowledge() == Knowledge::NotSent
            )),
            _ => match below(6) {
                0 => heard.push(format!("{:?}", world.run(diary.stumble(line, 1000)))),
                1 => {
                    diary.dialog().close();
                    heard.push(format!("{:?}", world.run(diary.write(line)).is_ok()));
                }
                2 => heard.push(format!("{:?}", world.run(diary.later(line)))),
                3 => {
                    diary.dialog().abandon("enough");
                    heard.push(format!("{:?}", world.run(diary.write(line)).is_ok()));
                    diary = world.open::<Diary>("only");
                }
                4 => heard.push(format!("{:?}", world.run(diary.grow(below(5_000))).is_ok())),
                _ => diary = world.open::<Diary>("only"),
            },
        }
        if below(3) > 0 {
            world.settle();
        }
    }
    heard.push(format!(
        "{:?}",
        world.run(diary.read()).map_err(|why| why.to_string())
    ));
    heard.push(format!("{told:?}"));
    drop(diary);
    world.settle();
    assert_eq!(world.open_dialogs().len(), 0);
    assert!(!lends || !seed.is_multiple_of(3) || rare_hits(Rare::ActorLent) > before);
    heard
}

/// Nodes on threads.
fn node(directory: &std::path::Path) -> Node {
    Node::builder(directory).serve::<Diary>().start().unwrap()
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

/// Several threads ask one diary through one handle, in every way; each finds its own lines in the order in which it
/// said them, and each answer is the place of its line.
#[test]
fn threads_that_share_a_handle_keep_their_own_order() {
    const THREADS: u64 = 3;
    const ROUNDS: u64 = 40;
    const LINES: u64 = 16;
    let directory = tempfile::tempdir().unwrap();
    let node = node(directory.path());
    let diary = Arc::new(node.open::<Diary>());
    let mut places = Vec::new();
    for round in 0..ROUNDS {
        // One after the other, until it is lent; then all at once.
        for line in 0..3 {
            let line = (THREADS << 32) + round * 3 + line;
            places.push((line, block_on(diary.write(line)).unwrap()));
        }
        while once(diary.read()).is_none() {
            block_on(diary.read()).unwrap();
        }
        let ask = |thread: u64| {
            let diary = &diary;
            async move {
                let mut places = Vec::new();
                for line in 0..LINES {
                    let line = (thread << 32) + round * LINES + line;
                    match (line * 7 + thread + round) % 32 {
                        0 => _ = once(diary.also(line)),
                        1 => _ = once(diary.write(line).within(DAY)),
                        2 => assert!(diary.refuse(0).await.is_err()),
                        3 => places.push((line, diary.wake(line, 1_000_000).await.unwrap())),
                        _ => places.push((line, diary.write(line).await.unwrap())),
                    }
                }
                places
            }
        };
        thread::scope(|scope| {
            let asked = [0, 1, 2].map(|thread| scope.spawn(move || block_on(ask(thread))));
            places.extend(asked.into_iter().flat_map(|asked| asked.join().unwrap()));
        });
    }
    let (lines, _) = block_on(diary.read()).unwrap();
    for (line, place) in places {
        assert_eq!(lines[place as usize - 1], line);
    }
    for thread in 0..THREADS {
        let own = lines.iter().copied().filter(|line| line >> 32 == thread);
        let said = (0..ROUNDS * LINES).map(|line| (thread << 32) + line);
        let said = said.filter(|line| {
            let round = (line & 0xffff_ffff) / LINES;
            (line * 7 + thread + round) % 32 != 2
        });
        assert!(own.eq(said), "thread {thread}: each line once, in order");
    }
}

#[test]
fn a_node_that_ends_takes_back_what_it_has_lent() {
    let directory = tempfile::tempdir().unwrap();
    let first = node(directory.path());
    let diary = first.open::<Diary>();
    let mut line = 0;
    let mut at_once = 0;
    // It is lent as soon as its shard has nothing else to do.
    while at_once < 10 {
        line += 1;
        if let Some(heard) = once(diary.write(line)) {
            assert_eq!(heard.unwrap(), line);
            at_once += 1;
        } else {
            at_once = 0;
            line += 1;
            assert_eq!(block_on(diary.write(line)).unwrap(), line);
        }
    }
    block_on(first.shutdown()).unwrap();
    let stopped = block_on(diary.write(0)).unwrap_err();
    assert!(matches!(stopped, CallError::Stopped { in_doubt: false }));
    // The handle that is still held keeps neither the old node nor its store.
    let second = node(directory.path());
    let other = second.open::<Diary>();
    assert_eq!(block_on(other.write(7)).unwrap(), 1);
    drop(second);
    assert!(block_on(other.write(7)).is_err());
    drop(diary);
}
