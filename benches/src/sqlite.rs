//! An inbox and an outbox in SQLite: WAL, synchronous FULL, one transaction for each message.

use std::{path::Path, time::Instant};

use rusqlite::{Connection, params};

use crate::{
    ours::{ANSWER_BYTES, MEMO_BYTES, STATE_BYTES},
    rounds::percentile,
};

pub(crate) struct Sqlite {
    connection: Connection,
    next: i64,
}

impl Sqlite {
    pub(crate) fn new(directory: &Path) -> Result<Self, String> {
        let opened = || -> rusqlite::Result<(Connection, String, i64)> {
            let connection = Connection::open(directory.join("sqlite.db"))?;
            let mode = connection
                .query_row("PRAGMA journal_mode=WAL", [], |row| row.get::<_, String>(0))?;
            connection.execute_batch("PRAGMA synchronous=FULL")?;
            let synchronous =
                connection.query_row("PRAGMA synchronous", [], |row| row.get::<_, i64>(0))?;
            connection.execute_batch(
                "CREATE TABLE inbox(dialog INTEGER, seq INTEGER, body BLOB, PRIMARY KEY(dialog, seq)) WITHOUT ROWID;
                 CREATE TABLE states(dialog INTEGER PRIMARY KEY, seq INTEGER, body BLOB);
                 CREATE TABLE outbox(dialog INTEGER, seq INTEGER, body BLOB, PRIMARY KEY(dialog, seq)) WITHOUT ROWID;",
            )?;
            Ok((connection, mode, synchronous))
        };
        let (connection, mode, synchronous) = opened().map_err(|cause| cause.to_string())?;
        if mode != "wal" || synchronous != 2 {
            return Err(format!(
                "SQLite says journal_mode={mode}, synchronous={synchronous}; wal and 2 were asked for"
            ));
        }
        Ok(Self {
            connection,
            next: 0,
        })
    }

    fn post(&mut self, dialog: i64) -> rusqlite::Result<()> {
        self.next += 1;
        let seq = self.next;
        let transaction = self.connection.transaction()?;
        let new = transaction
            .prepare_cached("INSERT OR IGNORE INTO inbox VALUES(?1, ?2, ?3)")?
            .execute(params![dialog, seq, [7_u8; MEMO_BYTES]])?;
        if new == 1 {
            transaction
                .prepare_cached(
                    "INSERT INTO states VALUES(?1, ?2, ?3)
                     ON CONFLICT(dialog) DO UPDATE SET seq = excluded.seq, body = excluded.body",
                )?
                .execute(params![dialog, seq, [1_u8; STATE_BYTES]])?;
            transaction
                .prepare_cached("INSERT INTO outbox VALUES(?1, ?2, ?3)")?
                .execute(params![dialog, seq, [9_u8; ANSWER_BYTES]])?;
        }
        transaction.commit()
    }

    /// The version of the library.
    pub(crate) fn version() -> &'static str {
        rusqlite::version()
    }

    /// Every message left its answer, once.
    pub(crate) fn check(&self) -> Result<(), String> {
        let count = "SELECT count(*) FROM outbox";
        let count: i64 = self
            .connection
            .query_row(count, [], |row| row.get(0))
            .map_err(|cause| cause.to_string())?;
        if count == self.next {
            Ok(())
        } else {
            Err(format!("{} messages left {count} answers", self.next))
        }
    }

    /// p50 and p99 of a message in microseconds.
    pub(crate) fn latencies(&mut self, count: usize) -> Result<Vec<f64>, String> {
        let mut latencies = Vec::with_capacity(count);
        for _ in 0..count {
            let begun = Instant::now();
            self.post(1).map_err(|cause| cause.to_string())?;
            latencies.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        Ok(vec![
            percentile(&mut latencies, 0.5),
            percentile(&mut latencies, 0.99),
        ])
    }

    /// Messages a second, over so many dialogs.
    pub(crate) fn rate(&mut self, dialogs: i64, count: usize) -> Result<f64, String> {
        let begun = Instant::now();
        for n in 0..count as i64 {
            self.post(n % dialogs).map_err(|cause| cause.to_string())?;
        }
        Ok(count as f64 / begun.elapsed().as_secs_f64())
    }
}
