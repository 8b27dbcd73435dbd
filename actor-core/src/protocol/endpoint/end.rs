//! Skeleton.
use super::*;
impl Endpoint {
    pub(super) fn give_up(
        &mut self,
        _c: FaultCode,
        _d: String,
        _env: &Env<'_>,
        _eff: &mut Effects,
    ) {
    }
}
