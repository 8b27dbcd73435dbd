//! What a dialog was opened with, which is the same for thousands of dialogs: endpoints of one node share it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Endpoint;
use crate::protocol::limits::Timeouts;

/// What both sides of a dialog know of its contract.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Terms {
    pub(super) contract: u64,
    pub(super) service: String,
    pub(super) timeouts: Timeouts,
}

/// Terms that are kept to be shared; a node has a few contracts, and more in the time of an upgrade.
const MAX_SHARED: usize = 64;

/// Terms of which one copy does for all.
#[derive(Debug, Default)]
pub struct SharedTerms(Vec<Arc<Terms>>);

impl SharedTerms {
    /// Lets the endpoint have the copy that is here.
    pub fn share(&mut self, endpoint: &mut Endpoint) {
        if let Some(known) = self.0.iter().find(|known| **known == endpoint.terms) {
            endpoint.terms = Arc::clone(known);
            return;
        }
        if self.0.len() >= MAX_SHARED {
            self.0.retain(|known| Arc::strong_count(known) > 1);
        }
        if self.0.len() < MAX_SHARED {
            self.0.push(Arc::clone(&endpoint.terms));
        }
    }
}
