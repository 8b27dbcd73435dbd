//! Stores that a node must not open, each refused in one sentence with the way out, and nothing lost.

use actor_core::{JournalKind, OpenError, StartError, Verification, prelude::*};

mod before {
    use super::*;

    #[derive(Default, Serialize, Deserialize)]
    pub(crate) struct Account {
        cents: u64,
        captured: u64,
    }

    #[dialog(timeout = "1 day")]
    impl Account {
        #[handler]
        pub(crate) fn capture(&mut self, cents: u64) -> u64 {
            self.cents += cents;
            self.captured += 1;
            self.cents
        }
    }
}

/// The same fields in another order: bytes of the one decode as the other, and mean something else.
mod after {
    use super::*;

    #[derive(Default, Serialize, Deserialize)]
    pub(crate) struct Account {
        captured: u64,
        cents: u64,
    }

    #[dialog(timeout = "1 day")]
    impl Account {
        #[handler]
        pub(crate) fn capture(&mut self, cents: u64) -> u64 {
            self.cents += cents;
            self.captured += 1;
            self.cents
        }
    }
}

mod after_with_a_version {
    use super::*;

    #[derive(Default, Serialize, Deserialize)]
    pub(crate) struct Account {
        captured: u64,
        cents: u64,
    }

    #[dialog(timeout = "1 day", version = 2)]
    impl Account {
        #[handler]
        pub(crate) fn capture(&mut self, cents: u64) -> u64 {
            self.cents += cents;
            self.captured += 1;
            self.cents
        }
    }
}

/// What it says was before was something else.
mod after_of_another {
    use super::*;

    #[derive(Default, Serialize, Deserialize)]
    pub(crate) struct AccountV1 {
        captured: u64,
        cents: u64,
    }

    #[derive(Default, Serialize, Deserialize)]
    pub(crate) struct Account(u64);

    impl From<AccountV1> for Account {
        fn from(old: AccountV1) -> Self {
            Self(old.cents + old.captured)
        }
    }

    #[dialog(timeout = "1 day", version = 2, from = AccountV1)]
    impl Account {
        #[handler]
        pub(crate) fn capture(&mut self, cents: u64) -> u64 {
            self.0 += cents;
            self.0
        }
    }
}

/// The same state, and a message that takes something else under its old name.
mod another_message {
    use super::*;

    #[derive(Default, Serialize, Deserialize)]
    pub(crate) struct Account {
        cents: u64,
        captured: u64,
    }

    #[dialog(timeout = "1 day")]
    impl Account {
        #[handler]
        pub(crate) fn capture(&mut self, cents: (u32, u32)) -> u64 {
            self.cents += u64::from(cents.0 + cents.1);
            self.captured += 1;
            self.cents
        }
    }
}

mod untagged {
    use super::*;

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Amount {
        Cents(u64),
        Words(String),
    }

    #[derive(Default, Serialize, Deserialize)]
    pub(crate) struct Account {
        amount: Option<Amount>,
    }

    #[dialog(timeout = "1 day")]
    impl Account {
        #[handler]
        pub(crate) fn put(&mut self, cents: u64) {
            self.amount = Some(if cents == 0 {
                Amount::Words("nothing".to_owned())
            } else {
                Amount::Cents(cents)
            });
        }
    }
}

#[test]
fn a_state_that_could_never_be_read_back_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    let node = Node::builder(&store).serve::<untagged::Account>().start();
    let (_, said) = refusal(node);
    assert!(
        said.contains("`Account`") && said.contains("untagged"),
        "{said}"
    );
    assert!(!store.exists());
}

fn refusal(started: Result<Node, StartError>) -> (StartError, String) {
    let error = started.expect_err("must not start");
    let said = error.to_string();
    assert_eq!(said.lines().count(), 1, "{said}");
    // What a `main` that returns it prints.
    assert_eq!(format!("{error:?}"), said);
    (error, said)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_struct_is_refused_and_the_old_program_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Node::builder(dir.path());
    let node = open().serve::<before::Account>().start().unwrap();
    let account = node.open_as::<before::Account>("a");
    assert_eq!(account.capture(7).await.unwrap(), 7);
    node.shutdown().await.unwrap();

    let (error, said) = refusal(open().serve::<after::Account>().start());
    assert!(matches!(
        error,
        StartError::Open(OpenError::TypeChanged { .. })
    ));
    assert!(
        said.contains("`Account` changed since this store was written"),
        "{said}"
    );

    let (error, said) = refusal(open().serve::<after_with_a_version::Account>().start());
    assert!(matches!(
        error,
        StartError::Open(OpenError::TypeOlder { .. })
    ));
    assert!(said.contains("version 1 of `Account`"), "{said}");
    assert!(said.contains("add `from(1 => AccountV1)`"), "{said}");

    let (error, said) = refusal(open().serve::<after_of_another::Account>().start());
    assert!(matches!(
        error,
        StartError::Open(OpenError::TypePastDiffers { version: 1, .. })
    ));
    assert!(
        said.contains("version 1 of `Account` is not what `from` says"),
        "{said}"
    );

    let (error, said) = refusal(open().serve::<another_message::Account>().start());
    assert!(matches!(
        error,
        StartError::Open(OpenError::MessageChanged { held: 1, .. })
    ));
    assert!(
        said.contains("`Account.capture`") && said.contains("another name"),
        "{said}"
    );

    let node = open().serve::<before::Account>().start().unwrap();
    let account = node.open_as::<before::Account>("a");
    assert_eq!(account.capture(1).await.unwrap(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_dialog_of_the_store_needs_any_more_may_change() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Node::builder(dir.path());
    let node = open().serve::<before::Account>().start().unwrap();
    let account = node.open::<before::Account>();
    assert_eq!(account.capture(7).await.unwrap(), 7);
    account.dialog().close();
    while !node.dialogs().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    node.shutdown().await.unwrap();
    let node = open().serve::<another_message::Account>().start().unwrap();
    let account = node.open::<another_message::Account>();
    assert_eq!(account.capture((7, 1)).await.unwrap(), 8);
}

/// Sums that are found again in the file, of dialogs that are all in the tables afterwards.
async fn many_accounts(directory: &std::path::Path) {
    let open = || Node::builder(directory).serve::<before::Account>();
    let node = open().start().unwrap();
    for n in 0..200 {
        let account = node.open_as::<before::Account>(&format!("account {n}"));
        assert_eq!(account.capture(SUM).await.unwrap(), SUM);
    }
    node.shutdown().await.unwrap();
    let disk = std::sync::Arc::new(actor_store::FileDisk::new(directory));
    let store = actor_store::Store::open(disk, actor_store::Options::default(), [0; 16]).unwrap();
    while store.stats().overlay_records > 0 {
        let _progress = store.fold_step(true).unwrap();
    }
}

/// Its bytes are nowhere else.
const SUM: u64 = 0x7f3a_91c5_2b6e_d048;

/// Changes a bit in a state that lies in the tables.
fn damage(directory: &std::path::Path) {
    let path = directory.join("dialogs.redb");
    let mut file = std::fs::read(&path).unwrap();
    let sum = SUM.to_le_bytes();
    let found = file.windows(sum.len()).rposition(|bytes| bytes == sum);
    file[found.expect("the state is in the file")] ^= 1;
    std::fs::write(&path, file).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_that_a_start_does_not_see_stops_the_node_before_long_and_refuses_a_start_that_reads_everything()
 {
    let dir = tempfile::tempdir().unwrap();
    many_accounts(dir.path()).await;
    let open = || Node::builder(dir.path()).serve::<before::Account>();
    let whole = open().start().unwrap();
    let account = whole.open_as::<before::Account>("account 7");
    assert_eq!(account.capture(1).await.unwrap(), SUM + 1);
    whole.shutdown().await.unwrap();
    damage(dir.path());

    let (error, said) = refusal(open().verify(Verification::AtOpen).start());
    assert!(matches!(error, StartError::Open(OpenError::Damaged { .. })));
    assert!(said.contains("dialogs.redb is damaged"), "{said}");

    let node = open().start().unwrap();
    let why = node.stopped().await;
    assert!(why.contains("dialogs.redb is damaged"), "{why}");
    assert!(why.contains("restore both files"), "{why}");
    drop(node);

    let node = open().verify(Verification::Never).start().unwrap();
    let account = node.open_as::<before::Account>("another account");
    assert_eq!(account.capture(1).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_a_plain_journal_finds_everything_again() {
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        Node::builder(dir.path())
            .journal(JournalKind::Log)
            .serve::<before::Account>()
    };
    for life in 1..=3 {
        let node = open().start().unwrap();
        for n in 0..20 {
            let account = node.open_as::<before::Account>(&format!("account {n}"));
            assert_eq!(account.capture(1).await.unwrap(), life);
        }
        node.shutdown().await.unwrap();
    }
    assert!(dir.path().join("journal.log").exists());
    assert!(!dir.path().join("journal.redb").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_of_one_process_cannot_share_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Node::builder(dir.path()).serve::<before::Account>();
    let first = open().start().unwrap();
    let (_, said) = refusal(open().start());
    assert!(said.contains("already open"), "{said}");
    // A client outlives its node and does not keep the store open.
    let account = first.open_as::<before::Account>("a");
    assert_eq!(account.capture(1).await.unwrap(), 1);
    first.shutdown().await.unwrap();
    let again = open().start().unwrap();
    assert!(matches!(
        account.capture(1).await,
        Err(CallError::Stopped { in_doubt: false })
    ));
    drop(again);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_is_refused_and_its_owner_stays_on_the_network() {
    let dir = tempfile::tempdir().unwrap();
    let network = Network::new();
    let named = |store: &str| {
        Node::builder(dir.path().join(store))
            .name("bank")
            .network(&network)
            .serve::<before::Account>()
    };
    let _bank = named("one").start().unwrap();
    let (_, said) = refusal(named("two").start());
    assert!(said.contains("`bank`"), "{said}");
    let customer = Node::builder(dir.path().join("customer"))
        .network(&network)
        .start()
        .unwrap();
    let account = customer.open::<before::Account>();
    assert_eq!(account.capture(3).await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_store_is_refused_on_the_network_of_the_original() {
    let dir = tempfile::tempdir().unwrap();
    let network = Network::new();
    let open = |store: &str| {
        Node::builder(dir.path().join(store))
            .network(&network)
            .serve::<before::Account>()
    };
    open("one").start().unwrap().shutdown().await.unwrap();
    std::fs::create_dir(dir.path().join("two")).unwrap();
    for file in ["journal.redb", "dialogs.redb"] {
        let copied = std::fs::copy(
            dir.path().join("one").join(file),
            dir.path().join("two").join(file),
        );
        copied.unwrap();
    }
    let _one = open("one").start().unwrap();
    let (error, said) = refusal(open("two").start());
    assert!(matches!(error, StartError::StoreTaken { .. }));
    assert!(said.contains("`one`") && said.contains("`two`"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dialog_whose_service_is_not_served_waits_for_a_program_that_serves_it() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::builder(dir.path())
        .serve::<before::Account>()
        .start()
        .unwrap();
    let account = node.open_as::<before::Account>("a");
    assert_eq!(account.capture(7).await.unwrap(), 7);
    node.shutdown().await.unwrap();

    let without = Node::builder(dir.path()).start().unwrap();
    let account = without.open_as::<before::Account>("a");
    let why = account.capture(1).await.unwrap_err();
    assert!(matches!(&why, CallError::NoRoute { .. }), "{why:?}");
    assert!(why.to_string().contains(".serve::<Account>()"), "{why}");
    without.shutdown().await.unwrap();

    let node = Node::builder(dir.path())
        .serve::<before::Account>()
        .start()
        .unwrap();
    let account = node.open_as::<before::Account>("a");
    assert_eq!(account.capture(1).await.unwrap(), 8);
}
