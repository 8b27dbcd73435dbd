//! An inbox and an outbox in PostgreSQL: what people use today. Runs if `PG_URL` names a server.

use std::{
    cell::Cell,
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
    time::Instant,
};

use tokio::{runtime::Runtime, task::LocalSet};
use tokio_postgres::{Client, NoTls, Statement};

use crate::{
    ours::{ANSWER_BYTES, MEMO_BYTES, STATE_BYTES},
    rounds::percentile,
    scheduling,
};

const TABLES: &str = "
    DROP TABLE IF EXISTS bench_inbox, bench_states, bench_outbox;
    CREATE TABLE bench_inbox(dialog bigint, seq bigint, body bytea, PRIMARY KEY(dialog, seq));
    CREATE TABLE bench_states(dialog bigint PRIMARY KEY, seq bigint, body bytea);
    CREATE TABLE bench_outbox(dialog bigint, seq bigint, body bytea, PRIMARY KEY(dialog, seq));";

const CTE: &str = "
    WITH new AS (
        INSERT INTO bench_inbox VALUES($1, $2, $3) ON CONFLICT DO NOTHING RETURNING 1
    ), state AS (
        INSERT INTO bench_states SELECT $1, $2, $4 FROM new
        ON CONFLICT(dialog) DO UPDATE SET seq = excluded.seq, body = excluded.body
    )
    INSERT INTO bench_outbox SELECT $1, $2, $5 FROM new";

/// Connections, with their statements prepared.
pub(crate) struct Postgres<'a> {
    runtime: &'a Runtime,
    lines: Vec<Line>,
}

/// Are the tables made?
static MADE: AtomicBool = AtomicBool::new(false);
/// The next message's number. All connections write into one set of tables, and a number that was used before would be
/// a duplicate, which costs nothing.
static NEXT: AtomicI64 = AtomicI64::new(1);

struct Line {
    client: Client,
    cte: Statement,
    inbox: Statement,
    state: Statement,
    outbox: Statement,
}

impl Line {
    async fn open(url: &str) -> Result<Self, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        Ok(Self {
            cte: client.prepare(CTE).await?,
            inbox: client
                .prepare("INSERT INTO bench_inbox VALUES($1, $2, $3) ON CONFLICT DO NOTHING")
                .await?,
            state: client
                .prepare(
                    "INSERT INTO bench_states VALUES($1, $2, $3)
                     ON CONFLICT(dialog) DO UPDATE SET seq = excluded.seq, body = excluded.body",
                )
                .await?,
            outbox: client
                .prepare("INSERT INTO bench_outbox VALUES($1, $2, $3)")
                .await?,
            client,
        })
    }

    async fn cte(&self, dialog: i64, seq: i64) -> Result<(), tokio_postgres::Error> {
        let (memo, state, answer) = bodies();
        self.client
            .execute(&self.cte, &[&dialog, &seq, &memo, &state, &answer])
            .await
            .map(drop)
    }

    async fn statements(&self, dialog: i64, seq: i64) -> Result<(), tokio_postgres::Error> {
        let (memo, state, answer) = bodies();
        self.client.batch_execute("BEGIN").await?;
        let new = self
            .client
            .execute(&self.inbox, &[&dialog, &seq, &memo])
            .await?;
        if new == 1 {
            self.client
                .execute(&self.state, &[&dialog, &seq, &state])
                .await?;
            self.client
                .execute(&self.outbox, &[&dialog, &seq, &answer])
                .await?;
        }
        self.client.batch_execute("COMMIT").await
    }
}

fn bodies() -> (&'static [u8], &'static [u8], &'static [u8]) {
    (&[7; MEMO_BYTES], &[1; STATE_BYTES], &[9; ANSWER_BYTES])
}

impl<'a> Postgres<'a> {
    /// Fresh tables, and so many connections; why not, if there is no server.
    pub(crate) fn from_env(runtime: &'a Runtime, connections: usize) -> Result<Self, String> {
        let url = std::env::var("PG_URL").map_err(|_| "PG_URL is not set".to_owned())?;
        let opened = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
            tokio::spawn(connection);
            // Other connections of this run may have prepared their statements: the tables are made once.
            if !MADE.swap(true, Ordering::Relaxed) {
                client.batch_execute(TABLES).await?;
            }
            let synchronous = client.query_one("SHOW synchronous_commit", &[]).await?;
            let fsync = client.query_one("SHOW fsync", &[]).await?;
            let settings: (String, String) = (synchronous.get(0), fsync.get(0));
            let mut lines = Vec::new();
            for _ in 0..connections {
                lines.push(Line::open(&url).await?);
            }
            Ok::<_, tokio_postgres::Error>((settings, lines))
        });
        let (settings, lines) = opened.map_err(|cause| format!("PG_URL={url}: {cause}"))?;
        if settings != ("on".to_owned(), "on".to_owned()) {
            return Err(format!(
                "PostgreSQL says synchronous_commit, fsync = {settings:?}; both on were asked for"
            ));
        }
        Ok(Self { runtime, lines })
    }

    /// Its server's version, and how its backends are scheduled.
    pub(crate) fn describe(&self) -> Result<(String, String), String> {
        let line = &self.lines[0].client;
        let asked = self.runtime.block_on(async {
            let version = line.query_one("SHOW server_version", &[]).await?;
            let pid = line.query_one("SELECT pg_backend_pid()", &[]).await?;
            Ok::<(String, i32), tokio_postgres::Error>((version.get(0), pid.get(0)))
        });
        let (version, pid) = asked.map_err(|cause| cause.to_string())?;
        let who = format!("PostgreSQL {version}, backends; fsync and synchronous_commit on");
        Ok((who, scheduling::of_process(pid)))
    }

    /// Every message that was said so far left its answer, once.
    pub(crate) fn check(&self) -> Result<(), String> {
        let line = &self.lines[0].client;
        let count = "SELECT count(*) FROM bench_outbox";
        let count = self.runtime.block_on(line.query_one(count, &[]));
        let count: i64 = count.map_err(|cause| cause.to_string())?.get(0);
        let said = NEXT.load(Ordering::Relaxed) - 1;
        if count == said {
            Ok(())
        } else {
            Err(format!("{said} messages left {count} answers"))
        }
    }

    /// p50 and p99 of a message in microseconds: as one statement, or as a transaction of several.
    pub(crate) fn latencies(&self, count: usize, cte: bool) -> Result<Vec<f64>, String> {
        let line = &self.lines[0];
        let mut latencies = Vec::with_capacity(count);
        self.runtime
            .block_on(async {
                for _ in 0..count {
                    let seq = NEXT.fetch_add(1, Ordering::Relaxed);
                    let begun = Instant::now();
                    if cte {
                        line.cte(1, seq).await?;
                    } else {
                        line.statements(1, seq).await?;
                    }
                    latencies.push(begun.elapsed().as_secs_f64() * 1e6);
                }
                Ok::<_, tokio_postgres::Error>(())
            })
            .map_err(|cause| cause.to_string())?;
        Ok(vec![
            percentile(&mut latencies, 0.5),
            percentile(&mut latencies, 0.99),
        ])
    }

    /// Messages a second over so many dialogs, spread over the connections; `ahead` are on their way on each at a time.
    pub(crate) fn rate(
        &self,
        dialogs: usize,
        count: usize,
        ahead: usize,
        cte: bool,
    ) -> Result<f64, String> {
        let begun = Instant::now();
        let local = LocalSet::new();
        let taken = Cell::new(0);
        let taken = &taken;
        self.runtime
            .block_on(local.run_until(async {
                // A task borrows nothing: hence the joined futures instead of spawned ones.
                let work = (0..self.lines.len() * ahead).map(|worker| {
                    let line = &self.lines[worker % self.lines.len()];
                    async move {
                        while taken.get() < count {
                            let dialog = (taken.get() % dialogs) as i64;
                            taken.set(taken.get() + 1);
                            let seq = NEXT.fetch_add(1, Ordering::Relaxed);
                            if cte {
                                line.cte(dialog, seq).await?;
                            } else {
                                line.statements(dialog, seq).await?;
                            }
                        }
                        Ok::<_, tokio_postgres::Error>(())
                    }
                });
                futures_util::future::try_join_all(work).await
            }))
            .map_err(|cause| cause.to_string())?;
        Ok(count as f64 / begun.elapsed().as_secs_f64())
    }
}
