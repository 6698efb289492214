//! `MMonUsedPendingKeys`: entities have logged in with the key that is to replace their present one.

use std::collections::BTreeMap;

use super::PaxosServiceMessage;
use crate::crypto_key::CryptoKey;
use crate::encode::{Decode, Encode};
use crate::entity::EntityName;

/// What a peon saw, so that the leader makes the pending keys the present ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MMonUsedPendingKeys {
    /// The service prefix.
    pub paxos: PaxosServiceMessage,
    /// The key that each entity proved.
    pub keys: BTreeMap<EntityName, CryptoKey>,
}
