//! A store in a directory of the file system.
//!
//! Owns the directory, its `LOCK` file, the rewriting of files after a failed sync, and what the kernel is told about
//! how a file will be read. Never knows what is in the files.

use std::any::Any;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use redb::StorageBackend;
use redb::backends::FileBackend;

use crate::disk::{Disk, LockError};
use crate::header::Kind;

/// Held for as long as the store is open; its content means nothing.
const LOCK_FILE: &str = "LOCK";
/// Exists while a sync has failed and the files were not yet rewritten.
const UNSETTLED_FILE: &str = "SYNC-FAILED";
/// Suffix of a copy that is not yet complete.
const COPY_SUFFIX: &str = "copy";

/// A store in a directory, which is created if absent.
#[derive(Clone, Debug)]
pub struct FileDisk {
    dir: PathBuf,
}

impl FileDisk {
    /// The store in `dir`. Touches nothing yet.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    // A new name is durable only once its directory is.
    fn sync_dir(&self) -> io::Result<()> {
        #[cfg(unix)]
        File::open(&self.dir)?.sync_all()?;
        Ok(())
    }

    fn rewrite(&self, name: &str) -> io::Result<()> {
        let path = self.dir.join(name);
        let copy = self.dir.join(format!("{name}.{COPY_SUFFIX}"));
        fs::copy(&path, &copy)?;
        File::options().write(true).open(&copy)?.sync_all()?;
        fs::rename(&copy, &path)?;
        self.sync_dir()
    }
}

impl Disk for FileDisk {
    fn open(&self, name: &str) -> io::Result<Box<dyn StorageBackend>> {
        let path = self.dir.join(name);
        let is_new = !path.try_exists()?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        if is_new {
            file.sync_all()?;
            self.sync_dir()?;
        }
        if name == Kind::Dialogs.file() {
            expect_scattered_reads(&file);
        }
        let backend = FileBackend::new(file).map_err(io::Error::other)?;
        Ok(Box::new(backend))
    }

    fn holds(&self, name: &str) -> io::Result<bool> {
        match fs::metadata(self.dir.join(name)) {
            Ok(found) => Ok(found.len() > 0),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn lock(&self) -> Result<Box<dyn Any + Send + Sync>, LockError> {
        let failed = |path: &Path, cause| LockError::Io {
            path: path.display().to_string(),
            cause,
        };
        if self.dir.is_file() {
            let cause = io::Error::new(io::ErrorKind::NotADirectory, "a file, and no directory");
            return Err(failed(&self.dir, cause));
        }
        fs::create_dir_all(&self.dir).map_err(|cause| failed(&self.dir, cause))?;
        let path = self.dir.join(LOCK_FILE);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|cause| failed(&path, cause))?;
        match file.try_lock() {
            // Closing the file releases the lock, also when the process is killed.
            Ok(()) => Ok(Box::new(file)),
            Err(TryLockError::WouldBlock) => Err(LockError::Held {
                at: self.describe(),
            }),
            Err(TryLockError::Error(cause)) => Err(failed(&path, cause)),
        }
    }

    fn describe(&self) -> String {
        self.dir.display().to_string()
    }

    fn mark_unsettled(&self) {
        // The disk is failing; if even this cannot be written there is nothing better to do here.
        if let Ok(file) = File::create(self.dir.join(UNSETTLED_FILE)) {
            let _ = file.sync_all();
            let _ = self.sync_dir();
        }
    }

    fn settle(&self) -> io::Result<()> {
        let marker = self.dir.join(UNSETTLED_FILE);
        if !marker.try_exists()? {
            return Ok(());
        }
        for entry in fs::read_dir(&self.dir)? {
            let name = entry?.file_name();
            if let Some(name) = name.to_str()
                && Path::new(name)
                    .extension()
                    .is_some_and(|e| e == "redb" || e == "log")
            {
                self.rewrite(name)?;
            }
        }
        fs::remove_file(&marker)?;
        self.sync_dir()
    }
}

/// Tells the kernel that a file's pages will be read one by one, in no order.
///
/// Reading ahead would bring pages that nobody asked for, and bring them in folios of up to 2 MiB: each later write of one
/// page then goes through the whole folio, and a fold costs four times as much (measured on ext4, with 8 MiB of
/// read-ahead). Advice only: where it is refused, everything works as before.
fn expect_scattered_reads(file: &File) {
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Random);
    #[cfg(not(target_os = "linux"))]
    let _ = file;
}
