//! The header row of each database: magic, format, store, incarnation, watermark.
//!
//! Owns the hand-laid layout, which every later format must keep up to the format number. Never
//! decides whether two headers fit together.

use crate::table::StoreId;

/// The format this build writes. A file with a greater one is refused, a smaller one would be migrated.
pub(crate) const FORMAT: u32 = 1;

/// Name of the table and key of the row in both databases.
pub(crate) const HEADER_TABLE: &str = "header";
pub(crate) const HEADER_KEY: &str = "store";

/// Key of the row of `dialogs.redb` that says how far the fold goes that was begun last, see [`encode_reach`].
pub(crate) const REACH_KEY: &str = "reach";

const MAGIC_BYTES: usize = 8;
pub(crate) const LENGTH: usize = MAGIC_BYTES + 4 + 16 + 8 + 8 + 4;

/// Which of the two files a header belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Journal,
    /// The journal as a plain file.
    Log,
    Dialogs,
}

impl Kind {
    pub(crate) const fn magic(self) -> [u8; MAGIC_BYTES] {
        match self {
            Self::Journal => *b"DLGJRNL\n",
            Self::Log => *b"DLGPLOG\n",
            Self::Dialogs => *b"DLGTABL\n",
        }
    }

    pub(crate) const fn file(self) -> &'static str {
        match self {
            Self::Journal => "journal.redb",
            Self::Log => "journal.log",
            Self::Dialogs => "dialogs.redb",
        }
    }
}

/// What a database says about itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    pub(crate) store: StoreId,
    /// Opens so far. The journal's is the true one; that of `dialogs.redb` follows with each fold.
    pub(crate) incarnation: u64,
    /// The last batch that is wholly in the tables; always 0 in the journal.
    pub(crate) watermark: u64,
}

/// Why a header row is not one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum HeaderError {
    Foreign,
    Newer(u32),
    Damaged,
}

impl Header {
    pub(crate) fn encode(&self, kind: Kind) -> Vec<u8> {
        let mut out = Vec::with_capacity(LENGTH);
        out.extend_from_slice(&kind.magic());
        out.extend_from_slice(&FORMAT.to_be_bytes());
        out.extend_from_slice(&self.store);
        out.extend_from_slice(&self.incarnation.to_be_bytes());
        out.extend_from_slice(&self.watermark.to_be_bytes());
        out.extend_from_slice(&crc32c::crc32c(&out).to_be_bytes());
        out
    }

    pub(crate) fn decode(kind: Kind, row: &[u8]) -> Result<Self, HeaderError> {
        let (magic, rest) = row.split_first_chunk().ok_or(HeaderError::Foreign)?;
        if *magic != kind.magic() {
            return Err(HeaderError::Foreign);
        }
        let (format, rest) = rest.split_first_chunk().ok_or(HeaderError::Damaged)?;
        let format = u32::from_be_bytes(*format);
        // Before the checksum: a newer format may be laid out differently from here on.
        if format > FORMAT {
            return Err(HeaderError::Newer(format));
        }
        let (body, sum) = row.split_last_chunk().ok_or(HeaderError::Damaged)?;
        if row.len() != LENGTH || crc32c::crc32c(body) != u32::from_be_bytes(*sum) {
            return Err(HeaderError::Damaged);
        }
        let (store, rest) = rest.split_first_chunk().ok_or(HeaderError::Damaged)?;
        let (incarnation, rest) = rest.split_first_chunk().ok_or(HeaderError::Damaged)?;
        let (watermark, _) = rest.split_first_chunk().ok_or(HeaderError::Damaged)?;
        Ok(Self {
            store: *store,
            incarnation: u64::from_be_bytes(*incarnation),
            watermark: u64::from_be_bytes(*watermark),
        })
    }
}

/// The last batch of a generation, as its first chunk says it to whoever finds no more than a part of it in the tables.
pub(crate) fn encode_reach(through: u64) -> Vec<u8> {
    let mut out = through.to_be_bytes().to_vec();
    out.extend_from_slice(&crc32c::crc32c(&out).to_be_bytes());
    out
}

/// The batch; `None` if the row is damaged.
pub(crate) fn decode_reach(row: &[u8]) -> Option<u64> {
    let (body, sum) = row.split_last_chunk()?;
    let through = u64::from_be_bytes(body.try_into().ok()?);
    (crc32c::crc32c(body) == u32::from_be_bytes(*sum)).then_some(through)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reach_comes_back_and_every_flipped_bit_is_noticed() {
        let row = encode_reach(0x0102_0304_0506_0708);
        assert_eq!(decode_reach(&row), Some(0x0102_0304_0506_0708));
        for bit in 0..row.len() * 8 {
            let mut bad = row.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode_reach(&bad), None, "bit {bit}");
        }
        for len in 0..row.len() {
            assert_eq!(decode_reach(&row[..len]), None);
        }
    }

    const HEADER: Header = Header {
        store: [7; 16],
        incarnation: 3,
        watermark: 9,
    };

    #[test]
    fn a_header_comes_back_and_every_flipped_bit_is_noticed() {
        let row = HEADER.encode(Kind::Dialogs);
        assert_eq!(Header::decode(Kind::Dialogs, &row), Ok(HEADER));
        assert_eq!(
            Header::decode(Kind::Journal, &row),
            Err(HeaderError::Foreign)
        );
        for bit in 0..row.len() * 8 {
            let mut bad = row.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(Kind::Dialogs, &bad).is_err(), "bit {bit}");
        }
        for len in 0..row.len() {
            assert!(Header::decode(Kind::Dialogs, &row[..len]).is_err());
        }
    }

    #[test]
    fn a_newer_format_is_told_apart_whatever_follows_it() {
        let mut row = HEADER.encode(Kind::Journal);
        row[11] = 2;
        row.truncate(14);
        assert_eq!(
            Header::decode(Kind::Journal, &row),
            Err(HeaderError::Newer(2))
        );
    }
}
