//! The shop: a cart becomes a checkout, and a checkout is paid once.
//!
//! Filling a cart is pending work, which a retry may repeat on another instance. Paying is not: it belongs to the one
//! instance that the customer is bound to, and that instance subcontracts to the payment service.

use std::mem;

use actor_core::prelude::*;

use crate::{
    catalog::{Catalog, Refused},
    payment::{Account, Card, Cents, Declined, Receipt},
};

/// What the customer has asked for so far. Nothing outside this dialog has happened.
#[derive(Default, Serialize, Deserialize)]
pub struct Cart {
    order: String,
    lines: Vec<(String, u32)>,
    cents: Cents,
}

#[dialog(pending, timeout = "30m", uses(Catalog))]
impl Cart {
    /// Says which order this is. The fingerprint covers all of its contents: the plumbing compares the first messages
    /// of one key with those it knows, so an order's number cannot be used again for anything else.
    #[handler]
    pub fn place(&mut self, order: String, _fingerprint: u64) {
        self.order = order;
    }

    /// Adds a line.
    #[handler]
    pub fn add_item(&mut self, sku: String, quantity: u32) {
        self.lines.push((sku, quantity));
    }

    /// Names the price, and from then on it stands, whatever becomes of the catalogue.
    #[handler]
    pub fn quote(&mut self, cx: &PendingCx<'_>) -> Result<Cents, Refused> {
        self.cents = cx.get::<Catalog>().price(&self.lines)?;
        Ok(self.cents)
    }

    #[establish]
    fn establish(self, _cx: &mut Cx<'_, Checkout>) -> Checkout {
        Checkout {
            cart: self,
            paying: Paying::Unpaid,
        }
    }
}

/// An order with a price, to be paid.
#[derive(Serialize, Deserialize)]
pub struct Checkout {
    cart: Cart,
    paying: Paying,
}

/// How far the payment is. The address of the customer's answer is part of the state, so it survives a crash with it.
#[derive(Serialize, Deserialize)]
enum Paying {
    Unpaid,
    Pending(ReplyTo<Result<Receipt, Declined>>),
    Paid(Receipt),
}

#[dialog(pending = Cart, timeout = "2 days")]
impl Checkout {
    /// Pays. The customer hears when the payment service has answered, not before.
    #[handler]
    pub fn pay(&mut self, cx: &mut Cx<'_, Self>, card: Card) -> Later<Result<Receipt, Declined>> {
        match &self.paying {
            Paying::Paid(receipt) => return Later::now(Ok(receipt.clone())),
            Paying::Pending(_) => return Later::now(Err(Declined::Underway)),
            Paying::Unpaid => {}
        }
        let (later, reply_to) = cx.later();
        self.paying = Paying::Pending(reply_to);
        let Cart { order, cents, .. } = &self.cart;
        cx.open::<Account>()
            .authorize(order.clone(), card, *cents)
            .then(Self::AUTHORIZED);
        later
    }

    #[resume]
    fn authorized(
        &mut self,
        cx: &mut Cx<'_, Self>,
        answer: Answer<((), DialogRef<Account>), Declined>,
    ) {
        match answer {
            Ok(((), account)) => cx.to(&account).capture().then(Self::CAPTURED),
            Err(CallError::Declined(declined)) => self.settle(cx, Err(declined)),
            Err(lost) => cx.abandon(lost.to_string()),
        }
    }

    #[resume]
    fn captured(&mut self, cx: &mut Cx<'_, Self>, answer: Answer<Receipt>) {
        match answer {
            Ok(receipt) => self.settle(cx, Ok(receipt)),
            Err(lost) => cx.abandon(lost.to_string()),
        }
    }

    fn settle(&mut self, cx: &mut Cx<'_, Self>, result: Result<Receipt, Declined>) {
        let settled = match &result {
            Ok(receipt) => Paying::Paid(receipt.clone()),
            Err(_) => Paying::Unpaid,
        };
        if let Paying::Pending(reply_to) = mem::replace(&mut self.paying, settled) {
            cx.reply(reply_to, result);
        }
    }
}
