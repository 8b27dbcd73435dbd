//! A dialog without a pending block starts from its `Default`.

use actor_core::prelude::*;

#[derive(Serialize, Deserialize)]
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

fn main() {}
