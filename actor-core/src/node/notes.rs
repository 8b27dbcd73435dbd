//! What the plumbing did with each message, for whoever checks it: the world of tests.
//!
//! Owns notes and their way to durability; never decides anything. Without the feature `test-util` nothing is noted and
//! nothing of this takes room.

#[cfg(feature = "test-util")]
pub(crate) use kept::{Note, Notebook, Notes, Ran, What};
#[cfg(not(feature = "test-util"))]
pub(crate) use nothing::{Notebook, Notes};

#[cfg(feature = "test-util")]
mod kept {
    use std::{
        ops::Range,
        sync::{
            Mutex, PoisonError,
            atomic::{AtomicBool, Ordering},
        },
    };

    use crate::{
        node::record::Work,
        protocol::{DialogId, Ending, Role, Token},
    };

    /// What a handler ran for.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub(crate) enum What {
        /// The message of this number.
        Message(u64),
        Establish,
        Resume,
        Timer,
        Abandoned,
    }

    /// A handler that ran.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Ran {
        pub(crate) actor: DialogId,
        /// The memory of the dialog on which it ran; `None` if the dialog has none any more.
        pub(crate) token: Option<Token>,
        pub(crate) handler: &'static str,
        pub(crate) what: What,
        pub(crate) pending: bool,
        /// It failed: nothing of it remains, and it is tried again.
        pub(crate) failed: bool,
    }

    /// One thing that happened.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) enum Note {
        /// A handler ran just now; what it did may still be lost.
        Tried(Ran),
        /// What a handler did is durable.
        Handled(Ran),
        /// That these messages were taken in is durable.
        Consumed {
            dialog: DialogId,
            role: Role,
            token: Token,
            seqs: Range<u64>,
        },
        /// That this message was handed to the application is durable.
        Accepted {
            dialog: DialogId,
            token: Token,
            seq: u64,
        },
        /// That a side of this dialog is over is durable.
        Ended {
            dialog: DialogId,
            role: Role,
            service: String,
            ending: Ending,
        },
        /// A sync failed: the next start finds all of it or nothing.
        InDoubt(Vec<Note>),
    }

    /// Notes on one transaction, which come true with its commit.
    #[derive(Debug, Default)]
    pub(crate) struct Notes(Vec<Note>);

    impl Notes {
        pub(crate) fn consumed(
            &mut self,
            dialog: DialogId,
            role: Role,
            token: Token,
            seqs: Range<u64>,
        ) {
            if !seqs.is_empty() {
                self.0.push(Note::Consumed {
                    dialog,
                    role,
                    token,
                    seqs,
                });
            }
        }

        pub(crate) fn accepted(&mut self, dialog: DialogId, token: Token, seq: u64) {
            self.0.push(Note::Accepted { dialog, token, seq });
        }

        pub(crate) fn ended(
            &mut self,
            dialog: DialogId,
            role: Role,
            service: &str,
            ending: &Ending,
        ) {
            self.0.push(Note::Ended {
                dialog,
                role,
                service: service.to_owned(),
                ending: ending.clone(),
            });
        }

        pub(crate) fn handled(&mut self, ran: Ran) {
            self.0.push(Note::Handled(ran));
        }

        pub(crate) fn len(&self) -> usize {
            self.0.len()
        }

        pub(crate) fn truncate(&mut self, len: usize) {
            self.0.truncate(len);
        }
    }

    impl Ran {
        pub(crate) fn new(
            actor: DialogId,
            token: Option<Token>,
            work: &Work,
            pending: bool,
            name_of: impl Fn(u32) -> &'static str,
        ) -> Self {
            let (what, handler) = match work {
                Work::Message(message) => (What::Message(message.seq), name_of(message.handler)),
                Work::Establish => (What::Establish, "establish"),
                Work::Resume { .. } => (What::Resume, "resume"),
                Work::Timer { .. } => (What::Timer, "timer"),
                Work::Abandoned(_) => (What::Abandoned, "abandoned"),
            };
            Self {
                actor,
                token,
                handler,
                what,
                pending,
                failed: false,
            }
        }
    }

    /// The notes of a node. Closed until somebody reads them.
    #[derive(Debug, Default)]
    pub(crate) struct Notebook {
        is_open: AtomicBool,
        notes: Mutex<Vec<Note>>,
    }

    impl Notebook {
        /// From now on somebody reads.
        pub(crate) fn open(&self) {
            self.is_open.store(true, Ordering::Relaxed);
        }

        /// Does anybody read?
        pub(crate) fn is_open(&self) -> bool {
            self.is_open.load(Ordering::Relaxed)
        }

        /// A handler ran.
        pub(crate) fn tried(&self, ran: &Ran) {
            if self.is_open() {
                self.push([Note::Tried(ran.clone())]);
            }
        }

        /// A transaction is durable.
        pub(crate) fn durable(&self, notes: &mut Notes) {
            if self.is_open() && !notes.0.is_empty() {
                self.push(std::mem::take(&mut notes.0));
            }
        }

        /// The sync of these transactions failed.
        pub(crate) fn in_doubt<'n>(&self, notes: impl Iterator<Item = &'n mut Notes>) {
            if self.is_open() {
                let notes = notes.flat_map(|notes| std::mem::take(&mut notes.0));
                self.push([Note::InDoubt(notes.collect())]);
            }
        }

        fn push(&self, notes: impl IntoIterator<Item = Note>) {
            let mut kept = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend(notes);
        }

        /// Everything since the last time.
        pub(crate) fn take(&self) -> Vec<Note> {
            let mut kept = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *kept)
        }
    }
}

#[cfg(not(feature = "test-util"))]
mod nothing {
    use std::ops::Range;

    use crate::protocol::{DialogId, Ending, Role, Token};

    #[derive(Debug, Default)]
    pub(crate) struct Notes;

    impl Notes {
        #[expect(
            clippy::unused_self,
            reason = "keeps notes with the feature `test-util`"
        )]
        pub(crate) fn consumed(&mut self, _: DialogId, _: Role, _: Token, _: Range<u64>) {}

        #[expect(
            clippy::unused_self,
            reason = "keeps notes with the feature `test-util`"
        )]
        pub(crate) fn accepted(&mut self, _: DialogId, _: Token, _: u64) {}

        #[expect(
            clippy::unused_self,
            reason = "keeps notes with the feature `test-util`"
        )]
        pub(crate) fn ended(&mut self, _: DialogId, _: Role, _: &str, _: &Ending) {}

        #[expect(
            clippy::unused_self,
            reason = "keeps notes with the feature `test-util`"
        )]
        pub(crate) fn len(&self) -> usize {
            0
        }

        #[expect(
            clippy::unused_self,
            reason = "keeps notes with the feature `test-util`"
        )]
        pub(crate) fn truncate(&mut self, _: usize) {}
    }

    #[derive(Debug, Default)]
    pub(crate) struct Notebook {}

    impl Notebook {
        #[expect(
            clippy::unused_self,
            reason = "keeps notes with the feature `test-util`"
        )]
        pub(crate) fn durable(&self, _: &mut Notes) {}

        #[expect(
            clippy::unused_self,
            reason = "keeps notes with the feature `test-util`"
        )]
        pub(crate) fn in_doubt<'n>(&self, _: impl Iterator<Item = &'n mut Notes>) {}
    }
}
