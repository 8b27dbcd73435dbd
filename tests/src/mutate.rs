//! Bytes that are nearly right: what a damaged disk, a broken network or a stranger would hand to a decoder.
//!
//! Owns the ways in which bytes go wrong, each from a seed. Never knows what the bytes mean.

/// A sequence of numbers from a seed (splitmix64).
#[derive(Clone, Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// The sequence of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below `n`, which is not 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.draw() % n as u64) as usize
    }

    /// So many bytes of any value.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.draw() as u8).collect()
    }
}

/// Numbers that stand at a border, in the encodings of lengths that are in use here: little endian of two, four and
/// eight bytes, bincode's, and groups of seven bits.
const LENGTHS: [&[u8]; 12] = [
    &[0xff, 0xff],
    &[0xff, 0xff, 0xff, 0x7f],
    &[0xff, 0xff, 0xff, 0xff],
    &[0xff; 8],
    &[251, 0xff, 0xff],
    &[252, 0xff, 0xff, 0xff, 0xff],
    &[253, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
    &[253, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    &[254, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    &[252, 0, 0, 0x10, 0],
    &[0x80, 0x80, 0x80, 0x80, 0x10],
];

/// A damaged copy of `bytes`, with parts of `other` now and then.
pub fn mutate(numbers: &mut Numbers, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=numbers.below(3) {
        once(numbers, &mut bytes, other);
    }
    bytes
}

fn once(numbers: &mut Numbers, bytes: &mut Vec<u8>, other: &[u8]) {
    let at = numbers.below(bytes.len() + 1);
    match numbers.below(8) {
        0 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << numbers.below(8);
            }
        }
        1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = numbers.draw() as u8;
            }
        }
        2 => bytes.truncate(at),
        3 => {
            let count = numbers.below(40);
            bytes.extend(numbers.bytes(count));
        }
        // A part of another one in the place of a part of this one.
        4 => {
            let (from, end) = (numbers.below(other.len() + 1), at + numbers.below(40));
            let part = &other[from..other.len().min(from + numbers.below(200))];
            bytes.splice(at..end.min(bytes.len()).max(at), part.iter().copied());
        }
        5 => {
            let length = LENGTHS[numbers.below(LENGTHS.len())];
            let end = (at + length.len()).min(bytes.len());
            bytes.splice(at..end, length.iter().copied());
        }
        6 => {
            let end = bytes.len().min(at + numbers.below(16));
            bytes.drain(at..end);
        }
        _ => {
            let length = LENGTHS[numbers.below(LENGTHS.len())];
            bytes.splice(at..at, length.iter().copied());
        }
    }
}
