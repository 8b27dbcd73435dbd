//! How frames reach other nodes, each zero or more times.
//!
//! Owns addresses of nodes and the directory of who serves what; never retries, orders, or looks into a frame.

mod directory;
mod gnomes;
mod memory;

pub use gnomes::Gnomes;
#[cfg(feature = "test-util")]
pub(crate) use gnomes::HoldBack;
pub(crate) use gnomes::Mischief;
pub use memory::{FrameEvent, Network};

use std::sync::Arc;

use crate::protocol::{Destination, Location, StoreId};

pub(crate) use directory::Directory;

/// Takes what arrives for one node.
pub(crate) trait Inbound: Send + Sync {
    fn receive(&self, frame: &[u8]);
}

/// A node as the others know it.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) store: StoreId,
    pub(crate) services: Vec<&'static str>,
    pub(crate) inbound: Arc<dyn Inbound>,
}

/// Why a node cannot join.
#[derive(Debug)]
pub(crate) enum Taken {
    /// Another running node has its name.
    Name,
    /// Another running node has its store: one of the two is a copy.
    Store {
        /// That node.
        by: String,
    },
}

/// The way to other nodes.
pub(crate) trait Transport: Send + Sync {
    fn join(&self, member: Member) -> Result<(), Taken>;
    /// Takes this store's node off; another node of the same name stays.
    fn leave(&self, name: &str, store: StoreId);
    /// Sends a frame, or loses it. Never blocks.
    fn send(&self, from: &str, to: &Destination, frame: Vec<u8>);
    /// Has anybody ever served this name? A member that is silent now may come back.
    fn serves(&self, service: &str) -> bool;
    /// Where is this memory now, last known under this instance name?
    fn locate(&self, store: StoreId, node: &str) -> Location;
}

/// A node without a network.
#[derive(Debug)]
pub(crate) struct Alone;

impl Transport for Alone {
    fn join(&self, _: Member) -> Result<(), Taken> {
        Ok(())
    }

    fn leave(&self, _: &str, _: StoreId) {}

    fn send(&self, _: &str, _: &Destination, _: Vec<u8>) {}

    fn serves(&self, _: &str) -> bool {
        false
    }

    fn locate(&self, _: StoreId, _: &str) -> Location {
        Location::Unknown
    }
}
