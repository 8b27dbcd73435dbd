//! Large messages: cut into parts that fit into frames, and put together again, whatever order the parts come in.
//!
//! Parts lie in memory only, and a message is acknowledged when it is consumed, never before (M9).

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::Endpoint;
use crate::coverage::{self, Rare};
use crate::protocol::frame::FrameKind;
use crate::protocol::limits::{Env, MAX_WHOLE_BYTES};
use crate::protocol::message::Message;

/// Parts of one message, none of which overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Parts {
    total: u32,
    here: u32,
    /// The longest bridge that came with a part.
    after: u64,
    pieces: BTreeMap<u32, Arc<[u8]>>,
}

impl Parts {
    pub(super) fn new(total: u32) -> Self {
        Self {
            total,
            after: u64::MAX,
            ..Self::default()
        }
    }

    /// Bytes of the whole, which are counted from its first part on.
    pub(super) fn total(&self) -> usize {
        self.total as usize
    }

    /// Takes what of these bytes is not here yet. (A partner that was upgraded may cut differently.)
    pub(super) fn add(&mut self, offset: u32, bytes: &[u8]) {
        let end = offset.saturating_add(bytes.len() as u32).min(self.total);
        let mut at = offset;
        if let Some((start, piece)) = self.pieces.range(..=at).next_back() {
            at = at.max(start + piece.len() as u32);
        }
        while at < end {
            let next = self.pieces.range(at..).next();
            let next = next.map(|(start, piece)| (*start, start + piece.len() as u32));
            let until = next.map_or(end, |(start, _)| start.min(end));
            if at < until {
                let piece = &bytes[(at - offset) as usize..(until - offset) as usize];
                self.here += piece.len() as u32;
                self.pieces.insert(at, piece.into());
            }
            at = next.map_or(end, |(_, after)| after);
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.here == self.total
    }

    /// The whole body, if it is whole.
    pub(super) fn join(&self) -> Arc<[u8]> {
        let mut body = Vec::with_capacity(self.here as usize);
        for piece in self.pieces.values() {
            body.extend_from_slice(piece);
        }
        body.into()
    }
}

impl Endpoint {
    /// A part of a message arrived. The message, once it is whole; the part itself, if its message was consumed before.
    pub(super) fn join(
        &mut self,
        (offset, total): (u32, u32),
        part: Message,
        env: &Env<'_>,
    ) -> Option<Message> {
        let seq = part.seq;
        if seq < self.recv_next {
            return Some(part);
        }
        let window = self.window(env);
        if let Some(held) = self.flight.now.held.get_mut(&seq) {
            held.after = held.after.min(part.after);
            return None;
        }
        if self.is_bridged(seq) {
            return None;
        }
        let is_next = part.after < self.recv_next;
        let fits = is_next || self.received_bytes() + total as usize <= window.bytes as usize;
        let known = self.flight.now.parts.contains(&seq);
        let finds_room = known || (fits && self.has_place(is_next, window));
        if !finds_room {
            self.flight.now.need_ack = true;
            return None;
        }
        let parts = self
            .flight
            .now
            .parts
            .get_or_insert_with(seq, || Parts::new(total));
        // The same number carries the same bytes for ever (S20).
        if parts.total() != total as usize {
            return None;
        }
        parts.after = parts.after.min(part.after);
        parts.add(offset, &part.body);
        let (after, is_whole) = (parts.after, parts.is_whole());
        let body = is_whole.then(|| parts.join());
        self.drop_parts(after + 1..seq);
        let body = body?;
        self.flight.now.parts.remove(&seq);
        coverage::sometimes(Rare::FragmentReassembled);
        Some(Message {
            after,
            body,
            ..part
        })
    }

    /// Is this number bridged by something that is here, or of which parts are? Then it was superseded.
    fn is_bridged(&self, seq: u64) -> bool {
        let held = self.flight.now.held.range(seq + 1..);
        let parts = self.flight.now.parts.range(seq + 1..);
        held.map(|(_, message)| message.after)
            .chain(parts.map(|(_, parts)| parts.after))
            .any(|after| after < seq)
    }

    /// What was superseded will never be whole, and must not take a place in the window.
    pub(super) fn drop_parts(&mut self, superseded: Range<u64>) {
        self.flight
            .now
            .parts
            .retain(|seq, _| !superseded.contains(seq));
    }

    /// Bytes of messages that are here and not consumed, or of which parts are.
    pub(super) fn received_bytes(&self) -> usize {
        let held = self
            .flight
            .now
            .held
            .values()
            .map(|message| message.body.len());
        let parts = self.flight.now.parts.values().map(Parts::total);
        held.chain(parts).sum()
    }
}

/// The frames of a message that is too large for one.
pub(super) fn cut(message: &Message) -> impl Iterator<Item = (FrameKind, Vec<Message>)> {
    let total = message.body.len() as u32;
    let pieces = message.body.chunks(MAX_WHOLE_BYTES).enumerate();
    pieces.map(move |(place, piece)| {
        let offset = (place * MAX_WHOLE_BYTES) as u32;
        let part = Message {
            body: piece.into(),
            ..message.clone()
        };
        (FrameKind::Part { offset, total }, vec![part])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number below `end`, from a seed that moves on.
    fn below(seed: &mut u64, end: usize) -> usize {
        *seed = seed
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        (*seed >> 33) as usize % end
    }

    #[test]
    fn parts_of_any_cut_in_any_order_and_number_make_the_whole() {
        for seed in 0..2000 {
            let mut rng = seed;
            let total = 1 + below(&mut rng, 200) as u32;
            let body: Vec<u8> = (0..total).map(|at| at as u8).collect();
            let mut parts = Parts::new(total);
            let mut covered = vec![false; total as usize];
            while !covered.iter().all(|here| *here) {
                assert!(!parts.is_whole());
                let start = below(&mut rng, total as usize);
                let end = start + 1 + below(&mut rng, total as usize - start);
                parts.add(start as u32, &body[start..end]);
                covered[start..end].fill(true);
            }
            assert!(parts.is_whole());
            assert_eq!(*parts.join(), *body, "seed {seed}");
        }
    }
}
