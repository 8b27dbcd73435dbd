//! Handlers that take their time, and who must not wait for them.
//!
//! Owns the decision which transactions go to the gate alone. What is done waits for what is done behind it in the same
//! lot, so behind a handler that takes long nothing should wait. Only handlers count: a thread that was off its processor
//! finds as much to do as before, and would do more for each message if each went alone. That is why one slow handler is
//! not believed at once, either: it may have been taken off its processor, too. Never looks at a clock.

/// A handler that takes as long holds up others that are done.
const SLOW_MS: u64 = 2;
/// Transactions that go alone after slow handlers, and for which a slow one is remembered.
const FOR_A_WHILE: u32 = 64;

#[derive(Debug, Default)]
pub(super) struct Slow {
    /// Transactions that are still to go alone.
    alone: u32,
    /// Transactions for which the last slow handler is still remembered.
    remembered: u32,
}

impl Slow {
    /// A handler took so long.
    pub(super) fn note(&mut self, took_ms: u64) {
        if took_ms >= SLOW_MS {
            // What was done before it has waited for long enough in any case.
            self.alone = if self.remembered > 0 { FOR_A_WHILE } else { 1 };
            self.remembered = FOR_A_WHILE;
        }
    }

    /// Another transaction begins: does what was done before it go to the gate first?
    pub(super) fn parts(&mut self) -> bool {
        self.remembered = self.remembered.saturating_sub(1);
        let parts = self.alone > 0;
        self.alone = self.alone.saturating_sub(1);
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_waits_behind_a_slow_handler_and_behind_two_every_transaction_goes_alone_for_a_while()
    {
        let mut slow = Slow::default();
        slow.note(SLOW_MS - 1);
        assert!(!slow.parts());
        slow.note(SLOW_MS);
        assert!(slow.parts());
        assert!(!slow.parts(), "one is not believed");
        slow.note(SLOW_MS);
        for _ in 0..FOR_A_WHILE {
            assert!(slow.parts());
        }
        assert!(!slow.parts());
        // By now it is forgotten.
        slow.note(SLOW_MS);
        assert!(slow.parts());
        assert!(!slow.parts());
    }
}
