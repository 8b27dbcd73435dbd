//! Nothing is said unasked before the initiator is bound: another instance may be doing the same work.

use actor_core::prelude::*;

#[derive(Default, Serialize, Deserialize)]
pub struct Cart {
    lines: u32,
}

#[derive(Serialize, Deserialize)]
pub struct Checkout {
    lines: u32,
}

#[dialog(pending = Cart, timeout = "2 days", events = u32)]
impl Checkout {
    #[handler]
    pub fn item_count(&self) -> u32 {
        self.lines
    }
}

#[dialog(pending, timeout = "30m")]
impl Cart {
    #[handler]
    pub fn add_item(&mut self, cx: &PendingCx<'_>) {
        self.lines += 1;
        cx.tell(self.lines);
    }

    #[establish]
    fn establish(self) -> Checkout {
        Checkout { lines: self.lines }
    }
}

fn main() {}
