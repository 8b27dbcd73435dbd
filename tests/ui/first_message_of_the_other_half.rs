//! Before the first answer only the messages of the pending block exist.

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

#[derive(Default, Serialize, Deserialize)]
pub struct Caller;

#[dialog(timeout = "1h")]
impl Caller {
    #[handler]
    pub fn call(&mut self, cx: &mut Cx<'_, Self>) {
        cx.open::<Checkout>().add_item().cancel();
    }
}

fn main() {}
