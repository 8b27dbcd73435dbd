#![no_main]
//! A stored record: the first byte names its table.

use actor_core::fuzz::record;
use actor_store::Table;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((tag, bytes)) = bytes.split_first() else {
        return;
    };
    let Some(table) = Table::from_tag(*tag % 9) else {
        return;
    };
    let mut laid_out = bytes.to_vec();
    laid_out.push(1);
    // A key that is an address, one that is an actor's, and a name.
    for key in [&[1; 19][..], &[1; 18], &[0; 20], &[1; 27]] {
        for bytes in [bytes, &laid_out] {
            if let Ok(again) = record(table, key, bytes) {
                assert_eq!(record(table, key, &again), Ok(again.clone()));
            }
        }
    }
});
