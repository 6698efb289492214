//! `MMonGetOSDMap` and `MOSDMap`: OSD maps, incremental and full, as encoded.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::encode::{Decode, Encode};
use crate::id::Fsid;

/// Asks for ranges of OSD map epochs; a last of 0 means none of that kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MMonGetOSDMap {
    /// First full map.
    pub full_first: u32,
    /// Last full map.
    pub full_last: u32,
    /// First incremental.
    pub inc_first: u32,
    /// Last incremental.
    pub inc_last: u32,
}

/// OSD maps by epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MOSDMap {
    /// The cluster.
    pub fsid: Fsid,
    /// Encoded `OSDMap::Incremental`s.
    pub incremental_maps: BTreeMap<u32, Bytes>,
    /// Encoded full maps.
    pub maps: BTreeMap<u32, Bytes>,
    /// The oldest epoch that the sender has; 0 when it does not say.
    pub cluster_osdmap_trim_lower_bound: u32,
    /// The newest epoch that the sender has.
    pub newest_map: u32,
    /// Snapshots removed in epochs that were skipped, as intervals (start to length) by pool.
    pub gap_removed_snaps: BTreeMap<i64, BTreeMap<u64, u64>>,
}
