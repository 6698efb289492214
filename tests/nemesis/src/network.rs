//! A network of our own: a bridge, and a namespace for every monitor.
//!
//! ```text
//!   clients -- br 10.N.0.1 --+-- 10.N.0.10  namespace of slot 0
//!                            +-- 10.N.0.11  namespace of slot 1 ...
//! ```
//! The runner itself lives in private network and mount namespaces (`cargo xtask nemesis` sees to that): nothing is
//! left of all this when it ends. Neighbours are known by permanent entries; a link is cut in one direction by
//! giving its sender a hardware address that nobody has. Packets then vanish without a word, as on a broken wire.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// From one slot to another.
pub(crate) type Link = (usize, usize);

/// The network of one cluster.
#[derive(Debug)]
pub(crate) struct Network {
    number: u8,
    slots: Vec<Namespace>,
    blocked: BTreeSet<Link>,
    nonce: u64,
}

type Job = Box<dyn FnOnce() + Send>;

/// A namespace, entered by a thread that works in it.
#[derive(Debug)]
pub(crate) struct Namespace {
    name: String,
    address: Ipv4Addr,
    jobs: mpsc::Sender<Job>,
    probe: UdpSocket,
}

/// Where monitors listen for probes of the network, beside their own ports.
const PROBE_PORT: u16 = 9;
/// How long a packet may take that arrives at all. The machine may be busy.
const PROBE_PATIENCE: Duration = Duration::from_millis(500);

impl Network {
    /// A bridge without any slots. `number` is the second byte of its addresses.
    pub(crate) fn make(number: u8) -> Result<Self> {
        ip(&format!(
            "link set lo up\n\
             link add br{number} type bridge\n\
             addr add 10.{number}.0.1/24 dev br{number}\n\
             link set br{number} up\n"
        ))?;
        Ok(Self { number, slots: Vec::new(), blocked: BTreeSet::new(), nonce: 0 })
    }

    /// One more namespace; its slot.
    pub(crate) fn add(&mut self) -> Result<usize> {
        let (number, slot) = (self.number, self.slots.len());
        let name = format!("n{number}-{slot}");
        ip(&format!(
            "netns add {name}\n\
             link add v{number}-{slot} type veth peer name eth0 address {mac} netns {name}\n\
             link set v{number}-{slot} master br{number} up\n",
            mac = self.mac(slot),
        ))?;
        in_namespace(
            &name,
            &format!("addr add {}/24 dev eth0\nlink set lo up\nlink set eth0 up\n", self.address(slot)),
        )?;
        self.slots.push(Namespace::enter(name, self.address(slot))?);
        for other in 0..slot {
            self.apply((slot, other))?;
            self.apply((other, slot))?;
        }
        Ok(slot)
    }

    /// The address of a slot.
    pub(crate) fn address(&self, slot: usize) -> Ipv4Addr {
        Ipv4Addr::new(10, self.number, 0, 10 + slot as u8)
    }

    /// A slot's namespace.
    pub(crate) fn namespace(&self, slot: usize) -> &Namespace {
        &self.slots[slot]
    }

    fn mac(&self, slot: usize) -> String {
        format!("02:00:00:{:02x}:00:{slot:02x}", self.number)
    }

    /// Blocks exactly these links, each in the direction that it names.
    pub(crate) fn block(&mut self, links: BTreeSet<Link>) -> Result<()> {
        let changed: Vec<Link> = self.blocked.symmetric_difference(&links).copied().collect();
        self.blocked = links;
        changed.into_iter().try_for_each(|link| self.apply(link))
    }

    fn apply(&self, link: Link) -> Result<()> {
        let (from, to) = link;
        let mac = if self.blocked.contains(&link) { "02:00:00:ff:ff:ff".into() } else { self.mac(to) };
        in_namespace(
            &self.slots[from].name,
            &format!("neigh replace {} lladdr {mac} dev eth0 nud permanent\n", self.address(to)),
        )
    }

    /// Sends a packet over every link between these slots; the links over which none arrived.
    pub(crate) fn dead_links(&mut self, slots: &[usize]) -> Result<BTreeSet<Link>> {
        self.nonce += 1;
        let links = || slots.iter().flat_map(|from| slots.iter().map(move |to| (*from, *to)));
        let mut silent: BTreeSet<Link> = links().filter(|(from, to)| from != to).collect();
        for (from, to) in &silent {
            let packet = [self.nonce.to_le_bytes(), (*from as u64).to_le_bytes()].concat();
            // An error of the socket is a packet that does not arrive.
            let _ = self.slots[*from].probe.send_to(&packet, (self.address(*to), PROBE_PORT));
        }
        let start = Instant::now();
        // Waits for those that should come; one that should not has had as much time.
        while !silent.is_subset(&self.blocked) && start.elapsed() < PROBE_PATIENCE {
            for to in slots {
                let mut packet = [0; 16];
                while let Ok(16) = self.slots[*to].probe.recv(&mut packet) {
                    if packet[..8] == self.nonce.to_le_bytes() {
                        silent.remove(&(usize::from(packet[8]), *to));
                    }
                }
            }
        }
        Ok(silent)
    }
}

impl Namespace {
    fn enter(name: String, address: Ipv4Addr) -> Result<Self> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (ready, entered) = mpsc::channel();
        let path = format!("/run/netns/{name}");
        std::thread::Builder::new().name(name.clone()).spawn(move || {
            let enter = || -> Result<UdpSocket> {
                let file = File::open(&path).with_context(|| path.clone())?;
                move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
                let probe = UdpSocket::bind((address, PROBE_PORT))?;
                probe.set_read_timeout(Some(Duration::from_millis(5)))?;
                Ok(probe)
            };
            // Nobody listens any more once the network is given up.
            let _ = ready.send(enter());
            inbox.into_iter().for_each(|job| job());
        })?;
        let probe = entered.recv().context("the thread of a namespace ended")??;
        Ok(Self { name, address, jobs, probe })
    }

    /// Does something inside. Processes that it starts live in the namespace.
    pub(crate) fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let (answer, answered) = mpsc::channel();
        self.jobs
            .send(Box::new(move || {
                let _ = answer.send(work());
            }))
            .ok()
            .context("the thread of a namespace ended")?;
        answered.recv().with_context(|| format!("work in namespace {} ({}) failed", self.name, self.address))
    }
}

fn ip(batch: &str) -> Result<()> {
    run_ip(Command::new("ip").args(["-batch", "-"]), batch)
}

fn in_namespace(name: &str, batch: &str) -> Result<()> {
    run_ip(Command::new("ip").args(["-n", name, "-batch", "-"]), batch)
}

fn run_ip(command: &mut Command, batch: &str) -> Result<()> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run ip: apt-get install iproute2")?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(batch.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "ip: {}\n{batch}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
