//! Snapshots of whole expansions. Refresh them with `UPDATE_EXPECT=1 cargo test -p actor-macros`.

use expect_test::expect_file;

use super::{expand, generated};

const COUNTER: &str = "impl Counter { #[handler] fn increment(&mut self) -> u64 { self.n += 1; self.n } }";

const CART: &str = r#"
impl Cart {
    /// Puts a thing into the cart.
    #[handler] pub fn add_item(&mut self, sku: Sku, quantity: u32) { self.lines.push((sku, quantity)); }
    /// What it would cost.
    #[handler] pub fn quote(&self, cx: &PendingCx<'_>) -> Result<Money, UnknownSku> { cx.get::<Catalog>().price(&self.lines) }
    #[establish] fn establish(self, cx: &mut Cx<'_, Checkout>) -> Checkout { Checkout::of(self, cx) }
}
"#;

const CHECKOUT: &str = r#"
impl Checkout {
    const PATIENCE: Duration = { Duration::from_secs(1) };
    /// Pays.
    #[handler] pub fn pay(&mut self, cx: &mut Cx<'_, Self>, card: Card) -> Later<Result<Receipt, Declined>> { later }
    #[resume] fn authorized(&mut self, cx: &mut Cx<'_, Self>, answer: Answer<(Authorization, DialogRef<Account>), Declined>) {}
    #[resume] fn booked(&mut self, cx: &mut Cx<'_, Self>, answer: Answer<Booking>, leg: Leg) {}
    #[resume] pub fn remind(&mut self, cx: &mut Cx<'_, Self>) {}
    #[handler] pub fn item_count(&self) -> usize { self.lines.len() }
    #[cfg(feature = "gifts")]
    #[handler] pub(crate) fn wrap(&mut self, (paper, ribbon): (Paper, Option<Ribbon>), _: Self) {}
    #[handler] pub fn cancel(self, cx: &mut Cx<'_, Self>) -> Option<Refund> { None }
    #[abandoned] fn abandoned(self, cx: &mut Cx<'_, Self>, why: Abandoned) {}
    fn total(&self) -> Money { self.lines.iter().sum() }
}
"#;

const CHECKOUT_ARGS: &str =
    r#"pending = Cart, timeout = "2 days", lifetime = "1 year", version = 2, uses(Catalog, Stripe), tables(LEDGER)"#;

#[test]
fn a_dialog_without_pending_work() {
    expect_file!["snapshots/counter.rs"].assert_eq(&generated(r#"timeout = "30 years""#, COUNTER));
}

#[test]
fn pending_work() {
    expect_file!["snapshots/cart.rs"].assert_eq(&generated(r#"pending, timeout = "30m""#, CART));
}

#[test]
fn an_established_dialog() {
    expect_file!["snapshots/checkout.rs"].assert_eq(&generated(CHECKOUT_ARGS, CHECKOUT));
}
