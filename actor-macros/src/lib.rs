//! The `#[dialog]` attribute of `actor-core`, which re-exports it: depend on that crate.
//!
//! Owns the passage from two impl blocks to the traits, clients and constants that stand for them; never what a dialog
//! does. One direction: arguments (`attr`) and the block as tokens (`block`) become a `DialogImpl` (`ast`, `lower`, with
//! `signature` and `types` for what tokens tell), which is checked (`check`) and expanded (`expand`). Where something is
//! wrong, `fallback` keeps the rest of the dialog known, so that a mistake is one error.

#![cfg_attr(not(test), deny(clippy::unwrap_used))]

mod ast;
mod attr;
mod block;
mod check;
mod dialog_test;
mod duration;
mod errors;
mod expand;
mod fallback;
mod lower;
mod signature;
#[cfg(test)]
mod tests;
mod types;

use proc_macro2::TokenStream;
use quote::quote;

use self::{
    ast::DialogImpl,
    attr::Args,
    block::{Block, Role},
    errors::Errors,
};

/// Makes a type one half of a durable dialog. Written on an inherent `impl` block, whose marked methods are the dialog.
///
/// # A dialog without pending work
///
/// The plumbing shakes hands, then the dialog starts from its `Default`.
///
/// ```ignore
/// #[dialog(timeout = "30 years")]
/// impl Counter {
///     #[handler]
///     pub fn increment(&mut self) -> u64 {
///         self.count += 1;
///         self.count
///     }
/// }
/// ```
///
/// # A dialog with pending work
///
/// What comes before the first answer may run on several instances at once. It lives in a type of its own, which can
/// cause no effects, and becomes the dialog in one place:
///
/// ```ignore
/// #[dialog(pending, timeout = "30m")]
/// impl Cart {
///     #[handler]
///     pub fn add_item(&mut self, sku: Sku, quantity: u32) { .. }                  // no answer: another may follow
///     #[handler]
///     pub fn quote(&self, cx: &PendingCx<'_>) -> Result<Money, UnknownSku> { .. } // an answer ends the opening
///     #[establish]
///     fn establish(self, cx: &mut Cx<'_, Checkout>) -> Checkout { .. }
/// }
///
/// #[dialog(pending = Cart, timeout = "2 days")]
/// impl Checkout {
///     #[handler]
///     pub fn pay(&mut self, cx: &mut Cx<'_, Self>, card: Card) -> Later<Result<Receipt, Declined>> { .. }
///     #[resume]
///     fn authorized(&mut self, cx: &mut Cx<'_, Self>, answer: Answer<Authorization, Declined>) { .. }
///     #[handler]
///     pub fn cancel(self, cx: &mut Cx<'_, Self>) -> Option<Refund> { .. }
///     #[abandoned]
///     fn abandoned(self, cx: &mut Cx<'_, Self>, why: Abandoned) { .. }
/// }
/// ```
///
/// It generates `CartOpening` with the first messages and `CheckoutClient` with those that may follow, each method as
/// visible as its handler, and a constant for each continuation: `Checkout::AUTHORIZED`.
///
/// # Arguments
///
/// | argument | meaning |
/// |---|---|
/// | `timeout = "2 days"` | required. Pending: how long pending work is kept. Established: how long a silent partner is waited for. |
/// | `pending` | the block is the pending half. |
/// | `pending = Cart` | the established half of that pending half. |
/// | `lifetime = "1 year"` | how long the dialog may last at all; 30 years where nothing is said. |
/// | `on_poison = "hold"` | a message that cannot be handled waits for an operator, and its dialog with it; `"fail"` where nothing is said: the dialog ends on both sides. |
/// | `name = "Checkout"` | what initiators ask for; the type's name where nothing is said. |
/// | `version = 2` | counted up when the layout of the state changes; 1 where nothing is said. |
/// | `from = CheckoutV1` | what the version before this one was; `impl From<CheckoutV1> for Checkout` makes the state of it. |
/// | `from(1 => CheckoutV1, 2 => CheckoutV2)` | the same for several versions. |
/// | `accepts(0x1f..)` | fingerprints of earlier contracts whose initiators may still open this dialog. |
/// | `volatile` | the dialog lives in memory only; it ends with its process. A handler that only answers may run on its caller's thread. |
/// | `events = Progress` | what the target may say unasked, `cx.tell(..)`, and its partner hears, `.events()`. `events(currency) = Progress` where only the newest counts. |
/// | `uses(Catalog)` | resources without which a node does not start. |
/// | `tables(LEDGER)` | the application tables that the handlers use. |
/// | `crate = ::path` | where `actor-core` is found under another name. |
///
/// Durations are numbers with units: `ms`, `s`, `m`, `h`, `day`, `week`, `year`, also several: `"1h 30m"`.
///
/// # Methods
///
/// | attribute | method |
/// |---|---|
/// | `#[handler]` | a message. `&mut self` changes the state, `&self` reads, `self` answers and closes the dialog. After it, optional, the context; then owned arguments. Answers are `T`, `Result<T, E>` whose `Err` rolls the message back, `Later<T>`, `Later<Result<T, E>>`. |
/// | `#[handler(currency)]` | a message of which the newest counts: it takes the place of older ones that wait, and returns nothing. |
/// | `#[establish]` | once in a pending block: pending work becomes the dialog. |
/// | `#[resume]` | a continuation. With an `Answer<T, E>` it continues a request or hears events, without one a timer runs it; one more argument is its context. |
/// | `#[abandoned]` | at most once: the dialog is over because somebody gave up. |
///
/// Everything else in the block stays as it is. `cfg`, documentation and deprecation of a method hold for what is
/// generated from it.
#[proc_macro_attribute]
pub fn dialog(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand_dialog(args.into(), &item.into()).into()
}

/// A test of many worlds: the function's body runs once for each seed, each time in a world of its own.
///
/// ```ignore
/// #[dialog_test(seeds = 500)]
/// fn every_order_is_paid_once(world: &mut World) {
///     world.serve::<Checkout>().instances(3);
///     let checkout = world.front().open::<Checkout>();
///     ..
///     world.finish_all();
///     world.check_exactly_once();
/// }
/// ```
///
/// Where a seed fails, the test says which, which faults it needs, how to repeat it, and shows what happened as a
/// sequence diagram. `WORLD_SEED=17` runs one seed, `WORLD_SEEDS=0..5000` others.
///
/// | argument | meaning |
/// |---|---|
/// | `seeds = 500` | the first 500 seeds; 100 where nothing is said. |
/// | `crate = ::path` | where `actor-core` is found under another name. |
///
/// The function has one argument, a `&mut World`, and returns nothing or a `Result`. Other attributes stay: `#[ignore]`,
/// `#[should_panic(expected = "..")]`.
///
/// Needs the feature `test-util` of `actor-core`, where the test is built.
#[proc_macro_attribute]
pub fn dialog_test(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    dialog_test::expand(args.into(), &item.into()).into()
}

fn expand_dialog(args: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = Args::parse(args, &mut errors);
    let block = match syn::parse2::<Block>(item.clone()) {
        Ok(block) => block,
        Err(error) => {
            errors.push(error);
            return quote! { #item #errors };
        }
    };
    let dialog = read(args, &block, &mut errors);
    let generated = dialog.map(|dialog| {
        if errors.is_empty() {
            expand::expand(&dialog)
        } else {
            fallback::expand(&dialog)
        }
    });
    quote! { #block #generated #errors }
}

fn read(args: Args, block: &Block, errors: &mut Errors) -> Option<DialogImpl> {
    check::args(&args, errors);
    let dialog = lower::lower(args, block, errors)?;
    let roles = block.methods().flat_map(|method| &method.roles);
    check::dialog(
        &dialog,
        roles.filter(|helper| helper.role == Role::Handler).count(),
        errors,
    );
    Some(dialog)
}
