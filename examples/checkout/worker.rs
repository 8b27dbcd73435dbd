//! The worker of a supervisor: what it says, line by line on its standard output, and when it ends.

use std::{
    io::{self, Read as _, Write as _},
    process, thread,
};

use serde::{Deserialize, Serialize};

use crate::{
    report::{Counters, Finished},
    run::Progress,
};

/// One line from a worker to its supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub enum Said {
    /// It is alive and has come this far.
    Progress(Progress),
    /// It is about to kill itself.
    LastWords {
        /// Orders that had an outcome in this life.
        settled: u64,
        /// What its nodes counted.
        counters: Counters,
    },
    /// Every order has an outcome.
    Finished(Finished),
}

impl Said {
    /// Tells the supervisor. An error tells nobody anything: then the supervisor is gone, and so is this process soon.
    pub fn aloud(&self) {
        let mut out = io::stdout().lock();
        let _ = serde_json::to_writer(&mut out, self)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out));
        let _ = out.flush();
    }
}

/// Ends this process when its supervisor is gone: then nobody holds the other end of its standard input.
pub fn end_with_supervisor() {
    thread::spawn(|| {
        let mut byte = [0];
        while matches!(io::stdin().read(&mut byte), Ok(1..)) {}
        process::exit(1);
    });
}
