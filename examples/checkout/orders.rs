//! The customers' orders, from a file of JSON Lines.
//!
//! Owns what a well-formed order is and which of two orders with one id stands; what becomes of an order is not known
//! here.

use std::collections::{BTreeMap, btree_map::Entry};

use serde::Deserialize;

/// Bytes of one line. An order's first messages travel together, and together they may have 256 KiB.
const MAX_LINE_BYTES: usize = 64 * 1024;
/// Lines of one order. Each is a message of its own, and 64 first messages may travel together.
const MAX_ORDER_LINES: usize = 60;
/// Bytes of an order's id, which is the key of its dialog.
const MAX_ID_BYTES: usize = 200;

/// An order as a customer sends it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The shop's number of the order.
    #[serde(rename = "order")]
    pub id: String,
    /// The number of the card that pays.
    pub card: String,
    /// What is ordered.
    pub lines: Vec<Line>,
}

/// So many of one article.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The article.
    pub sku: String,
    /// How many.
    pub quantity: u32,
}

impl Order {
    /// Reads one line; the error says what is wrong with it.
    fn parse(line: &[u8]) -> Result<Self, String> {
        if line.len() > MAX_LINE_BYTES {
            return Err(format!(
                "{} bytes in one line, at most {MAX_LINE_BYTES} are allowed",
                line.len()
            ));
        }
        if !line.trim_ascii_start().starts_with(b"{") {
            return Err("expected an order: {\"order\":..,\"card\":..,\"lines\":[..]}".to_owned());
        }
        let order: Self = serde_json::from_slice(line).map_err(|error| {
            // The line is the file's, not the one within the line.
            error
                .to_string()
                .replacen("at line 1 column", "at column", 1)
        })?;
        if order.id.is_empty() || order.id.len() > MAX_ID_BYTES {
            return Err(format!(
                "the order's id has {} bytes, 1 to {MAX_ID_BYTES} are allowed",
                order.id.len()
            ));
        }
        if order.lines.len() > MAX_ORDER_LINES {
            return Err(format!(
                "the order has {} lines, at most {MAX_ORDER_LINES} are allowed",
                order.lines.len()
            ));
        }
        Ok(order)
    }

    /// A hash of all contents that is the same in every run and on every machine (FNV-1a, 64 bits).
    pub fn fingerprint(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325;
        let mut add = |bytes: &[u8]| {
            for byte in (bytes.len() as u64).to_le_bytes().iter().chain(bytes) {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        add(self.id.as_bytes());
        add(self.card.as_bytes());
        for line in &self.lines {
            add(line.sku.as_bytes());
            add(&line.quantity.to_le_bytes());
        }
        hash
    }
}

/// The well-formed orders of a file, each id once, in the order of the file.
#[derive(Debug, Default)]
pub struct Orders {
    /// The file's name, for complaints.
    pub file: String,
    /// The orders and the lines they stand on.
    pub placed: Vec<(usize, Order)>,
}

impl Orders {
    /// Reads the contents of the file called `file`. Lines that make no sense, and orders that use another order's id,
    /// are left out and reported in `complaints`, each as `FILE:LINE: what is wrong`.
    pub fn parse(file: &str, contents: &[u8], complaints: &mut Vec<String>) -> Self {
        let contents = contents
            .strip_prefix("\u{feff}".as_bytes())
            .unwrap_or(contents);
        let mut orders = Self {
            file: file.to_owned(),
            placed: Vec::new(),
        };
        let mut seen = BTreeMap::new();
        let lines = (1..).zip(contents.split(|byte| *byte == b'\n'));
        for (number, line) in lines.filter(|(_, line)| !line.trim_ascii().is_empty()) {
            let order = match Order::parse(line) {
                Ok(order) => order,
                Err(complaint) => {
                    complaints.push(format!("{file}:{number}: {complaint}"));
                    continue;
                }
            };
            match seen.entry(order.id.clone()) {
                Entry::Vacant(free) => {
                    free.insert(orders.placed.len());
                    orders.placed.push((number, order));
                }
                Entry::Occupied(taken) => {
                    let (first, standing) = &orders.placed[*taken.get()];
                    if *standing != order {
                        complaints.push(format!(
                            "{file}:{number}: order `{}` was placed in line {first} with other contents; the first stands",
                            order.id
                        ));
                    }
                }
            }
        }
        orders
    }
}
