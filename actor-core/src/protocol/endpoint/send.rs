//! Skeleton.
use super::*;
use crate::protocol::limits::Limits;
use crate::protocol::message::Outgoing;
impl Endpoint {
    pub(super) fn send(&mut self, _o: Outgoing, _env: &Env<'_>, _eff: &mut Effects) {}
    /// May a message of this many bytes be said now?
    pub fn can_send(&self, _bytes: usize, _limits: &Limits) -> Result<(), SendRefusal> {
        Ok(())
    }
}
