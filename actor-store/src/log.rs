//! `journal.log`: the journal as a plain file, one record per commit behind the last one.
//!
//! The file is cut into segments that are written with zeros before they are used, so that a commit changes no length and
//! no extent: one write, one sync. A segment whose batches are all folded is begun again. Owns which segment is written
//! next and how a start finds its way through them: by the numbers of the records alone, whose order is the order of
//! commits. A record that was not finished does not match its checksum; one that is missing before others that are there
//! was damaged. Never looks into a batch.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::StorageBackend;

use crate::backend::Backend;
use crate::batch::{self, Batch, ROOM_BYTES};
use crate::fault::{Boundary, StoreFault, Trouble, lock};
use crate::header::{Header, HeaderError};
use crate::journal::TailError;
use crate::log_record::{
    BLOCK_BYTES, HEADERS, Head, START, frame, head, header_block, read_header_block, record_bytes,
};
use crate::options::Options;
use crate::recovery::{Progress, Recovery, Row};
use crate::table::StoreId;

/// Written at once when the file grows.
const GROWTH_BYTES: usize = 256 * 1024;

/// The journal of an open store, in a plain file.
#[derive(Debug)]
pub(crate) struct Log {
    boundary: Boundary,
    file: Backend,
    store: StoreId,
    segment_bytes: u64,
    space: Mutex<Space>,
    bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct Space {
    /// The newest batch in each segment; 0 if there is none.
    segments: Vec<u64>,
    /// Where the last record ended, in the segment that is being written.
    at: Option<u64>,
    /// The newest batch. Its record is kept whatever is folded: it tells where the journal ends.
    last: u64,
    /// Everything up to here is in the tables.
    watermark: u64,
    /// Batch and bytes of the records not yet folded, oldest first.
    taken: VecDeque<(u64, u64)>,
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        redb::Error::Io(error).into()
    }
}

/// The header of a log: the newer of two that are the same unless a start was interrupted.
pub(crate) fn read_header(file: &Backend) -> Result<Option<(Header, u32)>, LogHeaderError> {
    let length = file.len().map_err(LogHeaderError::Io)?;
    let mut newest: Option<(Header, u32)> = None;
    for place in 0..HEADERS {
        let at = place * BLOCK_BYTES as u64;
        if at + BLOCK_BYTES as u64 > length {
            break;
        }
        let mut block = vec![0; BLOCK_BYTES];
        file.read(at, &mut block).map_err(LogHeaderError::Io)?;
        match read_header_block(&block) {
            Ok(found) => {
                if newest.is_none_or(|(newest, _)| newest.incarnation < found.0.incarnation) {
                    newest = Some(found);
                }
            }
            Err(HeaderError::Newer(format)) => return Err(LogHeaderError::Newer(format)),
            Err(HeaderError::Foreign | HeaderError::Damaged) => {}
        }
    }
    Ok(newest)
}

/// Why a log has no header.
#[derive(Debug)]
pub(crate) enum LogHeaderError {
    Io(io::Error),
    Newer(u32),
}

impl Log {
    /// The log in this file, which has a header or gets one next.
    pub(crate) fn new(
        boundary: Boundary,
        file: Backend,
        store: StoreId,
        segment_bytes: u32,
    ) -> Self {
        Self {
            boundary,
            file,
            store,
            segment_bytes: u64::from(segment_bytes),
            space: Mutex::default(),
            bytes: AtomicU64::new(0),
        }
    }

    /// The segments' size for a new log.
    pub(crate) fn segment_bytes(options: &Options) -> u32 {
        let blocks = (options.log_segment_bytes as usize / BLOCK_BYTES).max(1);
        (blocks * BLOCK_BYTES) as u32
    }

    /// Makes both headers this one, each durably before the next is touched.
    pub(crate) fn write_header(&self, header: &Header) -> Result<(), StoreFault> {
        let block = header_block(header, self.segment_bytes as u32);
        self.boundary.run(|| {
            if self.file.len()? < START {
                self.file.set_len(START)?;
            }
            for place in 0..HEADERS {
                self.file.write(place * BLOCK_BYTES as u64, &block)?;
                self.file.sync_data()?;
            }
            Ok(())
        })
    }

    /// Sees to it that there is room for what is outstanding while a fold is under way, so that no commit waits for it.
    pub(crate) fn preallocate(&self, options: &Options) -> Result<(), StoreFault> {
        let wanted = (2 * options.fold_journal_bytes).div_ceil(self.segment_bytes);
        let mut space = lock(&self.space);
        let missing = wanted.saturating_sub(space.segments.len() as u64);
        self.boundary
            .run(|| self.grow(&mut space, missing as usize))
    }

    /// One record, one write, one sync.
    pub(crate) fn append(&self, batch: &mut Batch) -> Result<(), StoreFault> {
        let (number, row_bytes) = (batch.number(), batch.row().len());
        let bytes = record_bytes(row_bytes);
        let mut space = lock(&self.space);
        self.boundary.run(|| {
            if u32::try_from(row_bytes).is_err() {
                // Four gigabytes: the caller admits no such amount of work.
                return Err(io::Error::from(io::ErrorKind::FileTooLarge).into());
            }
            let at = self.place(&mut space, bytes)?;
            frame(batch.framed(), &self.store, at, number);
            self.file.write(at, batch.framed())?;
            self.file.sync_data()?;
            self.note(&mut space, number, at, bytes);
            Ok(())
        })?;
        space.last = number;
        space.taken.push_back((number, bytes));
        drop(space);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    // Where a record of so many bytes goes: behind the last one, into a segment that is free, or into new ones.
    fn place(&self, space: &mut Space, bytes: u64) -> Result<u64, Trouble> {
        if let Some(at) = space.at {
            let used = (at - START) % self.segment_bytes;
            // At a border the next segment is another's.
            if used > 0 && used + bytes <= self.segment_bytes {
                return Ok(at);
            }
        }
        let count = bytes.div_ceil(self.segment_bytes) as usize;
        let is_free =
            |newest: &u64| *newest == 0 || (*newest <= space.watermark && *newest != space.last);
        let free = space
            .segments
            .windows(count)
            .position(|run| run.iter().all(is_free));
        let first = free.unwrap_or(space.segments.len());
        if free.is_none() {
            self.grow(space, count)?;
        }
        Ok(START + first as u64 * self.segment_bytes)
    }

    // Zeros, durably: from then on a commit into them changes neither length nor extents.
    fn grow(&self, space: &mut Space, count: usize) -> Result<(), Trouble> {
        if count == 0 {
            return Ok(());
        }
        let mut at = START + space.segments.len() as u64 * self.segment_bytes;
        let end = at + count as u64 * self.segment_bytes;
        self.file.set_len(end)?;
        let zeros = vec![0; GROWTH_BYTES];
        while at < end {
            let bytes = (end - at).min(GROWTH_BYTES as u64);
            self.file.write(at, &zeros[..bytes as usize])?;
            at += bytes;
        }
        self.file.sync_data()?;
        space.segments.resize(space.segments.len() + count, 0);
        Ok(())
    }

    fn note(&self, space: &mut Space, number: u64, at: u64, bytes: u64) {
        let first = self.segment_of(at);
        let last = self.segment_of(at + bytes - 1);
        for newest in &mut space.segments[first..=last] {
            *newest = number;
        }
        space.at = Some(at + bytes);
    }

    fn segment_of(&self, at: u64) -> usize {
        ((at - START) / self.segment_bytes) as usize
    }

    /// Everything up to `watermark` is durable in the tables.
    pub(crate) fn trim(&self, watermark: u64) {
        let mut space = lock(&self.space);
        space.watermark = watermark;
        while let Some(&(number, bytes)) = space.taken.front()
            && number <= watermark
        {
            space.taken.pop_front();
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// Bytes of the records not yet folded, their last blocks whole.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Records not yet folded, and segments there are.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let space = lock(&self.space);
        (space.taken.len() as u64, space.segments.len() as u64)
    }

    pub(crate) fn boundary(&self) -> &Boundary {
        &self.boundary
    }

    /// Finds every record after `watermark`, for `tail`, and demands that none is missing. Hands back the last one's number.
    pub(crate) fn recover(&self, watermark: u64, tail: &mut Recovery) -> Result<u64, TailError> {
        let mut space = lock(&self.space);
        let found = self
            .boundary
            .run(|| self.scan(watermark, &mut space, tail))?;
        if space.last < watermark {
            return Err(TailError::Gap(format!(
                "the tables contain batch {watermark}, the journal ends at batch {}",
                space.last
            )));
        }
        let mut expected = watermark + 1;
        for (number, found) in found {
            if number != expected {
                break;
            }
            if !found.is_known {
                let detail = format!("there is no telling what batch {number} was");
                return Err(TailError::Damaged(detail));
            }
            expected += 1;
            space.taken.push_back((number, found.bytes));
            self.bytes.fetch_add(found.bytes, Ordering::Relaxed);
        }
        if expected <= space.last {
            // A batch is written when the one before it is durable: this one was.
            return Err(TailError::Damaged(format!(
                "the record of batch {expected} is damaged, and batch {} was committed after it",
                space.last
            )));
        }
        // Not behind the last record: something unfinished may be there or elsewhere, and the order of the segments is
        // told from the heads they begin with.
        space.at = None;
        space.watermark = watermark;
        Ok(space.last)
    }

    // The records after the watermark by number, and what the segments hold.
    fn scan(
        &self,
        watermark: u64,
        space: &mut Space,
        tail: &mut Recovery,
    ) -> Result<BTreeMap<u64, Found>, Trouble> {
        let length = self.file.len()?;
        let count = (length.saturating_sub(START) / self.segment_bytes) as usize;
        space.segments = vec![0; count];
        let end = START + count as u64 * self.segment_bytes;
        let heads = (0..count)
            .map(|segment| self.head_at(self.start_of(segment)))
            .collect::<Result<Vec<_>, _>>()?;
        let firsts: Vec<_> = heads.iter().map(|head| head.map(|it| it.number)).collect();
        let mut found = BTreeMap::new();
        let mut at = START;
        let mut buffer = Window::default();
        while at < end {
            let segment = self.segment_of(at);
            if at == self.start_of(segment)
                && let Some(first) = firsts[segment]
                && let Some(next) = next_begun(&firsts, first)
                && next <= watermark + 1
            {
                // All that begins in it is folded. And it was there, even if what was begun next is not whole: nothing is
                // begun before the batch before it is durable.
                space.segments[segment] = next - 1;
                space.last = space.last.max(next - 1);
                at += self.segment_bytes;
                continue;
            }
            let Some((head, row)) = self.record_at(&mut buffer, at, end)? else {
                at += BLOCK_BYTES as u64;
                continue;
            };
            let bytes = head.record_bytes();
            for segment in segment..=self.segment_of(at + bytes - 1) {
                space.segments[segment] = space.segments[segment].max(head.number);
            }
            space.last = space.last.max(head.number);
            if head.number > watermark {
                let progress = Progress {
                    done: at + bytes - START,
                    of: end - START,
                };
                let taken = (batch::number_of(row) == Some(head.number))
                    .then(|| tail.take(head.number, Row::Own(row.into()), progress));
                let is_twice = found.contains_key(&head.number);
                let record = Found {
                    bytes,
                    is_known: taken.flatten().is_some() && !is_twice,
                };
                found.insert(head.number, record);
            }
            at += bytes;
        }
        Ok(found)
    }

    fn start_of(&self, segment: usize) -> u64 {
        START + segment as u64 * self.segment_bytes
    }

    fn head_at(&self, at: u64) -> Result<Option<Head>, Trouble> {
        let mut block = [0; ROOM_BYTES];
        self.file.read(at, &mut block)?;
        Ok(head(&block, &self.store, at))
    }

    // The record that begins here, if it is whole.
    fn record_at<'b>(
        &self,
        buffer: &'b mut Window,
        at: u64,
        end: u64,
    ) -> Result<Option<(Head, &'b [u8])>, Trouble> {
        let block = buffer.get(&self.file, at, ROOM_BYTES, end)?;
        let Some(head) = head(block, &self.store, at) else {
            return Ok(None);
        };
        if head.record_bytes() > end - at {
            return Ok(None);
        }
        let record = buffer.get(&self.file, at, ROOM_BYTES + head.row_bytes, end)?;
        let row = &record[ROOM_BYTES..];
        Ok(batch::is_whole(row).then_some((head, row)))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // Nothing is written here, so nothing can fail that matters.
        let _ = self.file.close();
    }
}

/// The number with which the segment begins that was begun next after the one that begins with `first`.
fn next_begun(firsts: &[Option<u64>], first: u64) -> Option<u64> {
    let later = firsts.iter().flatten().filter(|other| **other > first);
    later.min().copied()
}

/// A record after the watermark.
#[derive(Debug)]
struct Found {
    bytes: u64,
    /// False: it is there twice, or another batch's.
    is_known: bool,
}

/// A part of the file in memory.
#[derive(Debug, Default)]
struct Window {
    at: u64,
    bytes: Vec<u8>,
}

impl Window {
    const BYTES: u64 = 4 * 1024 * 1024;

    // `count` bytes from `at` on, which must lie before `end`.
    fn get(&mut self, file: &Backend, at: u64, count: usize, end: u64) -> io::Result<&[u8]> {
        let is_held = at >= self.at && at + count as u64 <= self.at + self.bytes.len() as u64;
        if !is_held {
            let wanted = (count as u64).max(Self::BYTES).min(end - at);
            self.bytes.resize(wanted as usize, 0);
            self.at = at;
            file.read(at, &mut self.bytes)?;
        }
        let from = (at - self.at) as usize;
        Ok(&self.bytes[from..from + count])
    }
}
