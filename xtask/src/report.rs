//! What was done, what failed, and what was skipped and why.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::Result;

/// Counts of tests and steps, and the reasons to print at the end.
#[derive(Default)]
pub(crate) struct Report {
    passed: usize,
    failures: Vec<String>,
    skips: Vec<String>,
    /// The track's name, in front of each line while several run beside each other.
    track: Option<&'static str>,
}

/// What runs beside other work: a name of one word, and the work.
pub(crate) type Track<'a> = (&'static str, Box<dyn FnOnce(&mut Report) -> Result<()> + Send + 'a>);

impl Report {
    /// Tells what comes next and why.
    pub(crate) fn say(&self, text: &str) {
        if self.track.is_none() {
            println!();
        }
        self.line(&format!("==> {text}"));
        // A broken pipe shows at the next print.
        let _ = io::stdout().flush();
    }

    /// Records something that worked.
    pub(crate) fn pass(&mut self) {
        self.passed += 1;
    }

    /// Records a failure.
    pub(crate) fn fail(&mut self, text: impl Into<String>) {
        let text = text.into();
        self.line(&format!("FAILED: {text}"));
        self.failures.push(text);
    }

    /// Records what could not run here.
    pub(crate) fn skip(&mut self, text: impl Into<String>) {
        let text = text.into();
        self.line(&format!("SKIPPED: {text}"));
        self.skips.push(text);
    }

    /// Runs a step; its success counts one.
    pub(crate) fn step(&mut self, name: &str, command: &mut Command) -> bool {
        self.say(name);
        let start = Instant::now();
        // Alone, it may draw progress on a terminal.
        let outcome = if self.track.is_none() { command.status() } else { self.run(command, |_, _| ()) };
        match outcome {
            Ok(status) if status.success() => {
                self.line(&format!("    {name}: {:.1} s", start.elapsed().as_secs_f64()));
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
        let failures_before = self.failures.len();
        match self.run(command, |report, line| report.count(name, line)) {
            Ok(status) if status.success() => {
                self.line(&format!("    {name}: {:.1} s", start.elapsed().as_secs_f64()));
            }
            // A failure that no test line told of: a crash, or code that does not compile.
            Ok(status) if self.failures.len() == failures_before => self.fail(format!("{name} ({status})")),
            Ok(_) => {}
            Err(error) => self.fail(format!("{name}: {}: {error}", command.get_program().to_string_lossy())),
        }
    }

    /// Does several things beside each other; each line of output says whose it is. What mostly waits (daemons,
    /// a cluster) and what mostly computes (the simulator) then share the time.
    pub(crate) fn beside(&mut self, tracks: Vec<Track<'_>>) {
        let reports: Vec<Self> = std::thread::scope(|scope| {
            let running: Vec<_> = tracks
                .into_iter()
                .map(|(name, work)| {
                    scope.spawn(move || {
                        let mut report = Self { track: Some(name), ..Self::default() };
                        if let Err(error) = work(&mut report) {
                            report.fail(format!("{name}: {error:#}"));
                        }
                        report
                    })
                })
                .collect();
            running.into_iter().map(|track| track.join().unwrap_or_else(|_| Self::panicked())).collect()
        });
        for report in reports {
            self.passed += report.passed;
            self.failures.extend(report.failures);
            self.skips.extend(report.skips);
        }
    }

    fn panicked() -> Self {
        Self { failures: vec!["a track of the gate panicked, see above".to_owned()], ..Self::default() }
    }

    /// Runs a command to its end, its lines of output given to `see` and passed on.
    fn run(&mut self, command: &mut Command, mut see: impl FnMut(&mut Self, &str)) -> io::Result<ExitStatus> {
        let Some(track) = self.track else {
            let mut child = command.stdout(Stdio::piped()).spawn()?;
            each_line(child.stdout.take(), |line| {
                println!("{line}");
                see(self, line);
            });
            return child.wait();
        };
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let complaints = child.stderr.take();
        std::thread::scope(|scope| {
            scope.spawn(|| each_line(complaints, |line| println!("{track}: {line}")));
            each_line(child.stdout.take(), |line| {
                println!("{track}: {line}");
                see(self, line);
            });
        });
        child.wait()
    }

    fn line(&self, text: &str) {
        match self.track {
            Some(track) => println!("{track}: {text}"),
            None => println!("{text}"),
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

/// Reads to the end; bytes that are not text are shown as such.
fn each_line(output: Option<impl Read>, mut act: impl FnMut(&str)) {
    for line in
        output.into_iter().flat_map(|output| BufReader::new(output).split(b'\n').map_while(io::Result::ok))
    {
        act(&String::from_utf8_lossy(&line));
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
    #[test]
    fn tracks_run_beside_each_other_and_are_added_up() {
        let mut report = Report::default();
        let (first, second) = std::sync::mpsc::channel();
        report.beside(vec![
            // Waits for the other one: would hang if they ran in turn.
            (
                "waits",
                Box::new(move |report| {
                    second.recv()?;
                    report.tests("harness", Command::new("printf").arg("test a ... ok\ntest b ... FAILED\n"));
                    Ok(())
                }),
            ),
            (
                "sends",
                Box::new(move |report| {
                    report.step("true", &mut Command::new("true"));
                    report.skip("nothing");
                    first.send(())?;
                    anyhow::bail!("no more")
                }),
            ),
        ]);
        assert_eq!((report.passed, report.skips.len()), (2, 1));
        assert_eq!(report.failures, ["harness: b", "sends: no more"]);
    }
}
