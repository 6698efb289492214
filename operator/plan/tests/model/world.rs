//! Kubernetes and monitors, as far as the plan can tell: who has which objects, whose process runs, who votes.

use std::collections::{BTreeMap, BTreeSet};

use moncluster_api::{MemberName, Moment, MonClusterStatus};
use moncluster_plan::{Action, Role, Verb};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct World {
    pub(crate) now: Moment,
    pub(crate) replicas: u32,
    pub(crate) revision: u32,
    pub(crate) request: Option<String>,
    pub(crate) status: MonClusterStatus,
    pub(crate) finalizer: bool,
    pub(crate) nodes: BTreeMap<String, Node>,
    pub(crate) services: BTreeMap<MemberName, String>,
    pub(crate) claims: BTreeMap<MemberName, Claim>,
    pub(crate) sets: BTreeMap<MemberName, Set>,
    pub(crate) pods: BTreeMap<MemberName, Pod>,
    pub(crate) map: Option<Map>,
    pub(crate) favourite: Option<MemberName>,
    /// Names that ever had a claim.
    pub(crate) used: BTreeSet<MemberName>,
    /// How many pods each member has had, for their UIDs.
    pub(crate) pods_made: BTreeMap<MemberName, u32>,
    /// For ids of operations.
    pub(crate) counter: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) alive: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) uid: String,
    pub(crate) node: Option<String>,
    pub(crate) fsid: String,
    pub(crate) address: String,
    pub(crate) retired_until: Option<Moment>,
    pub(crate) lost: bool,
    /// Whether a store was ever made or synced on it.
    pub(crate) has_store: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Set {
    pub(crate) uid: String,
    pub(crate) role: Role,
    pub(crate) revision: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pod {
    pub(crate) uid: String,
    pub(crate) node: Option<String>,
    pub(crate) role: Role,
    pub(crate) revision: u32,
    pub(crate) started: bool,
    pub(crate) deleting: bool,
    /// The store was missing where there had to be one.
    pub(crate) failed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Map {
    pub(crate) epoch: u32,
    pub(crate) voters: BTreeMap<MemberName, String>,
    pub(crate) learners: BTreeMap<MemberName, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    KillNode,
    ReviveNode,
    DeleteNode,
    LoseVolume,
    DeletePod,
    DeleteStatefulSet,
    DeleteService,
}

impl World {
    pub(crate) fn new(replicas: u32, nodes: usize) -> Self {
        Self {
            now: Moment::from_unix_seconds(1_800_000_000),
            replicas,
            revision: 1,
            request: None,
            status: MonClusterStatus::default(),
            finalizer: false,
            nodes: (1..=nodes).map(|n| (format!("n{n}"), Node { alive: true })).collect(),
            services: BTreeMap::new(),
            claims: BTreeMap::new(),
            sets: BTreeMap::new(),
            pods: BTreeMap::new(),
            map: None,
            favourite: None,
            used: BTreeSet::new(),
            pods_made: BTreeMap::new(),
            counter: 0,
        }
    }

    pub(crate) fn ask(&mut self, verb: &str) {
        self.request = Some(format!("{verb}:{}", self.now));
    }

    /// Whether a monitor's process runs.
    pub(crate) fn runs(&self, name: &MemberName) -> bool {
        let Some(pod) = self.pods.get(name) else { return false };
        let alive = pod.node.as_ref().and_then(|node| self.nodes.get(node)).is_some_and(|node| node.alive);
        let store = self.claims.get(name).is_some_and(|claim| !claim.lost && claim.has_store);
        pod.started && alive && store && !pod.failed && self.services.contains_key(name)
    }

    /// Voters whose processes run.
    pub(crate) fn live(&self) -> BTreeSet<MemberName> {
        let voters = self.map.iter().flat_map(|map| map.voters.keys());
        voters.filter(|name| self.runs(name)).cloned().collect()
    }

    pub(crate) fn has_quorum(&self) -> bool {
        self.map.as_ref().is_some_and(|map| self.live().len() > map.voters.len() / 2)
    }

    pub(crate) fn leader(&self) -> Option<MemberName> {
        let live = self.live();
        self.favourite.as_ref().filter(|name| live.contains(*name)).or(live.first()).cloned()
    }

    /// Whether as many as were asked for vote and are in quorum.
    pub(crate) fn is_full(&self) -> bool {
        self.map.as_ref().is_some_and(|map| {
            map.voters.len() as u32 == self.replicas && self.live().len() as u32 == self.replicas
        })
    }

    /// Whether everybody who votes is in quorum.
    pub(crate) fn all_in_quorum(&self) -> bool {
        self.map.as_ref().is_some_and(|map| map.voters.len() == self.live().len())
    }

    /// Whether a quorum can still be had from what is left.
    pub(crate) fn can_recover(&self) -> bool {
        let Some(map) = &self.map else {
            // A first monitor whose volume is lost before it led is left to people.
            return self.claims.values().all(|claim| {
                let node = claim.node.as_ref();
                !claim.lost && node.is_none_or(|node| self.nodes.get(node).is_some_and(|n| n.alive))
            });
        };
        let could = |name: &&MemberName| {
            let claim = self.claims.get(*name).filter(|claim| !claim.lost);
            claim.is_some_and(|claim| {
                claim.node.as_ref().is_none_or(|node| self.nodes.get(node).is_some_and(|node| node.alive))
            })
        };
        map.voters.keys().filter(could).count() > map.voters.len() / 2
    }

    /// One thing that Kubernetes or a monitor does by itself.
    pub(crate) fn settle(&mut self) -> bool {
        self.collect_garbage() || self.make_pods() || self.schedule() || self.start() || self.sync()
    }

    fn collect_garbage(&mut self) -> bool {
        let gone: Vec<_> = self
            .pods
            .iter()
            .filter(|(name, pod)| {
                let orphan = !self.sets.contains_key(*name);
                let node = pod.node.as_ref().map(|node| self.nodes.get(node));
                // Without its node a pod is removed at once; on a dead one it hangs.
                node == Some(None)
                    || ((orphan || pod.deleting) && node.is_none_or(|node| node.is_some_and(|n| n.alive)))
            })
            .map(|(name, _)| name.clone())
            .collect();
        gone.iter().for_each(|name| {
            self.pods.remove(name);
        });
        !gone.is_empty()
    }

    fn make_pods(&mut self) -> bool {
        let missing = self.sets.keys().find(|name| !self.pods.contains_key(*name)).cloned();
        let Some(name) = missing else { return false };
        let set = self.sets[&name].clone();
        let made = self.pods_made.entry(name.clone()).or_default();
        *made += 1;
        let uid = format!("pod-{name}-{made}");
        self.pods.insert(
            name,
            Pod {
                uid,
                node: None,
                role: set.role,
                revision: set.revision,
                started: false,
                deleting: false,
                failed: false,
            },
        );
        true
    }

    fn schedule(&mut self) -> bool {
        let waiting: Vec<_> =
            self.pods.iter().filter(|(_, pod)| pod.node.is_none()).map(|(name, _)| name.clone()).collect();
        for name in waiting {
            let Some(claim) = self.claims.get(&name).filter(|claim| !claim.lost) else { continue };
            let taken: BTreeSet<_> = self.pods.values().filter_map(|pod| pod.node.clone()).collect();
            let fits = |node: &&String| {
                self.nodes[*node].alive
                    && !taken.contains(*node)
                    && claim.node.as_ref().is_none_or(|tied| tied == *node)
            };
            if let Some(node) = self.nodes.keys().find(fits).cloned() {
                self.pods.get_mut(&name).unwrap().node = Some(node.clone());
                self.claims.get_mut(&name).unwrap().node = Some(node);
                return true;
            }
        }
        false
    }

    pub(crate) fn is_unschedulable(&self, name: &MemberName) -> bool {
        let mut after = self.clone();
        self.pods.get(name).is_some_and(|pod| pod.node.is_none()) && {
            while after.schedule() {}
            after.pods[name].node.is_none()
        }
    }

    fn start(&mut self) -> bool {
        let ready = self.pods.iter().find(|(name, pod)| {
            let alive = pod.node.as_ref().and_then(|node| self.nodes.get(node)).is_some_and(|n| n.alive);
            let claim = self.claims.get(*name).is_some_and(|claim| !claim.lost);
            alive && claim && !pod.started && !pod.failed && !pod.deleting
        });
        let Some((name, role)) = ready.map(|(name, pod)| (name.clone(), pod.role)) else { return false };
        let claim = self.claims.get_mut(&name).unwrap();
        let votes = self.map.as_ref().is_some_and(|map| map.voters.contains_key(&name));
        match (role, claim.has_store) {
            (_, true) => {}
            (Role::Voter, false) => {
                self.pods.get_mut(&name).unwrap().failed = true;
                return true;
            }
            (Role::Bootstrap, false) => {
                assert!(self.map.is_none(), "mon.{name} makes a second cluster");
                claim.has_store = true;
                let voters = BTreeMap::from([(name.clone(), claim.address.clone())]);
                self.map = Some(Map { epoch: 1, voters, learners: BTreeMap::new() });
            }
            // It has one only after the sync.
            (Role::Learner, false) => assert!(!votes, "voter mon.{name} starts with an empty store"),
        }
        self.pods.get_mut(&name).unwrap().started = true;
        true
    }

    fn sync(&mut self) -> bool {
        if !self.has_quorum() {
            return false;
        }
        let Some(map) = &self.map else { return false };
        let fresh = map.learners.keys().find(|name| {
            let started = self.pods.get(*name).is_some_and(|pod| pod.started);
            started && self.claims.get(*name).is_some_and(|claim| !claim.has_store && !claim.lost)
        });
        let Some(name) = fresh.cloned() else { return false };
        self.claims.get_mut(&name).unwrap().has_store = true;
        true
    }

    /// Every way in which this fault can strike.
    pub(crate) fn strike(&self, fault: Fault) -> Vec<Self> {
        let mut worlds = Vec::new();
        let mut each = |strike: &dyn Fn(&mut Self)| {
            let mut world = self.clone();
            strike(&mut world);
            worlds.push(world);
        };
        match fault {
            Fault::KillNode | Fault::DeleteNode => {
                // Empty nodes are all alike.
                let used: BTreeSet<_> = self.pods.values().filter_map(|pod| pod.node.clone()).collect();
                for name in used.iter().filter(|name| self.nodes.get(*name).is_some_and(|n| n.alive)) {
                    each(&|world| {
                        if fault == Fault::KillNode {
                            world.nodes.get_mut(name).unwrap().alive = false;
                        } else {
                            world.nodes.remove(name);
                        }
                        for pod in world.pods.values_mut().filter(|pod| pod.node.as_ref() == Some(name)) {
                            pod.started = false;
                        }
                    });
                }
            }
            Fault::ReviveNode => {
                for name in self.nodes.iter().filter(|(_, node)| !node.alive).map(|(name, _)| name) {
                    each(&|world| world.nodes.get_mut(name).unwrap().alive = true);
                }
            }
            Fault::LoseVolume => {
                for name in self.claims.iter().filter(|(_, claim)| !claim.lost).map(|(name, _)| name) {
                    each(&|world| world.claims.get_mut(name).unwrap().lost = true);
                }
            }
            Fault::DeletePod => {
                for name in self.pods.keys() {
                    each(&|world| {
                        world.pods.remove(name);
                    });
                }
            }
            Fault::DeleteStatefulSet => {
                for name in self.sets.keys() {
                    each(&|world| {
                        world.sets.remove(name);
                    });
                }
            }
            Fault::DeleteService => {
                for name in self.services.keys() {
                    each(&|world| {
                        world.services.remove(name);
                    });
                }
            }
        }
        worlds
    }

    /// What the API server or the monitors make of an action. Wrong preconditions do nothing.
    pub(crate) fn execute(&mut self, action: &Action) {
        match action {
            Action::AddFinalizer => self.finalizer = true,
            Action::RemoveFinalizer => self.finalizer = false,
            Action::ApplyService { member, cluster_ip, .. } => {
                let fresh = format!("10.0.0.{}", member.index().unwrap());
                self.services.entry(member.clone()).or_insert_with(|| cluster_ip.clone().unwrap_or(fresh));
            }
            Action::DeleteService { member, .. } => {
                self.services.remove(member);
            }
            Action::CreateClaim { member, fsid, address } => {
                assert!(self.used.insert(member.clone()), "the name {member} is used twice");
                let uid = format!("claim-{member}");
                let (fsid, address) = (fsid.clone(), address.clone());
                let claim = Claim {
                    uid,
                    node: None,
                    fsid,
                    address,
                    retired_until: None,
                    lost: false,
                    has_store: false,
                };
                self.claims.insert(member.clone(), claim);
            }
            Action::RetireClaim { member, target, until } => {
                if let Some(claim) = self.claims.get_mut(member).filter(|claim| claim.uid == target.uid) {
                    claim.retired_until = Some(*until);
                }
            }
            Action::DeleteClaim { member, target } => {
                if self.claims.get(member).is_some_and(|claim| claim.uid == target.uid) {
                    self.claims.remove(member);
                }
            }
            Action::ApplyStatefulSet { member, role, .. } => {
                let (uid, revision, role) = (format!("set-{member}"), self.revision, *role);
                let set = self.sets.entry(member.clone()).or_insert(Set { uid, role, revision });
                set.role = role;
                set.revision = revision;
            }
            Action::DeleteStatefulSet { member, target } => {
                if self.sets.get(member).is_some_and(|set| set.uid == target.uid) {
                    self.sets.remove(member);
                    self.stop(member);
                }
            }
            Action::EvictPod { member, target } | Action::DeletePod { member, target } => {
                if self.pods.get(member).is_some_and(|pod| pod.uid == target.uid) {
                    self.stop(member);
                }
            }
            Action::Monitor(call) => self.command(call.expected_epoch, &call.verb),
            Action::ApplySupport { .. } | Action::DeleteSupport { .. } | Action::ResizeClaim { .. } => {
                unreachable!("the model has no such objects: {action:?}")
            }
        }
    }

    fn stop(&mut self, member: &MemberName) {
        if let Some(pod) = self.pods.get_mut(member) {
            pod.deleting = true;
            pod.started = false;
        }
    }

    fn command(&mut self, epoch: u32, verb: &Verb) {
        if !self.has_quorum() {
            return;
        }
        let (leader, live) = (self.leader(), self.live());
        let runs: BTreeSet<_> = self.pods.keys().filter(|name| self.runs(name)).cloned().collect();
        let Some(map) = self.map.as_mut().filter(|map| map.epoch == epoch) else { return };
        match verb {
            Verb::AddLearner { name, address } => {
                map.learners.insert(name.clone(), address.clone());
            }
            Verb::RemoveLearner { name } => {
                map.learners.remove(name);
            }
            Verb::Add { name, address } => {
                map.learners.remove(name);
                map.voters.insert(name.clone(), address.clone());
                map.epoch += 1;
            }
            Verb::Remove { name } => {
                map.voters.remove(name);
                map.epoch += 1;
            }
            Verb::Replace { voter, learner } => {
                if let Some(address) = map.learners.get(learner).filter(|_| runs.contains(learner)).cloned() {
                    map.learners.remove(learner);
                    map.voters.remove(voter);
                    map.voters.insert(learner.clone(), address);
                    map.epoch += 1;
                }
            }
            Verb::StepDown => {
                self.favourite = live.iter().find(|name| Some(*name) != leader.as_ref()).cloned()
            }
        }
    }
}
