//! Client against server: every mixture of key types, reclaim of global ids, refusals, hostile bytes.

use std::collections::BTreeSet;

use mon_types::auth::EntityAuth;
use mon_types::crypto_key::{CryptoKey, CryptoKind};
use mon_types::encode::{Decode, Encode};
use mon_types::entity::{EntityName, EntityType};
use mon_types::id::GlobalId;
use proptest::prelude::*;

use crate::authorizer::Authorizer;
use crate::client::{ClientHandshake, rotating_secrets};
use crate::protocol::{Authenticate, CONNECTION_SECRET_BYTES, GET_AUTH_SESSION_KEY};
use crate::refusal::Refusal;
use crate::server::{AuthView, Authenticated, IdOrigin, METHOD_CEPHX, METHOD_NONE, Step};
use crate::testing::{
    KINDS, NOW, Server, admin, any_bytes, at, done, hex, key, log_in, more, osd, prove_to, refused, rng,
    view, with_entity,
};
use crate::ticket::Ticket;

fn kind_of_blob(view: &AuthView, ticket: &Ticket) -> CryptoKind {
    view.rotating[&ticket.service].find(ticket.blob.secret_id).unwrap().key.kind()
}

#[test]
fn every_mixture_of_principal_and_service_key_types_logs_in() {
    for principal in KINDS {
        for service in KINDS {
            let view = view(principal, service);
            let (server, client) = log_in(&view, &admin(), &key(principal, 1));
            assert_eq!(server.entity, admin());
            assert_eq!(server.global_id, GlobalId(4101));
            assert_eq!(server.caps, "allow rw");
            assert_eq!(server.origin, IdOrigin::New);
            assert_eq!(server.session_key.as_ref(), Some(&client.auth.session_key));
            assert_eq!(server.connection_secret, client.connection_secret);
            assert_eq!(client.connection_secret.len(), CONNECTION_SECRET_BYTES);

            let services: Vec<_> = client.tickets.iter().map(|ticket| ticket.service).collect();
            assert_eq!(services, [EntityType::Mon, EntityType::Osd, EntityType::Mgr]);
            for ticket in client.tickets.iter().chain([&client.auth]) {
                assert_eq!(ticket.session_key.kind(), principal, "session keys follow the principal");
                assert_eq!(kind_of_blob(&view, ticket), service, "blobs follow the rotating secret");
            }
        }
    }
}

#[test]
fn a_service_finds_owner_caps_and_session_key_in_its_ticket() {
    let view = view(CryptoKind::Aes, CryptoKind::Aes256k);
    let (_, client) = log_in(&view, &admin(), &key(CryptoKind::Aes, 1));
    let ticket = client.tickets.iter().find(|ticket| ticket.service == EntityType::Osd).unwrap();
    let secret = view.rotating[&EntityType::Osd].find(ticket.blob.secret_id).unwrap();
    let info = ticket.blob.open(&secret.key).unwrap();
    assert_eq!(info.ticket.name, admin());
    assert_eq!(info.ticket.global_id, GlobalId(4101));
    assert_eq!(String::from_bytes(&info.ticket.caps.caps).as_deref(), Ok("allow class-read"));
    assert_eq!(info.ticket.expires.sec, NOW + 3600);
    assert_eq!(info.session_key, ticket.session_key);
}

#[test]
fn in_crc_mode_there_is_no_connection_secret() {
    let view = view(CryptoKind::Aes, CryptoKind::Aes);
    let mut server = Server::new(&view);
    server.secure = false;
    let client = ClientHandshake::new(admin(), key(CryptoKind::Aes, 1));
    assert!(matches!(prove_to(&mut server, &client), Step::NeedGlobalId));
    let authenticated = done(server.global_id(7));
    assert!(authenticated.connection_secret.is_empty());
    assert!(client.finish(GlobalId(7), &authenticated.payload).unwrap().connection_secret.is_empty());
}

#[test]
fn the_mon_key_logs_in_as_a_client_too() {
    let view = view(CryptoKind::Aes, CryptoKind::Aes);
    let (server, _) = log_in(&view, &EntityName::mon(), &key(CryptoKind::Aes, 3));
    assert!(!server.is_monitor);
    assert_eq!(server.caps, "allow rw");
    let bare = AuthView { mon: EntityAuth { key: key(CryptoKind::Aes, 3), ..EntityAuth::default() }, ..view };
    assert_eq!(log_in(&bare, &EntityName::mon(), &key(CryptoKind::Aes, 3)).0.caps, "allow *");
}

#[test]
fn wrong_keys_unknown_entities_and_empty_caps_are_refused() {
    for kind in KINDS {
        let view = view(kind, kind);
        let refusal_of = |view: &AuthView, name: &EntityName, fill| {
            let client = ClientHandshake::new(name.clone(), key(kind, fill));
            let mut server = Server::new(view);
            match prove_to(&mut server, &client) {
                Step::NeedGlobalId => refused(server.global_id(9)),
                step => refused(step),
            }
        };
        assert_eq!(refusal_of(&view, &admin(), 9), Refusal::WrongKey);
        let nobody = EntityName::new(EntityType::Client, "nobody");
        assert_eq!(refusal_of(&view, &nobody, 1), Refusal::UnknownEntity);
        let powerless = with_entity(&view, admin(), |auth| auth.set_caps("mon", ""));
        assert_eq!(refusal_of(&powerless, &admin(), 1), Refusal::NoCaps);
        let other = if kind == CryptoKind::Aes { CryptoKind::Aes256k } else { CryptoKind::Aes };
        let strict = AuthView { allowed_ciphers: BTreeSet::from([other]), ..view };
        assert_eq!(refusal_of(&strict, &admin(), 1), Refusal::Cipher(kind));
        for refusal in [Refusal::WrongKey, Refusal::UnknownEntity, Refusal::NoCaps, Refusal::Cipher(kind)] {
            assert_eq!(refusal.code(), -13);
        }
    }
}

#[test]
fn before_the_first_quorum_clients_come_back_later_and_monitors_get_in() {
    let view = AuthView { ready: false, ..view(CryptoKind::Aes, CryptoKind::Aes) };
    let client = ClientHandshake::new(admin(), key(CryptoKind::Aes, 1));
    let refusal = refused(Server::new(&view).request(METHOD_CEPHX, &client.request()));
    assert_eq!((refusal.clone(), refusal.code()), (Refusal::NotReady, -16));
    assert!(monitor_log_in(&view, &view.mon.key).is_ok());
}

#[test]
fn a_pending_key_is_accepted_beside_the_present_one() {
    let view = view(CryptoKind::Aes, CryptoKind::Aes);
    let view = with_entity(&view, admin(), |auth| auth.pending_key = Some(key(CryptoKind::Aes256k, 8)));
    assert_eq!(log_in(&view, &admin(), &key(CryptoKind::Aes, 1)).0.used_pending_key, None);
    let (server, client) = log_in(&view, &admin(), &key(CryptoKind::Aes256k, 8));
    assert_eq!(server.used_pending_key, Some(key(CryptoKind::Aes256k, 8)));
    assert_eq!(client.auth.session_key.kind(), CryptoKind::Aes256k);
}

#[test]
fn without_authentication_only_where_it_is_configured() {
    let strict = view(CryptoKind::Aes, CryptoKind::Aes);
    let payload = ClientHandshake::new(admin(), CryptoKey::default()).request();
    let refusal = refused(Server::new(&strict).request(METHOD_NONE, &payload));
    assert_eq!((refusal.clone(), refusal.code()), (Refusal::Method(METHOD_NONE), -95));

    let open = AuthView { allow_none: true, ..strict };
    let mut server = Server::new(&open);
    assert!(matches!(server.request(METHOD_NONE, &payload), Step::NeedGlobalId));
    let authenticated = done(server.global_id(5));
    assert_eq!((authenticated.session_key, authenticated.caps.as_str()), (None, "allow *"));
    assert!(authenticated.payload.is_empty());
}

#[test]
fn a_global_id_is_reclaimed_with_its_ticket() {
    for kind in KINDS {
        let view = view(kind, CryptoKind::Aes256k);
        let (_, first) = log_in(&view, &admin(), &key(kind, 1));
        let client = ClientHandshake::again(admin(), key(kind, 1), &first);
        let again = done(prove_to(&mut Server::another(&view), &client));
        assert_eq!((again.global_id, again.origin), (GlobalId(4101), IdOrigin::Reclaimed));
        let second = client.finish(again.global_id, &again.payload).unwrap();
        assert_ne!(second.auth.session_key, first.auth.session_key);
        // Somebody who has the entity's key but not the old session key cannot read the new blob.
        let stranger = ClientHandshake::new(admin(), key(kind, 1));
        assert!(stranger.finish(again.global_id, &again.payload).is_err());
    }
}

/// What a client of our making answers to a challenge.
fn crafted(view: &AuthView, id: u64, change: impl FnOnce(&mut Authenticate)) -> Step {
    let mut server = Server::new(view);
    let mut request = vec![10];
    admin().encode(&mut request);
    GlobalId(id).encode(&mut request);
    let challenge = more(server.request(METHOD_CEPHX, &request));
    let honest =
        ClientHandshake::new(admin(), key(CryptoKind::Aes, 1)).answer(&challenge, &mut rng()).unwrap();
    let mut authenticate = Authenticate::from_bytes(&honest[2..]).unwrap();
    change(&mut authenticate);
    let mut payload = GET_AUTH_SESSION_KEY.to_bytes().to_vec();
    authenticate.encode(&mut payload);
    server.more(&payload)
}

/// The table of CVE-2021-20288: who may take back a global id, and with what.
#[test]
fn a_global_id_is_not_reclaimed_without_its_ticket() {
    let secure = view(CryptoKind::Aes, CryptoKind::Aes);
    let lenient = AuthView { allow_insecure_reclaim: true, ..secure.clone() };
    let (_, own) = log_in(&secure, &admin(), &key(CryptoKind::Aes, 1));
    let (_, other) = log_in(&secure, &osd(), &key(CryptoKind::Aes, 2));
    let show = |ticket: &Ticket| {
        let blob = ticket.blob.clone();
        move |request: &mut Authenticate| request.old_ticket = blob
    };

    assert_eq!(refused(crafted(&secure, 4101, |_| {})), Refusal::TicketMissing);
    assert_eq!(refused(crafted(&secure, 4102, show(&own.auth))), Refusal::TicketBad);
    assert_eq!(refused(crafted(&secure, 4101, show(&other.auth))), Refusal::TicketBad);
    assert_eq!(refused(crafted(&secure, 4101, show(&own.tickets[0]))), Refusal::TicketBad);
    let superfluous = refused(crafted(&secure, 0, show(&own.auth)));
    assert_eq!((superfluous.clone(), superfluous.code()), (Refusal::SuperfluousTicket, -22));

    // The setting helps legacy clients only, and legacy clients need the setting.
    assert_eq!(refused(crafted(&lenient, 4101, |_| {})), Refusal::TicketMissing);
    let legacy = |request: &mut Authenticate| request.is_legacy = true;
    assert_eq!(refused(crafted(&secure, 4101, legacy)), Refusal::TicketMissing);
    let taken = done(crafted(&lenient, 4101, legacy));
    assert_eq!((taken.global_id, taken.origin), (GlobalId(4101), IdOrigin::ReclaimedInsecurely));
}

fn monitor_log_in(view: &AuthView, mon_key: &CryptoKey) -> Result<(Authenticated, Authorizer), Refusal> {
    let mut server = Server::new(view);
    let mut random = rng();
    let client = Authorizer::for_monitor(mon_key, view.ttl.auth, at(1), &mut random).unwrap();
    let challenge = match server.request(METHOD_CEPHX, &client.request(&mut random).unwrap()) {
        Step::More(challenge) => challenge,
        step => return Err(refused(step)),
    };
    match server.more(&client.answer(&challenge, &mut random).unwrap()) {
        Step::Done(authenticated) => Ok((*authenticated, client)),
        step => Err(refused(step)),
    }
}

#[test]
fn monitors_authenticate_each_other_whatever_their_clocks_say() {
    for kind in KINDS {
        let view = view(kind, CryptoKind::Aes);
        let (server, client) = monitor_log_in(&view, &key(kind, 3)).unwrap();
        assert!(server.is_monitor);
        assert_eq!((server.entity, server.global_id), (EntityName::mon(), GlobalId(0)));
        assert_eq!(server.session_key.as_ref(), Some(client.session_key()));
        assert_eq!(client.session_key().kind(), kind);
        assert_eq!(client.verify(&server.payload).unwrap(), server.connection_secret);
        assert!(monitor_log_in(&view, &key(kind, 4)).is_err());
    }
}

#[test]
fn an_authorizer_cannot_be_replayed_on_another_connection() {
    let view = view(CryptoKind::Aes, CryptoKind::Aes);
    let mut random = rng();
    let client = Authorizer::for_monitor(&view.mon.key, view.ttl.auth, at(1), &mut random).unwrap();
    let request = client.request(&mut random).unwrap();
    let mut first = Server::new(&view);
    let answer = client.answer(&more(first.request(METHOD_CEPHX, &request)), &mut random).unwrap();
    assert!(matches!(first.more(&answer), Step::Done(_)));

    let mut second = Server::another(&view);
    more(second.request(METHOD_CEPHX, &request));
    assert_eq!(refused(second.more(&answer)), Refusal::WrongKey);
    let mut skipping = Server::new(&view);
    assert_eq!(refused(skipping.more(&answer)), Refusal::OutOfTurn);
}

#[test]
fn a_clients_mon_ticket_does_not_make_it_a_monitor() {
    let view = view(CryptoKind::Aes, CryptoKind::Aes);
    let (_, client) = log_in(&view, &admin(), &key(CryptoKind::Aes, 1));
    let ticket = client.tickets.iter().find(|ticket| ticket.service == EntityType::Mon).unwrap().clone();
    let mut random = rng();
    let authorizer = Authorizer::new(ticket, client.global_id, &mut random);
    let step = Server::new(&view).request(METHOD_CEPHX, &authorizer.request(&mut random).unwrap());
    assert_eq!(refused(step).code(), -13);
}

#[test]
fn debug_output_holds_no_key_bytes() {
    let view = view(CryptoKind::Aes256k, CryptoKind::Aes);
    let (server, client) = log_in(&view, &admin(), &key(CryptoKind::Aes256k, 1));
    let handshake = ClientHandshake::again(admin(), key(CryptoKind::Aes256k, 1), &client);
    let (_, authorizer) = monitor_log_in(&view, &view.mon.key).unwrap();
    let text = format!("{view:?} {server:?} {client:?} {handshake:?} {authorizer:?} {:?}", client.auth);
    let secrets =
        view.rotating.values().flat_map(|secrets| secrets.secrets.values().map(|secret| &secret.key));
    let keys = secrets.chain([&view.mon.key, &client.auth.session_key, authorizer.session_key()]);
    for secret in keys.map(CryptoKey::secret).chain([server.connection_secret.as_slice()]) {
        let list: Vec<_> = secret[..8].iter().map(u8::to_string).collect();
        assert!(!text.contains(&list.join(", ")) && !text.contains(&hex(&secret[..8])));
    }
}

proptest! {
    #[test]
    fn hostile_payloads_are_refused(mode in prop_oneof![Just(1u8), Just(10), any::<u8>()], tail in any_bytes(), next in any_bytes()) {
        let view = view(CryptoKind::Aes, CryptoKind::Aes256k);
        let mut server = Server::new(&view);
        let mut payload = vec![mode];
        payload.extend(tail);
        if let Step::More(_) = server.request(METHOD_CEPHX, &payload) {
            prop_assert!(matches!(server.more(&next), Step::Refused(_)));
        }
        prop_assert!(matches!(server.more(&next), Step::Refused(_)));
    }

    #[test]
    fn a_changed_byte_in_the_proof_is_refused_or_harmless(at_byte in 0usize..60, flip in 1u8..) {
        let view = view(CryptoKind::Aes256k, CryptoKind::Aes256k);
        let mut server = Server::new(&view);
        let client = ClientHandshake::new(admin(), key(CryptoKind::Aes256k, 1));
        let challenge = more(server.request(METHOD_CEPHX, &client.request()));
        let mut proof = client.answer(&challenge, &mut rng()).unwrap().to_vec();
        let at_byte = at_byte % proof.len();
        proof[at_byte] ^= flip;
        // Bytes 0 to 18 are request, version, challenge and proof; the version alone may change unnoticed.
        match server.more(&proof) {
            Step::NeedGlobalId => prop_assert!(at_byte == 2 || at_byte >= 19, "byte {at_byte}"),
            Step::Refused(_) => {}
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn hostile_answers_do_not_fool_a_client(challenge in any_bytes(), payload in any_bytes()) {
        let client = ClientHandshake::new(admin(), key(CryptoKind::Aes, 1));
        let _ = client.answer(&challenge, &mut rng());
        prop_assert!(client.finish(GlobalId(1), &payload).is_err());
        prop_assert!(rotating_secrets(&payload, &key(CryptoKind::Aes, 1)).is_err());
    }
}
