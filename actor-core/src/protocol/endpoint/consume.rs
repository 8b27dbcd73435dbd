//! Skeleton.
use super::*;
impl Endpoint {
    pub(super) fn consume(&mut self, _env: &Env<'_>, _eff: &mut Effects) {}
}
