//! Whatever bytes a decoder is given: it does not panic, it allocates within its limits, and what it refuses it refuses
//! with a typed error. One test, alone in its process: what is allocated is counted for the process.

use actor_core::protocol::{Frame, MAX_FRAME_BYTES};
use actor_store::{GROUP_BYTES, Table, codec, fuzz};
use peak_alloc::PeakAlloc;
use tests::{
    mutate::{Numbers, mutate},
    samples,
};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// Mutations of each kind of bytes.
const ROUNDS: u64 = 6_000;
/// What serde reserves at most for a sequence of which only the claimed length is known, a few of them nested.
const RESERVED_BYTES: usize = 4 * 1024 * 1024;

/// What decoding allocates at most at one time.
fn measure<T>(decode: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATED.current_usage();
    ALLOCATED.reset_peak_usage();
    let decoded = decode();
    let peak = ALLOCATED.peak_usage();
    (decoded, peak.saturating_sub(before))
}

fn each<S: AsRef<[u8]>>(name: &str, samples: &[S], mut check: impl FnMut(usize, &[u8]) -> bool) {
    assert!(samples.len() > 5, "{name}: {} samples", samples.len());
    let (mut taken, mut refused) = (0, 0);
    let mut count = |ok: bool| if ok { taken += 1 } else { refused += 1 };
    for (at, sample) in samples.iter().enumerate() {
        assert!(check(at, sample.as_ref()), "{name}: sample {at} is refused");
    }
    let mut numbers = Numbers::new(name.len() as u64);
    for _ in 0..ROUNDS {
        let (at, other) = (numbers.below(samples.len()), numbers.below(samples.len()));
        let (sample, other) = (samples[at].as_ref(), samples[other].as_ref());
        count(check(at, &mutate(&mut numbers, sample, other)));
        let len = numbers.below(300);
        count(check(at, &numbers.bytes(len)));
    }
    // Claims are most dangerous where there is room for them.
    for len in [1 << 16, 1 << 18, (1 << 20) + 1] {
        let sample = samples[numbers.below(samples.len())].as_ref();
        let mut long = mutate(&mut numbers, sample, &[]);
        long.resize(len, 0xfd);
        count(check(0, &long));
    }
    println!("{name}: {taken} taken, {refused} refused");
    assert!(
        refused > ROUNDS / 2,
        "{name}: {taken} taken, {refused} refused"
    );
}

/// With a right checksum in front of the rest, or as it is.
fn sealed_in_front(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some((sum, rest)) = bytes.split_first_chunk_mut::<4>() {
        *sum = fuzz::checksum(rest).to_le_bytes();
    }
    bytes
}

fn sealed_behind(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some((rest, sum)) = bytes.split_last_chunk_mut::<4>() {
        *sum = fuzz::checksum(rest).to_le_bytes();
    }
    bytes
}

fn frames() {
    each("frames", &samples::frames(), |_, bytes| {
        let mut taken = Frame::decode(bytes).is_ok();
        for bytes in [bytes.to_vec(), sealed_behind(bytes)] {
            let (frame, peak) = measure(|| Frame::decode(&bytes));
            // A message takes more room in memory than in a frame, but not much.
            let limit = 4 * bytes.len().min(MAX_FRAME_BYTES) + 1024;
            assert!(peak <= limit, "{peak} for {} bytes", bytes.len());
            match frame {
                Ok(frame) => {
                    assert_eq!(Frame::decode(&frame.encode()), Ok(frame));
                    taken = true;
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
        taken
    });
}

fn journal_rows() {
    each("journal rows", &samples::journal_rows(), |_, bytes| {
        let mut taken = false;
        for bytes in [bytes.to_vec(), sealed_in_front(bytes)] {
            let (row, peak) = measure(|| fuzz::journal_row(&bytes));
            // An entry of two bytes becomes a change, and a vector doubles as it grows.
            let limit = 160 * bytes.len() + 1024;
            assert!(peak <= limit, "{peak} for {} bytes", bytes.len());
            if let Some((number, changes)) = row {
                let again = fuzz::encode_journal_row(number, &changes);
                assert_eq!(fuzz::journal_row(&again), Some((number, changes)));
                taken = true;
            }
        }
        taken
    });
}

fn table_rows() {
    let samples = samples::table_rows();
    let rows: Vec<&[u8]> = samples.iter().map(|(.., row)| row.as_slice()).collect();
    each("table rows", &rows, |at, bytes| {
        let (table, key, _) = &samples[at];
        let (value, peak) = measure(|| fuzz::table_row(*table, key, bytes));
        assert!(
            peak <= 2 * bytes.len() + 1024,
            "{peak} for {} bytes",
            bytes.len()
        );
        if let Some(value) = &value {
            assert_eq!(fuzz::encode_table_row(*table, key, value), bytes);
        }
        value.is_some()
    });
}

fn joint_rows() {
    let group = [7; GROUP_BYTES];
    let alone = samples::table_rows();
    let records: Vec<_> = alone
        .into_iter()
        .map(|(table, key, row)| (table, key[..key.len().min(9)].to_vec(), row))
        .collect();
    let samples: Vec<_> = records
        .chunks(3)
        .map(|three| fuzz::encode_joint_row(&group, three))
        .collect();
    each("joint rows", &samples, |_, bytes| {
        let mut sealed = bytes.to_vec();
        fuzz::seal_joint_row(&group, &mut sealed);
        let mut taken = false;
        for bytes in [bytes, &sealed] {
            let (records, peak) = measure(|| fuzz::joint_row(&group, bytes));
            // A record of five bytes becomes one in memory, and a vector doubles as it grows.
            let limit = 64 * bytes.len() + 1024;
            assert!(peak <= limit, "{peak} for {} bytes", bytes.len());
            if let Some(records) = records {
                let values: usize = records.iter().map(|(.., value)| value.len()).sum();
                assert!(values <= bytes.len());
                taken = true;
            }
        }
        taken
    });
}

fn header_rows() {
    let samples: Vec<_> = (0..9).map(fuzz::encode_header_row).collect();
    each("header rows", &samples, |_, bytes| {
        let header = fuzz::header_row(bytes);
        assert!(header.as_ref().is_none_or(|again| again == bytes));
        header.is_some()
    });
}

fn records() {
    let samples = samples::records();
    for table in [Table::Endpoints, Table::Actors, Table::Inbox, Table::Keys] {
        let of_table: Vec<_> = samples.iter().filter(|(of, ..)| *of == table).collect();
        let bytes: Vec<&[u8]> = of_table
            .iter()
            .map(|(.., bytes)| bytes.as_slice())
            .collect();
        each(table.name(), &bytes, |at, bytes| {
            let (_, key, _) = of_table[at];
            let mut taken = false;
            // The last byte is the layout: without it nothing is read at all.
            let mut laid_out = bytes.to_vec();
            if let Some(last) = laid_out.last_mut() {
                *last = 1;
            }
            for bytes in [bytes, &laid_out] {
                let (record, peak) = measure(|| actor_core::fuzz::record(table, key, bytes));
                let limit = codec::MAX_CLAIM_FACTOR * bytes.len() + RESERVED_BYTES;
                assert!(peak <= limit, "{peak} for {} bytes", bytes.len());
                match record {
                    Ok(again) => {
                        assert_eq!(actor_core::fuzz::record(table, key, &again), Ok(again));
                        taken = true;
                    }
                    Err(why) => assert!(!why.is_empty()),
                }
            }
            taken
        });
    }
}

/// What an application receives, from anybody.
fn claims() {
    for len in [
        12,
        256,
        257,
        4_097,
        32_768,
        256 * 1024,
        1024 * 1024,
        8 * 1024 * 1024,
    ] {
        for claim in [len, 16 * len, 100 * len, 300 * len, usize::MAX >> 1] {
            let mut bytes = vec![253];
            bytes.extend_from_slice(&(claim as u64).to_le_bytes());
            bytes.resize(len, b'a');
            let limit = (codec::MAX_CLAIM_FACTOR * len.max(16)).min(128 * len.max(4096));
            let (text, peak) = measure(|| codec::decode::<String>(&bytes));
            assert!(text.is_err(), "{claim} of {len} bytes");
            // The error names the type.
            assert!(peak <= limit + 4096, "{peak} for {claim} of {len} bytes");
            let (list, peak) = measure(|| codec::decode::<Vec<Vec<String>>>(&bytes));
            assert!(list.is_err());
            assert!(
                peak <= limit + RESERVED_BYTES,
                "{peak} for {claim} of {len} bytes"
            );
        }
    }
    // The largest message of a stranger.
    let mut bytes = vec![252];
    bytes.extend_from_slice(&u32::MAX.to_le_bytes());
    bytes.resize(actor_core::protocol::MAX_MESSAGE_BYTES, 0);
    let (_, peak) = measure(|| codec::decode::<String>(&bytes));
    assert!(peak <= 4 * 1024 * 1024 + 4096, "{peak}");
}

#[test]
fn no_bytes_make_a_decoder_panic_or_allocate_beyond_its_limits() {
    frames();
    journal_rows();
    table_rows();
    joint_rows();
    header_rows();
    records();
    claims();
}
