//! `ConnectionTracker`: how well monitors reach each other, for connectivity elections.
//!
//! ```text
//! ConnectionTracker: ENCODE(1,1){ i32 rank | u32 epoch | u64 version | f64 half_life_s
//!                  | map<i32 rank, ConnectionReport> }
//! ConnectionReport:  ENCODE(1,1){ i32 rank | map<i32, bool> current | map<i32, f64> history
//!                  | u32 epoch | u64 epoch_version }
//! ```

use std::collections::BTreeMap;

use crate::encode::{Decode, Encode};

/// One monitor's view of all members' views.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
#[denc(version = 1, compat = 1)]
pub struct ConnectionTracker {
    /// Whose view; -1 before it has a rank.
    pub rank: i32,
    /// The election epoch.
    pub epoch: u32,
    /// Counts changes inside the epoch.
    pub version: u64,
    /// After how many seconds half of a score is forgotten.
    pub half_life_s: f64,
    /// The newest report of each member.
    pub reports: BTreeMap<i32, ConnectionReport>,
}

/// What one member says of its connections.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
#[denc(version = 1, compat = 1)]
pub struct ConnectionReport {
    /// Which member.
    pub rank: i32,
    /// Whether it reaches each other member now.
    pub current: BTreeMap<i32, bool>,
    /// The score of each other member, from 0 (never reached) to 1 (always).
    pub history: BTreeMap<i32, f64>,
    /// The election epoch of the report.
    pub epoch: u32,
    /// Its version inside the epoch.
    pub epoch_version: u64,
}

impl ConnectionReport {
    /// Whether the other report is newer.
    #[must_use]
    pub fn is_older_than(&self, other: &Self) -> bool {
        (self.epoch, self.epoch_version) < (other.epoch, other.epoch_version)
    }
}
