//! "A sequence of messages (1, 2, and 3) is sent to service Foo, and the load-balancer selects Foo A": the answer is
//! lost, the retry lands on another instance, and the work of 1, 2 and 3 has been done twice.
//!
//! Three real nodes serve Foo behind one name, a fourth is the customer. At the end the program prints what the frames
//! really did, what ran where, and what the application saw.

#![expect(
    unreachable_pub,
    reason = "a program exports nothing: `pub` says what a module offers to the others"
)]

mod foo;

use std::sync::atomic::{AtomicBool, Ordering};

use actor_core::{FrameEvent, prelude::*};
use tokio::time::interval;

use foo::{DONE, Foo, Instance, Log};

/// The instances of Foo.
const INSTANCES: [&str; 3] = ["foo-a", "foo-b", "foo-n"];
/// With these gnomes the first frame arrives and the next ones are lost.
const GNOMES: u64 = 23;
const LOSSY: f64 = 0.9;
/// How often the end looks whether the news has reached everybody.
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (frames, work) = (Log::default(), Log::default());
    let network = Network::new();
    let stores = tempfile::tempdir()?;
    let mut pool = Vec::new();
    for name in INSTANCES {
        let node = Node::builder(stores.path().join(name)).network(&network);
        let instance = Instance {
            name,
            log: work.clone(),
        };
        pool.push(node.serve::<Foo>().provide(instance).start()?);
    }
    let customer = Node::builder(stores.path().join("customer"))
        .network(&network)
        .start()?;

    let mut order = 0;
    let (notes, who) = loop {
        order += 1;
        frames.clear();
        work.clear();
        network.on_frame(eat_the_first_answer(network.clone(), frames.clone()));
        network.set_gnomes(Gnomes::seeded(GNOMES).lose(LOSSY));
        let opening = customer.open_as::<Foo>(format!("order {order}"));
        let (notes, client) = opening
            .note(order, "one".to_owned())
            .note(order, "two".to_owned())
            .read_back()
            .await?;
        let who = client.who().await?;
        // The first instance repeats its answer too. Where that was faster than the customer's retry, nothing was done
        // twice and there is nothing to tell.
        if !work.begins_with(&who) {
            break (notes, who);
        }
    };
    // The other instance hears that it was not chosen when it says its answer again.
    let mut look = interval(LOOK_EVERY);
    while pool.iter().all(|node| node.stats().discarded_pending == 0) {
        look.tick().await;
    }

    frames.print("what the frames really did");
    work.print("what ran where");
    println!("what the customer saw");
    println!("  one answer, {notes:?}, and {who} remembers the dialog");
    println!("what is left of it");
    for node in &pool {
        let carried_out = usize::from(node.read().await?.get(DONE, &order)?.is_some());
        let dropped = node.stats().discarded_pending;
        println!(
            "  {}: carried out {carried_out}, dropped {dropped}",
            node.name()
        );
    }
    Ok(())
}

/// Writes every frame down, and calms the gnomes when they have eaten what matters: the first answer of the pool.
fn eat_the_first_answer(network: Network, log: Log) -> impl Fn(&FrameEvent) + Send + Sync {
    let eaten = AtomicBool::new(false);
    move |frame| {
        log.add(format!(
            "{} -> {}: {}: {}",
            frame.from, frame.to, frame.fate, frame.summary
        ));
        let answer = frame.from != "customer" && frame.summary.contains("Answer");
        if answer && frame.fate == "lost" && !eaten.swap(true, Ordering::Relaxed) {
            network.set_gnomes(Gnomes::seeded(GNOMES));
        }
    }
}
