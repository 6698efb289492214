//! Whole handshakes of stock monitors (18.2.7 with an AES key, 20.2.4 with an aes256k key), replayed.

use mon_types::crypto_key::{CryptoKey, CryptoKind};
use mon_types::encode::{Decode, Encode, Reader};
use mon_types::entity::{EntityName, EntityType};
use mon_types::id::GlobalId;
use serde_json::Value;

use crate::client::{ClientHandshake, ClientSession, USUAL_SERVICES};
use crate::proof::{Challenges, prove};
use crate::protocol::{
    Authenticate, CONNECTION_SECRET_BYTES, GET_AUTH_SESSION_KEY, ResponseHeader, ServerChallenge,
};
use crate::seal::{Usage, seal_prefixed};
use crate::testing::{rng, unhex};
use crate::ticket::{decode_reply, encode_reply};

/// What the recording holds, cut out of the msgr2 frames.
struct Recording {
    key: CryptoKey,
    session_key: Vec<u8>,
    request: Vec<u8>,
    challenge: Vec<u8>,
    answer: Vec<u8>,
    global_id: GlobalId,
    done: Vec<u8>,
}

fn recordings() -> [Recording; 2] {
    [include_str!("../testdata/auth_done_v18.json"), include_str!("../testdata/auth_done_v20.json")].map(
        |text| {
            let json: Value = serde_json::from_str(text).unwrap();
            let bytes = |name: &str| unhex(json[name].as_str().unwrap());
            let payload =
                |name: &str, skip: usize| Reader::new(&bytes(name)[skip..]).slice().unwrap().to_vec();
            let done = bytes("auth_done_payload_hex");
            // Before the payloads: method and a list of one mode; nothing; nothing; global id and mode.
            Recording {
                key: json["client_key_base64"].as_str().unwrap().parse().unwrap(),
                session_key: bytes("session_key_hex"),
                request: payload("auth_request_payload_hex", 12),
                challenge: payload("auth_reply_more_payload_hex", 0),
                answer: payload("auth_request_more_payload_hex", 0),
                global_id: GlobalId::from_bytes(&done[..8]).unwrap(),
                done: Reader::new(&done[12..]).slice().unwrap().to_vec(),
            }
        },
    )
}

fn client(recording: &Recording) -> ClientHandshake {
    ClientHandshake::new(EntityName::new(EntityType::Client, "admin"), recording.key.clone())
}

fn session(recording: &Recording) -> ClientSession {
    client(recording).finish(recording.global_id, &recording.done).unwrap()
}

#[test]
fn the_request_is_the_recorded_one() {
    for recording in recordings() {
        assert_eq!(client(&recording).request(), recording.request);
    }
}

#[test]
fn the_recorded_proof_is_derived_again() {
    for recording in recordings() {
        let server = ServerChallenge::from_bytes(&recording.challenge).unwrap().challenge;
        let mut input = Reader::new(&recording.answer);
        assert_eq!(u16::decode(&mut input), Ok(GET_AUTH_SESSION_KEY));
        let request = Authenticate::decode(&mut input).unwrap();
        assert_eq!(input.remaining(), 0);
        assert_eq!(request.other_keys, USUAL_SERVICES);
        assert!(!request.is_legacy);
        let challenges = Challenges { server, client: request.challenge };
        assert_eq!(prove(&recording.key, challenges), Ok(request.proof));

        let mut encoded = GET_AUTH_SESSION_KEY.to_bytes().to_vec();
        request.encode(&mut encoded);
        assert_eq!(encoded, recording.answer);
    }
}

#[test]
fn the_recorded_answer_opens() {
    for recording in recordings() {
        let session = session(&recording);
        assert_eq!(session.auth.session_key.secret(), recording.session_key);
        assert_eq!(session.auth.session_key.kind(), recording.key.kind());
        assert_eq!(session.auth.validity.as_secs(), 72 * 3600);
        assert_eq!(session.connection_secret.len(), CONNECTION_SECRET_BYTES);
        let services: Vec<_> = session.tickets.iter().map(|ticket| ticket.service).collect();
        assert!(
            [EntityType::Mon, EntityType::Osd].iter().all(|service| services.contains(service)),
            "{services:?}"
        );
        assert!(!services.contains(&EntityType::Auth));
        for ticket in &session.tickets {
            assert_eq!(ticket.validity.as_secs(), 3600);
            assert_eq!(ticket.session_key.kind(), recording.key.kind());
        }
    }
}

/// AES seals the same way every time, so our encoder must give the stock monitor's bytes.
#[test]
fn an_aes_answer_encodes_to_the_recorded_bytes() {
    let [recording, _] = recordings();
    assert_eq!(recording.key.kind(), CryptoKind::Aes);
    let session = session(&recording);
    let mut out = Vec::new();
    ResponseHeader { request: GET_AUTH_SESSION_KEY, status: 0 }.encode(&mut out);
    encode_reply(&mut out, std::slice::from_ref(&session.auth), &recording.key, None, &mut rng()).unwrap();
    let mut sealed = Vec::new();
    let secret = session.connection_secret.as_slice();
    seal_prefixed(&mut sealed, &session.auth.session_key, Usage::ConnectionSecret, secret, &mut rng())
        .unwrap();
    sealed.as_slice().encode(&mut out);
    let mut extra = Vec::new();
    encode_reply(&mut extra, &session.tickets, &session.auth.session_key, None, &mut rng()).unwrap();
    extra.as_slice().encode(&mut out);
    assert_eq!(out, recording.done);
}

/// aes256k never seals the same way twice; what it sealed must open to the same tickets.
#[test]
fn an_aes256k_answer_round_trips_at_the_recorded_length() {
    let [_, recording] = recordings();
    assert_eq!(recording.key.kind(), CryptoKind::Aes256k);
    let session = session(&recording);
    let mut out = Vec::new();
    encode_reply(&mut out, &session.tickets, &session.auth.session_key, None, &mut rng()).unwrap();
    let tickets = decode_reply(&mut Reader::new(&out), &session.auth.session_key, None).unwrap();
    assert_eq!(tickets, session.tickets);
    assert_eq!(
        &recording.done[recording.done.len() - out.len() - 4..][..4],
        (out.len() as u32).to_le_bytes()
    );
}

#[test]
fn cut_anywhere_or_with_another_key_it_is_an_error() {
    for recording in recordings() {
        for cut in 0..recording.done.len() {
            assert!(
                client(&recording).finish(recording.global_id, &recording.done[..cut]).is_err(),
                "cut at {cut}"
            );
        }
        let other = CryptoKey::new(
            recording.key.kind(),
            recording.key.created(),
            vec![1; recording.key.secret().len()],
        );
        let client = ClientHandshake::new(EntityName::mon(), other.unwrap());
        assert!(client.finish(recording.global_id, &recording.done).is_err());
    }
}
