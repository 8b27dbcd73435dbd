//! Durable two-party dialogs between services: plain structs whose state, messages and timers survive crashes,
//! retries and load-balanced pools.
//!
//! "A two-party messaging dialog between two services has complications to be addressed" (Pat Helland, *Idempotence
//! Is Not a Medical Condition*). This crate is plumbing that addresses them. You write a struct and its handlers; each
//! message is consumed, handled and answered in one transaction, exactly once and in order, and every wait has an end.
//!
//! A dialog has exactly **two** parties: the initiator, who opened it, and the target, which is the struct. What many
//! dialogs share lies in [tables](#tables).
//!
//! This page is a tour:
//! [a dialog in one block](#a-dialog-in-one-block) · [pending work](#pending-work) ·
//! [answers that come later](#answers-that-come-later) · [tables](#tables) · [keys and names](#keys-and-names) ·
//! [timers](#timers) · [both sides speak](#both-sides-speak) · [endings and errors](#endings-and-errors) ·
//! [dialogs in memory](#dialogs-in-memory) · [networks and pools](#networks-and-pools) ·
//! [another version](#another-version) · [testing](#testing) · [operating](#operating)
//!
//! # A dialog in one block
//!
//! A struct, [`#[dialog]`](dialog) on its impl block, `#[handler]` on what its partner may ask:
//!
//! ```
//! use actor_core::prelude::*;
//!
//! #[derive(Default, Serialize, Deserialize)]
//! struct Counter {
//!     count: u64,
//! }
//!
//! #[dialog(timeout = "30 years")]
//! impl Counter {
//!     #[handler]
//!     fn increment(&mut self) -> u64 {
//!         self.count += 1;
//!         self.count
//!     }
//!
//!     #[handler]
//!     fn count(&self) -> u64 {
//!         self.count
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #   let dir = tempfile::tempdir()?;
//! #   let directory = dir.path();
//!     let node = Node::builder(directory).serve::<Counter>().start()?;
//!     assert_eq!(node.open_as::<Counter>("main").increment().await?, 1);
//!     node.shutdown().await?;
//!
//!     // Another process, another day: the same directory, the same key, the same dialog.
//!     let node = Node::builder(directory).serve::<Counter>().start()?;
//!     assert_eq!(node.open_as::<Counter>("main").increment().await?, 2);
//! #   node.shutdown().await?;
//!     Ok(())
//! }
//! ```
//!
//! The receiver says what a handler may do: `&mut self` changes the state, `&self` reads, `self` gives the last answer
//! and closes the dialog. An answer is a `T`, a `Result<T, E>` whose `Err` rolls everything of its message back, or
//! a [`Later`]. When a caller has its answer, the state behind it is on disk.
//!
//! A timeout is required: it says how long one side waits for the other. There is no "for ever".
//!
//! Before anything else, the plumbing of this dialog shakes hands, so that its messages all reach one partner. Then it
//! starts from its `Default`.
//!
//! # Pending work
//!
//! The first message of a dialog goes to a service, and a service may be many instances. A retry may reach another one,
//! and then both have done the work. A handshake avoids that; to do something useful on the first round trip instead,
//! give the dialog a pending half. It is a type of its own, whose handlers get a [`PendingCx`]: they read and accumulate,
//! and there is nothing to call that has an effect. When the initiator has chosen one instance, and only there,
//! `#[establish]` turns pending work into the dialog. All other copies are dropped.
//!
//! ```
//! use actor_core::prelude::*;
//! use std::collections::BTreeMap;
//!
//! struct Prices(BTreeMap<&'static str, u64>);
//!
//! #[derive(Debug, Serialize, Deserialize)]
//! struct UnknownSku(String);
//!
//! /// What the customer has asked for so far.
//! #[derive(Default, Serialize, Deserialize)]
//! struct Basket {
//!     lines: Vec<(String, u64)>,
//! }
//!
//! #[dialog(pending, timeout = "30m", uses(Prices))]
//! impl Basket {
//!     #[handler]
//!     fn add(&mut self, sku: String, quantity: u64) {
//!         self.lines.push((sku, quantity));
//!     }
//!
//!     #[handler]
//!     fn quote(&self, cx: &PendingCx<'_>) -> Result<u64, UnknownSku> {
//!         let Prices(prices) = cx.get::<Prices>();
//!         self.lines.iter().try_fold(0, |sum, (sku, quantity)| match prices.get(sku.as_str()) {
//!             Some(price) => Ok(sum + price * quantity),
//!             None => Err(UnknownSku(sku.clone())),
//!         })
//!     }
//!
//!     #[establish]
//!     fn establish(self) -> Order {
//!         Order { lines: self.lines }
//!     }
//! }
//!
//! /// An order, known to exactly one customer.
//! #[derive(Serialize, Deserialize)]
//! struct Order {
//!     lines: Vec<(String, u64)>,
//! }
//!
//! #[dialog(pending = Basket, timeout = "2 days")]
//! impl Order {
//!     #[handler]
//!     fn ship(self) -> u64 {
//!         self.lines.iter().map(|(_, quantity)| quantity).sum()
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let prices = Prices([("TEA", 300), ("CUP", 950)].into());
//! let node = Node::builder(dir.path()).serve::<Order>().provide(prices).start()?;
//!
//! // Messages without an answer follow each other; the first that wants one ends the opening.
//! let opening = node.open::<Order>().add("TEA".into(), 3).add("CUP".into(), 2);
//! let (cents, order) = opening.quote().await?;
//! assert_eq!(cents, 2_800);
//! assert_eq!(order.ship().await?, 5); // `ship` takes `self`: there is no `order` any more
//!
//! let refused = node.open::<Order>().add("ANVIL".into(), 1).quote().await;
//! assert!(matches!(refused, Err(CallError::Declined(UnknownSku(sku))) if sku == "ANVIL"));
//! # node.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! `#[dialog]` wrote two types that callers hold: `BasketOpening` with the first messages and `OrderClient` with those
//! that may follow. A first answer that is an `Err` ends the dialog: nothing was established, and the caller gets no client.
//!
//! # Answers that come later
//!
//! A handler never waits: it runs inside a commit. Where the answer depends on somebody else, the handler returns a
//! [`Later`], keeps the [`ReplyTo`] in its state, and opens a dialog of its own with [`Cx::open`]. That message leaves with
//! the commit of this one. The `#[resume]` method named in `.then(..)` continues when the answer is there, or when it
//! is known that there will be none; `#[dialog]` makes the constant, here `Self::APPROVED`.
//!
//! ```
//! use actor_core::prelude::*;
//!
//! #[derive(Debug, Serialize, Deserialize)]
//! struct TooMuch;
//!
//! #[derive(Default, Serialize, Deserialize)]
//! struct Bank;
//!
//! #[dialog(timeout = "1 day")]
//! impl Bank {
//!     #[handler]
//!     fn approve(&mut self, cents: u64) -> Result<(), TooMuch> {
//!         if cents > 10_000 { Err(TooMuch) } else { Ok(()) }
//!     }
//! }
//!
//! #[derive(Default, Serialize, Deserialize)]
//! struct Purchase {
//!     waiting: Option<ReplyTo<Result<u64, TooMuch>>>,
//! }
//!
//! #[dialog(timeout = "2 days")]
//! impl Purchase {
//!     #[handler]
//!     fn pay(&mut self, cx: &mut Cx<'_, Self>, cents: u64) -> Later<Result<u64, TooMuch>> {
//!         let (later, reply_to) = cx.later();
//!         self.waiting = Some(reply_to);
//!         cx.open::<Bank>().approve(cents).then_with(Self::APPROVED, cents);
//!         later
//!     }
//!
//!     #[resume]
//!     fn approved(&mut self, cx: &mut Cx<'_, Self>, answer: Answer<(), TooMuch>, cents: u64) {
//!         let Some(reply_to) = self.waiting.take() else { return };
//!         match answer {
//!             Ok(()) => cx.reply(reply_to, Ok(cents)),
//!             Err(CallError::Declined(refusal)) => cx.reply(reply_to, Err(refusal)),
//!             Err(lost) => cx.abandon(lost.to_string()),
//!         }
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let node = Node::builder(dir.path()).serve::<Purchase>().serve::<Bank>().start()?;
//! assert_eq!(node.open::<Purchase>().pay(700).await?, 700);
//! let refused = node.open::<Purchase>().pay(70_000).await;
//! assert!(matches!(refused, Err(CallError::Declined(TooMuch))));
//! # node.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! A `ReplyTo` that is in neither the state nor an answer when a step ends was lost; its caller hears
//! [`CallError::NoAnswer`] at once. To go on talking to a partner, keep its [`DialogRef`] in the state and use [`Cx::to`]:
//! a continuation of a pending partner's first answer gets it beside the answer, `Answer<(T, DialogRef<Order>), E>`;
//! for a partner without a pending half, `client.dialog().reference()` gives it.
//!
//! # Tables
//!
//! State belongs to one dialog. What several dialogs read and write belongs in a [`Table`], declared as a constant and
//! listed in the dialogs that use it. Its rows are written in the transaction of the message, serializable with every
//! other handler of the node; an `Err` or a panic leaves no row behind.
//!
//! ```
//! use actor_core::prelude::*;
//!
//! const STOCK: Table<String, u64> = Table::new("stock");
//!
//! #[derive(Debug, Serialize, Deserialize)]
//! struct SoldOut;
//!
//! #[derive(Default, Serialize, Deserialize)]
//! struct Shelf;
//!
//! #[dialog(timeout = "1h", tables(STOCK))]
//! impl Shelf {
//!     #[handler]
//!     fn fill(&mut self, cx: &mut Cx<'_, Self>, sku: String, pieces: u64) {
//!         let mut stock = cx.table(STOCK);
//!         let before = stock.get(&sku).unwrap_or(0);
//!         stock.insert(&sku, &(before + pieces));
//!     }
//!
//!     #[handler]
//!     fn take(&mut self, cx: &mut Cx<'_, Self>, sku: String) -> Result<u64, SoldOut> {
//!         let mut stock = cx.table(STOCK);
//!         let left = stock.get(&sku).and_then(|pieces| pieces.checked_sub(1)).ok_or(SoldOut)?;
//!         stock.insert(&sku, &left);
//!         Ok(left)
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let node = Node::builder(dir.path()).serve::<Shelf>().start()?;
//! let (staff, customer) = (node.open::<Shelf>(), node.open::<Shelf>()); // two dialogs, one table
//! staff.fill("TEA".into(), 1).await?;
//! assert_eq!(customer.take("TEA".into()).await?, 0);
//! assert!(matches!(customer.take("TEA".into()).await, Err(CallError::Declined(SoldOut))));
//!
//! // Plain code reads one consistent picture of all tables; everything in it is durable.
//! let view = node.read().await?;
//! assert_eq!(view.range(STOCK, ..)?, [("TEA".to_owned(), 0)]);
//! # node.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Keys are integers, `bool`, strings, byte arrays and tuples of these ([`TableKey`]); rows come in the order of their
//! keys. Pending handlers read tables too, and cannot write them. Resources are the other thing handlers can reach:
//! a value given to the node with [`.provide(..)`](NodeBuilder::provide), listed as `uses(Prices)` and read with
//! [`Cx::get`]. What a handler changes inside a resource escapes the transaction.
//!
//! # Keys and names
//!
//! Plain code has no state of its own that survives. [`Node::open`] therefore makes a dialog that is volatile on the
//! caller's side: it lives as long as its handle and this process, and when either goes, the partner hears
//! [`Abandoned::PartnerGone`].
//!
//! [`Node::open_as`] makes one that survives: *get or open* by a key, for ever the same dialog for the same key and
//! service on this node. The first answer of a pending dialog is recorded with the key. A later request can be named
//! with [`.once(..)`](Request::once): the same name again, also after a crash, joins the running request or gets the
//! recorded answer. A request without a name is a new message each time.
//!
//! ```
//! use actor_core::prelude::*;
//!
//! #[derive(Default, Serialize, Deserialize)]
//! struct Transfer {
//!     cents: u64,
//! }
//!
//! #[dialog(timeout = "1 day")]
//! impl Transfer {
//!     #[handler]
//!     fn send(&mut self, cents: u64) -> u64 {
//!         self.cents += cents;
//!         self.cents
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let node = Node::builder(dir.path()).serve::<Transfer>().start()?;
//! for _ in 0..3 {
//!     // As if the process had died and done it all over.
//!     let transfer = node.open_as::<Transfer>("invoice 17");
//!     assert_eq!(transfer.send(500).once("send").await?, 500);
//! }
//! let transfer = node.open_as::<Transfer>("invoice 17");
//! let other = transfer.send(900).once("send").await; // the first contents stand
//! assert!(matches!(other, Err(CallError::KeyConflict { .. })));
//! assert_eq!(transfer.send(20).await?, 520); // not named: a new message
//! # node.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Timers
//!
//! A `#[resume]` method without an [`Answer`] is a timer's. [`Cx::after`] sets it with the commit, setting it again
//! replaces it, [`Cx::cancel`] removes it, and it fires after a restart too.
//!
//! ```
//! use actor_core::prelude::*;
//!
//! const LATE: Table<u128, String> = Table::new("late");
//!
//! #[derive(Default, Serialize, Deserialize)]
//! struct Loan;
//!
//! #[dialog(timeout = "1 year", tables(LATE))]
//! impl Loan {
//!     #[handler]
//!     fn lend(&mut self, cx: &mut Cx<'_, Self>, book: String) {
//!         cx.after_with(Duration::from_millis(10), Self::REMIND, book);
//!     }
//!
//!     #[handler]
//!     fn bring_back(self) {}
//!
//!     #[resume]
//!     fn remind(&mut self, cx: &mut Cx<'_, Self>, book: String) {
//!         let id = cx.id();
//!         cx.table(LATE).insert(&id, &book);
//!         cx.after_with(Duration::from_secs(7 * 86_400), Self::REMIND, book);
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let node = Node::builder(dir.path()).serve::<Loan>().start()?;
//! let loan = node.open::<Loan>();
//! loan.lend("Computer Networks".into()).await?;
//! while node.read().await?.range(LATE, ..)?.is_empty() {
//!     tokio::time::sleep(Duration::from_millis(5)).await;
//! }
//! loan.bring_back().await?;
//! # node.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`Cx::now`] is the only clock of a handler and [`Cx::id`] its only randomness, so that a test can own both.
//!
//! # Both sides speak
//!
//! A target that declares `events` may speak unasked, with [`cx.tell`](Cx::tell), from its first step as an established
//! dialog. Its partner listens with `.events()`: a stream in plain code, a `#[resume]` method in a handler.
//!
//! ```
//! # use actor_core::prelude::*;
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! enum Progress {
//!     Packed,
//!     Shipped,
//! }
//!
//! #[derive(Default, Serialize, Deserialize)]
//! struct Parcel {
//!     kilometre: u32,
//! }
//!
//! #[dialog(timeout = "30 days", events = Progress)]
//! impl Parcel {
//!     #[handler]
//!     fn pack(&mut self, cx: &mut Cx<'_, Self>) {
//!         cx.tell(Progress::Packed);
//!         cx.after(Duration::from_millis(20), Self::COLLECTED);
//!     }
//!
//!     #[resume]
//!     fn collected(&mut self, cx: &mut Cx<'_, Self>) {
//!         cx.tell(Progress::Shipped);
//!     }
//!
//!     /// Where the van is. Of several that wait only the newest arrives.
//!     #[handler(currency)]
//!     fn position(&mut self, kilometre: u32) {
//!         self.kilometre = kilometre;
//!     }
//!
//!     #[handler]
//!     fn kilometre(&self) -> u32 {
//!         self.kilometre
//!     }
//! }
//!
//! #[derive(Default, Serialize, Deserialize)]
//! struct Shop {
//!     shipped: bool,
//! }
//!
//! #[dialog(timeout = "30 days")]
//! impl Shop {
//!     #[handler]
//!     fn send(&mut self, cx: &mut Cx<'_, Self>) {
//!         let parcel = cx.open::<Parcel>();
//!         parcel.events().then(Self::PROGRESSED);
//!         parcel.pack().tell();
//!     }
//!
//!     /// Each event is a step of its own; the end of the parcel's dialog, an `Err`, is the last.
//!     #[resume]
//!     fn progressed(&mut self, _cx: &mut Cx<'_, Self>, event: Answer<Progress>) {
//!         self.shipped |= event == Ok(Progress::Shipped);
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let node = Node::builder(dir.path()).serve::<Parcel>().serve::<Shop>().start()?;
//! let parcel = node.open::<Parcel>();
//! let mut events = parcel.events();
//! parcel.pack().await?;
//! assert_eq!(events.next().await, Some(Ok(Progress::Packed)));
//! assert_eq!(events.next().await, Some(Ok(Progress::Shipped)));
//!
//! parcel.position(12).await?; // taken over; nobody says whether it arrives
//! parcel.position(14).await?;
//! assert_eq!(parcel.kilometre().await?, 14);
//! # node.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Messages and events are **history**: each arrives once, in order, with no gap. `#[handler(currency)]` and
//! `events(currency) = ..` are **currency**: a newer value takes the place of an older one of the same handler that still
//! waits anywhere on the way. So there are gaps, but a value never comes after a newer one, the last one arrives, and
//! none moves across history: what is said before a request is there before it, or superseded by something that is.
//! Currency wants no answer, since a superseded value would never be answered; an older one that is being handled, or
//! failed and is tried again, stands.
//!
//! - Listen before you speak: what was said before `.events()` is not heard. An opening has `.events()` as well.
//! - Events that nobody reads are acknowledged and dropped. A reader in plain code may fall behind by 4 MiB of history
//!   before its reading ends with [`CallError::Busy`]; of currency it always gets the newest.
//! - A listener that is away holds the target up, not down: once 1,024 messages wait, a step that tells more is put off
//!   and tried again with growing patience, which no attempt is counted for.
//! - Listening is not talking, and nobody owes an event. A partner that never says anything is silent, and `timeout` says
//!   how long that may last; a listener whose target lost its memory learns it when it next says something, or with
//!   `lifetime`.
//!
//! # Endings and errors
//!
//! Each side may close a dialog or give it up, and the other is told. A handler that takes `self` closes with its
//! answer; [`Cx::close`] closes after this step; [`Cx::abandon`] gives up, with a reason. Silence for longer than the
//! timeout, and age beyond the lifetime, give up by themselves. A target that is left runs its `#[abandoned]` method once:
//!
//! ```
//! use actor_core::prelude::*;
//!
//! const SEATS: Table<u32, bool> = Table::new("seats taken");
//!
//! #[derive(Default, Serialize, Deserialize)]
//! struct Reservation {
//!     seat: Option<u32>,
//! }
//!
//! #[dialog(timeout = "15m", lifetime = "1h", tables(SEATS))]
//! impl Reservation {
//!     #[handler]
//!     fn hold(&mut self, cx: &mut Cx<'_, Self>, seat: u32) -> bool {
//!         let free = cx.table(SEATS).get(&seat).is_none();
//!         if free {
//!             cx.table(SEATS).insert(&seat, &true);
//!             self.seat = Some(seat);
//!         }
//!         free
//!     }
//!
//!     #[abandoned]
//!     fn abandoned(self, cx: &mut Cx<'_, Self>, _why: Abandoned) {
//!         if let Some(seat) = self.seat {
//!             cx.table(SEATS).remove(&seat);
//!         }
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let node = Node::builder(dir.path()).serve::<Reservation>().start()?;
//! let reservation = node.open::<Reservation>();
//! assert!(reservation.hold(7).await?);
//! drop(reservation); // a volatile handle goes, and its partner hears of it
//! while node.read().await?.get(SEATS, &7)?.is_some() {
//!     tokio::time::sleep(Duration::from_millis(5)).await;
//! }
//! # node.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! A request's outcome is an [`Answer`]: `Ok`, or a [`CallError`] that says why there is no answer. What matters then is
//! what is known of the message, and [`CallError::knowledge`] tells: [`NotSent`](Knowledge::NotSent) and
//! [`Answered`](Knowledge::Answered) are certain, [`InDoubt`](Knowledge::InDoubt) means that the work may be done, done
//! later, or never. Nothing but an answer ends that doubt; acknowledgements are the plumbing's business and are never
//! shown. `client.dialog().knowledge()` says the same of the newest message while it is under way.
//!
//! - Dropping a request after it was polled changes nothing: the message is sent, its answer discarded.
//! - The **last** message of a dialog is best effort. Nobody confirms it, because that would be another last message. If
//!   it matters, let the partner answer it before the dialog closes.
//! - A handler that panics is rolled back and tried again, five times in all, with growing patience. Then the dialog ends on both
//!   sides, and the message is kept for reading: [`Node::dead_letters`]. Other dialogs go on.
//!   What cannot be caught (an abort, a stack overflow, the end of memory, every panic under `panic = "abort"`) takes the
//!   process along and is counted by the starts that follow: five deaths put the message aside as well. The first is not
//!   counted, since nodes say what they run only after an unclean end, so a supervisor sees six.
//! - `#[dialog(on_poison = "hold", ..)]`: such a message waits instead, and everything of its dialog behind it. Its
//!   requests stay in doubt, [`Node::held`] lists it with arguments, state and error, and [`Node::retry`] runs it again in
//!   its place, by then in a program that is repaired. The normal deadlines end what nobody retries.
//! - [`Request::within`] shortens the wait for one answer: [`CallError::Overdue`] says that it is in doubt. A named request
//!   can be asked after at any time, also after a restart: `client.dialog().knowledge_of("pay")`.
//! - A store that fails stops its node: nothing that is not on disk is sent or answered, and callers hear
//!   [`CallError::Stopped`].
//!
//! # Dialogs in memory
//!
//! Where a state is cheap to lose and dear to write, say `volatile`. Such a dialog is as exact as any other while its
//! process lives: messages in order and once, a panic rolled back and tried again, silence and lifetime. It has no record
//! and costs no sync, and the death of its process ends it. Partners hear of that as soon as they say something or, in the
//! same store, at its next start: [`Abandoned::PartnerGone`] or [`Abandoned::PartnerAmnesia`].
//!
//! ```
//! use actor_core::prelude::*;
//!
//! const VISITS: Table<u128, u64> = Table::new("visits");
//!
//! /// What somebody looks at just now.
//! #[derive(Default, Serialize, Deserialize)]
//! struct Browsing {
//!     pages: u64,
//! }
//!
//! #[dialog(timeout = "20m", volatile, tables(VISITS))]
//! impl Browsing {
//!     #[handler]
//!     fn turn(&mut self) -> u64 {
//!         self.pages += 1;
//!         self.pages
//!     }
//!
//!     #[handler]
//!     fn leave(self, cx: &mut Cx<'_, Self>) {
//!         let id = cx.id();
//!         cx.table(VISITS).insert(&id, &self.pages);
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let node = Node::builder(dir.path()).serve::<Browsing>().start()?;
//! let visitor = node.open::<Browsing>();
//! visitor.turn().await?; // nothing was written
//! assert_eq!(visitor.turn().await?, 2);
//! visitor.leave().await?; // one row was, and is durable now
//! # assert_eq!(node.read().await?.range(VISITS, ..)?.len(), 1);
//! # node.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Timers, promised answers and the dialogs it opens die with it; their partners hear that it is gone. Rows of tables are
//! durable like everybody's, in one transaction for each message, before its answer leaves; a state that is lost later
//! does not take them back. A key ([`Node::open_as`]) outlives the dialog and then leads to one that has ended.
//!
//! A volatile dialog that plain code opened without a key, in the process that serves it, and that has nothing else to do
//! is lent to its callers: a request that its handler only answers is done on the caller's thread, when its future is
//! first polled. Nothing else tells it from one that is done by the node's own threads: what was said before is done
//! before, an error or a panic takes back what it did, and whatever wants more than an answer (a timer, a message, a row
//! of a table, a resource, an answer that comes later, the end) is done by the node; its handler may then have run in
//! vain once before. So hold no lock over a request that its handler takes, and expect no thread-local of the node's
//! threads.
//!
//! # Networks and pools
//!
//! Nodes talk over a [`Network`]. Several nodes that serve the same dialog are a pool behind its name; the plumbing
//! binds each dialog to the one instance that answered, and later messages find it there. Frames may be lost, repeated,
//! delayed and reordered, and [`Gnomes`] see to it that they are:
//!
//! ```
//! use actor_core::prelude::*;
//!
//! # #[derive(Default, Serialize, Deserialize)]
//! # struct Counter(u64);
//! # #[dialog(timeout = "1h")]
//! # impl Counter {
//! #     #[handler]
//! #     fn increment(&mut self) -> u64 {
//! #         self.0 += 1;
//! #         self.0
//! #     }
//! # }
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let network = Network::new();
//! network.set_gnomes(Gnomes::seeded(7).lose(0.2).repeat(0.2).reorder(5));
//!
//! let a = Node::builder(dir.join("foo-a")).network(&network).serve::<Counter>().start()?;
//! let n = Node::builder(dir.join("foo-n")).network(&network).serve::<Counter>().start()?;
//! let front = Node::builder(dir.join("front")).network(&network).start()?; // serves nothing, opens everything
//!
//! let counter = front.open_as::<Counter>("main");
//! for expected in 1..=5 {
//!     assert_eq!(counter.increment().await?, expected);
//! }
//! # for node in [front, a, n] { node.shutdown().await?; }
//! # Ok(())
//! # }
//! ```
//!
//! This network is in memory: it connects the nodes of one process. A node that serves a dialog opens it in its own
//! store, without frames; a node that does not asks the network. Where nobody ever served the name, the call fails at once
//! with [`CallError::NoRoute`] and names the line to add.
//!
//! # Another version
//!
//! A program changes while its dialogs live. What it finds in its store is compared at the start, by name and layout, and
//! what it could not read is refused in one sentence before anything is touched.
//!
//! **A state** has versions. Keep the old struct under another name, say what the new one makes of it, and count up:
//!
//! ```
//! use actor_core::prelude::*;
//!
//! # mod before {
//! #     use actor_core::prelude::*;
//! #     #[derive(Default, Serialize, Deserialize)]
//! #     pub struct Account {
//! #         cents: u32,
//! #     }
//! #     #[dialog(timeout = "1 year")]
//! #     impl Account {
//! #         #[handler]
//! #         pub fn pay_in(&mut self, cents: u32) -> u64 {
//! #             self.cents += cents;
//! #             self.cents.into()
//! #         }
//! #     }
//! # }
//! #[derive(Deserialize)]
//! struct AccountV1 {
//!     cents: u32,
//! }
//!
//! #[derive(Default, Serialize, Deserialize)]
//! struct Account {
//!     cents: u64,
//!     payments: u32,
//! }
//!
//! impl From<AccountV1> for Account {
//!     fn from(old: AccountV1) -> Self {
//!         Self { cents: old.cents.into(), payments: 0 }
//!     }
//! }
//!
//! #[dialog(timeout = "1 year", version = 2, from = AccountV1)] // of more: `from(1 => AccountV1, 2 => AccountV2)`
//! impl Account {
//!     #[handler]
//!     fn pay_in(&mut self, cents: u32) -> u64 {
//!         self.payments += 1;
//!         self.cents += u64::from(cents);
//!         self.cents
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let directory = dir.path();
//! // The program of before ..
//! let node = Node::builder(directory).serve::<before::Account>().start()?;
//! assert_eq!(node.open_as::<before::Account>("jim").pay_in(500).await?, 500);
//! node.shutdown().await?;
//! // .. and this one.
//! let node = Node::builder(directory).serve::<Account>().start()?;
//! assert_eq!(node.open_as::<Account>("jim").pay_in(20).await?, 520);
//! # node.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! A state of version 1 is converted when a message next needs it and written as version 2 with that message; nothing is
//! scanned. The conversion must be a pure function; a panic in it is a failed attempt at that message and ends that
//! dialog alone. The pending half has a `version` and a `from` of its own. A line of `from` may go once no dialog of that
//! version is left: the start that lacks it looks, and names the line if it is still needed. Types inside the old struct
//! keep their names, with `#[serde(rename = "..")]` where they had to be renamed. There is no way back: an older program
//! is refused as long as there is a state of a newer version.
//!
//! **A message** has a name, and the name stands for one signature. To change what `pay` takes or gives, write `pay_by_card`
//! beside it, and drop `pay` when nobody says it any more; changing it in place is refused as long as the store holds a
//! dialog that may have it under way. The same holds for continuations and their contexts. A message that this program
//! does not have, from a partner of another version or from before, is **held**: neither acknowledged nor failed, and
//! nothing overtakes it, until a program that has it starts or a deadline ends the dialog. So partners can be replaced in
//! any order while their dialogs live.
//!
//! **An opening** is refused as [`Abandoned::Incompatible`] where the two sides have not the same messages, before anything
//! happened, so that a pool of both versions finds the right one. A dialog that has all earlier messages unchanged and some
//! more says so with `accepts(0x..)`: the [`Fingerprint`] that the first line of the earlier [`Dialog::CONTRACT`] prints,
//! and that the refusal names.
//!
//! # Testing
//!
//! Handlers are plain methods of plain structs, so most tests need no node. Where a handler takes a context, `TestCx`
//! (feature `test-util`) makes one and shows what the handler asked for:
//!
#![cfg_attr(feature = "test-util", doc = "```")]
#![cfg_attr(not(feature = "test-util"), doc = "```ignore")]
//! use actor_core::{TestCx, prelude::*};
//!
//! # #[derive(Default, Serialize, Deserialize)]
//! # struct Counter(u64);
//! # #[dialog(timeout = "1h")]
//! # impl Counter {
//! #     #[handler]
//! #     fn increment(&mut self, by: u64) -> u64 {
//! #         self.0 += by;
//! #         self.0
//! #     }
//! # }
//! #[derive(Default, Serialize, Deserialize)]
//! struct Visit {
//!     number: Option<u64>,
//! }
//!
//! #[dialog(timeout = "1h")]
//! impl Visit {
//!     #[handler]
//!     fn begin(&mut self, cx: &mut Cx<'_, Self>) {
//!         cx.open::<Counter>().increment(1).then(Self::COUNTED);
//!     }
//!
//!     #[resume]
//!     fn counted(&mut self, _cx: &mut Cx<'_, Self>, answer: Answer<u64>) {
//!         self.number = answer.ok();
//!     }
//! }
//!
//! let mut visit = Visit::default();
//! let mut t = TestCx::<Visit>::new();
//! visit.begin(&mut t.cx());
//! let sent = t.sent();
//! assert_eq!((sent[0].handler, sent[0].args()), ("increment", Some((1_u64,))));
//!
//! visit.counted(&mut t.cx(), Ok(41));
//! assert_eq!(visit.number, Some(41));
//! ```
//!
//! For whole applications there is the module `world` (the same feature): many nodes on one thread, in virtual time, with
//! crashes, lost frames and failing disks drawn from a seed, and a report with a sequence diagram where a seed fails.
//! `println!("{}", Order::CONTRACT)` prints what both sides of a dialog agreed on.
//!
//! # Operating
//!
//! [`Node::dialogs`] lists every durable side of a dialog with its stage, sequence numbers, deadline and age;
//! [`Node::dead_letters`] keeps what was given up, to be read ([`DeadLetter::args`], [`DeadLetter::state`]) and deleted;
//! [`Node::stats`] counts work, and repeated work apart from it; [`Node::stopped`] waits for a store to fail. Handlers
//! run in the `tracing` span `dialog.handle` with the fields `service`, `dialog`, `seq`, `handler`, `attempt`, `stage`
//! and `trace`, which is the id of the dialog that began the work and the same at every partner.
//!
//! A record that cannot be read ends its dialog on both sides ([`Abandoned::Damaged`]) and nobody else's. Time never goes
//! back over a restart. A clock that is more than a week ahead of the last commit at a start may be wrong: the node serves,
//! and gives nothing up before [`Node::trust_clock`]; [`NodeBuilder::clock_hold`] says otherwise.
//!
//! One node has one directory: `journal.redb`, `dialogs.redb`, two small files, `newest` and `running`, that tell
//! a start how the last life ended, and a lock. Keep and
//! restore it as a whole. A [`View`] that is still held keeps the store open after [`Node::shutdown`]; drop it before the same process
//! starts the node again. A client does not; it hears [`CallError::Stopped`]. A store that another version of the program
//! wrote, or that is damaged, is refused with one sentence and the way out ([`OpenError`]); it is never repaired by
//! throwing something away. Damage that a start cannot see without reading the whole store is looked for while the node
//! works, and stops it; [`NodeBuilder::verify`] says otherwise.
#![cfg_attr(not(test), deny(clippy::unwrap_used))]

// What `#[dialog]` writes names this crate, also in its own tests.
#[cfg(all(test, feature = "test-util"))]
extern crate self as actor_core;

#[doc(hidden)]
pub mod coverage;
mod dialog;
mod digest;
mod node;
#[doc(hidden)]
pub mod protocol;
mod transport;
#[cfg(feature = "test-util")]
pub mod world;

pub use actor_macros::dialog;
#[cfg(feature = "test-util")]
pub use actor_macros::dialog_test;
pub use actor_store::{JournalKind, OpenError, StoreFault, Verification, keys::TableKey};
pub use dialog::{
    Answer, CallError, Contract, Cx, Dialog, DialogRef, Durable, EventInfo, Events, Fingerprint,
    HandlerInfo, HandlerKind, Handshake, HasEvents, Kept, Knowledge, Later, MessageOrder, Never,
    Outbox, Partner, Pending, PendingCx, Port, Remote, ReplyTo, Request, Resume, Table, TableMut,
    TableRef, Telling, Timer,
};
#[cfg(feature = "test-util")]
pub use dialog::{SentMessage, TestCx};
#[cfg(feature = "test-util")]
#[doc(hidden)]
pub use node::fuzz;
pub use node::{
    DeadLetter, DialogInfo, Held, LetterError, Node, NodeBuilder, RetryError, ShutdownError,
    StartError, Stats, View, ViewError,
};
pub use protocol::{Abandoned, DialogId, Ending, Role, Stage};
pub use serde;
pub use transport::{FrameEvent, Gnomes, Network};

/// What an application needs in scope.
pub mod prelude {
    pub use std::time::Duration;

    pub use serde::{Deserialize, Serialize};

    pub use crate::{
        Abandoned, Answer, CallError, Cx, Dialog, DialogRef, Ending, Events, Gnomes, Knowledge,
        Later, Network, Node, Pending, PendingCx, ReplyTo, Table, TableKey, dialog,
    };
}

/// What the code that `#[dialog]` writes needs. Not for anybody else: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use core::time::Duration;

    pub use crate::{
        dialog::{
            Answer, Call, CallError, Contract, Cx, Dialog, DialogRef, Durable, Encoded, EventInfo,
            Events, Fingerprint, FromPort, Handled, HandlerInfo, HandlerKind, Handshake, HasEvents,
            Hears, IsAnswer, Kept, Later, MessageOrder, Never as Infallible, OnPoison, Outbox,
            Partner, Pending, PendingCx, Port, Remote, ReplyTo, Request, Resume, Resumed, Stored,
            Table, Telling, Timer, Types, Unfit, established, opening,
        },
        protocol::{Abandoned, Mode, handler_id},
    };
}
