//! The context of an established dialog has no place in pending work.

use actor_core::prelude::*;

#[derive(Default, Serialize, Deserialize)]
pub struct Cart {
    lines: u32,
}

#[derive(Serialize, Deserialize)]
pub struct Checkout {
    lines: u32,
}

#[dialog(pending = Cart, timeout = "2 days")]
impl Checkout {
    #[handler]
    pub fn item_count(&self) -> u32 {
        self.lines
    }

    #[handler]
    pub fn cancel(self) -> u32 {
        self.lines
    }
}

#[dialog(pending, timeout = "30m")]
impl Cart {
    #[handler]
    pub fn add_item(&mut self, cx: &mut Cx<'_, Checkout>) {
        self.lines += 1;
        cx.close();
    }

    #[establish]
    fn establish(self) -> Checkout {
        Checkout { lines: self.lines }
    }
}

fn main() {}
