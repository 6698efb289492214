//! Both sides of cephx, given words that their peer did not say. Keys are fixed, so that a fuzzer may find what opens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mon_cephx::authorizer::Authorizer;
use mon_cephx::client::{ClientHandshake, rotating_secrets};
use mon_cephx::rotating::{SERVICES, rotate};
use mon_cephx::server::{AuthView, Context, ServerHandshake, Step, TicketTtl};
use mon_cephx::session::{Principal, answer};
use mon_types::auth::{EntityAuth, RotatingSecrets};
use mon_types::crypto_key::{CryptoKey, CryptoKind};
use mon_types::entity::{EntityName, EntityType};
use mon_types::id::GlobalId;
use mon_types::time::UTime;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const NOW: UTime = UTime { sec: 1_700_000_000, nsec: 0 };

/// The first byte chooses who hears it and the type of keys, the second cuts the rest in two words.
pub(crate) fn cephx(input: &[u8]) {
    let Some(([choice, cut], rest)) = input.split_first_chunk::<2>() else { return };
    let kind = if choice & 1 == 0 { CryptoKind::Aes } else { CryptoKind::Aes256k };
    let (first, second) = rest.split_at(rest.len().min(usize::from(*cut)));
    let mut rng = ChaCha8Rng::seed_from_u64(20);
    match choice >> 1 & 3 {
        0 => server(kind, choice & 8 != 0, first, second, &mut rng),
        1 => client(kind, first, second, &mut rng),
        2 => monitor(kind, first, second, &mut rng),
        _ => {
            let (entity, view) = (admin(), view(kind));
            let principal = Principal { entity: &entity, global_id: GlobalId(4100) };
            let _ = answer(&view, principal, rest, NOW, &mut rng);
        }
    }
}

fn server(kind: CryptoKind, secure: bool, first: &[u8], second: &[u8], rng: &mut ChaCha8Rng) {
    let view = view(kind);
    let mut context = Context { view: &view, wall: NOW, secure, rng };
    let mut handshake = ServerHandshake::new();
    if let Step::Done(_) = handshake.request(&mut context, 2, first) {
        panic!("nobody is let in before a challenge");
    }
    let step = handshake.more(&mut context, second);
    if let Step::NeedGlobalId = step {
        let _ = handshake.global_id(&mut context, Some(GlobalId(4100)));
    }
}

fn client(kind: CryptoKind, first: &[u8], second: &[u8], rng: &mut ChaCha8Rng) {
    let client = ClientHandshake::new(admin(), key(kind, 1));
    let _ = client.answer(first, rng);
    let _ = client.finish(GlobalId(4100), second);
    let _ = rotating_secrets(second, &key(kind, 1));
}

fn monitor(kind: CryptoKind, first: &[u8], second: &[u8], rng: &mut ChaCha8Rng) {
    let ttl = TicketTtl::default().auth;
    let authorizer = Authorizer::for_monitor(&key(kind, 3), ttl, NOW, rng).expect("the key is a good one");
    let _ = authorizer.answer(first, rng);
    let _ = authorizer.verify(second);
}

fn admin() -> EntityName {
    EntityName::new(EntityType::Client, "admin")
}

fn key(kind: CryptoKind, fill: u8) -> CryptoKey {
    CryptoKey::new(kind, NOW, vec![fill; kind.secret_len()]).expect("the secret has the right length")
}

fn view(kind: CryptoKind) -> AuthView {
    let entity = |fill| {
        let mut entity = EntityAuth { key: key(kind, fill), ..EntityAuth::default() };
        entity.set_caps("mon", "allow rw");
        entity
    };
    let (ttl, mut rng) = (TicketTtl::default(), ChaCha8Rng::seed_from_u64(21));
    let rotating = SERVICES.map(|name| {
        let mut secrets = RotatingSecrets::default();
        rotate(&mut secrets, kind, ttl.service, NOW, &mut rng);
        (name, secrets)
    });
    AuthView {
        ready: true,
        entities: Arc::new(BTreeMap::from([(admin(), entity(1))])),
        rotating: Arc::new(BTreeMap::from(rotating)),
        mon: entity(3),
        allowed_ciphers: BTreeSet::from([CryptoKind::Aes, CryptoKind::Aes256k]),
        service_cipher: kind,
        allow_none: false,
        allow_insecure_reclaim: false,
        ttl,
    }
}
