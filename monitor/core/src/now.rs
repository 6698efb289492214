//! Time as an input.

use std::time::Duration;

use mon_types::time::UTime;

/// The two clocks at the moment of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Monotonic time since an arbitrary start. Every timeout, lease and deadline uses this one.
    pub mono: Duration,
    /// Wall-clock time. For what people and stock peers read: stamps, tickets, the skew check.
    pub wall: UTime,
}
