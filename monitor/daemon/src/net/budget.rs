//! How many bytes all clients together make us keep: answers that they do not read, messages that they do not
//! finish. Each session has limits of its own, but there may be thousands of them.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The sum over all sessions, and its bound.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicUsize,
    bytes_max: usize,
    /// Who keeps no more than this is not to blame, whatever the sum is.
    blameless_max: usize,
}

/// One session's part, given back when it is dropped.
pub(crate) struct Share<'a> {
    budget: &'a Budget,
    bytes: usize,
}

/// The sum is over its bound, and this session is among those that keep a lot.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("all clients together keep too much, {0} bytes of it by this one")]
pub(crate) struct OverBudget(usize);

impl Budget {
    /// At most `bytes_max` by those that keep more than an even part of it.
    pub(crate) fn new(bytes_max: usize, sessions_max: usize) -> Self {
        Self { used: AtomicUsize::new(0), bytes_max, blameless_max: bytes_max / sessions_max.max(1) }
    }

    pub(crate) fn share(&self) -> Share<'_> {
        Share { budget: self, bytes: 0 }
    }
}

impl Share<'_> {
    /// The session keeps this much now.
    ///
    /// # Errors
    /// The session should be closed.
    pub(crate) fn set(&mut self, bytes: usize) -> Result<(), OverBudget> {
        let before = std::mem::replace(&mut self.bytes, bytes);
        let used = &self.budget.used;
        // Wraps around where the session keeps less than before.
        let change = bytes.wrapping_sub(before);
        let sum = used.fetch_add(change, Ordering::Relaxed).wrapping_add(change);
        if sum > self.budget.bytes_max && bytes > self.budget.blameless_max {
            return Err(OverBudget(bytes));
        }
        Ok(())
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_keeps_much_goes_when_all_together_keep_too_much() {
        let budget = Budget::new(1000, 10);
        let (mut slow, mut fast, mut slower) = (budget.share(), budget.share(), budget.share());
        assert_eq!(slow.set(600), Ok(()));
        assert_eq!(fast.set(100), Ok(()));
        assert_eq!(slower.set(500), Err(OverBudget(500)));
        assert_eq!(fast.set(99), Ok(()), "it is not to blame");
        drop(slower);
        assert_eq!(slow.set(500), Ok(()));
        assert_eq!(slow.set(0), Ok(()));
        drop((slow, fast));
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }
}
