//! The built example programs, to be run by tests and checks.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use crate::sample;

/// The built example called `name`, next to the running program.
pub fn example(name: &str) -> Result<PathBuf, String> {
    let me =
        env::current_exe().map_err(|error| format!("this program cannot be found: {error}"))?;
    let found = me
        .ancestors()
        .skip(1)
        .map(|folder| folder.join("examples").join(name))
        .find(|file| file.is_file());
    found.ok_or_else(|| {
        let release = if me.components().any(|part| part.as_os_str() == "release") { " --release" } else { "" };
        format!("the example `{name}` is not built: run `cargo build{release} -p examples --example {name}` first")
    })
}

/// A folder with orders to place, and a place for stores and reports.
#[derive(Debug, Clone)]
pub struct Scene {
    folder: PathBuf,
}

impl Scene {
    /// Writes `count` orders into `folder`.
    pub fn with_orders(folder: &Path, count: u64, seed: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("orders.jsonl"), sample::orders(count, seed))?;
        fs::write(folder.join("catalog.csv"), sample::catalog())?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// A file or a folder of this scene.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The checkout's arguments for these orders, with the store and the report called `name`.
    pub fn args(&self, name: &str) -> Vec<PathBuf> {
        vec![
            "--orders".into(),
            self.path("orders.jsonl"),
            "--catalog".into(),
            self.path("catalog.csv"),
            "--store".into(),
            self.path(&format!("{name}.store")),
            "--report".into(),
            self.path(&format!("{name}.report")),
        ]
    }

    /// Complains unless both runs came to the same report, byte for byte.
    pub fn compare(&self, name: &str, calm: &str) -> Result<(), String> {
        let read = |name| {
            fs::read(self.path(&format!("{name}.report")))
                .map_err(|error| format!("{name}: no report: {error}"))
        };
        if read(name)? == read(calm)? {
            return Ok(());
        }
        let store = self.path(&format!("{name}.store"));
        Err(format!(
            "{name}: the report differs from the report of {calm}; the store is kept: {}",
            store.display()
        ))
    }
}
