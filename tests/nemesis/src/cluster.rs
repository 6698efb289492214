//! The monitors under test, all in one folder.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use mon_client::{Client, CommandReply, Mode, Target};
use mon_types::addr::AddrVec;
use mon_types::auth::EntityAuth;
use mon_types::crypto_key::CryptoKey;
use mon_types::encode::Encode;
use mon_types::entity::{EntityName, EntityType};
use mon_types::id::Fsid;
use mon_types::keyring::Keyring;
use mon_types::kv::KvRead;
use mon_types::monmap::{CipherPolicy, MonInfo, MonMap};
use mon_types::time::UTime;
use moncluster_wait as wait;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::member::{Member, PORT};
use crate::network::Network;

/// What a cluster is made of and with.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    /// The monitor's program.
    pub(crate) mon: PathBuf,
    /// The library that fakes wall clocks, where it is installed.
    pub(crate) faketime: Option<PathBuf>,
    /// Runs the clients.
    pub(crate) runtime: Handle,
}

/// A running cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// Its network.
    pub(crate) network: Network,
    /// Its voters; the order has no meaning.
    pub(crate) members: Vec<Member>,
    /// Where everything is.
    pub(crate) folder: PathBuf,
    /// What it is made with.
    pub(crate) tools: Tools,
    fsid: Fsid,
    admin: CryptoKey,
    ever: usize,
}

/// How long everybody may take to be together again.
const TOGETHER: Duration = Duration::from_secs(60);
/// How long a command of the test itself may take.
const COMMAND: Duration = Duration::from_secs(30);

impl Cluster {
    /// Makes a cluster and starts it.
    pub(crate) fn make(folder: &Path, number: u8, size: usize, tools: Tools) -> Result<Self> {
        ["log", "disk"].iter().try_for_each(|name| fs::create_dir_all(folder.join(name)))?;
        let network = Network::make(number)?;
        let admin = CryptoKey::aes(now(), rand::random());
        let fsid = Fsid(uuid::Uuid::new_v4());
        let mut cluster =
            Self { network, members: Vec::new(), folder: folder.to_owned(), tools, fsid, admin, ever: 0 };
        for _ in 0..size {
            let member = cluster.next_member()?;
            cluster.members.push(member);
        }
        cluster.write_files()?;
        for member in 0..size {
            cluster.mkfs(&cluster.members[member])?;
            cluster.start(member)?;
        }
        Ok(cluster)
    }

    /// A new monitor with a place in the network and a disk, and nothing on it.
    pub(crate) fn next_member(&mut self) -> Result<Member> {
        self.ever += 1;
        let slot = self.network.add()?;
        Member::make(&self.folder, format!("m{}", self.ever), slot)
    }

    /// Where a monitor listens.
    pub(crate) fn address(&self, member: &Member) -> SocketAddr {
        (self.network.address(member.slot), PORT).into()
    }

    fn write_files(&self) -> Result<()> {
        let entity = |key, services: &[&str]| {
            let mut auth = EntityAuth { key, ..EntityAuth::default() };
            services.iter().for_each(|service| auth.set_caps(service, "allow *"));
            auth
        };
        let mut keyring =
            Keyring::of(EntityName::mon(), entity(CryptoKey::aes(now(), rand::random()), &["mon"]));
        let admin = entity(self.admin.clone(), &["mon", "osd", "mds", "mgr"]);
        keyring.entities.insert(admin_name(), admin.clone());
        fs::write(self.folder.join("mon.keyring"), keyring.to_text().as_bytes())?;
        fs::write(self.folder.join("admin.keyring"), Keyring::of(admin_name(), admin).to_text().as_bytes())?;
        let mut monmap = MonMap {
            fsid: self.fsid,
            created: now(),
            changed: now(),
            ciphers: Some(CipherPolicy::compatible()),
            ..MonMap::default()
        };
        for member in &self.members {
            let mut info = MonInfo::new(&member.name, AddrVec::msgr2(self.address(member)));
            info.time_added = Some(now());
            monmap.add(info)?;
        }
        monmap.rank_by_address();
        fs::write(self.folder.join("monmap"), monmap.to_bytes())?;
        let hosts: Vec<_> =
            self.members.iter().map(|member| format!("[v2:{}]", self.address(member))).collect();
        let conf = format!(
            "[global]\n\
             fsid = {fsid}\n\
             mon host = {hosts}\n\
             [client]\n\
             keyring = {folder}/admin.keyring\n\
             [mon]\n\
             mon release = tentacle\n\
             mon data = {folder}/disk/$id/data\n\
             log file = {folder}/log/$name.log\n\
             mon cluster log file = {folder}/log/cluster.$id.log\n\
             debug mon = 5\n\
             admin socket =\n\
             mon http listen = 127.0.0.1:7000\n\
             mon data avail warn = 10\n\
             mon data avail crit = 2\n",
            fsid = self.fsid.0,
            hosts = hosts.join(","),
            folder = self.folder.display(),
        );
        fs::write(self.folder.join("ceph.conf"), conf).context("cannot write ceph.conf")
    }

    fn program(&self, member: &Member) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(&self.tools.mon).args([
            "ceph-mon",
            "-i",
            &member.name,
            "-c",
        ]);
        command.arg(self.folder.join("ceph.conf"));
        command
    }

    /// Makes a monitor's data directory.
    pub(crate) fn mkfs(&self, member: &Member) -> Result<()> {
        let mut command = self.program(member);
        command.arg("--mkfs").arg("--monmap").arg(self.folder.join("monmap"));
        command.arg("--keyring").arg(self.folder.join("mon.keyring"));
        let output = command.output()?;
        ensure!(output.status.success(), "mkfs: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Starts a voter.
    pub(crate) fn start(&mut self, index: usize) -> Result<()> {
        let command = self.run_command(&self.members[index], &[]);
        self.members[index].start(&self.network, command)
    }

    /// What runs a monitor, with further options.
    pub(crate) fn run_command(&self, member: &Member, options: &[&str]) -> Command {
        let mut command = self.program(member);
        command.arg("-f").arg(format!("--public-addrv=[v2:{}]", self.address(member))).args(options);
        if let Some(library) = &self.tools.faketime {
            command
                .env("LD_PRELOAD", library)
                .env("FAKETIME_TIMESTAMP_FILE", member.clock_file())
                .env("FAKETIME_CACHE_DURATION", "1")
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
                .env("DONT_FAKE_MONOTONIC", "1");
        }
        command
    }

    /// What clients connect with: all voters, one of them first.
    pub(crate) fn target(&self, first: usize) -> Target {
        let monitors: Vec<_> = self.members.iter().map(|member| self.address(member)).collect();
        Target {
            fsid: Some(self.fsid),
            // Secure mode costs the clients and the monitors most of two cores.
            modes: vec![Mode::Crc],
            first: Some(first % monitors.len()),
            connect_timeout: Duration::from_secs(1),
            keepalive: (Duration::from_millis(500), Duration::from_millis(1500)),
            open_timeout: Duration::from_secs(1),
            resend: false,
            ..Target::new(monitors, admin_name(), self.admin.clone())
        }
    }

    /// Runs a command of the test itself through whoever answers.
    pub(crate) fn command(&self, command: &Value) -> Result<CommandReply> {
        let target = Target { open_timeout: COMMAND, resend: true, ..self.target(0) };
        self.tools.runtime.block_on(async {
            let work = async {
                let client = Client::open(target).await?;
                client.command(command.to_string(), Bytes::new()).await
            };
            tokio::time::timeout(COMMAND, work)
                .await
                .with_context(|| format!("no answer to {command} for {} s", COMMAND.as_secs()))?
                .with_context(|| format!("{command}"))
        })
    }

    /// The same for a command that must succeed.
    pub(crate) fn must(&self, command: &Value) -> Result<Bytes> {
        let reply = self.command(command)?;
        ensure!(reply.code == 0, "{command}: {} {}", reply.code, reply.message);
        Ok(reply.output)
    }

    /// Writes the monmap as it is now to where `mkfs` reads it.
    pub(crate) fn save_monmap(&self) -> Result<()> {
        let map = self.must(&json!({"prefix": "mon getmap"}))?;
        fs::write(self.folder.join("monmap"), map).context("cannot write the monmap")
    }

    /// Who leads, as the first that knows tells.
    pub(crate) fn leader(&self) -> Option<usize> {
        let statuses = self.members.iter().filter_map(|member| member.status(&self.network).ok());
        let name = statuses.into_iter().find_map(|s| s["quorum"]["leader"].as_str().map(str::to_owned))?;
        self.members.iter().position(|member| member.name == name)
    }

    /// Waits until all run, are in one quorum under one leader, serve, and have the same version. Returns it.
    pub(crate) fn wait_until_settled(&mut self) -> Result<u64> {
        let mut last = String::new();
        let result = wait::until("the cluster to be whole again", TOGETHER, || {
            for index in 0..self.members.len() {
                if let Some(ended) = self.members[index].ended()? {
                    bail!("mon.{} ended by itself: {ended}", self.members[index].name);
                }
            }
            let statuses: Result<Vec<Value>> =
                self.members.iter().map(|member| member.status(&self.network)).collect();
            match statuses.and_then(|statuses| self.settled(&statuses)) {
                Ok(version) => Ok(Some(version)),
                Err(why) => {
                    last = format!("{why:#}");
                    Ok(None)
                }
            }
        });
        result.with_context(|| format!("last seen: {last}"))
    }

    fn settled(&self, statuses: &[Value]) -> Result<u64> {
        let names = |list: &Value| -> Vec<String> {
            let mut names: Vec<String> =
                list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
            names.sort();
            names
        };
        let mut all: Vec<String> = self.members.iter().map(|member| member.name.clone()).collect();
        all.sort();
        let first = &statuses[0];
        for body in statuses {
            let name = &body["name"];
            let quorum = &body["quorum"];
            ensure!(body["ready"] == true, "{name} is not ready: {}", body["state"]);
            ensure!(names(&quorum["names"]) == all, "{name} is in quorum with {}", quorum["names"]);
            for part in ["leader", "election_epoch", "monmap_epoch"] {
                ensure!(quorum[part] == first["quorum"][part], "{name}: {part} is {}", quorum[part]);
            }
            let (version, other) = (&body["paxos"]["last_committed"], &first["paxos"]["last_committed"]);
            ensure!(version == other, "{name} is at version {version}, {} at {other}", first["name"]);
        }
        let leaders = statuses.iter().filter(|status| status["state"] == "leader").count();
        ensure!(leaders == 1, "{leaders} leaders");
        first["paxos"]["last_committed"].as_u64().context("no version")
    }

    /// Ends whatever still runs.
    pub(crate) fn kill_all(&mut self) {
        for member in &mut self.members {
            // What does not run need not be killed.
            if member.signal(rustix::process::Signal::KILL).is_ok() {
                let _ = member.reap();
            }
        }
    }

    /// Kills all at once and compares what is in their stores.
    pub(crate) fn compare_stores(&mut self) -> Result<()> {
        /// Everything that is agreed upon; what is a monitor's own is under other prefixes.
        const AGREED: [&str; 7] = ["auth", "health", "kv", "logm", "mon_config_key", "moncluster", "monmap"];
        const PAGE: usize = 10_000;
        self.members.iter().try_for_each(|member| member.signal(rustix::process::Signal::KILL))?;
        let mut stores = Vec::new();
        for member in &mut self.members {
            member.reap()?;
            let store = mon_rocksdb::peek(&member.data())?;
            let mut content = BTreeMap::new();
            for prefix in AGREED {
                let mut start = String::new();
                loop {
                    let page = store.scan(prefix, &start, PAGE)?;
                    let Some((last, _)) = page.last() else { break };
                    start = format!("{last}\0");
                    content.extend(page.into_iter().map(|(key, value)| ((prefix, key), value)));
                }
            }
            stores.push((member.name.clone(), content));
        }
        let Some(((first_name, first), others)) = stores.split_first() else { return Ok(()) };
        ensure!(first.len() > 10, "the store of mon.{first_name} holds {} keys", first.len());
        for (name, content) in others {
            let keys = first.keys().chain(content.keys());
            let differs = keys.into_iter().find(|key| first.get(*key) != content.get(*key));
            ensure!(differs.is_none(), "mon.{first_name} and mon.{name} differ in {differs:?}");
        }
        Ok(())
    }
}

fn admin_name() -> EntityName {
    EntityName::new(EntityType::Client, "admin")
}

fn now() -> UTime {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    UTime::from_duration(now.unwrap_or_default())
}
