//! The closing message takes the client by value: nothing can follow it.

use actor_core::prelude::*;

#[derive(Default, Serialize, Deserialize)]
pub struct Cart {
    lines: u32,
}

#[derive(Serialize, Deserialize)]
pub struct Checkout {
    lines: u32,
}

#[dialog(pending, timeout = "30m")]
impl Cart {
    #[handler]
    pub fn add_item(&mut self) {
        self.lines += 1;
    }

    #[establish]
    fn establish(self) -> Checkout {
        Checkout { lines: self.lines }
    }
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

async fn customer(checkout: CheckoutClient) {
    let _ = checkout.cancel().await;
    let _ = checkout.item_count().await;
}

fn main() {}
