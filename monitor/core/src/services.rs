//! The services half of the core: what the agreed values mean, and everything that clients see.
//!
//! ```text
//!  client ---> command/dispatch --- read ----> wait for ReadReady ---> query ---> answer
//!                              \-- write --> leader: queue ---> take_proposal ---> committed ---> answer
//!                                            peon:   Forward ---> Route ---> answer
//! ```
//!
//! What arrives while a value is in flight waits in the queue and is prepared together, in order, for the next
//! one. An answer that needs no change waits for a confirmed read, like every read. An operation is applied at
//! most once: the leader records the results of forwarded ones in the value itself (see `forward`), and
//! recognises by a counter in the store whether a value of its own that was in flight when the quorum broke
//! was committed after all (see `propose`).

mod admin;
mod client;
mod dispatch;
mod forward;
mod global_ids;
mod history;
mod own_health;
mod patience;
mod pending_keys;
mod propose;
mod publish;
mod read;
mod subscribe;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use mon_cephx::view::AuthView;
use mon_types::addr::AddrVec;
use mon_types::compat_set::CompatSet;
use mon_types::connection_tracker::ConnectionTracker;
use mon_types::crypto_key::CryptoKey;
use mon_types::encode::Encode;
use mon_types::entity::EntityName;
use mon_types::features::MonFeatures;
use mon_types::id::Version;
use mon_types::kv::{KvRead, Transaction};
use mon_types::monmap::MonMap;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::bug::{self, Bug};
use crate::command::table::Table;
use crate::config::Config;
use crate::cx::Cx;
use crate::effect::{Effects, Halt};
use crate::event::{DiskUse, RequestId};
use crate::held::Held;
use crate::identity::Identity;
use crate::operation::{Operation, Origin};
use crate::quorum::{Order, QuorumView};
use crate::service::auth::AuthService;
use crate::service::auth::global_id::GlobalIds;
use crate::service::health::{ClockSkews, HealthService};
use crate::service::kv::KvService;
use crate::service::log::LogService;
use crate::service::monmap::MonmapService;
use crate::service::{Service, stored_optional};
use crate::session::Sessions;
use crate::settings::Settings;
use crate::status::Status;
use crate::sync::SyncMarks;

/// All services with their sessions and waiting operations.
#[derive(Debug)]
pub struct Services {
    identity: Identity,
    settings: Settings,
    rng: ChaCha20Rng,
    table: &'static Table,
    quorum: Option<QuorumView>,
    /// How many committed values each learner that follows us lacks, by name. On the leader.
    followers: BTreeMap<String, u64>,
    /// Monotonic time at which the present quorum was formed, or the last one was lost.
    quorum_changed: Duration,
    monmap: MonmapService,
    kv: KvService,
    auth: AuthService,
    log: LogService,
    health: HealthService,
    sessions: Sessions,
    /// Writes that wait for the next value, in order. On the leader.
    queue: VecDeque<Operation>,
    in_flight: Option<propose::InFlight>,
    /// Values that were in flight when the quorum broke: committed or lost, nobody knows yet.
    uncertain: Vec<propose::InFlight>,
    reads: read::Reads,
    /// What all operations that wait hold in bytes.
    held: Held,
    history: history::History,
    /// What the leader was asked on behalf of our clients, by our number. On a peon.
    forwarded: BTreeMap<u64, Operation>,
    forward_counter: u64,
    /// What came while there is no quorum.
    waiting: VecDeque<Operation>,
    global_ids: GlobalIds,
    global_ids_wanted: VecDeque<RequestId>,
    /// A peon is out of global ids above this one.
    global_ids_short: Option<u64>,
    /// Pending keys that were seen in use and are not the present ones yet.
    used_pending_keys: BTreeMap<EntityName, CryptoKey>,
    /// Elections since the process started, for the metrics.
    counters: BTreeMap<&'static str, u64>,
    /// Whether the leader should look for changes of its own to make.
    upkeep_due: bool,
    /// Whether what the members tell of themselves must be stored.
    metadata_due: bool,
    orders: Vec<Order>,
    disk: DiskUse,
    skews: ClockSkews,
    /// From how far off on a clock matters.
    clock_drift_allowed: Duration,
    /// The own checks that the leader was last told.
    told: Option<mon_types::health::HealthCheckMap>,
    /// While there is no quorum: the members that were found, us included.
    outside_quorum: BTreeSet<String>,
    /// How well the members reach each other.
    connection_scores: ConnectionTracker,
    next_tick: Duration,
    started: Option<Duration>,
    published: Arc<Status>,
    published_at: Duration,
    auth_published: Option<publish::AuthGist>,
    auth_view: Option<Arc<AuthView>>,
}

/// Everything that a command or a preparation may look at. A macro, so that only these fields are borrowed.
macro_rules! around {
    ($self:ident, $cx:ident, $map:ident) => {
        $crate::service::Around {
            now: $cx.now,
            store: $cx.store,
            identity: &$self.identity,
            settings: &$self.settings,
            monmap: &$map,
            quorum: $self.quorum.as_ref(),
            followers: &$self.followers,
        }
    };
}
pub(crate) use around;

impl Services {
    /// The services of a monitor; [`Services::refresh`] loads their state. `seed` must be unpredictable: keys
    /// are made from it.
    ///
    /// # Errors
    /// When the store is damaged.
    pub fn new(
        identity: &Identity,
        config: &Config,
        seed: [u8; 32],
        store: &dyn KvRead,
    ) -> Result<Self, Halt> {
        let mut services = Self {
            identity: identity.clone(),
            settings: config.services.clone(),
            rng: ChaCha20Rng::from_seed(seed),
            table: Table::for_release(identity.release),
            quorum: None,
            followers: BTreeMap::new(),
            quorum_changed: Duration::ZERO,
            monmap: MonmapService::default(),
            kv: KvService::default(),
            auth: AuthService::default(),
            log: LogService::default(),
            health: HealthService::default(),
            sessions: Sessions::default(),
            queue: VecDeque::new(),
            in_flight: None,
            uncertain: Vec::new(),
            reads: read::Reads::default(),
            held: Held::default(),
            history: history::History::default(),
            forwarded: BTreeMap::new(),
            forward_counter: 0,
            waiting: VecDeque::new(),
            global_ids: GlobalIds::default(),
            global_ids_wanted: VecDeque::new(),
            counters: ["election_call", "election_win", "election_lose"].map(|name| (name, 0)).into(),
            global_ids_short: None,
            used_pending_keys: BTreeMap::new(),
            upkeep_due: false,
            metadata_due: false,
            orders: Vec::new(),
            disk: DiskUse::default(),
            skews: ClockSkews::default(),
            clock_drift_allowed: config.clock_drift_allowed,
            told: None,
            outside_quorum: BTreeSet::new(),
            connection_scores: ConnectionTracker::default(),
            next_tick: Duration::ZERO,
            started: None,
            published: Arc::default(),
            published_at: Duration::ZERO,
            auth_published: None,
            auth_view: None,
        };
        if services.settings.mon_key.caps.is_empty() {
            // Whoever holds this key is a monitor.
            services.settings.mon_key.set_caps("mon", "allow *");
        }
        services.load(store, &mut Effects::default())?;
        Ok(services)
    }

    /// Takes over what was committed or synced. Tells subscribers, and publishes what handshakes go by.
    ///
    /// # Errors
    /// When the store is damaged.
    pub fn refresh(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        self.started.get_or_insert(cx.now.mono);
        let epoch = self.monmap.version();
        let changes = self.load(cx.store, cx.out)?;
        if changes.monmap && self.monmap.version() != epoch {
            self.store_features(cx)?;
            self.upkeep_due = true;
        }
        if changes.auth || changes.monmap || self.auth_published.is_none() {
            self.update_global_ids(cx);
            self.publish_auth(cx);
            self.forget_settled_pending_keys();
        }
        if changes.monmap {
            self.claim_name(cx);
        }
        if changes.any() {
            self.upkeep_due |= changes.monmap || changes.auth;
            self.notify_subscribers(cx, changes)?;
        }
        Ok(())
    }

    /// Which learners follow us, and how far they are; the consensus knows.
    pub fn note_followers(&mut self, followers: BTreeMap<String, u64>) {
        self.followers = followers;
    }

    /// Before the first quorum: the members as probing has found them, for the first map.
    pub fn learn_members(&mut self, map: &MonMap) {
        self.monmap.learn(map);
    }

    /// Asks the leader for our name where the map has a stand-in; as leader, upkeep sees to it.
    fn claim_name(&mut self, cx: &mut Cx<'_>) {
        let Some(leader) = self.quorum.as_ref().filter(|quorum| !quorum.we_lead) else { return };
        let map = self.monmap.map().clone();
        if let Some(claim) = self.monmap.own_name_claim(&around!(self, cx, map)) {
            cx.out.send(&leader.leader_addrs, claim, None);
        }
    }

    fn load(&mut self, store: &dyn KvRead, out: &mut Effects) -> Result<Changes, Halt> {
        if SyncMarks::is_half_synced(store)? && !bug::is_on(Bug::HalfSyncedLoaded) {
            // Cut short, it says where the others are and nothing else; the sync goes on from there.
            return Ok(Changes { monmap: self.monmap.refresh_uncommitted(store)?, ..Changes::NONE });
        }
        Ok(Changes {
            monmap: self.monmap.refresh(store, out)?,
            kv: self.kv.refresh(store, out)?,
            auth: self.auth.refresh(store, out)?,
            log: self.log.refresh(store, out)?,
            health: self.health.refresh(store, out)?,
        })
    }

    /// The monmap as last committed, or the one that we start with.
    #[must_use]
    pub fn monmap(&self) -> &MonMap {
        self.monmap.map()
    }

    /// Who follows without a vote, and where.
    #[must_use]
    pub fn learners(&self) -> &BTreeMap<String, AddrVec> {
        self.monmap.learners()
    }

    /// A quorum stands and we belong to it: what waited goes on.
    ///
    /// # Errors
    /// When the store is damaged.
    pub fn quorum_formed(&mut self, cx: &mut Cx<'_>, view: &QuorumView) -> Result<(), Halt> {
        self.quorum = Some(view.clone());
        self.quorum_changed = cx.now.mono;
        self.count(if view.we_lead { "election_win" } else { "election_lose" });
        self.drop_pending();
        self.health.forget_told();
        self.told = None;
        self.metadata_due = view.we_lead;
        self.upkeep_due = true;
        self.publish_auth(cx);
        self.update_global_ids(cx);
        if !self.uncertain.is_empty() || !self.global_ids.is_sure() {
            self.reads.ask_about_uncertain();
        }
        self.claim_name(cx);
        self.resume_forwarded(cx);
        for operation in std::mem::take(&mut self.queue).into_iter().chain(std::mem::take(&mut self.waiting))
        {
            self.resubmit(cx, operation);
        }
        self.tell_health(cx);
        self.want_global_ids(cx);
        self.want_pending_keys(cx);
        self.health.look_again();
        self.notify_subscribers(cx, Changes::ALL)
    }

    /// The same quorum goes on without a member that died: what is in flight stays so.
    ///
    /// # Errors
    /// None at present.
    pub fn quorum_changed(&mut self, _cx: &mut Cx<'_>, view: &QuorumView) -> Result<(), Halt> {
        self.quorum = Some(view.clone());
        self.upkeep_due = true;
        Ok(())
    }

    /// The quorum is gone, or we are out of it: what was under way waits for the next.
    ///
    /// # Errors
    /// None at present.
    pub fn quorum_lost(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        if self.quorum.take().is_some() {
            self.quorum_changed = cx.now.mono;
            self.next_tick = self.next_tick.min(cx.now.mono + self.tick_interval());
        }
        self.drop_pending();
        if bug::is_on(Bug::UncertainTakenForDone) {
            self.committed(cx)?;
        }
        self.uncertain.extend(self.in_flight.take());
        for operation in self.reads.take_all() {
            self.waiting.push_back(operation);
        }
        // The peons that forwarded these send them again to whoever leads next.
        self.queue.retain(|operation| !matches!(operation.origin, Origin::Peer { .. }));
        self.waiting.retain(|operation| !matches!(operation.origin, Origin::Peer { .. }));
        Ok(())
    }

    /// Housekeeping, whenever [`Services::next_deadline`] has come.
    ///
    /// # Errors
    /// None at present.
    pub fn tick(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        if cx.now.mono < self.next_tick {
            return Ok(());
        }
        self.next_tick = cx.now.mono + self.tick_interval();
        for session in self.sessions.silent(cx.now.mono, self.settings.session_timeout) {
            self.close_session(cx, session);
        }
        if let Some(quorum) = &self.quorum {
            if !quorum.all_ours {
                self.health.look_again();
            }
            self.upkeep_due = true;
            self.want_global_ids(cx);
            self.want_pending_keys(cx);
            self.tell_health(cx);
        } else {
            self.give_up_waiting(cx);
        }
        self.publish_auth(cx);
        Ok(())
    }

    /// Out of quorum, clients must soon be told to look elsewhere.
    fn tick_interval(&self) -> Duration {
        match self.quorum {
            Some(_) => self.settings.tick_interval,
            None => (self.settings.quorum_wait / 5).min(self.settings.tick_interval),
        }
    }

    /// When [`Services::tick`] is due, on the monotonic clock.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        Some(self.next_tick)
    }

    /// Whether [`Services::take_orders`] has any.
    #[must_use]
    pub fn has_orders(&self) -> bool {
        !self.orders.is_empty()
    }

    /// What the services want of the consensus.
    pub fn take_orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.orders)
    }

    fn drop_pending(&mut self) {
        self.monmap.drop_pending();
        self.kv.drop_pending();
        self.auth.drop_pending();
        self.log.drop_pending();
        self.health.drop_pending();
    }

    fn we_lead(&self) -> bool {
        self.quorum.as_ref().is_some_and(|quorum| quorum.we_lead)
    }

    /// Notes in the store which features a reader must have, once the monmap fixes more of them.
    fn store_features(&self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        let wanted = CompatSet::with_features(self.monmap().persistent_features);
        let mut stored: CompatSet = stored_optional(cx.store, "monitor", "feature_set")?.unwrap_or_default();
        if stored.merge(&wanted) {
            let mut transaction = Transaction::new();
            transaction.put("monitor", "feature_set", stored.to_bytes());
            cx.out.persist(transaction, false);
        }
        Ok(())
    }

    /// The monitor features that may become persistent.
    #[must_use]
    pub fn mon_features(&self) -> MonFeatures {
        self.identity.mon_features
    }

    /// Versions of the services, for status.
    #[must_use]
    pub fn versions(&self) -> BTreeMap<&'static str, Version> {
        BTreeMap::from([
            ("auth", self.auth.version()),
            ("health", self.health.version()),
            ("kv", self.kv.version()),
            ("logm", self.log.version()),
            ("monmap", self.monmap.version()),
        ])
    }
}

/// Which services a commit changed.
#[derive(Debug, Clone, Copy)]
struct Changes {
    monmap: bool,
    kv: bool,
    auth: bool,
    log: bool,
    health: bool,
}

impl Changes {
    const NONE: Self = Self { monmap: false, kv: false, auth: false, log: false, health: false };
    const ALL: Self = Self { monmap: true, kv: true, auth: true, log: true, health: true };

    fn any(self) -> bool {
        self.monmap || self.kv || self.auth || self.log || self.health
    }
}
