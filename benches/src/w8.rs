//! W8: two nodes over the network in memory: the full protocol of a dialog, from its first message to its close, each
//! step durable on both sides.

use std::{sync::Arc, time::Instant};

use actor_core::prelude::*;

use crate::{
    args::Args,
    ours,
    rounds::{Contender, column, interleave},
    table::{Goal, Table, Wanted},
};

pub(crate) const GOALS: &[Wanted] = &[(
    "W8 dialogs per second over the full protocol, both sides durable",
    Goal::Reported,
)];

/// Dialogs under way at a time.
const AT_ONCE: usize = 256;

/// What the customer has asked for so far.
#[derive(Default, Serialize, Deserialize)]
struct Basket {
    lines: Vec<(u32, u64)>,
}

#[dialog(pending, timeout = "30m")]
impl Basket {
    #[handler]
    fn add(&mut self, article: u32, pieces: u64) {
        self.lines.push((article, pieces));
    }

    #[handler]
    fn quote(&self) -> u64 {
        self.lines.iter().map(|(_, pieces)| pieces).sum()
    }

    #[establish]
    fn establish(self) -> Order {
        Order {
            lines: self.lines,
            address: vec![1; 160],
        }
    }
}

/// An order, known to exactly one customer.
#[derive(Serialize, Deserialize)]
struct Order {
    lines: Vec<(u32, u64)>,
    address: Vec<u8>,
}

#[dialog(pending = Basket, timeout = "2 days")]
impl Order {
    #[handler]
    fn ship(self) -> u64 {
        self.lines.iter().map(|(_, pieces)| pieces).sum()
    }
}

pub(crate) fn run(args: &Args, table: &mut Table) -> Result<(), String> {
    let count = args.scaled(20_000).max(AT_ONCE);
    let scratch = args.scratch()?;
    let runtime = ours::runtime()?;
    let network = Network::new();
    let started = |why: actor_core::StartError| why.to_string();
    let shop = Node::builder(scratch.path().join("shop")).network(&network);
    let _shop = shop.serve::<Order>().start().map_err(started)?;
    let front = Node::builder(scratch.path().join("front")).network(&network);
    let front = Arc::new(front.start().map_err(started)?);
    let next = std::cell::Cell::new(0);
    let mut contenders = [true, false].map(|keyed| {
        let name = if keyed {
            "opened with a key: both sides durable"
        } else {
            "opened without: only the target durable"
        };
        let (runtime, front, next) = (&runtime, &front, &next);
        Contender::new(name, move || {
            let first = next.get();
            next.set(first + count);
            let begun = Instant::now();
            runtime.block_on(async {
                let mut tasks = tokio::task::JoinSet::new();
                for task in 0..AT_ONCE {
                    let front = Arc::clone(front);
                    let mine = (first + task..first + count).step_by(AT_ONCE);
                    tasks.spawn(async move {
                        for dialog in mine {
                            one(&front, keyed.then_some(dialog)).await?;
                        }
                        Ok::<_, String>(())
                    });
                }
                while let Some(done) = tasks.join_next().await {
                    done.map_err(|cause| cause.to_string())??;
                }
                Ok::<_, String>(())
            })?;
            Ok(count as f64 / begun.elapsed().as_secs_f64())
        })
    });
    let figures = column(&interleave(args.rounds, &mut contenders), 0);
    drop(contenders);
    table.figures(
        "W8 two nodes, initiation to close, 256 at a time",
        "dialogs/s",
        &figures,
    );
    table.goal(GOALS[0], "dialogs/s", &figures[0]);
    Ok(())
}

/// A dialog from its first message to its last answer: two round trips of its own, and what the plumbing adds.
async fn one(front: &Node, key: Option<usize>) -> Result<(), String> {
    let opening = match key {
        Some(key) => front.open_as::<Order>(format!("order {key}")),
        None => front.open::<Order>(),
    };
    let quoted = opening.add(1, 3).add(2, 4).quote().await;
    let (pieces, order) = quoted.map_err(|why| why.to_string())?;
    let shipped = order.ship().await.map_err(|why| why.to_string())?;
    if (pieces, shipped) == (7, 7) {
        Ok(())
    } else {
        Err(format!(
            "7 pieces were ordered, {pieces} quoted, {shipped} shipped"
        ))
    }
}
