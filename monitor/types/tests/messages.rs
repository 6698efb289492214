//! Messages as stock monitors and clients of 16, 18 and 20 sent them, decoded and encoded again; and, byte by
//! byte after Ceph's layout, the few types that were not captured.
//!
//! `testdata/messages/<release>/t<type>[_op<n>]_<k>.json` holds the header, `.front`, `.middle` and `.data`
//! beside it the segments; captured in crc mode between stock daemons.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use mon_types::encode::DecodeError;
use mon_types::id::{Epoch, Fsid, GlobalId, Rank, Version};
use mon_types::message::opaque::Rest;
use mon_types::message::{
    Envelope, MAuth, MAuthReply, MGetConfig, MLogAck, MMgrMap, MMonGetOSDMap, MMonGetVersion,
    MMonGetVersionReply, MMonSubscribeAck, Message, PaxosServiceMessage, RawMessage, ReadIndex, ReadIndexOp,
    StepDown,
};
use proptest::prelude::*;

fn samples() -> Vec<(PathBuf, RawMessage)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/messages");
    let mut files: Vec<PathBuf> = Vec::new();
    for release in ["16", "18", "20"] {
        let entries = std::fs::read_dir(root.join(release)).unwrap();
        files.extend(
            entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().unwrap() == "json"),
        );
    }
    files.sort();
    files.into_iter().map(|path| (path.clone(), sample(&path))).collect()
}

fn sample(path: &Path) -> RawMessage {
    let header: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let number = |name: &str| header[name].as_u64().unwrap();
    let segment = |name: &str| Bytes::from(std::fs::read(path.with_extension(name)).unwrap_or_default());
    RawMessage {
        tid: number("tid"),
        kind: number("kind") as u16,
        priority: number("priority") as u16,
        version: number("version") as u16,
        compat: number("compat") as u16,
        front: segment("front"),
        middle: segment("middle"),
        data: segment("data"),
    }
}

/// Types whose last field takes whatever is left, so that a shorter message is another valid one.
fn ends_anywhere(message: &Message) -> bool {
    matches!(
        message,
        Message::Unknown(_)
            | Message::MgrMap(_)
            | Message::ServiceMap(_)
            | Message::FsMap(_)
            | Message::FsMapUser(_)
            | Message::Auth(_)
            | Message::Ping(_)
    )
}

#[test]
fn stock_messages_decode_and_encode_to_the_same_bytes() {
    let mut kinds = BTreeSet::new();
    for (path, raw) in samples() {
        let envelope = Envelope::decode(&raw).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(!matches!(envelope.message, Message::Unknown(_)), "{}", path.display());
        assert_eq!(envelope.to_raw(), raw, "{}: {envelope:?}", path.display());
        kinds.insert(raw.kind);
    }
    let expected =
        [2, 4, 5, 13, 14, 15, 41, 46, 47, 48, 49, 50, 51, 60, 62, 64, 65, 66, 67, 68, 69, 140, 0x608, 0x609];
    assert!(expected.iter().all(|kind| kinds.contains(kind)), "captured types: {kinds:?}");
}

/// The bytes of a hex string; spaces separate fields.
fn hex(text: &str) -> Bytes {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// Type number, header version and compat, front.
#[track_caller]
fn check_layout(message: impl Into<Message>, kind: u16, version: (u16, u16), front: &str) {
    let envelope = message.into().with_tid(7);
    let raw = envelope.to_raw();
    assert_eq!((raw.tid, raw.kind, raw.version, raw.compat), (7, kind, version.0, version.1));
    assert_eq!(raw.front, hex(front));
    assert_eq!(Envelope::decode(&raw), Ok(envelope.clone()));
    if !ends_anywhere(&envelope.message) {
        for cut in 0..raw.front.len() {
            let short = RawMessage { front: raw.front.slice(..cut), ..raw.clone() };
            assert!(Envelope::decode(&short).is_err(), "cut at {cut}");
        }
    }
}

const PREFIX: &str = "0900000000000000 ffff 0000000000000000";
const FSID: &str = "11111111222233334444555555555555";

fn prefix() -> PaxosServiceMessage {
    PaxosServiceMessage::at(Version(9))
}

fn fsid() -> Fsid {
    "11111111-2222-3333-4444-555555555555".parse().unwrap()
}

#[test]
fn layouts_of_types_that_were_not_captured() {
    let maps = MMonGetOSDMap { full_first: 1, full_last: 2, inc_first: 3, inc_last: 4 };
    check_layout(maps, 6, (1, 1), "01000000 02000000 03000000 04000000");
    let ack = MMonSubscribeAck { interval: 60, fsid: fsid() };
    check_layout(ack, 16, (1, 1), &format!("3c000000 {FSID}"));
    let auth =
        MAuth { paxos: prefix(), protocol: 2, auth_payload: Bytes::from_static(b"\0\x04"), monmap_epoch: 5 };
    check_layout(auth, 17, (1, 1), &format!("{PREFIX} 02000000 02000000 0004 05000000"));
    let reply = MAuthReply {
        protocol: 2,
        result: -13,
        global_id: GlobalId(4097),
        result_bl: Bytes::from_static(b"x"),
        result_msg: "no".into(),
    };
    check_layout(reply, 18, (1, 1), "02000000 f3ffffff 0110000000000000 01000000 78 02000000 6e6f");
    let version = MMonGetVersion { handle: 3, what: "osdmap".into() };
    check_layout(version, 19, (1, 1), "0300000000000000 06000000 6f73646d6170");
    let reply = MMonGetVersionReply { handle: 3, version: Version(8), oldest_version: Version(2) };
    check_layout(reply, 20, (2, 1), "0300000000000000 0800000000000000 0200000000000000");
    let ack = MLogAck { fsid: fsid(), last: Version(4), channel: "audit".into() };
    check_layout(ack, 53, (1, 1), &format!("{FSID} 0400000000000000 05000000 6175646974"));
    let config = MGetConfig { name: "mon.a".parse().unwrap(), host: "h".into(), device_class: "".into() };
    check_layout(config, 63, (1, 1), "01000000 01000000 61 01000000 68 00000000");
    let map = MMgrMap { map: Rest(Bytes::from_static(b"map")) };
    check_layout(map, 0x704, (1, 1), "6d6170");
}

#[test]
fn layouts_of_our_own_messages() {
    let envelope = |len: &str| format!("01 01 {len}000000");
    let read = ReadIndex { epoch: Epoch(6), op: ReadIndexOp::Index, round: 2, index: Version(9) };
    let front = format!("{} 06000000 02 0200000000000000 0900000000000000", envelope("15"));
    check_layout(read, 0x6d01, (1, 1), &front);
    let step_down = StepDown { epoch: Epoch(6), successor: Rank(2) };
    check_layout(step_down, 0x6d02, (1, 1), &format!("{} 06000000 02000000", envelope("08")));
}

#[test]
fn messages_inside_forwards_and_routes_decode_too() {
    let mut inner_kinds = BTreeSet::new();
    for (path, raw) in samples() {
        let inner = match Envelope::decode(&raw).unwrap().message {
            Message::Forward(forward) => Some(forward.message),
            Message::Route(route) => route.message,
            _ => None,
        };
        let Some(inner) = inner else { continue };
        let envelope = inner.envelope().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let RawMessage { front, data, .. } = envelope.to_raw();
        assert_eq!((front, data), (inner.raw.front, inner.raw.data), "{}", path.display());
        inner_kinds.insert(inner.raw.kind);
    }
    assert!(
        [50, 51, 52, 53].iter().all(|kind| inner_kinds.contains(kind)),
        "captured types: {inner_kinds:?}"
    );
}

#[test]
fn truncation_at_every_byte_is_an_error() {
    for (path, raw) in samples() {
        if ends_anywhere(&Envelope::decode(&raw).unwrap().message) {
            continue;
        }
        for cut in 0..raw.front.len() {
            let short = RawMessage { front: raw.front.slice(..cut), ..raw.clone() };
            assert!(Envelope::decode(&short).is_err(), "{} cut at {cut}", path.display());
        }
    }
}

#[test]
fn bytes_appended_by_a_newer_release_are_skipped() {
    for (path, raw) in samples() {
        let message = Envelope::decode(&raw).unwrap().message;
        if ends_anywhere(&message) {
            continue;
        }
        let front: Bytes = [&raw.front[..], b"newer fields"].concat().into();
        let newer = RawMessage { front, version: raw.version + 1, ..raw };
        assert_eq!(Envelope::decode(&newer).unwrap().message, message, "{}", path.display());
    }
}

#[test]
fn a_message_for_newer_readers_is_refused() {
    let (_, raw) = samples().swap_remove(0);
    let refused = Envelope::decode(&RawMessage { compat: 400, version: 401, ..raw });
    assert!(matches!(refused, Err(DecodeError::Incompatible { compat: 255, .. })), "{refused:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Damage turns captured messages into a wide range of values, and into nonsense.
    #[test]
    fn damaged_messages_never_panic_and_what_decodes_round_trips(
        index in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let samples = small_samples();
        let mut raw = index.get(samples).clone();
        let mut front = raw.front.to_vec();
        for (at, byte) in damage.iter().filter(|_| !raw.front.is_empty()) {
            let at = at.index(front.len());
            front[at] = *byte;
        }
        raw.front = front.into();
        check_round_trip(&raw)?;
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_what_decodes_round_trips(
        kind in prop::sample::select(KINDS),
        front in prop::collection::vec(prop_oneof![Just(0u8), Just(1u8), any::<u8>()], 0..160),
    ) {
        check_round_trip(&RawMessage { kind, front: front.into(), ..RawMessage::default() })?;
    }
}

/// Every type number that is understood.
const KINDS: &[u16] = &[
    2, 4, 5, 6, 13, 14, 15, 16, 17, 18, 19, 20, 21, 41, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 58, 59, 60,
    62, 63, 64, 65, 66, 67, 68, 69, 97, 98, 103, 140, 141, 0x608, 0x609, 0x704, 0x707, 0x6d01, 0x6d02,
    0x6d03, 0x6d04, 0x6d05,
];

fn small_samples() -> &'static Vec<RawMessage> {
    static SAMPLES: std::sync::OnceLock<Vec<RawMessage>> = std::sync::OnceLock::new();
    SAMPLES.get_or_init(|| {
        samples().into_iter().map(|(_, raw)| raw).filter(|raw| raw.front.len() < 4096).collect()
    })
}

/// The first encoding may differ from damaged input (skipped tails, a bool of 7), the second may not differ
/// from the first; compared as bytes because NaN is not equal to itself.
fn check_round_trip(raw: &RawMessage) -> Result<(), TestCaseError> {
    if let Ok(envelope) = Envelope::decode(raw) {
        let encoded = envelope.to_raw();
        let again = Envelope::decode(&encoded).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(again.to_raw(), encoded);
    }
    Ok(())
}
