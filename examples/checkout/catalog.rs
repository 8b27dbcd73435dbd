//! What the shop sells and for how much, from a CSV file with the header `sku,cents`.
//!
//! Owns prices and the refusals that follow from them; a catalogue is a resource of the node and never changes.

use std::collections::{BTreeMap, btree_map::Entry};

use serde::{Deserialize, Serialize};

use crate::payment::Cents;

const HEADER: &str = "sku,cents";

/// Why an order has no price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refused {
    /// An order without lines.
    Empty,
    /// Nobody sells this.
    UnknownSku(String),
    /// Zero pieces of this.
    NoQuantity(String),
    /// More money than fits into cents.
    TooExpensive,
}

/// Prices by article.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    prices: BTreeMap<String, Cents>,
}

impl Catalog {
    /// Reads the `text` of the file called `file`. Lines that make no sense are left out and reported in `complaints`,
    /// each as `FILE:LINE: what is wrong`.
    pub fn parse(file: &str, text: &str, complaints: &mut Vec<String>) -> Self {
        let mut catalog = Self::default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (number, line) in (1..)
            .zip(text.lines())
            .skip(1)
            .filter(|(_, line)| !line.trim().is_empty())
        {
            if let Err(complaint) = catalog.add(line) {
                complaints.push(format!("{file}:{number}: {complaint}"));
            }
        }
        catalog
    }

    /// Is this a catalogue at all? With another file every order would be refused, for good.
    pub fn check_header(file: &str, text: &str) -> Result<(), String> {
        let header = text.lines().next().unwrap_or_default();
        if header.trim_start_matches('\u{feff}').trim() == HEADER {
            return Ok(());
        }
        Err(format!(
            "{file}:1: the first line must be the header `{HEADER}`; no order was placed"
        ))
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        let (sku, cents) = line
            .rsplit_once(',')
            .ok_or_else(|| format!("expected `{HEADER}`, got `{line}`"))?;
        let sku = unquoted(sku.trim());
        if sku.is_empty() {
            return Err("the sku is empty".to_owned());
        }
        if sku.contains(',') && !line.trim_start().starts_with('"') {
            return Err(format!("expected `{HEADER}`, got `{line}`"));
        }
        let cents = cents.trim();
        let price = cents
            .parse()
            .map_err(|_| format!("`{cents}` is not a number of cents"))?;
        match self.prices.entry(sku) {
            Entry::Vacant(free) => {
                free.insert(price);
                Ok(())
            }
            Entry::Occupied(taken) => Err(format!(
                "`{}` is listed twice; the first price stands",
                taken.key()
            )),
        }
    }

    /// The price of all `lines` together.
    pub fn price(&self, lines: &[(String, u32)]) -> Result<Cents, Refused> {
        if lines.is_empty() {
            return Err(Refused::Empty);
        }
        lines.iter().try_fold(0, |total: Cents, (sku, quantity)| {
            let price = self
                .prices
                .get(sku)
                .ok_or_else(|| Refused::UnknownSku(sku.clone()))?;
            if *quantity == 0 {
                return Err(Refused::NoQuantity(sku.clone()));
            }
            let cents = price
                .checked_mul(u64::from(*quantity))
                .ok_or(Refused::TooExpensive)?;
            total.checked_add(cents).ok_or(Refused::TooExpensive)
        })
    }
}

/// A field without its quotes, which a name with a comma in it needs.
fn unquoted(field: &str) -> String {
    match field
        .strip_prefix('"')
        .and_then(|field| field.strip_suffix('"'))
    {
        Some(inner) => inner.replace("\"\"", "\""),
        None => field.to_owned(),
    }
}
