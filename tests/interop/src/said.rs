//! What a program said and how it ended.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// The code of a program that a signal ended.
pub(crate) const KILLED: i32 = -1;

/// A finished program.
#[derive(Debug)]
pub(crate) struct Said {
    /// What was run, for messages.
    pub(crate) what: String,
    /// Exit code, or [`KILLED`].
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Said {
    /// Runs a program to its end, feeding it `input`.
    pub(crate) fn run(command: &mut Command, input: &str) -> Result<Self> {
        let what = describe(command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {what}"))?;
        if let Some(mut stdin) = child.stdin.take() {
            use std::io::Write;
            // A program that does not read its input closes it; how it ends tells what happened.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output()?;
        Ok(Self {
            what,
            code: output.status.code().unwrap_or(KILLED),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// The output of a program that must succeed.
    pub(crate) fn ok(self) -> Result<String> {
        ensure!(self.code == 0, "{self}");
        Ok(self.out)
    }

    /// Its output as JSON.
    pub(crate) fn json(self) -> Result<Value> {
        let what = self.what.clone();
        let out = self.ok()?;
        serde_json::from_str(&out).with_context(|| format!("{what}: not JSON: {out}"))
    }

    /// Checks that it was refused with this errno (the CLI exits with it).
    pub(crate) fn refused(self, errno: i32) -> Result<Self> {
        if self.code != errno {
            bail!("must be refused with {errno}: {self}");
        }
        Ok(self)
    }

    /// Checks that standard output or error holds a text.
    pub(crate) fn says(self, text: &str) -> Result<Self> {
        ensure!(self.out.contains(text) || self.err.contains(text), "must say '{text}': {self}");
        Ok(self)
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} -> {}\n  out: {}\n  err: {}", self.what, self.code, end(&self.out), end(&self.err))
    }
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The end of a long text, where the reason is.
fn end(text: &str) -> String {
    let lines: Vec<_> = text.trim_end().lines().collect();
    let start = lines.len().saturating_sub(12);
    format!("{}{}", if start > 0 { "... " } else { "" }, lines[start..].join("\n    "))
}
