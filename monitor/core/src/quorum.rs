//! What the two halves of the core tell each other: the quorum as it stands, reads to confirm, orders.

use std::collections::{BTreeMap, BTreeSet};

use mon_types::addr::AddrVec;
use mon_types::features::{Features, MonFeatures};
use mon_types::id::{Epoch, Rank};

/// A read that waits until everything acknowledged before it is surely visible here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ReadId(pub u64);

/// A quorum that stands and in which we are (or, as a learner, that we follow).
#[derive(Debug, Clone, PartialEq)]
pub struct QuorumView {
    /// The election epoch, even.
    pub epoch: Epoch,
    /// Who leads.
    pub leader: Rank,
    /// Where the leader is.
    pub leader_addrs: AddrVec,
    /// Whether that is us.
    pub we_lead: bool,
    /// Whether we follow without a vote.
    pub learner: bool,
    /// Who takes part.
    pub members: BTreeSet<Rank>,
    /// The wire features that all of them have.
    pub features: Features,
    /// The monitor features that all of them have.
    pub mon_features: MonFeatures,
    /// The oldest release among them, by number; 0 when a member did not say.
    pub release_min: u8,
    /// What each of them told of itself; only the leader has it.
    pub metadata: BTreeMap<Rank, BTreeMap<String, String>>,
    /// Whether every member is one of ours, so that what Ceph lacks can be used.
    pub all_ours: bool,
}

/// What the services want the consensus to do, because a command asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Hand leadership over; nothing when we do not lead.
    StepDown,
    /// Leave the quorum and stay out until told to come back.
    QuorumExit,
    /// Come back.
    QuorumEnter,
    /// Forget the store's content at the next start and take it from the others.
    SyncForce,
    /// Probe these addresses as well.
    AddPeerHint(AddrVec),
    /// Forget the history of connection scores.
    ResetConnectionScores,
}
