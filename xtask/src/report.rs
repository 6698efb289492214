//! What was done, what failed, and what was skipped and why.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// Counts of tests and steps, and the reasons to print at the end.
#[derive(Default)]
pub(crate) struct Report {
    passed: usize,
    failures: Vec<String>,
    skips: Vec<String>,
}

impl Report {
    /// Tells what comes next and why.
    pub(crate) fn say(&self, text: &str) {
        println!("\n==> {text}");
        // A broken pipe shows at the next print.
        let _ = std::io::stdout().flush();
    }

    /// Records something that worked.
    pub(crate) fn pass(&mut self) {
        self.passed += 1;
    }

    /// Records a failure.
    pub(crate) fn fail(&mut self, text: impl Into<String>) {
        let text = text.into();
        println!("FAILED: {text}");
        self.failures.push(text);
    }

    /// Records what could not run here.
    pub(crate) fn skip(&mut self, text: impl Into<String>) {
        let text = text.into();
        println!("SKIPPED: {text}");
        self.skips.push(text);
    }

    /// Runs a step; its success counts one.
    pub(crate) fn step(&mut self, name: &str, command: &mut Command) -> bool {
        self.say(name);
        let start = Instant::now();
        match command.status() {
            Ok(status) if status.success() => {
                println!("    {name}: {:.1} s", start.elapsed().as_secs_f64());
                self.pass();
                true
            }
            Ok(status) => {
                self.fail(format!("{name} ({status})"));
                false
            }
            Err(error) => {
                self.fail(format!("{name}: {}: {error}", command.get_program().to_string_lossy()));
                false
            }
        }
    }

    /// Runs tests, passing their output on, and counts them by the lines of the standard test harness.
    pub(crate) fn tests(&mut self, name: &str, command: &mut Command) {
        self.say(name);
        let start = Instant::now();
        let mut child = match command.stdout(Stdio::piped()).spawn() {
            Ok(child) => child,
            Err(error) => {
                return self.fail(format!("{name}: {}: {error}", command.get_program().to_string_lossy()));
            }
        };
        let failures_before = self.failures.len();
        if let Some(output) = child.stdout.take() {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line);
                println!("{line}");
                self.count(name, &line);
            }
        }
        match child.wait() {
            Ok(status) if status.success() => println!("    {name}: {:.1} s", start.elapsed().as_secs_f64()),
            // A failure that no test line told of: a crash, or code that does not compile.
            Ok(status) if self.failures.len() == failures_before => self.fail(format!("{name} ({status})")),
            Ok(_) => {}
            Err(error) => self.fail(format!("{name}: {error}")),
        }
    }

    fn count(&mut self, name: &str, line: &str) {
        let Some((test, outcome)) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... "))
        else {
            return;
        };
        match outcome.split_once(' ').unwrap_or((outcome, "")) {
            ("ok", _) => self.passed += 1,
            ("FAILED", _) => self.failures.push(format!("{name}: {test}")),
            ("ignored" | "ignored,", reason) | ("skipped:", reason) => {
                self.skips.push(format!("{name}: {test}: {reason}"));
            }
            _ => {}
        }
    }

    /// Prints the summary; the closing line is for machines, too.
    pub(crate) fn close(self) -> ExitCode {
        if self.passed + self.failures.len() + self.skips.len() == 0 {
            return ExitCode::SUCCESS;
        }
        println!();
        if !self.skips.is_empty() {
            println!("Skipped here:");
            self.skips.iter().for_each(|text| println!("  - {text}"));
        }
        if !self.failures.is_empty() {
            println!("Failed:");
            self.failures.iter().for_each(|text| println!("  - {text}"));
        }
        println!("{} passed, {} failed, {} skipped", self.passed, self.failures.len(), self.skips.len());
        if self.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harness_lines_are_counted() {
        let mut report = Report::default();
        for line in [
            "test a::b ... ok",
            "test src/lib.rs - x (line 3) ... ok",
            "test c ... FAILED",
            "test d ... skipped: no stock 18",
            "test e ... ignored, slow",
            "running 4 tests",
        ] {
            report.count("unit", line);
        }
        assert_eq!((report.passed, report.failures.len(), report.skips.len()), (2, 1, 2));
        assert_eq!(report.skips[0], "unit: d: no stock 18");
    }
}
