//! The journal: every commit between the watermark and the last one, durable and in order.
//!
//! Owns what both kinds of it have in common: what they answer, and what a start finds in them. Never looks into a
//! batch.

use crate::batch::Batch;
use crate::fault::{Boundary, StoreFault};
use crate::header::Header;
use crate::log::Log;
use crate::options::Options;
use crate::recovery::Recovery;
use crate::rows::Rows;

/// The journal of an open store.
#[derive(Debug)]
pub(crate) enum Journal {
    /// A row of a database for each commit.
    Rows(Rows),
    /// A record of a plain file for each commit.
    Log(Log),
}

/// Why the journal does not continue the tables.
#[derive(Debug)]
pub(crate) enum TailError {
    Fault(StoreFault),
    /// A commit is damaged, in words.
    Damaged(String),
    /// Commits are missing, in words.
    Gap(String),
}

impl From<StoreFault> for TailError {
    fn from(fault: StoreFault) -> Self {
        Self::Fault(fault)
    }
}

impl Journal {
    /// Reads everything after `watermark` into `tail` and demands that no commit is missing. Hands back the last one's
    /// number.
    pub(crate) fn recover(&self, watermark: u64, tail: &mut Recovery) -> Result<u64, TailError> {
        match self {
            Self::Rows(rows) => rows.recover(watermark, tail),
            Self::Log(log) => log.recover(watermark, tail),
        }
    }

    /// Writes the header, durably.
    pub(crate) fn write_header(&self, header: &Header) -> Result<(), StoreFault> {
        match self {
            Self::Rows(rows) => rows.write_header(header),
            Self::Log(log) => log.write_header(header),
        }
    }

    /// One commit, one sync.
    pub(crate) fn append(&self, batch: &mut Batch) -> Result<(), StoreFault> {
        match self {
            Self::Rows(rows) => rows.append(batch),
            Self::Log(log) => log.append(batch),
        }
    }

    /// The tables have everything up to `watermark`, durably: its place may be used again.
    pub(crate) fn trim(&self, watermark: u64) {
        match self {
            Self::Rows(rows) => rows.trim(watermark),
            Self::Log(log) => log.trim(watermark),
        }
    }

    /// Gives up some of the places that are left from a longer journal, if there are more than there is use for: for a
    /// generation that is folded and one that fills. Says whether to call it again.
    pub(crate) fn shrink(&self, options: &Options) -> Result<bool, StoreFault> {
        match self {
            Self::Rows(rows) => rows.shrink(options.fold_journal_bytes.saturating_mul(2)),
            // A start reads no more of it than what is not folded.
            Self::Log(_) => Ok(false),
        }
    }

    /// Bytes of the commits not yet folded.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Rows(rows) => rows.bytes(),
            Self::Log(log) => log.bytes(),
        }
    }

    /// Whether folding is due for the journal's sake, however few records there are.
    pub(crate) fn is_long(&self, options: &Options) -> bool {
        let has_many_rows = match self {
            Self::Rows(rows) => rows.has_many() && options.fold_journal_bytes < u64::MAX,
            Self::Log(_) => false,
        };
        has_many_rows || self.bytes() >= options.fold_journal_bytes
    }

    /// Commits not yet folded, and the places there are for commits: rows of the database, segments of the log.
    pub(crate) fn counts(&self) -> (u64, u64) {
        match self {
            Self::Rows(rows) => rows.counts(),
            Self::Log(log) => log.counts(),
        }
    }

    pub(crate) fn boundary(&self) -> &Boundary {
        match self {
            Self::Rows(rows) => rows.boundary(),
            Self::Log(log) => log.boundary(),
        }
    }
}
