//! `MLog` and `MLogAck`: cluster log entries from daemons and clients.

use super::PaxosServiceMessage;
use crate::encode::{Decode, Encode};
use crate::id::{Fsid, Version};
use crate::log::LogEntry;

/// Entries for the cluster log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MLog {
    /// The service prefix.
    pub paxos: PaxosServiceMessage,
    /// The cluster.
    pub fsid: Fsid,
    /// The entries.
    pub entries: Vec<LogEntry>,
}

/// Tells the sender that its entries are committed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MLogAck {
    /// The cluster.
    pub fsid: Fsid,
    /// The highest sequence number of the sender's that is in the log.
    pub last: Version,
    /// The channel that the entries went to.
    pub channel: String,
}
