//! The files of a store as a restarted machine finds them.
//!
//! Owns names and contents, shared between the many images of one run. Never decides what survives a crash.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::pages::{Pages, mix};

/// What is on a disk, all of it durable.
#[derive(Clone, Debug, Default)]
pub struct Image {
    pub(crate) files: BTreeMap<Arc<str>, Pages>,
}

impl Image {
    /// A number that two different images share by a chance of one in 2^64.
    pub fn fingerprint(&self) -> u64 {
        self.files.iter().fold(0, |sum, (name, pages)| {
            // A file that is not there and an empty one are the same to a store.
            let name = name.bytes().fold(0, |sum, byte| mix(sum ^ u64::from(byte)));
            match pages.len() {
                0 => sum,
                _ => sum.wrapping_add(mix(name ^ pages.fingerprint())),
            }
        })
    }

    pub(crate) fn file_mut(&mut self, name: &Arc<str>) -> &mut Pages {
        self.files.entry(Arc::clone(name)).or_default()
    }
}
