//! A shop with a bug: it takes an item off the shelf before it knows whether the customer will stay with this instance.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use actor_core::{prelude::*, world::World};

/// Items that were taken, on all instances. It lives outside of every transaction, as a warehouse does.
#[derive(Clone, Default)]
pub(crate) struct Shelf(Arc<AtomicU64>);

/// What a customer wants.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Wish {
    item: String,
}

#[dialog(pending, timeout = "10m", uses(Shelf))]
impl Wish {
    /// Reserves an item and says so.
    #[handler]
    pub(crate) fn reserve(&mut self, cx: &PendingCx<'_>, item: String) -> String {
        // The bug. This is pending work: it may run on several instances, and only one of them is chosen.
        cx.get::<Shelf>().0.fetch_add(1, Ordering::Relaxed);
        self.item = item;
        format!("one {} for you", self.item)
    }

    #[establish]
    fn establish(self, _cx: &mut Cx<'_, Hasty>) -> Hasty {
        Hasty { item: self.item }
    }
}

/// The reservation.
#[derive(Serialize, Deserialize)]
pub(crate) struct Hasty {
    item: String,
}

#[dialog(pending = Wish, timeout = "1 day")]
impl Hasty {
    /// Hands it over.
    #[handler]
    pub(crate) fn collect(self) -> String {
        self.item
    }
}

/// One customer, one teapot.
pub(crate) fn one_order_takes_one_item(world: &mut World) {
    let shelf = Shelf::default();
    let everywhere = shelf.clone();
    world.serve_with::<Hasty>(move |builder| builder.provide(everywhere.clone()));
    let opening = world.front().open::<Hasty>();
    let (_, order) = world.run(opening.reserve("teapot".into())).unwrap();
    assert_eq!(world.run(order.collect()).unwrap(), "teapot");
    world.finish_all();
    assert_eq!(shelf.0.load(Ordering::Relaxed), 1, "items taken");
}
