//! What the disk charges: appending to a file that is there already, and `fdatasync`.

use std::{
    fs::File,
    io::{Seek, SeekFrom, Write},
    path::Path,
    time::Instant,
};

use crate::rounds::percentile;

/// A preallocated, pre-written file, written from its beginning again when it is full.
pub(crate) struct Floor {
    file: File,
    at: u64,
    size: u64,
}

impl Floor {
    pub(crate) fn new(directory: &Path) -> Result<Self, String> {
        const SIZE: u64 = 64 << 20;
        let made = || -> std::io::Result<File> {
            let mut file = File::create(directory.join("floor"))?;
            let block = vec![0xA5; 1 << 20];
            for _ in 0..SIZE >> 20 {
                file.write_all(&block)?;
            }
            file.sync_all()?;
            Ok(file)
        };
        Ok(Self {
            file: made().map_err(|cause| format!("cannot make the file of the floor: {cause}"))?,
            at: 0,
            size: SIZE,
        })
    }

    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        if self.at + bytes.len() as u64 > self.size {
            self.at = 0;
        }
        self.file.seek(SeekFrom::Start(self.at))?;
        self.file.write_all(bytes)?;
        self.at += bytes.len() as u64;
        self.file.sync_data()
    }

    /// Microseconds of each of `count` appends.
    pub(crate) fn latencies(&mut self, bytes: usize, count: usize) -> Result<Vec<f64>, String> {
        let block = vec![0x5A; bytes];
        let mut latencies = Vec::with_capacity(count);
        for _ in 0..count {
            let begun = Instant::now();
            self.append(&block).map_err(|cause| cause.to_string())?;
            latencies.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        Ok(latencies)
    }

    /// p50 and p99 of [`Self::latencies`].
    pub(crate) fn percentiles(&mut self, bytes: usize, count: usize) -> Result<Vec<f64>, String> {
        let mut latencies = self.latencies(bytes, count)?;
        Ok(vec![
            percentile(&mut latencies, 0.5),
            percentile(&mut latencies, 0.99),
        ])
    }
}
