//! Skeleton.
use super::*;
impl Endpoint {
    pub(super) fn flush(&mut self, _env: &Env<'_>, _eff: &mut Effects) {}
}
