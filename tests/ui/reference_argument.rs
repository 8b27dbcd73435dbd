//! Arguments travel, so they are owned.

use actor_core::prelude::*;

#[derive(Default, Serialize, Deserialize)]
pub struct Counter {
    count: u64,
}

#[dialog(timeout = "30 years")]
impl Counter {
    #[handler]
    pub fn rename(&mut self, name: &str) -> u64 {
        self.count = name.len() as u64;
        self.count
    }
}

async fn customer(counter: CounterClient) -> Answer<u64> {
    counter.rename("clicks").await
}

fn main() {}
