//! What travels can be written and read back.

use actor_core::prelude::*;

#[derive(Default, Serialize, Deserialize)]
pub struct Counter {
    count: u64,
}

pub struct Step(u64);

#[dialog(timeout = "30 years")]
impl Counter {
    #[handler]
    pub fn increment(&mut self, by: Step) -> u64 {
        self.count += by.0;
        self.count
    }
}

fn main() {}
