//! `MMonSubscribe` and its acknowledgement.

use std::collections::BTreeMap;

use crate::encode::{Decode, Encode};
use crate::id::{Fsid, Version};

/// What a client wants to be told, by name (`monmap`, `config`, `osdmap`, `log-info`, `kv:prefix` ...).
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MMonSubscribe {
    /// The subscriptions, each replacing an earlier one of the same name.
    pub what: BTreeMap<String, SubscribeItem>,
    /// The client's host, for placing its configuration.
    pub hostname: String,
}

/// One subscription.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct SubscribeItem {
    /// The first version that the client does not have yet.
    pub start: Version,
    /// [`SubscribeItem::ONETIME`] or 0.
    pub flags: u8,
}

impl SubscribeItem {
    /// The subscription ends with the first answer.
    pub const ONETIME: u8 = 1;

    /// Whether it ends with the first answer.
    #[must_use]
    pub fn is_onetime(self) -> bool {
        self.flags & Self::ONETIME != 0
    }
}

/// Tells clients without stateful subscriptions when to renew them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MMonSubscribeAck {
    /// Seconds until the subscription lapses.
    pub interval: u32,
    /// The cluster.
    pub fsid: Fsid,
}
