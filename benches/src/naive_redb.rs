//! What comes to mind first: the state in one redb table, a durable transaction for each message.

use std::{path::Path, time::Instant};

use redb::{Database, ReadableTable, TableDefinition};

use crate::{
    ours::{ANSWER_BYTES, MEMO_BYTES, STATE_BYTES},
    rounds::percentile,
};

const INBOX: TableDefinition<'_, (u128, u64), &[u8]> = TableDefinition::new("inbox");
const STATES: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("states");
const OUTBOX: TableDefinition<'_, (u128, u64), &[u8]> = TableDefinition::new("outbox");

pub(crate) struct Naive {
    database: Database,
    next: u64,
}

impl Naive {
    pub(crate) fn new(directory: &Path) -> Result<Self, String> {
        // As much page cache as a node has.
        let cache = actor_store::Options::default().cache_bytes;
        let database = Database::builder()
            .set_cache_size(cache)
            .create(directory.join("naive.redb"));
        Ok(Self {
            database: database.map_err(|cause| cause.to_string())?,
            next: 0,
        })
    }

    /// One message of one dialog, durable when this returns.
    pub(crate) fn post(&mut self, dialog: u128) -> Result<(), String> {
        self.next += 1;
        let seq = self.next;
        let done = || -> Result<(), redb::Error> {
            let transaction = self.database.begin_write()?;
            {
                let mut inbox = transaction.open_table(INBOX)?;
                if inbox.insert((dialog, seq), &[7; MEMO_BYTES][..])?.is_some() {
                    return Ok(());
                }
                let mut states = transaction.open_table(STATES)?;
                let mut state = states
                    .get(dialog)?
                    .map_or_else(|| vec![0; STATE_BYTES], |state| state.value().to_vec());
                state[..8].copy_from_slice(&seq.to_le_bytes());
                states.insert(dialog, &state[..])?;
                let mut outbox = transaction.open_table(OUTBOX)?;
                outbox.insert((dialog, seq), &[9; ANSWER_BYTES][..])?;
            }
            transaction.commit()?;
            Ok(())
        };
        done().map_err(|cause| cause.to_string())
    }

    /// p50 and p99 of a message in microseconds.
    pub(crate) fn latencies(&mut self, count: usize) -> Result<Vec<f64>, String> {
        let mut latencies = Vec::with_capacity(count);
        for _ in 0..count {
            let begun = Instant::now();
            self.post(1)?;
            latencies.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        Ok(vec![
            percentile(&mut latencies, 0.5),
            percentile(&mut latencies, 0.99),
        ])
    }

    /// So many dialogs that exist, written in a few large transactions.
    pub(crate) fn fill(&mut self, dialogs: u128) -> Result<(), String> {
        const AT_ONCE: u128 = 50_000;
        let filled = || -> Result<(), redb::Error> {
            for first in (0..dialogs).step_by(AT_ONCE as usize) {
                let transaction = self.database.begin_write()?;
                {
                    let mut states = transaction.open_table(STATES)?;
                    for dialog in first..dialogs.min(first + AT_ONCE) {
                        states.insert(scattered(dialog), &[1; STATE_BYTES][..])?;
                    }
                }
                transaction.commit()?;
            }
            Ok(())
        };
        filled().map_err(|cause| cause.to_string())
    }

    /// Messages a second, uniform over dialogs that [`Self::fill`] made.
    pub(crate) fn rate_over(&mut self, dialogs: impl Iterator<Item = u64>) -> Result<f64, String> {
        let (begun, mut count) = (Instant::now(), 0);
        for dialog in dialogs {
            self.post(scattered(dialog.into()))?;
            count += 1;
        }
        Ok(f64::from(count) / begun.elapsed().as_secs_f64())
    }

    /// Messages a second, over so many dialogs.
    pub(crate) fn rate(&mut self, dialogs: u128, count: usize) -> Result<f64, String> {
        let begun = Instant::now();
        for n in 0..count as u128 {
            self.post(n % dialogs)?;
        }
        Ok(count as f64 / begun.elapsed().as_secs_f64())
    }
}

/// Ids of dialogs are random, so keys lie anywhere.
fn scattered(dialog: u128) -> u128 {
    dialog
        .wrapping_add(1)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
}
