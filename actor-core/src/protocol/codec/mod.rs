//! The bytes of a frame: hand-laid, little-endian, checked by CRC-32C. Decoding never panics and never allocates
//! more than the input is long.
//!
//! ```text
//! 0    magic u16 | major u8 | minor u8 | kind u8 | flags u16 | hdr_len u16
//! 9    dialog 16 | to u8 | src_store 16 | src_token 16 | dst_token 16 (0 = none)
//! 74   incarnation u64 | send_ctr u64 | base_seq u64 (reserved) | ack u64 | sack u64
//! 114  win_msgs u32 | win_bytes u32 (both 0 unless flagged) | ttl_ms u64 | contract u64 | trace 16
//! 154  fields of newer minors, up to hdr_len
//!      service str | src_node str | by kind: FAULT: code u8, detail str; RESET: reason u8, echo 16 + u64 + u64;
//!                                            PART: offset u32, total u32
//!      count u16 | messages: seq u64, after u64, flags u8, kind u8, re u64, handler u32, version u16, len u32, body
//!      crc32c u32 over everything before it            (str = len u16, UTF-8)
//! ```
//!
//! A newer minor may add fields behind `trace`; they are skipped. Another major is refused.

mod decode;

use std::fmt;

use super::frame::{Frame, FrameKind, ResetReason};
use super::ids::Role;
use super::message::{Message, MessageKind};

/// Largest encoded frame, in bytes.
pub const MAX_FRAME_BYTES: usize = 512 * 1024;
/// Most messages in one frame.
pub const MAX_FRAME_MESSAGES: usize = 1024;
/// Longest service or instance name, in bytes.
pub const MAX_NAME_BYTES: usize = 255;
/// Longest detail of a FAULT, in bytes; longer ones are cut when encoded.
pub const MAX_DETAIL_BYTES: usize = 1024;

/// Smallest part of a message, its last one aside.
pub(crate) const MIN_PART_BYTES: usize = 4 * 1024;

/// Encoded bytes of a message besides its body.
pub(crate) const MESSAGE_OVERHEAD_BYTES: usize = 36;

const MAGIC: u16 = 0xd1a6;
const MAJOR: u8 = 1;
const MINOR: u8 = 0;
const HEADER_BYTES: u16 = 154;
const CRC_BYTES: usize = 4;

const FLAG_INITIATING: u16 = 1;
const FLAG_VOLATILE: u16 = 2;
const FLAG_ESTABLISHED: u16 = 4;
const FLAG_ENDED: u16 = 8;
/// The windows say something.
const FLAG_WINDOW: u16 = 16;

const MESSAGE_FIN: u8 = 1;
const MESSAGE_CURRENCY: u8 = 2;

/// Why bytes are not a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// Longer than [`MAX_FRAME_BYTES`].
    TooLong {
        /// How long.
        bytes: usize,
    },
    /// Ends before it is complete.
    Truncated,
    /// Does not begin like a frame.
    NotAFrame,
    /// The checksum does not fit: damaged on the way.
    Damaged,
    /// Another major version of the protocol.
    UnsupportedVersion {
        /// Which.
        major: u8,
    },
    /// A field holds a value that means nothing.
    Invalid {
        /// Which field.
        field: &'static str,
    },
    /// A field is larger than its limit.
    OverLimit {
        /// Which field.
        field: &'static str,
        /// Its limit.
        limit: usize,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => write!(
                f,
                "frame of {bytes} bytes is longer than {MAX_FRAME_BYTES}; drop it"
            ),
            Self::Truncated => f.write_str("frame ends too early; drop it, it will be sent again"),
            Self::NotAFrame => f.write_str(
                "these bytes are not a frame of a dialog; is another protocol on this address?",
            ),
            Self::Damaged => {
                f.write_str("frame was damaged on the way; drop it, it will be sent again")
            }
            Self::UnsupportedVersion { major } => {
                write!(
                    f,
                    "frame of wire version {major}, this node speaks {MAJOR}; upgrade the older node"
                )
            }
            Self::Invalid { field } => write!(f, "frame with an invalid {field}; drop it"),
            Self::OverLimit { field, limit } => write!(
                f,
                "frame whose {field} is over the limit of {limit}; drop it"
            ),
        }
    }
}

impl std::error::Error for FrameError {}

impl Frame {
    /// The frame as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let bodies: usize = self
            .messages
            .iter()
            .map(|message| message.body.len() + MESSAGE_OVERHEAD_BYTES)
            .sum();
        let mut out = Vec::with_capacity(usize::from(HEADER_BYTES) + 64 + bodies);
        self.put_header(&mut out);
        put_str(&mut out, &self.service, usize::from(u16::MAX));
        put_str(&mut out, &self.src_node, usize::from(u16::MAX));
        match &self.kind {
            FrameKind::Fault { code, detail } => {
                out.push(code.to_byte());
                put_str(&mut out, detail, MAX_DETAIL_BYTES);
            }
            FrameKind::Reset {
                reason,
                echo_token,
                echo_incarnation,
                echo_send_ctr,
            } => {
                out.push(match reason {
                    ResetReason::UnknownEndpoint => 0,
                    ResetReason::Superseded => 1,
                });
                out.extend_from_slice(&echo_token.0);
                out.extend_from_slice(&echo_incarnation.to_le_bytes());
                out.extend_from_slice(&echo_send_ctr.to_le_bytes());
            }
            FrameKind::Part { offset, total } => {
                out.extend_from_slice(&offset.to_le_bytes());
                out.extend_from_slice(&total.to_le_bytes());
            }
            _ => {}
        }
        out.extend_from_slice(&(self.messages.len() as u16).to_le_bytes());
        for message in &self.messages {
            put_message(&mut out, message);
        }
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    /// The frame in these bytes, which must hold exactly one.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        if bytes.len() > MAX_FRAME_BYTES {
            return Err(FrameError::TooLong { bytes: bytes.len() });
        }
        let mut version = decode::Reader { rest: bytes };
        if version.u16()? != MAGIC {
            return Err(FrameError::NotAFrame);
        }
        let major = version.u8()?;
        if major != MAJOR {
            return Err(FrameError::UnsupportedVersion { major });
        }
        let (covered, crc) = bytes
            .split_last_chunk::<CRC_BYTES>()
            .ok_or(FrameError::Truncated)?;
        if crc32c::crc32c(covered) != u32::from_le_bytes(*crc) {
            return Err(FrameError::Damaged);
        }
        decode::covered(covered)
    }

    fn put_header(&self, out: &mut Vec<u8>) {
        let mut flags = 0;
        for (set, bit) in [
            (self.is_initiating(), FLAG_INITIATING),
            (self.flags.volatile_initiator, FLAG_VOLATILE),
            (self.flags.established, FLAG_ESTABLISHED),
            (self.flags.ended, FLAG_ENDED),
            (self.window.is_some(), FLAG_WINDOW),
        ] {
            flags |= if set { bit } else { 0 };
        }
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&[MAJOR, MINOR, kind_byte(&self.kind)]);
        out.extend_from_slice(&flags.to_le_bytes());
        out.extend_from_slice(&HEADER_BYTES.to_le_bytes());
        out.extend_from_slice(&self.dialog.0);
        out.push(match self.to {
            Role::Initiator => 0,
            Role::Target => 1,
        });
        out.extend_from_slice(&self.src_store.0);
        out.extend_from_slice(&self.src_token.0);
        out.extend_from_slice(&self.dst_token.unwrap_or_default().0);
        for word in [self.incarnation, self.send_ctr, 0, self.ack, self.sack] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        let window = self.window.unwrap_or_default();
        out.extend_from_slice(&window.messages.to_le_bytes());
        out.extend_from_slice(&window.bytes.to_le_bytes());
        out.extend_from_slice(&self.ttl_ms.to_le_bytes());
        out.extend_from_slice(&self.contract.to_le_bytes());
        out.extend_from_slice(&self.trace);
    }
}

fn kind_byte(kind: &FrameKind) -> u8 {
    match kind {
        FrameKind::Syn => 1,
        FrameKind::SynAck => 2,
        FrameKind::Data => 3,
        FrameKind::Bound => 4,
        FrameKind::Ack => 5,
        FrameKind::Fault { .. } => 6,
        FrameKind::Reset { .. } => 7,
        FrameKind::Ping => 8,
        FrameKind::Part { .. } => 9,
    }
}

fn message_kind_byte(kind: MessageKind) -> u8 {
    match kind {
        MessageKind::Empty => 0,
        MessageKind::Tell => 1,
        MessageKind::Ask => 2,
        MessageKind::AnswerOk => 3,
        MessageKind::AnswerErr => 4,
        MessageKind::NoAnswer => 5,
        MessageKind::Event => 6,
    }
}

fn put_str(out: &mut Vec<u8>, text: &str, limit: usize) {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = &text[..end];
    out.extend_from_slice(&(text.len() as u16).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn put_message(out: &mut Vec<u8>, message: &Message) {
    out.extend_from_slice(&message.seq.to_le_bytes());
    out.extend_from_slice(&message.after.to_le_bytes());
    let fin = if message.fin { MESSAGE_FIN } else { 0 };
    let currency = if message.currency {
        MESSAGE_CURRENCY
    } else {
        0
    };
    out.push(fin | currency);
    out.push(message_kind_byte(message.kind));
    out.extend_from_slice(&message.re.to_le_bytes());
    out.extend_from_slice(&message.handler.to_le_bytes());
    out.extend_from_slice(&message.version.to_le_bytes());
    out.extend_from_slice(&(message.body.len() as u32).to_le_bytes());
    out.extend_from_slice(&message.body);
}
