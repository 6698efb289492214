//! How long things took, beside what they should take.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Measurements of a run. A shared machine may be slow: what is over its target is marked, and fails nothing.
#[derive(Debug, Default)]
pub(crate) struct Timings(Mutex<Vec<Line>>);

#[derive(Debug)]
struct Line {
    what: String,
    measured: String,
    target: String,
    is_over: bool,
}

impl Timings {
    /// Records a duration.
    pub(crate) fn time(&self, what: &str, measured: Duration, target: Duration) {
        let text = |time: Duration| {
            if time < Duration::from_secs(10) {
                format!("{:.2} s", time.as_secs_f64())
            } else {
                format!("{} s", time.as_secs())
            }
        };
        self.add(what, text(measured), format!("<= {}", text(target)), measured > target);
    }

    /// Records a number.
    pub(crate) fn number(&self, what: &str, measured: f64, target: f64, unit: &str) {
        self.add(what, format!("{measured:.1} {unit}"), format!("<= {target} {unit}"), measured > target);
    }

    fn add(&self, what: &str, measured: String, target: String, is_over: bool) {
        let line = Line { what: what.to_owned(), measured, target, is_over };
        println!("    {}: {} (target {})", line.what, line.measured, line.target);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    /// Prints all of them.
    pub(crate) fn print(&self) {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.is_empty() {
            return;
        }
        println!("\n{:<58} {:>12} {:>14}", "timing", "measured", "target");
        for line in lines.iter() {
            let mark = if line.is_over { "  over" } else { "" };
            println!("{:<58} {:>12} {:>14}{mark}", line.what, line.measured, line.target);
        }
    }
}
