//! Skeleton.
use super::*;
use crate::protocol::effects::TimerKind;
impl Endpoint {
    pub(super) fn timer(&mut self, _k: TimerKind, _env: &Env<'_>, _eff: &mut Effects) {}
    pub(super) fn restarted(&mut self, _env: &Env<'_>, _eff: &mut Effects) {}
}
