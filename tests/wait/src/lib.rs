//! Waiting for conditions, and for time to pass, in the suites that drive real daemons.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The pause after the first question; it grows, so that a long wait asks seldom.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// Asks again and again until there is an answer. The pauses between only bound how often.
///
/// # Errors
/// That of the question, at once; or that there was no answer within the patience.
pub fn until<T>(what: &str, patience: Duration, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    let mut pause = PAUSE_MIN;
    loop {
        if let Some(answer) = ask().with_context(|| format!("while waiting for {what}"))? {
            return Ok(answer);
        }
        if start.elapsed() > patience {
            bail!("waited {} s in vain for {what}", patience.as_secs());
        }
        thread::park_timeout(pause);
        pause = (pause * 5 / 4).min(PAUSE_MAX);
    }
}

/// Lets something last: its length is what is chosen here, no condition ends it.
pub fn hold(length: Duration) {
    let start = Instant::now();
    while let Some(left) = length.checked_sub(start.elapsed()) {
        thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_an_error_and_none() {
        let mut asked = 0;
        let third = || {
            asked += 1;
            Ok((asked == 3).then_some(asked))
        };
        assert_eq!(until("the third", Duration::from_secs(60), third).unwrap(), 3);
        let broken = until("it", Duration::from_secs(60), || -> Result<Option<()>> { bail!("broken") });
        assert!(format!("{:#}", broken.unwrap_err()).contains("waiting for it: broken"));
        let never = until("never", Duration::ZERO, || Ok(None::<()>));
        assert!(never.unwrap_err().to_string().contains("in vain for never"));
    }
}
