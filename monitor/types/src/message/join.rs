//! `MMonJoin`: a monitor asks to be put into the monmap.

use std::collections::BTreeMap;

use super::PaxosServiceMessage;
use crate::addr::AddrVec;
use crate::encode::{Decode, Encode};
use crate::id::Fsid;

/// A request to be added, or to be listed under other addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MMonJoin {
    /// The service prefix.
    pub paxos: PaxosServiceMessage,
    /// The cluster.
    pub fsid: Fsid,
    /// The monitor's name, without `mon.`.
    pub name: String,
    /// Its addresses.
    pub addrs: AddrVec,
    /// Where the monitor is, for stretch clusters.
    pub crush_loc: BTreeMap<String, String>,
    /// Whether `crush_loc` replaces what the map has.
    pub force_loc: bool,
}
