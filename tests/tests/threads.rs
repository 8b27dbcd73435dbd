//! The shortest ways through nodes on threads, with a store on disk each.
use actor_core::prelude::*;

#[derive(Default, Serialize, Deserialize)]
struct Counter {
    count: u64,
}

#[dialog(timeout = "30 years")]
impl Counter {
    #[handler]
    fn increment(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
    #[handler]
    fn get(&self) -> u64 {
        self.count
    }
    #[handler]
    fn finish(self) -> u64 {
        self.count
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Basket {
    items: Vec<String>,
}

#[dialog(pending, timeout = "30m")]
impl Basket {
    #[handler]
    fn add(&mut self, item: String) {
        self.items.push(item);
    }
    #[handler]
    fn count(&self) -> Result<u64, String> {
        if self.items.is_empty() {
            Err("nothing there".to_owned())
        } else {
            Ok(self.items.len() as u64)
        }
    }
    #[establish]
    fn establish(self) -> Order {
        Order {
            items: self.items,
            reply: None,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Order {
    items: Vec<String>,
    reply: Option<ReplyTo<Result<u64, String>>>,
}

#[dialog(pending = Basket, timeout = "2 days")]
impl Order {
    #[handler]
    fn items(&self) -> Vec<String> {
        self.items.clone()
    }
    #[handler]
    fn tally(&mut self, cx: &mut Cx<'_, Self>) -> Later<Result<u64, String>> {
        let (later, reply) = cx.later();
        self.reply = Some(reply);
        cx.open::<Counter>().increment().then(Self::TALLIED);
        later
    }
    #[resume]
    fn tallied(&mut self, cx: &mut Cx<'_, Self>, answer: Answer<u64>) {
        if let Some(reply) = self.reply.take() {
            cx.reply(reply, answer.map_err(|why| why.to_string()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_counter_counts_and_remembers() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..3_u64 {
        let node = Node::builder(dir.path())
            .serve::<Counter>()
            .start()
            .unwrap();
        let counter = node.open_as::<Counter>("main");
        assert_eq!(counter.increment().await.unwrap(), round + 1);
        assert_eq!(counter.get().await.unwrap(), round + 1);
        node.shutdown().await.unwrap();
    }
    let node = Node::builder(dir.path())
        .serve::<Counter>()
        .start()
        .unwrap();
    let volatile = node.open::<Counter>();
    assert_eq!(volatile.increment().await.unwrap(), 1);
    assert_eq!(volatile.increment().await.unwrap(), 2);
    assert_eq!(volatile.finish().await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_talk_over_a_hostile_network() {
    let dir = tempfile::tempdir().unwrap();
    let network = Network::new();
    network.set_gnomes(Gnomes::seeded(1).lose(0.2).repeat(0.2).reorder(5));
    let orders = Node::builder(dir.path().join("orders"))
        .network(&network)
        .longest_retry(Duration::from_millis(400))
        .serve::<Order>()
        .start()
        .unwrap();
    let counters = Node::builder(dir.path().join("counters"))
        .network(&network)
        .longest_retry(Duration::from_millis(400))
        .serve::<Counter>()
        .start()
        .unwrap();
    let front = Node::builder(dir.path().join("front"))
        .network(&network)
        .longest_retry(Duration::from_millis(400))
        .start()
        .unwrap();
    for n in 0..8 {
        let (count, order) = front
            .open_as::<Order>(format!("o{n}"))
            .add("a".into())
            .add("b".into())
            .count()
            .await
            .unwrap();
        assert_eq!(count, 2);
        assert_eq!(order.items().await.unwrap(), ["a", "b"]);
        assert_eq!(order.tally().once("t").await.unwrap(), 1);
    }
    let empty = front.open::<Order>().count().await;
    assert!(matches!(empty, Err(CallError::Declined(_))));
    for node in [orders, counters, front] {
        println!("{:?}", node.stats());
        node.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_requests_at_once_to_a_thousand_dialogs_share_their_commits() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::builder(dir.path())
        .serve::<Counter>()
        .start()
        .unwrap();
    let counters: Vec<_> = (0..1000).map(|_| node.open::<Counter>()).collect();
    for round in 1..=2 {
        let before = node.stats().commits;
        let mut running = tokio::task::JoinSet::new();
        for counter in &counters {
            running.spawn(counter.increment());
        }
        while let Some(answer) = running.join_next().await {
            assert_eq!(answer.unwrap().unwrap(), round);
        }
        let commits = node.stats().commits - before;
        println!("round {round}: {commits} commits");
        assert!(
            commits <= 100,
            "{commits} commits for 1000 requests at once"
        );
    }
    let before = node.stats().commits;
    for n in 3..103 {
        assert_eq!(counters[0].increment().await.unwrap(), n);
    }
    assert_eq!(node.stats().commits - before, 100);
}
