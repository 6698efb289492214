//! The processes of a development cluster: they outlive the command that started them and are found again by
//! their pid files.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

use rustix::process::{Pid, kill_process};

use crate::dev::cluster::{Cluster, Member};
use crate::dev::files::cannot;
use crate::exit::{Exit, Failed};

/// The signals that tests send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Kill,
    Stop,
    Cont,
    Term,
}

impl std::fmt::Display for Signal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Cont => "CONT",
            Self::Term => "TERM",
        })
    }
}

impl FromStr for Signal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let upper = text.to_ascii_uppercase();
        match upper.strip_prefix("SIG").unwrap_or(&upper) {
            "KILL" => Ok(Self::Kill),
            "STOP" => Ok(Self::Stop),
            "CONT" => Ok(Self::Cont),
            "TERM" => Ok(Self::Term),
            _ => Err("use KILL, STOP, CONT or TERM".into()),
        }
    }
}

/// Starts a member. It becomes a process group of its own, so that Ctrl-C in the terminal does not reach it.
pub(crate) fn start(cluster: &Cluster, member: &Member) -> Result<Child, Failed> {
    let stderr_path = cluster.stderr(member);
    let stderr =
        std::fs::File::create(&stderr_path).map_err(|error| cannot("write", &stderr_path, &error))?;
    let program = std::env::current_exe()
        .map_err(|error| Failed::new(Exit::Failure, format!("cannot find my own program: {error}")))?;
    let child = Command::new(&program)
        .args(["ceph-mon", "--id", &member.name, "--foreground", "--conf"])
        .arg(cluster.conf())
        .current_dir(&cluster.folder)
        .env_remove("CEPH_ARGS")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .process_group(0)
        .spawn()
        .map_err(|error| cannot("start", &program, &error))?;
    let pid_file = cluster.pid_file(member);
    std::fs::write(&pid_file, format!("{}\n", child.id()))
        .map_err(|error| cannot("write", &pid_file, &error))?;
    Ok(child)
}

/// The process id of a member that runs.
pub(crate) fn running(cluster: &Cluster, member: &Member) -> Option<Pid> {
    let text = std::fs::read_to_string(cluster.pid_file(member)).ok()?;
    let number: i32 = text.trim().parse().ok()?;
    let proc = Path::new("/proc").join(number.to_string());
    // The number may be another program's by now.
    let line = std::fs::read(proc.join("cmdline")).ok()?;
    let conf = cluster.conf();
    let conf = conf.as_os_str().as_encoded_bytes();
    let arguments: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    // Right after its start a process has no arguments yet.
    let ours = line.is_empty() || arguments.contains(&conf) && arguments.contains(&member.name.as_bytes());
    let stat = std::fs::read_to_string(proc.join("stat")).ok()?;
    let dead = stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('Z'));
    if ours && !dead { Pid::from_raw(number) } else { None }
}

/// Sends a signal to a member that must be running.
pub(crate) fn signal(cluster: &Cluster, member: &Member, signal: Signal) -> Result<(), Failed> {
    let Some(pid) = running(cluster, member) else {
        return Err(Failed::new(Exit::Failure, format!("mon.{} is not running", member.name)));
    };
    let number = match signal {
        Signal::Kill => rustix::process::Signal::KILL,
        Signal::Stop => rustix::process::Signal::STOP,
        Signal::Cont => rustix::process::Signal::CONT,
        Signal::Term => rustix::process::Signal::TERM,
    };
    kill_process(pid, number)
        .map_err(|error| Failed::new(Exit::Failure, format!("cannot signal mon.{}: {error}", member.name)))
}

/// Waits until none of the members runs; the names of those that still do.
pub(crate) fn wait_until_gone<'a>(
    cluster: &Cluster,
    members: &'a [Member],
    patience: Duration,
) -> Vec<&'a Member> {
    let deadline = Instant::now() + patience;
    loop {
        let left: Vec<_> = members.iter().filter(|member| running(cluster, member).is_some()).collect();
        if left.is_empty() || Instant::now() >= deadline {
            return left;
        }
        std::thread::sleep(POLL_INTERVAL); // allowed: polls another process, with a deadline
    }
}

/// How often the state of processes is looked at.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(50);
