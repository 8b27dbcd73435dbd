//! Answers that need no memory: to frames that found no endpoint, and to frames that will not get one.

use crate::coverage;

use super::ending::FaultCode;
use super::frame::{Frame, FrameFlags, FrameKind, ResetReason};
use super::ids::Token;

/// The token of no endpoint.
const NOBODY: Token = Token([0; 16]);

/// Row 19: answers a frame whose `dst_token` names nobody here. `None` for a RESET (never answered) and for an
/// initiating frame (it names nobody by design), and for the answers made here (nobody would hear it). The answer goes to
/// [`Frame::reply_to`].
pub fn reject(frame: &Frame) -> Option<Frame> {
    let reset = reset(frame, ResetReason::UnknownEndpoint)?;
    coverage::row(19);
    Some(reset)
}

/// Refuses an initiating frame without creating anything: not served, busy, another contract. The answer names no
/// token of ours, so nobody can bind to it.
pub fn refuse(frame: &Frame, code: FaultCode, detail: impl Into<String>) -> Frame {
    answer(
        frame,
        FrameKind::Fault {
            code,
            detail: detail.into(),
        },
    )
}

/// A RESET that echoes the frame it answers, in the name of the token that frame was for.
pub(crate) fn reset(frame: &Frame, reason: ResetReason) -> Option<Frame> {
    if matches!(frame.kind, FrameKind::Reset { .. }) || is_from_nobody(frame) {
        return None;
    }
    frame.dst_token?;
    Some(answer(
        frame,
        FrameKind::Reset {
            reason,
            echo_token: frame.src_token,
            echo_incarnation: frame.incarnation,
            echo_send_ctr: frame.send_ctr,
        },
    ))
}

/// Was this frame made by [`refuse`], on behalf of no endpoint?
pub(crate) fn is_from_nobody(frame: &Frame) -> bool {
    frame.src_token == NOBODY
}

fn answer(frame: &Frame, kind: FrameKind) -> Frame {
    Frame {
        kind,
        dialog: frame.dialog,
        to: frame.to.other(),
        service: String::new(),
        src_store: frame.src_store,
        src_node: String::new(),
        src_token: frame.dst_token.unwrap_or(NOBODY),
        dst_token: Some(frame.src_token),
        incarnation: 0,
        send_ctr: 0,
        ack: 0,
        sack: 0,
        window: None,
        flags: FrameFlags::default(),
        contract: frame.contract,
        ttl_ms: 0,
        trace: frame.trace,
        messages: Vec::new(),
    }
}
