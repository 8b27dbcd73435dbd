//! What the kernel says about this process and its files.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    process::Command,
};

use rustix::fs::Advice;

fn field(file: &str, name: &str) -> Result<u64, String> {
    let text = fs::read_to_string(file).map_err(|cause| format!("{file}: {cause}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or(format!("{file} has no `{name}`"))
}

/// Memory of this process that is there now.
pub(crate) fn resident_bytes() -> Result<u64, String> {
    Ok(1024 * field("/proc/self/status", "VmRSS:")?)
}

/// Bytes that this process has handed to the kernel in writes so far.
pub(crate) fn written_bytes() -> Result<u64, String> {
    field("/proc/self/io", "wchar:")
}

/// Bytes that a directory's files take on the disk.
pub(crate) fn disk_bytes(directory: &Path) -> Result<u64, String> {
    use std::os::unix::fs::MetadataExt;
    let mut sum = 0;
    for file in files(directory)? {
        let known = fs::metadata(&file).map_err(|cause| of(&file, &cause))?;
        sum += 512 * known.blocks();
    }
    Ok(sum)
}

/// Which part of a file the page cache has, as `fincore` of util-linux sees it.
pub(crate) fn cached_part(file: &Path) -> Result<f64, String> {
    let length = fs::metadata(file).map_err(|cause| cause.to_string())?.len();
    let output = Command::new("fincore")
        .args(["--bytes", "--noheadings", "--output", "RES"])
        .arg(file)
        .output()
        .map_err(|cause| format!("`fincore` of util-linux is wanted: {cause}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let cached: f64 = text
        .trim()
        .parse()
        .map_err(|_| format!("fincore says `{}`", text.trim()))?;
    Ok(cached / length.max(1) as f64)
}

/// Drops a file from the page cache, after its pages are on the disk.
pub(crate) fn evict(file: &Path) -> Result<(), String> {
    let synced = fs::File::open(file).and_then(|file| file.sync_all());
    synced.map_err(|cause| cause.to_string())?;
    // GNU dd's way to say POSIX_FADV_DONTNEED for a whole file.
    let status = Command::new("dd")
        .arg(format!("if={}", file.display()))
        .args(["iflag=nocache", "count=0", "status=none"])
        .status()
        .map_err(|cause| format!("`dd` of coreutils is wanted: {cause}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("dd failed on {}", file.display()))
    }
}

/// Bytes read at a time where a file is warmed.
const WARMING_BYTES: usize = 1 << 20;

/// Reads a file, so that all of it is in the page cache: page by page, as a database reads and writes it. Pages that were
/// read ahead lie there in folios of up to 2 MiB, and each write of one page goes through the whole folio.
pub(crate) fn warm(file: &Path) -> Result<(), String> {
    let read = || {
        let mut file = fs::File::open(file)?;
        rustix::fs::fadvise(&file, 0, None, Advice::Random)?;
        let mut bytes = vec![0; WARMING_BYTES];
        while file.read(&mut bytes)? > 0 {}
        Ok(())
    };
    read().map_err(|cause| of(file, &cause))
}

/// The files of a directory.
pub(crate) fn files(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(directory).map_err(|cause| of(directory, &cause))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    paths
        .collect::<io::Result<_>>()
        .map_err(|cause| of(directory, &cause))
}

fn of(path: &Path, cause: &io::Error) -> String {
    format!("{}: {cause}", path.display())
}
