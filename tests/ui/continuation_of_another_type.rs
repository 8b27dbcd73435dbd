//! A continuation fits the answer it continues with.

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
        cx.open::<Counter>().increment().then(Self::NAMED);
    }

    #[resume]
    fn named(&mut self, answer: Answer<String>) {
        drop(answer);
    }
}

fn main() {}
