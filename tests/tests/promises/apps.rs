//! The applications of the tests: a counter, and a shop that takes orders and has them paid elsewhere.

use actor_core::{Remote, Request, prelude::*, world::World};

/// One row per capture, under a fresh id: a repeated payment would be a second row.
pub(crate) const CAPTURES: Table<u128, (String, u64)> = Table::new("captures");

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Counter {
    count: u64,
}

#[dialog(timeout = "2 days")]
impl Counter {
    #[handler]
    pub(crate) fn increment(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
    #[handler]
    pub(crate) fn get(&self) -> u64 {
        self.count
    }
    #[handler]
    pub(crate) fn finish(self) -> u64 {
        self.count
    }
}

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Cart {
    items: Vec<(String, u64)>,
}

#[dialog(pending, timeout = "30m")]
impl Cart {
    #[handler]
    pub(crate) fn add(&mut self, item: String, cents: u64) {
        self.items.push((item, cents));
    }
    #[handler]
    pub(crate) fn quote(&self) -> Result<u64, String> {
        let cents = self.items.iter().map(|(_, cents)| cents).sum();
        if cents == 0 {
            Err("an empty cart".to_owned())
        } else {
            Ok(cents)
        }
    }
    #[establish]
    fn establish(self) -> Checkout {
        Checkout {
            items: self.items,
            paying: Paying::Open,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Checkout {
    items: Vec<(String, u64)>,
    paying: Paying,
}

#[derive(Serialize, Deserialize)]
enum Paying {
    Open,
    Asked(ReplyTo<Result<u64, String>>),
    Done(Result<u64, String>),
}

#[dialog(pending = Cart, timeout = "2 days")]
impl Checkout {
    /// The items, in the order in which they were put in.
    #[handler]
    pub(crate) fn items(&self) -> Vec<String> {
        self.items.iter().map(|(item, _)| item.clone()).collect()
    }
    #[handler]
    pub(crate) fn pay(
        &mut self,
        cx: &mut Cx<'_, Self>,
        card: String,
    ) -> Later<Result<u64, String>> {
        match std::mem::replace(&mut self.paying, Paying::Open) {
            Paying::Done(outcome) => {
                self.paying = Paying::Done(outcome.clone());
                Later::now(outcome)
            }
            // Rolled back with the refusal: whoever asked first still waits.
            Paying::Asked(_) => Later::now(Err("being paid already".to_owned())),
            Paying::Open => {
                let (later, reply) = cx.later();
                self.paying = Paying::Asked(reply);
                let cents = self.items.iter().map(|(_, cents)| cents).sum();
                cx.open::<Payment>()
                    .capture(card, cents)
                    .then(Self::CAPTURED);
                later
            }
        }
    }
    #[resume]
    fn captured(&mut self, cx: &mut Cx<'_, Self>, answer: Answer<u64, String>) {
        let outcome = match answer {
            Ok(cents) => Ok(cents),
            Err(CallError::Declined(why)) => Err(why),
            Err(why) => Err(format!("failed: {why}")),
        };
        let before = std::mem::replace(&mut self.paying, Paying::Done(outcome.clone()));
        if let Paying::Asked(reply) = before {
            cx.reply(reply, outcome);
        }
    }
    #[handler]
    pub(crate) fn done(self) {}
}

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Payment {
    captured: u64,
}

#[dialog(timeout = "1 day", tables(CAPTURES))]
impl Payment {
    #[handler]
    pub(crate) fn capture(
        &mut self,
        cx: &mut Cx<'_, Self>,
        card: String,
        cents: u64,
    ) -> Result<u64, String> {
        let id = cx.id();
        cx.table(CAPTURES).insert(&id, &(card.clone(), cents));
        self.captured += cents;
        // The row goes with the refusal.
        if card.ends_with("0002") {
            Err("declined".to_owned())
        } else {
            Ok(cents)
        }
    }
}

/// What was captured on a node, in order of card.
pub(crate) fn captures(world: &mut World, node: &str) -> Vec<(String, u64)> {
    let view = world.read(node);
    let rows = view.range(CAPTURES, ..).expect("the table can be read");
    let mut captures: Vec<_> = rows.into_iter().map(|(_, row)| row).collect();
    captures.sort();
    captures
}

/// Asks, and asks again whenever the process that asked has died meanwhile.
pub(crate) fn insist<T, E>(
    world: &mut World,
    mut ask: impl FnMut(&World) -> Request<Remote, T, E>,
) -> Answer<T, E> {
    for _ in 0..100 {
        let request = ask(world);
        match world.run(request) {
            Err(CallError::Stopped { .. }) => world.advance(Duration::from_secs(2)),
            answer => return answer,
        }
    }
    panic!("asked a hundred times:\n{}", world.state());
}

/// Every dialog that is not over, on any of the nodes.
pub(crate) fn open_dialogs(world: &World, nodes: &[&str]) -> Vec<String> {
    let mut open = Vec::new();
    for node in nodes {
        let dialogs = world.at(node).dialogs().expect("the store can be read");
        let live = dialogs.into_iter().filter(|dialog| dialog.ending.is_none());
        open.extend(live.map(|dialog| format!("{node}: {dialog:?}")));
    }
    open
}
