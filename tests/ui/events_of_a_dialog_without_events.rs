//! A client has `.events()` only where its dialog declares what may be said unasked.

use actor_core::prelude::*;

#[derive(Default, Serialize, Deserialize)]
pub struct Counter {
    count: u64,
}

#[dialog(timeout = "30 years")]
impl Counter {
    #[handler]
    pub fn increment(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
}

fn listen(counter: &CounterClient) {
    drop(counter.events());
}

fn main() {}
