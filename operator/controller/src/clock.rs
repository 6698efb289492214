//! The time: the system's, or that of a simulated cluster.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Tells the time.
#[derive(Debug, Clone, Copy)]
pub enum Clock {
    /// The system's.
    System,
    /// So late at the start, and from there on as tokio's clock says, which a test may have paused.
    Simulated {
        /// The start by tokio's clock.
        began: Instant,
        /// The time at the start.
        at: Timestamp,
    },
}

impl Clock {
    /// A clock that shows `at` now and goes on with tokio's.
    pub fn simulated(at: Timestamp) -> Self {
        Self::Simulated { began: Instant::now(), at }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Simulated { began, at } => {
                let passed = SignedDuration::try_from(began.elapsed()).unwrap_or(SignedDuration::MAX);
                at.checked_add(passed).unwrap_or(Timestamp::MAX)
            }
        }
    }
}
