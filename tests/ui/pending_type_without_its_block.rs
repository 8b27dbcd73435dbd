//! The pending half of a dialog has a block of its own.

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

fn main() {}
