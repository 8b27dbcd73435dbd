//! One file of a disk in memory: what readers see, what is durable, and the writes in between.
//!
//! Owns the simulation of a page cache. Never decides when something fails.

use std::io;

use crate::memory_disk::{Counts, Crash};

/// What a disk writes at once or not at all.
const SECTOR_BYTES: usize = 512;

#[derive(Clone, Debug)]
enum Op {
    SetLen(usize),
    Write(usize, Vec<u8>),
}

impl Op {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::SetLen(len) => image.resize(*len, 0),
            Self::Write(offset, data) => {
                let end = offset + data.len();
                if image.len() < end {
                    image.resize(end, 0);
                }
                image[*offset..end].copy_from_slice(data);
            }
        }
    }

    // Each sector of a write arrives or does not.
    fn apply_torn(&self, image: &mut Vec<u8>, random: &mut Random) {
        let Self::Write(offset, data) = self else {
            return self.apply(image);
        };
        let mut at = 0;
        while at < data.len() {
            let border = (offset + at) / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES;
            let end = (border - offset).min(data.len());
            if random.coin() {
                Self::Write(offset + at, data[at..end].to_vec()).apply(image);
            }
            at = end;
        }
    }
}

/// A file with a page cache.
#[derive(Clone, Debug, Default)]
pub(crate) struct File {
    cache: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Op>,
    pub(crate) counts: Counts,
}

impl File {
    pub(crate) fn new(image: Vec<u8>) -> Self {
        Self {
            durable: image.clone(),
            cache: image,
            ..Self::default()
        }
    }

    pub(crate) fn image(&self) -> &[u8] {
        &self.cache
    }

    pub(crate) fn replace(&mut self, image: Vec<u8>) {
        self.durable.clone_from(&image);
        self.cache = image;
        self.unsynced.clear();
    }

    pub(crate) fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|start| self.cache.get(start..start.checked_add(out.len())?))
            .ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    pub(crate) fn set_len(&mut self, len: u64) {
        self.push(Op::SetLen(len as usize));
    }

    pub(crate) fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        self.push(Op::Write(offset, data.to_vec()));
        Ok(())
    }

    fn push(&mut self, op: Op) {
        op.apply(&mut self.cache);
        self.unsynced.push(op);
    }

    pub(crate) fn sync(&mut self) {
        for op in self.unsynced.drain(..) {
            op.apply(&mut self.durable);
        }
    }

    /// What is left of the file after a crash.
    pub(crate) fn survivor(&self, how: Crash, random: &mut Random) -> Vec<u8> {
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
