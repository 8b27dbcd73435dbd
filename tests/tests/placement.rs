//! Every example, with all its services in one store and with a store each: the application sees the same.
//!
//! What an application sees is what its customers are told and which messages its handlers were given, dialog by dialog.
//! Ids are random and dialogs run at the same time, so dialogs are compared as a set.
#![allow(dead_code, unreachable_pub, missing_docs)]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use actor_core::prelude::*;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

// The counter example is one file with its `main`, so its dialog stands here again, letter by letter; the test says so.
// counter begins
#[derive(Default, Serialize, Deserialize)]
struct Counter(u64);
#[dialog(timeout = "30 years")]
impl Counter {
    #[handler]
    fn increment(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}
// counter ends

#[path = "../../examples/checkout/catalog.rs"]
mod catalog;
#[path = "../../examples/gnomes/foo.rs"]
mod foo;
#[path = "../../examples/checkout/payment.rs"]
mod payment;
#[path = "../../examples/checkout/shop.rs"]
mod shop;

/// Writes down which handler was given which message of which dialog.
#[derive(Clone, Default)]
struct Handlers(Arc<Mutex<BTreeMap<String, Vec<String>>>>);

impl Handlers {
    /// What the handlers of each dialog were given, the dialogs in no order.
    fn seen(&self) -> Vec<Vec<String>> {
        let mut dialogs: Vec<Vec<String>> = self.0.lock().unwrap().values().cloned().collect();
        dialogs.sort();
        dialogs
    }
}

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Subscriber for Handlers {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.name() == "dialog.handle"
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let field = |name: &str| fields.0.get(name).cloned().unwrap_or_default();
        let line = format!(
            "{} {} {} attempt {}",
            field("service"),
            field("handler"),
            field("seq"),
            field("attempt")
        );
        let mut dialogs = self.0.lock().unwrap();
        dialogs.entry(field("dialog")).or_default().push(line);
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// What customers were told and what handlers were given.
type Trace = (Vec<String>, Vec<Vec<String>>);

fn instance() -> foo::Instance {
    foo::Instance {
        name: "foo",
        log: foo::Log::default(),
    }
}

fn catalogue() -> catalog::Catalog {
    let mut complaints = Vec::new();
    let csv = include_str!("../../examples/checkout/catalog.csv");
    let catalogue = catalog::Catalog::parse("catalog.csv", csv, &mut complaints);
    assert_eq!(complaints, Vec::<String>::new());
    catalogue
}

/// Runs all examples on these nodes; the last of them is the customers'.
async fn play(front: &Node) -> Vec<String> {
    let mut told = Vec::new();
    let counter = front.open_as::<Counter>("main");
    for _ in 0..3 {
        told.push(format!("{:?}", counter.increment().await));
    }
    let (notes, client) = front
        .open_as::<foo::Foo>("order")
        .note(1, "one".to_owned())
        .note(1, "two".to_owned())
        .read_back()
        .await
        .unwrap();
    told.push(format!("{notes:?} {:?}", client.who().await));
    let orders: [(&str, &[(&str, u32)]); 5] = [
        ("4242424242424242", &[("TEAPOT", 2)]),
        ("4000000000000002", &[("TEAPOT", 1)]),
        ("4242424242424242", &[("NO SUCH THING", 1)]),
        ("4242424242424242", &[("TEAPOT", 0)]),
        ("4242424242424242", &[]),
    ];
    for (n, (card, lines)) in orders.into_iter().enumerate() {
        let id = format!("A-{n}");
        let mut cart = front.open_as::<shop::Checkout>(&id).place(id.clone(), 7);
        for (sku, quantity) in lines {
            cart = cart.add_item((*sku).to_owned(), *quantity);
        }
        match cart.quote().await {
            Ok((cents, checkout)) => {
                let card = payment::Card(card.to_owned());
                let paid = checkout.pay(card).once("pay").await;
                let paid = paid.map(|receipt| receipt.cents);
                told.push(format!("{id}: {cents} {paid:?}"));
            }
            Err(refused) => told.push(format!("{id}: {refused:?}")),
        }
    }
    told
}

fn run(handlers: &Handlers, apart: bool) -> Vec<String> {
    let stores = tempfile::tempdir().unwrap();
    let network = Network::new();
    let node = |name: &str| {
        Node::builder(stores.path().join(name))
            .network(&network)
            .shards(2)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let dispatch = tracing::Dispatch::new(handlers.clone());
    tracing::dispatcher::with_default(&dispatch, || {
        runtime.block_on(async {
            if apart {
                let _counter = node("counter").serve::<Counter>().start().unwrap();
                let notes = node("foo").serve::<foo::Foo>().provide(instance());
                let _foo = notes.start().unwrap();
                let shop = node("shop").serve::<shop::Checkout>().provide(catalogue());
                let _shop = shop.start().unwrap();
                let _bank = node("bank").serve::<payment::Account>().start().unwrap();
                play(&node("front").start().unwrap()).await
            } else {
                let all = node("all")
                    .serve::<Counter>()
                    .serve::<foo::Foo>()
                    .serve::<shop::Checkout>()
                    .serve::<payment::Account>()
                    .provide(instance())
                    .provide(catalogue());
                play(&all.start().unwrap()).await
            }
        })
    })
}

#[test]
fn the_counter_of_this_test_is_the_example() {
    let here = include_str!("placement.rs");
    let (_, from) = here.split_once("// counter begins\n").unwrap();
    let (counter, _) = from.split_once("// counter ends\n").unwrap();
    assert!(include_str!("../../examples/counter/main.rs").contains(counter));
}

#[test]
fn every_example_sees_the_same_in_one_store_and_in_a_store_each() {
    // One subscriber for all threads of the process: the shards' too.
    let handlers = Handlers::default();
    tracing::subscriber::set_global_default(handlers.clone()).unwrap();
    let [together, apart]: [Trace; 2] = [false, true].map(|apart| {
        handlers.0.lock().unwrap().clear();
        let told = run(&handlers, apart);
        (told, handlers.seen())
    });
    assert_eq!(together.0, apart.0);
    assert_eq!(together.1, apart.1);
    assert!(
        together.1.len() >= 9,
        "all dialogs were seen: {:?}",
        together.1
    );
}
