//! The fields that every message to a Paxos service starts with.

use crate::encode::{Decode, Encode};
use crate::id::Version;

/// `PaxosServiceMessage`: the version that the sender has seen, and two fields that nobody uses any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct PaxosServiceMessage {
    /// The service version that the reader must have reached before it answers; 0 for any.
    pub version: Version,
    /// Always -1.
    pub session_mon: i16,
    /// Always 0.
    pub session_mon_tid: u64,
}

impl Default for PaxosServiceMessage {
    fn default() -> Self {
        Self { version: Version(0), session_mon: -1, session_mon_tid: 0 }
    }
}

impl PaxosServiceMessage {
    /// The prefix of a message that shows or asks for a version.
    #[must_use]
    pub fn at(version: Version) -> Self {
        Self { version, ..Self::default() }
    }
}
