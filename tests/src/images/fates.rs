//! What may become of the unsynced writes at one moment.
//!
//! Owns the list of kinds: cut, kept, one missing, torn, a random part. Never builds an image.

use std::fmt;
use std::ops::Range;

use actor_store::{Arrived, Event, Image, Replay};

/// A kind of crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// Nothing that was not synced arrived.
    Cut,
    /// Everything did: the process died and the machine did not.
    Kept,
    /// All but one of the writes.
    Missing(usize),
    /// The newest write alone, before all others.
    Overtaken,
    /// The newest write only up to a border of a sector.
    TornHead,
    /// The newest write only from a border of a sector on.
    TornTail,
    /// The newest write up to its middle, within a sector.
    TornMiddle,
    /// Each write whole, torn or not at all, as the seed says.
    Part(u64),
}

/// Names of the kinds, in the order of [`Fate::kind`].
pub(super) const KINDS: [&str; 8] = [
    "cut",
    "kept",
    "one write missing",
    "newest write alone",
    "torn, head",
    "torn, tail",
    "torn within a sector",
    "random part",
];

impl Fate {
    /// The fates of this moment: these random parts, and all others if `systematic`.
    pub(super) fn all(moment: &Replay<'_>, systematic: bool, parts: Range<u64>) -> Vec<Self> {
        let mut fates = Vec::new();
        if systematic {
            fates.push(Self::Cut);
            Self::each(moment, &mut fates);
        }
        if moment.unsynced().len() > 1 {
            let seed = moment.at() as u64;
            fates.extend(parts.map(|part| Self::Part(seed << 16 | part)));
        }
        fates
    }

    fn each(moment: &Replay<'_>, fates: &mut Vec<Self>) {
        let count = moment.unsynced().len();
        if count == 0 {
            return;
        }
        fates.push(Self::Kept);
        // All but the newest is what the moment before left, and what was written over is not missed.
        let events: Vec<&Event> = moment.unsynced().collect();
        let is_missed = |at: &usize| {
            !events[at + 1..]
                .iter()
                .any(|later| later.covers(events[*at]))
        };
        fates.extend((0..count - 1).filter(is_missed).map(Self::Missing));
        if count > 2 {
            fates.push(Self::Overtaken);
        }
        if let Some(newest) = moment.unsynced().last() {
            if newest.sector_border().is_some() {
                fates.extend([Self::TornHead, Self::TornTail]);
            }
            if newest.bytes() > 1 {
                fates.push(Self::TornMiddle);
            }
        }
    }

    /// Which of [`KINDS`] it is.
    pub(super) fn kind(self) -> usize {
        match self {
            Self::Cut => 0,
            Self::Kept => 1,
            Self::Missing(_) => 2,
            Self::Overtaken => 3,
            Self::TornHead => 4,
            Self::TornTail => 5,
            Self::TornMiddle => 6,
            Self::Part(_) => 7,
        }
    }

    /// The image that it leaves.
    pub(super) fn image(self, moment: &Replay<'_>) -> Image {
        let events: Vec<&Event> = moment.unsynced().collect();
        let newest = events.len().saturating_sub(1);
        let border = |event: &Event| event.sector_border().unwrap_or(0);
        moment.crash(|place| {
            let is_newest = place == newest;
            match self {
                Self::Cut => Arrived::Not,
                Self::Missing(missing) if place == missing => Arrived::Not,
                Self::Overtaken if !is_newest => Arrived::Not,
                Self::TornHead if is_newest => Arrived::Head(border(events[place])),
                Self::TornTail if is_newest => Arrived::Tail(border(events[place])),
                Self::TornMiddle if is_newest => Arrived::Head(events[place].bytes() / 2),
                Self::Part(seed) => part(seed, place),
                _ => Arrived::Whole,
            }
        })
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

fn part(seed: u64, place: usize) -> Arrived {
    let word = mix(mix(seed) ^ place as u64);
    match word & 3 {
        0 => Arrived::Sectors(word >> 2),
        1 | 2 => Arrived::Whole,
        _ => Arrived::Not,
    }
}

/// The next of a sequence of numbers that look random (splitmix64).
pub(super) fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
