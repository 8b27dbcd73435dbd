//! What the plumbing did with each message, kept over all nodes and lives; and what must always hold of it.
//!
//! Owns the memory of a run and the checks that cost next to nothing, made with each step. Knows nothing of what a
//! message means.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::{
    node::{Note, Ran, What},
    protocol::{DialogId, Role, Token},
};

/// Something that must never be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) dialog: DialogId,
    pub(super) what: String,
}

/// One memory of one side of a dialog.
#[derive(Debug, Default)]
struct Memory {
    /// The node that has it.
    node: usize,
    /// The next message that it may take in.
    next: u64,
    /// Messages handed to the application.
    accepted: BTreeSet<u64>,
    handled: BTreeMap<u64, &'static str>,
    /// What a failed sync may have kept all the same. The next thing heard of this memory tells.
    in_doubt: Vec<Note>,
    /// It was given up with work left, or the work failed for good: that is told in other ways.
    is_over: bool,
}

/// The books of a run.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    memories: HashMap<Token, Memory>,
    /// The memory on which a dialog became permanent.
    established: HashMap<DialogId, Token>,
    /// Dialogs that existed on a node whose memory was taken away by hand: all that is promised of them is an ending.
    void: HashSet<DialogId>,
    targets: HashMap<DialogId, Vec<Token>>,
    handlers: BTreeMap<&'static str, u64>,
}

impl Ledger {
    /// Writes down a durable fact. An error if it must not be.
    pub(super) fn enter(&mut self, node: usize, note: &Note) -> Result<(), Violation> {
        match note {
            Note::Tried(_) | Note::Ended { .. } => Ok(()),
            Note::InDoubt(notes) => {
                let mut told = BTreeSet::new();
                for note in notes {
                    // What was in doubt before: the first of these tells.
                    if let Note::Consumed { token, seqs, .. } = note
                        && told.insert(*token)
                    {
                        self.learn(*token, seqs.start)?;
                    }
                    self.doubt(node, note);
                }
                Ok(())
            }
            Note::Consumed {
                dialog,
                role,
                token,
                seqs,
            } => {
                self.learn(*token, seqs.start)?;
                let is_void = self.void.contains(dialog);
                let memory = self.memory(node, *dialog, *role, *token);
                let next = memory.next;
                memory.next = seqs.end;
                if seqs.start < next && !is_void {
                    return Err(Violation {
                        dialog: *dialog,
                        what: format!(
                            "message {} was taken in after message {}: messages are taken in once, in order",
                            seqs.start,
                            next - 1
                        ),
                    });
                }
                Ok(())
            }
            Note::Accepted { dialog, token, seq } => {
                let memory = self.memory(node, *dialog, Role::Target, *token);
                memory.accepted.insert(*seq);
                Ok(())
            }
            Note::Handled(ran) => self.handled(node, ran),
        }
    }

    fn doubt(&mut self, node: usize, note: &Note) {
        let (dialog, role, token) = match note {
            Note::Consumed {
                dialog,
                role,
                token,
                ..
            } => (*dialog, *role, *token),
            Note::Accepted { dialog, token, .. }
            | Note::Handled(Ran {
                actor: dialog,
                token: Some(token),
                ..
            }) => (*dialog, Role::Target, *token),
            _ => return,
        };
        let memory = self.memory(node, dialog, role, token);
        let again = |then: &Note| match (then, note) {
            (Note::Handled(then), Note::Handled(now)) => then.what == now.what,
            _ => false,
        };
        memory.in_doubt.retain(|then| !again(then));
        memory.in_doubt.push(note.clone());
    }

    /// It turns out that a memory has taken in everything before message `next`: so much of what was in doubt is true.
    fn learn(&mut self, token: Token, next: u64) -> Result<(), Violation> {
        let Some(memory) = self.memories.get_mut(&token) else {
            return Ok(());
        };
        if memory.in_doubt.is_empty() {
            return Ok(());
        }
        let (node, doubted) = (memory.node, std::mem::take(&mut memory.in_doubt));
        if next <= memory.next {
            return Ok(());
        }
        doubted.iter().try_for_each(|note| self.enter(node, note))
    }

    fn memory(&mut self, node: usize, dialog: DialogId, role: Role, token: Token) -> &mut Memory {
        let targets = &mut self.targets;
        self.memories.entry(token).or_insert_with(|| {
            if role == Role::Target {
                targets.entry(dialog).or_default().push(token);
            }
            Memory {
                node,
                next: 1,
                ..Memory::default()
            }
        })
    }

    fn handled(&mut self, node: usize, ran: &Ran) -> Result<(), Violation> {
        *self.handlers.entry(ran.handler).or_default() += 1;
        let (dialog, Some(token)) = (ran.actor, ran.token) else {
            return Ok(());
        };
        let is_void = self.void.contains(&dialog);
        let wrong = |what: String| {
            if is_void {
                Ok(())
            } else {
                Err(Violation { dialog, what })
            }
        };
        let memory = self.memory(node, dialog, Role::Target, token);
        // Done now, so it was not done then.
        let again = |note: &Note| matches!(note, Note::Handled(then) if then.what == ran.what);
        if !memory.in_doubt.is_empty() {
            memory.in_doubt.retain(|note| !again(note));
        }
        match ran.what {
            What::Message(seq) => {
                if memory.handled.insert(seq, ran.handler).is_some() {
                    return wrong(format!(
                        "message {seq}, `{}`, was handled twice by one memory",
                        ran.handler
                    ));
                }
                if !ran.pending {
                    return self.becomes_permanent(dialog, token, || {
                        format!("message {seq}, `{}`, was handled", ran.handler)
                    });
                }
            }
            What::Establish => {
                if self.established.get(&dialog) == Some(&token) {
                    return wrong("`#[establish]` ran twice".to_owned());
                }
                return self.becomes_permanent(dialog, token, || "`#[establish]` ran".to_owned());
            }
            What::Abandoned => memory.is_over = true,
            What::Resume | What::Timer => {}
        }
        Ok(())
    }

    fn becomes_permanent(
        &mut self,
        dialog: DialogId,
        token: Token,
        how: impl Fn() -> String,
    ) -> Result<(), Violation> {
        let first = *self.established.entry(dialog).or_insert(token);
        if first == token || self.void.contains(&dialog) {
            return Ok(());
        }
        Err(Violation {
            dialog,
            what: format!(
                "{} although the dialog became permanent on another memory before",
                how()
            ),
        })
    }

    /// A frame of this memory left, saying that it has everything up to `ack`.
    pub(super) fn said(
        &mut self,
        dialog: DialogId,
        token: Token,
        ack: u64,
    ) -> Result<(), Violation> {
        let next = |ledger: &Self| ledger.memories.get(&token).map_or(1, |memory| memory.next);
        if ack >= next(self) {
            self.learn(token, ack + 1)?;
        }
        let durable = next(self) - 1;
        if ack <= durable || self.void.contains(&dialog) {
            return Ok(());
        }
        Err(Violation {
            dialog,
            what: format!(
                "a frame acknowledged message {ack} when only {durable} were durable: nothing leaves before it is durable"
            ),
        })
    }

    /// The memory of this node was taken away: the dialogs it knows are void.
    pub(super) fn took_memory(&mut self, dialogs: impl IntoIterator<Item = DialogId>) {
        self.void.extend(dialogs);
    }

    /// Dialogs whose targets a node has.
    pub(super) fn dialogs_of(&self, node: usize) -> Vec<DialogId> {
        let mut dialogs: Vec<DialogId> = self
            .targets
            .iter()
            .filter(|(_, tokens)| tokens.iter().any(|token| self.memories[token].node == node))
            .map(|(dialog, _)| *dialog)
            .collect();
        dialogs.sort();
        dialogs
    }

    /// Messages that a dialog took in and never handled. `put_aside` says which dialogs have a dead letter.
    pub(super) fn unhandled(&self, put_aside: &BTreeSet<DialogId>) -> Vec<Violation> {
        let mut missing = Vec::new();
        for (dialog, token) in &self.established {
            let memory = &self.memories[token];
            if memory.is_over || self.void.contains(dialog) || put_aside.contains(dialog) {
                continue;
            }
            let lost = |seq: &&u64| {
                let is_doubted = |note: &Note| matches!(note, Note::Handled(ran) if ran.what == What::Message(**seq));
                !memory.handled.contains_key(*seq) && !memory.in_doubt.iter().any(is_doubted)
            };
            missing.extend(memory.accepted.iter().filter(lost).map(|seq| Violation {
                dialog: *dialog,
                what: format!("message {seq} was taken in and never handled"),
            }));
        }
        missing.sort_by(|one, other| (one.dialog, &one.what).cmp(&(other.dialog, &other.what)));
        missing
    }

    /// How often a handler of this name was run for good.
    pub(super) fn count(&self, handler: &str) -> u64 {
        self.handlers.get(handler).copied().unwrap_or(0)
    }

    /// How many dialogs became permanent, and how many messages their handlers have handled for good.
    pub(super) fn totals(&self) -> (u64, u64) {
        let handled = |token| self.memories[token].handled.len() as u64;
        (
            self.established.len() as u64,
            self.established.values().map(handled).sum(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIALOG: DialogId = DialogId([1; 16]);
    const ONE: Token = Token([1; 16]);
    const OTHER: Token = Token([2; 16]);

    fn ran(token: Token, what: What, pending: bool) -> Note {
        Note::Handled(Ran {
            actor: DIALOG,
            token: Some(token),
            handler: "pay",
            what,
            pending,
            failed: false,
        })
    }

    fn took(seqs: std::ops::Range<u64>) -> Note {
        Note::Consumed {
            dialog: DIALOG,
            role: Role::Target,
            token: ONE,
            seqs,
        }
    }

    fn accepted(seq: u64) -> Note {
        Note::Accepted {
            dialog: DIALOG,
            token: ONE,
            seq,
        }
    }

    fn enter_all(notes: &[Note]) -> Result<Ledger, String> {
        let mut ledger = Ledger::default();
        for note in notes {
            ledger.enter(0, note).map_err(|violation| violation.what)?;
        }
        Ok(ledger)
    }

    #[test]
    fn pending_work_may_run_on_two_memories_and_the_dialog_becomes_permanent_on_one() {
        let pending = |token| ran(token, What::Message(1), true);
        assert!(
            enter_all(&[
                pending(ONE),
                pending(OTHER),
                ran(ONE, What::Establish, true)
            ])
            .is_ok()
        );
        let twice = [
            ran(ONE, What::Establish, true),
            ran(OTHER, What::Establish, true),
        ];
        assert!(enter_all(&twice).unwrap_err().contains("another memory"));
        let again = [
            ran(ONE, What::Establish, true),
            ran(ONE, What::Establish, true),
        ];
        assert!(enter_all(&again).unwrap_err().contains("ran twice"));
    }

    #[test]
    fn a_message_that_is_handled_twice_is_found() {
        let two = |token| ran(token, What::Message(2), false);
        assert!(
            enter_all(&[two(ONE), two(ONE)])
                .unwrap_err()
                .contains("handled twice")
        );
        assert!(
            enter_all(&[two(ONE), two(OTHER)])
                .unwrap_err()
                .contains("another memory")
        );
    }

    #[test]
    fn messages_are_taken_in_once_in_order_and_acknowledged_when_that_is_durable() {
        assert!(enter_all(&[took(1..3), took(2..3)]).is_err());
        let mut ledger = enter_all(&[took(1..3), took(3..4)]).unwrap();
        assert!(ledger.said(DIALOG, ONE, 3).is_ok());
        assert!(ledger.said(DIALOG, ONE, 4).is_err());
        assert!(ledger.said(DIALOG, OTHER, 1).is_err());
        assert!(ledger.said(DIALOG, OTHER, 0).is_ok());
    }

    #[test]
    fn what_a_failed_sync_kept_is_learned_from_what_comes_next() {
        let handled = ran(ONE, What::Message(2), false);
        let before = || {
            let doubted = [took(2..3), accepted(2), handled.clone()];
            vec![took(1..2), Note::InDoubt(doubted.to_vec())]
        };
        // It was kept: what comes next is message 3, or a frame that says so.
        let kept = enter_all(&[before(), vec![took(3..4)]].concat()).unwrap();
        assert_eq!((kept.count("pay"), kept.totals()), (1, (1, 1)));
        let mut kept = enter_all(&before()).unwrap();
        assert!(kept.said(DIALOG, ONE, 3).is_err());
        assert_eq!(kept.count("pay"), 1);
        assert!(kept.said(DIALOG, ONE, 2).is_ok());
        // It was not: message 2 comes again, and is handled once.
        let lost = [took(2..3), accepted(2), handled.clone()].to_vec();
        let lost = enter_all(&[before(), lost].concat()).unwrap();
        assert_eq!((lost.count("pay"), lost.totals()), (1, (1, 1)));
        // It was not, and the second attempt was in doubt as well, and kept.
        let twice = [before(), before()[1..].to_vec(), vec![took(3..4)]].concat();
        let twice = enter_all(&twice).unwrap();
        assert_eq!((twice.count("pay"), twice.totals()), (1, (1, 1)));
    }

    #[test]
    fn a_message_that_is_never_handled_is_found_unless_the_dialog_was_given_up_or_taken_away() {
        let established = || {
            enter_all(&[
                accepted(1),
                accepted(2),
                ran(ONE, What::Establish, true),
                ran(ONE, What::Message(1), false),
            ])
            .unwrap()
        };
        let none = BTreeSet::new();
        assert_eq!(established().unhandled(&none).len(), 1);
        assert!(
            established()
                .unhandled(&BTreeSet::from([DIALOG]))
                .is_empty()
        );
        let mut given_up = established();
        given_up
            .enter(0, &ran(ONE, What::Abandoned, false))
            .unwrap();
        assert!(given_up.unhandled(&none).is_empty());
        let mut taken_away = established();
        taken_away.took_memory([DIALOG]);
        assert!(taken_away.unhandled(&none).is_empty());
        assert_eq!(taken_away.dialogs_of(0), [DIALOG]);
        assert_eq!(taken_away.totals(), (1, 1));
    }
}
