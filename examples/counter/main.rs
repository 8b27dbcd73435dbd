//! A counter that survives its process: run it twice and it prints 1, then 2.
use actor_core::prelude::*;
#[derive(Default, Serialize, Deserialize)]
struct Counter(u64);
#[dialog(timeout = "30 years")]
impl Counter {
    #[handler]
    fn increment(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::builder("counter.store").serve::<Counter>().start()?;
    println!("{}", node.open_as::<Counter>("main").increment().await?);
    Ok(node.shutdown().await?)
}
