//! The health service, Ceph's `HealthMonitor`: what is wrong, and what nobody wants to hear of.
//!
//! ```text
//! health/quorum        each member's own checks, by rank
//! health/leader        what only the leader can tell: who is down, whose clock is off
//! health/<service>     checks of a service (we write `auth`; those of a stock leader are shown too)
//! health/mutes         muted codes
//! health/health        all of them merged, as last written to the log
//! ```
//! A member's own checks come to the leader by message. The leader commits only when something changed that
//! people would notice, so that an idle cluster commits nothing.

mod check;
mod mute;
pub(crate) mod render;

use std::collections::BTreeMap;

use mon_types::encode::Encode;
use mon_types::health::{HealthCheckMap, HealthMutes, QuorumChecks, Severity};
use mon_types::id::{Rank, Version};
use mon_types::key_server::KeyServerData;
use mon_types::kv::{KvRead, Transaction};
use mon_types::log::{CHANNEL_CLUSTER, Priority};

pub(crate) use check::{ClockSkews, own_checks};

use super::log::LogService;
use super::{Around, Kind, Preparing, Service, Versions, stored_optional};
use crate::effect::{CommandReply, Effects, Halt};
use crate::operation::{Command, Prepared};

#[derive(Debug, Default)]
pub(crate) struct HealthService {
    versions: Versions,
    quorum: QuorumChecks,
    leader: HealthCheckMap,
    services: BTreeMap<String, HealthCheckMap>,
    mutes: HealthMutes,
    logged: HealthCheckMap,
    /// What members told since the quorum was formed.
    told: BTreeMap<Rank, HealthCheckMap>,
    pending: Option<Pending>,
    /// Whether services of a stock leader may have written checks without a new version of ours.
    stale: bool,
}

/// What the next version will hold.
#[derive(Debug, Clone, PartialEq)]
struct Pending {
    quorum: QuorumChecks,
    leader: HealthCheckMap,
    auth: HealthCheckMap,
    mutes: HealthMutes,
}

impl HealthService {
    /// How it treats a command; none when it has no such command.
    pub(crate) fn kind(prefix: &str) -> Option<Kind> {
        match prefix {
            "health" => Some(Kind::Read),
            "health mute" | "health unmute" => Some(Kind::Write),
            _ => None,
        }
    }

    pub(crate) fn version(&self) -> Version {
        self.versions.last
    }

    pub(crate) fn query(&self, around: &Around<'_>, command: &Command) -> CommandReply {
        let detail = command.arguments.text("detail") == Some("detail");
        let (checks, form) = (self.merged(around), command.arguments.format());
        CommandReply::output(render::health(&checks, &self.mutes, around.now.wall, form, detail))
    }

    pub(crate) fn prepare(&mut self, cx: &mut Preparing<'_>, command: &Command) -> Prepared {
        let checks = self.merged(&cx.around);
        mute::prepare(self, &cx.around, &checks, command)
    }

    /// A member's own checks.
    pub(crate) fn tell(&mut self, rank: Rank, checks: HealthCheckMap) {
        self.told.insert(rank, checks);
    }

    /// The next refresh looks at what services have written, whatever the version.
    pub(crate) fn look_again(&mut self) {
        self.stale = true;
    }

    /// Forgets what members told, because the quorum is another.
    pub(crate) fn forget_told(&mut self) {
        self.told.clear();
    }

    /// Everything that is known, with the summaries of the members' own checks filled in.
    pub(crate) fn merged(&self, around: &Around<'_>) -> HealthCheckMap {
        let mut all = check::merge_members(&self.quorum, around.monmap);
        all.merge(&self.leader);
        self.services.values().for_each(|checks| all.merge(checks));
        all
    }

    pub(crate) fn mutes(&self) -> &HealthMutes {
        &self.mutes
    }

    /// On the leader: works out what health should say, and puts it into the next version when people
    /// would notice the difference.
    pub(crate) fn review(
        &mut self,
        around: &Around<'_>,
        keys: &KeyServerData,
        skews: &ClockSkews,
        log: &mut LogService,
    ) {
        let Some(quorum) = around.quorum.filter(|quorum| quorum.we_lead) else { return };
        let mut members = QuorumChecks::default();
        for rank in &quorum.members {
            let Ok(number) = i32::try_from(rank.0) else { continue };
            // Who has not told yet is taken to be as before.
            if let Some(checks) = self.told.get(rank).or_else(|| self.quorum.0.get(&number)) {
                members.0.insert(number, checks.clone());
            }
        }
        let leader = check::leader_checks(around, quorum, skews);
        let auth = check::auth_checks(around, keys);
        let current = self.current();
        let mut wanted = Pending { quorum: members, leader, auth, mutes: current.mutes.clone() };
        let all = wanted.merged(around, &self.services);
        mute::expire(&mut wanted.mutes, &all, around.now.wall);
        if self.versions.last.0 > 0 && current.looks_like(&wanted) {
            return;
        }
        for (priority, line) in check::changes(&self.logged, &all) {
            log.write(around, priority, CHANNEL_CLUSTER, line);
        }
        if !self.logged.0.is_empty() && all.status() == Severity::Ok {
            log.write(around, Priority::INFO, CHANNEL_CLUSTER, "Cluster is now healthy".into());
        }
        self.logged = all;
        self.pending = Some(wanted);
    }

    fn current(&self) -> Pending {
        self.pending.clone().unwrap_or_else(|| Pending {
            quorum: self.quorum.clone(),
            leader: self.leader.clone(),
            auth: self.services.get(SERVICE_AUTH).cloned().unwrap_or_default(),
            mutes: self.mutes.clone(),
        })
    }
}

impl Pending {
    fn merged(&self, around: &Around<'_>, services: &BTreeMap<String, HealthCheckMap>) -> HealthCheckMap {
        let mut all = check::merge_members(&self.quorum, around.monmap);
        all.merge(&self.leader);
        all.merge(&self.auth);
        services.iter().filter(|(name, _)| *name != SERVICE_AUTH).for_each(|(_, checks)| all.merge(checks));
        all
    }

    /// Whether the two differ at most in details, such as a percentage.
    fn looks_like(&self, other: &Self) -> bool {
        let gist = |map: &HealthCheckMap| -> Vec<_> {
            map.0.iter().map(|(code, c)| (code.clone(), c.severity, c.summary.clone(), c.count)).collect()
        };
        let members = |checks: &QuorumChecks| -> Vec<_> {
            checks
                .0
                .iter()
                .map(|(rank, map)| (*rank, gist(map)))
                .filter(|(_, gist)| !gist.is_empty())
                .collect()
        };
        members(&self.quorum) == members(&other.quorum)
            && gist(&self.leader) == gist(&other.leader)
            && gist(&self.auth) == gist(&other.auth)
            && self.mutes == other.mutes
    }
}

impl Service for HealthService {
    const PREFIX: &'static str = "health";

    fn refresh(&mut self, store: &dyn KvRead, _out: &mut Effects) -> Result<bool, Halt> {
        let versions = Versions::read(store, Self::PREFIX)?;
        if versions == self.versions && !std::mem::take(&mut self.stale) {
            return Ok(false);
        }
        let mut services = BTreeMap::new();
        for name in CHECKING_SERVICES {
            if let Some(checks) = stored_optional::<HealthCheckMap>(store, Self::PREFIX, name)? {
                services.insert(name.to_owned(), checks);
            }
        }
        if versions == self.versions && services == self.services {
            return Ok(false);
        }
        self.services = services;
        self.quorum = stored_optional(store, Self::PREFIX, "quorum")?.unwrap_or_default();
        self.leader = stored_optional(store, Self::PREFIX, "leader")?.unwrap_or_default();
        self.mutes = stored_optional(store, Self::PREFIX, "mutes")?.unwrap_or_default();
        self.logged = stored_optional(store, Self::PREFIX, "health")?.unwrap_or_default();
        self.versions = versions;
        Ok(true)
    }

    fn has_pending(&self) -> bool {
        self.pending.is_some()
    }

    fn encode_pending(&mut self, _around: &Around<'_>, value: &mut Transaction) -> Result<(), Halt> {
        let Some(pending) = self.pending.take() else { return Ok(()) };
        let Pending { quorum, leader, auth, mutes } = pending;
        let next = self.versions.last.next();
        value.put_u64(Self::PREFIX, super::LAST_COMMITTED, next.0);
        if self.versions.last.0 == 0 {
            value.put_u64(Self::PREFIX, super::FIRST_COMMITTED, next.0);
        }
        value.put(Self::PREFIX, "quorum", quorum.to_bytes());
        value.put(Self::PREFIX, "leader", leader.to_bytes());
        value.put(Self::PREFIX, SERVICE_AUTH, auth.to_bytes());
        value.put(Self::PREFIX, "mutes", mutes.to_bytes());
        value.put(Self::PREFIX, "health", self.logged.to_bytes());
        Ok(())
    }

    fn drop_pending(&mut self) {
        self.pending = None;
    }
}

const SERVICE_AUTH: &str = "auth";
/// The services that stock stores checks of.
const CHECKING_SERVICES: [&str; 11] =
    ["auth", "config", "kv", "logm", "mdsmap", "mgr", "mgrstat", "monmap", "nvmeofgw", "osdmap", "paxos"];
