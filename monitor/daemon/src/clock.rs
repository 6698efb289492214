//! The host's clocks, the only place that reads them for the core.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mon_core::now::Now;
use mon_types::time::UTime;
use tokio::time::Instant;

/// Monotonic time counts from the clock's creation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts counting.
    pub(crate) fn new() -> Self {
        Self { start: Instant::now() }
    }

    /// Both clocks as of now.
    pub(crate) fn now(&self) -> Now {
        // A wall clock before 1970 reads as 1970: nothing that we compute with it can be right anyway, and the
        // skew check reports it.
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { mono: self.start.elapsed(), wall: UTime::from_duration(wall) }
    }

    /// The instant of a monotonic reading.
    pub(crate) fn instant(&self, mono: Duration) -> Instant {
        self.start + mono
    }
}
