//! One file of a disk in memory: what readers see, what is durable, and the writes in between.
//!
//! Owns the simulation of a page cache. Never decides when something fails.

use std::sync::Arc;

use crate::memory_disk::{Counts, Crash};
use crate::pages::Pages;

/// What a disk writes at once or not at all.
pub(crate) const SECTOR_BYTES: usize = 512;

/// Something that was done to a file and is not yet durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    SetLen(usize),
    Write(usize, Arc<[u8]>),
}

impl Op {
    pub(crate) fn apply(&self, pages: &mut Pages) {
        match self {
            Self::SetLen(len) => pages.resize(*len),
            Self::Write(offset, data) => pages.write(*offset, data),
        }
    }

    /// Each sector of a write arrives or does not.
    pub(crate) fn apply_torn(&self, pages: &mut Pages, random: &mut Random) {
        let Self::Write(offset, data) = self else {
            return self.apply(pages);
        };
        let mut at = 0;
        while at < data.len() {
            let border = (offset + at) / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES;
            let end = (border - offset).min(data.len());
            if random.coin() {
                pages.write(offset + at, &data[at..end]);
            }
            at = end;
        }
    }
}

/// A file with a page cache.
#[derive(Clone, Debug, Default)]
pub(crate) struct File {
    cache: Pages,
    durable: Pages,
    unsynced: Vec<Op>,
    pub(crate) counts: Counts,
}

impl File {
    pub(crate) fn new(pages: Pages) -> Self {
        Self {
            durable: pages.clone(),
            cache: pages,
            ..Self::default()
        }
    }

    pub(crate) fn pages(&self) -> &Pages {
        &self.cache
    }

    pub(crate) fn replace(&mut self, image: &[u8]) {
        self.durable = Pages::new(image);
        self.cache = self.durable.clone();
        self.unsynced.clear();
    }

    pub(crate) fn push(&mut self, op: Op) {
        op.apply(&mut self.cache);
        self.unsynced.push(op);
    }

    pub(crate) fn sync(&mut self) {
        for op in self.unsynced.drain(..) {
            op.apply(&mut self.durable);
        }
    }

    /// What is left of the file after a crash.
    pub(crate) fn survivor(&self, how: Crash, random: &mut Random) -> Pages {
        let mut image = self.durable.clone();
        match how {
            Crash::LoseUnsynced => {}
            Crash::KeepAll => image.clone_from(&self.cache),
            Crash::KeepSome(_) => {
                for op in &self.unsynced {
                    match random.below(4) {
                        0 | 1 => op.apply_torn(&mut image, random),
                        2 => op.apply(&mut image),
                        _ => {}
                    }
                }
            }
            Crash::TearLast(_) => {
                let mut ops = self.unsynced.iter();
                let last = ops.next_back();
                ops.for_each(|op| op.apply(&mut image));
                if let Some(last) = last {
                    last.apply_torn(&mut image, random);
                }
            }
        }
        image
    }
}

/// A small generator (splitmix64): the same seed gives the same crash, on every machine.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 1
    }
}
