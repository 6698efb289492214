//! `utime_t`: wall-clock time as Ceph stores and sends it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::encode::{Decode, Encode};

/// Seconds and nanoseconds since the Unix epoch (or a plain duration, where a field means one).
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
pub struct UTime {
    /// Whole seconds.
    pub sec: u32,
    /// Nanoseconds, below 10^9 in what Ceph writes; not checked, because it is stored and shown as read.
    pub nsec: u32,
}

impl UTime {
    /// The time a duration after the Unix epoch; saturates in 2106, where the format ends.
    #[must_use]
    pub fn from_duration(since_epoch: Duration) -> Self {
        match u32::try_from(since_epoch.as_secs()) {
            Ok(sec) => Self { sec, nsec: since_epoch.subsec_nanos() },
            Err(_) => Self { sec: u32::MAX, nsec: 999_999_999 },
        }
    }

    /// The duration since the Unix epoch.
    #[must_use]
    pub fn to_duration(self) -> Duration {
        Duration::from_secs(u64::from(self.sec)) + Duration::from_nanos(u64::from(self.nsec))
    }

    /// Whether this is the all-zero time that Ceph uses for "not set".
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::default()
    }
}
