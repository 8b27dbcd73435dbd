//! Bytes as values: the reading half of the codec.
//!
//! Owns nothing but a place in a slice. Reads what bincode 2 writes with variable integers, little endian, and refuses what
//! it refuses; its errors are one word wide, because most values are one byte and each has a result. Lengths are believed
//! no further than there are bytes.

#![expect(
    clippy::inline_always,
    reason = "measured: each byte of a sequence goes through these, and a call costs more than what they do"
)]

use std::fmt;

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

/// Markers before wider integers; what is less is the number itself.
const U16: u8 = 251;
const U32: u8 = 252;
const U64: u8 = 253;
const U128: u8 = 254;

/// Why bytes are no value.
#[derive(Debug)]
pub(crate) struct Flaw(Box<str>);

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Flaw {}

impl de::Error for Flaw {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Self(why.to_string().into())
    }
}

#[cold]
fn flaw(why: &str) -> Flaw {
    Flaw(why.into())
}

/// What is left to read.
pub(crate) struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    /// Bytes that nobody has read.
    pub(crate) fn left(&self) -> usize {
        self.0.len()
    }

    #[inline(always)]
    fn byte(&mut self) -> Result<u8, Flaw> {
        match self.0 {
            [byte, rest @ ..] => {
                self.0 = rest;
                Ok(*byte)
            }
            [] => Err(flaw("the bytes end within it")),
        }
    }

    #[inline]
    fn bytes(&mut self, len: u64) -> Result<&'b [u8], Flaw> {
        let split = usize::try_from(len)
            .ok()
            .and_then(|len| self.0.split_at_checked(len));
        let (bytes, rest) = split.ok_or_else(|| flaw("the bytes end within it"))?;
        self.0 = rest;
        Ok(bytes)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        let (bytes, rest) = self
            .0
            .split_first_chunk()
            .ok_or_else(|| flaw("the bytes end within it"))?;
        self.0 = rest;
        Ok(*bytes)
    }

    /// An integer of at most so many bytes.
    #[inline]
    fn integer(&mut self, widest: u8) -> Result<u128, Flaw> {
        match self.byte()? {
            small @ 0..U16 => Ok(small.into()),
            marker => self.wide(marker, widest),
        }
    }

    fn wide(&mut self, marker: u8, widest: u8) -> Result<u128, Flaw> {
        if marker > widest {
            return Err(flaw("an integer is wider than its type"));
        }
        Ok(match marker {
            U16 => u16::from_le_bytes(self.array()?).into(),
            U32 => u32::from_le_bytes(self.array()?).into(),
            U64 => u64::from_le_bytes(self.array()?).into(),
            _ => u128::from_le_bytes(self.array()?),
        })
    }

    #[inline]
    fn u64(&mut self) -> Result<u64, Flaw> {
        Ok(self.integer(U64)? as u64)
    }

    fn str(&mut self) -> Result<&'b str, Flaw> {
        let len = self.u64()?;
        let bytes = self.bytes(len)?;
        std::str::from_utf8(bytes).map_err(|_| flaw("a text is not UTF-8"))
    }

    fn char(&mut self) -> Result<char, Flaw> {
        let first = *self
            .0
            .first()
            .ok_or_else(|| flaw("the bytes end within it"))?;
        let len = match first {
            0..0x80 => 1,
            0xc0..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0..0xf8 => 4,
            _ => return Err(flaw("a character is not UTF-8")),
        };
        let bytes = self.bytes(len)?;
        let text = std::str::from_utf8(bytes).ok();
        let mut chars = text.into_iter().flat_map(str::chars);
        chars.next().ok_or_else(|| flaw("a character is not UTF-8"))
    }
}

/// Back from where a sign lies in the lowest bit.
#[inline]
fn signed(zigzag: u128) -> i128 {
    let half = (zigzag >> 1).cast_signed();
    if zigzag & 1 == 0 { half } else { !half }
}

macro_rules! integers {
    ($($name:ident $visit:ident $type:ty, $widest:expr, $from:expr;)*) => {$(
        #[inline]
        fn $name<V: Visitor<'b>>(self, visitor: V) -> Result<V::Value, Flaw> {
            visitor.$visit($from(self.integer($widest)?) as $type)
        }
    )*};
}

impl<'b> Deserializer<'b> for &mut Reader<'b> {
    type Error = Flaw;

    fn deserialize_any<V: Visitor<'b>>(self, _: V) -> Result<V::Value, Flaw> {
        Err(flaw("its bytes do not say of which type they are"))
    }

    fn deserialize_bool<V: Visitor<'b>>(self, visitor: V) -> Result<V::Value, Flaw> {
        match self.byte()? {
            0 => visitor.visit_bool(false),
            1 => visitor.visit_bool(true),
            _ => Err(flaw("neither true nor false")),
        }
    }

    #[inline(always)]
    fn deserialize_u8<V: Visitor<'b>>(self, visitor: V) -> Result<V::Value, Flaw> {
        visitor.visit_u8(self.byte()?)
    }

    #[inline]
    fn deserialize_i8<V: Visitor<'b>>(self, visitor: V) -> Result<V::Value, Flaw> {
        visitor.visit_i8(self.byte()?.cast_signed())
    }

    integers! {
        deserialize_u16 visit_u16 u16, U16, std::convert::identity;
        deserialize_u32 visit_u32 u32, U32, std::convert::identity;
        deserialize_u64 visit_u64 u64, U64, std::convert::identity;
        deserialize_u128 visit_u128 u128, U128, std::convert::identity;
        deserialize_i16 visit_i16 i16, U16, signed;
        deserialize_i32 visit_i32 i32, U32, signed;
        deserialize_i64 visit_i64 i64, U64, signed;
        deserialize_i128 visit_i128 i128, U128, signed;
    }

    fn deserialize_f32<V: Visitor<'b>>(self, visitor: V) -> Result<V::Value, Flaw> {
        visitor.visit_f32(f32::from_le_bytes(self.array()?))
    }

    fn deserialize_f64<V: Visitor<'b>>(self, visitor: V) -> Result<V::Value, Flaw> {
        visitor.visit_f64(f64::from_le_bytes(self.array()?))
    }

    fn deserialize_char<V: Visitor<'b>>(self, visitor: V) -> Result<V::Value, Flaw> {
        visitor.visit_char(self.char()?)
    }

    fn deserialize_str<V: Visitor<'b>>(self, visitor: V) -> Result<V::Value, Flaw> {
        visitor.visit_borrowed_str(self.str()?)
    }

    fn deserialize_string<V: Visitor<'b>>(self, visitor: V) -> Result<V::Value, Flaw> {
        visitor.visit_string(self.str()?.to_owned())
    }

    fn deserialize_bytes<V: Visitor<'b>>(self, visitor: V) -> Result<V::Value, Flaw> {
        let len = self.u64()?;
        visitor.visit_borrowed_bytes(self.bytes(len)?)
    }

    fn deserialize_byte_buf<V: Visitor<'b>>(self, visitor: V) -> Result<V::Value, Flaw> {
        let len = self.u64()?;
        visitor.visit_byte_buf(self.bytes(len)?.to_vec())
    }

    fn deserialize_option<V: Visitor<'b>>(self, visitor: V) -> Result<V::Value, Flaw> {
        match self.byte()? {
            0 => visitor.visit_none(),
            1 => visitor.visit_some(self),
            _ => Err(flaw("neither something nor nothing")),
        }
    }

    fn deserialize_unit<V: Visitor<'b>>(self, visitor: V) -> Result<V::Value, Flaw> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'b>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Flaw> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'b>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Flaw> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'b>>(self, visitor: V) -> Result<V::Value, Flaw> {
        let left = self.u64()?;
        visitor.visit_seq(Row { reader: self, left })
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'b>>(self, len: usize, visitor: V) -> Result<V::Value, Flaw> {
        visitor.visit_seq(Row {
            reader: self,
            left: len as u64,
        })
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'b>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Flaw> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'b>>(self, visitor: V) -> Result<V::Value, Flaw> {
        let left = self.u64()?;
        visitor.visit_map(Row { reader: self, left })
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'b>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Flaw> {
        self.deserialize_tuple(fields.len(), visitor)
    }

    fn deserialize_enum<V: Visitor<'b>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Flaw> {
        visitor.visit_enum(self)
    }

    fn deserialize_identifier<V: Visitor<'b>>(self, _: V) -> Result<V::Value, Flaw> {
        Err(flaw("its bytes have no names"))
    }

    fn deserialize_ignored_any<V: Visitor<'b>>(self, _: V) -> Result<V::Value, Flaw> {
        Err(flaw("its bytes do not say how long they are"))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// So many values in a row.
struct Row<'r, 'b> {
    reader: &'r mut Reader<'b>,
    left: u64,
}

impl Row<'_, '_> {
    /// Each value but an empty one takes a byte, so no more than there are bytes.
    fn hint(&self) -> usize {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        left.min(self.reader.left())
    }

    #[inline(always)]
    fn next(&mut self) -> bool {
        let more = self.left > 0;
        self.left -= u64::from(more);
        more
    }
}

impl<'b> SeqAccess<'b> for Row<'_, 'b> {
    type Error = Flaw;

    #[inline(always)]
    fn next_element_seed<T: DeserializeSeed<'b>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Flaw> {
        if !self.next() {
            return Ok(None);
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.hint())
    }
}

impl<'b> MapAccess<'b> for Row<'_, 'b> {
    type Error = Flaw;

    fn next_key_seed<K: DeserializeSeed<'b>>(&mut self, seed: K) -> Result<Option<K::Value>, Flaw> {
        if !self.next() {
            return Ok(None);
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'b>>(&mut self, seed: V) -> Result<V::Value, Flaw> {
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.hint())
    }
}

impl<'b> EnumAccess<'b> for &mut Reader<'b> {
    type Error = Flaw;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'b>>(self, seed: V) -> Result<(V::Value, Self), Flaw> {
        let index = self.integer(U32)? as u32;
        let value = seed.deserialize(IntoDeserializer::<Flaw>::into_deserializer(index))?;
        Ok((value, self))
    }
}

impl<'b> VariantAccess<'b> for &mut Reader<'b> {
    type Error = Flaw;

    fn unit_variant(self) -> Result<(), Flaw> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'b>>(self, seed: T) -> Result<T::Value, Flaw> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'b>>(self, len: usize, visitor: V) -> Result<V::Value, Flaw> {
        self.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'b>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Flaw> {
        self.deserialize_tuple(fields.len(), visitor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bincode::config;
    use serde::{Deserialize, Serialize, de::DeserializeOwned};

    use crate::codec;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    enum Shape {
        Point,
        Line(i64),
        Box { wide: u16, high: Option<Box<Shape>> },
        Pair(char, f32),
    }

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Wrapped(i128);

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Nothing;

    type Numbers = (
        u8,
        i8,
        (u16, i16, u32, i32),
        (u64, i64, u128, Wrapped),
        usize,
    );
    type Mixed = (
        bool,
        char,
        String,
        Option<Vec<Shape>>,
        BTreeMap<u32, [i16; 2]>,
        Nothing,
        (),
    );

    /// What bincode makes of the same bytes, all of which it must take.
    fn by_bincode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
        let config = config::standard().with_limit::<4096>();
        let (value, read) = bincode::serde::decode_from_slice(bytes, config).ok()?;
        (read == bytes.len()).then_some(value)
    }

    fn same<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> bool {
        let (ours, theirs) = (codec::decode::<T>(bytes).ok(), by_bincode::<T>(bytes));
        // A float that is no number is not equal to itself.
        let known = |value: &Option<T>| value.as_ref().map(|value| codec::encode(value).unwrap());
        assert_eq!(
            known(&ours),
            known(&theirs),
            "{bytes:?}: {ours:?}, {theirs:?}"
        );
        ours.is_some()
    }

    #[test]
    fn every_bytes_mean_what_bincode_says_they_mean() {
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = |n: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random >> 20) % n
        };
        let mut understood = [0_u32; 6];
        for _ in 0..200_000 {
            let bytes: Vec<u8> = (0..next(40))
                .map(|_| match next(3) {
                    0 => next(4) as u8,
                    1 => 248 + next(8) as u8,
                    _ => next(256) as u8,
                })
                .collect();
            understood[0] += u32::from(same::<Numbers>(&bytes));
            understood[1] += u32::from(same::<Mixed>(&bytes));
            understood[2] += u32::from(same::<Vec<Shape>>(&bytes));
            understood[3] += u32::from(same::<(String, Vec<u64>)>(&bytes));
            understood[4] += u32::from(same::<Vec<(f64, Option<bool>)>>(&bytes));
            understood[5] += u32::from(same::<char>(&bytes));
        }
        for (of, times) in understood.into_iter().enumerate() {
            assert!(times > 0, "type {of} was never understood");
        }
    }

    #[test]
    fn numbers_of_every_width_come_back() {
        for shift in 0..64 {
            for near in [-1_i64, 0, 1] {
                let number = (1_i64 << shift).wrapping_add(near);
                let unsigned = number.cast_unsigned();
                let all: Numbers = (
                    unsigned as u8,
                    number as i8,
                    (
                        unsigned as u16,
                        number as i16,
                        unsigned as u32,
                        number as i32,
                    ),
                    (
                        unsigned,
                        number,
                        u128::from(unsigned) << 64 | 7,
                        Wrapped(i128::from(number) << 60),
                    ),
                    unsigned as usize,
                );
                let bytes = codec::encode(&all).unwrap();
                assert_eq!(codec::decode::<Numbers>(&bytes).unwrap(), all);
                assert!(same::<Numbers>(&bytes));
            }
        }
    }
}
