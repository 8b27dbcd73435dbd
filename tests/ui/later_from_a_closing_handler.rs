//! Whoever closes has answered.

use actor_core::prelude::*;

#[derive(Default, Serialize, Deserialize)]
pub struct Counter {
    count: u64,
}

#[dialog(timeout = "30 years")]
impl Counter {
    #[handler]
    pub fn stop(self) -> Later<u64> {
        Later::now(self.count)
    }
}

async fn customer(counter: CounterClient) -> Answer<u64> {
    counter.stop().await
}

fn main() {}
