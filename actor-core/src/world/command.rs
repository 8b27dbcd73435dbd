//! The command that runs one test again and no other.
//!
//! Owns what is known of a test's package, target and path. A target is named only where it is certain: a command that
//! runs a few empty targets works, one with a wrong name does not.

use std::{env, fmt, path::Path};

/// A test, as `cargo test` calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Test {
    package: String,
    /// The words that choose its target, with a space behind them.
    target: String,
    path: String,
}

impl Test {
    /// The test of this path, which begins with its crate.
    pub(super) fn named(package: &str, path: &str) -> Self {
        // The crate is no part of a test's name.
        let (krate, path) = path.split_once("::").unwrap_or(("", path));
        Self::new(package, krate, path)
    }

    /// The test that runs on this thread, as its harness calls it.
    pub(super) fn running() -> Option<Self> {
        let package = env::var("CARGO_PKG_NAME").ok()?;
        let thread = std::thread::current();
        let path = thread.name().filter(|name| *name != "main")?;
        let krate = executable().map_or(String::new(), |(_, krate)| krate);
        Some(Self::new(&package, &krate, path))
    }

    fn new(package: &str, krate: &str, path: &str) -> Self {
        Self {
            package: package.to_owned(),
            target: target(package, krate).unwrap_or_default(),
            path: path.to_owned(),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            package,
            target,
            path,
        } = self;
        write!(f, "cargo test -p {package} {target}{path} -- --exact")
    }
}

/// The folder and the crate of the program that runs: `deps` or `examples`, and `name-0123456789abcdef` without the number.
fn executable() -> Option<(String, String)> {
    let program = env::current_exe().ok()?;
    let folder = program.parent()?.file_name()?.to_str()?.to_owned();
    let stem = program.file_stem()?.to_str()?;
    let name = match stem.rsplit_once('-') {
        Some((name, number)) if number.len() == 16 => name,
        _ => stem,
    };
    Some((folder, name.replace('-', "_")))
}

fn target(package: &str, krate: &str) -> Option<String> {
    if env::var("CARGO_PKG_NAME").ok()? != package {
        return None;
    }
    let (folder, running) = executable()?;
    if running != krate {
        return None;
    }
    let root = env::var("CARGO_MANIFEST_DIR").ok()?;
    target_in(Path::new(&root), package, &folder, krate)
}

/// The target of a crate in a package with its manifest in `root`.
fn target_in(root: &Path, package: &str, folder: &str, krate: &str) -> Option<String> {
    let has = |file: &str| root.join(file).is_file();
    let is_in = |folder: &str| {
        has(&format!("{folder}/{krate}.rs")) || has(&format!("{folder}/{krate}/main.rs"))
    };
    // A `-` of a target's name is a `_` in its crate's.
    if folder == "examples" && (!krate.contains('_') || is_in("examples")) {
        return Some(format!("--example {krate} "));
    }
    let is_own = krate == package.replace('-', "_");
    let is_lib = is_own && has("src/lib.rs") && !has("src/main.rs");
    match (folder, is_in("tests"), is_lib) {
        ("deps", true, false) => Some(format!("--test {krate} ")),
        ("deps", false, true) => Some("--lib ".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_named_with_its_target_so_that_no_other_runs() {
        let test = Test::running().unwrap().to_string();
        assert_eq!(
            test,
            "cargo test -p actor-core --lib \
             world::command::tests::a_test_is_named_with_its_target_so_that_no_other_runs -- --exact"
        );
        let path = concat!(
            module_path!(),
            "::a_test_is_named_with_its_target_so_that_no_other_runs"
        );
        assert_eq!(Test::named("actor-core", path).to_string(), test);
    }

    #[test]
    fn a_target_is_named_only_where_it_is_certain() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target = |folder, krate| target_in(root, "actor-core", folder, krate);
        assert_eq!(
            target("examples", "shop").as_deref(),
            Some("--example shop ")
        );
        assert_eq!(target("examples", "my_shop"), None, "it may be `my-shop`");
        assert_eq!(target("deps", "actor_core").as_deref(), Some("--lib "));
        assert_eq!(target("deps", "elsewhere"), None);
        let other = Test::named("shop", "shop::tests::it_sells");
        assert_eq!(
            other.to_string(),
            "cargo test -p shop tests::it_sells -- --exact"
        );
    }
}
