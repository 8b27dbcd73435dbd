//! The bytes of a file in memory, as pages that copies share until one of them writes.
//!
//! Owns copy-on-write and the fingerprint of a content: thousands of images of one file differ in a page or two. Never
//! knows what is durable.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

const PAGE_BYTES: usize = 4096;

#[derive(Clone)]
struct Page {
    bytes: [u8; PAGE_BYTES],
    sum: OnceLock<u64>,
}

impl Page {
    const fn zero() -> Self {
        Self {
            bytes: [0; PAGE_BYTES],
            sum: OnceLock::new(),
        }
    }

    fn sum(&self) -> u64 {
        *self.sum.get_or_init(|| {
            let words = self.bytes.chunks_exact(8);
            words.fold(0x9e37_79b9_7f4a_7c15, |sum, word| {
                let word = word.iter().fold(0, |all, byte| all << 8 | u64::from(*byte));
                mix(sum ^ word)
            })
        })
    }
}

static ZERO: Page = Page::zero();

/// One step of a hash that is good enough to count distinct contents.
pub(crate) fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    word ^ (word >> 32)
}

/// The bytes of a file. A page that was never written is zero and costs nothing.
#[derive(Clone, Default)]
pub(crate) struct Pages {
    len: usize,
    pages: Vec<Option<Arc<Page>>>,
}

/// How many there are: a store that should not have opened is printed with its disk.
impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pages({} bytes)", self.len)
    }
}

impl Pages {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let mut pages = Self::default();
        pages.write(0, bytes);
        pages
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn resize(&mut self, len: usize) {
        let kept = len % PAGE_BYTES;
        self.pages.resize(len.div_ceil(PAGE_BYTES), None);
        // What lies behind the end reads as zero if the file grows again.
        if len < self.len
            && kept > 0
            && let Some(Some(last)) = self.pages.last_mut()
        {
            let last = Arc::make_mut(last);
            last.sum.take();
            last.bytes[kept..].fill(0);
        }
        self.len = len;
    }

    /// Writes, growing the file where it is shorter.
    pub(crate) fn write(&mut self, offset: usize, data: &[u8]) {
        if self.len < offset + data.len() {
            self.resize(offset + data.len());
        }
        for (page, at, part) in spans(offset, data.len()) {
            let page = self.pages[page].get_or_insert_with(|| Arc::new(Page::zero()));
            let page = Arc::make_mut(page);
            page.sum.take();
            page.bytes[at..at + part.len()].copy_from_slice(&data[part]);
        }
    }

    pub(crate) fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let end = usize::try_from(offset)
            .ok()
            .and_then(|start| start.checked_add(out.len()));
        if end.is_none_or(|end| end > self.len) {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        for (page, at, part) in spans(offset as usize, out.len()) {
            let page = self.pages[page].as_deref().unwrap_or(&ZERO);
            let bytes = &page.bytes[at..at + part.len()];
            out[part].copy_from_slice(bytes);
        }
        Ok(())
    }

    pub(crate) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.pages.len() * PAGE_BYTES);
        for page in &self.pages {
            bytes.extend_from_slice(&page.as_deref().unwrap_or(&ZERO).bytes);
        }
        bytes.truncate(self.len);
        bytes
    }

    /// A number that two contents share by a chance of one in 2^64.
    pub(crate) fn fingerprint(&self) -> u64 {
        let start = mix(self.len as u64);
        (0_u64..).zip(&self.pages).fold(start, |sum, (at, page)| {
            let page = page.as_deref().unwrap_or(&ZERO);
            sum.wrapping_add(mix(page.sum().wrapping_add(mix(at + 1))))
        })
    }
}

// The pages of a range of bytes: page, where in it, which part of the range.
fn spans(
    offset: usize,
    len: usize,
) -> impl Iterator<Item = (usize, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == len {
            return None;
        }
        let (page, at) = ((offset + done) / PAGE_BYTES, (offset + done) % PAGE_BYTES);
        let part = done..len.min(done + PAGE_BYTES - at);
        done = part.end;
        Some((page, at, part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_the_bytes_that_a_plain_vector_would_be() {
        let (mut pages, mut plain) = (Pages::default(), Vec::new());
        let mut seed = 1_u64;
        for round in 0..2_000_u64 {
            seed = mix(seed.wrapping_add(round));
            let (at, len) = ((seed % 20_000) as usize, (seed >> 40) as usize % 9_000);
            if (seed >> 20).is_multiple_of(8) {
                pages.resize(at);
                plain.resize(at, 0);
            } else {
                let data = vec![round as u8; len];
                pages.write(at, &data);
                plain.resize(plain.len().max(at + len), 0);
                plain[at..at + len].copy_from_slice(&data);
            }
            assert_eq!(pages.len(), plain.len());
            if round % 50 == 0 {
                assert_eq!(pages.to_vec(), plain);
                assert_eq!(pages.fingerprint(), Pages::new(&plain).fingerprint());
            }
            let mut part = vec![0; plain.len().min(5_000)];
            pages.read(0, &mut part).unwrap();
            assert_eq!(part, plain[..part.len()]);
            assert!(pages.read(plain.len() as u64, &mut [0]).is_err());
        }
    }

    #[test]
    fn a_copy_keeps_what_it_was_and_every_changed_bit_changes_the_fingerprint() {
        let mut pages = Pages::new(&[7; 10_000]);
        let copy = pages.clone();
        for bit in (0..80_000).step_by(97) {
            pages.write(bit / 8, &[7 ^ 1 << (bit % 8)]);
            assert_ne!(pages.fingerprint(), copy.fingerprint(), "bit {bit}");
            pages.write(bit / 8, &[7]);
            assert_eq!(pages.fingerprint(), copy.fingerprint());
        }
        pages.resize(9_999);
        pages.resize(10_000);
        assert_ne!(pages.fingerprint(), copy.fingerprint());
        assert_eq!(copy.to_vec(), [7; 10_000]);
    }
}
