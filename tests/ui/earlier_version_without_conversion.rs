//! An earlier state that nothing makes the present one of.

use actor_core::prelude::*;

#[derive(Default, Serialize, Deserialize)]
pub struct CounterV1 {
    count: u32,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Counter {
    count: u64,
}

#[dialog(timeout = "1h", version = 2, from = CounterV1)]
impl Counter {
    #[handler]
    pub fn increment(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
}

fn main() {}
