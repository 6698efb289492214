//! `MConfig` and `MGetConfig`: options from the cluster's configuration database.

use std::collections::BTreeMap;

use crate::encode::{Decode, Encode};
use crate::entity::EntityName;

/// All options that apply to the receiver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MConfig {
    /// Values by option name.
    pub config: BTreeMap<String, String>,
}

/// Asks which options apply to an entity.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct MGetConfig {
    /// Whose options.
    pub name: EntityName,
    /// The host it runs on.
    pub host: String,
    /// The class of its device, for OSDs.
    pub device_class: String,
}
