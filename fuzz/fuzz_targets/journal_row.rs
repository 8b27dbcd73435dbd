#![no_main]
//! A row of the journal, of a table, one that records share, or a header.

use actor_store::{Table, fuzz};
use libfuzzer_sys::fuzz_target;

fn check(bytes: &[u8]) {
    if let Some((number, changes)) = fuzz::journal_row(bytes) {
        let again = fuzz::encode_journal_row(number, &changes);
        assert_eq!(fuzz::journal_row(&again), Some((number, changes)));
    }
    if let Some(value) = fuzz::table_row(Table::Actors, b"key", bytes) {
        assert_eq!(fuzz::encode_table_row(Table::Actors, b"key", &value), bytes);
    }
    let group = [7; actor_store::GROUP_BYTES];
    if let Some(records) = fuzz::joint_row(&group, bytes) {
        let values: usize = records.iter().map(|(.., value)| value.len()).sum();
        assert!(values <= bytes.len());
    }
    if let Some(header) = fuzz::header_row(bytes) {
        assert_eq!(header, bytes);
    }
}

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    let mut sealed = bytes.to_vec();
    if let Some((sum, rest)) = sealed.split_first_chunk_mut::<4>() {
        *sum = fuzz::checksum(rest).to_le_bytes();
        check(&sealed);
    }
    let mut sealed = bytes.to_vec();
    fuzz::seal_joint_row(&[7; actor_store::GROUP_BYTES], &mut sealed);
    check(&sealed);
    let mut sealed = bytes.to_vec();
    if let Some((rest, sum)) = sealed.split_last_chunk_mut::<4>() {
        *sum = fuzz::checksum(rest).to_be_bytes();
        check(&sealed);
    }
});
