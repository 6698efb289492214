//! One monitor: its process, its disk, its clock, and what it says of itself.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use moncluster_wait as wait;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::disk::Disk;
use crate::network::Network;

/// A monitor of the cluster.
#[derive(Debug)]
pub(crate) struct Member {
    /// Its name, without `mon.`.
    pub(crate) name: String,
    /// Where it is in the network.
    pub(crate) slot: usize,
    /// Its disk.
    pub(crate) disk: Disk,
    folder: PathBuf,
    child: Option<Child>,
}

/// The monitors' ports, inside their namespaces.
pub(crate) const PORT: u16 = 3300;
const HTTP_PORT: u16 = 7000;
/// How long a process that was killed may take to be gone.
const DEATH: Duration = Duration::from_secs(20);

impl Member {
    /// Makes its disk; the data directory is made by the program.
    pub(crate) fn make(folder: &Path, name: String, slot: usize) -> Result<Self> {
        let disk = Disk::make(&folder.join("disk").join(&name))?;
        let member = Self { name, slot, disk, folder: folder.to_owned(), child: None };
        member.set_clock(0)?;
        Ok(member)
    }

    /// Its data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("disk").join(&self.name).join("data")
    }

    /// Where its clock is set.
    pub(crate) fn clock_file(&self) -> PathBuf {
        self.folder.join(format!("{}.clock", self.name))
    }

    /// Sets its wall clock so many seconds off.
    pub(crate) fn set_clock(&self, seconds: i64) -> Result<()> {
        // Replaced as a whole: the library may read at any moment.
        let unfinished = self.clock_file().with_extension("new");
        fs::write(&unfinished, format!("{seconds:+}\n"))?;
        fs::rename(unfinished, self.clock_file()).context("cannot set a clock")
    }

    /// Starts its process inside its namespace.
    pub(crate) fn start(&mut self, network: &Network, mut command: Command) -> Result<()> {
        let output = File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("log").join(format!("mon.{}.out", self.name)))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = network.namespace(self.slot).run(move || command.spawn())?;
        self.child = Some(child.with_context(|| format!("cannot start mon.{}", self.name))?);
        Ok(())
    }

    /// The process id, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.pid().with_context(|| format!("mon.{} does not run", self.name))?;
        let pid = Pid::from_raw(i32::try_from(pid)?).context("no process id")?;
        kill_process(pid, signal).with_context(|| format!("cannot signal mon.{}", self.name))
    }

    /// Waits for its end.
    pub(crate) fn reap(&mut self) -> Result<ExitStatus> {
        let child = self.child.as_mut().with_context(|| format!("mon.{} does not run", self.name))?;
        let ended = wait::until(&format!("mon.{} to end", self.name), DEATH, || Ok(child.try_wait()?))?;
        self.child = None;
        Ok(ended)
    }

    /// How its process ended, if it did by itself.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let Some(child) = self.child.as_mut() else { return Ok(None) };
        let ended = child.try_wait()?;
        if ended.is_some() {
            self.child = None;
        }
        Ok(ended)
    }

    /// The state letter of its process: `T` while it is stopped.
    pub(crate) fn process_state(&self) -> Option<char> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid()?)).ok()?;
        stat.rsplit_once(") ")?.1.chars().next()
    }

    /// What its HTTP endpoint says of it (`/v1/status`); an error when it does not answer at once.
    pub(crate) fn status(&self, network: &Network) -> Result<Value> {
        network.namespace(self.slot).run(fetch)?
    }
}

/// Whether a process died of SIGKILL.
pub(crate) fn was_killed(ended: ExitStatus) -> bool {
    ended.signal() == Some(Signal::KILL.as_raw())
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // A stopped process dies of this, too.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Asks the endpoint of the namespace that the thread is in.
fn fetch() -> Result<Value> {
    const PATIENCE: Duration = Duration::from_millis(1000);
    let endpoint = SocketAddr::from((Ipv4Addr::LOCALHOST, HTTP_PORT));
    let mut stream = TcpStream::connect_timeout(&endpoint, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").context("no HTTP answer")?;
    ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
    serde_json::from_str(body).context("no JSON")
}
