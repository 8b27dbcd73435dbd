//! Everything that was done to the files of a disk, in order, and every image that a crash could have left.
//!
//! Owns the rule of what a crash may do: what was synced is there, and of the rest any part, each write whole, torn or
//! not at all. Never opens an image.

use std::sync::Arc;

use crate::image::Image;
use crate::memory_file::{Op, Random, SECTOR_BYTES};

/// One thing that happened to a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Which file; empty for [`Deed::Committed`], which is no file's.
    pub file: Arc<str>,
    /// What was done.
    pub deed: Deed,
}

/// What can happen to a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Bytes were written at an offset.
    Write(usize, Arc<[u8]>),
    /// The file got another length.
    SetLen(usize),
    /// Everything before it is durable, in this file.
    Sync,
    /// The store reported a batch as committed: its number, and its journal row as it was in memory.
    Committed(u64, Arc<[u8]>),
}

/// What became of a write at a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// Nothing of it.
    Not,
    /// All of it.
    Whole,
    /// So many bytes from its beginning.
    Head(usize),
    /// All but so many bytes from its beginning.
    Tail(usize),
    /// Some of its sectors, as the seed says.
    Sectors(u64),
}

/// The life of a disk.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// What was there when it began.
    pub start: Image,
    /// What happened since.
    pub events: Vec<Event>,
}

impl Recording {
    /// At the beginning of it.
    pub fn replay(&self) -> Replay<'_> {
        Replay {
            recording: self,
            at: 0,
            durable: self.start.clone(),
            unsynced: Vec::new(),
        }
    }
}

/// A moment of a recording: what is durable and what is not.
#[derive(Clone, Debug)]
pub struct Replay<'r> {
    recording: &'r Recording,
    at: usize,
    durable: Image,
    unsynced: Vec<usize>,
}

impl<'r> Replay<'r> {
    /// How many events lie behind.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Goes on by one event, and says which.
    pub fn advance(&mut self) -> Option<&'r Event> {
        let events = &self.recording.events;
        let event = events.get(self.at)?;
        match event.deed {
            Deed::Write(..) | Deed::SetLen(_) => self.unsynced.push(self.at),
            Deed::Sync => {
                let durable = &mut self.durable;
                self.unsynced.retain(|&index| {
                    let is_other = events[index].file != event.file;
                    if !is_other {
                        arrive(durable, &events[index], Arrived::Whole);
                    }
                    is_other
                });
                // A sync makes the file itself durable, even an empty one.
                durable.file_mut(&event.file);
            }
            Deed::Committed(..) => {}
        }
        self.at += 1;
        Some(event)
    }

    /// The writes and changes of length that are not yet durable, oldest first.
    pub fn unsynced(&self) -> impl ExactSizeIterator<Item = &'r Event> + '_ {
        let events = &self.recording.events;
        self.unsynced.iter().map(|&index| &events[index])
    }

    /// The image that a crash leaves if this became of each unsynced event, by its place in [`Replay::unsynced`].
    pub fn crash(&self, fate: impl Fn(usize) -> Arrived) -> Image {
        let mut image = self.durable.clone();
        for (place, event) in self.unsynced().enumerate() {
            arrive(&mut image, event, fate(place));
        }
        image
    }
}

fn arrive(image: &mut Image, event: &Event, how: Arrived) {
    let op = match &event.deed {
        Deed::Write(offset, data) => Op::Write(*offset, Arc::clone(data)),
        Deed::SetLen(len) => Op::SetLen(*len),
        Deed::Sync | Deed::Committed(..) => return,
    };
    let pages = match how {
        Arrived::Not => return,
        _ => image.file_mut(&event.file),
    };
    match (how, &op) {
        (Arrived::Head(bytes), Op::Write(offset, data)) => {
            pages.write(*offset, &data[..bytes.min(data.len())]);
        }
        (Arrived::Tail(bytes), Op::Write(offset, data)) => {
            let bytes = bytes.min(data.len());
            pages.write(offset + bytes, &data[bytes..]);
        }
        (Arrived::Sectors(seed), _) => op.apply_torn(pages, &mut Random::new(seed)),
        _ => op.apply(pages),
    }
}

impl Event {
    /// Where a sector ends within this write, nearest to its middle; `None` if it lies within one sector.
    pub fn sector_border(&self) -> Option<usize> {
        let Deed::Write(offset, data) = &self.deed else {
            return None;
        };
        let middle = offset + data.len() / 2;
        let border = (middle + SECTOR_BYTES / 2) / SECTOR_BYTES * SECTOR_BYTES;
        border
            .checked_sub(*offset)
            .filter(|at| *at > 0 && *at < data.len())
    }

    /// Does it write at least the bytes that an earlier one wrote?
    pub fn covers(&self, earlier: &Self) -> bool {
        let (Deed::Write(at, data), Deed::Write(from, old)) = (&self.deed, &earlier.deed) else {
            return false;
        };
        self.file == earlier.file && at <= from && at + data.len() >= from + old.len()
    }

    /// Bytes that it writes.
    pub fn bytes(&self) -> usize {
        match &self.deed {
            Deed::Write(_, data) => data.len(),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(file: &str, deed: Deed) -> Event {
        Event {
            file: file.into(),
            deed,
        }
    }

    fn write(file: &str, offset: usize, byte: u8, len: usize) -> Event {
        event(file, Deed::Write(offset, vec![byte; len].into()))
    }

    #[test]
    fn what_was_synced_is_there_and_of_the_rest_what_arrived() {
        let events = vec![
            write("a", 0, 1, 1024),
            write("b", 0, 2, 4),
            event("a", Deed::Sync),
            write("a", 512, 3, 1024),
        ];
        let recording = Recording {
            start: Image::default(),
            events,
        };
        let mut replay = recording.replay();
        while replay.advance().is_some() {}
        assert_eq!(replay.unsynced().len(), 2, "a sync is of one file");
        let read =
            |image: &Image, file: &str| image.files.get(file).map(crate::pages::Pages::to_vec);
        let none = replay.crash(|_| Arrived::Not);
        assert_eq!(read(&none, "a"), Some(vec![1; 1024]));
        assert_eq!(read(&none, "b"), None);
        let last = recording.events.last().unwrap();
        assert_eq!(last.sector_border(), Some(512));
        let torn = replay.crash(|place| match place {
            0 => Arrived::Whole,
            _ => Arrived::Tail(512),
        });
        assert_eq!(read(&torn, "b"), Some(vec![2; 4]));
        let mut expected = vec![1; 1024];
        expected.resize(1536, 3);
        assert_eq!(read(&torn, "a"), Some(expected));
        let head = replay.crash(|place| {
            if place == 1 {
                Arrived::Head(1)
            } else {
                Arrived::Not
            }
        });
        assert_eq!(read(&head, "a").unwrap()[511..514], [1, 3, 1]);
        assert_ne!(none.fingerprint(), torn.fingerprint());
    }
}
