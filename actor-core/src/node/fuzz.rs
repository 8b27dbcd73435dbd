//! A door to the reader of stored records, for fuzzers and checkers. Not for anybody else: it changes without notice.

use actor_store::Table;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    DeadLetter,
    address::{ADDRESS_BYTES, Address, actor_of},
    record::{ActorRow, EndpointRecord, KeyRow, Named, decode, encode},
};
use crate::protocol::LocalItem;

/// Reads a record as the node reads those of this table, and writes it again.
pub fn record(table: Table, key: &[u8], bytes: &[u8]) -> Result<Vec<u8>, String> {
    let no_address = || format!("a key of `{table}` is not an address");
    match table {
        Table::Endpoints => {
            Address::from_bytes(key).ok_or_else(no_address)?;
            again::<EndpointRecord>(bytes)
        }
        Table::Actors => {
            actor_of(key).ok_or_else(no_address)?;
            again::<ActorRow>(bytes)
        }
        Table::Inbox => {
            let address = key.get(..ADDRESS_BYTES).and_then(Address::from_bytes);
            address.ok_or_else(no_address)?;
            again::<LocalItem>(bytes)
        }
        // Names begin with a byte that no service begins with.
        Table::Keys if key.first() == Some(&0) => again::<Named>(bytes),
        Table::Keys => {
            let address = decode::<KeyRow>(bytes)?.address;
            Address::from_bytes(&address).ok_or("a key leads nowhere")?;
            again::<KeyRow>(bytes)
        }
        Table::DeadLetters => again::<DeadLetter>(bytes),
        // Their bytes are the store's own, the application's, or nobody's.
        Table::Node | Table::Types | Table::Outbox | Table::App => Ok(bytes.to_vec()),
    }
}

fn again<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<Vec<u8>, String> {
    encode(&decode::<T>(bytes)?).map_err(|cause| cause.to_string())
}
