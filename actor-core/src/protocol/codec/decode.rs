//! From bytes to a frame: every length is checked against what is left before anything is made of it.

use std::sync::Arc;

use super::{
    FLAG_ENDED, FLAG_ESTABLISHED, FLAG_INITIATING, FLAG_VOLATILE, FLAG_WINDOW, FrameError,
    HEADER_BYTES, MAX_DETAIL_BYTES, MAX_FRAME_MESSAGES, MAX_NAME_BYTES, MESSAGE_CURRENCY,
    MESSAGE_FIN, MESSAGE_OVERHEAD_BYTES, MIN_PART_BYTES,
};
use crate::protocol::ending::FaultCode;
use crate::protocol::frame::{Frame, FrameFlags, FrameKind, ResetReason, Window};
use crate::protocol::ids::{DialogId, Role, StoreId, Token};
use crate::protocol::limits::MAX_MESSAGE_BYTES;
use crate::protocol::message::{Message, MessageKind};

/// The frame in these bytes, whose checksum was found right.
pub(super) fn covered(bytes: &[u8]) -> Result<Frame, FrameError> {
    let mut from = Reader { rest: bytes };
    let (_magic, _major, _minor) = (from.u16()?, from.u8()?, from.u8()?);
    let kind = from.u8()?;
    let flags = from.u16()?;
    let header_bytes = from.u16()?;
    let extension = header_bytes
        .checked_sub(HEADER_BYTES)
        .ok_or(FrameError::Invalid {
            field: "header length",
        })?;
    let dialog = DialogId(from.array()?);
    let to = match from.u8()? {
        0 => Role::Initiator,
        1 => Role::Target,
        _ => return Err(FrameError::Invalid { field: "side" }),
    };
    let src_store = StoreId(from.array()?);
    let src_token = Token(from.array()?);
    let dst_token = Some(Token(from.array()?)).filter(|token| *token != Token::default());
    if dst_token.is_none() != (flags & FLAG_INITIATING != 0) {
        return Err(FrameError::Invalid { field: "token" });
    }
    let (incarnation, send_ctr, _base_seq, ack, sack) = (
        from.u64()?,
        from.u64()?,
        from.u64()?,
        from.u64()?,
        from.u64()?,
    );
    let window = Window {
        messages: from.u32()?,
        bytes: from.u32()?,
    };
    let window = Some(window).filter(|_| flags & FLAG_WINDOW != 0);
    let (ttl_ms, contract, trace) = (from.u64()?, from.u64()?, from.array()?);
    from.take(usize::from(extension))?;
    let service = from.name("service name")?;
    let src_node = from.name("instance name")?;
    let kind = from.kind(kind)?;
    let messages = from.messages()?;
    check_part(&kind, &messages)?;
    if !from.rest.is_empty() {
        return Err(FrameError::Invalid { field: "length" });
    }
    Ok(Frame {
        kind,
        dialog,
        to,
        service,
        src_store,
        src_node,
        src_token,
        dst_token,
        incarnation,
        send_ctr,
        ack,
        sack,
        window,
        flags: FrameFlags {
            volatile_initiator: flags & FLAG_VOLATILE != 0,
            established: flags & FLAG_ESTABLISHED != 0,
            ended: flags & FLAG_ENDED != 0,
        },
        contract,
        ttl_ms,
        trace,
        messages,
    })
}

/// A part is a part of one message, of a length that is worth a frame, and its whole is not longer than any may be.
fn check_part(kind: &FrameKind, messages: &[Message]) -> Result<(), FrameError> {
    let FrameKind::Part { offset, total } = *kind else {
        return Ok(());
    };
    let [message] = messages else {
        return Err(FrameError::Invalid {
            field: "message count",
        });
    };
    let (offset, total, bytes) = (offset as usize, total as usize, message.body.len());
    if total > MAX_MESSAGE_BYTES {
        return Err(FrameError::OverLimit {
            field: "message length",
            limit: MAX_MESSAGE_BYTES,
        });
    }
    let end = offset + bytes;
    let is_last = end == total;
    if bytes == 0 || bytes == total || end > total || (bytes < MIN_PART_BYTES && !is_last) {
        return Err(FrameError::Invalid { field: "part" });
    }
    Ok(())
}

/// Takes fields off the front of what is left.
pub(super) struct Reader<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], FrameError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(bytes)
            .ok_or(FrameError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(FrameError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, FrameError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, FrameError> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, FrameError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, FrameError> {
        self.array().map(u64::from_le_bytes)
    }

    fn text(&mut self, field: &'static str, limit: usize) -> Result<String, FrameError> {
        let bytes = usize::from(self.u16()?);
        if bytes > limit {
            return Err(FrameError::OverLimit { field, limit });
        }
        let text =
            std::str::from_utf8(self.take(bytes)?).map_err(|_| FrameError::Invalid { field })?;
        Ok(text.to_owned())
    }

    fn name(&mut self, field: &'static str) -> Result<String, FrameError> {
        self.text(field, MAX_NAME_BYTES)
    }

    fn kind(&mut self, kind: u8) -> Result<FrameKind, FrameError> {
        Ok(match kind {
            1 => FrameKind::Syn,
            2 => FrameKind::SynAck,
            3 => FrameKind::Data,
            4 => FrameKind::Bound,
            5 => FrameKind::Ack,
            6 => FrameKind::Fault {
                code: FaultCode::from_byte(self.u8()?),
                detail: self.text("detail", MAX_DETAIL_BYTES)?,
            },
            7 => FrameKind::Reset {
                reason: match self.u8()? {
                    0 => ResetReason::UnknownEndpoint,
                    1 => ResetReason::Superseded,
                    _ => {
                        return Err(FrameError::Invalid {
                            field: "reset reason",
                        });
                    }
                },
                echo_token: Token(self.array()?),
                echo_incarnation: self.u64()?,
                echo_send_ctr: self.u64()?,
            },
            8 => FrameKind::Ping,
            9 => FrameKind::Part {
                offset: self.u32()?,
                total: self.u32()?,
            },
            _ => return Err(FrameError::Invalid { field: "kind" }),
        })
    }

    fn messages(&mut self) -> Result<Vec<Message>, FrameError> {
        let count = usize::from(self.u16()?);
        if count > MAX_FRAME_MESSAGES {
            return Err(FrameError::OverLimit {
                field: "message count",
                limit: MAX_FRAME_MESSAGES,
            });
        }
        // What is claimed must fit into what is left, before anything is allocated for it.
        if count * MESSAGE_OVERHEAD_BYTES > self.rest.len() {
            return Err(FrameError::Truncated);
        }
        let mut messages = Vec::with_capacity(count);
        for _ in 0..count {
            messages.push(self.message()?);
        }
        Ok(messages)
    }

    fn message(&mut self) -> Result<Message, FrameError> {
        let (seq, after) = (self.u64()?, self.u64()?);
        let flags = self.u8()?;
        if flags & !(MESSAGE_FIN | MESSAGE_CURRENCY) != 0 {
            return Err(FrameError::Invalid {
                field: "message flags",
            });
        }
        let (fin, currency) = (flags & MESSAGE_FIN != 0, flags & MESSAGE_CURRENCY != 0);
        let kind = match self.u8()? {
            0 => MessageKind::Empty,
            1 => MessageKind::Tell,
            2 => MessageKind::Ask,
            3 => MessageKind::AnswerOk,
            4 => MessageKind::AnswerErr,
            5 => MessageKind::NoAnswer,
            6 => MessageKind::Event,
            _ => {
                return Err(FrameError::Invalid {
                    field: "message kind",
                });
            }
        };
        let (re, handler, version) = (self.u64()?, self.u32()?, self.u16()?);
        let bytes = self.u32()? as usize;
        let body: Arc<[u8]> = self.take(bytes)?.into();
        // There is a number before each, and one behind it for what comes next.
        if after >= seq || seq == u64::MAX {
            return Err(FrameError::Invalid {
                field: "sequence number",
            });
        }
        if currency && !kind.may_be_currency() {
            return Err(FrameError::Invalid {
                field: "message flags",
            });
        }
        Ok(Message {
            seq,
            after,
            currency,
            fin,
            kind,
            re,
            handler,
            version,
            body,
        })
    }
}
