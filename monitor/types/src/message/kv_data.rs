//! `MKVData`: the content of a `kv:PREFIX` subscription.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::encode::{Decode, Encode};
use crate::id::Version;

/// Keys below a prefix: all of them, or what changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MKVData {
    /// The kv service's version.
    pub version: Version,
    /// The prefix that was subscribed to.
    pub prefix: String,
    /// Whether only changes are listed.
    pub incremental: bool,
    /// Values by key; none for a removed key.
    pub data: BTreeMap<String, Option<Bytes>>,
}
