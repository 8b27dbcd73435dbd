//! The payment service: holds an amount on a card, then captures it.
//!
//! A hold is pending work: until the checkout is bound to this instance it can be repeated elsewhere or dropped, and
//! nobody has lost a cent. A capture is permanent, and its row in the ledger commits together with the message.

use actor_core::prelude::*;

/// Amounts of money.
pub type Cents = u64;

/// A card's number.
#[derive(Clone, Serialize, Deserialize)]
pub struct Card(pub String);

/// What the customer gets for the money.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Receipt {
    /// The capture's row in the ledger.
    pub capture: u128,
    /// What was charged.
    pub cents: Cents,
}

/// Why there is no receipt.
#[derive(Debug, Serialize, Deserialize)]
pub enum Declined {
    /// The bank said no to this card.
    Card,
    /// Another payment of the same checkout is under way.
    Underway,
}

/// One row for each time money moved, under a fresh id.
pub const CAPTURES: Table<u128, Capture> = Table::new("captures");

/// Money that moved, and for which order.
#[derive(Debug, Serialize, Deserialize)]
pub struct Capture {
    /// The shop's number of the order.
    pub order: String,
    /// How much.
    pub cents: Cents,
}

/// An amount on hold. Nothing has happened yet.
#[derive(Default, Serialize, Deserialize)]
pub struct Hold {
    order: String,
    cents: Cents,
}

#[dialog(pending, timeout = "10m")]
impl Hold {
    /// Asks the bank. This one declines every card that ends in 0002.
    #[handler]
    pub fn authorize(&mut self, order: String, card: Card, cents: Cents) -> Result<(), Declined> {
        if card.0.ends_with("0002") {
            return Err(Declined::Card);
        }
        *self = Self { order, cents };
        Ok(())
    }

    #[establish]
    fn establish(self, _cx: &mut Cx<'_, Account>) -> Account {
        Account(self)
    }
}

/// An amount that is held for one checkout.
#[derive(Serialize, Deserialize)]
pub struct Account(Hold);

#[dialog(pending = Hold, timeout = "7 days", tables(CAPTURES))]
impl Account {
    /// Takes the money, and with it ends the dialog.
    #[handler]
    pub fn capture(self, cx: &mut Cx<'_, Self>) -> Receipt {
        let (capture, Hold { order, cents }) = (cx.id(), self.0);
        cx.table(CAPTURES)
            .insert(&capture, &Capture { order, cents });
        Receipt { capture, cents }
    }
}
