//! The application's tables: in the transaction of the message, serializable across shards, read as one picture.

use std::collections::BTreeMap;

use actor_core::{Node, View, prelude::*, world::World};
use actor_store::MemoryDisk;

/// Balance, and how often it was written.
const ACCOUNTS: Table<u32, (i64, u64)> = Table::new("accounts");
const TRANSFERS: Table<u128, Transfer> = Table::new("transfers");

const OPENING: i64 = 1000;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Transfer {
    from: u32,
    to: u32,
    cents: i64,
    /// How often each account had been written when this read it.
    read: [u64; 2],
}

#[derive(Default, Serialize, Deserialize)]
struct Teller {}

#[dialog(timeout = "2 days", tables(ACCOUNTS, TRANSFERS))]
impl Teller {
    #[handler]
    fn transfer(
        &mut self,
        cx: &mut Cx<'_, Self>,
        from: u32,
        to: u32,
        cents: i64,
    ) -> Result<(), String> {
        let start = (OPENING, 0);
        let (source, from_writes) = cx.table(ACCOUNTS).get(&from).unwrap_or(start);
        let (sink, to_writes) = cx.table(ACCOUNTS).get(&to).unwrap_or(start);
        cx.table(ACCOUNTS)
            .insert(&from, &(source - cents, from_writes + 1));
        cx.table(ACCOUNTS)
            .insert(&to, &(sink + cents, to_writes + 1));
        let id = cx.id();
        cx.table(TRANSFERS).insert(
            &id,
            &Transfer {
                from,
                to,
                cents,
                read: [from_writes, to_writes],
            },
        );
        // Refused after the fact: all of it is undone.
        if source < cents {
            Err("not enough".to_owned())
        } else {
            Ok(())
        }
    }
}

/// What is wrong with a history of transfers and the balances it led to, if anything.
fn check(accounts: &BTreeMap<u32, (i64, u64)>, transfers: &[Transfer]) -> Result<(), String> {
    let mut reads: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    let mut balances: BTreeMap<u32, i64> = BTreeMap::new();
    for Transfer {
        from,
        to,
        cents,
        read,
    } in transfers
    {
        for (account, read, change) in [(*from, read[0], -cents), (*to, read[1], *cents)] {
            reads.entry(account).or_default().push(read);
            *balances.entry(account).or_insert(OPENING) += change;
        }
    }
    for (account, mut reads) in reads {
        reads.sort_unstable();
        if !reads.iter().copied().eq(0..reads.len() as u64) {
            return Err(format!(
                "account {account}: two transfers read the same balance: {reads:?}"
            ));
        }
    }
    for (account, (balance, _)) in accounts {
        let expected = balances.get(account).copied().unwrap_or(OPENING);
        if *balance != expected {
            return Err(format!(
                "account {account} has {balance}, its transfers make {expected}"
            ));
        }
    }
    let sum: i64 = accounts.values().map(|(balance, _)| balance).sum();
    if sum == OPENING * accounts.len() as i64 {
        Ok(())
    } else {
        Err(format!("the sum is {sum}"))
    }
}

fn history(view: &View) -> (BTreeMap<u32, (i64, u64)>, Vec<Transfer>) {
    let accounts = view.range(ACCOUNTS, ..).unwrap().into_iter().collect();
    let transfers = view
        .range(TRANSFERS, ..)
        .unwrap()
        .into_iter()
        .map(|(_, transfer)| transfer)
        .collect();
    (accounts, transfers)
}

#[test]
fn shards_that_transfer_between_the_same_rows_lose_no_update() {
    for seed in 0..30 {
        let mut world = World::new(seed);
        world.node("bank", |builder| builder.serve::<Teller>());
        let tellers: Vec<_> = (0..6).map(|_| world.open::<Teller>("bank")).collect();
        let tasks: Vec<_> = (0..120_u32)
            .map(|n| {
                let (from, to) = (n % 3, (n / 3) % 3);
                let (from, to) = if from == to {
                    (from, (to + 1) % 3)
                } else {
                    (from, to)
                };
                world.start(tellers[n as usize % 6].transfer(from, to, i64::from(n % 17) * 20))
            })
            .collect();
        // In the middle of it all: a picture, never half a transfer.
        for _ in 0..10 {
            for _ in 0..20 {
                world.step();
            }
            let view = world.read("bank");
            let (accounts, transfers) = history(&view);
            check(&accounts, &transfers)
                .unwrap_or_else(|why| panic!("seed {seed}, a picture: {why}"));
        }
        let answers: Vec<_> = tasks.iter().map(|task| world.finish(task)).collect();
        let done = answers.iter().filter(|answer| answer.is_ok()).count();
        assert!(
            answers
                .iter()
                .all(|answer| matches!(answer, Ok(()) | Err(CallError::Declined(_))))
        );
        let (accounts, transfers) = history(&world.read("bank"));
        assert_eq!(
            transfers.len(),
            done,
            "seed {seed}: what was refused is not there"
        );
        check(&accounts, &transfers).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
}

#[test]
fn the_checker_finds_a_planted_lost_update() {
    let mut world = World::calm();
    world.node("bank", |builder| builder.serve::<Teller>());
    let teller = world.open::<Teller>("bank");
    for n in 0..10 {
        world.run(teller.transfer(n % 2, 1 - n % 2, 10)).unwrap();
    }
    let (accounts, transfers) = history(&world.read("bank"));
    check(&accounts, &transfers).unwrap();

    // As if two transfers had read the same row and one had overwritten the other.
    let mut lost = accounts.clone();
    lost.get_mut(&0).unwrap().0 += 10;
    assert!(check(&lost, &transfers).is_err(), "a balance");
    let mut stale = transfers.clone();
    let (one, other) = (
        stale[0].clone(),
        stale
            .iter()
            .position(|t| t.from == stale[0].from && t.read != stale[0].read),
    );
    stale[other.unwrap()].read = one.read;
    assert!(
        check(&accounts, &stale)
            .unwrap_err()
            .contains("same balance"),
        "a read"
    );
    let mut torn = accounts.clone();
    torn.get_mut(&1).unwrap().0 -= 10;
    assert!(check(&torn, &[]).is_err(), "a sum");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_that_transfer_between_the_same_rows_lose_no_update() {
    let disk = std::sync::Arc::new(MemoryDisk::new());
    let node = Node::builder("bank")
        .shards(4)
        .serve::<Teller>()
        .start_on(disk)
        .unwrap();
    let node = std::sync::Arc::new(node);
    let tellers = (0..8_u32).map(|teller| {
        let node = std::sync::Arc::clone(&node);
        tokio::spawn(async move {
            let client = node.open::<Teller>();
            let mut done = 0;
            for n in 0..100 {
                let (from, to) = ((teller + n) % 4, (teller + n + 1 + n % 3) % 4);
                match client.transfer(from, to, i64::from(n % 13)).await {
                    Ok(()) => done += 1,
                    Err(CallError::Declined(_)) => {}
                    Err(why) => panic!("{why}"),
                }
            }
            done
        })
    });
    let tellers: Vec<_> = tellers.collect();
    for _ in 0..20 {
        let (accounts, transfers) = history(&node.read().await.unwrap());
        check(&accounts, &transfers).unwrap();
    }
    let mut done = 0;
    for teller in tellers {
        done += teller.await.unwrap();
    }
    let (accounts, transfers) = history(&node.read().await.unwrap());
    assert_eq!(transfers.len(), done);
    check(&accounts, &transfers).unwrap();
}
