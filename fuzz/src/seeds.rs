//! Writes what real nodes wrote into the corpora: the fuzzers begin with bytes that mean something.

use std::{fs, io, path::Path};

use actor_store::Table;
use tests::samples;

fn main() -> io::Result<()> {
    write("frame", samples::frames())?;
    write("journal_row", samples::journal_rows())?;
    let tagged = |(table, _, bytes): (Table, Vec<u8>, Vec<u8>)| {
        let mut input = vec![table.tag()];
        input.extend(bytes);
        input
    };
    write(
        "record",
        samples::records().into_iter().map(tagged).collect(),
    )?;
    // One change in each file, near its beginning and further on.
    let changes = |at: u8| {
        vec![
            at & 1,
            0,
            at,
            0,
            0,
            1,
            0xff,
            0,
            at & 1,
            0,
            0,
            at,
            0,
            8,
            0,
            1,
        ]
    };
    write("store_file", (0..=64).map(changes).collect())
}

fn write(target: &str, inputs: Vec<Vec<u8>>) -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    fs::create_dir_all(&corpus)?;
    println!("{}: {} seeds", corpus.display(), inputs.len());
    for (number, input) in inputs.iter().enumerate() {
        fs::write(corpus.join(format!("seed-{number:03}")), input)?;
    }
    Ok(())
}
