//! `MMonSync`: copying the store to a monitor that is too far behind.

use bytes::Bytes;

use super::entity_inst::EntityInst;
use super::op::wire_enum;
use crate::encode::{Decode, Encode};
use crate::id::Version;

wire_enum! {
    /// What a sync message says.
    SyncOp: u32, "sync op" {
        /// Asks for everything.
        CookieFull = 1,
        /// Asks for the Paxos values after `last_committed`.
        CookieRecent = 2,
        /// The provider agrees.
        Cookie = 3,
        /// Asks for the next chunk.
        GetChunk = 4,
        /// A chunk; more will come.
        Chunk = 5,
        /// The last chunk.
        LastChunk = 6,
        /// The provider does not (or no longer) serve this sync.
        NoCookie = 8,
    }
}

/// A step of a store sync.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct MMonSync {
    /// What it says.
    pub op: SyncOp,
    /// The provider's number for this sync.
    pub cookie: u64,
    /// From the requester what it has; from the provider what the chunk leads to.
    pub last_committed: Version,
    /// Unused, empty.
    pub last_prefix: String,
    /// Unused, empty.
    pub last_key: String,
    /// An encoded store transaction.
    pub chunk: Bytes,
    /// Unused; a blank `entity_inst_t` of another monitor.
    pub reply_to: EntityInst,
}

impl MMonSync {
    /// A message of this kind without a chunk.
    #[must_use]
    pub fn new(op: SyncOp, cookie: u64) -> Self {
        Self {
            op,
            cookie,
            last_committed: Version(0),
            last_prefix: String::new(),
            last_key: String::new(),
            chunk: Bytes::new(),
            reply_to: EntityInst::default(),
        }
    }
}
