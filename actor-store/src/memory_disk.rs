//! A disk in memory that crashes, fails and counts, for tests of what survives.
//!
//! Owns several [`File`]s that share one plan of faults. Writes go to a volatile cache and become
//! durable with `sync_data` only. Never loses what was synced.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

use crate::disk::{Disk, LockError};
use crate::fault::lock;
use crate::image::Image;
use crate::memory_file::{File, Op, Random};
use crate::pages::Pages;
use crate::recording::{Deed, Event, Recording};

/// What a crash does to writes that were not yet synced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Crash {
    /// Loses all of them.
    LoseUnsynced,
    /// Keeps an arbitrary part of them, torn at borders of 512 bytes, the same for the same seed.
    KeepSome(u64),
    /// Keeps all but the last, of which an arbitrary number of 512-byte sectors arrived.
    TearLast(u64),
    /// Keeps all of them: the process died and the machine did not.
    KeepAll,
}

/// What went to a file, or to all of them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Counts {
    /// Calls of `sync_data`, failed ones included.
    pub syncs: u64,
    /// Calls of `write`, failed ones included.
    pub writes: u64,
    /// Bytes written.
    pub bytes_written: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        self.syncs += other.syncs;
        self.writes += other.writes;
        self.bytes_written += other.bytes_written;
    }
}

impl State {
    /// Counts a change of a file. An error if the power is gone.
    fn change(&mut self) -> io::Result<()> {
        match &mut self.changes_left {
            Some(0) => Err(io::Error::other("injected: the power is gone")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, File>,
    syncs_left: Option<u64>,
    bytes_left: Option<u64>,
    changes_left: Option<u64>,
    locked: bool,
    recording: Option<Recording>,
}

impl State {
    fn note(&mut self, file: &str, deed: impl FnOnce() -> Deed) {
        if let Some(recording) = &mut self.recording {
            recording.events.push(Event {
                file: file.into(),
                deed: deed(),
            });
        }
    }

    fn image(&self) -> Image {
        let files = self.files.iter();
        Image {
            files: files
                .map(|(name, file)| (name.as_str().into(), file.pages().clone()))
                .collect(),
        }
    }
}

/// A disk in memory. Clones share the files; so do the backends of open stores.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

impl MemoryDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// A disk with these files, all of them durable.
    pub fn from_images(images: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let disk = Self::new();
        let files = images
            .into_iter()
            .map(|(name, image)| (name, File::new(Pages::new(&image))));
        lock(&disk.state).files.extend(files);
        disk
    }

    /// A disk with this content, all of it durable.
    pub fn from_image(image: &Image) -> Self {
        let disk = Self::new();
        disk.restore(image);
        disk
    }

    /// Replaces the content, durably. For a disk on which no store is open.
    pub fn restore(&self, image: &Image) {
        let files = image.files.iter();
        lock(&self.state).files = files
            .map(|(name, pages)| (name.to_string(), File::new(pages.clone())))
            .collect();
    }

    /// Begins to record, from what a reader sees now.
    pub fn record(&self) {
        let mut state = lock(&self.state);
        state.recording = Some(Recording {
            start: state.image(),
            events: Vec::new(),
        });
    }

    /// What was recorded so far; nothing if it was not begun.
    pub fn recording(&self) -> Recording {
        lock(&self.state).recording.clone().unwrap_or_default()
    }

    /// How many events were recorded so far.
    pub fn recorded(&self) -> usize {
        let state = lock(&self.state);
        state.recording.as_ref().map_or(0, |all| all.events.len())
    }

    /// What a restarted machine finds if it crashed now: another disk, unlocked and without faults.
    /// This one is left as it is.
    #[must_use]
    pub fn crash(&self, how: Crash) -> Self {
        let state = lock(&self.state);
        let mut random = Random::new(match how {
            Crash::KeepSome(seed) | Crash::TearLast(seed) => seed,
            Crash::LoseUnsynced | Crash::KeepAll => 0,
        });
        let images = state
            .files
            .iter()
            .map(|(name, file)| (name.as_str().into(), file.survivor(how, &mut random)));
        Self::from_image(&Image {
            files: images.collect(),
        })
    }

    /// The `k`-th sync from now, counted over all files and from 1, fails and makes nothing durable, and
    /// so does every later one.
    pub fn fail_sync_at(&self, k: u64) {
        lock(&self.state).syncs_left = Some(k.saturating_sub(1));
    }

    /// After `bytes` more bytes every write fails for lack of space.
    pub fn fail_write_after(&self, bytes: u64) {
        lock(&self.state).bytes_left = Some(bytes);
    }

    /// After `changes` more writes, syncs and changes of length, over all files, the power goes: every later one fails.
    /// [`MemoryDisk::crash`] tells what is left then.
    pub fn lose_power_after(&self, changes: u64) {
        lock(&self.state).changes_left = Some(changes);
    }

    /// Takes back what was planned to fail and has not yet. What has failed stays failed for whoever met it.
    pub fn mend(&self) {
        let mut state = lock(&self.state);
        state.syncs_left = None;
        state.bytes_left = None;
        state.changes_left = None;
    }

    /// The power stays on after all. True if it had gone.
    pub fn keep_power(&self) -> bool {
        lock(&self.state).changes_left.take() == Some(0)
    }

    /// What went to one file.
    pub fn counts(&self, file: &str) -> Counts {
        let state = lock(&self.state);
        state
            .files
            .get(file)
            .map_or_else(Counts::default, |file| file.counts)
    }

    /// What went to all files.
    pub fn total(&self) -> Counts {
        let mut total = Counts::default();
        for file in lock(&self.state).files.values() {
            total.add(file.counts);
        }
        total
    }

    /// Syncs of all files.
    pub fn syncs(&self) -> u64 {
        self.total().syncs
    }

    /// Writes to all files.
    pub fn writes(&self) -> u64 {
        self.total().writes
    }

    /// Bytes written to all files.
    pub fn bytes_written(&self) -> u64 {
        self.total().bytes_written
    }

    /// Damages a file, durably: `change` gets the bytes from `offset` on, none if the file is shorter.
    pub fn corrupt(&self, file: &str, offset: usize, change: impl FnOnce(&mut [u8])) {
        let mut state = lock(&self.state);
        if let Some(file) = state.files.get_mut(file) {
            let mut image = file.pages().to_vec();
            change(image.get_mut(offset..).unwrap_or_default());
            file.replace(&image);
        }
    }

    /// Cuts a file to `length` bytes, durably.
    pub fn truncate(&self, file: &str, length: usize) {
        let mut state = lock(&self.state);
        if let Some(file) = state.files.get_mut(file) {
            let mut image = file.pages().to_vec();
            image.truncate(length);
            file.replace(&image);
        }
    }

    /// What a reader of the file sees now, unsynced writes included; empty if there is no such file.
    pub fn image(&self, file: &str) -> Vec<u8> {
        let state = lock(&self.state);
        state
            .files
            .get(file)
            .map_or_else(Vec::new, |file| file.pages().to_vec())
    }

    /// All files as a reader sees them now, for [`MemoryDisk::from_images`].
    pub fn images(&self) -> Vec<(String, Vec<u8>)> {
        let state = lock(&self.state);
        let images = state.files.iter();
        images
            .map(|(name, file)| (name.clone(), file.pages().to_vec()))
            .collect()
    }
}

impl Disk for MemoryDisk {
    fn open(&self, name: &str) -> io::Result<Box<dyn StorageBackend>> {
        lock(&self.state).files.entry(name.to_owned()).or_default();
        Ok(Box::new(Handle {
            state: Arc::clone(&self.state),
            name: name.to_owned(),
        }))
    }

    fn holds(&self, name: &str) -> io::Result<bool> {
        let state = lock(&self.state);
        Ok(state
            .files
            .get(name)
            .is_some_and(|file| file.pages().len() > 0))
    }

    fn lock(&self) -> Result<Box<dyn Any + Send + Sync>, LockError> {
        let mut state = lock(&self.state);
        if state.locked {
            return Err(LockError::Held {
                at: self.describe(),
            });
        }
        state.locked = true;
        Ok(Box::new(Guard(Arc::clone(&self.state))))
    }

    fn committed(&self, batch: u64, row: &[u8]) {
        lock(&self.state).note("", || Deed::Committed(batch, row.into()));
    }

    fn describe(&self) -> String {
        "memory".to_owned()
    }
}

struct Guard(Arc<Mutex<State>>);

impl Drop for Guard {
    fn drop(&mut self) {
        lock(&self.0).locked = false;
    }
}

#[derive(Debug)]
struct Handle {
    state: Arc<Mutex<State>>,
    name: String,
}

impl Handle {
    fn file<'s>(&self, state: &'s mut State) -> io::Result<&'s mut File> {
        let file = state.files.get_mut(&self.name);
        file.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file(&mut lock(&self.state))?.pages().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file(&mut lock(&self.state))?.pages().read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.change()?;
        self.file(&mut state)?.push(Op::SetLen(len as usize));
        state.note(&self.name, || Deed::SetLen(len as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.change()?;
        let fails = match &mut state.syncs_left {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        };
        let file = self.file(&mut state)?;
        file.counts.syncs += 1;
        if fails {
            return Err(io::Error::other("injected: sync failed"));
        }
        file.sync();
        state.note(&self.name, || Deed::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.change()?;
        let len = data.len() as u64;
        let is_full = match &mut state.bytes_left {
            Some(left) if *left < len => {
                *left = 0;
                true
            }
            Some(left) => {
                *left -= len;
                false
            }
            None => false,
        };
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let file = self.file(&mut state)?;
        file.counts.writes += 1;
        if is_full {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                "injected: no space left on device",
            ));
        }
        file.counts.bytes_written += len;
        let data: Arc<[u8]> = data.into();
        file.push(Op::Write(offset, Arc::clone(&data)));
        state.note(&self.name, || Deed::Write(offset, data));
        Ok(())
    }
}
