//! The same shop without the bug: what is permanent begins in `#[establish]`, and is part of the transaction.

use actor_core::{prelude::*, world::World};

/// Items that were taken, each under an id of its own: one that is taken twice is two rows.
pub(crate) const TAKEN: Table<u128, String> = Table::new("taken");

/// What a customer wants: noted down, and nothing else.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Note {
    item: String,
}

#[dialog(pending, timeout = "10m")]
impl Note {
    /// Promises an item.
    #[handler]
    pub(crate) fn reserve(&mut self, item: String) -> String {
        self.item = item;
        format!("one {} for you", self.item)
    }

    #[establish]
    fn establish(self, cx: &mut Cx<'_, Careful>) -> Careful {
        let id = cx.id();
        cx.table(TAKEN).insert(&id, &self.item);
        Careful { item: self.item }
    }
}

/// The reservation.
#[derive(Serialize, Deserialize)]
pub(crate) struct Careful {
    item: String,
}

#[dialog(pending = Note, timeout = "1 day", tables(TAKEN))]
impl Careful {
    /// Hands it over.
    #[handler]
    pub(crate) fn collect(self) -> String {
        self.item
    }
}

/// One customer, one teapot.
pub(crate) fn one_order_takes_one_item(world: &mut World) {
    world.serve::<Careful>();
    let opening = world.front().open::<Careful>();
    let (_, order) = world.run(opening.reserve("teapot".into())).unwrap();
    assert_eq!(world.run(order.collect()).unwrap(), "teapot");
    world.finish_all();
    world.check_balanced(TAKEN, 1, |_, _| 1);
    world.check_exactly_once();
    world.check_no_dialog_left_open();
}
