//! A model of the monitors: who votes, who runs, who is in quorum, what each store holds.
//!
//! A value is committed every step while there is a quorum. Every store remembers how far it has come, so a quorum
//! that could form without the newest value shows that something was lost, which is the sin of giving an empty
//! store the identity of a monitor that has voted.

use std::collections::{BTreeMap, BTreeSet};

use crate::object::Look;
use serde_json::Value;

/// The monitors of one cluster.
#[derive(Debug, Clone, Default)]
pub(crate) struct Quorum {
    pub(crate) fsid: String,
    pub(crate) epoch: u64,
    pub(crate) election: u64,
    /// Names and addresses by rank.
    pub(crate) voters: Vec<(String, String)>,
    pub(crate) learners: BTreeMap<String, String>,
    pub(crate) ever_voted: BTreeSet<String>,
    /// Results of operations by their ids.
    pub(crate) done: BTreeMap<String, (String, String)>,
    pub(crate) committed: u64,
    /// By the uid of the claim.
    pub(crate) disks: BTreeMap<String, Disk>,
    /// By the uid of the pod.
    pub(crate) processes: BTreeMap<String, Process>,
    pub(crate) view: Option<View>,
    /// When the quorum was lost or a leader went.
    electing_since: Option<u64>,
    /// Monitors that run and hear nobody, until when.
    pub(crate) muted: BTreeMap<String, u64>,
}

/// What a volume holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    pub(crate) name: String,
    pub(crate) fsid: String,
    pub(crate) version: u64,
}

/// A running monitor.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) claim: String,
    pub(crate) address: String,
    pub(crate) node: String,
    pub(crate) since_ms: u64,
}

/// A quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) leader: String,
    /// Names with the pod that each runs in.
    pub(crate) members: BTreeMap<String, String>,
}

/// What came of starting a monitor.
#[derive(Debug)]
pub(crate) enum Started {
    Runs(Vec<String>),
    Ends(u8),
}

/// How long an election takes.
const ELECTION_MS: u64 = 1000;
/// How long a monitor needs from its start until it has what the others have.
const CATCH_UP_MS: u64 = 1500;

impl Quorum {
    pub(crate) fn is_voter(&self, name: &str) -> bool {
        self.voters.iter().any(|(voter, _)| voter == name)
    }

    pub(crate) fn majority(&self) -> usize {
        self.voters.len() / 2 + 1
    }

    pub(crate) fn in_quorum(&self) -> Vec<String> {
        self.view.iter().flat_map(|view| view.members.keys().cloned()).collect()
    }

    pub(crate) fn is_in_quorum(&self, name: &str, pod: &str) -> bool {
        self.view.as_ref().is_some_and(|view| view.members.get(name).is_some_and(|known| known == pod))
    }

    pub(crate) fn wipe(&mut self, claim: &str) {
        self.disks.remove(claim);
        self.processes.retain(|_, process| process.claim != claim);
    }

    pub(crate) fn forget_disk(&mut self, claim: &str) {
        self.wipe(claim);
    }

    /// A container starts with this configuration.
    pub(crate) fn start(
        &mut self,
        pod: &str,
        config: &Value,
        claim: &str,
        address: &str,
        node: &str,
        now_ms: u64,
    ) -> Started {
        let option = |name: &str| option(config, name);
        let (name, fsid) = (option("name"), option("fsid"));
        let mut violations = Vec::new();
        if name.is_empty() {
            return Started::Ends(2);
        }
        if !self.disks.contains_key(claim) {
            if option("mon_mkfs_if_empty") != "true" {
                return Started::Ends(20);
            }
            if fsid.is_empty() {
                return Started::Ends(10);
            }
            if self.ever_voted.contains(&name) {
                violations.push(format!("mon.{name} has voted, and was given an empty store"));
            }
            // Without anybody to ask it makes a cluster of its own, learner or not.
            if option("mon_host").is_empty() {
                violations.extend(self.bootstrap(&name, &fsid, &option("public_addrv")));
            }
            self.disks.insert(claim.into(), Disk { name: name.clone(), fsid: fsid.clone(), version: 0 });
        }
        let disk = &self.disks[claim];
        if disk.fsid != fsid {
            return Started::Ends(23);
        }
        if disk.name != name {
            violations.push(format!("mon.{name} was started on the store of mon.{}", disk.name));
        }
        let process = Process {
            name,
            claim: claim.into(),
            address: address.into(),
            node: node.into(),
            since_ms: now_ms,
        };
        self.processes.insert(pod.into(), process);
        Started::Runs(violations)
    }

    fn bootstrap(&mut self, name: &str, fsid: &str, address: &str) -> Vec<String> {
        if !self.voters.is_empty() {
            return vec![format!("mon.{name} began a second cluster beside the first one")];
        }
        self.fsid = fsid.into();
        self.epoch = 1;
        self.voters.push((name.into(), socket(address)));
        self.ever_voted.insert(name.into());
        Vec::new()
    }

    /// One round; tells what was lost.
    pub(crate) fn step(
        &mut self,
        now_ms: u64,
        cut_off: &BTreeSet<String>,
        dead: &BTreeMap<String, u64>,
    ) -> Vec<String> {
        self.muted.retain(|_, until| *until > now_ms);
        let muted = &self.muted;
        let hears = |process: &Process| {
            !cut_off.contains(&process.node)
                && !dead.contains_key(&process.node)
                && !muted.contains_key(&process.name)
        };
        let up: BTreeMap<String, (String, Process)> = self
            .processes
            .iter()
            .filter(|(_, process)| {
                hears(process) && self.voters.iter().any(|(name, _)| *name == process.name)
            })
            .map(|(pod, process)| (process.name.clone(), (pod.clone(), process.clone())))
            .collect();
        let mut lost = Vec::new();
        let stays = self.view.as_ref().is_some_and(|view| {
            let left = view
                .members
                .iter()
                .filter(|(name, pod)| up.get(*name).is_some_and(|(there, _)| there == *pod));
            up.contains_key(&view.leader) && left.count() >= self.majority()
        });
        if !stays {
            self.view = None;
            if up.len() < self.majority() || self.voters.is_empty() {
                self.electing_since = None;
                return lost;
            }
            let since = *self.electing_since.get_or_insert(now_ms);
            if now_ms < since + ELECTION_MS {
                return lost;
            }
            self.electing_since = None;
            lost.extend(self.elect(&up));
        }
        self.go_on(&up, now_ms);
        lost
    }

    fn elect(&mut self, up: &BTreeMap<String, (String, Process)>) -> Option<String> {
        let version = |process: &Process| self.disks.get(&process.claim).map_or(0, |disk| disk.version);
        let best = up.values().map(|(_, process)| version(process)).max().unwrap_or(0);
        let lost = (best < self.committed).then(|| {
            let names: Vec<_> = up.keys().cloned().collect();
            format!("a quorum of {} knows {best} of {} committed values", names.join(","), self.committed)
        });
        let leader = self.voters.iter().map(|(name, _)| name).find(|name| up.contains_key(*name)).cloned();
        let members: BTreeMap<_, _> = up.iter().map(|(name, (pod, _))| (name.clone(), pod.clone())).collect();
        self.election += 2;
        self.view = leader.map(|leader| View { leader, members });
        lost
    }

    /// With a quorum: who has come back joins, a value is committed, learners follow.
    fn go_on(&mut self, up: &BTreeMap<String, (String, Process)>, now_ms: u64) {
        let Some(view) = &mut self.view else { return };
        let caught_up = |process: &Process| now_ms >= process.since_ms + CATCH_UP_MS;
        let was = view.members.clone();
        view.members = up
            .iter()
            .filter(|(name, (pod, process))| was.get(*name) == Some(pod) || caught_up(process))
            .map(|(name, (pod, _))| (name.clone(), pod.clone()))
            .collect();
        self.committed += 1;
        let members = view.members.clone();
        for (pod, process) in &self.processes {
            let follows = self.learners.contains_key(&process.name) && caught_up(process);
            if (members.values().any(|member| member == pod) || follows)
                && let Some(disk) = self.disks.get_mut(&process.claim)
            {
                disk.version = self.committed;
            }
        }
    }

    /// Whether a learner runs and has everything.
    pub(crate) fn lacks(&self, name: &str) -> Option<u64> {
        let process = self.processes.values().find(|process| process.name == name)?;
        let disk = self.disks.get(&process.claim)?;
        let lacks = self.committed - disk.version.min(self.committed);
        (self.learners.contains_key(name) && !self.muted.contains_key(name)).then_some(lacks)
    }

    /// Whether a monitor has all but the newest two values.
    pub(crate) fn has_caught_up(&self, process: &Process) -> bool {
        let version = self.disks.get(&process.claim).map_or(0, |disk| disk.version);
        version + 2 >= self.committed && !self.muted.contains_key(&process.name)
    }

    /// Another leads, if there is another.
    pub(crate) fn step_down(&mut self) -> bool {
        let Some(view) = &mut self.view else { return false };
        let next = self
            .voters
            .iter()
            .map(|(name, _)| name)
            .find(|name| **name != view.leader && view.members.contains_key(*name));
        match next.cloned() {
            Some(next) => {
                view.leader = next;
                self.election += 2;
                true
            }
            None => false,
        }
    }
}

/// `IP` or `IP:PORT` or `v2:IP:PORT/0` as `IP:PORT`.
pub(crate) fn socket(address: &str) -> String {
    let address = address.trim_matches(['[', ']']).trim_start_matches("v2:");
    let address = address.split('/').next().unwrap_or_default();
    if address.contains(':') { address.into() } else { format!("{address}:3300") }
}

/// An option of `mon.yaml`, nested or not.
fn option(config: &Value, name: &str) -> String {
    let short = name.strip_prefix("mon_").unwrap_or(name);
    let pointers = [format!("/{name}"), format!("/mon/{short}")];
    let found = pointers.iter().find_map(|pointer| config.look(pointer));
    match found {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
