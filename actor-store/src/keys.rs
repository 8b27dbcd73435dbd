//! Table keys as bytes whose order is the order of the keys.
//!
//! Owns this layout, which is on disk for ever: integers big endian with the sign flipped, strings with
//! an end mark so that they sort inside tuples, tuples as their parts in turn. Never compares keys.

use std::fmt;

/// Why bytes are not a key of some type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// The bytes end in the middle of the key.
    TooShort,
    /// Bytes are left over behind the key.
    LeftOver {
        /// How many.
        bytes: usize,
    },
    /// A string in the key is not UTF-8, or a truth value neither 0 nor 1.
    Malformed,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => f.write_str("the key ends too early"),
            Self::LeftOver { bytes } => write!(f, "{bytes} bytes are left over behind the key"),
            Self::Malformed => f.write_str("the key is malformed"),
        }?;
        f.write_str(": was the table written with another key type?")
    }
}

impl std::error::Error for KeyError {}

/// What can be encoded as a table key; also borrowed forms such as `&str`.
pub trait EncodeKey {
    /// Appends the key's bytes, which are comparable with those of every key of the same type and never
    /// a proper beginning of them.
    fn encode_into(&self, out: &mut Vec<u8>);

    /// The key's bytes.
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_into(&mut out);
        out
    }
}

/// A type whose values can be table keys.
pub trait TableKey: EncodeKey + Sized {
    /// Takes a key off the front of `bytes`.
    fn decode_from(bytes: &mut &[u8]) -> Result<Self, KeyError>;

    /// The key of these bytes, all of which it must take.
    fn decode(mut bytes: &[u8]) -> Result<Self, KeyError> {
        let key = Self::decode_from(&mut bytes)?;
        if bytes.is_empty() {
            Ok(key)
        } else {
            Err(KeyError::LeftOver { bytes: bytes.len() })
        }
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], KeyError> {
    let (taken, rest) = bytes.split_first_chunk().ok_or(KeyError::TooShort)?;
    *bytes = rest;
    Ok(*taken)
}

macro_rules! unsigned {
    ($($int:ty),*) => {$(
        impl EncodeKey for $int {
            fn encode_into(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }
        }

        impl TableKey for $int {
            fn decode_from(bytes: &mut &[u8]) -> Result<Self, KeyError> {
                Ok(Self::from_be_bytes(take(bytes)?))
            }
        }
    )*};
}

macro_rules! signed {
    ($($int:ty),*) => {$(
        impl EncodeKey for $int {
            fn encode_into(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&(self ^ Self::MIN).to_be_bytes());
            }
        }

        impl TableKey for $int {
            fn decode_from(bytes: &mut &[u8]) -> Result<Self, KeyError> {
                Ok(Self::from_be_bytes(take(bytes)?) ^ Self::MIN)
            }
        }
    )*};
}

unsigned!(u8, u16, u32, u64, u128);
signed!(i8, i16, i32, i64, i128);

impl EncodeKey for bool {
    fn encode_into(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

impl TableKey for bool {
    fn decode_from(bytes: &mut &[u8]) -> Result<Self, KeyError> {
        match take(bytes)? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(KeyError::Malformed),
        }
    }
}

impl<const N: usize> EncodeKey for [u8; N] {
    fn encode_into(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

impl<const N: usize> TableKey for [u8; N] {
    fn decode_from(bytes: &mut &[u8]) -> Result<Self, KeyError> {
        take(bytes)
    }
}

// A zero ends a string and sorts before every byte; a zero within it is followed by 255, the end by 0.
const END: [u8; 2] = [0, 0];
const ZERO: [u8; 2] = [0, 255];

impl EncodeKey for str {
    fn encode_into(&self, out: &mut Vec<u8>) {
        for byte in self.bytes() {
            if byte == 0 {
                out.extend_from_slice(&ZERO);
            } else {
                out.push(byte);
            }
        }
        out.extend_from_slice(&END);
    }
}

impl EncodeKey for String {
    fn encode_into(&self, out: &mut Vec<u8>) {
        self.as_str().encode_into(out);
    }
}

impl<K: EncodeKey + ?Sized> EncodeKey for &K {
    fn encode_into(&self, out: &mut Vec<u8>) {
        (**self).encode_into(out);
    }
}

impl TableKey for String {
    fn decode_from(bytes: &mut &[u8]) -> Result<Self, KeyError> {
        let mut text = Vec::new();
        loop {
            let [byte] = take(bytes)?;
            if byte != 0 {
                text.push(byte);
                continue;
            }
            match [byte, take::<1>(bytes)?[0]] {
                END => return Self::from_utf8(text).map_err(|_| KeyError::Malformed),
                ZERO => text.push(0),
                _ => return Err(KeyError::Malformed),
            }
        }
    }
}

macro_rules! tuple {
    ($($part:ident),+) => {
        impl<$($part: EncodeKey),+> EncodeKey for ($($part,)+) {
            #[allow(non_snake_case)]
            fn encode_into(&self, out: &mut Vec<u8>) {
                let ($($part,)+) = self;
                $($part.encode_into(out);)+
            }
        }

        impl<$($part: TableKey),+> TableKey for ($($part,)+) {
            fn decode_from(bytes: &mut &[u8]) -> Result<Self, KeyError> {
                Ok(($($part::decode_from(bytes)?,)+))
            }
        }
    };
}

tuple!(A);
tuple!(A, B);
tuple!(A, B, C);
tuple!(A, B, C, D);

impl EncodeKey for () {
    fn encode_into(&self, _out: &mut Vec<u8>) {}
}

impl TableKey for () {
    fn decode_from(_bytes: &mut &[u8]) -> Result<Self, KeyError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Debug;

    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            self.0 ^ (self.0 >> 29)
        }

        // Small alphabet and length: neighbours and prefixes are frequent.
        fn text(&mut self) -> String {
            let len = self.next() % 5;
            let letters = ['\0', '\u{1}', 'a', '\u{ff}', '\u{10ffff}'];
            (0..len)
                .map(|_| letters[(self.next() % 5) as usize])
                .collect()
        }

        // All magnitudes, and their neighbours.
        fn number(&mut self) -> u128 {
            let bits = self.next() % 129;
            let power = 1_u128.checked_shl(bits as u32).unwrap_or(0);
            power
                .wrapping_add(u128::from(self.next() % 3))
                .wrapping_sub(1)
        }
    }

    fn same_order_and_back<K: TableKey + Ord + Debug>(a: &K, b: &K) {
        let (x, y) = (a.encode(), b.encode());
        assert_eq!(x.cmp(&y), a.cmp(b), "{a:?} and {b:?}");
        assert_eq!(K::decode(&x).as_ref(), Ok(a));
        assert!(a == b || !y.starts_with(&x), "{a:?} begins {b:?}");
        let mut longer = x;
        longer.push(0);
        assert!(K::decode(&longer).is_err());
    }

    #[test]
    #[allow(clippy::many_single_char_names, clippy::cast_possible_wrap)]
    fn the_order_of_the_bytes_is_the_order_of_the_keys() {
        let mut random = Random(1);
        for _ in 0..20_000 {
            let (a, b) = (random.number(), random.number());
            macro_rules! integers {
                ($($int:ty),*) => {$( same_order_and_back(&(a as $int), &(b as $int)); )*};
            }
            integers!(u8, u16, u32, u64, u128, i8, i16, i32, i64, i128);
            same_order_and_back(&(a & 1 == 0), &(b & 1 == 0));
            same_order_and_back(&a.to_be_bytes(), &b.to_be_bytes());
            let [s, t, u, v] = std::array::from_fn(|_| random.text());
            same_order_and_back(&s, &t);
            same_order_and_back(&(s.clone(), u.clone()), &(t.clone(), v.clone()));
            same_order_and_back(
                &(s.clone(), a as i8, u.clone()),
                &(t.clone(), b as i8, v.clone()),
            );
            same_order_and_back(
                &((s, u), a, true, [1_u8; 2]),
                &((t, v), b, false, [0_u8; 2]),
            );
        }
    }

    #[test]
    fn a_borrowed_key_has_the_bytes_of_the_owned_one() {
        assert_eq!("a\0b".encode(), "a\0b".to_owned().encode());
        assert_eq!(("x", 1_u8).encode(), ("x".to_owned(), 1_u8).encode());
        assert_eq!(("x", -1_i16).encode(), [b'x', 0, 0, 0x7f, 0xff]);
    }

    #[test]
    fn other_bytes_are_an_error() {
        assert_eq!(u32::decode(&[1, 2, 3]), Err(KeyError::TooShort));
        assert_eq!(u8::decode(&[1, 2]), Err(KeyError::LeftOver { bytes: 1 }));
        assert_eq!(bool::decode(&[2]), Err(KeyError::Malformed));
        assert_eq!(String::decode(b"abc"), Err(KeyError::TooShort));
        assert_eq!(String::decode(&[b'a', 0, 7]), Err(KeyError::Malformed));
        assert_eq!(String::decode(&[0xff, 0, 0]), Err(KeyError::Malformed));
    }
}
