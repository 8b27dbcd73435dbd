//! Flow control and selective acknowledgement (P8): how much each side takes, and what need not be said again.
//!
//! All of it is volatile advice. A message is forgotten by its sender because of `ack` and for no other reason, and a
//! window that is not known, or shut for ever, costs a question now and then but never a message.

use super::Endpoint;
use crate::coverage::{self, Rare};
use crate::protocol::frame::{Frame, Window};
use crate::protocol::ids::Role;
use crate::protocol::input::Backlog;
use crate::protocol::limits::Env;
use crate::protocol::message::Message;

/// Retries without progress after which "it is here" is no longer believed: whoever said so may have lost it since.
pub(super) const CREDULOUS_ATTEMPTS: u32 = 2;

/// What a partner takes that has not said.
const UNKNOWN: Window = Window {
    messages: u32::MAX,
    bytes: u32::MAX,
};

/// Which of ours the partner holds: bit `n` is number `above + 1 + n`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Sacked {
    above: u64,
    bits: u64,
}

impl Sacked {
    /// Does it hold nothing out of order?
    #[cfg(feature = "test-util")]
    pub(super) fn is_empty(self) -> bool {
        self.bits == 0
    }

    fn contains(self, seq: u64) -> bool {
        let place = seq.checked_sub(self.above + 1);
        place.is_some_and(|place| place < 64 && self.bits >> place & 1 == 1)
    }

    fn iter(self) -> impl Iterator<Item = u64> {
        (1..=64)
            .map(move |place| self.above.saturating_add(place))
            .filter(move |seq| self.contains(*seq))
    }
}

impl Endpoint {
    /// What we take beyond what we acknowledge. Only requests are ever asked to wait: answers and goodbyes always find
    /// room, so that two full sides cannot block each other (M13).
    pub(super) fn window(&self, env: &Env<'_>) -> Window {
        let limits = env.limits;
        let put_off = match self.role {
            // Answers that nobody has taken yet count as well: whoever asks for more first takes what is there.
            Role::Target => Backlog {
                bytes: self.flight.now.backlog.bytes + self.flight.outbox_bytes,
                ..self.flight.now.backlog
            },
            Role::Initiator => Backlog::default(),
        };
        let messages = limits
            .max_backlog_messages
            .saturating_sub(put_off.messages)
            .min(limits.window);
        let bytes = limits.max_backlog_bytes.saturating_sub(put_off.bytes);
        if messages == 0 || bytes == 0 {
            return Window::default();
        }
        Window {
            messages: u32::try_from(messages).unwrap_or(u32::MAX),
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
        }
    }

    /// What is held above what we acknowledge, with the numbers that it bridges because they were superseded.
    pub(super) fn sack(&self) -> u64 {
        let next = self.recv_next;
        let held = self.flight.now.held.iter().flat_map(|(seq, message)| {
            let first = (message.after + 1).max(next);
            (first..=*seq).map(|seq| seq - next)
        });
        held.take_while(|place| *place < 64)
            .fold(0, |bits, place| bits | 1 << place)
    }

    /// Is there room for one more message in this window, which counts messages and not numbers?
    pub(super) fn has_place(&self, is_next: bool, window: Window) -> bool {
        let received = self.flight.now.held.len() + self.flight.now.parts.len();
        window.is_open() && (is_next || received < window.messages as usize)
    }

    /// The application has put off so much. A window that opens again is news for the partner; if the news is lost, it
    /// asks.
    pub(super) fn put_off(&mut self, backlog: Backlog, env: &Env<'_>) {
        let before = self.window(env).is_open();
        self.flight.now.backlog = backlog;
        if before && !self.window(env).is_open() {
            coverage::sometimes(Rare::ZeroWindow);
        }
        self.tell_if_opened(before, env);
    }

    /// The window may have opened: that is news.
    pub(super) fn tell_if_opened(&mut self, before: bool, env: &Env<'_>) {
        self.flight.now.need_ack |= !before && self.window(env).is_open() && !self.is_ended();
    }

    /// What the application has put off, as it said last.
    pub fn backlog(&self) -> Backlog {
        self.flight.now.backlog
    }

    /// What a frame of the partner says about what it takes and holds. Only the newest counts: what an older one says
    /// was true once.
    pub(super) fn hear_flow(&mut self, frame: &Frame) {
        if frame.age() <= self.flight.now.news || frame.ack < self.acked {
            return;
        }
        self.flight.now.news = frame.age();
        let holds = Sacked {
            above: frame.ack,
            bits: frame.sack,
        };
        let held = std::mem::replace(&mut self.flight.now.sacked, holds);
        if held
            .iter()
            .any(|seq| seq > frame.ack && !holds.contains(seq))
        {
            // It crashed, or threw its memory away with a step that failed.
            coverage::sometimes(Rare::SackReneged);
            self.flight.now.due = true;
        }
        let was_shut = self.is_shut();
        if let Some(window) = frame.window {
            self.flight.now.partner_window = Some((frame.ack, window));
        }
        if was_shut && !self.is_shut() {
            // What was on its way when it was shut was refused.
            self.flight.now.due = true;
            self.progress();
        }
    }

    fn is_shut(&self) -> bool {
        self.flight
            .now
            .partner_window
            .is_some_and(|(_, window)| !window.is_open())
    }

    /// The highest number that may be said now: within our own window and the partner's.
    pub(super) fn admitted(&self, env: &Env<'_>) -> u64 {
        let own = usize::try_from(env.limits.window).unwrap_or(usize::MAX);
        let (above, window) = self
            .flight
            .now
            .partner_window
            .unwrap_or((self.acked, UNKNOWN));
        if !window.is_open() {
            return self.acked;
        }
        // Numbers that were superseded take no place in a window.
        let (mut messages, mut bytes) = (0, 0);
        let admitted = self.flight.outbox.iter().take(own).take_while(|message| {
            if message.seq <= above {
                return true;
            }
            messages += 1;
            bytes += message.body.len();
            messages == 1 || (messages <= window.messages && bytes <= window.bytes as usize)
        });
        admitted.last().map_or(self.acked, |message| message.seq)
    }

    /// Need it not be said, because the partner holds it? Not for ever: it lies in memory only.
    ///
    /// What it holds may follow something that was superseded since: then it is said again, with the longer bridge.
    pub(super) fn is_spared(&self, message: &Message) -> bool {
        let sacked = self.flight.now.sacked;
        let first = message.after.max(sacked.above) + 1;
        let spared = self.flight.now.attempt <= CREDULOUS_ATTEMPTS
            && first <= message.seq
            && (first..=message.seq).all(|seq| sacked.contains(seq));
        if spared {
            coverage::sometimes(Rare::SackSkipped);
        }
        spared
    }
}
