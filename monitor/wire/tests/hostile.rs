//! Bytes from strangers: errors, never panics, and nothing grows.
#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, reason = "shared with other tests")]
mod pair;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mon_types::addr::{AddrVec, EntityAddr};
use mon_types::entity::EntityType;
use mon_types::message::RawMessage;
use mon_wire::auth::Mode;
use mon_wire::{
    Connection, ConnectionError, Event, GlobalSeq, Identity, Incoming, Limits, Policy, Session, SessionError,
    SessionEvent, SessionFrame, Side,
};
use pair::{Step, address, step};
use proptest::prelude::*;

const START: Duration = Duration::from_secs(100);

fn connection(side: Side) -> Connection {
    let kind = if side == Side::Connector { EntityType::Client } else { EntityType::Mon };
    Connection::new(side, kind, address(0), Arc::new(Limits::client()), START)
}

fn session(policy: Policy) -> Session {
    let identity = Identity {
        kind: EntityType::Client,
        addrs: AddrVec(vec![EntityAddr::default()]),
        number: None,
        features_supported: 7,
        features_required: 2,
    };
    let limits = Limits { queue_messages_max: 10, ..Limits::client() };
    Session::new(policy, identity.into(), AddrVec(vec![address(0)]), limits.into(), GlobalSeq::starting_at(1))
}

/// Everything that both sides of a client's handshake and first message write, in order of their turns:
/// (from the connector, bytes).
struct Recorded {
    turns: Vec<(bool, Bytes)>,
    client: Session,
    server: Session,
}

fn record(mode: Mode) -> Recorded {
    let (mut client, mut server) = (Some(connection(Side::Connector)), Some(connection(Side::Acceptor)));
    let (mut client_session, mut server_session) = (session(Policy::Client), session(Policy::Server));
    let mut turns = Vec::new();
    for _ in 0..20 {
        for from_client in [true, false] {
            let (own, other, own_session) = match from_client {
                true => (&mut client, &mut server, &mut client_session),
                false => (&mut server, &mut client, &mut server_session),
            };
            let mut written = Vec::new();
            if let Some(mut connection) = own.take() {
                let step = step(&mut connection, mode);
                while let Some(bytes) = connection.poll_transmit() {
                    written.extend_from_slice(&bytes);
                }
                match step {
                    Step::Idle => *own = Some(connection),
                    Step::Authenticated if from_client => assert!(own_session.attach_outgoing(connection, 3)),
                    Step::Authenticated => *own = Some(connection),
                    Step::Ident(frame) => {
                        assert!(matches!(
                            own_session.attach_incoming(connection, &frame, 0),
                            Ok(Incoming::Attached)
                        ));
                    }
                    Step::Failed => panic!("the recorded handshake must work"),
                }
            }
            while let Some(event) = own_session.poll_event(START) {
                if from_client && matches!(event, SessionEvent::Opened(_)) {
                    own_session.send(START, RawMessage { tid: 9, ..pair::message(69) }).unwrap();
                }
            }
            while let Some(bytes) = own_session.poll_transmit(START) {
                written.extend_from_slice(&bytes);
            }
            let written = Bytes::from(written);
            match (other, from_client) {
                (Some(other), _) => other.handle_bytes(START, &written).unwrap(),
                (None, true) => server_session.handle_bytes(START, &written),
                (None, false) => client_session.handle_bytes(START, &written),
            }
            if !written.is_empty() {
                turns.push((from_client, written));
            }
        }
    }
    assert!(client_session.is_open() && server_session.is_open());
    Recorded { turns, client: client_session, server: server_session }
}

/// Plays the connector's bytes, changed by `change`, to a fresh acceptor; says whether it answered as recorded
/// (its signature covers what it received, and the connector checks it), a session came to be and a message
/// arrived, or the error.
fn play(mode: Mode, recorded: &Recorded, change: impl Fn(&mut Vec<u8>)) -> Result<bool, ConnectionError> {
    let mut stream = Vec::new();
    for (_, bytes) in recorded.turns.iter().filter(|(from_client, _)| *from_client) {
        stream.extend_from_slice(bytes);
    }
    change(&mut stream);
    let expected: Vec<u8> = recorded
        .turns
        .iter()
        .filter(|(from_client, _)| !from_client)
        .flat_map(|(_, bytes)| bytes.clone())
        .collect();
    let mut answered = Vec::new();
    let mut acceptor = connection(Side::Acceptor);
    acceptor.handle_bytes(START, &stream)?;
    loop {
        let step = step(&mut acceptor, mode);
        while let Some(bytes) = acceptor.poll_transmit() {
            answered.extend_from_slice(&bytes);
        }
        if !expected.starts_with(&answered) {
            return Ok(false);
        }
        match step {
            Step::Idle => return Ok(false),
            Step::Failed => return Err(ConnectionError::OutOfTurn),
            Step::Authenticated => {}
            Step::Ident(frame) => {
                let mut server = session(Policy::Server);
                let Incoming::Attached = server.attach_incoming(acceptor, &frame, 0)? else {
                    return Ok(false);
                };
                while let Some(event) = server.poll_event(START) {
                    match event {
                        SessionEvent::Message(_) => return Ok(true),
                        SessionEvent::Closed(error) => return Err(error),
                        SessionEvent::Opened(_) | SessionEvent::Alive | SessionEvent::Down(_) => {}
                    }
                }
                return Ok(false);
            }
        }
    }
}

#[test]
fn a_recorded_client_is_understood_and_cut_at_every_byte_it_is_waited_for() {
    for mode in [Mode::Crc, Mode::Secure] {
        let recorded = record(mode);
        assert_eq!(play(mode, &recorded, |_| {}), Ok(true));
        let length: usize = recorded.turns.iter().filter(|(c, _)| *c).map(|(_, bytes)| bytes.len()).sum();
        for cut in 0..length {
            assert_eq!(play(mode, &recorded, |stream| stream.truncate(cut)), Ok(false), "cut at {cut}");
        }
    }
}

#[test]
fn a_changed_byte_of_the_handshake_is_noticed_at_the_latest_by_the_signature() {
    for mode in [Mode::Crc, Mode::Secure] {
        let recorded = record(mode);
        let length: usize = recorded.turns.iter().filter(|(c, _)| *c).map(|(_, bytes)| bytes.len()).sum();
        for at in 0..length {
            let played = play(mode, &recorded, |stream| stream[at] ^= 0x20);
            if mode == Mode::Crc && at == length - 13 {
                continue; // the epilogue's status byte: its upper half means nothing
            }
            // A larger length makes the acceptor wait for more; everything else is an error.
            assert_ne!(played, Ok(true), "byte {at} of {length}");
        }
    }
}

#[test]
fn limits_hold_before_and_after_authentication() {
    let limits = Arc::new(Limits::client());
    let mut acceptor = connection(Side::Acceptor);
    acceptor.handle_bytes(START, &record(Mode::Crc).turns[0].1).unwrap();
    while acceptor.poll_event().unwrap().is_some() {}
    let mut rejected = None;
    for _ in 0..100 {
        // An endless frame: the preamble's length is checked, so this is a flood of unfinished banners' tail.
        if let Err(error) = acceptor.handle_bytes(START, &[0; 4096]) {
            rejected = Some(error);
            break;
        }
        if let Err(error) = acceptor.poll_event() {
            rejected = Some(error);
            break;
        }
    }
    assert!(rejected.is_some());
    let old = START + limits.handshake_age_max;
    assert_eq!(acceptor.poll_timeout(), Some(old));
    assert!(matches!(acceptor.handle_timeout(old), Err(ConnectionError::HandshakeTooSlow(_))));
}

#[test]
fn a_client_that_does_not_read_fills_its_queue_only() {
    let Recorded { mut server, .. } = record(Mode::Secure);
    for number in 0..10 {
        server.send(START, pair::message(number)).unwrap();
    }
    assert!(matches!(
        server.send(START, pair::message(11)),
        Err(SessionError::QueueFull { messages: 10, .. })
    ));
}

#[test]
fn keepalives_without_reading_the_answers_end_the_connection() {
    let Recorded { mut client, mut server, .. } = record(Mode::Crc);
    // A keepalive as the connection itself writes it, many times over.
    let mut asking =
        Connection::new(Side::Connector, EntityType::Client, address(0), Arc::new(Limits::client()), START);
    assert!(asking.poll_event().unwrap().is_none());
    let mut preamble = vec![18u8, 1, 8, 0, 0, 0, 8, 0];
    preamble.resize(28, 0);
    let crc = |seed: u32, bytes: &[u8]| !crc32c::crc32c_append(!seed, bytes);
    preamble.extend_from_slice(&crc(0, &preamble).to_le_bytes());
    preamble.extend_from_slice(&[1; 8]);
    preamble.extend_from_slice(&crc(u32::MAX, &[1; 8]).to_le_bytes());
    let mut closed = false;
    'flood: for _ in 0..20_000 {
        server.handle_bytes(START, &preamble);
        while let Some(event) = server.poll_event(START) {
            match event {
                SessionEvent::Closed(ConnectionError::NotReading(_)) => {
                    closed = true;
                    break 'flood;
                }
                SessionEvent::Alive => {}
                other => panic!("unexpected {other:?}"),
            }
        }
    }
    assert!(closed);
    client.close();
}

#[test]
fn a_peer_without_our_features_is_told_so() {
    let recorded = record(Mode::Crc);
    drop(recorded);
    let ident = mon_wire::ident::ClientIdent {
        addrs: AddrVec(vec![address(1)]),
        target: address(0),
        number: 4,
        global_seq: 1,
        features_supported: 5,
        features_required: 8,
        flags: 1,
        cookie: 1,
    };
    let mut server = session(Policy::Server);
    let incoming = server
        .attach_incoming(connection(Side::Acceptor), &SessionFrame::ClientIdent(ident.clone()), 0)
        .unwrap();
    assert!(matches!(incoming, Incoming::Refused(_, SessionError::PeerLacks(2))));
    let capable = mon_wire::ident::ClientIdent { features_supported: 7, ..ident };
    let incoming =
        server.attach_incoming(connection(Side::Acceptor), &SessionFrame::ClientIdent(capable), 0).unwrap();
    assert!(matches!(incoming, Incoming::Refused(_, SessionError::WeLack(8))));
}

proptest! {
    #[test]
    fn arbitrary_bytes_at_any_point_never_panic(
        secure: bool,
        keep: prop::sample::Index,
        garbage in proptest::collection::vec(any::<u8>(), 0..300),
        connector: bool,
    ) {
        let mode = if secure { Mode::Secure } else { Mode::Crc };
        let recorded = record(mode);
        if connector {
            // To a connector, instead of the acceptor's words.
            let mut victim = connection(Side::Connector);
            let turns: Vec<_> = recorded.turns.iter().filter(|(from_client, _)| !from_client).collect();
            let kept = keep.index(turns.len());
            for (_, bytes) in &turns[..kept] {
                if victim.handle_bytes(START, bytes).is_err() { break }
                if matches!(step(&mut victim, mode), Step::Failed) { break }
            }
            if victim.handle_bytes(START, &garbage).is_ok() {
                while let Ok(Some(event)) = victim.poll_event() {
                    if matches!(event, Event::Hello(_) | Event::AuthReplyMore(_)) { break }
                }
            }
        } else {
            let _any = play(mode, &recorded, |stream| {
                let kept = keep.index(stream.len());
                stream.truncate(kept);
                stream.extend_from_slice(&garbage);
            });
        }
    }
}
