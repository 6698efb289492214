//! A leader (or peon) of a quorum whose values are committed at once, or when the test says so.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use mon_store::{KvStore, MemoryStore};
use mon_types::addr::AddrVec;
use mon_types::auth::EntityAuth;
use mon_types::caps::MonCap;
use mon_types::crypto_key::CryptoKey;
use mon_types::entity::{EntityName, EntityType};
use mon_types::features::{Features, MonFeatures};
use mon_types::id::{Epoch, Fsid, GlobalId, Rank};
use mon_types::keyring::Keyring;
use mon_types::kv::Transaction;
use mon_types::message::{Envelope, MMonCommand, MMonCommandAck, Message};
use mon_types::monmap::{MonInfo, MonMap};
use mon_types::release::Release;
use mon_types::time::UTime;
use serde_json::{Value, json};

use crate::config::Config;
use crate::cx::Cx;
use crate::effect::{CommandReply, Effect, Effects, Halt};
use crate::event::{AdminCommand, ClientInfo, RequestId, SessionId};
use crate::identity::Identity;
use crate::now::Now;
use crate::quorum::{QuorumView, ReadId};
use crate::services::Services;

pub(super) struct World {
    pub(super) services: Services,
    pub(super) store: MemoryStore,
    pub(super) out: Effects,
    pub(super) now: Now,
    pub(super) view: QuorumView,
    reads: u64,
    requests: u64,
    /// Everything that came out and was not looked at yet.
    pub(super) effects: Vec<Effect>,
    /// Whether values are committed as soon as they are proposed.
    pub(super) commits: bool,
    pub(super) in_flight: Option<Transaction>,
    /// How many values were committed.
    pub(super) values: usize,
    /// What the next session logs in with instead of its present key.
    pub(super) used_pending_key: Option<CryptoKey>,
}

pub(super) fn addrs(port: u16) -> AddrVec {
    AddrVec::msgr2(([127, 0, 0, 1], port).into())
}

pub(super) fn fsid() -> Fsid {
    "11111111-2222-3333-4444-555555555555".parse().unwrap()
}

fn identity(name: &str, release: Release) -> Identity {
    let version = "ceph version 20.2.4 (0123456789abcdef) tentacle (stable)";
    let metadata = [("ceph_version", version), ("ceph_version_short", "20.2.4"), ("hostname", "host1")];
    Identity {
        name: name.into(),
        addrs: addrs(3300),
        fsid: fsid(),
        release,
        features: Features::all(release),
        mon_features: MonFeatures::all(release),
        metadata: metadata.into_iter().map(|(k, v)| (k.into(), v.into())).collect(),
        command_table: Bytes::new(),
        extra_probe_peers: Vec::new(),
    }
}

fn mkfs(store: &MemoryStore, release: Release) {
    let mut map = MonMap {
        fsid: fsid(),
        created: UTime { sec: 1_000_000, nsec: 0 },
        min_mon_release: release.number(),
        persistent_features: MonFeatures::all(release),
        ..MonMap::default()
    };
    for (name, port) in [("a", 3300), ("b", 3301), ("c", 3302)] {
        map.add(MonInfo::new(name, addrs(port))).unwrap();
    }
    let mut admin = EntityAuth::new(CryptoKey::aes(UTime::default(), [7; 16]), release);
    for service in ["mds", "mgr", "mon", "osd"] {
        admin.set_caps(service, "allow *");
    }
    let keyring = Keyring::of(EntityName::new(EntityType::Client, "admin"), admin);
    store.apply(&[crate::mkfs::mkfs(&map, &keyring)], true).unwrap();
}

impl World {
    /// The leader of three of our monitors, with its first values committed.
    pub(super) fn new() -> Self {
        Self::of_release(Release::Tentacle)
    }

    pub(super) fn of_release(release: Release) -> Self {
        Self::seeded(release, [9; 32])
    }

    pub(super) fn seeded(release: Release, seed: [u8; 32]) -> Self {
        let mut world = Self::beginning(release, seed);
        world.form_quorum();
        world
    }

    /// The leader of a quorum whose first value is on its way.
    pub(super) fn before_the_first_value() -> Self {
        let mut world = Self::beginning(Release::Tentacle, [9; 32]);
        world.commits = false;
        world.form_quorum();
        world
    }

    /// A monitor after its start.
    fn beginning(release: Release, seed: [u8; 32]) -> Self {
        let store = MemoryStore::new();
        mkfs(&store, release);
        let mut config = Config::default();
        config.services.mon_key = EntityAuth::new(CryptoKey::aes(UTime::default(), [3; 16]), release);
        config.services.mon_key.set_caps("mon", "allow *");
        let identity = identity("a", release);
        let services = Services::new(&identity, &config, seed, &store).unwrap();
        let metadata: BTreeMap<_, _> = (0..3).map(|rank| (Rank(rank), identity.metadata.clone())).collect();
        let view = QuorumView {
            epoch: Epoch(4),
            leader: Rank(0),
            leader_addrs: addrs(3300),
            we_lead: true,
            learner: false,
            members: BTreeSet::from([Rank(0), Rank(1), Rank(2)]),
            features: identity.features,
            mon_features: identity.mon_features,
            release_min: release as u8,
            metadata,
            all_ours: true,
        };
        let mut world = Self {
            services,
            store,
            out: Effects::default(),
            now: Now { mono: Duration::from_secs(100), wall: UTime { sec: 2_000_000, nsec: 5000 } },
            view,
            reads: 0,
            requests: 0,
            effects: Vec::new(),
            commits: true,
            in_flight: None,
            values: 0,
            used_pending_key: None,
        };
        world.with(|services, cx| services.refresh(cx).unwrap());
        world
    }

    /// The services of another process over the same store.
    pub(super) fn restarted(&self) -> Result<Services, Halt> {
        Services::new(&identity("a", Release::Tentacle), &Config::default(), [8; 32], &self.store)
    }

    /// Calls into the services and applies their writes.
    pub(super) fn with<T>(&mut self, call: impl FnOnce(&mut Services, &mut Cx<'_>) -> T) -> T {
        let mut cx = Cx { now: self.now, store: &self.store, out: &mut self.out };
        let result = call(&mut self.services, &mut cx);
        for effect in self.out.drain() {
            match effect {
                Effect::Persist { transaction, .. } => self.store.apply(&[transaction], true).unwrap(),
                other => self.effects.push(other),
            }
        }
        result
    }

    /// Exchanges reads and values until nothing more comes.
    pub(super) fn settle(&mut self) {
        loop {
            if self.services.wants_read() {
                self.reads += 1;
                let id = ReadId(self.reads);
                self.services.read_requested(id);
                self.with(|services, cx| services.read_ready(cx, id).unwrap());
                continue;
            }
            if self.in_flight.is_none() {
                self.in_flight = self.with(|services, cx| services.take_proposal(cx).unwrap());
            }
            if self.in_flight.is_some() && self.commits {
                self.commit();
            } else if !self.services.wants_read() {
                return;
            }
        }
    }

    /// Commits the value in flight.
    pub(super) fn commit(&mut self) {
        let value = self.in_flight.take().expect("a value is in flight");
        self.values += 1;
        self.store.apply(&[value], true).unwrap();
        self.with(|services, cx| {
            services.refresh(cx).unwrap();
            services.committed(cx).unwrap();
        });
    }

    pub(super) fn form_quorum(&mut self) {
        let view = self.view.clone();
        self.with(|services, cx| services.quorum_formed(cx, &view).unwrap());
        self.settle();
    }

    pub(super) fn lose_quorum(&mut self) {
        self.with(|services, cx| services.quorum_lost(cx).unwrap());
    }

    pub(super) fn pass(&mut self, seconds: u64) {
        self.now.mono += Duration::from_secs(seconds);
        self.now.wall.sec += seconds as u32;
        self.with(|services, cx| services.tick(cx).unwrap());
        self.settle();
    }

    /// Runs a command with full rights.
    pub(super) fn run(&mut self, command: &Value) -> CommandReply {
        self.run_with_input(command, &[])
    }

    pub(super) fn run_with_input(&mut self, command: &Value, input: &[u8]) -> CommandReply {
        let request = self.send(command, input);
        self.settle();
        self.reply_to(request).unwrap_or_else(|| panic!("no answer to {command}"))
    }

    /// Sends a command without waiting for its answer.
    pub(super) fn send(&mut self, command: &Value, input: &[u8]) -> RequestId {
        self.requests += 1;
        let request = RequestId(self.requests);
        let input = Bytes::copy_from_slice(input);
        let command = AdminCommand::Monitor { command: command.to_string(), input };
        self.with(|services, cx| services.admin(cx, request, command).unwrap());
        request
    }

    pub(super) fn reply_to(&mut self, wanted: RequestId) -> Option<CommandReply> {
        let found = self
            .effects
            .iter()
            .position(|effect| matches!(effect, Effect::AdminReply { request, .. } if *request == wanted))?;
        match self.effects.remove(found) {
            Effect::AdminReply { reply, .. } => Some(reply),
            _ => None,
        }
    }

    /// Runs a command whose output is JSON.
    pub(super) fn json(&mut self, mut command: Value) -> Value {
        command["format"] = json!("json");
        let reply = self.run(&command);
        assert_eq!(reply.code, 0, "{command}: {}", reply.message);
        serde_json::from_slice(&reply.output).unwrap_or_else(|error| panic!("{command}: {error}: {reply:?}"))
    }

    /// Runs a command whose output is text.
    pub(super) fn text(&mut self, command: &Value) -> String {
        let reply = self.run(command);
        assert_eq!(reply.code, 0, "{command}: {}", reply.message);
        String::from_utf8(reply.output.to_vec()).unwrap()
    }

    pub(super) fn open_session(&mut self, id: u64, entity: &str, caps: &str) -> SessionId {
        let client = ClientInfo {
            entity: entity.parse().unwrap(),
            global_id: GlobalId(4100 + id),
            caps: caps.parse::<MonCap>().unwrap(),
            addrs: addrs(0),
            socket: Some(([127, 0, 0, 1], 4000).into()),
            features: Features::all(Release::Tentacle).0,
            used_pending_key: self.used_pending_key.take(),
            release: 20,
        };
        let session = SessionId(id);
        self.with(|services, cx| services.client_opened(cx, session, client).unwrap());
        session
    }

    pub(super) fn say(&mut self, session: SessionId, tid: u64, message: impl Into<Message>) {
        let envelope = Envelope { tid, message: message.into() };
        self.with(|services, cx| services.client_message(cx, session, envelope).unwrap());
        self.settle();
    }

    /// What a session was sent, taken out.
    pub(super) fn heard(&mut self, wanted: SessionId) -> Vec<Envelope> {
        let mut heard = Vec::new();
        self.effects.retain(|effect| match effect {
            Effect::Reply { session, message, .. } if *session == wanted => {
                heard.push(message.clone());
                false
            }
            _ => true,
        });
        heard
    }

    /// What was sent to a monitor, taken out.
    pub(super) fn sent_to(&mut self, wanted: &AddrVec) -> Vec<Message> {
        let mut sent = Vec::new();
        self.effects.retain(|effect| match effect {
            Effect::Send { to, message, .. } if to == wanted => {
                sent.push(message.message.clone());
                false
            }
            _ => true,
        });
        sent
    }

    pub(super) fn peer_says(&mut self, from: &AddrVec, message: impl Into<Message>) {
        let envelope = message.into().with_tid(0);
        self.with(|services, cx| assert_eq!(services.peer_message(cx, from, envelope).unwrap(), None));
        self.settle();
    }

    /// A command over a session; its answer.
    pub(super) fn ask(&mut self, session: SessionId, command: &Value) -> MMonCommandAck {
        self.say(session, 77, command_message(command));
        match self.heard(session).pop() {
            Some(Envelope { tid: 77, message: Message::MonCommandAck(ack) }) => ack,
            other => panic!("no answer to {command}: {other:?}"),
        }
    }
}

pub(super) fn command_message(command: &Value) -> MMonCommand {
    MMonCommand { fsid: fsid(), cmd: vec![command.to_string()], ..Default::default() }
}
