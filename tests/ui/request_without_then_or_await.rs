//! A request that is neither awaited nor continued does nothing.

#![deny(unused_must_use)]

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

#[derive(Default, Serialize, Deserialize)]
pub struct Caller;

#[dialog(timeout = "1h")]
impl Caller {
    #[handler]
    pub fn call(&mut self, cx: &mut Cx<'_, Self>) {
        cx.open::<Counter>().increment();
    }
}

async fn customer(counter: CounterClient) {
    counter.increment();
}

fn main() {}
