//! Sweeping: which cells leave a shard's memory, and when.
//!
//! Owns the order in which shelves are gone through. Never drops what is not in the store, and never hands a lot over: what
//! the lot has touched stays until a later pass.

use actor_store::StoreFault;

use super::{Shard, Who, cells::is_far, shelves::SHELVES};
use crate::node::{address::Address, when::When};

impl Shard {
    /// Drops cells that were not used for long, if there are too many: those of one shelf, mostly, so that no message waits
    /// until all are gone through. What was put off is written, and goes in the next pass.
    pub(super) fn sweep(&mut self) -> Result<(), StoreFault> {
        let cells = self.shelves.len();
        if cells <= 2 * self.max_cells {
            self.swept = self.uses;
            return Ok(());
        }
        // All shelves in so many uses as there are cells: where most cells are kept, it is not done for each message.
        let all = cells.max(self.max_cells / 2) as u64;
        let shelves = (self.uses - self.swept) * SHELVES as u64 / all;
        if shelves == 0 {
            return Ok(());
        }
        self.swept = self.uses;
        for _ in 0..shelves.min(SHELVES as u64) {
            self.shelf = (self.shelf + 1) % SHELVES;
            self.sweep_shelf(self.shelf)?;
        }
        Ok(())
    }

    fn sweep_shelf(&mut self, shelf: usize) -> Result<(), StoreFault> {
        let now = self.shared.clock.now_ms();
        let horizon = self.uses.saturating_sub(self.max_cells as u64);
        let late = self.shelves.endpoints_on(shelf);
        let late = late.filter(|(_, cell)| cell.is_late() && cell.used < horizon);
        let late: Vec<Address> = late.map(|(address, _)| address).collect();
        self.write(late)?;
        // What the lot has touched would be read back as it was before.
        let lot = &self.lot;
        // The index of deadlines brings a dormant dialog back in time, so its entry need not stay here either.
        let due = &mut self.due;
        let mut drop_entry = |armed: When, who| {
            if let Some(at) = armed.ms().filter(|at| is_far(*at, now)) {
                due.remove(&(at, who));
            }
        };
        self.shelves.retain_endpoints_on(shelf, |address, cell| {
            let kept = cell.used >= horizon
                || !cell.aside.waiters.is_empty()
                || cell.lines().any(|line| line.listens())
                || cell.is_needed()
                || cell.is_talking(now)
                || lot.has_endpoint(address);
            if !kept {
                drop_entry(cell.armed, Who::Endpoint(address));
            }
            kept
        });
        self.shelves.retain_actors_on(shelf, |actor, cell| {
            let kept = cell.used >= horizon || cell.is_volatile() || lot.has_actor(actor);
            if !kept {
                drop_entry(cell.armed, Who::Actor(actor));
            }
            kept
        });
        Ok(())
    }

    /// Writes what was put off.
    fn write(&mut self, late: Vec<Address>) -> Result<(), StoreFault> {
        if late.is_empty() {
            return Ok(());
        }
        let mut txn = self.begin(self.shared.clock.now_ms());
        txn.dirty.extend(late);
        self.commit(txn).map(drop)
    }

    pub(crate) fn write_all(&mut self) -> Result<(), StoreFault> {
        let late = self.shelves.endpoints().filter(|(_, cell)| cell.is_late());
        let late = late.map(|(address, _)| address).collect();
        self.write(late)?;
        self.settle()
    }
}
