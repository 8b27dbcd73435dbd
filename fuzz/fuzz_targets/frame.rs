#![no_main]
//! A frame from a stranger.

use actor_core::protocol::Frame;
use actor_store::fuzz::checksum;
use libfuzzer_sys::fuzz_target;

fn check(bytes: &[u8]) {
    if let Ok(frame) = Frame::decode(bytes) {
        assert_eq!(Frame::decode(&frame.encode()), Ok(frame));
    }
}

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    let mut sealed = bytes.to_vec();
    if let Some((rest, sum)) = sealed.split_last_chunk_mut::<4>() {
        *sum = checksum(rest).to_le_bytes();
        check(&sealed);
    }
});
