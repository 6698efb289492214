//! The breaker: so many replacements within an hour, and longer pauses after each failure in a row.

use std::time::Duration;

use crate::planner::{HOUR, Planner};

/// Why no replacement may start now.
pub(crate) fn why_not(p: &Planner<'_>) -> Option<String> {
    let now = p.now();
    let healing = &p.status.healing;
    let recent = healing.replacements.iter().filter(|replaced| now.since(replaced.time) < HOUR).count();
    let most = p.view.cluster.healing().max_replacements_per_hour;
    if recent as u64 >= u64::from(most) {
        return Some(format!("{recent} of {most} replacements of this hour are used up"));
    }
    waits(p)
}

/// Why no newcomer may be tried now.
pub(crate) fn waits(p: &Planner<'_>) -> Option<String> {
    let until = p.status.healing.backoff_until.filter(|until| p.now() < *until)?;
    Some(format!("the last attempt failed: the next one is not before {until}"))
}

pub(crate) fn failed(p: &mut Planner<'_>) {
    let now = p.now();
    let healing = &mut p.status.healing;
    healing.failures = healing.failures.saturating_add(1);
    let doublings = (healing.failures - 1).min(10);
    let pause = BACKOFF_MIN.saturating_mul(1 << doublings).min(BACKOFF_MAX);
    healing.backoff_until = Some(now.after(pause));
}

pub(crate) fn succeeded(p: &mut Planner<'_>) {
    p.status.healing.failures = 0;
    p.status.healing.backoff_until = None;
}

const BACKOFF_MIN: Duration = Duration::from_secs(30);
const BACKOFF_MAX: Duration = Duration::from_secs(600);
