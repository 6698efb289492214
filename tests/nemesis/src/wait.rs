//! Waiting for conditions, and for time to pass.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Asks again and again until there is an answer. The pause only bounds how often.
pub(crate) fn until<T>(
    what: &str,
    patience: Duration,
    mut ask: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().with_context(|| format!("while waiting for {what}"))? {
            return Ok(answer);
        }
        if start.elapsed() > patience {
            bail!("waited {} s in vain for {what}", patience.as_secs());
        }
        thread::park_timeout(Duration::from_millis(20));
    }
}

/// Lets a fault last: its length is what is chosen here, no condition ends it.
pub(crate) fn hold(length: Duration) {
    let start = Instant::now();
    while let Some(left) = length.checked_sub(start.elapsed()) {
        thread::park_timeout(left);
    }
}
