//! Three stock monitors in a temporary folder, to be measured or tested against.
//!
//! Stock Ceph of a release lives in a root of its own (`cargo xtask stock RELEASE` makes one); its programs
//! run there by chroot and share the host's loopback.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A running trio; it is stopped and its folder removed when this is dropped.
#[derive(Debug)]
pub struct StockTrio {
    root: PathBuf,
    folder: tempfile::TempDir,
    mons: Vec<StockMon>,
}

/// One of them.
#[derive(Debug)]
pub struct StockMon {
    /// Its name, without `mon.`.
    pub name: &'static str,
    /// Where it listens.
    pub addr: SocketAddr,
    child: Option<Child>,
}

/// Why stock monitors do not run.
#[derive(Debug, thiserror::Error)]
pub enum StockError {
    /// There is no root.
    #[error("no stock Ceph {release} under {folder}; make one with: cargo xtask stock {release}")]
    NoRoot {
        /// Which release.
        release: u8,
        /// Where roots are.
        folder: PathBuf,
    },
    /// Chroot is for root alone.
    #[error("stock Ceph runs by chroot, which needs root")]
    NotRoot,
    /// A file or process could not be made.
    #[error("{what}: {error}")]
    Io {
        /// Which.
        what: String,
        /// Why.
        error: io::Error,
    },
    /// A program failed.
    #[error("{program} failed: {stderr}")]
    Failed {
        /// Which.
        program: String,
        /// What it said.
        stderr: String,
    },
}

const NAMES: [&str; 3] = ["a", "b", "c"];

impl StockTrio {
    /// Makes and starts three monitors of a release; they form their quorum by themselves.
    ///
    /// # Errors
    /// When there is no root for the release, or its programs fail.
    pub fn start(release: u8) -> Result<Self, StockError> {
        let folder = roots();
        let root = folder.join(release.to_string());
        if !root.join("usr/bin/ceph-mon").exists() {
            return Err(StockError::NoRoot { release, folder });
        }
        if !rustix::process::geteuid().is_root() {
            return Err(StockError::NotRoot);
        }
        let temporary = root.join("tmp");
        let folder = tempfile::Builder::new()
            .prefix("mon-trio-")
            .tempdir_in(&temporary)
            .map_err(|error| io_error(&temporary, error))?;
        let addrs = free_addrs().map_err(|error| StockError::Io { what: "free ports".into(), error })?;
        let mons = NAMES.iter().zip(addrs).map(|(name, addr)| StockMon { name, addr, child: None }).collect();
        let mut trio = Self { root, folder, mons };
        trio.make()?;
        for index in 0..trio.mons.len() {
            trio.start_mon(index)?;
        }
        Ok(trio)
    }

    /// The configuration file, as programs outside of the root see it. The keyring beside it has
    /// `client.admin`.
    #[must_use]
    pub fn conf(&self) -> PathBuf {
        self.folder.path().join("ceph.conf")
    }

    /// The keyring of `client.admin`.
    #[must_use]
    pub fn keyring(&self) -> PathBuf {
        self.folder.path().join("keyring")
    }

    /// The monitors.
    #[must_use]
    pub fn mons(&self) -> &[StockMon] {
        &self.mons
    }

    /// Sends a signal to the monitor at an address. A killed one stays dead.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn signal(&mut self, addr: SocketAddr, signal: Signal) -> io::Result<()> {
        let mon = self.mons.iter_mut().find(|mon| mon.addr == addr);
        let Some(child) = mon.and_then(|mon| mon.child.as_mut()) else { return Ok(()) };
        kill_process(pid(child), signal)?;
        if signal == Signal::KILL {
            child.wait()?;
        }
        Ok(())
    }

    /// Keys, monmap, data directories.
    fn make(&self) -> Result<(), StockError> {
        let hosts: Vec<String> = self.mons.iter().map(|mon| format!("[v2:{}]", mon.addr)).collect();
        let inside = self.inside();
        let inside = inside.display();
        let fsid = "2f1c38a6-6c1d-4b51-9d5e-0d9f3a6f7c11";
        let conf = format!(
            "[global]\nfsid = {fsid}\nmon_host = {}\nmon_initial_members = {}\n\
             auth_cluster_required = cephx\nauth_service_required = cephx\nauth_client_required = cephx\n\
             keyring = {inside}/keyring\nrun_dir = {inside}\nadmin_socket = {inside}/$name.asok\n\
             log_file = {inside}/$name.log\nmon_cluster_log_file = {inside}/cluster.log\n\
             crash_dir = {inside}\npid_file = {inside}/$name.pid\nmon_data = {inside}/$name\n",
            hosts.join(","),
            NAMES.join(","),
        );
        let path = self.conf();
        fs::write(&path, conf).map_err(|error| io_error(&path, error))?;
        self.run(
            "ceph-authtool",
            &["--create-keyring", "keyring", "--gen-key", "-n", "mon.", "--cap", "mon", "allow *"],
        )?;
        let admin = [
            "keyring",
            "--gen-key",
            "-n",
            "client.admin",
            "--cap",
            "mon",
            "allow *",
            "--cap",
            "mgr",
            "allow *",
        ];
        self.run("ceph-authtool", &admin)?;
        let mut arguments = vec!["--create", "--fsid", fsid];
        for (mon, host) in self.mons.iter().zip(&hosts) {
            arguments.extend(["--addv", mon.name, host]);
        }
        arguments.push("monmap");
        self.run("monmaptool", &arguments)?;
        for mon in &self.mons {
            let data = self.folder.path().join(format!("mon.{}", mon.name));
            fs::create_dir(&data).map_err(|error| io_error(&data, error))?;
            let arguments =
                ["-c", "ceph.conf", "--mkfs", "-i", mon.name, "--monmap", "monmap", "--keyring", "keyring"];
            self.run("ceph-mon", &arguments)?;
        }
        Ok(())
    }

    fn start_mon(&mut self, index: usize) -> Result<(), StockError> {
        let name = self.mons[index].name;
        let path = self.folder.path().join(format!("{name}.out"));
        let output = File::create(&path).map_err(|error| io_error(&path, error))?;
        let mut command = self.command("ceph-mon");
        command.args(["-c", "ceph.conf", "-f", "-i", name]).stdout(Stdio::null()).stderr(output);
        let child = command.spawn().map_err(|error| StockError::Io { what: "ceph-mon".into(), error })?;
        self.mons[index].child = Some(child);
        Ok(())
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<(), StockError> {
        let output = self
            .command(program)
            .args(arguments)
            .output()
            .map_err(|error| StockError::Io { what: program.into(), error })?;
        if output.status.success() {
            return Ok(());
        }
        let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(StockError::Failed { program: program.into(), stderr })
    }

    /// A program of the root, in our folder there. Chroot and env become the program: signals reach it.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("chroot");
        command.arg(&self.root).args(["env", "-C"]).arg(self.inside()).arg(program).stdin(Stdio::null());
        command
    }

    /// Our folder as programs of the root see it.
    fn inside(&self) -> PathBuf {
        let path = self.folder.path();
        path.strip_prefix(&self.root).map_or_else(|_| path.to_owned(), |rest| Path::new("/").join(rest))
    }
}

impl Drop for StockTrio {
    fn drop(&mut self) {
        for child in self.mons.iter_mut().filter_map(|mon| mon.child.as_mut()) {
            // Already gone is as good; a stopped process dies of this too.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Where the roots of all releases are.
fn roots() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .unwrap_or_else(|| Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".cache"));
    cache.join("moncluster/stock")
}

fn free_addrs() -> io::Result<[SocketAddr; 3]> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    // All three are held at once, so that they differ.
    let (a, b, c) = (bind()?, bind()?, bind()?);
    Ok([a.local_addr()?, b.local_addr()?, c.local_addr()?])
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

fn io_error(path: &Path, error: io::Error) -> StockError {
    StockError::Io { what: path.display().to_string(), error }
}
