//! What was before needs a number that says so.

use actor_core::prelude::*;

#[derive(Default, Serialize, Deserialize)]
pub struct CounterV1 {
    count: u32,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Counter {
    count: u64,
}

impl From<CounterV1> for Counter {
    fn from(old: CounterV1) -> Self {
        Self {
            count: u64::from(old.count),
        }
    }
}

#[dialog(timeout = "1h", from = CounterV1)]
impl Counter {
    #[handler]
    pub fn increment(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
}

fn main() {}
