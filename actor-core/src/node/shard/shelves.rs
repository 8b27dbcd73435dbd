//! Cells on shelves: what a shard has in memory, in parts that are gone through one at a time.
//!
//! Owns where a dialog's dossier lies, and that there is none without a cell. One table of tens of thousands of cells is
//! swept, and grows, in one go, and every message waits meanwhile; a part of it is done with between two messages. Both
//! ends of a dialog and its actor are one entry: what is said from one to the other finds them in the same place, and
//! they share the key and the room that a table keeps free.

use foldhash::{HashMap, HashMapExt};

use super::{
    cells::{ActorCell, EndpointCell},
    dossier::Dossier,
};
use crate::{node::address::Address, protocol::DialogId};

/// Shelves, a power of two.
pub(super) const SHELVES: usize = 64;

/// Cells by dialog.
pub(super) struct Shelves {
    shelves: Box<[HashMap<DialogId, Dossier>]>,
    /// Cells, not dossiers.
    len: usize,
}

fn shelf_of(dialog: DialogId) -> usize {
    let [.., last] = dialog.0;
    usize::from(last) % SHELVES
}

impl Shelves {
    pub(super) fn new() -> Self {
        Self {
            shelves: (0..SHELVES).map(|_| HashMap::new()).collect(),
            len: 0,
        }
    }

    /// How many cells there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn dossier(&self, dialog: DialogId) -> Option<&Dossier> {
        self.shelves[shelf_of(dialog)].get(&dialog)
    }

    pub(super) fn dossier_mut(&mut self, dialog: DialogId) -> Option<&mut Dossier> {
        self.shelves[shelf_of(dialog)].get_mut(&dialog)
    }

    pub(super) fn endpoint(&self, address: Address) -> Option<&EndpointCell> {
        self.dossier(address.key.dialog)?.endpoint(address)
    }

    pub(super) fn endpoint_mut(&mut self, address: Address) -> Option<&mut EndpointCell> {
        self.dossier_mut(address.key.dialog)?.endpoint_mut(address)
    }

    pub(super) fn actor(&self, dialog: DialogId) -> Option<&ActorCell> {
        self.dossier(dialog)?.actor.as_deref()
    }

    pub(super) fn actor_mut(&mut self, dialog: DialogId) -> Option<&mut ActorCell> {
        self.dossier_mut(dialog)?.actor.as_deref_mut()
    }

    pub(super) fn insert_endpoint(&mut self, address: Address, cell: Box<EndpointCell>) {
        let old = self
            .dossier_of(address.key.dialog)
            .put_endpoint(address, cell);
        self.len += usize::from(old.is_none());
    }

    pub(super) fn insert_actor(&mut self, dialog: DialogId, cell: Box<ActorCell>) {
        let old = self.dossier_of(dialog).actor.replace(cell);
        self.len += usize::from(old.is_none());
    }

    pub(super) fn remove_endpoint(&mut self, address: Address) -> Option<Box<EndpointCell>> {
        let dossier = self.dossier_mut(address.key.dialog)?;
        let old = dossier.take_endpoint(address);
        self.removed(address.key.dialog, old)
    }

    pub(super) fn remove_actor(&mut self, dialog: DialogId) -> Option<Box<ActorCell>> {
        let old = self.dossier_mut(dialog)?.actor.take();
        self.removed(dialog, old)
    }

    fn dossier_of(&mut self, dialog: DialogId) -> &mut Dossier {
        self.shelves[shelf_of(dialog)].entry(dialog).or_default()
    }

    /// A cell was taken out; its dossier goes with the last one.
    fn removed<T>(&mut self, dialog: DialogId, old: Option<T>) -> Option<T> {
        let old = old?;
        self.len -= 1;
        if self.dossier(dialog).is_some_and(Dossier::is_empty) {
            self.shelves[shelf_of(dialog)].remove(&dialog);
        }
        Some(old)
    }

    pub(super) fn endpoints(&self) -> impl Iterator<Item = (Address, &EndpointCell)> {
        (0..SHELVES).flat_map(|shelf| self.endpoints_on(shelf))
    }

    /// The endpoints of one shelf.
    pub(super) fn endpoints_on(
        &self,
        shelf: usize,
    ) -> impl Iterator<Item = (Address, &EndpointCell)> {
        let sides = self.shelves[shelf].values().flat_map(Dossier::sides);
        sides.map(|cell| (cell.address(), cell))
    }

    pub(super) fn actors_mut(&mut self) -> impl Iterator<Item = &mut ActorCell> {
        let dossiers = self.shelves.iter_mut().flat_map(HashMap::values_mut);
        dossiers.filter_map(|dossier| dossier.actor.as_deref_mut())
    }

    /// Keeps the endpoints of one shelf of which `is_kept` says so.
    pub(super) fn retain_endpoints_on(
        &mut self,
        shelf: usize,
        mut is_kept: impl FnMut(Address, &mut EndpointCell) -> bool,
    ) {
        self.take_on(shelf, |_, dossier| dossier.retain_sides(&mut is_kept));
    }

    /// The same of its actors.
    pub(super) fn retain_actors_on(
        &mut self,
        shelf: usize,
        mut is_kept: impl FnMut(DialogId, &mut ActorCell) -> bool,
    ) {
        self.take_on(shelf, |dialog, dossier| {
            let actor = dossier.actor.take_if(|cell| !is_kept(dialog, cell));
            usize::from(actor.is_some())
        });
    }

    /// Goes through one shelf; `take` says how many cells it took out of a dossier, which goes with its last one.
    fn take_on(&mut self, shelf: usize, mut take: impl FnMut(DialogId, &mut Dossier) -> usize) {
        let mut gone = 0;
        self.shelves[shelf].retain(|dialog, dossier| {
            gone += take(*dialog, dossier);
            !dossier.is_empty()
        });
        self.len -= gone;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        node::{
            address::token,
            record::{EndpointRecord, Owner},
        },
        protocol::{Carrier, Endpoint, Env, Limits, Mode, StoreId, Timeouts},
    };

    fn initiator(dialog: u8, slot: u16) -> Address {
        Address::initiator(DialogId([dialog; 16]), slot)
    }

    fn cell(address: Address) -> Box<EndpointCell> {
        let limits = Limits::default();
        let (endpoint, _) = Endpoint::initiate(
            address.key.dialog,
            token(address.slot, [7; 16]),
            "foo",
            Mode::Handshake,
            Carrier::Local,
            Timeouts {
                initiation: Duration::MAX,
                silence: Duration::MAX,
                lifetime: Duration::MAX,
            },
            0,
            false,
            &Env::new(&limits, StoreId::default(), 1),
        );
        let record = EndpointRecord::new(endpoint, Owner::Keyed, address.key.dialog, 0);
        Box::new(EndpointCell::new(record, 0))
    }

    #[test]
    fn a_cell_is_found_where_it_is_at_home_and_its_dossier_goes_with_it() {
        let mut shelves = Shelves::new();
        let (here, elsewhere) = (initiator(1, 5), initiator(1, 6));
        shelves.insert_endpoint(here, cell(here));
        shelves.insert_endpoint(here, cell(here));
        assert_eq!(shelves.len(), 1);
        assert!(shelves.endpoint(here).is_some() && shelves.endpoint_mut(here).is_some());
        assert!(shelves.endpoint(elsewhere).is_none() && shelves.endpoint_mut(elsewhere).is_none());
        assert!(shelves.endpoint(Address::target(here.key.dialog)).is_none());
        assert!(shelves.actor(here.key.dialog).is_none());
        assert!(shelves.remove_endpoint(elsewhere).is_none());
        assert!(shelves.remove_actor(here.key.dialog).is_none());
        assert!(shelves.remove_endpoint(here).is_some());
        assert_eq!(shelves.len(), 0);
        assert!(shelves.dossier(here.key.dialog).is_none());
    }

    #[test]
    fn one_shelf_is_gone_through_and_the_others_stay() {
        let mut shelves = Shelves::new();
        let all: Vec<Address> = (0..=u8::MAX).map(|dialog| initiator(dialog, 5)).collect();
        for address in &all {
            shelves.insert_endpoint(*address, cell(*address));
        }
        assert_eq!(shelves.endpoints().count(), all.len());
        let on = shelves.endpoints_on(3).map(|(address, _)| address);
        let mut on: Vec<Address> = on.collect();
        on.sort_unstable();
        assert_eq!(on, [all[3], all[67], all[131], all[195]]);
        shelves.retain_endpoints_on(3, |address, _| address == all[67]);
        assert_eq!(shelves.len(), all.len() - 3);
        assert_eq!(shelves.endpoints().count(), shelves.len());
        assert!(shelves.endpoint(all[67]).is_some() && shelves.endpoint(all[4]).is_some());
        assert!(shelves.dossier(all[3].key.dialog).is_none());
    }
}
