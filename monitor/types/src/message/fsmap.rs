//! `MMDSMap`, `MFSMap` and `MFSMapUser`: file system maps, as encoded.

use bytes::Bytes;

use super::opaque::Rest;
use crate::encode::{Decode, Encode};
use crate::id::Fsid;

/// One file system's map, to its daemons and clients.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MMDSMap {
    /// The cluster.
    pub fsid: Fsid,
    /// The map's epoch.
    pub epoch: u32,
    /// The encoded `MDSMap`.
    pub encoded: Bytes,
    /// The file system's name.
    pub map_fs_name: String,
}

/// The map of all file systems.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MFSMap {
    /// The map's epoch.
    pub epoch: u32,
    /// The encoded `FSMap`.
    pub fsmap: Rest,
}

/// What clients need of the map of all file systems.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MFSMapUser {
    /// The map's epoch.
    pub epoch: u32,
    /// The encoded `FSMapUser`.
    pub fsmap: Rest,
}
