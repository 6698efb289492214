//! `MMonGetVersion`: which versions of a map exist.

use crate::encode::{Decode, Encode};
use crate::id::Version;

/// Asks for a map's versions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MMonGetVersion {
    /// Repeated in the answer.
    pub handle: u64,
    /// The map (`osdmap`, `monmap`, `mdsmap`, `fsmap`).
    pub what: String,
}

/// The answer to a [`MMonGetVersion`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MMonGetVersionReply {
    /// As asked.
    pub handle: u64,
    /// The newest version.
    pub version: Version,
    /// The oldest that is kept.
    pub oldest_version: Version,
}
