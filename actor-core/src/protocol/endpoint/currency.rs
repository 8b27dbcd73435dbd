//! Currency: of messages of one topic the newest counts, and the older ones need not arrive (P11).
//!
//! Everything else is history and a barrier: nothing is left out for the sake of something on its other side. What is
//! left out leaves a hole in the numbers, which the message behind it bridges with [`Message::after`].

use std::collections::BTreeSet;

use super::Endpoint;
use crate::coverage::{self, Rare};
use crate::protocol::message::{Message, Outgoing};

impl Endpoint {
    /// Where in the outbox the older value lies that this message would take the place of: of the same topic, with
    /// nothing but currency behind it.
    pub(super) fn superseded_by(&self, newer: &Outgoing) -> Option<usize> {
        if !newer.currency || !newer.kind.may_be_currency() {
            return None;
        }
        let since_barrier = self.flight.outbox.iter().enumerate().rev();
        since_barrier
            .take_while(|(_, message)| message.currency)
            .find(|(_, message)| message.handler == newer.handler)
            .map(|(at, _)| at)
    }

    /// Removes the older value that this message takes the place of, and says what the new message follows.
    ///
    /// The older one may have been said, and may even be consumed already: then the partner's next acknowledgement
    /// covers it, and the bridge is longer than it need be, which harms nobody. The message behind the hole may have
    /// been said as well, with a shorter bridge; a partner that lacks the older value waits for the longer one, which
    /// comes with the next retry. So that message counts as unsaid until it is acknowledged *in order*.
    ///
    /// The limits of first messages count what was said, superseded or not: they are the same for both carriers.
    pub(super) fn supersede_said(&mut self, newer: &Outgoing) -> u64 {
        let before = self.send_next - 1;
        let Some(at) = self.superseded_by(newer) else {
            return before;
        };
        let old = self.flight.outbox.remove(at);
        coverage::sometimes(if old.seq <= self.flight.now.transmitted {
            Rare::SupersededAfterSaid
        } else {
            Rare::SupersededBeforeSaid
        });
        self.flight.outbox_bytes = self.flight.outbox_bytes.saturating_sub(old.body.len());
        self.flight.stowed.remove(&old.seq);
        match self.flight.outbox.get_mut(at) {
            Some(behind) => {
                behind.after = behind.after.min(old.after);
                before
            }
            None => old.after,
        }
    }

    /// The next message in order, if it is here.
    pub(super) fn next_held(&self) -> Option<&Message> {
        let first = self.flight.now.held.values().next();
        first.filter(|message| message.after < self.recv_next)
    }

    /// The last below a number of what is here: its number, what it follows, and its topic if it is currency.
    fn last_held(&self, below: u64) -> Option<(u64, u64, Option<u32>)> {
        let (seq, message) = self.flight.now.held.range(..below).next_back()?;
        let topic = message.currency.then_some(message.handler);
        Some((*seq, message.after, topic))
    }

    /// Drops from the backlog what the partner has superseded, and what is superseded by something that is here.
    ///
    /// The latter is safe although it may be lost with the backlog: an acknowledgement that covers the dropped value
    /// does not cover the newer one, which the partner keeps.
    pub(super) fn supersede_held(&mut self) {
        let mut newer_topics = BTreeSet::new();
        let mut behind: Option<u64> = None;
        let mut below = u64::MAX;
        while let Some((seq, after, topic)) = self.last_held(below) {
            below = seq;
            let bridged = behind.and_then(|behind| self.flight.now.held.get(&behind));
            let bridge = bridged.map_or(seq, |behind| behind.after);
            if bridge < seq {
                self.flight.now.held.remove(&seq);
                coverage::sometimes(Rare::SupersededWhileHeld);
                continue;
            }
            // Something that is not here lies between the two, and may be history.
            if bridge > seq || topic.is_none() {
                newer_topics.clear();
            }
            let is_superseded = topic.is_some_and(|topic| !newer_topics.insert(topic));
            if !is_superseded {
                behind = Some(seq);
                continue;
            }
            self.flight.now.held.remove(&seq);
            coverage::sometimes(Rare::SupersededWhileHeld);
            if let Some(behind) = behind.and_then(|behind| self.flight.now.held.get_mut(&behind)) {
                behind.after = behind.after.min(after);
            }
        }
    }
}
