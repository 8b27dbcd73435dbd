//! A dossier: what a shard has in memory of one dialog.
//!
//! Owns which cells belong together: either side that is at home here, and the actor. Each comes and goes by itself; a
//! dossier in which nothing is left is thrown away by whoever took the last cell out. Knows nothing of what is on disk.

use super::cells::{ActorCell, EndpointCell};
use crate::{node::address::Address, protocol::Role};

/// Both sides of a dialog and its actor, as far as they are in memory.
#[derive(Default)]
pub(super) struct Dossier {
    initiator: Option<Box<EndpointCell>>,
    target: Option<Box<EndpointCell>>,
    pub(super) actor: Option<Box<ActorCell>>,
}

impl Dossier {
    pub(super) fn is_empty(&self) -> bool {
        self.initiator.is_none() && self.target.is_none() && self.actor.is_none()
    }

    /// The endpoint at this address, which is of this dialog. One that is at home elsewhere is another one.
    pub(super) fn endpoint(&self, address: Address) -> Option<&EndpointCell> {
        let side = match address.key.role {
            Role::Initiator => &self.initiator,
            Role::Target => &self.target,
        };
        side.as_deref().filter(|cell| is_at(cell, address))
    }

    pub(super) fn endpoint_mut(&mut self, address: Address) -> Option<&mut EndpointCell> {
        let side = self.side(address.key.role);
        side.as_deref_mut().filter(|cell| is_at(cell, address))
    }

    pub(super) fn put_endpoint(
        &mut self,
        address: Address,
        cell: Box<EndpointCell>,
    ) -> Option<Box<EndpointCell>> {
        debug_assert!(is_at(&cell, address), "a token names its home");
        self.side(address.key.role).replace(cell)
    }

    pub(super) fn take_endpoint(&mut self, address: Address) -> Option<Box<EndpointCell>> {
        let side = self.side(address.key.role);
        side.take_if(|cell| is_at(cell, address))
    }

    /// Both sides, the initiator first.
    pub(super) fn sides(&self) -> impl Iterator<Item = &EndpointCell> {
        [&self.initiator, &self.target]
            .into_iter()
            .filter_map(Option::as_deref)
    }

    /// Initiator, target and actor, where all three are here.
    pub(super) fn all_mut(
        &mut self,
    ) -> Option<(&mut EndpointCell, &mut EndpointCell, &mut ActorCell)> {
        Some((
            self.initiator.as_deref_mut()?,
            self.target.as_deref_mut()?,
            self.actor.as_deref_mut()?,
        ))
    }

    /// Leaves out the sides that `is_kept` does not want. How many have gone.
    pub(super) fn retain_sides(
        &mut self,
        mut is_kept: impl FnMut(Address, &mut EndpointCell) -> bool,
    ) -> usize {
        let sides = [&mut self.initiator, &mut self.target].into_iter();
        let gone = sides.filter_map(|side| side.take_if(|cell| !is_kept(cell.address(), cell)));
        gone.count()
    }

    fn side(&mut self, role: Role) -> &mut Option<Box<EndpointCell>> {
        match role {
            Role::Initiator => &mut self.initiator,
            Role::Target => &mut self.target,
        }
    }
}

/// Its token says where an endpoint is at home.
fn is_at(cell: &EndpointCell, address: Address) -> bool {
    cell.record.endpoint.token().slot() == address.slot
}
