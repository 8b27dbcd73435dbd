//! Skeleton.
use super::*;
use crate::protocol::frame::Frame;
use crate::protocol::input::{LocalItem, Location};
impl Endpoint {
    pub(super) fn receive(&mut self, _f: Frame, _env: &Env<'_>, _eff: &mut Effects) {}
    pub(super) fn receive_local(&mut self, _f: LocalItem, _eff: &mut Effects) {}
    pub(super) fn located(&mut self, _f: Location, _env: &Env<'_>, _eff: &mut Effects) {}
}
