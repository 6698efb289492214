//! Keys, bytes, an auth database and both sides of a handshake, for tests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use mon_types::auth::{EntityAuth, RotatingSecrets};
use mon_types::crypto_key::{CryptoKey, CryptoKind};
use mon_types::entity::{EntityName, EntityType};
use mon_types::id::GlobalId;
use mon_types::time::UTime;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use crate::client::{ClientHandshake, ClientSession};
use crate::refusal::Refusal;
use crate::rotating::{SERVICES, rotate};
use crate::server::{AuthView, Authenticated, Context, METHOD_CEPHX, ServerHandshake, Step, TicketTtl};

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

pub(crate) fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(20)
}

pub(crate) fn at(sec: u32) -> UTime {
    UTime { sec, nsec: 0 }
}

pub(crate) fn key(kind: CryptoKind, fill: u8) -> CryptoKey {
    CryptoKey::new(kind, at(1), vec![fill; kind.secret_len()]).unwrap()
}

/// For each type a key and another one.
pub(crate) fn keys_of_both_types() -> [(CryptoKey, CryptoKey); 2] {
    [CryptoKind::Aes, CryptoKind::Aes256k].map(|kind| (key(kind, 0x41), key(kind, 0x42)))
}

pub(crate) const NOW: u32 = 1_700_000_000;
pub(crate) const KINDS: [CryptoKind; 2] = [CryptoKind::Aes, CryptoKind::Aes256k];

pub(crate) fn admin() -> EntityName {
    EntityName::new(EntityType::Client, "admin")
}

pub(crate) fn osd() -> EntityName {
    EntityName::new(EntityType::Osd, "0")
}

pub(crate) fn entity(kind: CryptoKind, fill: u8) -> EntityAuth {
    let mut auth = EntityAuth { key: key(kind, fill), ..EntityAuth::default() };
    auth.set_caps("mon", "allow rw");
    auth.set_caps("osd", "allow class-read");
    auth
}

pub(crate) fn view(principal: CryptoKind, service: CryptoKind) -> AuthView {
    let mut generator = rng();
    let ttl = TicketTtl::default();
    let rotating = SERVICES.map(|name| {
        let mut secrets = RotatingSecrets::default();
        rotate(&mut secrets, service, ttl.service, at(NOW), &mut generator);
        (name, secrets)
    });
    AuthView {
        ready: true,
        entities: Arc::new(BTreeMap::from([(admin(), entity(principal, 1)), (osd(), entity(principal, 2))])),
        rotating: Arc::new(BTreeMap::from(rotating)),
        mon: entity(principal, 3),
        allowed_ciphers: BTreeSet::from(KINDS),
        service_cipher: service,
        allow_none: false,
        allow_insecure_reclaim: false,
        ttl,
    }
}

pub(crate) fn with_entity(
    view: &AuthView,
    name: EntityName,
    change: impl FnOnce(&mut EntityAuth),
) -> AuthView {
    let mut view = view.clone();
    change(Arc::make_mut(&mut view.entities).entry(name).or_default());
    view
}

/// The server's side of one connection.
pub(crate) struct Server<'a> {
    view: &'a AuthView,
    pub(crate) secure: bool,
    handshake: ServerHandshake,
    rng: ChaCha8Rng,
}

impl<'a> Server<'a> {
    pub(crate) fn new(view: &'a AuthView) -> Self {
        Self { view, secure: true, handshake: ServerHandshake::new(), rng: rng() }
    }

    /// One whose challenges and keys differ.
    pub(crate) fn another(view: &'a AuthView) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(1), ..Self::new(view) }
    }

    pub(crate) fn request(&mut self, method: u32, payload: &[u8]) -> Step {
        let (handshake, mut context) = self.parts();
        handshake.request(&mut context, method, payload)
    }

    pub(crate) fn more(&mut self, payload: &[u8]) -> Step {
        let (handshake, mut context) = self.parts();
        handshake.more(&mut context, payload)
    }

    pub(crate) fn global_id(&mut self, id: u64) -> Step {
        let (handshake, mut context) = self.parts();
        handshake.global_id(&mut context, Some(GlobalId(id)))
    }

    fn parts(&mut self) -> (&mut ServerHandshake, Context<'_>) {
        let context = Context { view: self.view, wall: at(NOW), secure: self.secure, rng: &mut self.rng };
        (&mut self.handshake, context)
    }
}

pub(crate) fn more(step: Step) -> Bytes {
    match step {
        Step::More(payload) => payload,
        other => panic!("no challenge but {other:?}"),
    }
}

pub(crate) fn done(step: Step) -> Authenticated {
    match step {
        Step::Done(authenticated) => *authenticated,
        other => panic!("not done but {other:?}"),
    }
}

pub(crate) fn refused(step: Step) -> Refusal {
    match step {
        Step::Refused(refusal) => refusal,
        other => panic!("not refused but {other:?}"),
    }
}

/// Runs a handshake up to the step after the proof.
pub(crate) fn prove_to(server: &mut Server<'_>, client: &ClientHandshake) -> Step {
    let challenge = more(server.request(METHOD_CEPHX, &client.request()));
    let proof = client.answer(&challenge, &mut rng()).unwrap();
    server.more(&proof)
}

pub(crate) fn log_in(view: &AuthView, name: &EntityName, key: &CryptoKey) -> (Authenticated, ClientSession) {
    let mut server = Server::new(view);
    let client = ClientHandshake::new(name.clone(), key.clone());
    assert!(matches!(prove_to(&mut server, &client), Step::NeedGlobalId));
    let authenticated = done(server.global_id(4101));
    let session = client.finish(authenticated.global_id, &authenticated.payload).unwrap();
    (authenticated, session)
}

pub(crate) fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..200)
}
