//! What the services show to the rest of the process: the status snapshot, and what handshakes are judged by.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use mon_cephx::view::AuthView;
use mon_types::crypto_key::CryptoKind;
use mon_types::id::{MapEpoch, Rank, Version};

use super::{Services, around};
use crate::consensus::{Consensus, Role};
use crate::cx::Cx;
use crate::effect::{Effect, Halt};
use crate::service::health::ClockSkews;
use crate::status::{Member, Status, SyncStatus};

/// By what a published view differs from the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AuthGist {
    ready: bool,
    auth: Version,
    monmap: MapEpoch,
}

/// How often a snapshot is published that differs in numbers alone.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(200);

impl Services {
    /// Publishes a new status snapshot when something in it changed.
    ///
    /// # Errors
    /// None at present.
    pub fn publish(&mut self, cx: &mut Cx<'_>, consensus: &Consensus) -> Result<(), Halt> {
        let report = consensus.clock_report();
        if report.round != self.skews.round {
            let (skews, latencies) = (report.skews.clone(), report.latencies.clone());
            let allowed = self.clock_drift_allowed.as_secs_f64();
            self.skews = ClockSkews { skews, latencies, allowed, round: report.round };
            self.upkeep_due = true;
        }
        let mut status =
            Status { state: consensus.role(), election_epoch: consensus.epoch(), ..Status::default() };
        let urgent = status.state != self.published.state
            || status.election_epoch != self.published.election_epoch
            || self.quorum.is_some() != self.published.ready
            || self.monmap().epoch != self.published.monmap_epoch
            || self.monmap().size() + self.learners().len() != self.published.members.len();
        if !urgent && cx.now.mono < self.published_at + PUBLISH_INTERVAL {
            return Ok(());
        }
        if status.state == Role::Electing && status.election_epoch != self.published.election_epoch {
            self.count("election_call");
        }
        status.counters.clone_from(&self.counters);
        status.paxos.first_committed = consensus.first_committed();
        status.paxos.last_committed = consensus.last_committed();
        status.sync = consensus
            .sync_progress()
            .map(|(provider, _)| SyncStatus { provider: provider.to_string(), ..SyncStatus::default() });
        let last = consensus.last_committed().0;
        for (name, has) in consensus.following_learners() {
            let behind = Some(last.saturating_sub(has.0));
            status.members.push(Member { name: name.into(), behind, ..Member::default() });
        }
        self.fill_status(cx, &mut status);
        let scores = consensus.connection_scores();
        if *scores != self.connection_scores {
            self.connection_scores.clone_from(scores);
        }
        self.outside_quorum = match self.quorum {
            Some(_) => BTreeSet::new(),
            None => consensus.outside_quorum(),
        };
        if status != *self.published {
            self.published = Arc::new(status);
            cx.out.push(Effect::PublishStatus(self.published.clone()));
        }
        self.published_at = cx.now.mono;
        Ok(())
    }

    pub(super) fn count(&mut self, what: &'static str) {
        *self.counters.entry(what).or_default() += 1;
    }

    fn fill_status(&self, cx: &Cx<'_>, status: &mut Status) {
        let map = self.monmap.map().clone();
        let around = around!(self, cx, map);
        let quorum = self.quorum.as_ref();
        let name_of = |rank: Rank| map.name_of(rank).map(String::from);
        status.name.clone_from(&self.identity.name);
        status.fsid = self.identity.fsid;
        status.release = self.identity.release as u8;
        status.ready = quorum.is_some();
        status.rank = map.rank_of(&self.identity.name);
        status.leader = quorum.and_then(|quorum| name_of(quorum.leader));
        status.quorum =
            quorum.map_or_else(Vec::new, |q| q.members.iter().copied().filter_map(name_of).collect());
        status.monmap_epoch = map.epoch;
        let behind: BTreeMap<String, Option<u64>> =
            status.members.iter().map(|member| (member.name.clone(), member.behind)).collect();
        let voters = map.by_rank().map(|(rank, info)| Member {
            name: info.name.clone(),
            rank: Some(rank),
            addrs: info.addrs.to_string(),
            in_quorum: quorum.is_some_and(|quorum| quorum.members.contains(&rank)),
            behind: behind.get(&info.name).copied().flatten(),
        });
        let learners = self.learners().iter().map(|(name, addrs)| Member {
            name: name.clone(),
            rank: None,
            addrs: addrs.to_string(),
            in_quorum: false,
            behind: behind.get(name).copied().flatten(),
        });
        status.members = voters.chain(learners).collect();
        let checks = self.health.merged(&around);
        if self.health.version().0 > 0 {
            let worst = crate::service::health::render::status(&checks, self.health.mutes());
            status.health.status = worst.as_str().into();
        }
        status.health.checks =
            checks.0.iter().map(|(code, check)| (code.clone(), check.summary.clone())).collect();
        status.health.severities =
            checks.0.iter().map(|(code, check)| (code.clone(), check.severity.as_str())).collect();
        status.sessions = self.sessions.count() as u64;
        status.disk = self.disk;
    }

    /// Publishes what handshakes are judged by, if it differs from what was published last.
    pub(super) fn publish_auth(&mut self, cx: &mut Cx<'_>) {
        // Through a short break of the quorum handshakes go on, so that a failover costs no client its session.
        let reachable = self.quorum.is_some()
            || cx.now.mono.saturating_sub(self.quorum_changed) < self.settings.quorum_wait;
        let ready = self.auth.version().0 > 0 && reachable;
        let gist = AuthGist { ready, auth: self.auth.version(), monmap: self.monmap().epoch };
        if self.auth_published != Some(gist) {
            self.auth_published = Some(gist);
            self.auth_view = Some(Arc::new(self.make_auth_view(ready)));
            if let Some(view) = &self.auth_view {
                cx.out.push(Effect::PublishAuth(view.clone()));
            }
        }
    }

    fn make_auth_view(&self, ready: bool) -> AuthView {
        let keys = self.auth.keys();
        let (mut allowed, service): (BTreeSet<_>, _) = match &self.monmap().ciphers {
            Some(policy) => (policy.allowed.iter().map(|cipher| cipher.0).collect(), policy.service.0),
            None => (BTreeSet::from([CryptoKind::Aes, CryptoKind::Aes256k]), CryptoKind::Aes),
        };
        allowed.extend(&self.settings.emergency_allowed_ciphers);
        AuthView {
            ready,
            entities: Arc::new(keys.secrets.clone()),
            rotating: Arc::new(keys.rotating.clone()),
            mon: self.settings.mon_key.clone(),
            allowed_ciphers: allowed,
            service_cipher: service,
            allow_none: self.settings.allow_none,
            allow_insecure_reclaim: self.settings.allow_insecure_reclaim,
            ttl: self.settings.ticket_ttl,
        }
    }
}
