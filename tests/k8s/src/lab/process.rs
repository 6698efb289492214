//! Programs that run until they are killed. Each is known by its process id and the moment of its start, so that a
//! number which the kernel gave to somebody else meanwhile is never signalled.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Starts a program in a network namespace, apart from our own process group; its output goes to `log/NAME.log`.
/// `nsenter` and not `ip netns exec`: the latter also gives a mount namespace, where containerd would not see the
/// volumes that the kubelet mounts.
pub(super) fn start(folder: &Path, namespace: &str, name: &str, program: &mut Command) -> Result<()> {
    let log = File::options().create(true).append(true).open(folder.join(format!("log/{name}.log")))?;
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/run/netns/{namespace}")).arg(program.get_program()).args(program.get_args());
    let child = command
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    let birth = birth(child.id()).with_context(|| format!("{name} ended at once"))?;
    fs::write(folder.join(format!("{name}.pid")), format!("{} {birth}", child.id()))?;
    Ok(())
}

/// Whether a program that was started by this name still runs.
pub(super) fn is_running(folder: &Path, name: &str) -> bool {
    pid(&folder.join(format!("{name}.pid"))).is_some()
}

/// Kills a program with its process group.
pub(super) fn kill(folder: &Path, name: &str) {
    kill_recorded(&folder.join(format!("{name}.pid")));
}

/// Kills what a file names.
pub(super) fn kill_recorded(file: &Path) {
    if let Some(pid) = pid(file) {
        // It may end by itself at this moment.
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

/// Kills every process with a word of its command line that begins with `prefix`, with its children.
pub(super) fn kill_by_argument(program: &str, prefix: &str) -> Result<()> {
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        let ours = words.first().is_some_and(|first| first.contains(program))
            && words.iter().any(|word| word.starts_with(prefix));
        if let (true, Some(pid)) = (ours, Pid::from_raw(number)) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    Ok(())
}

fn pid(file: &Path) -> Option<Pid> {
    let text = fs::read_to_string(file).ok()?;
    let (number, recorded) = text.split_once(' ')?;
    let number: u32 = number.parse().ok()?;
    (birth(number)? == recorded).then(|| Pid::from_raw(i32::try_from(number).ok()?)).flatten()
}

/// When a process was started, in the kernel's ticks; none for one that is gone or waits to be reaped.
fn birth(number: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    // The name, in parentheses, may hold anything; the state and 18 more fields come before the start.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    (state != "Z" && state != "X").then(|| fields.nth(18).map(str::to_owned)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_somebody_elses_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.pid");
        let us = std::process::id();
        fs::write(&file, format!("{us} {}", birth(us).unwrap())).unwrap();
        assert!(is_running(folder.path(), "a"));
        fs::write(&file, format!("{us} 1")).unwrap();
        assert!(!is_running(folder.path(), "a"));
        assert!(!is_running(folder.path(), "b"));
    }
}
