//! Trouble that a test makes itself: of frames, of processes, of disks, of clocks.
//!
//! Owns the vocabulary. Each of these is carried out by the network, a disk or the loop.

use std::{sync::Arc, time::Duration};

use actor_store::{Crash, Disk, MemoryDisk, Options, Store, Table};

use super::{
    FrameRecord, Moment, World,
    home::{Gate, Plan},
    wire::{Rule, What},
};
use crate::{Gnomes, node::Address, protocol::DialogId};

/// Frames.
impl World {
    /// Lets gnomes at all frames sent from now on; what earlier ones held back is let go.
    pub fn gnomes(&mut self, gnomes: Gnomes) {
        self.wire.set_gnomes(gnomes);
    }

    /// Loses the next answer that anybody sends.
    pub fn drop_next_reply(&mut self) {
        self.lose(1, FrameRecord::has_answer);
    }

    /// Loses the next `count` frames for which `test` holds.
    pub fn lose(&mut self, count: u32, test: impl Fn(&FrameRecord) -> bool + Send + 'static) {
        self.wire.add(Rule::new(What::Lose, count, test));
    }

    /// Delivers the next `count` frames for which `test` holds, and once more.
    pub fn repeat(&mut self, count: u32, test: impl Fn(&FrameRecord) -> bool + Send + 'static) {
        self.wire.add(Rule::new(What::Repeat, count, test));
    }

    /// Keeps the next `count` frames for which `test` holds until [`World::let_go`].
    pub fn hold(&mut self, count: u32, test: impl Fn(&FrameRecord) -> bool + Send + 'static) {
        self.wire.add(Rule::new(What::Hold, count, test));
    }

    /// Sends what was held, oldest first: as late, and in such an order, as the test pleases.
    pub fn let_go(&mut self) {
        self.wire.let_go();
    }

    /// Sends a frame of the past once more, as it was.
    pub fn replay(&mut self, record: &FrameRecord) {
        self.wire.replay(record);
    }

    /// The next frame that opens a dialog goes to another instance than its turn would be.
    pub fn reroute_next(&mut self) {
        self.wire.reroute(1);
    }

    /// Nothing passes between the two nodes, either way, until [`World::heal`].
    pub fn partition(&mut self, one: &str, other: &str) {
        let pair = [one.to_owned(), other.to_owned()];
        let is_one = move |name: &str| pair.iter().any(|one| one == name);
        let test = move |record: &FrameRecord| is_one(&record.from) && is_one(&record.to);
        self.wire.add(Rule::new(What::Lose, u32::MAX, test));
    }

    /// What the two nodes send each other from now on waits until this much time has passed.
    pub fn clog(&mut self, one: &str, other: &str, time: Duration) {
        self.wire.clog(one, other, time);
    }

    /// Ends all trouble, by hand or drawn: rules, partitions, gnomes, plans of crashes, slow and failing disks. What was
    /// held stays held, who is down stays down, and clocks stay as they are set.
    pub fn heal(&mut self) {
        self.wire.heal();
        self.weather(super::weather::Weather::end);
        for home in &mut self.homes {
            home.plan = None;
            home.dies_in_recovery = None;
            home.sync_ms = 0;
            if let Some(Gate::Writing(_, _, until)) = home.life.as_mut().map(|life| &mut life.gate)
            {
                *until = 0;
            }
            home.disk.mend();
        }
    }
}

/// Processes and machines.
impl World {
    /// The process dies: everything that was not synced is lost.
    pub fn crash(&mut self, name: &str) {
        self.crash_with(name, Crash::LoseUnsynced);
    }

    /// The process dies, and this is what becomes of writes that were not synced.
    pub fn crash_with(&mut self, name: &str, how: Crash) {
        let index = self.index_of(name);
        self.die(index, how);
    }

    /// The machine dies: of what was not synced an arbitrary part arrived, in any order, torn.
    pub fn power_loss(&mut self, name: &str) {
        let how = Crash::KeepSome(self.dice.any());
        self.crash_with(name, how);
    }

    /// Kills the process at the `k`-th of its commits from now, 1 being the next; a second later it starts again.
    pub fn crash_at(&mut self, name: &str, moment: Moment, k: u64) {
        self.home_mut(name).plan = Some(Plan { moment, left: k });
    }

    /// Kills the process in its next start, after `changes` changes of its files: a crash during the recovery from a
    /// crash. A second later it starts again.
    pub fn crash_in_recovery(&mut self, name: &str, changes: u64) {
        self.home_mut(name).dies_in_recovery = Some(changes);
    }

    /// Is a planned crash still to come?
    pub fn is_crash_due(&self, name: &str) -> bool {
        self.home(name).plan.is_some()
    }

    /// Starts the node on what its disk has; a running one crashes first.
    pub fn restart(&mut self, name: &str) {
        if self.home(name).life.is_some() {
            self.crash(name);
        }
        let index = self.index_of(name);
        self.begin(index);
    }

    /// Is it running, with a store that works?
    pub fn is_up(&self, name: &str) -> bool {
        self.home(name).running().is_some()
    }

    /// Why the node stopped by itself, if it did.
    pub fn failure(&self, name: &str) -> Option<String> {
        let life = self.home(name).life.as_ref()?;
        life.shared.failure().borrow().clone()
    }
}

/// Disks and memories.
impl World {
    /// The disk of the node's present life.
    pub fn disk(&self, name: &str) -> MemoryDisk {
        self.home(name).disk.clone()
    }

    /// The `k`-th sync of the node's disk from now fails, 1 being the next, and so does every later one of this life.
    pub fn fail_sync(&mut self, name: &str, k: u64) {
        self.home(name).disk.fail_sync_at(k);
    }

    /// After `bytes` more bytes the node's disk is full, until its next start.
    pub fn fill_disk(&mut self, name: &str, bytes: u64) {
        self.home(name).disk.fail_write_after(bytes);
    }

    /// Lets each sync of the node take this long.
    pub fn slow_disk(&mut self, name: &str, sync: Duration) {
        self.home_mut(name).sync_ms = sync.as_millis() as u64;
    }

    /// The node starts anew under its old name, without its store: an evil twin.
    pub fn wipe(&mut self, name: &str) {
        self.crash(name);
        self.home_mut(name).disk = MemoryDisk::new();
        self.take_memory(name);
    }

    /// A copy of the node's files as they are, for [`World::restore`].
    pub fn copy(&self, name: &str) -> MemoryDisk {
        let home = self.home(name);
        home.disk.crash(Crash::LoseUnsynced)
    }

    /// The node crashes and starts on an older copy of its files: a backup played back, a machine's snapshot.
    pub fn restore(&mut self, name: &str, copy: &MemoryDisk) {
        self.crash(name);
        self.home_mut(name).disk = copy.crash(Crash::KeepAll);
        self.take_memory(name);
    }

    /// The node loses its records of all dialogs, in a restart, and keeps everything else: amnesia.
    pub fn forget(&mut self, name: &str) {
        self.forget_where(name, |_| true);
    }

    /// The node loses its record of one dialog, and nothing else, in a restart.
    pub fn forget_dialog(&mut self, name: &str, dialog: DialogId) {
        self.forget_where(name, |one| one == dialog);
    }

    fn forget_where(&mut self, name: &str, test: impl Fn(DialogId) -> bool) {
        self.crash(name);
        let disk: Arc<dyn Disk> = Arc::new(self.home(name).disk.clone());
        let store =
            Store::open(disk, Options::default(), [0; 16]).expect("a store that was running opens");
        let unbounded = std::ops::Bound::Unbounded;
        let rows = store
            .range(Table::Endpoints, &[], unbounded, usize::MAX)
            .expect("it can be read");
        let lost = rows
            .into_iter()
            .map(|(key, _)| key)
            .filter(|key| Address::from_bytes(key).is_some_and(|address| test(address.key.dialog)));
        let writes = lost.map(|key| actor_store::Write {
            table: Table::Endpoints,
            key: key.into(),
            value: None,
        });
        store.publish(writes.collect());
        store.commit(store.cut()).expect("it can be written");
        drop(store);
        self.take_memory(name);
    }

    /// Starts a node whose memory is not what it was. The checkers expect nothing of its dialogs but their end.
    fn take_memory(&mut self, name: &str) {
        let index = self.index_of(name);
        let dialogs = self.ledger.dialogs_of(index);
        self.ledger.took_memory(dialogs);
        self.begin(index);
    }
}
