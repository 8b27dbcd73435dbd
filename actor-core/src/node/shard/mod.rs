//! One shard: the memory of the dialogs at home here, and one message at a time through protocol, handler and effects.
//!
//! Owns the records of its slots; nobody else writes them. Runs each message to completion: no task, mailbox or lock per
//! dialog. Everything a message changes goes to the gate as one transaction; nothing leaves from here.

mod calls;
mod cells;
mod commands;
mod damage;
mod dossier;
mod effects;
mod ends;
mod frames;
mod half_open;
mod handler;
mod lending;
mod lines;
mod local;
mod lot;
mod names;
mod shelves;
mod slow;
mod sweep;
#[cfg(all(test, feature = "test-util"))]
mod tests;
mod timers;
mod touched;
mod trouble;
mod txn;
mod unasked;
mod undo;
mod versions;
mod work;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    sync::Arc,
    time::Duration,
};

use actor_store::{Beside, Pack, StoreFault, Write};
use smallvec::SmallVec;
use tokio::sync::oneshot;

use super::{
    address::Address,
    deaths::Deaths,
    gate::{Cut, Output},
    half_open::Opening,
    record::{Awaited, Work},
    shared::Shared,
};
use crate::{
    dialog::Knowledge,
    protocol::{DialogId, Frame, LocalItem, Mutant, SharedTerms, Spare},
};

use cells::MAX_CELLS;
pub(crate) use handler::LARGE_STATE_BYTES;
use lending::AtRest;
pub(crate) use lines::{Learned, LineState, PlainCall, PlainSpec};
pub(crate) use local::deliveries;
use lot::Lot;
pub(crate) use lot::encoding;
use shelves::Shelves;
use slow::Slow;

/// Messages inside the shard before one from outside has its turn.
const NEAR_IN_A_ROW: u32 = 64;
/// Turns after which it is asked again whether the disk keeps up.
const TURNS_PER_CHECK: u32 = 64;

/// What a shard's thread does next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Look for more to do.
    Work,
    /// Make this durable first: there is nothing else to do.
    Commit(Cut),
    /// Nothing any more.
    End,
}

/// What reaches a shard.
#[derive(Debug)]
pub(crate) enum ShardMsg {
    /// From another node.
    Frame(Box<Frame>),
    /// From an endpoint of this store.
    Local(Delivery),
    /// From plain code.
    Call(Box<PlainCall>),
    /// Plain code dropped its last handle of a volatile dialog.
    Dropped(Arc<LineState>),
    /// Plain code reads what the target of a dialog says unasked.
    Listen(Arc<LineState>),
    /// Plain code closes a dialog.
    Close(Arc<LineState>),
    /// Plain code gives a dialog up.
    Abandon(Arc<LineState>, String),
    /// Tell what is known of a named request.
    Knowledge(Arc<LineState>, String, oneshot::Sender<Knowledge>),
    /// The clock is believed from now on.
    Rearm,
    /// An operator wants work tried again that is held. Told, durably, whether there is any.
    Retry(DialogId, oneshot::Sender<bool>),
    /// The other side of a dialog of this store cannot be read any more.
    PartnerDamaged(Address, String),
    /// Something may be due at this time.
    Wake(u64, Who),
    /// Tell how many messages were handled since the last one.
    Barrier(oneshot::Sender<u64>),
}

/// Items for an endpoint of this store, in order.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) to: Address,
    pub(crate) items: SmallVec<[LocalItem; 1]>,
    /// They lie in the inbox table and are deleted as they are consumed.
    pub(crate) stored: bool,
    /// They are counted as held back until they are handled: what is said after them must not be heard before.
    pub(crate) held_back: bool,
}

/// Who has something due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Who {
    Endpoint(Address),
    Actor(DialogId),
}

impl Who {
    pub(crate) fn slot(self) -> u16 {
        match self {
            Self::Endpoint(address) => address.slot,
            Self::Actor(actor) => actor.slot(),
        }
    }
}

/// Messages that wait, by queue: each queue is in order, and the two take turns.
#[derive(Debug, Clone, Copy)]
struct Arrived {
    near: usize,
    elsewhere: usize,
}

/// A shard, stepped by whoever owns it.
pub(crate) struct Shard {
    shared: Arc<Shared>,
    index: usize,
    shelves: Shelves,
    terms: SharedTerms,
    spare: Spare,
    /// Room for what an endpoint awaits that awaits nothing yet.
    spare_awaited: Option<Box<Awaited>>,
    /// Dialogs that handles in plain code were attached to last.
    attached: VecDeque<Address>,
    /// Who wants to be looked at when: at most one entry for each cell, and one for each row of the index.
    due: BTreeSet<(u64, Who)>,
    /// What had arrived when something was found to be due, and is not heard yet; it is heard first.
    first: Option<Arrived>,
    /// Said to endpoints of this shard by endpoints of this shard; goes before everything else.
    near: VecDeque<Delivery>,
    /// Empty lists, for the next transaction.
    spare_work: VecDeque<(DialogId, Work)>,
    spare_writes: Vec<Write>,
    /// What was done and is not yet handed to the gate.
    lot: Lot,
    /// Messages inside the shard since one from outside had its turn.
    in_a_row: u32,
    /// Handlers that took their time.
    slow: Slow,
    /// Taken from the mailbox and not yet handled.
    taken: VecDeque<ShardMsg>,
    /// Counts uses, to tell which cells were not used for long.
    uses: u64,
    /// Messages since the last barrier.
    handled: u64,
    max_cells: usize,
    /// Targets at home here whose initiators have not come back, as they are counted.
    half_open: BTreeMap<Address, Opening>,
    /// The use at which idle cells were looked for last, and the shelf on which they were.
    swept: u64,
    shelf: usize,
    /// Of the actors at home here.
    deaths: Deaths,
    /// Records that cannot be read, in words, and those of them whose dialogs are not yet ended.
    damaged: BTreeMap<Who, String>,
    buried: Vec<Who>,
    /// Volatile actors that callers may soon be lent.
    at_rest: AtRest,
    /// What lies beside the record that was read last.
    beside: Beside,
    /// For the writes of a lot.
    pack: Pack,
}

impl Shard {
    pub(crate) fn new(shared: Arc<Shared>, index: usize) -> Self {
        let deaths = shared.deaths_of(index);
        Self {
            shared,
            index,
            shelves: Shelves::new(),
            terms: SharedTerms::default(),
            spare: Spare::default(),
            spare_awaited: None,
            attached: VecDeque::new(),
            near: VecDeque::new(),
            spare_work: VecDeque::new(),
            spare_writes: Vec::new(),
            lot: Lot::default(),
            due: BTreeSet::new(),
            first: None,
            in_a_row: 0,
            slow: Slow::default(),
            taken: VecDeque::new(),
            uses: 0,
            handled: 0,
            max_cells: MAX_CELLS,
            half_open: BTreeMap::new(),
            swept: 0,
            shelf: 0,
            deaths,
            damaged: BTreeMap::new(),
            buried: Vec::new(),
            at_rest: AtRest::default(),
            beside: Beside::default(),
            pack: Pack::default(),
        }
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Handles one message or one due timer. False if there was neither.
    pub(crate) fn turn(&mut self) -> Result<bool, StoreFault> {
        if self.in_a_row < NEAR_IN_A_ROW && self.near_turn()? {
            self.in_a_row += 1;
            return Ok(true);
        }
        self.in_a_row = 0;
        self.part()?;
        let now = self.shared.clock.now_ms();
        if self.next_due().is_some_and(|due| due <= now) {
            // A deadline is not over while an answer waits to be heard: what had arrived by now goes first.
            let arrived = Arrived {
                near: self.near.len(),
                elsewhere: self.taken.len() + self.shared.mailboxes[self.index].len(),
            };
            let first = *self.first.get_or_insert(arrived);
            let waits = first.near > 0 || first.elsewhere > 0;
            if !waits || self.shared.is_mutant(Mutant::ExpireAtBoot) {
                self.first = None;
                self.fire(now)?;
                self.bury()?;
                return Ok(true);
            }
        } else {
            self.first = None;
        }
        let next = self
            .taken
            .pop_front()
            .or_else(|| self.shared.mailboxes[self.index].pop());
        let Some(message) = next else {
            return self.near_turn();
        };
        if let Some(first) = &mut self.first {
            first.elsewhere = first.elsewhere.saturating_sub(1);
        }
        self.handled += 1;
        self.handle(message)?;
        self.bury()?;
        self.sweep()?;
        Ok(true)
    }

    /// Handles what one endpoint of this shard said to another.
    fn near_turn(&mut self) -> Result<bool, StoreFault> {
        let Some(delivery) = self.near.pop_front() else {
            return Ok(false);
        };
        self.part()?;
        self.handled += 1;
        if let Some(first) = &mut self.first {
            first.near = first.near.saturating_sub(1);
        }
        self.on_delivery(delivery)?;
        self.bury()?;
        self.sweep()?;
        Ok(true)
    }

    /// Hands over what is done, where it should not wait for what follows.
    fn part(&mut self) -> Result<(), StoreFault> {
        if self.slow.parts() {
            self.settle()?;
        }
        Ok(())
    }

    /// Waits for work and does all there is. [`Next::End`] once the node stops and nothing is left.
    pub(crate) fn run(&mut self) -> Result<Next, StoreFault> {
        let shared = Arc::clone(&self.shared);
        self.lend_those_at_rest();
        shared.gate.wait_below(super::shared::MAX_UNSYNCED_BYTES);
        let is_closed = shared.mailboxes[self.index].is_closed();
        if self.taken.is_empty() && (self.near.is_empty() || is_closed) {
            let now = shared.clock.now_ms();
            let patience = self
                .next_due()
                .map(|due| Duration::from_millis(due.saturating_sub(now)));
            if !shared.mailboxes[self.index].take(&mut self.taken, patience) {
                return Ok(Next::End);
            }
        }
        shared.gate.begin_work();
        let done = self.do_taken(&shared);
        let has_time = self.taken.is_empty()
            && self.near.is_empty()
            && shared.mailboxes[self.index].len() == 0;
        if let Err(fault) = done {
            // Half of a transaction is in memory: nothing of this lot may be written.
            self.lot = Lot::default();
            shared
                .gate
                .end_work(Vec::new(), Output::default(), 0, false);
            return Err(fault);
        }
        let cut = self.settle_last(has_time)?;
        Ok(cut.map_or(Next::Work, Next::Commit))
    }

    /// Everything that was taken, and what is due.
    fn do_taken(&mut self, shared: &Shared) -> Result<(), StoreFault> {
        let mut turns = 0_u32;
        while !shared.has_failed() && self.turn()? {
            if self.taken.is_empty() && self.near.is_empty() {
                break;
            }
            turns += 1;
            if turns.is_multiple_of(TURNS_PER_CHECK) {
                if shared.mailboxes[self.index].is_closed() {
                    // What is said inside the shard lies in the inbox by then, for the next start.
                    break;
                }
                shared.gate.wait_below(super::shared::MAX_UNSYNCED_BYTES);
            }
        }
        Ok(())
    }

    /// A turn, and then, if it is wished or nothing else is left to do, everything so far goes to the gate.
    #[cfg(feature = "test-util")]
    pub(crate) fn step(&mut self, settles: bool) -> Result<(), StoreFault> {
        self.lend_those_at_rest();
        if !self.turn()? || settles {
            self.settle()?;
        }
        Ok(())
    }

    /// When this shard has something to do without being told.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Keeps fewer cells than usual, so that what is dropped and read back shows.
    #[cfg(feature = "test-util")]
    pub(crate) fn keep(&mut self, cells: usize) {
        self.max_cells = cells;
    }

    /// Would [`Shard::turn`] do anything now?
    #[cfg(feature = "test-util")]
    pub(crate) fn is_ready(&self) -> bool {
        let now = self.shared.clock.now_ms();
        self.shared.mailboxes[self.index].len() > 0
            || !self.taken.is_empty()
            || !self.near.is_empty()
            || self.is_unsettled()
            || self.has_rested()
            || self.next_due().is_some_and(|due| due <= now)
    }

    fn handle(&mut self, message: ShardMsg) -> Result<(), StoreFault> {
        match message {
            ShardMsg::Frame(frame) => {
                self.shared.frame_taken(&frame);
                self.on_frame(*frame)
            }
            ShardMsg::Local(delivery) => {
                if delivery.held_back {
                    // Whatever follows from it has its turn after this one.
                    self.shared.held_back.remove(delivery.to);
                }
                self.on_delivery(delivery)
            }
            ShardMsg::Call(call) => {
                self.take_up(&call.line);
                self.on_call(*call)
            }
            ShardMsg::Dropped(line) => {
                self.take_up(&line);
                self.on_dropped(&line)
            }
            ShardMsg::Listen(line) => {
                self.take_up(&line);
                self.on_listen(&line)
            }
            ShardMsg::Close(line) => {
                self.take_up(&line);
                self.on_close(&line)
            }
            ShardMsg::Abandon(line, why) => {
                self.take_up(&line);
                self.on_abandon(&line, why)
            }
            ShardMsg::Retry(dialog, done) => self.on_retry(dialog, done),
            ShardMsg::PartnerDamaged(address, detail) => self.on_partner_damaged(address, &detail),
            ShardMsg::Knowledge(line, name, answer) => {
                self.take_up(&line);
                self.on_knowledge(&line, name, answer)
            }
            ShardMsg::Rearm => {
                self.rearm();
                Ok(())
            }
            ShardMsg::Wake(due, who) => {
                self.arm(due, who);
                Ok(())
            }
            ShardMsg::Barrier(done) => {
                self.settle()?;
                let _ = done.send(self.handled - 1);
                self.handled = 0;
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard")
            .field("index", &self.index)
            .field("cells", &self.shelves.len())
            .finish_non_exhaustive()
    }
}
