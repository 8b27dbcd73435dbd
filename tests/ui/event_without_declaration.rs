//! What a target says unasked is declared, because both sides must agree on it.

use actor_core::prelude::*;

#[derive(Default, Serialize, Deserialize)]
pub struct Counter {
    count: u64,
}

#[dialog(timeout = "30 years")]
impl Counter {
    #[handler]
    pub fn increment(&mut self, cx: &mut Cx<'_, Self>) -> u64 {
        self.count += 1;
        cx.tell(self.count);
        self.count
    }
}

fn main() {}
