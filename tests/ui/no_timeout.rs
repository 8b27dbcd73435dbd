//! Every wait is finite.

use actor_core::prelude::*;

#[derive(Default, Serialize, Deserialize)]
pub struct Counter {
    count: u64,
}

#[dialog]
impl Counter {
    #[handler]
    pub fn increment(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
}

async fn customer(counter: CounterClient) -> Answer<u64> {
    counter.increment().await
}

fn main() {}
