//! `entity_inst_t`: a numbered name with an address, which old messages carry unused.

use crate::addr::EntityAddr;
use crate::encode::{Decode, Encode};
use crate::entity::EntityInstanceName;

/// A process: its numbered name and its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct EntityInst {
    /// The name.
    pub name: EntityInstanceName,
    /// The address.
    pub addr: EntityAddr,
}

impl Default for EntityInst {
    /// The blank one.
    fn default() -> Self {
        Self { name: EntityInstanceName { kind: 0, number: 0 }, addr: EntityAddr::default() }
    }
}
