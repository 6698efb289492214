//! What an observation means: who leads, who is in quorum, what is certain.

use std::collections::BTreeSet;
use std::time::Duration;

use moncluster_api::{MemberName, QuorumState, ValidatedCluster, majority};

use crate::observation::{Answer, ClaimFact, ClaimPhase, Committed, ContainerState, Observation, PodPhase};
use crate::observation::{MonState, PodFact};

/// An observation and what follows from it.
#[derive(Debug, Clone)]
pub(crate) struct View<'a> {
    pub(crate) cluster: &'a ValidatedCluster,
    pub(crate) seen: &'a Observation,
    /// Who speaks for the quorum: its leader, or a peon where the leader does not answer us.
    pub(crate) speaker: Option<(&'a MemberName, &'a Answer)>,
    /// The monmap as the quorum committed it; only when that is certain as of now.
    pub(crate) map: Option<&'a Committed>,
    /// Who votes, by rank, as far as is known.
    pub(crate) voters: Vec<MemberName>,
    /// Who of them is in quorum.
    pub(crate) in_quorum: BTreeSet<MemberName>,
    pub(crate) state: QuorumState,
}

impl<'a> View<'a> {
    pub(crate) fn new(cluster: &'a ValidatedCluster, seen: &'a Observation) -> Self {
        let mut view = Self {
            cluster,
            seen,
            speaker: None,
            map: None,
            voters: Vec::new(),
            in_quorum: BTreeSet::new(),
            state: QuorumState::Unknown,
        };
        view.speaker = view.find_speaker();
        view.voters = view.find_voters();
        if let Some((_, speaker)) = view.speaker {
            view.in_quorum =
                speaker.quorum.iter().filter(|name| view.voters.contains(name)).cloned().collect();
            view.map = seen.committed.as_ref().filter(|map| {
                view.is_fresh(map.at)
                    && map.epoch == speaker.monmap_epoch
                    && map.voters.len() == view.voters.len()
                    && map.voters.iter().all(|voter| view.voters.contains(&voter.name))
            });
        }
        view.state = view.quorum_state();
        view
    }

    /// Old facts are no facts.
    fn is_fresh(&self, at: moncluster_api::Moment) -> bool {
        let limit = (self.cluster.healing().probe_interval.0 * 2).max(FRESH_MIN);
        self.seen.now.since(at) <= limit && at.since(self.seen.now) <= limit
    }

    /// What a monitor of this cluster says now.
    pub(crate) fn answer(&self, name: &MemberName) -> Option<&'a Answer> {
        self.any_answer(name).filter(|answer| !self.is_foreign(answer))
    }

    fn any_answer(&self, name: &MemberName) -> Option<&'a Answer> {
        self.seen.probes.get(name).filter(|probe| self.is_fresh(probe.at))?.answer.as_ref()
    }

    /// Whether what answers under this name belongs to another cluster.
    pub(crate) fn answers_foreign(&self, name: &MemberName) -> bool {
        self.any_answer(name).is_some_and(|answer| self.is_foreign(answer))
    }

    fn is_foreign(&self, answer: &Answer) -> bool {
        self.seen.status.fsid.as_ref().is_some_and(|fsid| *fsid != answer.fsid)
    }

    /// Everybody who answers now and belongs to this cluster.
    pub(crate) fn answers(&self) -> impl Iterator<Item = (&'a MemberName, &'a Answer)> {
        self.seen.probes.keys().filter_map(|name| Some((name, self.answer(name)?)))
    }

    fn find_speaker(&self) -> Option<(&'a MemberName, &'a Answer)> {
        let serves = |answer: &Answer| {
            let size = answer.members.iter().filter(|member| member.rank.is_some()).count();
            answer.ready && answer.quorum.len() > size / 2 && answer.leader.is_some()
        };
        let key = |(name, answer): &(&MemberName, &Answer)| {
            let leads = answer.state == MonState::Leader;
            (answer.election_epoch, answer.monmap_epoch, leads, std::cmp::Reverse((*name).clone()))
        };
        self.answers()
            .filter(|(_, answer)| matches!(answer.state, MonState::Leader | MonState::Peon) && serves(answer))
            .max_by_key(key)
    }

    fn find_voters(&self) -> Vec<MemberName> {
        let of = |answer: &Answer| {
            let mut members: Vec<_> =
                answer.members.iter().filter_map(|m| Some((m.rank?, m.name.clone()))).collect();
            members.sort();
            members.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
        };
        if let Some((_, speaker)) = self.speaker {
            return of(speaker);
        }
        let newest = self.answers().max_by_key(|(_, answer)| answer.monmap_epoch);
        let read = self.seen.committed.as_ref();
        let recorded = self.seen.status.quorum.monmap_epoch;
        match (newest, read) {
            (Some((_, answer)), _)
                if answer.monmap_epoch >= read.map_or(recorded, |map| map.epoch.max(recorded)) =>
            {
                of(answer)
            }
            (_, Some(map)) if map.epoch >= recorded => {
                map.voters.iter().map(|voter| voter.name.clone()).collect()
            }
            _ => {
                let mut ranked: Vec<_> =
                    self.seen.status.members.iter().filter_map(|m| Some((m.rank?, &m.name))).collect();
                ranked.sort();
                ranked.into_iter().map(|(_, name)| name.clone()).collect()
            }
        }
    }

    fn quorum_state(&self) -> QuorumState {
        if let Some((_, speaker)) = self.speaker {
            let arriving = usize::from(self.is_arriving(speaker));
            return match slack(self.in_quorum.len() + arriving, self.voters.len()) {
                _ if self.in_quorum.len() == self.voters.len() => QuorumState::Full,
                slack if slack >= 1 => QuorumState::Degraded,
                _ => QuorumState::AtRisk,
            };
        }
        // Those who answer are in no quorum, or one of them would speak. Is there room for one elsewhere?
        let elsewhere = self
            .voters
            .iter()
            .filter(|name| self.answer(name).is_none() && !self.is_certainly_down(name))
            .count();
        let since = self.seen.status.quorum.leaderless_since;
        let long = since.is_some_and(|since| self.seen.now.since(since) >= LEADERLESS_MAX);
        let possible = elsewhere as u32 >= majority(self.voters.len() as u32);
        match long && !possible && !self.voters.is_empty() {
            true => QuorumState::Lost,
            false => QuorumState::Unknown,
        }
    }

    /// Whether Kubernetes proves that no process of this member runs.
    fn is_certainly_down(&self, name: &MemberName) -> bool {
        let Some(pod) = self.seen.pods.get(name) else {
            return true;
        };
        let Some(node) = pod.node.as_ref() else {
            return true;
        };
        match self.seen.nodes.get(node) {
            None => true,
            Some(node) if node.out_of_service => true,
            Some(node) => node.ready && !is_running(pod),
        }
    }

    /// Whether the voter that an operation has just let in is on its way into the quorum: it answers, has the map and
    /// what was committed, and will be counted as soon as anybody else fails.
    fn is_arriving(&self, speaker: &Answer) -> bool {
        let Some(operation) = &self.seen.status.operation else { return false };
        let newcomer = operation.replacement.as_ref().unwrap_or(&operation.target);
        let outside = self.is_voter(newcomer) && !self.in_quorum.contains(newcomer);
        outside
            && self.answer(newcomer).is_some_and(|answer| {
                matches!(answer.state, MonState::Probing | MonState::Electing | MonState::Peon)
                    && answer.monmap_epoch == speaker.monmap_epoch
                    && answer.last_committed + ARRIVING_LAG_MAX >= speaker.last_committed
            })
    }

    /// Live voters beyond a majority.
    pub(crate) fn slack(&self) -> i64 {
        slack(self.in_quorum.len(), self.voters.len())
    }

    pub(crate) fn is_voter(&self, name: &MemberName) -> bool {
        self.voters.contains(name)
    }

    pub(crate) fn leader(&self) -> Option<&'a MemberName> {
        self.speaker.and_then(|(_, speaker)| speaker.leader.as_ref())
    }

    /// Whether everybody but this one is in quorum.
    pub(crate) fn others_in_quorum(&self, name: &MemberName) -> bool {
        self.voters.iter().all(|voter| voter == name || self.in_quorum.contains(voter))
    }

    /// A claim that holds this member's store: the very one that was recorded, and usable.
    pub(crate) fn store(&self, name: &MemberName) -> Option<&'a ClaimFact> {
        let recorded = self.seen.status.member(name).and_then(|member| member.pvc_uid.as_ref());
        self.seen.claims.get(name).filter(|claim| {
            recorded.is_none_or(|uid| *uid == claim.uid)
                && claim.phase != ClaimPhase::Lost
                && !claim.volume_missing
                && claim.retired_until.is_none()
        })
    }

    /// How many of the other members in quorum say that this one is not.
    pub(crate) fn peers_that_miss(&self, name: &MemberName) -> usize {
        let misses = |peer: &&MemberName| {
            *peer != name && self.answer(peer).is_some_and(|answer| !answer.quorum.contains(name))
        };
        self.in_quorum.iter().filter(misses).count()
    }
}

/// How many values a voter may lack that is on its way into the quorum: between two answers some are committed.
const ARRIVING_LAG_MAX: u64 = 1000;

/// Live voters beyond a majority of `size`.
pub(crate) fn slack(live: usize, size: usize) -> i64 {
    // Both are numbers of monitors in a map: far below any limit.
    live as i64 - i64::from(majority(size as u32))
}

pub(crate) fn is_running(pod: &PodFact) -> bool {
    match pod.phase {
        PodPhase::Running | PodPhase::Unknown => pod.container == ContainerState::Running,
        PodPhase::Pending | PodPhase::Succeeded | PodPhase::Failed => false,
    }
}

/// `IP:PORT`, with an IPv6 address in brackets.
pub(crate) fn endpoint(ip: &str, port: u16) -> String {
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}

/// The IP of an `IP:PORT`.
pub(crate) fn ip_of(address: &str) -> Option<String> {
    let (ip, _) = address.rsplit_once(':')?;
    Some(ip.trim_start_matches('[').trim_end_matches(']').to_owned())
}

/// A round of probes may take a few seconds, however short the interval is.
const FRESH_MIN: Duration = Duration::from_secs(10);

/// Three election timeouts of a stock monitor (mon_election_timeout is 5 s): with no leader for so long there is
/// no election that is merely slow.
pub(crate) const LEADERLESS_MAX: Duration = Duration::from_secs(15);
