//! Entities, keys, rotating secrets, global ids.

use mon_types::auth::EntityAuth;
use mon_types::crypto_key::CryptoKey;
use mon_types::entity::EntityType;
use mon_types::id::Rank;
use mon_types::keyring::Keyring;
use mon_types::message::{MMonUsedPendingKeys, Message};
use mon_types::release::Release;
use serde_json::json;

use super::harness::{World, addrs};
use crate::effect::Effect;
use crate::event::RequestId;

#[test]
fn a_new_cluster_has_its_keys_and_secrets() {
    let mut world = World::new();
    let all = world.json(json!({"prefix": "auth ls"}));
    let names: Vec<_> =
        all["auth_dump"].as_array().unwrap().iter().map(|e| e["entity"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 7, "{names:?}");
    assert!(names.contains(&"client.admin") && names.contains(&"client.bootstrap-osd"));
    let view = world
        .effects
        .iter()
        .rev()
        .find_map(|effect| match effect {
            Effect::PublishAuth(view) => Some(view.clone()),
            _ => None,
        })
        .unwrap();
    assert!(view.ready);
    assert_eq!(view.rotating.len(), 5);
    assert!(view.rotating[&EntityType::Auth].secrets.len() == 3);
}

#[test]
fn entities_live_through_all_commands() {
    let mut world = World::new();
    let caps = json!(["mon", "allow r", "osd", "allow rw pool=x"]);
    let reply = world.run(&json!({"prefix": "auth add", "entity": "client.x", "caps": caps}));
    assert_eq!((reply.code, reply.message.as_str()), (0, "added key for client.x"));
    let text = world.text(&json!({"prefix": "auth get", "entity": "client.x"}));
    let keyring: Keyring = text.parse().unwrap();
    assert_eq!(keyring.entities.len(), 1);
    assert!(text.ends_with("\tcaps mon = \"allow r\"\n\tcaps osd = \"allow rw pool=x\"\n"), "{text}");
    let key = world.text(&json!({"prefix": "auth get-key", "entity": "client.x"}));
    let again = json!({"prefix": "auth get-or-create", "entity": "client.x", "caps": caps});
    assert_eq!(world.text(&again), format!("[client.x]\n\tkey = {key}\n"));
    let other = json!({"prefix": "auth get-or-create", "entity": "client.x", "caps": ["mon", "allow rw"]});
    assert_eq!(world.run(&other).code, -22);
    let replaced =
        world.run(&json!({"prefix": "auth caps", "entity": "client.x", "caps": ["mon", "allow *"]}));
    assert_eq!((replaced.code, replaced.message.as_str()), (0, "updated caps for client.x"));
    let exported = world.text(&json!({"prefix": "auth export", "entity": "client.x"}));
    assert_eq!(world.run(&json!({"prefix": "auth rm", "entity": "client.x"})).code, 0);
    assert_eq!(world.run(&json!({"prefix": "auth get", "entity": "client.x"})).code, -2);
    assert_eq!(world.run_with_input(&json!({"prefix": "auth import"}), exported.as_bytes()).code, 0);
    assert_eq!(world.text(&json!({"prefix": "auth get-key", "entity": "client.x"})), key);
    for bad in ["allow bogus", ""] {
        let command = json!({"prefix": "auth caps", "entity": "client.x", "caps": ["osd", bad]});
        assert_eq!(world.run(&command).code, -22, "{bad}");
    }
    assert_eq!(world.run(&json!({"prefix": "auth rm", "entity": "mon."})).code, -22);
    let mon = world.text(&json!({"prefix": "auth get", "entity": "mon."}));
    assert!(mon.starts_with("[mon.]\n\tkey = AQ"), "{mon}");
}

#[test]
fn pending_keys_become_keys() {
    let mut world = World::new();
    world.run(&json!({"prefix": "auth add", "entity": "client.x"}));
    let pending = world.json(json!({"prefix": "auth get-or-create-pending", "entity": "client.x"}));
    let next = pending[0]["pending_key"].clone();
    assert_ne!(next, pending[0]["key"]);
    assert_eq!(world.json(json!({"prefix": "auth get-or-create-pending", "entity": "client.x"})), pending);
    world.run(&json!({"prefix": "auth commit-pending", "entity": "client.x"}));
    let now = world.json(json!({"prefix": "auth get", "entity": "client.x"}));
    assert_eq!((now[0]["key"].clone(), now[0].get("pending_key")), (next, None));
    let reply = world.run(&json!({"prefix": "auth commit-pending", "entity": "client.x"}));
    assert_eq!((reply.code, reply.message.as_str()), (0, "no pending key"));
    let rotated = world.json(json!({"prefix": "auth rotate", "entity": "client.x"}));
    assert_ne!(rotated[0]["key"], now[0]["key"]);
}

#[test]
fn key_types_follow_the_policy() {
    let mut world = World::new();
    let create = |kind: &str, entity: &str| json!({"prefix": "auth get-or-create-key", "entity": entity, "key_type": kind});
    assert!(world.text(&create("aes256k", "client.new")).starts_with("Ag"));
    assert!(world.text(&create("aes", "client.old")).starts_with("AQ"));
    assert_eq!(world.run(&create("foo", "client.no")).code, -22);
}

#[test]
fn secrets_rotate_and_can_be_wiped() {
    let mut world = World::new();
    let ids = |world: &World| -> Vec<u64> {
        world.services.auth.keys().rotating[&EntityType::Osd].secrets.keys().copied().collect()
    };
    assert_eq!(ids(&world), [1, 2, 3]);
    world.pass(2 * 3600);
    assert_eq!(ids(&world), [2, 3, 4]);
    let reply = world.run(&json!({"prefix": "auth wipe-rotating-service-keys"}));
    assert_eq!(reply.code, 0);
    assert_eq!(ids(&world), [5, 6, 7]);
    let dump = world.json(json!({"prefix": "mon dump"}));
    assert_eq!(dump["auth_epoch"], world.services.versions()["auth"].0);
}

#[test]
fn global_ids_are_given_at_once_and_blocks_reserved_before_they_end() {
    let mut world = World::new();
    let mut given = Vec::new();
    for request in 1..=4000 {
        let request = RequestId(request);
        world.with(|services, cx| services.global_id_wanted(cx, request).unwrap());
        world.settle();
    }
    for effect in std::mem::take(&mut world.effects) {
        if let Effect::GlobalId { id, .. } = effect {
            given.push(id.unwrap().0);
        }
    }
    assert_eq!(given.len(), 4000);
    assert!(given.windows(2).all(|pair| pair[0] < pair[1]) && given.iter().all(|id| id % 3 == 0));
}

#[test]
fn many_versions_are_trimmed_and_load_again() {
    let mut world = World::new();
    for i in 0..120 {
        let entity = format!("client.{i}");
        assert_eq!(world.run(&json!({"prefix": "auth add", "entity": entity})).code, 0);
    }
    let before = world.services.auth.keys().clone();
    let mut fresh = crate::service::auth::AuthService::default();
    let mut out = crate::effect::Effects::default();
    crate::service::Service::refresh(&mut fresh, &world.store, &mut out).unwrap();
    assert_eq!(fresh.keys().secrets, before.secrets);
    assert_eq!(fresh.keys().rotating, before.rotating);
    let first = mon_types::kv::KvRead::read_u64(&world.store, "auth", "first_committed").unwrap();
    assert!(first.unwrap() > 50, "{first:?}");
}

#[test]
fn pacific_members_read_what_is_written() {
    let mut world = World::of_release(Release::Pacific);
    world.run(&json!({"prefix": "auth add", "entity": "client.x"}));
    let keys = world.services.auth.keys();
    assert!(keys.secrets.values().all(|auth: &EntityAuth| auth.pending_key.is_none()));
    let text = world.run(&json!({"prefix": "auth get", "entity": "client.x"}));
    assert_eq!(text.message, "exported keyring for client.x");
}

/// Gives `client.x` a pending key; the key.
fn with_pending_key(world: &mut World) -> CryptoKey {
    world.run(&json!({"prefix": "auth add", "entity": "client.x"}));
    let pending = world.json(json!({"prefix": "auth get-or-create-pending", "entity": "client.x"}));
    pending[0]["pending_key"].as_str().unwrap().parse().unwrap()
}

/// The key of `client.x`, and whether another is pending.
fn keys_of_x(world: &mut World) -> (CryptoKey, bool) {
    let now = world.json(json!({"prefix": "auth get", "entity": "client.x"}));
    let key: CryptoKey = now[0]["key"].as_str().unwrap().parse().unwrap();
    (key, now[0].get("pending_key").is_some())
}

#[test]
fn a_pending_key_becomes_the_key_when_it_is_first_used() {
    let mut world = World::new();
    let pending = with_pending_key(&mut world);
    world.open_session(1, "client.x", "allow r");
    world.settle();
    assert!(keys_of_x(&mut world).1, "the present key was used");
    world.used_pending_key = Some(pending.clone());
    world.open_session(2, "client.x", "allow r");
    world.settle();
    assert_eq!(keys_of_x(&mut world), (pending, false));
    // By then the next block of global ids is reserved, too.
    world.pass(6);
    let version = world.services.auth.version();
    world.pass(60);
    assert_eq!(world.services.auth.version(), version, "it is done once");
}

#[test]
fn a_peon_tells_the_leader_of_a_used_pending_key_until_it_is_done() {
    let mut world = World::new();
    let pending = with_pending_key(&mut world);
    let told = |world: &mut World| -> Vec<MMonUsedPendingKeys> {
        let sent = world.sent_to(&addrs(3301)).into_iter();
        sent.filter_map(|message| match message {
            Message::UsedPendingKeys(told) => Some(told),
            _ => None,
        })
        .collect()
    };
    let leader = world.view.clone();
    world.view.we_lead = false;
    world.view.leader = Rank(1);
    world.view.leader_addrs = addrs(3301);
    world.form_quorum();
    world.used_pending_key = Some(pending.clone());
    world.open_session(2, "client.x", "allow r");
    let first = told(&mut world);
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].keys.values().collect::<Vec<_>>(), [&pending]);
    world.pass(6);
    assert_eq!(told(&mut world), first, "the leader may have died");

    // The same world as the leader who was told.
    world.services.used_pending_keys.clear();
    world.view = leader;
    world.form_quorum();
    assert!(keys_of_x(&mut world).1);
    world.peer_says(&addrs(3302), first[0].clone());
    assert_eq!(keys_of_x(&mut world), (pending, false));
    // Told late, by another: it is the present key already.
    let version = world.services.auth.version();
    world.peer_says(&addrs(3301), first[0].clone());
    assert_eq!(world.services.auth.version(), version);
}

#[test]
fn a_pending_key_that_was_taken_back_stays_so() {
    let mut world = World::new();
    let old = with_pending_key(&mut world);
    let (present, _) = keys_of_x(&mut world);
    world.run(&json!({"prefix": "auth clear-pending", "entity": "client.x"}));
    world.run(&json!({"prefix": "auth get-or-create-pending", "entity": "client.x"}));
    world.used_pending_key = Some(old);
    world.open_session(2, "client.x", "allow r");
    world.settle();
    assert_eq!(keys_of_x(&mut world), (present, true));
}
