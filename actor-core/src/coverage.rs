//! Which rare states a run has reached: rows of the transition table by circumstance, and named situations.
//!
//! Owns counters, for a whole process. Nothing here changes what the plumbing does; without the feature `test-util` each
//! mark is an empty function.

/// How an input came to an endpoint, as the harness that hands it over knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Circumstance {
    /// For the first time, in order.
    Normal,
    /// For the second time.
    Duplicated,
    /// Overtaken by something that was sent later.
    Reordered,
    /// For the first time since the endpoint was read back from its durable bytes.
    AfterCrash,
}

impl Circumstance {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Normal,
        Self::Duplicated,
        Self::Reordered,
        Self::AfterCrash,
    ];
}

macro_rules! rare {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// A situation that a good run reaches now and then. One that no run reaches is one that nobody tests.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rare {
            $($(#[doc = $doc])* $name,)*
        }

        impl Rare {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }
    };
}

rare! {
    /// An initiator was answered by a second instance after it had bound to a first.
    TwinAnswered,
    /// An initiator bound on an answer that was not the first of its partner.
    BoundOnLaterAnswer,
    /// An initiator bound after others had refused.
    BoundAfterRefusal,
    /// The same refusal in three rounds in a row ended an opening.
    TurnedAwayForGood,
    /// A first answer refused pending work.
    DeclinedFirstAnswer,
    /// A target was superseded after it had heard first messages.
    SupersededWithWork,
    /// As much was said before the first answer as may be.
    FirstMessagesFull,
    /// The outbox was full for a message.
    OutboxFull,
    /// An answer went into an outbox that was full.
    AnswerBeyondOutbox,
    /// More waited than the window lets out.
    WindowFull,
    /// A message was held until the one before it came.
    HeldOutOfOrder,
    /// An acknowledgement arrived that knows less than an earlier one did.
    OldAcknowledgement,
    /// A partner answered from another instance than before.
    PartnerMoved,
    /// Two goodbyes crossed.
    BothClosedAtOnce,
    /// A FAULT arrived after our goodbye.
    FaultCrossedGoodbye,
    /// Two FAULTs crossed.
    BothGaveUp,
    /// A FAULT waited until what was said before it was consumed.
    FaultWaitedForMessages,
    /// A FAULT arrived at a house where nobody knows the dialog.
    WrongHouseHeardFault,
    /// A RESET was ignored because it answers another life of this endpoint.
    ResetOfAnotherLife,
    /// The partner had forgotten a dialog that had been closed in good order.
    PartedAndForgotten,
    /// A partner that lived in memory only was gone.
    VolatilePartnerGone,
    /// An ended endpoint repeated its FAULT to a late frame.
    TombstoneRepeatedFault,
    /// An ended endpoint did not answer.
    TombstoneFellSilent,
    /// The silence deadline passed over a message that was here.
    SilenceOverMessage,
    /// A restarted endpoint had something to say again.
    OutstandingAtRestart,
    /// A commit failed whose frames waited for it.
    CommitFailedWithFrames,
    /// A host died between a commit and the release of its frames.
    CrashBeforeRelease,
    /// A deadline lapsed while its host was down.
    LapsedWhileDown,
    /// A node let a lapsed deadline wait after its start.
    DeadlineInGrace,
    /// One commit held several steps.
    CommitOfMany,
    /// A step failed, and was played again without its handlers.
    StepPlayedTwice,
    /// Work waited because the partner was too busy to be sent to.
    WaitedForBusyPartner,
    /// Work that had failed was done after its dialog had ended.
    WorkOutlivedItsDialog,
    /// A message was put aside for good.
    Quarantined,
    /// A message was put aside for good, and later ones waited behind it.
    QuarantinedWithWorkBehind,
    /// An opening reached a node that does not serve it.
    OpeningNotServed,
    /// A partner in the same store, in memory only, was found gone.
    LocalPartnerLost,
    /// So much waited for its handlers that the partner was asked to wait.
    ZeroWindow,
    /// A partner was asked whether it listens again, or still has what it said it has.
    WindowProbed,
    /// A message was not said again because the partner holds it.
    SackSkipped,
    /// An opening was refused because too many wait for their initiators.
    FloodRefused,
    /// A message that came in parts is whole.
    FragmentReassembled,
    /// A volatile actor at rest was lent to its callers.
    ActorLent,
    /// A lent actor wanted more than to answer, and its message went the ordinary way.
    HatchMissed,
    /// Two instances with copies of one store were heard.
    CopyFound,
    /// A partner no longer holds what it said it holds.
    SackReneged,
    /// A state that an earlier version of its type wrote was read.
    EarlierVersionRead,
    /// A message or an answer waits for a program that understands it.
    HeldForAnotherVersion,
    /// A volatile dialog learned that its partner's process had died.
    VolatilePartnerLost,
    /// A currency value was superseded in the outbox before it was ever in a frame.
    SupersededBeforeSaid,
    /// A currency value was superseded in the outbox while a copy of it was on its way, or had arrived.
    SupersededAfterSaid,
    /// A currency value was superseded in its receiver's backlog.
    SupersededWhileHeld,
    /// A start found what the last process died of.
    DiedInHandler,
    /// A message was given up because processes died of it.
    PoisonedByDeaths,
    /// A stored record could not be read.
    DamagedRecord,
    /// A node started with a clock far ahead of what its store remembered.
    ClockHeld,
}

#[cfg(feature = "test-util")]
mod counters {
    use std::{
        cell::{Cell, RefCell},
        sync::atomic::{AtomicU64, Ordering},
    };

    use super::{Circumstance, Rare};

    /// Rows of the transition table, from 1.
    const ROWS: usize = 32;
    const CIRCUMSTANCES: usize = 4;
    const CELLS: usize = ROWS * CIRCUMSTANCES + Rare::ALL.len();

    static TOTAL: [AtomicU64; CELLS] = [const { AtomicU64::new(0) }; CELLS];

    /// Counts of one thread: threads that mark the same row would wait for each other's cache line.
    struct Own([u64; CELLS]);

    impl Own {
        fn hand_over(&mut self) {
            for (own, total) in self.0.iter_mut().zip(&TOTAL) {
                if *own > 0 {
                    total.fetch_add(std::mem::take(own), Ordering::Relaxed);
                }
            }
        }
    }

    impl Drop for Own {
        fn drop(&mut self) {
            self.hand_over();
        }
    }

    thread_local! {
        static CIRCUMSTANCE: Cell<Circumstance> = const { Cell::new(Circumstance::Normal) };
        static OWN: RefCell<Own> = const { RefCell::new(Own([0; CELLS])) };
    }

    fn mark(cell: usize) {
        // A thread that ends marks nothing more.
        let _ = OWN.try_with(|own| own.borrow_mut().0[cell] += 1);
    }

    fn total(cell: usize) -> u64 {
        hand_over();
        TOTAL[cell].load(Ordering::Relaxed)
    }

    fn cell_of(row: usize, circumstance: Circumstance) -> usize {
        (row - 1) * CIRCUMSTANCES + circumstance as usize
    }

    fn cell_of_rare(rare: Rare) -> usize {
        ROWS * CIRCUMSTANCES + rare as usize
    }

    /// How the inputs that follow on this thread came.
    pub fn set_circumstance(circumstance: Circumstance) {
        CIRCUMSTANCE.set(circumstance);
    }

    /// Marks a row of the transition table, from 1 to 32.
    pub fn row(row: usize) {
        mark(cell_of(row, CIRCUMSTANCE.get()));
    }

    /// Marks a rare situation.
    pub fn sometimes(rare: Rare) {
        mark(cell_of_rare(rare));
    }

    /// Adds what this thread has marked to the counts of the process. A thread that ends does so by itself.
    pub fn hand_over() {
        let _ = OWN.try_with(|own| own.borrow_mut().hand_over());
    }

    /// How often a row was taken under a circumstance, as far as threads have handed over.
    pub fn row_hits(row: usize, circumstance: Circumstance) -> u64 {
        total(cell_of(row, circumstance))
    }

    /// How often a rare situation was met, as far as threads have handed over.
    pub fn rare_hits(rare: Rare) -> u64 {
        total(cell_of_rare(rare))
    }
}

#[cfg(feature = "test-util")]
pub use counters::{hand_over, rare_hits, row, row_hits, set_circumstance, sometimes};

/// Marks a row of the transition table.
#[cfg(not(feature = "test-util"))]
pub(crate) fn row(_row: usize) {}

/// Marks a rare situation.
#[cfg(not(feature = "test-util"))]
pub(crate) fn sometimes(_rare: Rare) {}
