//! A frame: what travels between two nodes. It may be lost, repeated and reordered at will.
//!
//! This file owns the fields; `codec.rs` owns the bytes. Who sent a frame and in which life (`src_store`,
//! `src_node`, `incarnation`, `send_ctr`, `trace`) is stamped by the node when it releases the frame.

use super::effects::Destination;
use super::ending::FaultCode;
use super::ids::{DialogId, EndpointKey, Role, StoreId, Token};
use super::message::Message;

/// What a frame is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// "Who will be my partner?", without messages (handshake mode).
    Syn,
    /// "I would be, under this token."
    SynAck,
    /// Messages.
    Data,
    /// "You, and nobody else, are my partner." Any other frame that carries the target's token says the same.
    Bound,
    /// Acknowledgement alone.
    Ack,
    /// The dialog is over for the sender (rows 27, 28), or never began (a refusal of an initiating frame).
    Fault {
        /// Why.
        code: FaultCode,
        /// In words.
        detail: String,
    },
    /// The frame that is echoed met nobody (rows 6, 19). Never answered.
    Reset {
        /// Why.
        reason: ResetReason,
        /// `src_token` of the frame that is answered.
        echo_token: Token,
        /// `incarnation` of the frame that is answered.
        echo_incarnation: u64,
        /// `send_ctr` of the frame that is answered.
        echo_send_ctr: u64,
    },
    /// "Are you there?"
    Ping,
    /// A part of the one message it carries, whose body is that part.
    Part {
        /// Where it lies in the whole body.
        offset: u32,
        /// How long the whole body is.
        total: u32,
    },
}

/// Why a frame met nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResetReason {
    /// Its token names no endpoint remembered here (row 19).
    UnknownEndpoint,
    /// The initiator is bound to another target (row 6).
    Superseded,
}

/// One-bit facts about the sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameFlags {
    /// The initiator lives in memory only (H4).
    pub volatile_initiator: bool,
    /// The sender's endpoint is established; from a target this confirms that BOUND arrived.
    pub established: bool,
    /// The sender's endpoint has ended; this is what acknowledges a FAULT.
    pub ended: bool,
}

/// How far beyond [`Frame::ack`] its sender listens (P8). Nothing of it is durable: the newest frame decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// Numbers above `ack` that are taken in; 0: none, whatever they hold.
    pub messages: u32,
    /// Bytes of bodies above `ack` that are taken in. The first message above `ack` is taken however long it is.
    pub bytes: u32,
}

impl Window {
    /// Does it let anything through?
    pub fn is_open(self) -> bool {
        self.messages > 0 && self.bytes > 0
    }
}

/// One frame. `dst_token` is `None` exactly in frames that initiate; no other frame ever creates anything (P2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// What it is for.
    pub kind: FrameKind,
    /// The dialog.
    pub dialog: DialogId,
    /// The side it is for.
    pub to: Role,
    /// The desired service; only in initiating frames.
    pub service: String,
    /// The sender's memory (stamped).
    pub src_store: StoreId,
    /// The instance to answer to (stamped).
    pub src_node: String,
    /// The sender's endpoint.
    pub src_token: Token,
    /// The receiver's endpoint; `None` = whoever serves `service`.
    pub dst_token: Option<Token>,
    /// The life of the sender's memory (stamped).
    pub incarnation: u64,
    /// Counts the sender's frames within this life (stamped).
    pub send_ctr: u64,
    /// The highest message consumed in order, durably.
    pub ack: u64,
    /// Messages above `ack` that are here but not consumed: bit `n` is number `ack + 1 + n`. They lie in memory only, so
    /// the sender may spare itself their repetition and must not forget them (M9).
    pub sack: u64,
    /// What the sender still takes from its partner; only in frames that name the partner's token.
    pub window: Option<Window>,
    /// One-bit facts about the sender.
    pub flags: FrameFlags,
    /// Fingerprint of the contract the sender speaks.
    pub contract: u64,
    /// How long the sender will wait, in milliseconds; relative, as clocks differ.
    pub ttl_ms: u64,
    /// Trace id (stamped).
    pub trace: [u8; 16],
    /// Messages, in any frame that has room for them.
    pub messages: Vec<Message>,
}

impl Frame {
    /// The frame in one line, for a log or a story: kind, numbers, tokens by their first bytes.
    pub fn summary(&self) -> String {
        let kind = match &self.kind {
            FrameKind::Fault { code, detail } => format!("FAULT {code:?} ({detail})"),
            FrameKind::Reset { reason, .. } => format!("RESET {reason:?}"),
            kind => format!("{kind:?}").to_uppercase(),
        };
        let messages: Vec<String> = self
            .messages
            .iter()
            .map(|message| format!("{message:?}"))
            .collect();
        let to = match self.dst_token {
            Some(token) => format!("to {}", &token.to_string()[..8]),
            None => format!("to any `{}`", self.service),
        };
        let said = if messages.is_empty() {
            String::new()
        } else {
            format!(" [{}]", messages.join(", "))
        };
        format!("{kind}{said} {to}, ack {}", self.ack)
    }

    /// Writes who released this frame. The node calls it last, in the order in which frames leave.
    pub fn stamp(
        &mut self,
        store: StoreId,
        node: &str,
        incarnation: u64,
        send_ctr: u64,
        trace: [u8; 16],
    ) {
        self.src_store = store;
        node.clone_into(&mut self.src_node);
        self.incarnation = incarnation;
        self.send_ctr = send_ctr;
        self.trace = trace;
    }

    /// May this frame create an endpoint? (P2: exactly the frames without `dst_token`.)
    pub fn is_initiating(&self) -> bool {
        self.dst_token.is_none()
    }

    /// The record it is for.
    pub fn key(&self) -> EndpointKey {
        EndpointKey {
            dialog: self.dialog,
            role: self.to,
        }
    }

    /// Where an answer to this frame goes.
    pub fn reply_to(&self) -> Destination {
        Destination::Store {
            store: self.src_store,
            node: self.src_node.clone(),
        }
    }

    /// The sender's age: orders frames of one store over restarts (P2).
    pub(crate) fn age(&self) -> (u64, u64) {
        (self.incarnation, self.send_ctr)
    }
}
