//! What is never stored has no earlier version.

use actor_core::prelude::*;

#[derive(Default, Serialize, Deserialize)]
pub struct Session {
    count: u64,
}

#[dialog(timeout = "1h", volatile, version = 2)]
impl Session {
    #[handler]
    pub fn increment(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
}

fn main() {}
