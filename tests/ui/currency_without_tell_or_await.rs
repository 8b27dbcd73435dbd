//! A value that is neither awaited nor told goes nowhere.

#![deny(unused_must_use)]

use actor_core::prelude::*;

#[derive(Default, Serialize, Deserialize)]
pub struct Dial {
    value: u64,
}

#[dialog(timeout = "30 years")]
impl Dial {
    #[handler(currency)]
    pub fn show(&mut self, value: u64) {
        self.value = value;
    }
}

#[derive(Default, Serialize, Deserialize)]
pub struct Turner;

#[dialog(timeout = "1h")]
impl Turner {
    #[handler]
    pub fn turn(&mut self, cx: &mut Cx<'_, Self>) {
        cx.open::<Dial>().show(1);
    }
}

async fn hand(dial: DialClient) {
    dial.show(2);
}

fn main() {}
