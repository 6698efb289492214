//! `MTimeCheck2`: the leader compares wall clocks.

use std::collections::BTreeMap;

use super::op::wire_enum;
use crate::encode::{Decode, Encode};
use crate::id::Rank;
use crate::time::UTime;

wire_enum! {
    /// What a time check says.
    TimeCheckOp: i32, "timecheck op" {
        /// The leader asks for the time.
        Ping = 1,
        /// A peon's time.
        Pong = 2,
        /// The round's result, to the peons.
        Report = 3,
    }
}

/// A step of a time check round.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct MTimeCheck2 {
    /// What it says.
    pub op: TimeCheckOp,
    /// The election epoch, as 64 bits here.
    pub epoch: u64,
    /// The round: odd while it runs, even once it is finished.
    pub round: u64,
    /// The peon's wall clock.
    pub timestamp: UTime,
    /// Seconds that each monitor's clock is off.
    pub skews: BTreeMap<Rank, f64>,
    /// Round-trip seconds to each monitor.
    pub latencies: BTreeMap<Rank, f64>,
}
