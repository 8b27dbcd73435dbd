//! Fifty thousand dialogs on whole nodes: the production shards, gate and store, on disks in memory.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actor_core::prelude::*;
use actor_core::protocol::Mutant;
use actor_core::world::{Event, Fate, Moment, World};

use super::crowd::{Crowd, Random, SoFar, Until};
use super::options::Options;
use super::scenes;
use super::shop::{Account, BOOKED, NEVER_PAID, Order, Purse};
use super::watch::Watch;
use super::{Outcome, spaced};
use crate::gnomes::Rng;

/// Dialogs of at least eight messages between a customer and a shop.
const DIALOGS: u64 = 50_000;
/// Customers in a world.
const CUSTOMERS: usize = 12;
/// Rounds of trouble; afterwards the network heals.
const TROUBLED_ROUNDS: u64 = 25;
/// Rounds after which a world is taken to be stuck.
const MAX_ROUNDS: u64 = 400;
/// Attempts after which the plumbing puts a message aside.
const FOR_EVER: u32 = 99;
/// How a dialog is reported that certainly never began.
const NEVER: &str = "nothing permanent happened";
const CROWD: [&str; 6] = ["shop-1", "shop-2", "shop-3", "bank-1", "bank-2", "front"];
const PAIR: [&str; 2] = ["shop-1", "front"];
const ALONE: [&str; 1] = ["front"];

/// Counts.
#[derive(Default)]
pub(super) struct Lives {
    worlds: u64,
    dialogs: u64,
    never_reached: u64,
    cursed: u64,
    steps: u64,
    commits: u64,
    crashes: u64,
    stopped: u64,
    frames: u64,
    lost: u64,
    repeated: u64,
    delayed: u64,
    seconds: u64,
}

impl Lives {
    fn add(&mut self, other: &Self) {
        self.worlds += other.worlds;
        self.dialogs += other.dialogs;
        self.never_reached += other.never_reached;
        self.cursed += other.cursed;
        self.steps += other.steps;
        self.commits += other.commits;
        self.crashes += other.crashes;
        self.stopped += other.stopped;
        self.frames += other.frames;
        self.lost += other.lost;
        self.repeated += other.repeated;
        self.delayed += other.delayed;
        self.seconds += other.seconds;
    }

    fn lines(&self) -> [(&'static str, u64); 12] {
        [
            ("worlds", self.worlds),
            ("openings that certainly never began", self.never_reached),
            ("dialogs with a message that fails for good", self.cursed),
            ("steps of nodes", self.steps),
            ("commits on the real store", self.commits),
            ("fault: crashes", self.crashes),
            ("fault: nodes whose disk failed", self.stopped),
            ("frames", self.frames),
            ("fault: frames lost", self.lost),
            ("fault: frames repeated", self.repeated),
            ("fault: frames delayed", self.delayed),
            ("simulated seconds", self.seconds),
        ]
    }
}

pub(super) fn run(options: &Options, watch: &Watch) -> Outcome {
    let goal = options.share(DIALOGS);
    let mut outcome = crowd(options).run(options, watch, goal);
    if let Err(cause) = catch_unwind(scenes::play) {
        let words = crate::gnomes::words(cause.as_ref());
        outcome.failures.push(format!(
            "a scene: {words}\nagain: cargo test -p tests --lib scenes"
        ));
    }
    outcome
}

pub(super) fn crowd(options: &Options) -> Crowd<Lives> {
    Crowd {
        name: "nodes",
        add: Lives::add,
        done: |lives| lives.dialogs,
        says: |lives| {
            format!(
                "{} dialogs, {} commits, {} crashes",
                spaced(lives.dialogs),
                spaced(lives.commits),
                spaced(lives.crashes)
            )
        },
        one: Box::new(|seed| {
            live_or_say_why(seed, None).map_err(|why| {
                format!(
                    "nodes, seed {seed}: {why}\nagain: cargo run --release -p tests --bin prove -- \
                     --section nodes --seed {seed}"
                )
            })
        }),
        so_far: SoFar::from(options.seed),
    }
}

impl Random for Crowd<Lives> {
    fn go_on(&self, options: &Options, watch: &Watch, until: Until) -> bool {
        Crowd::go_on(self, options, watch, until)
    }

    fn came_to(&self, goal: Option<u64>) -> Outcome {
        self.outcome(|lives, outcome| {
            if let Some(goal) = goal.filter(|_| outcome.failures.is_empty()) {
                outcome.demand("dialogs of at least 8 messages", lives.dialogs, goal);
            }
            for (what, count) in lives.lines() {
                outcome.count(what, spaced(count));
            }
        })
    }
}

/// A world of this seed, whose nodes are wrong in this way; or what did not hold in it.
pub(super) fn live_or_say_why(seed: u64, mutant: Option<Mutant>) -> Result<Lives, String> {
    catch_unwind(AssertUnwindSafe(|| live(seed, mutant)))
        .map_err(|cause| crate::gnomes::words(cause.as_ref()))
}

/// What a customer came to: all answers, or why not; `None` if the customer's process died.
type Came = Option<Result<Vec<u64>, String>>;

#[derive(Clone, Copy)]
struct Customer {
    number: usize,
    orders: bool,
    failures: u32,
}

impl Customer {
    fn of(number: usize, rng: &mut Rng) -> Self {
        let failures = match rng.below(20) {
            0 => FOR_EVER,
            1..=3 => 1 + rng.below(2) as u32,
            _ => 0,
        };
        Self {
            number,
            orders: rng.percent(35),
            failures,
        }
    }

    fn name(self) -> String {
        format!("customer-{}", self.number)
    }

    fn cents(self, step: u64) -> u64 {
        100 * (self.number as u64 + 1) + step
    }

    /// The answers of an undisturbed life.
    fn expected(self) -> Vec<u64> {
        if self.orders {
            let total = self.cents(0) + self.cents(1) + self.cents(2);
            return vec![total, 3, total];
        }
        let totals = (0..4).scan(0, |total, step| {
            *total += self.cents(step);
            Some(*total)
        });
        let mut answers: Vec<u64> = totals.collect();
        let last = answers[3];
        answers.extend([last, last, last]);
        answers
    }

    /// The bookings of an undisturbed life.
    fn bookings(self) -> Vec<(String, u64)> {
        let steps = if self.orders {
            vec![self.cents(0) + self.cents(1) + self.cents(2)]
        } else {
            (0..4).map(|step| self.cents(step)).collect()
        };
        let mut rows: Vec<_> = steps
            .into_iter()
            .map(|cents| (self.name(), cents))
            .collect();
        rows.sort();
        rows
    }

    async fn live(self, node: Arc<Node>) -> Came {
        let answers = if self.orders {
            self.order(&node).await
        } else {
            self.save(&node).await
        };
        match answers {
            Ok(answers) => Some(Ok(answers)),
            Err(Ended::Stopped) => None,
            Err(Ended::Failed(why)) => Some(Err(why)),
        }
    }

    /// Four bookings, a question and a goodbye: twelve messages. And four that are in memory only.
    async fn save(self, node: &Node) -> Result<Vec<u64>, Ended> {
        let account = node.open_as::<Account>(self.name());
        let purse = node.open::<Purse>();
        let mut at_hand = 0;
        let mut answers = Vec::new();
        for step in 0..4 {
            let failures = if step == 2 { self.failures } else { 0 };
            at_hand = purse.put(self.cents(step), failures % FOR_EVER).await?;
            let booked = account
                .book(self.name(), self.cents(step), failures)
                .once(format!("book-{step}"));
            if failures == FOR_EVER {
                // Others wait behind what fails for good.
                tokio::join!(booked, account.total()).0?;
                continue;
            }
            answers.push(booked.await?);
        }
        answers.push(account.total().once("total").await?);
        answers.push(account.close().once("close").await?);
        answers.push(at_hand);
        Ok(answers)
    }

    /// Three items and a quote, a look, a payment and a goodbye: eleven messages, and a dialog behind them.
    async fn order(self, node: &Node) -> Result<Vec<u64>, Ended> {
        let opening = node.open_as::<Order>(self.name());
        let (quote, order) = opening
            .add(self.cents(0))
            .add(self.cents(1))
            .add(self.cents(2))
            .quote()
            .await?;
        let items = order.items().once("items").await?.len() as u64;
        let paid = order.pay(self.name(), self.failures).once("pay").await?;
        order.done().once("done").await?;
        Ok(vec![quote, items, paid])
    }
}

enum Ended {
    Stopped,
    Failed(String),
}

impl<E> From<CallError<E>> for Ended
where
    CallError<E>: std::fmt::Display,
{
    fn from(cause: CallError<E>) -> Self {
        match cause {
            CallError::Stopped { .. } => Self::Stopped,
            why => Self::Failed(why.to_string()),
        }
    }
}

fn build(seed: u64, mutant: Option<Mutant>, rng: &mut Rng) -> (World, &'static [&'static str]) {
    let mut world = World::new(seed).supervised();
    let names: &[&str] = match rng.below(8) {
        0 => &ALONE,
        1 | 2 => &PAIR,
        _ => &CROWD,
    };
    let banks_apart = rng.percent(70);
    for name in names {
        let (shop, bank) = match (names.len(), name.split('-').next()) {
            (1, _) => (true, true),
            (_, Some("shop")) => (true, names.len() == 2 || !banks_apart),
            (_, Some("bank")) => (false, true),
            _ => (false, false),
        };
        let customers = *name == "front";
        world.node(name, move |builder| {
            let builder = match mutant {
                Some(mutant) => builder.mutant(mutant),
                None => builder,
            };
            let builder = if customers {
                builder.serve::<Purse>()
            } else {
                builder
            };
            match (shop, bank) {
                (true, true) => builder.serve::<Order>().serve::<Account>(),
                (true, false) => builder.serve::<Order>(),
                (false, true) => builder.serve::<Account>(),
                (false, false) => builder,
            }
        });
    }
    (world, names)
}

fn make_trouble(world: &mut World, names: &[&str], rng: &mut Rng) {
    for name in names {
        if !world.is_up(name) {
            continue;
        }
        if rng.percent(2) {
            world.disk(name).fail_sync_at(1 + rng.below(20));
        }
        if rng.percent(12) && !world.is_crash_due(name) {
            let moment = if rng.percent(50) {
                Moment::BeforeCommit
            } else {
                Moment::AfterCommit
            };
            world.crash_at(name, moment, 1 + rng.below(12));
        }
    }
}

/// A world from its first order to the last goodbye.
fn live(seed: u64, mutant: Option<Mutant>) -> Lives {
    let rng = &mut Rng::new(seed.wrapping_mul(0x9e37_79b9));
    let (mut world, names) = build(seed, mutant, rng);
    let mut rate = |most: u64| {
        let rate = if rng.percent(25) { 0 } else { rng.below(most) };
        f64::from(rate as u32) / 100.0
    };
    let (lose, repeat) = (rate(35), rate(40));
    world.gnomes(
        Gnomes::seeded(seed)
            .lose(lose)
            .repeat(repeat)
            .reorder(rng.below(6) as u32)
            .delay(Duration::from_millis(rng.below(300))),
    );
    let customers: Vec<Customer> = (0..CUSTOMERS)
        .map(|number| Customer::of(number, rng))
        .collect();
    let mut came: Vec<Came> = vec![None; CUSTOMERS];
    for round in 0.. {
        assert!(round < MAX_ROUNDS, "it does not end:\n{}", world.state());
        if round == TROUBLED_ROUNDS {
            world.heal();
        }
        if round < TROUBLED_ROUNDS {
            make_trouble(&mut world, names, rng);
        }
        if !world.is_up("front") {
            world.advance(Duration::from_secs(2));
            continue;
        }
        let missing: Vec<Customer> = customers
            .iter()
            .filter(|customer| came[customer.number].is_none())
            .copied()
            .collect();
        if missing.is_empty() {
            break;
        }
        let node = world.at("front");
        let tasks: Vec<_> = missing
            .into_iter()
            .map(|customer| (customer, world.start(customer.live(Arc::clone(&node)))))
            .collect();
        // One who walks in, asks, and is gone before the answer: in memory only.
        let walk_in = node.open::<Account>();
        let asked = world.start(async move { walk_in.total().await.is_ok() });
        drop(node);
        for (customer, task) in tasks {
            came[customer.number] = world.finish(&task);
        }
        world.cancel(&asked);
    }
    // Disks are healed by a restart.
    for name in names {
        world.restart(name);
    }
    world.heal();
    let mut lives = judge(&mut world, &customers, &came, names);
    count(&world, &mut lives, names);
    lives
}

/// Did everybody get what an undisturbed life gives, and did each booking happen once?
fn judge(world: &mut World, customers: &[Customer], came: &[Came], names: &[&str]) -> Lives {
    let mut lives = Lives::default();
    world.advance(Duration::from_secs(3600));
    let mut booked: Vec<(String, u64)> = Vec::new();
    for name in names {
        let view = world.read(name);
        let rows = view.range(BOOKED, ..).expect("the table can be read");
        booked.extend(rows.into_iter().map(|(_, row)| row));
    }
    booked.sort();
    for customer in customers {
        let of = |row: &&(String, u64)| row.0 == customer.name();
        let rows: Vec<_> = booked.iter().filter(of).cloned().collect();
        match &came[customer.number] {
            // What failed for good leaves no trace, and neither does what comes after it.
            _ if customer.failures == FOR_EVER => {
                let before = customer
                    .bookings()
                    .into_iter()
                    .filter(|row| rows.contains(row));
                assert_eq!(rows.len(), before.count(), "booked once at most");
                assert!(rows.len() <= 2, "nothing after the message that fails");
                lives.cursed += 1;
            }
            Some(Ok(answers)) if answers.contains(&NEVER_PAID) => {
                assert_eq!(answers[..2], customer.expected()[..2]);
                assert_eq!(rows, [], "what never began has left nothing");
                lives.never_reached += 1;
            }
            Some(Ok(answers)) => {
                assert_eq!(*answers, customer.expected(), "{}", customer.name());
                assert_eq!(rows, customer.bookings(), "each once");
                lives.dialogs += 1;
            }
            // On a bad day five minutes do not suffice to find anybody. That is certain, and said.
            Some(Err(why)) if why.contains(NEVER) => {
                assert!(rows.is_empty(), "never began, and booked {rows:?}");
                lives.never_reached += 1;
            }
            other => panic!("{}: {other:?}\n{}", customer.name(), world.state()),
        }
    }
    world.advance(Duration::from_secs(5 * 86_400));
    for name in names {
        let dialogs = world.at(name).dialogs().expect("the store can be read");
        let open: Vec<_> = dialogs
            .into_iter()
            .filter(|dialog| dialog.ending.is_none())
            .collect();
        assert!(open.is_empty(), "{name}: {open:?}");
    }
    lives
}

fn count(world: &World, lives: &mut Lives, names: &[&str]) {
    lives.worlds = 1;
    lives.steps = world.steps();
    lives.commits = names.iter().map(|name| world.commits(name)).sum();
    lives.seconds = 3600 + 5 * 86_400;
    for event in world.trace() {
        match event {
            Event::Crash { .. } => lives.crashes += 1,
            Event::Stopped { .. } => lives.stopped += 1,
            _ => {}
        }
    }
    for frame in world.frames() {
        lives.frames += 1;
        match frame.fate {
            Fate::Lost => lives.lost += 1,
            Fate::Repeated => lives.repeated += 1,
            Fate::Delayed => lives.delayed += 1,
            _ => {}
        }
    }
}
