//! What a monitor is to the quorum.

use serde::Serialize;

/// What we are to the quorum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Finding out who is there.
    #[default]
    Probing,
    /// Copying the store from another.
    Synchronizing,
    /// Choosing a leader.
    Electing,
    /// Leading a quorum.
    Leader,
    /// In a quorum that another leads.
    Peon,
    /// Following a quorum without a vote.
    Learner,
}

impl Role {
    /// Ceph's word for it, as `mon_status` shows it. Ceph has no learners.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Probing => "probing",
            Self::Synchronizing => "synchronizing",
            Self::Electing => "electing",
            Self::Leader => "leader",
            Self::Peon => "peon",
            Self::Learner => "learner",
        }
    }
}
