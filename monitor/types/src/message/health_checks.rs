//! `MMonHealthChecks`: a peon's own health, to the leader.

use super::PaxosServiceMessage;
use crate::encode::{Decode, Encode};
use crate::health::HealthCheckMap;

/// What a peon finds wrong with itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MMonHealthChecks {
    /// The service prefix.
    pub paxos: PaxosServiceMessage,
    /// The checks that are not met.
    pub health_checks: HealthCheckMap,
}
