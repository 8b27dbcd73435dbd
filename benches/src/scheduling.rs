//! At which priority and with which slice the kernel runs a contender's threads, as the kernel itself says.

use std::{collections::BTreeMap, fs, path::Path};

/// Of the thread that asks.
pub(crate) fn of_this_thread() -> String {
    of(Path::new("/proc/thread-self")).unwrap_or_else(|| "unknown on this system".to_owned())
}

/// Of another process on this machine, if it is one.
pub(crate) fn of_process(pid: i32) -> String {
    of(Path::new(&format!("/proc/{pid}"))).unwrap_or_else(|| "not on this machine".to_owned())
}

/// Of the threads of this process whose names begin like this, each way with those it is the way of.
pub(crate) fn of_threads(names: &[&str]) -> Vec<(String, String)> {
    let mut ways: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        let name = name.trim().to_owned();
        if names.iter().any(|begin| name.starts_with(begin))
            && let Some(way) = of(&task.path())
        {
            let threads = ways.entry(way).or_default();
            if !threads.contains(&name) {
                threads.push(name);
            }
        }
    }
    ways.into_iter()
        .map(|(way, mut threads)| {
            threads.sort();
            (threads.join(", "), way)
        })
        .collect()
}

fn of(process: &Path) -> Option<String> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    // The name may contain blanks and ends with the last parenthesis.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    // Counted from the third field, which follows the name; see proc_pid_stat(5).
    let nice = fields.get(19 - 3)?;
    let policy = match *fields.get(41 - 3)? {
        "0" => "SCHED_OTHER",
        "1" => "SCHED_FIFO",
        "2" => "SCHED_RR",
        "3" => "SCHED_BATCH",
        "5" => "SCHED_IDLE",
        other => other,
    };
    let sched = fs::read_to_string(process.join("sched")).unwrap_or_default();
    let slice = sched.lines().find(|line| line.starts_with("se.slice"));
    let slice = slice.and_then(|line| line.rsplit(':').next()?.trim().parse::<f64>().ok());
    let slice = slice.map_or("the kernel's own slice".to_owned(), |nanos| {
        format!("slice {:.1} ms", nanos / 1e6)
    });
    Some(format!("{policy}, nice {nice}, {slice}"))
}
