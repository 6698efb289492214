//! A distribution of latencies.

use std::time::Duration;

/// Latencies of operations, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(super) fn new(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        Self(all)
    }

    /// How many.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The latency that this share (0 to 1) of the operations did not exceed; zero when there were none.
    pub(super) fn quantile(&self, share: f64) -> Duration {
        let rank = (share * self.0.len() as f64).ceil() as usize;
        self.0.get(rank.clamp(1, self.0.len().max(1)) - 1).copied().unwrap_or_default()
    }

    /// The arithmetic mean; zero when there were none.
    pub(super) fn mean(&self) -> Duration {
        let count = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0.iter().sum::<Duration>().checked_div(count).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_by_nearest_rank() {
        let latencies = Latencies::new((1..=100).rev().map(Duration::from_millis).collect());
        assert_eq!(latencies.quantile(0.5), Duration::from_millis(50));
        assert_eq!(latencies.quantile(0.99), Duration::from_millis(99));
        assert_eq!(latencies.quantile(0.999), Duration::from_millis(100));
        assert_eq!(latencies.quantile(1.0), Duration::from_millis(100));
        assert_eq!(latencies.mean(), Duration::from_micros(50_500));
        assert_eq!(Latencies::default().quantile(0.5), Duration::ZERO);
        assert_eq!(Latencies::default().mean(), Duration::ZERO);
    }
}
