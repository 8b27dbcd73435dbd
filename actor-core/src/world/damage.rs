//! Damage to single records, for tests of what else suffers.

use std::sync::Arc;

use actor_store::{Disk, Options, Store, Table, Value, Write};

use super::World;
use crate::{
    node::{Address, actor_key},
    protocol::{DialogId, EndpointKey, Role},
};

/// Which record of a dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    /// Of its one side.
    Endpoint(Role),
    /// The application's state.
    State,
}

impl World {
    /// A record of this dialog becomes nonsense under a checksum that holds, in a restart. How many were found.
    ///
    /// # Panics
    ///
    /// If the node's store cannot be opened.
    pub fn garble(&mut self, name: &str, dialog: DialogId, what: Record) -> usize {
        self.crash(name);
        let disk: Arc<dyn Disk> = Arc::new(self.home(name).disk.clone());
        let store =
            Store::open(disk, Options::default(), [0; 16]).expect("a store that was running opens");
        let table = match what {
            Record::State => Table::Actors,
            Record::Endpoint(_) => Table::Endpoints,
        };
        let wanted = |key: &[u8]| match what {
            Record::State => key == actor_key(dialog).as_slice(),
            Record::Endpoint(role) => Address::from_bytes(key)
                .is_some_and(|address| address.key == EndpointKey { dialog, role }),
        };
        let rows = store
            .range(table, &[], std::ops::Bound::Unbounded, usize::MAX)
            .expect("it can be read");
        let writes: Vec<Write> = rows
            .into_iter()
            .filter(|(key, _)| wanted(key))
            .map(|(key, value)| {
                let mut bytes = value.bytes.to_vec();
                // The last byte says the layout, and stays.
                let content = bytes.len() - 1;
                bytes[..content].fill(0xfe);
                let index = value.index;
                let bytes = bytes.into();
                Write {
                    table,
                    key: key.into(),
                    value: Some(Value { bytes, index }),
                }
            })
            .collect();
        let found = writes.len();
        store.publish(writes);
        store.commit(store.cut()).expect("it can be written");
        drop(store);
        let index = self.index_of(name);
        self.begin(index);
        found
    }
}
