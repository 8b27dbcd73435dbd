//! The dialogs of a node, for whoever operates it. Reads records; never brings a dialog into memory.

use std::{
    ops::Bound,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use actor_store::{StoreFault, Table};

use super::{
    Shared,
    record::{EndpointRecord, is_current},
};
use crate::protocol::{DialogId, Ending, Role, Stage};

/// One side of one dialog, as it was last written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DialogInfo {
    /// The dialog's id, the same on both sides.
    pub id: DialogId,
    /// Which side this node has.
    pub role: Role,
    /// The service that was asked for.
    pub service: String,
    /// Where it stands.
    pub stage: Stage,
    /// How it ended, if it has.
    pub ending: Option<Ending>,
    /// Messages said so far.
    pub sent: u64,
    /// Messages consumed so far.
    pub received: u64,
    /// Messages said and not acknowledged.
    pub unacknowledged: usize,
    /// Requests that wait for this side's answer.
    pub owed: usize,
    /// Requests that wait for the partner's answer.
    pub unanswered: usize,
    /// When something is due at the latest, unless the partner is heard before.
    pub deadline: Option<SystemTime>,
    /// How long it has existed.
    pub age: Duration,
}

pub(super) fn list(shared: &Shared) -> Result<Vec<DialogInfo>, StoreFault> {
    let now = shared.clock.now_ms();
    let rows = shared
        .store
        .range(Table::Endpoints, &[], Bound::Unbounded, usize::MAX)?;
    let info = |record: EndpointRecord| {
        let endpoint = &record.endpoint;
        DialogInfo {
            id: endpoint.key().dialog,
            role: endpoint.role(),
            service: endpoint.service().to_owned(),
            stage: endpoint.stage(),
            ending: endpoint.ending().cloned(),
            sent: endpoint.send_next() - 1,
            received: endpoint.recv_next() - 1,
            unacknowledged: endpoint.outbox().count(),
            owed: endpoint.owed().len(),
            unanswered: endpoint.unanswered().len(),
            deadline: record
                .deadline()
                .map(|due| UNIX_EPOCH + Duration::from_millis(due)),
            age: Duration::from_millis(now.saturating_sub(record.opened_ms)),
        }
    };
    // One that cannot be read must not hide the others; its shard reports it with its key.
    let readable =
        rows.iter()
            .filter_map(|(_, value)| match shared.decode(Table::Endpoints, value) {
                Err(_) if is_current(&value.bytes) => None,
                read => Some(read.map(info)),
            });
    readable.collect()
}
