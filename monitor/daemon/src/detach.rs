//! Going to the background, as `ceph-mon` does without `-f`: the process starts itself again with the same
//! arguments and waits until that one serves, so that the caller's next command finds a monitor.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::exit::{Exit, Failed};

/// Set in the environment of the process in the background.
const MARK: &str = "MONCLUSTER_DETACHED";
/// What that process writes to its stdout once it serves.
const READY: &str = "ready";

/// Whether this process is the one in the background.
pub(crate) fn is_detached() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Starts the process in the background; returns once it serves, or with the code that it ended with.
pub(crate) fn detach() -> Result<Exit, Failed> {
    let failed = |what: &str, error: std::io::Error| Failed::new(Exit::Failure, format!("{what}: {error}"));
    let program = std::env::current_exe().map_err(|error| failed("cannot find my own program", error))?;
    let mut arguments = std::env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command.args(arguments).env(MARK, "1").stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(|error| failed("cannot start in the background", error))?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        // An unreadable line is an empty one: the child's exit code says the rest.
        let _unreadable = BufReader::new(stdout).read_line(&mut line);
    }
    if line.trim() == READY {
        return Ok(Exit::Success);
    }
    let status = child.wait().map_err(|error| failed("lost the process in the background", error))?;
    let code = status.code().unwrap_or(Exit::Failure as i32);
    // It has told why on stderr, which it shares with us.
    std::process::exit(code);
}

/// Tells the waiting process that this one serves.
pub(crate) fn report_ready() {
    if is_detached() {
        // Nobody may be waiting any more.
        let _closed = writeln!(std::io::stdout(), "{READY}");
    }
}
