//! The cluster as a whole: objects, nodes, monitors, time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Duration, Instant};

use crate::controllers;
use crate::faults::Gate;
use crate::kind::{KINDS, Kind, NODES, PVCS};
use crate::object::{self, Key, set, uid};
use crate::quorum::{Quorum, View};
use crate::rules::{self, Standing};
use crate::store::Store;
use crate::{Crash, Faults};

/// A simulated cluster. Clones are the same cluster.
#[derive(Clone)]
pub struct World {
    state: Arc<Mutex<State>>,
    began: Instant,
    offset_ms: u64,
    /// Tells watches that something has changed.
    pub(crate) changed: watch::Sender<u64>,
}

/// A cluster at a moment, to go on from as often as one likes.
#[derive(Clone)]
pub struct Snapshot(State);

#[derive(Clone, Default)]
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) quorum: Quorum,
    /// Nodes that do not run; their objects may be there.
    pub(crate) dead: BTreeMap<String, u64>,
    /// Nodes whose pods reach nobody, and whom nobody reaches.
    pub(crate) cut_off: BTreeSet<String>,
    pub(crate) violations: Vec<String>,
    /// What the operator asked for, for people.
    pub(crate) calls: Vec<String>,
    pub(crate) addresses: u64,
    /// What the controllers saw last: the store's version and the quorum; and how many rounds ago that was.
    looked: (u64, Option<View>, u32),
    /// The kinds whose every write is refused, with the status: an operator without rights.
    pub(crate) forbidden: BTreeSet<String>,
}

/// How often the controllers look, in simulated time.
const STEP: Duration = Duration::from_millis(500);
/// What depends on time alone is looked at every so many rounds.
const ROUNDS_IDLE_MAX: u32 = 3;
/// 2026-01-01T00:00:00Z.
const BEGAN_S: i64 = 1_767_225_600;

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// An empty cluster. Needs a tokio runtime with a paused clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with(State::default())
    }

    /// The cluster as it was.
    #[must_use]
    pub fn restore(snapshot: &Snapshot) -> Self {
        Self::with(snapshot.0.clone())
    }

    fn with(mut state: State) -> Self {
        let offset_ms = state.store.now_ms;
        state.store.now = shown(offset_ms);
        Self {
            state: Arc::new(Mutex::new(state)),
            began: Instant::now(),
            offset_ms,
            changed: watch::Sender::new(0),
        }
    }

    /// The cluster as it is now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut state = self.lock().clone();
        state.calls.clear();
        Snapshot(state)
    }

    /// A client of its API server; none of its calls fails.
    pub fn client(&self) -> kube::Client {
        self.faulty_client(&Gate::open())
    }

    /// What stands between an operator and this cluster.
    #[must_use]
    pub fn gate(&self, seed: u64, faults: Faults, crash: Option<Crash>) -> Gate {
        Gate::new(seed, faults, crash)
    }

    /// A client of its API server behind a gate.
    pub fn faulty_client(&self, gate: &Gate) -> kube::Client {
        kube::Client::new(crate::service::ApiServer::new(self.clone(), gate.clone()), "default")
    }

    /// Lets the controllers work for ever.
    pub async fn run(self) {
        let mut clock = tokio::time::interval(STEP);
        loop {
            clock.tick().await;
            self.step();
        }
    }

    /// One round of the controllers.
    pub fn step(&self) {
        self.change(|state| {
            state.control();
            let now_ms = state.store.now_ms;
            let lost = state.quorum.step(now_ms, &state.cut_off, &state.dead);
            state.violations.extend(lost);
        });
    }

    /// The simulated time.
    #[must_use]
    pub fn now(&self) -> jiff::Timestamp {
        timestamp(self.now_ms())
    }

    fn now_ms(&self) -> u64 {
        self.offset_ms + self.began.elapsed().as_millis() as u64
    }

    /// Works on the state; watches learn of what changed.
    pub(crate) fn change<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        state.store.now_ms = self.now_ms();
        state.store.now = shown(state.store.now_ms);
        let before = state.store.version;
        let result = work(&mut state);
        let after = state.store.version;
        drop(state);
        if before != after {
            self.changed.send_replace(after);
        }
        result
    }

    /// As `change`, by the operator: what that does to the quorum is its doing.
    pub(crate) fn change_as_operator<T>(&self, what: &str, work: impl FnOnce(&mut State) -> T) -> T {
        self.change(|state| {
            let before = Standing::of(state);
            let result = work(state);
            let after = Standing::of(state);
            let broken = rules::judge(&before, &after, what);
            state.violations.extend(broken);
            result
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// What must not happen and did.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.lock().violations.clone()
    }

    /// What the operator asked for so far.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.lock().calls.clone()
    }

    /// Refuses (403) everything that is done to objects of this plural.
    pub fn forbid(&self, plural: &str) {
        self.lock().forbidden.insert(plural.into());
    }

    // What people and machines do to a cluster.

    /// A node appears, ready.
    pub fn add_node(&self, name: &str) {
        self.change(|state| {
            let now = state.store.now.clone();
            let mut node = json!({
                "metadata": {"labels": {"kubernetes.io/hostname": name}}, "spec": {}, "status": {},
            });
            object::set_condition(&mut node, "Ready", "True", &now);
            state.dead.remove(name);
            let key = Store::key(NODES, "", name);
            state.store.create(NODES, &key, node).unwrap();
        });
    }

    /// A node stops at once, with everything on it.
    pub fn kill_node(&self, name: &str) {
        self.change(|state| {
            let now = state.store.now_ms;
            state.dead.insert(name.into(), now);
        });
    }

    /// A dead node comes back.
    pub fn revive_node(&self, name: &str) {
        self.change(|state| state.dead.remove(name));
    }

    /// A node reaches nobody, or everybody again.
    pub fn cut_off_node(&self, name: &str, is_cut_off: bool) {
        self.change(
            |state| if is_cut_off { state.cut_off.insert(name.into()) } else { state.cut_off.remove(name) },
        );
    }

    /// The files on a claim's volume are gone; what used them ends.
    pub fn wipe_claim(&self, namespace: &str, name: &str) {
        self.change(|state| {
            let claim = state.store.get(&Store::key(PVCS, namespace, name)).unwrap().clone();
            state.quorum.wipe(uid(&claim));
        });
    }

    /// Puts an object as a person would, or changes the one that is there.
    ///
    /// # Panics
    /// When the API server would refuse it.
    pub fn put(&self, plural: &str, namespace: &str, name: &str, object: Value) {
        let kind = kind_of(plural);
        let key = Store::key(kind, namespace, name);
        self.change(|state| match state.store.get(&key).is_some() {
            true => state.store.merge(kind, &key, crate::store::Part::Main, &object).unwrap(),
            false => state.store.create(kind, &key, object).unwrap(),
        });
    }

    /// Deletes an object as a person would.
    pub fn delete(&self, plural: &str, namespace: &str, name: &str) {
        let kind = kind_of(plural);
        self.change(|state| {
            // It may have gone by itself.
            let _ = state.store.delete(kind, &Store::key(kind, namespace, name), &json!({}));
        });
    }

    /// Evicts a pod as `kubectl drain` does; false when its disruption budget does not allow it now.
    #[must_use]
    pub fn evict(&self, namespace: &str, name: &str) -> bool {
        self.change(|state| crate::server::evict(state, namespace, name, &Value::Null).is_ok())
    }

    /// Deletes an object whatever its finalizers say: a person's mistake, or a controller's.
    pub fn destroy(&self, plural: &str, namespace: &str, name: &str) {
        let kind = kind_of(plural);
        self.change(|state| {
            let key = Store::key(kind, namespace, name);
            if let Some(object) = state.store.get(&key).cloned() {
                state.store.remove(kind, &key);
                state.quorum.forget_disk(uid(&object));
            }
        });
    }

    /// An object as it is now.
    #[must_use]
    pub fn get(&self, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        self.lock().store.get(&Store::key(kind_of(plural), namespace, name)).map(|object| (**object).clone())
    }

    /// All objects of a kind in a namespace.
    #[must_use]
    pub fn list(&self, plural: &str, namespace: &str) -> Vec<Value> {
        let state = self.lock();
        let here = |(key, _): &(&Key, &Arc<Value>)| key.namespace == namespace;
        state.store.list(kind_of(plural)).filter(here).map(|(_, object)| (**object).clone()).collect()
    }

    /// Names of the voters, by rank.
    #[must_use]
    pub fn voters(&self) -> Vec<String> {
        self.lock().quorum.voters.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Names of those in quorum.
    #[must_use]
    pub fn in_quorum(&self) -> Vec<String> {
        self.lock().quorum.in_quorum()
    }

    /// Who leads.
    #[must_use]
    pub fn leader(&self) -> Option<String> {
        self.lock().quorum.view.as_ref().map(|view| view.leader.clone())
    }

    /// How many values the monitors have agreed on.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.lock().quorum.committed
    }

    /// Takes a monitor out of the quorum for a while, though its process runs.
    pub fn mute(&self, name: &str, until_ms_from_now: u64) {
        self.change(|state| {
            let until = state.store.now_ms + until_ms_from_now;
            state.quorum.muted.insert(name.into(), until);
        });
    }

    /// Sets a field of an object, as the cluster's machinery would.
    pub fn set(&self, plural: &str, namespace: &str, name: &str, path: &[&str], value: Value) {
        let kind = kind_of(plural);
        self.change(|state| {
            state.store.update(kind, &Store::key(kind, namespace, name), |object| set(object, path, value));
        });
    }

    /// Forgets old events: watches that come back are told to list anew.
    pub fn compact(&self) {
        self.change(|state| {
            state.store.compacted = state.store.version;
            state.store.history.clear();
        });
    }
}

fn kind_of(plural: &str) -> Kind {
    *KINDS.iter().find(|kind| kind.plural == plural).unwrap_or_else(|| panic!("no kind {plural}"))
}

fn timestamp(ms: u64) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(BEGAN_S * 1000 + ms as i64).unwrap()
}

fn shown(ms: u64) -> String {
    jiff::Timestamp::from_second(timestamp(ms).as_second()).unwrap().to_string()
}

/// Milliseconds of the simulated time that a text tells.
pub(crate) fn millis(text: &str) -> u64 {
    text.parse::<jiff::Timestamp>().map_or(0, |time| (time.as_millisecond() - BEGAN_S * 1000).max(0) as u64)
}

impl State {
    /// A round of the controllers, where something has changed, or may have with time.
    fn control(&mut self) {
        let (version, view, rounds) = &self.looked;
        if *version == self.store.version && *view == self.quorum.view && *rounds < ROUNDS_IDLE_MAX {
            self.looked.2 += 1;
            return;
        }
        controllers::step(self);
        self.looked = (self.store.version, self.quorum.view.clone(), 0);
    }

    pub(crate) fn address(&mut self, prefix: &str) -> String {
        self.addresses += 1;
        format!("{prefix}.{}.{}", self.addresses / 250, self.addresses % 250 + 1)
    }

    /// Whether a node runs and has an object.
    pub(crate) fn node_is_up(&self, name: &str) -> bool {
        !self.dead.contains_key(name) && self.store.get(&Store::key(NODES, "", name)).is_some()
    }

    pub(crate) fn is_forbidden(&self, plural: &str) -> bool {
        self.forbidden.contains(plural)
    }
}
