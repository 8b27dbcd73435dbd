//! Writes what real nodes wrote into `fuzz/corpus`: the fuzzers begin with bytes that mean something.
//!
//! Here, and not beside the fuzzers, so that these depend on the libraries alone and build within minutes.

use std::{fs, io, path::Path};

use tests::samples;

/// A change of a store's file, as `fuzz/fuzz_targets/store_file.rs` reads it: which file, where, how many bytes, with
/// what, and whether that replaces or flips.
fn change(file: u8, page: u8, byte: u8, length: u8, with: u8, flips: u8) -> [u8; 8] {
    // Offsets are in units of 16 bytes: a page of 4096 is 256 of them.
    [file, 0, page, byte >> 4, byte & 15, length, with, flips]
}

fn main() -> io::Result<()> {
    write("frame", samples::frames())?;
    write("journal_row", samples::journal_rows())?;
    let tagged = samples::records().into_iter().map(|(table, _, bytes)| {
        let mut input = vec![table.tag()];
        input.extend(bytes);
        input
    });
    write("record", tagged.collect())?;
    // Each page of both files, once damaged near its beginning and once in a later row; then one file cut in it.
    let damaged = (0..=64).map(|page| {
        let one = change(page & 1, page, 0, 1, 0xff, 0);
        [one, change(!page & 1, page, 200, 8, 0, 1)].concat()
    });
    let cut = (0..=64).map(|page| change(page & 1, page, 0, 0, 0, 0).to_vec());
    write("store_file", damaged.chain(cut).collect())
}

fn write(target: &str, inputs: Vec<Vec<u8>>) -> io::Result<()> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = tests.with_file_name("fuzz").join("corpus").join(target);
    fs::create_dir_all(&corpus)?;
    println!("{}: {} seeds", corpus.display(), inputs.len());
    for (number, input) in inputs.iter().enumerate() {
        fs::write(corpus.join(format!("seed-{number:03}")), input)?;
    }
    Ok(())
}
