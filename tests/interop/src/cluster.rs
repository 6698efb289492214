//! A cluster of monitors in one scratch folder, ours and stock ones in any mixture.
//!
//! Stock programs run in a root of their release and see the folder at another path; there are two
//! configuration files with the same content but for paths.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use moncluster_wait as wait;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::port;
use crate::runner::note;
use crate::said::Said;
use crate::stock::Stock;

/// How long a quorum may take to form. Stock needs 5 s for an election that not all answer, twice at worst.
const QUORUM: Duration = Duration::from_secs(60);

/// Result code, message and output of a command.
pub(crate) type Answer = (i32, String, String);

/// Whose program a monitor runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The one under test.
    Ours,
    /// That of the root.
    Stock,
}

/// How a cluster is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan<'a> {
    /// Names and kinds.
    pub(crate) mons: &'a [(&'a str, Kind)],
    /// The type of all keys, for tools that know more than one: `aes` or `aes256k`.
    pub(crate) key_type: &'a str,
    /// More lines for `[global]`.
    pub(crate) settings: &'a str,
}

/// One monitor.
#[derive(Debug)]
pub(crate) struct Mon {
    /// Its name.
    pub(crate) name: String,
    /// Whose program.
    pub(crate) kind: Kind,
    /// Its msgr2 port on 127.0.0.1.
    pub(crate) port: u16,
    child: Option<Child>,
}

impl Mon {
    /// The process of a monitor that was started.
    pub(crate) fn pid(&self) -> Result<u32> {
        Ok(self.child.as_ref().with_context(|| format!("mon.{} does not run", self.name))?.id())
    }
}

/// The cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// The root whose command line is used.
    pub(crate) stock: Stock,
    /// The monitors, in the order of their names.
    pub(crate) mons: Vec<Mon>,
    /// The cluster's id.
    pub(crate) fsid: String,
    binary: PathBuf,
    settings: String,
    // Dropped last: the folder must outlive the processes that use it.
    folder: TempDir,
}

impl Cluster {
    /// Makes keys, a monmap and data directories; nothing runs yet.
    pub(crate) fn make(binary: &Path, stock: &Stock, keep: bool, plan: Plan<'_>) -> Result<Self> {
        let folder = stock.scratch(keep)?;
        let fsid = fs::read_to_string("/proc/sys/kernel/random/uuid")?.trim().to_owned();
        let mons = plan.mons.iter().map(|(name, kind)| Mon {
            name: (*name).to_owned(),
            kind: actual(*kind, binary),
            port: port::free(),
            child: None,
        });
        let cluster = Self {
            stock: stock.clone(),
            mons: mons.collect(),
            fsid,
            binary: binary.to_owned(),
            settings: plan.settings.to_owned(),
            folder,
        };
        cluster.write_configuration()?;
        cluster.make_keys(plan.key_type)?;
        cluster.make_monmap(plan.key_type)?;
        cluster.mons.iter().try_for_each(|mon| cluster.mkfs(mon))?;
        Ok(cluster)
    }

    /// Makes and starts it.
    pub(crate) fn begin(binary: &Path, stock: &Stock, keep: bool, plan: Plan<'_>) -> Result<Self> {
        let mut cluster = Self::make(binary, stock, keep, plan)?;
        plan.mons.iter().try_for_each(|(name, _)| cluster.start(name))?;
        Ok(cluster)
    }

    /// Makes and starts it, and waits until all are in quorum.
    pub(crate) fn up(binary: &Path, stock: &Stock, keep: bool, plan: Plan<'_>) -> Result<Self> {
        let cluster = Self::begin(binary, stock, keep, plan)?;
        cluster.wait_for_quorum(&plan.mons.iter().map(|(name, _)| *name).collect::<Vec<_>>())?;
        Ok(cluster)
    }

    /// A path in the folder, as we see it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A path in the folder, as programs of the root see it.
    pub(crate) fn inside(&self, name: &str) -> PathBuf {
        self.stock.inside(&self.path(name))
    }

    /// The program under test.
    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    /// A monitor's data directory, as we see it.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.path(&format!("mon.{name}"))
    }

    /// A monitor by name.
    pub(crate) fn mon(&self, name: &str) -> Result<&Mon> {
        self.mons.iter().find(|mon| mon.name == name).with_context(|| format!("no mon.{name} here"))
    }

    /// Writes both configuration files from what is known now.
    pub(crate) fn write_configuration(&self) -> Result<()> {
        fs::write(self.path("ceph.conf"), self.configuration(&self.stock.inside(self.folder.path())))?;
        // Ours shows what a stock monitor of the root's release shows.
        let release = match self.stock.release {
            16 => "pacific",
            18 => "reef",
            _ => "tentacle",
        };
        let ours = format!("{}mon release = {release}\n", self.configuration(self.folder.path()));
        fs::write(self.path("ours.conf"), ours)?;
        Ok(())
    }

    fn configuration(&self, folder: &Path) -> String {
        let hosts: Vec<_> = self.mons.iter().map(|mon| format!("[v2:127.0.0.1:{}]", mon.port)).collect();
        let names: Vec<_> = self.mons.iter().map(|mon| mon.name.as_str()).collect();
        format!(
            "[global]\n\
             fsid = {fsid}\n\
             mon host = {hosts}\n\
             mon initial members = {names}\n\
             auth cluster required = cephx\n\
             auth service required = cephx\n\
             auth client required = cephx\n\
             auth allow insecure global id reclaim = false\n\
             mon data avail warn = 2\n\
             mon data avail crit = 1\n\
             log to stderr = false\n\
             {settings}\n\
             [client]\n\
             keyring = {folder}/admin.keyring\n\
             [mon]\n\
             mon data = {folder}/mon.$id\n\
             log file = {folder}/$id.log\n\
             mon cluster log file = {folder}/$id.cluster.log\n\
             admin socket = {folder}/$id.asok\n\
             pid file = {folder}/$id.pid\n",
            fsid = self.fsid,
            hosts = hosts.join(","),
            names = names.join(","),
            settings = self.settings,
            folder = folder.display(),
        )
    }

    fn make_keys(&self, key_type: &str) -> Result<()> {
        let admin = ["mon", "osd", "mds", "mgr"]
            .map(|who| ["--cap".to_owned(), who.to_owned(), "allow *".to_owned()]);
        let mon = ["--cap", "mon", "allow *"].map(str::to_owned);
        for (entity, file, caps) in
            [("mon.", "mon.keyring", mon.to_vec()), ("client.admin", "admin.keyring", admin.concat())]
        {
            let mut tool = self.stock.tool("ceph-authtool");
            tool.args(["--create-keyring", "--gen-key", "-n", entity]).args(caps).arg(self.inside(file));
            // Only a release that knows more than one type has the option.
            if self.stock.release >= 20 {
                tool.args(["--key-type", key_type]);
            }
            Said::run(&mut tool, "")?.ok()?;
        }
        let mut import = self.stock.tool("ceph-authtool");
        import.arg(self.inside("mon.keyring")).arg("--import-keyring").arg(self.inside("admin.keyring"));
        Said::run(&mut import, "")?.ok().map(drop)
    }

    fn make_monmap(&self, key_type: &str) -> Result<()> {
        let mut tool = self.stock.tool("monmaptool");
        tool.args(["--create", "--clobber", "--fsid", &self.fsid]);
        tool.args(["--set-min-mon-release", &self.stock.release.to_string(), "--enable-all-features"]);
        if self.stock.release >= 20 && key_type == "aes" {
            // Left to itself, the tool of 20 makes a map that allows the new type only.
            tool.args(["--auth-service-cipher=aes", "--auth-allowed-ciphers=aes,aes256k"]);
            tool.arg("--auth-preferred-cipher=aes");
        }
        for mon in &self.mons {
            tool.args(["--addv", &mon.name, &format!("[v2:127.0.0.1:{}]", mon.port)]);
        }
        Said::run(tool.arg(self.inside("monmap")), "")?.ok().map(drop)
    }

    /// Makes a monitor's data directory with its own program.
    pub(crate) fn mkfs(&self, mon: &Mon) -> Result<()> {
        fs::create_dir_all(self.data(&mon.name))?;
        let mut command = self.program(mon, false);
        command.arg("--mkfs");
        for (option, name) in [("--monmap", "monmap"), ("--keyring", "mon.keyring")] {
            command.arg(option).arg(self.seen_by(mon, name));
        }
        Said::run(&mut command, "")?.ok().map(drop)
    }

    fn seen_by(&self, mon: &Mon, name: &str) -> PathBuf {
        match mon.kind {
            Kind::Ours => self.path(name),
            Kind::Stock => self.inside(name),
        }
    }

    /// A monitor's program with what every call needs.
    fn program(&self, mon: &Mon, runs: bool) -> Command {
        let (mut command, conf) = match (mon.kind, runs) {
            (Kind::Ours, true) => {
                let mut command = Command::new("setpriv");
                command.args(["--pdeathsig", "KILL"]).arg(&self.binary).arg("ceph-mon");
                (command, "ours.conf")
            }
            (Kind::Ours, false) => {
                let mut command = Command::new(&self.binary);
                command.arg("ceph-mon");
                (command, "ours.conf")
            }
            (Kind::Stock, true) => (self.stock.daemon("ceph-mon"), "ceph.conf"),
            (Kind::Stock, false) => (self.stock.tool("ceph-mon"), "ceph.conf"),
        };
        command.args(["-i", &mon.name, "-c"]).arg(self.seen_by(mon, conf));
        command.arg("--mon-data").arg(self.seen_by(mon, &format!("mon.{}", mon.name)));
        command
    }

    /// Starts a monitor; it must still run when this returns, nothing more. It dies with the thread that started it.
    pub(crate) fn start(&mut self, name: &str) -> Result<()> {
        self.start_with(name, &[])
    }

    /// The same with more options.
    pub(crate) fn start_with(&mut self, name: &str, options: &[&str]) -> Result<()> {
        let mon = self.mon(name)?;
        let mut command = self.program(mon, true);
        let output = File::options().create(true).append(true).open(self.path(&format!("{name}.out")))?;
        command.arg("-f").args(options).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("cannot start mon.{name}"))?;
        self.mon_mut(name)?.child = Some(child);
        Ok(())
    }

    fn mon_mut(&mut self, name: &str) -> Result<&mut Mon> {
        self.mons.iter_mut().find(|mon| mon.name == name).with_context(|| format!("no mon.{name} here"))
    }

    /// Adds a monitor to the list (not to the monmap).
    pub(crate) fn add(&mut self, name: &str, kind: Kind) -> u16 {
        let port = port::free();
        let kind = actual(kind, &self.binary);
        self.mons.push(Mon { name: name.to_owned(), kind, port, child: None });
        port
    }

    /// Gives a stopped monitor an empty store, made from what the cluster's monmap is now.
    pub(crate) fn wipe(&self, name: &str) -> Result<()> {
        fs::remove_dir_all(self.data(name))?;
        self.ceph(&["mon", "getmap", "-o", &self.inside("monmap").display().to_string()])?.ok()?;
        self.mkfs(self.mon(name)?)
    }

    /// Changes whose program a monitor runs from its next start on.
    pub(crate) fn change(&mut self, name: &str, kind: Kind) -> Result<()> {
        self.mon_mut(name)?.kind = actual(kind, &self.binary);
        Ok(())
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.mon(name)?.pid()?)?).context("no process id")?;
        kill_process(pid, signal).with_context(|| format!("cannot signal mon.{name}"))
    }

    /// Ends a monitor with a signal and waits until it is gone. Returns its exit code, if it exited.
    pub(crate) fn stop(&mut self, name: &str, signal: Signal) -> Result<Option<i32>> {
        self.signal(name, signal)?;
        self.reap(name, Duration::from_secs(20))
    }

    /// Waits for a monitor to end by itself.
    pub(crate) fn reap(&mut self, name: &str, patience: Duration) -> Result<Option<i32>> {
        let mut child =
            self.mon_mut(name)?.child.take().with_context(|| format!("mon.{name} does not run"))?;
        let ended = wait::until("a monitor to end", patience, || Ok(child.try_wait()?));
        if ended.is_err() {
            child.kill()?;
            child.wait()?;
        }
        Ok(ended.with_context(|| format!("mon.{name}"))?.code())
    }

    /// Whether a monitor's process is there.
    pub(crate) fn runs(&mut self, name: &str) -> Result<bool> {
        match &mut self.mon_mut(name)?.child {
            Some(child) => Ok(child.try_wait()?.is_none()),
            None => Ok(false),
        }
    }

    /// The stock command as client.admin.
    pub(crate) fn ceph(&self, arguments: &[&str]) -> Result<Said> {
        self.ceph_with(&["--connect-timeout", "20"], arguments)
    }

    /// The stock command with other options before the words (`-n`, `-k`, `--ms-client-mode` ...).
    pub(crate) fn ceph_with(&self, options: &[&str], arguments: &[&str]) -> Result<Said> {
        Said::run(self.ceph_command(options).args(arguments), "")
    }

    fn ceph_command(&self, options: &[&str]) -> Command {
        let mut command = self.stock.tool("ceph");
        command.arg("-c").arg(self.inside("ceph.conf")).args(options);
        command
    }

    /// The stock command, to be run and stopped by the caller.
    pub(crate) fn ceph_running(&self) -> Command {
        let mut command = self.stock.daemon("ceph");
        command.arg("-c").arg(self.inside("ceph.conf"));
        command
    }

    /// Runs commands through Python's `rados` in one process: result code, message, output of each.
    pub(crate) fn rados(&self, commands: &[Value]) -> Result<Vec<Answer>> {
        fs::write(self.path("commands.py"), include_str!("commands.py"))?;
        let mut python = self.stock.tool("python3");
        python.arg(self.inside("commands.py")).arg(self.inside("ceph.conf"));
        let replies = Said::run(&mut python, &Value::from(commands.to_vec()).to_string())?.json()?;
        let replies = replies.as_array().context("not a list")?;
        ensure!(replies.len() == commands.len(), "{} replies to {} commands", replies.len(), commands.len());
        Ok(replies
            .iter()
            .map(|reply| {
                let text = |key: &str| reply[key].as_str().unwrap_or_default().to_owned();
                (reply["code"].as_i64().unwrap_or_default() as i32, text("message"), text("output"))
            })
            .collect())
    }

    /// Waits until exactly these monitors are in quorum, as the quorum itself says. Returns the leader.
    pub(crate) fn wait_for_quorum(&self, names: &[&str]) -> Result<String> {
        let mut wanted: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        wanted.sort();
        let what = format!("a quorum of {}", names.join(", "));
        let mut last = String::new();
        let start = Instant::now();
        let result = wait::until(&what, QUORUM, || {
            let said = self.ceph_with(&["--connect-timeout", "5"], &["quorum_status", "-f", "json"])?;
            if said.code != 0 {
                last = said.err;
                return Ok(None);
            }
            let status = said.json()?;
            let mut found: Vec<_> =
                status["quorum_names"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            found.sort_unstable();
            last = format!("quorum is {found:?}");
            Ok((found == wanted)
                .then(|| status["quorum_leader_name"].as_str().unwrap_or_default().to_owned()))
        });
        match result {
            Ok(leader) => {
                note(format!("{what} after {:.1} s, led by {leader}", start.elapsed().as_secs_f64()));
                Ok(leader)
            }
            Err(error) => bail!("{error}; last seen: {last}\n{}", self.tails()),
        }
    }

    /// Waits until a monitor itself says that it is in quorum. The others may still count it in after it was
    /// killed.
    pub(crate) fn wait_until_in_quorum(&self, name: &str) -> Result<()> {
        let socket = self.inside(&format!("{name}.asok")).display().to_string();
        wait::until(&format!("mon.{name} to be in quorum"), QUORUM, || {
            let said = self.ceph(&["daemon", &socket, "mon_status"])?;
            if said.code != 0 {
                return Ok(None);
            }
            let state = said.json()?["state"].clone();
            Ok((state == "peon" || state == "leader").then_some(()))
        })
    }

    /// The ends of all logs, for a failure's report.
    pub(crate) fn tails(&self) -> String {
        let mut text = String::new();
        for mon in &self.mons {
            for ending in ["out", "log"] {
                let name = format!("{}.{ending}", mon.name);
                let log = fs::read_to_string(self.path(&name)).unwrap_or_default();
                let lines: Vec<_> = log.lines().collect();
                let tail = &lines[lines.len().saturating_sub(12)..];
                if !tail.is_empty() {
                    text.push_str(&format!("--- {name} ({:?})\n{}\n", mon.kind, tail.join("\n")));
                }
            }
        }
        text
    }

    /// Everything that a monitor logged.
    pub(crate) fn log(&self, name: &str) -> String {
        let read = |ending: &str| fs::read(self.path(&format!("{name}.{ending}"))).unwrap_or_default();
        String::from_utf8_lossy(&[read("out"), read("log")].concat()).into_owned()
    }
}

/// With `--mon stock` the tests run stock against itself: that shows whether they are right about it.
fn actual(kind: Kind, binary: &Path) -> Kind {
    if binary == Path::new("stock") { Kind::Stock } else { kind }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.mons.iter_mut().filter_map(|mon| mon.child.as_mut()) {
            // Gone already is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
