//! One application in several versions, as its source was at one time or another.

use actor_core::prelude::*;

pub(crate) const RANG: Table<u128, String> = Table::new("rang");

/// What was first.
pub(crate) mod v1 {
    use super::*;

    #[derive(Default, Serialize, Deserialize)]
    pub(crate) struct Basket {
        pub(crate) cents: u64,
    }

    #[dialog(pending, timeout = "30m")]
    impl Basket {
        #[handler]
        pub(crate) fn put(&mut self, cents: u64) {
            self.cents += cents;
        }
        #[handler]
        pub(crate) fn quote(&self) -> u64 {
            self.cents
        }
        #[establish]
        fn establish(self) -> Order {
            Order { cents: self.cents }
        }
    }

    #[derive(Serialize, Deserialize)]
    pub(crate) struct Order {
        pub(crate) cents: u64,
    }

    #[dialog(pending = Basket, timeout = "2 days")]
    impl Order {
        #[handler]
        pub(crate) fn add(&mut self, cents: u64) -> u64 {
            self.cents += cents;
            self.cents
        }
        #[handler]
        pub(crate) fn done(self) -> u64 {
            self.cents
        }
    }
}

/// Both halves count in another way, and there is one message more.
pub(crate) mod v2 {
    use super::*;

    #[derive(Default, Serialize, Deserialize)]
    pub(crate) struct Basket {
        euros: u64,
        cents: u64,
    }

    impl From<v1::Basket> for Basket {
        fn from(old: v1::Basket) -> Self {
            Self {
                euros: old.cents / 100,
                cents: old.cents % 100,
            }
        }
    }

    #[dialog(pending, timeout = "30m", version = 2, from = v1::Basket)]
    impl Basket {
        #[handler]
        pub(crate) fn put(&mut self, cents: u64) {
            let all = self.euros * 100 + self.cents + cents;
            (self.euros, self.cents) = (all / 100, all % 100);
        }
        #[handler]
        pub(crate) fn quote(&self) -> u64 {
            self.euros * 100 + self.cents
        }
        #[establish]
        fn establish(self) -> Order {
            Order {
                euros: self.euros,
                cents: self.cents,
            }
        }
    }

    #[derive(Serialize, Deserialize)]
    pub(crate) struct Order {
        euros: u64,
        cents: u64,
    }

    impl From<v1::Order> for Order {
        fn from(old: v1::Order) -> Self {
            assert_ne!(old.cents, POISON, "this one cannot be made of it");
            Self {
                euros: old.cents / 100,
                cents: old.cents % 100,
            }
        }
    }

    #[dialog(pending = Basket, timeout = "2 days", version = 2, from = v1::Order, accepts(0xc4e2_dd0e_0372_a215))]
    impl Order {
        #[handler]
        pub(crate) fn remarks(&self) -> String {
            format!("{} euros {}", self.euros, self.cents)
        }
        #[handler]
        pub(crate) fn done(self) -> u64 {
            self.euros * 100 + self.cents
        }
        #[handler]
        pub(crate) fn add(&mut self, cents: u64) -> u64 {
            let all = self.euros * 100 + self.cents + cents;
            (self.euros, self.cents) = (all / 100, all % 100);
            all
        }
    }
}

/// The same once more, over two versions; and it does not accept initiators of the first.
pub(crate) mod v3 {
    use super::*;

    #[derive(Default, Serialize, Deserialize)]
    pub(crate) struct Total {
        cents: u128,
    }

    impl From<v1::Order> for Total {
        fn from(old: v1::Order) -> Self {
            Self {
                cents: u128::from(old.cents),
            }
        }
    }

    #[derive(Serialize, Deserialize)]
    #[serde(rename = "Order")]
    pub(crate) struct OrderV2 {
        euros: u64,
        cents: u64,
    }

    impl From<OrderV2> for Total {
        fn from(old: OrderV2) -> Self {
            Self {
                cents: u128::from(old.euros * 100 + old.cents),
            }
        }
    }

    #[derive(Default, Serialize, Deserialize)]
    pub(crate) struct Basket {
        cents: u64,
    }

    impl From<v1::Basket> for Basket {
        fn from(old: v1::Basket) -> Self {
            Self { cents: old.cents }
        }
    }

    #[derive(Serialize, Deserialize)]
    #[serde(rename = "Basket")]
    pub(crate) struct BasketV2 {
        euros: u64,
        cents: u64,
    }

    impl From<BasketV2> for Basket {
        fn from(old: BasketV2) -> Self {
            Self {
                cents: old.euros * 100 + old.cents,
            }
        }
    }

    #[dialog(pending, timeout = "30m", version = 3, from(1 => v1::Basket, 2 => BasketV2))]
    impl Basket {
        #[handler]
        pub(crate) fn put(&mut self, cents: u64) {
            self.cents += cents;
        }
        #[handler]
        pub(crate) fn quote(&self) -> u64 {
            self.cents
        }
        #[establish]
        fn establish(self) -> Total {
            Total {
                cents: u128::from(self.cents),
            }
        }
    }

    #[dialog(pending = Basket, name = "Order", timeout = "2 days", version = 3, from(1 => v1::Order, 2 => OrderV2))]
    impl Total {
        #[handler]
        pub(crate) fn total(&self) -> u128 {
            self.cents
        }
    }
}

/// What cannot be converted.
pub(crate) const POISON: u64 = 666;

/// Rings later, and has itself audited.
pub(crate) mod alarm {
    use super::*;

    #[derive(Default, Serialize, Deserialize)]
    pub(crate) struct Alarm;

    #[dialog(timeout = "2 days", tables(RANG))]
    impl Alarm {
        #[handler]
        pub(crate) fn set(&mut self, cx: &mut Cx<'_, Self>, after_s: u64, what: String) {
            cx.after_with(Duration::from_secs(after_s), Self::BELL, what);
        }
        #[handler]
        pub(crate) fn audit(&mut self, cx: &mut Cx<'_, Self>) {
            cx.open::<Slow>().later().then_with(Self::AUDITED, 1);
        }
        #[handler]
        pub(crate) fn ping(&self) {}
        #[resume]
        fn bell(&mut self, cx: &mut Cx<'_, Self>, what: String) {
            let id = cx.id();
            cx.table(RANG).insert(&id, &what);
        }
        #[resume]
        fn audited(&mut self, cx: &mut Cx<'_, Self>, answer: Answer<u64>, _context: u8) {
            let id = cx.id();
            cx.table(RANG).insert(&id, &format!("{answer:?}"));
        }
    }

    /// Answers a minute later.
    #[derive(Default, Serialize, Deserialize)]
    pub(crate) struct Slow(pub(crate) Option<ReplyTo<u64>>);

    #[dialog(timeout = "2 days")]
    impl Slow {
        #[handler]
        fn later(&mut self, cx: &mut Cx<'_, Self>) -> Later<u64> {
            let (later, reply) = cx.later();
            self.0 = Some(reply);
            cx.after(Duration::from_secs(60), Self::NOW);
            later
        }
        #[resume]
        fn now(&mut self, cx: &mut Cx<'_, Self>) {
            if let Some(reply) = self.0.take() {
                cx.reply(reply, 7);
            }
        }
    }
}

/// Both are kept in another way, with the same messages and continuations.
pub(crate) mod alarm_v2 {
    use super::*;

    #[derive(Default, Serialize, Deserialize)]
    pub(crate) struct Alarm {
        rang: u64,
    }

    impl From<alarm::Alarm> for Alarm {
        fn from(_: alarm::Alarm) -> Self {
            Self { rang: 100 }
        }
    }

    #[dialog(timeout = "2 days", tables(RANG), version = 2, from = alarm::Alarm)]
    impl Alarm {
        #[resume]
        fn bell(&mut self, cx: &mut Cx<'_, Self>, what: String) {
            self.rang += 1;
            let id = cx.id();
            cx.table(RANG).insert(&id, &format!("{what} {}", self.rang));
        }
        #[resume]
        fn audited(&mut self, cx: &mut Cx<'_, Self>, answer: Answer<u64>, context: u8) {
            self.rang += 1;
            let id = cx.id();
            let row = format!("{answer:?} {context} {}", self.rang);
            cx.table(RANG).insert(&id, &row);
        }
        #[handler]
        pub(crate) fn ping(&self) {}
    }

    #[derive(Default, Serialize, Deserialize)]
    pub(crate) struct Slow {
        owed: Vec<ReplyTo<u64>>,
    }

    impl From<alarm::Slow> for Slow {
        fn from(old: alarm::Slow) -> Self {
            Self {
                owed: old.0.into_iter().collect(),
            }
        }
    }

    #[dialog(timeout = "2 days", version = 2, from(1 => alarm::Slow))]
    impl Slow {
        #[handler]
        fn later(&mut self, cx: &mut Cx<'_, Self>) -> Later<u64> {
            let (later, reply) = cx.later();
            self.owed.push(reply);
            cx.after(Duration::from_secs(60), Self::NOW);
            later
        }
        #[resume]
        fn now(&mut self, cx: &mut Cx<'_, Self>) {
            for reply in std::mem::take(&mut self.owed) {
                cx.reply(reply, 8);
            }
        }
    }
}

/// The same without its continuations.
pub(crate) mod dumb {
    use super::*;

    #[derive(Default, Serialize, Deserialize)]
    pub(crate) struct Alarm;

    #[dialog(timeout = "2 days")]
    impl Alarm {
        #[handler]
        pub(crate) fn ping(&self) {}
    }
}
