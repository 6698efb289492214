//! `MMonHealthChecks`: a peon's own health, to the leader.

use super::PaxosServiceMessage;
use super::opaque::Versioned;
use crate::encode::{Decode, Encode};

/// What a peon finds wrong with itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MMonHealthChecks {
    /// The service prefix.
    pub paxos: PaxosServiceMessage,
    /// The encoded `health_check_map_t`.
    pub health_checks: Versioned,
}
