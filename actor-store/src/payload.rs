//! The bytes of a value.
//!
//! Owns how they are shared: clones of a value share its bytes, and small values that were written together share one
//! buffer, see [`crate::Pack`]. Never changes them.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// The end of a buffer, wherever it is.
const END: u32 = u32::MAX;

/// Bytes that nobody changes: cloning copies nothing. Read them as a slice.
#[derive(Clone)]
pub struct Payload {
    buffer: Arc<[u8]>,
    from: u32,
    /// [`END`] where it is a buffer of its own, which may be longer than these numbers say.
    to: u32,
}

impl Payload {
    /// These bytes of a buffer that others share.
    pub(crate) fn part(buffer: &Arc<[u8]>, from: u32, to: u32) -> Self {
        debug_assert!(from <= to && to as usize <= buffer.len() && to != END);
        Self {
            buffer: Arc::clone(buffer),
            from,
            to,
        }
    }

    /// All that is in memory for as long as these bytes are.
    #[cfg(test)]
    pub(crate) fn buffer(&self) -> &[u8] {
        &self.buffer
    }
}

impl Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self.to {
            END => &self.buffer,
            to => &self.buffer[self.from as usize..to as usize],
        }
    }
}

impl From<Arc<[u8]>> for Payload {
    fn from(buffer: Arc<[u8]>) -> Self {
        Self {
            buffer,
            from: 0,
            to: END,
        }
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Arc::<[u8]>::from(bytes).into()
    }
}

impl From<&[u8]> for Payload {
    fn from(bytes: &[u8]) -> Self {
        Arc::<[u8]>::from(bytes).into()
    }
}

impl<const N: usize> From<[u8; N]> for Payload {
    fn from(bytes: [u8; N]) -> Self {
        Arc::<[u8]>::from(bytes).into()
    }
}

/// The bytes alone: what shared its buffer with others is copied, so that it does not keep theirs.
impl From<Payload> for Arc<[u8]> {
    fn from(payload: Payload) -> Self {
        match payload.to {
            END => payload.buffer,
            _ => (*payload).into(),
        }
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Payload {}

impl Hash for Payload {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for Payload {
    // What customers say to each other: a log shows its length only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}
