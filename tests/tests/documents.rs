//! The documents name tests; each of them exists. A promise whose test was renamed or removed is found here.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn collect(dir: &Path, sources: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("the source tree can be read") {
        let path = entry.expect("so can its entries").path();
        let is_built = path.file_name().is_some_and(|name| name == "target");
        if path.is_dir() && !is_built {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(path);
        }
    }
}

/// Every function that stands below `#[test]`.
fn tests() -> BTreeSet<String> {
    let mut sources = Vec::new();
    for member in [
        "actor-core",
        "actor-macros",
        "actor-store",
        "examples",
        "tests",
    ] {
        collect(&root().join(member), &mut sources);
    }
    let mut tests = BTreeSet::new();
    for source in sources {
        let text = fs::read_to_string(&source).expect("a source is text");
        let mut lines = text.lines().map(str::trim);
        while let Some(line) = lines.next() {
            if !line.contains("test]")
                && !line.starts_with("#[tokio::test")
                && !line.starts_with("#[dialog_test")
            {
                continue;
            }
            let named = lines
                .by_ref()
                .take(8)
                .find_map(|line| line.split_once("fn ").map(|(_, rest)| rest));
            tests.extend(
                named
                    .and_then(|rest| rest.split('(').next())
                    .map(str::to_owned),
            );
        }
    }
    tests
}

/// Words in backticks that look like the sentence of a test.
fn named(document: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(document)).expect("the document is there");
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| word.matches('_').count() >= 3)
        .filter(|word| {
            word.chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_test_that_a_document_names_exists() {
    let tests = tests();
    assert!(tests.contains("every_test_that_a_document_names_exists"));
    for document in [
        "docs/article.md",
        "docs/design.md",
        "README.md",
        "CONTRIBUTING.md",
    ] {
        for name in named(document) {
            assert!(
                tests.contains(&name),
                "{document} names `{name}`: there is no such test; was it renamed?"
            );
        }
    }
    assert!(named("docs/article.md").len() > 60);
}
