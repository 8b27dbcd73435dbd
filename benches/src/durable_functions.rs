//! duroxide: durable functions on SQLite. A dialog is an orchestration, a message an activity: both its request and its
//! answer are in the history before the next one begins.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use duroxide::{
    ActivityContext, Client, OrchestrationContext, OrchestrationRegistry, OrchestrationStatus,
    providers::sqlite::SqliteProvider,
    runtime::{ObservabilityConfig, Runtime, RuntimeOptions, registry::ActivityRegistry},
};

use crate::{
    ours::{ANSWER_BYTES, MEMO_BYTES},
    rounds::percentile,
};

/// Of the peer's manifest; it does not say so itself.
const VERSION: &str = "0.1.32";
/// How long an orchestration may take before the round counts as failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A store that lasts for all rounds. Its runtime polls, so each round has one of its own and stops it.
pub(crate) struct Functions {
    file: PathBuf,
    next: u64,
}

impl Functions {
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            file: directory.join("duroxide.db"),
            next: 0,
        }
    }

    /// Its version and settings, and what SQLite makes of them.
    pub(crate) fn describe() -> String {
        // What its provider asks of each connection, and what SQLite says to that.
        let asked = || -> rusqlite::Result<i64> {
            let connection = rusqlite::Connection::open_in_memory()?;
            connection.execute_batch("PRAGMA synchronous = WAL")?;
            connection.query_row("PRAGMA synchronous", [], |row| row.get(0))
        };
        let synchronous = match asked() {
            Ok(0) => "OFF: it never syncs",
            Ok(1) => "NORMAL: in WAL mode it does not sync each commit",
            Ok(2) => "FULL",
            _ => "unknown",
        };
        format!(
            "duroxide {VERSION}, SQLite provider as it comes (WAL; its `synchronous = WAL` is read by SQLite as {synchronous}), 2 orchestration and 2 activity workers, polling each millisecond (100 ms if not set), tokio with 2 workers. A message is an activity: request and answer are rows of the history. Its answers may be lost with the machine, the others' are not: no verdict"
        )
    }

    /// Runs so many orchestrations of so many messages at once; the times at which activities ran, and all of it in
    /// seconds.
    fn run(&mut self, dialogs: u64, messages: u64) -> Result<(Vec<Instant>, f64), String> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|cause| format!("no runtime: {cause}"))?;
        let first = self.next;
        self.next += dialogs;
        let ran = Arc::new(Mutex::new(Vec::new()));
        let outcome = runtime.block_on(self.run_here(first..self.next, messages, &ran));
        runtime.shutdown_timeout(Duration::from_secs(1));
        let seconds = outcome?;
        let ran = std::mem::take(&mut *ran.lock().unwrap_or_else(PoisonError::into_inner));
        Ok((ran, seconds))
    }

    async fn run_here(
        &self,
        instances: std::ops::Range<u64>,
        messages: u64,
        ran: &Arc<Mutex<Vec<Instant>>>,
    ) -> Result<f64, String> {
        let url = format!("sqlite:{}?mode=rwc", self.file.display());
        let store = SqliteProvider::new(&url, None).await;
        let store = Arc::new(store.map_err(|cause| cause.to_string())?);
        let ran = Arc::clone(ran);
        let post = move |_: ActivityContext, _memo: String| {
            let ran = Arc::clone(&ran);
            async move {
                ran.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(Instant::now());
                Ok("9".repeat(ANSWER_BYTES))
            }
        };
        let account = |ctx: OrchestrationContext, messages: String| async move {
            for _ in 0..messages.parse::<u64>().unwrap_or_default() {
                ctx.schedule_activity("post", "7".repeat(MEMO_BYTES))
                    .await?;
            }
            Ok(String::new())
        };
        let options = RuntimeOptions {
            dispatcher_min_poll_interval: Duration::from_millis(1),
            observability: ObservabilityConfig {
                log_level: "off".to_owned(),
                ..ObservabilityConfig::default()
            },
            ..RuntimeOptions::default()
        };
        let activities = ActivityRegistry::builder().register("post", post).build();
        let orchestrations = OrchestrationRegistry::builder()
            .register("account", account)
            .build();
        let runtime = Runtime::start_with_options(
            Arc::clone(&store) as Arc<dyn duroxide::providers::Provider>,
            activities,
            orchestrations,
            options,
        )
        .await;
        let client = Client::new(store);
        let begun = Instant::now();
        for instance in instances.clone() {
            let started = client.start_orchestration(
                format!("account-{instance}"),
                "account",
                messages.to_string(),
            );
            started.await.map_err(|cause| cause.to_string())?;
        }
        for instance in instances {
            let name = format!("account-{instance}");
            match client.wait_for_orchestration(&name, PATIENCE).await {
                Ok(OrchestrationStatus::Completed { .. }) => {}
                Ok(other) => return Err(format!("an orchestration ended as {other:?}")),
                Err(cause) => return Err(cause.to_string()),
            }
        }
        let seconds = begun.elapsed().as_secs_f64();
        runtime.shutdown(Some(1000)).await;
        Ok(seconds)
    }

    /// p50 and p99 in microseconds from one message of a dialog to the next.
    pub(crate) fn latencies(&mut self, count: usize) -> Result<Vec<f64>, String> {
        let (ran, _) = self.run(1, count as u64)?;
        let gaps = ran.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64());
        let mut gaps: Vec<f64> = gaps.map(|gap| gap * 1e6).collect();
        Ok(vec![
            percentile(&mut gaps, 0.5),
            percentile(&mut gaps, 0.99),
        ])
    }

    /// Messages a second of so many dialogs at once.
    pub(crate) fn rate(&mut self, dialogs: usize, messages: usize) -> Result<f64, String> {
        let (_, seconds) = self.run(dialogs as u64, messages as u64)?;
        Ok((dialogs * messages) as f64 / seconds)
    }
}
