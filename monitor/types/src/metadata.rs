//! What monitors and daemons tell about themselves: host name, version, kernel and so on.

use std::collections::BTreeMap;

use crate::encode::{Decode, Encode};

/// One daemon's properties.
pub type Metadata = BTreeMap<String, String>;

/// The value of `monitor_store/last_metadata`: the members' properties by rank.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct LastMetadata(pub BTreeMap<i32, Metadata>);
