//! Orders and prices that look like a shop's, the same ones for the same seed.
//!
//! Owns the mix: most orders are paid, some cards are declined, a few articles are unknown, a few quantities are zero.

use std::fmt::Write as _;

/// What the shop sells, and for how many cents.
const ARTICLES: [(&str, u64); 24] = [
    ("TEAPOT", 2_450),
    ("TEACUP", 890),
    ("SAUCER", 490),
    ("MUG", 1_190),
    ("KETTLE", 3_990),
    ("STRAINER", 650),
    ("TEA-ASSAM-250", 1_250),
    ("TEA-DARJEELING-100", 1_480),
    ("TEA-EARL-GREY-100", 990),
    ("TEA-SENCHA-100", 1_320),
    ("COFFEE-FILTER-80", 390),
    ("COFFEE-BEANS-500", 1_590),
    ("COFFEE-GRINDER", 5_900),
    ("MILK-JUG", 1_350),
    ("SUGAR-BOWL", 1_150),
    ("SPOON-SET", 1_990),
    ("TRAY-OAK", 4_200),
    ("TRAY-STEEL", 2_700),
    ("COASTER-4", 840),
    ("TABLE-CLOTH", 3_350),
    ("NAPKIN-20", 320),
    ("CANDLE", 590),
    ("HONEY-500", 760),
    ("BISCUITS-200", 410),
];

/// Articles that nobody sells.
const UNKNOWN: [&str; 3] = ["SAMOVAR", "TEA-OOLONG-100", "CROISSANT"];

/// Cards that are charged, and one that is declined.
const CARDS: [&str; 6] = [
    "4242424242424242",
    "5555555555554444",
    "4000056655665556",
    "2223003122003222",
    "6011111111111117",
    "378282246310005",
];
const DECLINED_CARD: &str = "4000000000000002";

/// A small random source with a seed (splitmix64). Not for secrets.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The same seed gives the same throws.
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `sides`, each as likely as the others.
    pub fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

/// The catalogue as a CSV file.
pub fn catalog() -> String {
    let mut csv = "sku,cents\n".to_owned();
    for (sku, cents) in ARTICLES {
        let _ = writeln!(csv, "{sku},{cents}");
    }
    csv
}

/// `count` orders as JSON Lines.
pub fn orders(count: u64, seed: u64) -> String {
    let mut dice = Dice::seeded(seed);
    let mut file = String::new();
    for number in 1..=count {
        let card = if dice.below(12) == 0 {
            DECLINED_CARD
        } else {
            dice.one_of(&CARDS)
        };
        let _ = write!(
            file,
            "{{\"order\":\"A-{}\",\"card\":\"{card}\",\"lines\":[",
            1_000 + number
        );
        let lines = 1 + dice.below(4);
        let wrong = dice.below(40);
        for line in 0..lines {
            let sku = if wrong == 0 && line == 0 {
                dice.one_of(&UNKNOWN)
            } else {
                dice.one_of(&ARTICLES).0
            };
            let quantity = if wrong == 1 && line == 0 {
                0
            } else {
                1 + dice.below(4)
            };
            let comma = if line == 0 { "" } else { "," };
            let _ = write!(file, "{comma}{{\"sku\":\"{sku}\",\"quantity\":{quantity}}}");
        }
        file.push_str("]}\n");
    }
    file
}
