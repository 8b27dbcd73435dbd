//! A value that is superseded would never be answered.

use actor_core::prelude::*;

#[derive(Default, Serialize, Deserialize)]
pub struct Dial {
    value: u64,
}

#[dialog(timeout = "30 years")]
impl Dial {
    #[handler(currency)]
    pub fn show(&mut self, value: u64) -> u64 {
        self.value = value;
        self.value
    }
}

fn main() {}
