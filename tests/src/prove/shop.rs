//! What the whole nodes of the gate do: accounts that are booked on, and orders that are paid from them.

use actor_core::prelude::*;
use actor_core::world::die;

/// One row for each booking, under a fresh id: a repeated one would be a second row.
pub(super) const BOOKED: Table<u128, (String, u64)> = Table::new("booked");

/// What an order answers whose payment certainly never began: in the worst weather twelve rounds of a handshake are lost.
pub(super) const NEVER_PAID: u64 = u64::MAX;

/// What a customer has paid in. Its first message is past every doubt: the plumbing shakes hands.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Account {
    total: u64,
}

#[dialog(timeout = "2 days", tables(BOOKED), events = u64)]
impl Account {
    /// Fails so many times before it succeeds.
    #[handler]
    pub(super) fn book(
        &mut self,
        cx: &mut Cx<'_, Self>,
        who: String,
        cents: u64,
        failures: u32,
    ) -> u64 {
        let id = cx.id();
        cx.table(BOOKED).insert(&id, &(who, cents));
        self.total += cents;
        assert!(cx.attempt() > failures, "attempt {}", cx.attempt());
        self.total
    }
    /// Wants no answer, and fails so many times before it succeeds.
    #[handler]
    pub(super) fn note(&mut self, cx: &mut Cx<'_, Self>, failures: u32) {
        assert!(cx.attempt() > failures, "attempt {}", cx.attempt());
    }
    /// Kills its process on its first attempts.
    #[handler]
    pub(super) fn fall(&mut self, cx: &mut Cx<'_, Self>, deaths: u32) -> u64 {
        if cx.attempt() <= deaths {
            die();
        }
        self.total
    }
    /// Says so many things unasked.
    #[handler]
    pub(super) fn chatter(&mut self, cx: &mut Cx<'_, Self>, events: u64) {
        for event in 0..events {
            cx.tell(event);
        }
    }
    #[handler]
    pub(super) fn total(&self) -> u64 {
        self.total
    }
    #[handler]
    pub(super) fn close(self) -> u64 {
        self.total
    }
}

/// What a customer has in hand: in memory only, and lent to its customer while nothing else is to be done.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Purse {
    cents: u64,
}

#[dialog(timeout = "2 days", volatile)]
impl Purse {
    /// Fails so many times before it succeeds.
    #[handler]
    pub(super) fn put(&mut self, cx: &mut Cx<'_, Self>, cents: u64, failures: u32) -> u64 {
        self.cents += cents;
        assert!(cx.attempt() > failures, "attempt {}", cx.attempt());
        self.cents
    }
}

/// Pending work: whoever gets it may never be chosen.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Basket {
    cents: Vec<u64>,
}

#[dialog(pending, timeout = "30m")]
impl Basket {
    #[handler]
    pub(super) fn add(&mut self, cents: u64) {
        self.cents.push(cents);
    }
    #[handler]
    pub(super) fn quote(&self) -> Result<u64, String> {
        Ok(self.cents.iter().sum())
    }
    #[establish]
    fn establish(self) -> Order {
        Order {
            cents: self.cents,
            waiting: None,
        }
    }
}

/// An order: its payment is a dialog of its own.
#[derive(Serialize, Deserialize)]
pub(super) struct Order {
    cents: Vec<u64>,
    waiting: Option<ReplyTo<u64>>,
}

#[dialog(pending = Basket, timeout = "2 days")]
impl Order {
    #[handler]
    pub(super) fn items(&self) -> Vec<u64> {
        self.cents.clone()
    }
    #[handler]
    pub(super) fn pay(&mut self, cx: &mut Cx<'_, Self>, who: String, failures: u32) -> Later<u64> {
        let (later, reply) = cx.later();
        self.waiting = Some(reply);
        if failures > 0 {
            // Told something that fails at first, with the goodbye behind it.
            let aside = cx.open::<Account>();
            aside.note(failures).tell();
            aside.dialog().close();
        }
        let cents = self.cents.iter().sum();
        cx.open::<Account>()
            .book(who, cents, failures)
            .then(Self::PAID);
        later
    }
    #[resume]
    fn paid(&mut self, cx: &mut Cx<'_, Self>, answer: Answer<u64>) {
        if let Some(reply) = self.waiting.take() {
            let paid = answer.unwrap_or_else(|why| match why {
                CallError::NeverReached => NEVER_PAID,
                _ => 0,
            });
            cx.reply(reply, paid);
        }
    }
    #[handler]
    pub(super) fn done(self) {}
}

/// Takes and gives what is large.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Depot {
    taken: u64,
}

#[dialog(timeout = "2 days")]
impl Depot {
    /// How many bytes it has taken in all.
    #[handler]
    pub(super) fn take(&mut self, body: Vec<u8>) -> u64 {
        self.taken += body.len() as u64;
        self.taken
    }
    #[handler]
    pub(super) fn give(&self, bytes: u32) -> Vec<u8> {
        (0..bytes).map(|at| (at % 251) as u8).collect()
    }
}

/// A ledger as it was at first.
pub(super) mod sooner {
    use super::{Deserialize, Serialize, dialog};

    #[derive(Default, Serialize, Deserialize)]
    pub(in super::super) struct Ledger {
        pub(super) cents: u64,
    }

    #[dialog(timeout = "2 days")]
    impl Ledger {
        #[handler]
        pub(in super::super) fn add(&mut self, cents: u64) -> u64 {
            self.cents += cents;
            self.cents
        }
    }
}

/// The ledger that followed it: it counts in another way, and there is one message more.
pub(super) mod later {
    use super::{Deserialize, Serialize, dialog, sooner};

    #[derive(Default, Serialize, Deserialize)]
    pub(in super::super) struct Ledger {
        euros: u64,
        cents: u64,
    }

    impl From<sooner::Ledger> for Ledger {
        fn from(old: sooner::Ledger) -> Self {
            Self {
                euros: old.cents / 100,
                cents: old.cents % 100,
            }
        }
    }

    #[dialog(timeout = "2 days", version = 2, from = sooner::Ledger)]
    impl Ledger {
        #[handler]
        pub(in super::super) fn add(&mut self, cents: u64) -> u64 {
            let all = self.euros * 100 + self.cents + cents;
            (self.euros, self.cents) = (all / 100, all % 100);
            all
        }
        #[handler]
        pub(in super::super) fn told(&self) -> String {
            format!("{}.{:02}", self.euros, self.cents)
        }
    }
}
