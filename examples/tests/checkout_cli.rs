//! The example programs as a user meets them: arguments, files, stores, and two runs in a row.
//!
//! These run the built binaries; `cargo test` builds them first.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use examples::{
    program::{self, Scene},
    sample,
};
use redb::ReadableTable as _;
use serde_json::Value;
use tempfile::TempDir;

const ORDERS: u64 = 30;
const SEED: u64 = 5;

/// How a program ended and what it said.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn of(command: &mut Command) -> Self {
        let output = command
            .stdin(Stdio::null())
            .output()
            .expect("the program runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "stderr: {}", self.err);
        self
    }

    /// Failed, and said so in exactly one line that contains all of `words`.
    fn refused(&self, words: &[&str]) {
        assert!(
            matches!(self.code, Some(1..)),
            "ended with {:?}: {}",
            self.code,
            self.err
        );
        assert_eq!(self.err.lines().count(), 1, "one line: {}", self.err);
        assert!(self.err.starts_with("checkout: "), "{}", self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        for word in words {
            assert!(self.err.contains(word), "`{word}` in: {}", self.err);
        }
    }

    fn totals(&self) -> Value {
        serde_json::from_str(self.out.lines().next_back().expect("a last line")).expect("totals")
    }

    fn total(&self, name: &str) -> u64 {
        self.totals()[name].as_u64().expect(name)
    }
}

fn example(name: &str) -> PathBuf {
    program::example(name).expect("`cargo test` builds the examples")
}

fn checkout<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Ran {
    Ran::of(
        Command::new(example("checkout"))
            .args(args)
            .args(["--json"]),
    )
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn scene(folder: &TempDir) -> Scene {
    Scene::with_orders(folder.path(), ORDERS, SEED).expect("a scene")
}

fn with(args: Vec<PathBuf>, more: &[&str]) -> Vec<PathBuf> {
    args.into_iter()
        .chain(more.iter().map(PathBuf::from))
        .collect()
}

/// Orders of one teapot, one a line, with the sample's catalogue.
fn placed(folder: &TempDir, lines: &[&str]) -> Vec<PathBuf> {
    let scene = scene(folder);
    fs::write(scene.path("orders.jsonl"), lines.join("\n")).expect("orders");
    with(scene.args("run"), &["--gnomes", "0"])
}

fn report(folder: &TempDir, name: &str) -> Vec<Value> {
    let report =
        fs::read_to_string(folder.path().join(format!("{name}.report"))).expect("a report");
    report
        .lines()
        .map(|line| serde_json::from_str(line).expect("a row"))
        .collect()
}

const TEAPOT: &str =
    r#"{"order":"A-1","card":"4242424242424242","lines":[{"sku":"TEAPOT","quantity":1}]}"#;

#[test]
fn without_arguments_the_shipped_orders_all_have_an_outcome() {
    let ran = checkout::<&str>([]).succeeded();
    assert!(ran.total("orders") >= 500);
    assert_eq!(
        ran.total("orders"),
        ran.total("paid") + ran.total("declined") + ran.total("refused")
    );
    assert_eq!(ran.total("captures"), ran.total("paid"));
    assert_eq!(ran.total("abandoned"), 0);
    assert!(ran.total("retransmitted") > 0 && ran.total("duplicates_dropped") > 0);
    let names: Vec<_> = ran
        .out
        .lines()
        .next_back()
        .expect("a line")
        .split(',')
        .map(|field| field.split('"').nth(1))
        .collect();
    let expected = [
        "orders",
        "paid",
        "declined",
        "refused",
        "abandoned",
        "charged_cents",
        "captures",
        "duplicates_dropped",
        "retransmitted",
        "discarded_pending",
        "restarts",
    ];
    assert_eq!(names, expected.map(Some));
}

#[test]
fn malformed_lines_are_named_and_the_rest_is_processed() {
    let folder = folder();
    let bad = [
        "teapot, please",
        r#"["A-2","4242424242424242",[]]"#,
        r#"{"order":"A-3","lines":[]}"#,
        r#"{"order":"A-4","card":"4242424242424242","lines":[{"sku":"TEAPOT","quantity":-1}]}"#,
        r#"{"order":"A-5","card":"4242424242424242","lines":[{"sku":"TEAPOT","quantity":1.5}]}"#,
        r#"{"order":"A-6","card":"4242424242424242","lines":[{"sku":"TEAPOT","quantity":4294967296}]}"#,
        r#"{"order":"A-7","card":"4242424242424242","lines":[],"coupon":"FREE"}"#,
        r#"{"order":"","card":"4242424242424242","lines":[]}"#,
    ];
    let mut lines = bad.to_vec();
    lines.push(TEAPOT);
    let args = placed(&folder, &lines);
    let ran = checkout(&args);
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.err.lines().count(), bad.len(), "{}", ran.err);
    for (number, line) in (1..).zip(ran.err.lines()) {
        assert!(
            line.starts_with(&format!("{}:{number}: ", args[1].display())),
            "{line}"
        );
        assert!(!line.contains("at line 1"), "{line}");
    }
    assert_eq!(
        (
            ran.total("orders"),
            ran.total("paid"),
            ran.total("charged_cents")
        ),
        (1, 1, 2_450)
    );
}

#[test]
fn the_catalogue_and_the_bank_refuse_with_typed_answers() {
    let folder = folder();
    let args = placed(
        &folder,
        &[
            TEAPOT,
            r#"{"order":"A-2","card":"4000000000000002","lines":[{"sku":"TEAPOT","quantity":1}]}"#,
            r#"{"order":"A-3","card":"4242424242424242","lines":[{"sku":"SAMOVAR","quantity":1}]}"#,
            r#"{"order":"A-4","card":"4242424242424242","lines":[{"sku":"TEAPOT","quantity":0}]}"#,
        ],
    );
    let ran = checkout(args).succeeded();
    let outcomes: Vec<_> = report(&folder, "run")
        .iter()
        .map(|row| row["outcome"].as_str().expect("text").to_owned())
        .collect();
    assert_eq!(outcomes, ["paid", "declined", "refused", "refused"]);
    assert_eq!(ran.total("captures"), 1);
    let text = fs::read_to_string(folder.path().join("run.report")).expect("a report");
    assert_eq!(
        text.lines().next(),
        Some(r#"{"order":"A-1","outcome":"paid","cents":2450,"captures":1}"#)
    );
}

#[test]
fn a_repeated_id_is_one_order_and_other_contents_are_refused() {
    let folder = folder();
    let other = TEAPOT.replace("TEAPOT", "MUG");
    let args = placed(&folder, &[TEAPOT, TEAPOT, &other]);
    let ran = checkout(&args);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.err.starts_with(&format!("{}:3: ", args[1].display())),
        "{}",
        ran.err
    );
    assert_eq!(
        (
            ran.total("orders"),
            ran.total("paid"),
            ran.total("charged_cents")
        ),
        (1, 1, 2_450)
    );
}

#[test]
fn a_second_run_on_the_same_store_charges_nothing_again() {
    let folder = folder();
    let scene = scene(&folder);
    let first = checkout(scene.args("run")).succeeded();
    let reported = fs::read(scene.path("run.report")).expect("a report");
    let second = checkout(scene.args("run")).succeeded();
    assert_eq!(
        fs::read(scene.path("run.report")).expect("a report"),
        reported
    );
    for name in [
        "orders",
        "paid",
        "declined",
        "refused",
        "charged_cents",
        "captures",
    ] {
        assert_eq!(first.total(name), second.total(name), "{name}");
    }
}

#[test]
fn an_id_of_an_earlier_run_with_other_contents_is_reported_and_not_charged() {
    let folder = folder();
    checkout(placed(&folder, &[TEAPOT])).succeeded();
    let other_card = TEAPOT.replace("4242424242424242", "5555555555554444");
    let args = placed(&folder, &[&other_card]);
    let ran = checkout(&args);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.err.starts_with(&format!("{}:1: ", args[1].display())),
        "{}",
        ran.err
    );
    assert_eq!(
        (
            ran.total("refused"),
            ran.total("captures"),
            ran.total("charged_cents")
        ),
        (1, 1, 2_450)
    );
}

#[test]
fn fewer_nodes_than_the_store_has_is_one_clear_error() {
    let folder = folder();
    let args = placed(&folder, &[TEAPOT]);
    checkout(with(args.clone(), &["--nodes", "3"])).succeeded();
    checkout(with(args.clone(), &["--nodes", "2"])).refused(&["3 checkout nodes", "--nodes 3"]);
    checkout(with(args, &["--nodes", "4"])).succeeded();
}

#[test]
fn bad_arguments_are_one_clear_line() {
    for (args, word) in [
        (vec!["--kill-every", "9"], "at least 10"),
        (vec!["--nodes", "0"], "1 to 32"),
        (vec!["--gnomes", "0.95"], "0 to 0.9"),
        (vec!["--gnomes", "NaN"], "0 to 0.9"),
        (vec!["--orders"], "wants a value"),
        (vec!["--frobnicate"], "--help"),
        (vec!["--orders", "no/such/file"], "no/such/file"),
    ] {
        Ran::of(Command::new(example("checkout")).args(args)).refused(&[word]);
    }
}

#[test]
fn a_run_that_kills_itself_reports_what_a_calm_run_reports() {
    let folder = folder();
    let scene = scene(&folder);
    checkout(with(scene.args("calm"), &["--gnomes", "0"])).succeeded();
    let killed = checkout(with(scene.args("killed"), &["--kill-every", "20"])).succeeded();
    assert!(killed.total("restarts") > 0);
    scene.compare("killed", "calm").expect("equal reports");
}

#[test]
fn a_worker_ends_with_its_supervisor_and_the_next_run_goes_on() {
    let folder = folder();
    let scene = scene(&folder);
    checkout(with(scene.args("calm"), &["--gnomes", "0"])).succeeded();
    let args = with(scene.args("killed"), &["--kill-every", "1000"]);
    let slow = with(args.clone(), &["--gnomes", "0.9"]);
    let mut supervisor = Command::new(example("checkout"))
        .args(slow)
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    first_line(supervisor.stderr.take().expect("stderr"));
    supervisor.kill().expect("killed");
    supervisor.wait().expect("ended");
    checkout(args).succeeded();
    scene.compare("killed", "calm").expect("equal reports");
}

#[test]
fn a_second_process_on_the_same_store_is_refused() {
    let folder = folder();
    let scene = scene(&folder);
    let slow = with(scene.args("run"), &["--gnomes", "0.9"]);
    let mut first = Command::new(example("checkout"))
        .args(slow)
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let err = first_line(first.stderr.take().expect("stderr"));
    checkout(scene.args("run")).refused(&["run.store", "already open"]);
    assert!(
        first.try_wait().expect("a status").is_none(),
        "the first one goes on"
    );
    first.kill().expect("killed");
    first.wait().expect("ended");
    drop(err);
}

/// Waits for a process to be under way. Its standard error stays open.
fn first_line<R: std::io::Read>(from: R) -> BufReader<R> {
    let mut reader = BufReader::new(from);
    let mut line = String::new();
    reader.read_line(&mut line).expect("a line");
    assert!(line.contains("orders"), "{line}");
    reader
}

#[test]
fn a_damaged_store_is_one_line_with_the_way_out() {
    let folder = folder();
    let args = placed(&folder, &[TEAPOT]);
    checkout(&args).succeeded();
    let kept = folder.path().join("run.store");
    for file in [
        "payment-1/journal.redb",
        "checkout-2/dialogs.redb",
        "storefront/journal.redb",
    ] {
        let path = kept.join(file);
        let whole = fs::read(&path).expect(file);
        let page = 4096.min(whole.len());
        let zeroed = [vec![0; page], whole[page..].to_vec()].concat();
        for (damage, bytes) in [
            ("foreign", b"{\"not\":\"a store\"}\n".repeat(400)),
            ("truncated", whole[..whole.len() / 3].to_vec()),
            ("zeroed", zeroed),
        ] {
            fs::write(&path, bytes).expect(file);
            let ran = checkout(&args);
            assert!(!ran.err.is_empty(), "{damage} {file}");
            ran.refused(&[file]);
        }
        fs::write(&path, whole).expect(file);
    }
    checkout(&args).succeeded();
}

#[test]
fn a_store_of_a_newer_format_is_one_line_and_stays_as_it_is() {
    let folder = folder();
    let args = placed(&folder, &[TEAPOT]);
    checkout(&args).succeeded();
    for file in ["payment-1/journal.redb", "storefront/dialogs.redb"] {
        let path = folder.path().join("run.store").join(file);
        let whole = fs::read(&path).expect(file);
        let newer = |row: &mut Vec<u8>| row[11] += 1;
        edit_header(&path, newer);
        checkout(&args).refused(&[file, "newer"]);
        fs::write(&path, whole).expect(file);
    }
    checkout(&args).succeeded();
}

/// The header row begins with eight bytes of magic and four of format, in both databases and for ever.
fn edit_header(path: &Path, edit: impl FnOnce(&mut Vec<u8>)) {
    const HEADER: redb::TableDefinition<'_, &str, &[u8]> = redb::TableDefinition::new("header");
    let db = redb::Database::open(path).expect("a database");
    let write = db.begin_write().expect("a transaction");
    {
        let mut table = write.open_table(HEADER).expect("a header");
        let mut row = table
            .get("store")
            .expect("readable")
            .expect("a row")
            .value()
            .to_vec();
        edit(&mut row);
        table.insert("store", row.as_slice()).expect("written");
    }
    write.commit().expect("committed");
}

/// Runs on a damaged store: the right report, or one line and no report at all.
fn right_or_refused(args: &[PathBuf], report: &Path, calm: &[u8], what: &str) -> bool {
    let ran = checkout(args);
    if ran.code == Some(0) {
        let found = fs::read(report).expect("a report");
        assert!(found == calm, "{what}: another report");
        return true;
    }
    assert!(!ran.err.contains("panicked"), "{what}: {}", ran.err);
    ran.refused(&[]);
    false
}

#[test]
fn a_flipped_byte_is_one_line_or_the_right_report_wherever_it_is() {
    let folder = folder();
    let args = placed(&folder, &[TEAPOT]);
    checkout(&args).succeeded();
    let kept = folder.path().join("run.store");
    let pristine = folder.path().join("pristine");
    copy(&kept, &pristine);
    let report = folder.path().join("run.report");
    let calm = fs::read(&report).expect("a report");
    let mut dice: u64 = SEED;
    let mut refused = 0;
    for file in [
        "storefront/journal.redb",
        "storefront/dialogs.redb",
        "payment-1/journal.redb",
        "payment-2/journal.redb",
    ] {
        let path = kept.join(file);
        let whole = fs::read(&path).expect(file);
        // Inside values: wherever the order's number stands. And anywhere.
        let number = b"A-1";
        let inside = whole.windows(number.len()).enumerate();
        let inside = inside.filter_map(|(at, found)| (found == number).then_some(at));
        let mut places: Vec<usize> = inside.take(6).collect();
        for _ in 0..6 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            places.push(usize::try_from(dice >> 33).expect("small") % whole.len());
        }
        for at in places {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x40;
            copy(&pristine, &kept);
            fs::write(&path, damaged).expect(file);
            let what = format!("{file}, byte {at}");
            refused += usize::from(!right_or_refused(&args, &report, &calm, &what));
        }
    }
    assert!(refused > 0, "some of the bytes mattered");
    copy(&pristine, &kept);
    checkout(&args).succeeded();
}

/// Makes `to` what `from` is: both are stores of nodes.
fn copy(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).expect("an old copy goes");
    }
    for node in fs::read_dir(from).expect("nodes") {
        let node = node.expect("a node");
        let into = to.join(node.file_name());
        fs::create_dir_all(&into).expect("a folder");
        for file in fs::read_dir(node.path()).expect("files") {
            let file = file.expect("a file");
            fs::copy(file.path(), into.join(file.file_name())).expect("copied");
        }
    }
}

#[test]
fn a_path_that_cannot_be_a_store_is_one_line() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "occupied").expect("a file");
    checkout([OsStr::new("--store"), file.as_os_str()]).refused(&["file", "choose"]);
}

#[test]
fn a_file_size_limit_is_one_line_and_no_death_and_the_next_run_goes_on() {
    let folder = folder();
    // More than the storefront's journal can take.
    let scene = Scene::with_orders(folder.path(), 2_500, SEED).expect("a scene");
    // 512-byte blocks: 4 MiB a file.
    let limited = "ulimit -f 8192; exec \"$@\"";
    let args = with(scene.args("run"), &["--gnomes", "0"]);
    let ran = Ran::of(
        Command::new("sh")
            .args(["-c", limited, "sh"])
            .arg(example("checkout"))
            .args(&args),
    );
    let errors: Vec<_> = ran
        .err
        .lines()
        .filter(|line| line.starts_with("checkout: "))
        .collect();
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert_eq!(errors.len(), 1, "{}", ran.err);
    assert!(
        errors[0].contains("run.store") && errors[0].contains("too large"),
        "{}",
        ran.err
    );
    assert!(!ran.err.contains("panicked"), "{}", ran.err);

    let freed = checkout(&args).succeeded();
    assert_eq!(freed.total("captures"), freed.total("paid"));
    checkout(with(scene.args("calm"), &["--gnomes", "0"])).succeeded();
    scene.compare("run", "calm").expect("equal reports");
}

#[test]
fn the_counter_counts_across_runs_and_is_short() {
    let folder = folder();
    let count = |folder: &Path| {
        Ran::of(Command::new(example("counter")).current_dir(folder))
            .succeeded()
            .out
    };
    assert_eq!(count(folder.path()), "1\n");
    assert_eq!(count(folder.path()), "2\n");
    let source = include_str!("../counter/main.rs");
    let lines = source
        .lines()
        .filter(|line| !line.trim().is_empty())
        .count();
    assert!(lines <= 20, "{lines} lines");
}

#[test]
fn the_shipped_orders_are_the_sample() {
    assert_eq!(include_str!("../checkout/catalog.csv"), sample::catalog());
    assert_eq!(
        include_str!("../checkout/orders.jsonl"),
        sample::orders(520, 2012)
    );
}
