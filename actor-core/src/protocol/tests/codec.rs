//! The bytes of a frame: pinned, complete, and harmless when they are wrong.

use super::kit::Rng;
use crate::protocol::{
    DialogId, FaultCode, Frame, FrameError, FrameFlags, FrameKind, MAX_FRAME_BYTES, Message,
    MessageKind, ResetReason, Role, StoreId, Token, Window,
};

fn id(first: u8) -> [u8; 16] {
    std::array::from_fn(|at| first + at as u8)
}

fn golden() -> Frame {
    Frame {
        kind: FrameKind::Data,
        dialog: DialogId(id(0x10)),
        to: Role::Target,
        service: "shop".into(),
        src_store: StoreId(id(0x20)),
        src_node: "cart-1".into(),
        src_token: Token(id(0x30)),
        dst_token: Some(Token(id(0x40))),
        incarnation: 0x0102,
        send_ctr: 0x0304,
        ack: 0x0506,
        sack: 0x0708,
        window: Some(Window {
            messages: 0x090a,
            bytes: 0x0b0c,
        }),
        flags: FrameFlags {
            volatile_initiator: true,
            established: true,
            ended: false,
        },
        contract: 0x1122_3344_5566_7788,
        ttl_ms: 60_000,
        trace: id(0x50),
        messages: vec![Message {
            seq: 7,
            after: 4,
            currency: false,
            fin: true,
            kind: MessageKind::AnswerErr,
            re: 3,
            handler: 0xdead_beef,
            version: 2,
            body: b"body"[..].into(),
        }],
    }
}

const GOLDEN: &str = "a6d101000316009a00\
    101112131415161718191a1b1c1d1e1f01\
    202122232425262728292a2b2c2d2e2f\
    303132333435363738393a3b3c3d3e3f\
    404142434445464748494a4b4c4d4e4f\
    0201000000000000040300000000000000000000000000000605000000000000\
    0807000000000000\
    0a0900000c0b0000\
    60ea0000000000008877665544332211\
    505152535455565758595a5b5c5d5e5f\
    040073686f700600636172742d31\
    0100\
    070000000000000004000000000000000104\
    0300000000000000efbeadde020004000000626f6479";

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn with_crc(mut covered: Vec<u8>) -> Vec<u8> {
    let crc = crc32c::crc32c(&covered);
    covered.extend_from_slice(&crc.to_le_bytes());
    covered
}

#[test]
fn the_bytes_of_version_1_0_never_change() {
    let bytes = golden().encode();
    let (covered, _) = bytes.split_at(bytes.len() - 4);
    assert_eq!(hex(covered), GOLDEN);
    assert_eq!(with_crc(covered.to_vec()), bytes);
    assert_eq!(Frame::decode(&bytes), Ok(golden()));
}

#[test]
fn every_kind_survives_its_bytes() {
    let reset = |reason| FrameKind::Reset {
        reason,
        echo_token: Token(id(1)),
        echo_incarnation: 5,
        echo_send_ctr: 6,
    };
    for kind in [
        FrameKind::Syn,
        FrameKind::SynAck,
        FrameKind::Data,
        FrameKind::Bound,
        FrameKind::Ack,
        FrameKind::Fault {
            code: FaultCode::Unknown(200),
            detail: "why".into(),
        },
        reset(ResetReason::UnknownEndpoint),
        reset(ResetReason::Superseded),
        FrameKind::Ping,
    ] {
        for dst_token in [None, Some(Token(id(9)))] {
            let frame = Frame {
                kind: kind.clone(),
                dst_token,
                ..golden()
            };
            assert_eq!(Frame::decode(&frame.encode()), Ok(frame));
        }
    }
}

#[test]
fn fields_of_a_newer_minor_are_skipped_and_another_major_is_refused() {
    let bytes = golden().encode();
    let mut newer = bytes[..bytes.len() - 4].to_vec();
    newer[3] = 9;
    newer[7..9].copy_from_slice(&158_u16.to_le_bytes());
    newer.splice(154..154, [1, 2, 3, 4]);
    assert_eq!(Frame::decode(&with_crc(newer)), Ok(golden()));
    let mut other = bytes.clone();
    other[2] = 2;
    assert_eq!(
        Frame::decode(&other),
        Err(FrameError::UnsupportedVersion { major: 2 })
    );
    assert_eq!(Frame::decode(b"GET / HTTP/1.1"), Err(FrameError::NotAFrame));
}

#[test]
fn a_frame_over_a_limit_is_refused_before_anything_is_made_of_it() {
    let too_long = vec![0; MAX_FRAME_BYTES + 1];
    assert_eq!(
        Frame::decode(&too_long),
        Err(FrameError::TooLong {
            bytes: MAX_FRAME_BYTES + 1
        })
    );
    let named = Frame {
        service: "x".repeat(256),
        ..golden()
    };
    assert!(matches!(
        Frame::decode(&named.encode()),
        Err(FrameError::OverLimit {
            field: "service name",
            ..
        })
    ));
    let many = Frame {
        messages: vec![],
        ..golden()
    }
    .encode();
    let mut many = many[..many.len() - 4].to_vec();
    let at = many.len() - 2;
    many[at..].copy_from_slice(&1024_u16.to_le_bytes());
    assert_eq!(Frame::decode(&with_crc(many)), Err(FrameError::Truncated));
    let detail = "\u{e9}".repeat(2000);
    let talkative = Frame {
        kind: FrameKind::Fault {
            code: FaultCode::Abandoned,
            detail,
        },
        ..golden()
    };
    let Ok(Frame {
        kind: FrameKind::Fault { detail, .. },
        ..
    }) = Frame::decode(&talkative.encode())
    else {
        panic!()
    };
    assert_eq!(detail.len(), 1024);
}

#[test]
fn damaged_bytes_are_never_a_frame_and_never_a_panic() {
    let bytes = golden().encode();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            assert!(Frame::decode(&damaged).is_err());
        }
        assert!(Frame::decode(&bytes[..at]).is_err());
    }
}

#[test]
fn bytes_with_a_right_checksum_and_wrong_content_never_panic() {
    let mut rng = Rng::new(7);
    let bytes = golden().encode();
    let covered = &bytes[..bytes.len() - 4];
    for _ in 0..50_000 {
        let mut mutated = covered.to_vec();
        for _ in 0..=rng.below(4) {
            let at = rng.below(mutated.len() as u64) as usize;
            mutated[at] = rng.below(256) as u8;
        }
        mutated.truncate(
            mutated.len()
                - if rng.below(100) < 30 {
                    rng.below(40) as usize
                } else {
                    0
                },
        );
        if let Ok(frame) = Frame::decode(&with_crc(mutated)) {
            assert_eq!(Frame::decode(&frame.encode()), Ok(frame));
        }
        let noise: Vec<u8> = (0..rng.below(300)).map(|_| rng.below(256) as u8).collect();
        let mut behind_version = covered[..3].to_vec();
        behind_version.extend(noise);
        assert!(Frame::decode(&with_crc(behind_version)).is_err());
    }
}

#[test]
fn a_part_is_a_part_of_one_message_and_worth_a_frame() {
    let part = |offset: u32, total: u32, bytes: usize, count: usize| {
        let message = Message {
            body: vec![7; bytes].into(),
            ..golden().messages[0].clone()
        };
        let frame = Frame {
            kind: FrameKind::Part { offset, total },
            messages: vec![message; count],
            ..golden()
        };
        let decoded = Frame::decode(&frame.encode());
        assert!(decoded.is_err() || decoded == Ok(frame));
        decoded.map(drop)
    };
    let invalid = |field| Err(FrameError::Invalid { field });
    assert_eq!(part(0, 10_000, 4096, 1), Ok(()));
    assert_eq!(part(9_999, 10_000, 1, 1), Ok(()), "the last one is short");
    assert_eq!(part(0, 10_000, 4095, 1), invalid("part"));
    assert_eq!(part(0, 5000, 5000, 1), invalid("part"), "the whole");
    assert_eq!(part(5000, 5000, 0, 1), invalid("part"), "nothing");
    assert_eq!(part(u32::MAX, 10_000, 4096, 1), invalid("part"));
    assert_eq!(part(8000, 10_000, 4096, 1), invalid("part"));
    assert_eq!(part(0, 10_000, 4096, 2), invalid("message count"));
    assert_eq!(part(0, 10_000, 4096, 0), invalid("message count"));
    let limit = crate::protocol::MAX_MESSAGE_BYTES;
    assert_eq!(part(0, limit as u32, 4096, 1), Ok(()));
    let over = Err(FrameError::OverLimit {
        field: "message length",
        limit,
    });
    assert_eq!(part(0, limit as u32 + 1, 4096, 1), over);
}
