use mon_types::addr::{AddrVec, EntityAddr};

use super::*;
use crate::auth::{AuthDone, AuthMethod, AuthRequest, Hello};
use crate::frame::FrameReader;

/// `v2:127.0.0.1:3300/0`.
const ADDR: &str = "01 01 01 1c000000 02000000 00000000 10000000 0200 0ce4 7f000001 0000000000000000";

fn unhex(text: &str) -> Vec<u8> {
    let digits: String =
        text.replace("ADDRS", &format!("02 01000000 {ADDR}")).replace("ADDR", ADDR).split(' ').collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn addr() -> EntityAddr {
    EntityAddr::msgr2(([127, 0, 0, 1], 3300).into())
}

/// Every frame of a session with its tag and the bytes of its first segment, as the protocol's document and
/// stock monitors have them.
fn vectors() -> Vec<(SessionFrame, u8, &'static str)> {
    let addrs = AddrVec(vec![addr()]);
    vec![
        (
            SessionFrame::ClientIdent(ClientIdent {
                addrs: addrs.clone(),
                target: addr(),
                number: -1,
                global_seq: 2,
                features_supported: 0x3f01_cfbd_fffd_ffff,
                features_required: 0x0800_0000_0020_0000,
                flags: 1,
                cookie: 0x1122,
            }),
            8,
            "ADDRS ADDR ffffffffffffffff 0200000000000000 fffffdffbdcf013f 0000200000000008 \
             0100000000000000 2211000000000000",
        ),
        (
            SessionFrame::ServerIdent(ServerIdent {
                addrs: addrs.clone(),
                number: 1,
                global_seq: 3,
                features_supported: 0x3f01_cfbd_fffd_ffff,
                features_required: 0x0c01_0200_0204_0000,
                flags: 1,
                cookie: 0,
            }),
            9,
            "ADDRS 0100000000000000 0300000000000000 fffffdffbdcf013f 000004020002010c \
             0100000000000000 0000000000000000",
        ),
        (SessionFrame::MissingFeatures(1 << 59), 10, "0000000000000008"),
        (
            SessionFrame::Reconnect(Reconnect {
                addrs,
                client_cookie: 1,
                server_cookie: 2,
                global_seq: 3,
                connect_seq: 4,
                msg_seq: 5,
            }),
            11,
            "ADDRS 0100000000000000 0200000000000000 0300000000000000 0400000000000000 0500000000000000",
        ),
        (SessionFrame::Reset { full: true }, 12, "01"),
        (SessionFrame::Retry { connect_seq: 7 }, 13, "0700000000000000"),
        (SessionFrame::RetryGlobal { global_seq: 8 }, 14, "0800000000000000"),
        (SessionFrame::ReconnectOk { msg_seq: 9 }, 15, "0900000000000000"),
        (SessionFrame::Wait, 16, ""),
        (
            SessionFrame::Message {
                seq: 1,
                ack_seq: 2,
                message: RawMessage {
                    tid: 3,
                    kind: 67,
                    priority: 196,
                    version: 8,
                    compat: 5,
                    front: Bytes::from_static(b"front"),
                    middle: Bytes::new(),
                    data: Bytes::from_static(b"data"),
                },
            },
            17,
            "0100000000000000 0300000000000000 4300 c400 0800 00000000 0000 0200000000000000 00 0500 0000",
        ),
        (SessionFrame::Ack { seq: 10 }, 20, "0a00000000000000"),
    ]
}

#[test]
fn frames_of_a_session_byte_by_byte() {
    for (frame, tag, first) in vectors() {
        let (mut bytes, mut reader) = (BytesMut::new(), FrameReader::default());
        frame.write(&mut FrameWriter::default(), &mut bytes).unwrap();
        assert_eq!(bytes[0], tag);
        reader.push(&bytes);
        let read = reader.next(1 << 20, None).unwrap().unwrap();
        assert_eq!(read.segments[0], unhex(first), "{frame:?}");
        assert_eq!(SessionFrame::decode(read).unwrap().unwrap(), frame);
    }
}

#[test]
fn a_cut_body_is_an_error_at_every_byte() {
    for (frame, tag, first) in vectors() {
        let whole = Bytes::from(unhex(first));
        for cut in 0..whole.len() {
            let tag = Tag::from_number(tag).unwrap();
            let mut segments = [const { Bytes::new() }; 4];
            segments[0] = whole.slice(..cut);
            assert!(SessionFrame::decode(Frame { tag, segments }).is_err(), "{frame:?} cut at {cut}");
        }
    }
}

#[test]
fn a_longer_body_of_a_later_release_is_read_as_far_as_we_know_it() {
    let body = Bytes::from_static(b"\x0a\0\0\0\0\0\0\0later");
    let frame = Frame { tag: Tag::Ack, segments: [body, Bytes::new(), Bytes::new(), Bytes::new()] };
    assert_eq!(SessionFrame::decode(frame), Ok(Ok(SessionFrame::Ack { seq: 10 })));
}

#[test]
fn frames_of_the_handshake_byte_by_byte() {
    let payload = || Bytes::from_static(b"pay");
    let vectors: [(Bytes, &str); 4] = [
        (Hello { kind: 1, seen: addr() }.to_bytes(), "01 ADDR"),
        (
            AuthRequest { method: AuthMethod::CEPHX, preferred_modes: vec![2, 1], payload: payload() }
                .to_bytes(),
            "02000000 02000000 02000000 01000000 03000000 706179",
        ),
        (
            AuthDone { global_id: 4100, mode: 2, payload: payload() }.to_bytes(),
            "0410000000000000 02000000 03000000 706179",
        ),
        (payload().to_bytes(), "03000000 706179"),
    ];
    for (bytes, expected) in vectors {
        assert_eq!(bytes, unhex(expected));
    }
}
