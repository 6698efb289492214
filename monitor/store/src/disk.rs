//! How full the disk under the store is, and when that matters.

use std::io;
use std::path::Path;

/// The state of a file system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskSpace {
    /// Its size in bytes.
    pub bytes_total: u64,
    /// What we can still write, without what is kept for root.
    pub bytes_available: u64,
}

/// From which percentage of available space on something must be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskLimits {
    /// At or below: warn (`mon_data_avail_warn`).
    pub warn_percent: u8,
    /// At or below: accept no more writes (`mon_data_avail_crit`).
    pub stop_percent: u8,
}

/// What a measurement means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiskLevel {
    /// Nothing to say.
    Enough,
    /// Worth a warning.
    Low,
    /// Writes must be refused while there is still room for what keeps the store whole.
    Critical,
}

impl Default for DiskLimits {
    /// Ceph's defaults.
    fn default() -> Self {
        Self { warn_percent: 30, stop_percent: 5 }
    }
}

impl DiskSpace {
    /// Measures the file system that holds `path`.
    ///
    /// # Errors
    /// What the system says.
    pub fn measure(path: &Path) -> io::Result<Self> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(Self {
            bytes_total: stat.f_blocks.saturating_mul(stat.f_frsize),
            bytes_available: stat.f_bavail.saturating_mul(stat.f_frsize),
        })
    }

    /// How much is available, in whole percent, rounded down. A file system without a size counts as empty.
    #[must_use]
    pub fn available_percent(&self) -> u8 {
        let percent = (u128::from(self.bytes_available) * 100).checked_div(u128::from(self.bytes_total));
        percent.map_or(100, |percent| percent.min(100) as u8)
    }

    /// What it means under these limits.
    #[must_use]
    pub fn level(&self, limits: DiskLimits) -> DiskLevel {
        let percent = self.available_percent();
        if percent <= limits.stop_percent {
            DiskLevel::Critical
        } else if percent <= limits.warn_percent {
            DiskLevel::Low
        } else {
            DiskLevel::Enough
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_include_their_value() {
        let level =
            |bytes_available| DiskSpace { bytes_total: 1000, bytes_available }.level(DiskLimits::default());
        assert_eq!(level(1000), DiskLevel::Enough);
        assert_eq!(level(310), DiskLevel::Enough);
        assert_eq!(level(309), DiskLevel::Low);
        assert_eq!(level(60), DiskLevel::Low);
        assert_eq!(level(59), DiskLevel::Critical);
        assert_eq!(level(0), DiskLevel::Critical);
        assert_eq!(DiskSpace::default().level(DiskLimits::default()), DiskLevel::Enough);
    }

    #[test]
    fn this_file_system_has_a_size() {
        let space = DiskSpace::measure(Path::new(".")).unwrap();
        assert!(space.bytes_total > 0 && space.bytes_available <= space.bytes_total);
    }
}
