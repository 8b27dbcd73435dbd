//! A first message may run on several instances: its context can cause nothing.

use actor_core::prelude::*;

#[derive(Default, Serialize, Deserialize)]
pub struct Counter {
    count: u64,
}

#[dialog(timeout = "30 years")]
impl Counter {
    #[handler]
    pub fn increment(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
}

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
    pub fn add_item(&mut self, cx: &PendingCx<'_>) {
        self.lines += 1;
        cx.open::<Counter>().increment().tell();
    }

    #[establish]
    fn establish(self) -> Checkout {
        Checkout { lines: self.lines }
    }
}

fn main() {}
