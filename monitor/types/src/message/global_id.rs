//! `MMonGlobalID`: a peon runs short of global ids.

use super::PaxosServiceMessage;
use crate::encode::{Decode, Encode};
use crate::id::GlobalId;

/// Asks the leader to raise the highest global id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MMonGlobalID {
    /// The service prefix.
    pub paxos: PaxosServiceMessage,
    /// The highest that the peon knows of.
    pub old_max_id: GlobalId,
}
