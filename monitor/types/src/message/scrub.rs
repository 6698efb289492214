//! `MMonScrub`: comparing stores by checksums.

use std::collections::BTreeMap;

use super::op::wire_enum;
use crate::encode::{Decode, Encode};
use crate::id::Version;

wire_enum! {
    /// What a scrub message says.
    ScrubOp: u8, "scrub op" {
        /// The leader asks for the next keys.
        Scrub = 1,
        /// A peon's result.
        Result = 2,
    }
}

/// A step of a scrub.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct MMonScrub {
    /// What it says.
    pub op: ScrubOp,
    /// The Paxos version that is scrubbed.
    pub version: Version,
    /// The result so far.
    pub result: ScrubResult,
    /// How many keys to look at.
    pub num_keys: i32,
    /// Prefix and key to go on from.
    pub key: (String, String),
}

/// Checksums of a part of the store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[denc(version = 1, compat = 1)]
pub struct ScrubResult {
    /// CRC-32C by prefix.
    pub prefix_crc: BTreeMap<String, u32>,
    /// Number of keys by prefix.
    pub prefix_keys: BTreeMap<String, u64>,
}
