//! Requests inside a session, asked by our client.

use mon_types::crypto_key::CryptoKind;
use mon_types::encode::Encode;
use mon_types::entity::EntityType;
use mon_types::id::GlobalId;
use proptest::prelude::*;

use crate::client::{ClientHandshake, rotating_secrets, rotating_secrets_request};
use crate::refusal::Refusal;
use crate::session::{Principal, answer};
use crate::testing::{KINDS, NOW, admin, any_bytes, at, key, log_in, osd, rng, view};

#[test]
fn tickets_for_more_services_are_had_inside_the_session() {
    for kind in KINDS {
        let view = view(kind, CryptoKind::Aes256k);
        let (_, client) = log_in(&view, &admin(), &key(kind, 1));
        let principal = Principal { entity: &admin(), global_id: client.global_id };
        let request = client.service_tickets_request(EntityType::Mds as u32, &mut rng()).unwrap();
        let reply = answer(&view, principal, &request, at(NOW), &mut rng()).unwrap();
        let tickets = client.service_tickets(&reply).unwrap();
        assert_eq!(tickets.iter().map(|ticket| ticket.service).collect::<Vec<_>>(), [EntityType::Mds]);
        assert_eq!(tickets[0].session_key.kind(), kind);

        let late = answer(&view, principal, &request, at(NOW + 72 * 3600 + 1), &mut rng());
        assert_eq!(late, Err(Refusal::TicketExpired));
        let other = Principal { entity: &osd(), global_id: client.global_id };
        assert_eq!(answer(&view, other, &request, at(NOW), &mut rng()), Err(Refusal::TicketBad));
    }
}

#[test]
fn an_auth_ticket_is_renewed_inside_the_session() {
    let view = view(CryptoKind::Aes256k, CryptoKind::Aes256k);
    let key = key(CryptoKind::Aes256k, 1);
    let (_, first) = log_in(&view, &admin(), &key);
    let client = ClientHandshake::again(admin(), key, &first);
    let request = client.answer(&[1, 5, 0, 0, 0, 0, 0, 0, 0], &mut rng()).unwrap();
    let principal = Principal { entity: &admin(), global_id: first.global_id };
    let reply = answer(&view, principal, &request, at(NOW), &mut rng()).unwrap();
    let renewed = client.finish(first.global_id, &reply).unwrap();
    assert_ne!(renewed.auth.session_key, first.auth.session_key);
    assert_eq!(renewed.tickets.len(), 3);
    let stranger = Principal { entity: &admin(), global_id: GlobalId(1) };
    assert_eq!(answer(&view, stranger, &request, at(NOW), &mut rng()), Err(Refusal::TicketBad));
}

#[test]
fn a_daemon_gets_its_services_secrets_and_a_client_none() {
    for kind in KINDS {
        let view = view(kind, CryptoKind::Aes);
        let ask = |entity| {
            let principal = Principal { entity: &entity, global_id: GlobalId(4101) };
            answer(&view, principal, &rotating_secrets_request(), at(NOW), &mut rng())
        };
        let reply = ask(osd()).unwrap();
        assert_eq!(rotating_secrets(&reply, &key(kind, 2)).as_ref(), Ok(&view.rotating[&EntityType::Osd]));
        assert!(rotating_secrets(&reply, &key(kind, 1)).is_err());
        assert_eq!(ask(admin()), Err(Refusal::NoServiceSecret));
    }
}

proptest! {
    #[test]
    fn hostile_session_requests_are_refused(kind in prop_oneof![Just(0x100u16), Just(0x200), any::<u16>()], tail in any_bytes()) {
        let view = view(CryptoKind::Aes, CryptoKind::Aes256k);
        let mut payload = kind.to_bytes().to_vec();
        payload.extend(tail);
        let entity = admin();
        let principal = Principal { entity: &entity, global_id: GlobalId(4101) };
        prop_assert!(answer(&view, principal, &payload, at(NOW), &mut rng()).is_err());
    }
}
