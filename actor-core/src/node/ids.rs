//! Randomness from the operating system: ids, tokens, retry jitter.

use std::sync::Mutex;

use crate::dialog::Ids;

/// The operating system's random numbers, fetched in blocks.
#[derive(Debug, Default)]
pub(crate) struct SystemIds {
    block: Mutex<(usize, Vec<u8>)>,
}

const BLOCK: usize = 4096;

impl Ids for SystemIds {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the shell's one source of randomness"
    )]
    fn random(&self) -> [u8; 16] {
        let mut guard = self
            .block
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let (used, block) = &mut *guard;
        if *used + 16 > block.len() {
            block.resize(BLOCK, 0);
            // A machine without random numbers can mint no token; nothing sensible could go on.
            getrandom::fill(block).expect("the operating system provides random numbers");
            *used = 0;
        }
        let mut id = [0; 16];
        id.copy_from_slice(&block[*used..*used + 16]);
        *used += 16;
        id
    }
}
