//! Values as bytes, and the only place that knows which codec makes them.
//!
//! Owns the layout of every stored and sent payload: bincode 2, variable integers, little endian.
//! Never accepts bytes left over, and never allocates much more than it was given.

use std::fmt;

use bincode::config;
use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::decoder::Reader;

/// The largest value that is decoded, in bytes.
pub const MAX_DECODED_BYTES: usize = 64 * 1024 * 1024;

/// Why a value could not be turned into bytes or back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodecError {
    /// The value's `Serialize` refused.
    Encode {
        /// The type.
        what: &'static str,
        /// What it said.
        detail: String,
    },
    /// The bytes are not such a value, or the value's `Deserialize` refused them.
    Decode {
        /// The type.
        what: &'static str,
        /// What it said.
        detail: String,
    },
    /// A value was found, and bytes were left over.
    LeftOver {
        /// The type.
        what: &'static str,
        /// How many bytes too many.
        bytes: usize,
    },
    /// More bytes than any value may have.
    TooLarge {
        /// The type.
        what: &'static str,
        /// How many bytes there are.
        bytes: usize,
    },
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encode { what, detail } => write!(
                f,
                "a `{what}` could not be encoded ({detail}): use plain derived `Serialize`, without flatten or skip attributes"
            ),
            Self::Decode { what, detail } => write!(
                f,
                "the bytes are no `{what}` ({detail}): were they written by another version of the type, or by one with flatten, untagged or skip attributes?"
            ),
            Self::LeftOver { what, bytes } => write!(
                f,
                "{bytes} bytes are left over after a `{what}`: they were written by another version of the type"
            ),
            Self::TooLarge { what, bytes } => write!(
                f,
                "{bytes} bytes are too many for a `{what}`, the limit is {MAX_DECODED_BYTES}: split the value"
            ),
        }
    }
}

impl std::error::Error for CodecError {}

/// Room for the bytes of a value, to begin with: most messages and records fit, and what is kept is no more than this
/// too large.
const FIRST_BYTES: usize = 256;

/// The bytes of a value.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::with_capacity(FIRST_BYTES);
    encode_into(value, &mut out)?;
    Ok(out)
}

/// Appends the bytes of a value, or a part of them if it fails.
pub fn encode_into<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let mut bytes = Bytes(std::mem::take(out));
    let encoded = bincode::serde::encode_into_writer(value, &mut bytes, config::standard());
    *out = bytes.0;
    encoded.map_err(|error| CodecError::Encode {
        what: std::any::type_name::<T>(),
        detail: error.to_string(),
    })
}

struct Bytes(Vec<u8>);

impl Writer for Bytes {
    // Once for each byte of a sequence: a call from another crate costs more than what it does.
    #[expect(
        clippy::inline_always,
        reason = "measured: it makes encoding four times as fast"
    )]
    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        match bytes {
            // Most writes are of one byte, and a copy of unknown length is a call.
            [byte] => self.0.push(*byte),
            bytes => self.0.extend_from_slice(bytes),
        }
        Ok(())
    }
}

/// The value of these bytes, all of which it must take.
///
/// What it allocates is bounded by a multiple of the bytes given, whatever lengths they claim: 4 MiB for one claim in
/// the largest message, see [`MAX_CLAIM_FACTOR`]. Its depth is not: a type that contains itself without a limit can be nested as deep as there are bytes,
/// and a sequence of empty values can be as long as it claims. Do not receive such types from strangers.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let what = std::any::type_name::<T>();
    if bytes.len() > MAX_DECODED_BYTES {
        let bytes = bytes.len();
        return Err(CodecError::TooLarge { what, bytes });
    }
    let mut reader = Reader::new(bytes);
    let value = T::deserialize(&mut reader).map_err(|flaw| CodecError::Decode {
        what,
        detail: flaw.to_string(),
    })?;
    match reader.left() {
        0 => Ok(value),
        bytes => Err(CodecError::LeftOver { what, bytes }),
    }
}

/// What one claimed length makes a decoder allocate is no more than so many times the bytes there are, or 4 KiB: a text
/// is no longer than they are, and a list has no more places than they are many.
pub const MAX_CLAIM_FACTOR: usize = 256;

/// Takes an encoded `Result` apart without knowing its types: whether it is an error, and the encoded
/// value or error itself. `None` if these bytes are no encoded `Result`.
pub fn split_result(bytes: &[u8]) -> Option<(bool, &[u8])> {
    match bytes.split_first()? {
        (0, payload) => Some((false, payload)),
        (1, payload) => Some((true, payload)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::{BTreeMap, HashMap};

    #[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
    enum Stage {
        Open,
        Paying { cents: u64, by: Option<String> },
        Done(i32, bool),
    }

    #[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
    struct Sample {
        name: String,
        stage: Vec<Stage>,
        note: Option<Box<Sample>>,
        map: BTreeMap<u8, [u8; 2]>,
    }

    fn sample() -> Sample {
        let inner = Sample {
            name: String::new(),
            stage: vec![],
            note: None,
            map: BTreeMap::new(),
        };
        Sample {
            name: "ab".to_owned(),
            stage: vec![
                Stage::Open,
                Stage::Paying {
                    cents: 300,
                    by: Some("x".to_owned()),
                },
                Stage::Done(-1, true),
            ],
            note: Some(Box::new(inner)),
            map: BTreeMap::from([(7, [1, 2])]),
        }
    }

    #[test]
    fn the_bytes_of_a_value_are_what_they_were_when_the_format_was_fixed() {
        let golden = [
            2, b'a', b'b', 3, 0, 1, 251, 44, 1, 1, 1, b'x', 2, 1, 1, 1, 0, 0, 0, 0, 1, 7, 1, 2,
        ];
        assert_eq!(encode(&sample()).unwrap(), golden);
        assert_eq!(decode::<Sample>(&golden).unwrap(), sample());
    }

    #[test]
    fn every_byte_must_be_taken_and_every_cut_is_an_error() {
        let bytes = encode(&sample()).unwrap();
        for len in 0..bytes.len() {
            assert!(decode::<Sample>(&bytes[..len]).is_err(), "cut at {len}");
        }
        let mut longer = bytes;
        longer.push(0);
        let error = decode::<Sample>(&longer).unwrap_err();
        assert!(matches!(error, CodecError::LeftOver { bytes: 1, .. }));
    }

    #[test]
    fn a_hostile_length_is_refused_without_allocating_it() {
        for width in [251_u8, 252, 253] {
            let hostile = [width, 255, 255, 255, 255, 255, 255, 255, 127, 1, 2, 3];
            assert!(decode::<String>(&hostile).is_err());
            assert!(decode::<Vec<u64>>(&hostile).is_err());
            assert!(decode::<Vec<String>>(&hostile).is_err());
            assert!(decode::<HashMap<u64, String>>(&hostile).is_err());
        }
    }

    #[test]
    fn small_numbers_in_large_collections_stay_within_the_limit() {
        for len in [0_usize, 1, 255, 256, 5_000, 300_000] {
            let wide = vec![1_u128; len];
            assert_eq!(decode::<Vec<u128>>(&encode(&wide).unwrap()).unwrap(), wide);
        }
    }

    #[test]
    fn a_result_begins_with_which_it_is() {
        let good: Result<u32, String> = Ok(5);
        let bad: Result<u32, String> = Err("no".to_owned());
        let (good, bad) = (encode(&good).unwrap(), encode(&bad).unwrap());
        assert_eq!(
            split_result(&good),
            Some((false, &encode(&5_u32).unwrap()[..]))
        );
        assert_eq!(
            split_result(&bad),
            Some((true, &encode(&"no").unwrap()[..]))
        );
        assert_eq!(
            split_result(&encode(&Ok::<(), ()>(())).unwrap()),
            Some((false, &[][..]))
        );
        assert_eq!(split_result(&[]), None);
        assert_eq!(split_result(&[2]), None);
    }
}
