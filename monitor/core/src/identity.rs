//! Who this monitor is: what does not change while the process lives.

use std::collections::BTreeMap;

use bytes::Bytes;
use mon_types::addr::AddrVec;
use mon_types::features::{Features, MonFeatures};
use mon_types::id::Fsid;
use mon_types::release::Release;

/// What we show of ourselves to peers and clients.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// Our name, without `mon.`.
    pub name: String,
    /// Where we listen.
    pub addrs: AddrVec,
    /// The cluster.
    pub fsid: Fsid,
    /// The release that we show.
    pub release: Release,
    /// The wire features that we show.
    pub features: Features,
    /// The monitor features that we show.
    pub mon_features: MonFeatures,
    /// What `mon metadata` tells of us.
    pub metadata: BTreeMap<String, String>,
    /// The encoded command table that a leader shares with its peons; stock peers insist that it is not empty.
    pub command_table: Bytes,
    /// Monitors to probe besides those in the monmap: the seeds of a first start, hints of the admin socket.
    pub extra_probe_peers: Vec<AddrVec>,
}
