//! Work that wants a process of its own: because its memory is looked at, or because it is killed.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, ExitCode, Stdio},
};

use serde_json::{Value, json};

/// The first word of a child's command line.
pub(crate) const FLAG: &str = "--child";

/// The name of what a child says instead, if it fails.
const FAILED: &str = "failed";

/// What a child does with its words. What it found is one line of JSON.
type Work = fn(&[String]) -> Result<Value, String>;

const WORK: &[(&str, Work)] = &[
    ("open", crate::w4::open_child),
    ("prepare", crate::prepared::prepare_child),
    ("dormant", crate::w5::dormant_child),
    ("active", crate::w5::active_child),
    ("fill-journal", crate::w6::fill_journal_child),
    ("first-answer", crate::w6::first_answer_child),
];

/// This process is a child with these words: its kind, and what its kind wants.
pub(crate) fn main(words: &[String]) -> ExitCode {
    let work = words.first().and_then(|kind| {
        let known = WORK.iter().find(|work| work.0 == kind);
        known.map(|work| work.1)
    });
    let done = match work {
        Some(work) => work(&words[1..]),
        None => Err(format!("no child does this: {words:?}")),
    };
    match done {
        Ok(found) => {
            println!("{found}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            println!("{}", json!({ FAILED: why }));
            ExitCode::FAILURE
        }
    }
}

/// A child that runs, and what it prints.
pub(crate) struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Running {
    pub(crate) fn start(kind: &str, words: &[&str]) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|cause| cause.to_string())?;
        let mut child = Command::new(program)
            .arg(FLAG)
            .arg(kind)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|cause| format!("cannot start a child: {cause}"))?;
        let Some(output) = child.stdout.take() else {
            return Err("a child without output".to_owned());
        };
        Ok(Self {
            child,
            lines: BufReader::new(output).lines(),
        })
    }

    /// The next line that it prints.
    pub(crate) fn next(&mut self) -> Result<Value, String> {
        match self.lines.next() {
            Some(Ok(line)) => {
                let found: Value =
                    serde_json::from_str(&line).map_err(|cause| format!("`{line}`: {cause}"))?;
                match found[FAILED].as_str() {
                    Some(why) => Err(why.to_owned()),
                    None => Ok(found),
                }
            }
            Some(Err(cause)) => Err(cause.to_string()),
            None => Err("the child ended early; see what it said above".to_owned()),
        }
    }

    /// `kill -9`: no word, no flush.
    pub(crate) fn kill(mut self) -> Result<(), String> {
        self.child.kill().map_err(|cause| cause.to_string())?;
        self.child
            .wait()
            .map(drop)
            .map_err(|cause| cause.to_string())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already, mostly.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lets a child do its work, and hands back what it found.
pub(crate) fn call(kind: &str, words: &[&str]) -> Result<Value, String> {
    Running::start(kind, words)?.next()
}
