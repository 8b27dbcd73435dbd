//! Snapshots of whole expansions. Refresh them with `UPDATE_EXPECT=1 cargo test -p actor-macros`.

use expect_test::expect_file;
use proc_macro2::{TokenStream, TokenTree};

use super::{expand, generated};

const COUNTER: &str =
    "impl Counter { #[handler] fn increment(&mut self) -> u64 { self.n += 1; self.n } }";

const CART: &str = r"
impl Cart {
    /// Puts a thing into the cart.
    #[handler] pub fn add_item(&mut self, sku: Sku, quantity: u32) { self.lines.push((sku, quantity)); }
    /// What it would cost.
    #[handler] pub fn quote(&self, cx: &PendingCx<'_>) -> Result<Money, UnknownSku> { cx.get::<Catalog>().price(&self.lines) }
    #[establish] fn establish(self, cx: &mut Cx<'_, Checkout>) -> Checkout { Checkout::of(self, cx) }
}
";

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

const CHECKOUT_ARGS: &str = r#"pending = Cart, timeout = "2 days", lifetime = "1 year", on_poison = "hold", version = 3, from(1 => CheckoutV1, 2 => v2::Checkout), accepts(0x1f), uses(Catalog, Stripe), tables(LEDGER)"#;

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

#[test]
fn a_volatile_dialog() {
    expect_file!["snapshots/volatile.rs"]
        .assert_eq(&generated(r#"timeout = "1h", volatile"#, COUNTER));
}

#[test]
fn a_dialog_in_which_both_speak() {
    let tracker = "impl Tracker {
        /// Where it is.
        #[handler(currency)] pub fn position(&mut self, at: Position) { self.at = at; }
        #[handler] pub fn ship(&mut self, cx: &mut Cx<'_, Self>) { cx.tell(Progress::Shipped); }
    }";
    expect_file!["snapshots/tracker.rs"].assert_eq(&generated(
        r#"timeout = "1h", events(currency) = Progress"#,
        tracker,
    ));
}

#[test]
fn a_half_typed_body_still_has_a_signature() {
    let half = "impl Counter {
        #[handler] fn increment(&mut self) -> u64 { if self. }
        #[handler] fn reset(&mut self, to: u64) { let x = }
    }";
    let expansion = generated(r#"timeout = "1h""#, half);
    assert!(
        expansion.contains("fn reset(&self, to: u64)")
            || expansion.contains("fn reset(\n        &self,\n        to: u64,"),
        "{expansion}"
    );
    assert!(!expansion.contains("compile_error"), "{expansion}");
}

#[test]
fn what_is_no_helper_passes_untouched() {
    let block = "impl Counter { #![allow(dead_code)] const MAX: [u8; 2] = { [1, 2] }; type T = u8; const fn a() {} \
                 some_macro! { x y } other!(z); #[handler] fn b(&self) {} pub(crate) unsafe fn c<'a>(&'a self) where Self: Sized {} }";
    let all = expand(r#"timeout = "1h""#, block).to_string();
    for kept in [
        "# ! [allow (dead_code)]",
        "const MAX : [u8 ; 2] = { [1 , 2] } ;",
        "type T = u8 ;",
        "const fn a () { }",
        "some_macro ! { x y }",
        "other ! (z) ;",
        "pub (crate) unsafe fn c < 'a > (& 'a self) where Self : Sized { }",
    ] {
        assert!(all.contains(kept), "{kept} is missing in {all}");
    }
    assert!(
        !all.contains("# [handler]"),
        "helper attributes are consumed: {all}"
    );
}

#[test]
fn a_mistake_leaves_the_rest_of_the_dialog_known() {
    let checkout = "impl Checkout {
        #[handler] pub async fn pay(&mut self, card: Card) -> Receipt { x }
        #[handler] pub fn item_count(&self) -> usize { 0 }
        #[handler] pub fn name(&self, as_of: &str) -> String { x }
        #[resume] fn paid(&mut self, answer: Answer<Receipt>) {}
    }";
    expect_file!["snapshots/mistaken.rs"].assert_eq(&generated(
        r#"pending = Cart, timeout = "2 days""#,
        checkout,
    ));
}

#[test]
fn another_name_of_the_crate() {
    let expansion = expand(r#"timeout = "1h", crate = ::facade::dialogs"#, COUNTER).to_string();
    assert!(
        expansion.contains(":: facade :: dialogs :: __private :: Dialog for Counter"),
        "{expansion}"
    );
    assert!(!expansion.contains("actor_core"), "{expansion}");
}

/// A user's `Result` or `Option` must not be caught by generated code: every name of the library or of std is a path.
#[test]
fn generated_names_are_absolute() {
    const BANNED: [&str; 15] = [
        "Result", "Option", "Some", "None", "Ok", "Err", "Vec", "String", "Default", "Duration",
        "Debug", "Clone", "Port", "Dialog", "Request",
    ];
    let plain_checkout = "impl Checkout { #[handler] pub fn pay(&mut self, cx: &mut Cx<'_, Self>, card: Card) -> Receipt { x }
        #[handler] fn a(&self) -> u8 { 0 } #[handler] fn b(self) {} #[resume] fn c(&mut self) {} #[abandoned] fn d(self) {} }";
    let plain_cart =
        "impl Cart { #[handler] fn a(&mut self, n: u8) {} #[handler] fn b(&self) -> u8 { 0 }
        #[establish] fn e(self, cx: &mut Cx<'_, Checkout>) -> Checkout { x } }";
    for (args, block) in [
        (r#"timeout = "1h""#, plain_checkout),
        (r#"pending, timeout = "1h""#, plain_cart),
    ] {
        let text = generated(args, block);
        let tokens: Vec<String> = flat(text.parse().expect("tokens"));
        for (index, token) in tokens.iter().enumerate() {
            let path = index >= 2 && tokens[index - 1] == ":" && tokens[index - 2] == ":";
            assert!(
                path || !BANNED.contains(&token.as_str()),
                "bare `{token}` in {text}"
            );
        }
    }
}

fn flat(tokens: TokenStream) -> Vec<String> {
    tokens
        .into_iter()
        .flat_map(|token| match token {
            TokenTree::Group(group) => flat(group.stream()),
            token => vec![token.to_string()],
        })
        .collect()
}
