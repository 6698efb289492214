//! What must hold after every event, one file each.
//!
//! | property | where Ceph or the literature states it | module |
//! |---|---|---|
//! | a version has one value, whoever commits it | Paxos.h: the log is a sequence of agreed values | [`agreement`] |
//! | committed versions have no gap, and never go back but by a sync | Paxos.h: storage layout | [`no_gaps`] |
//! | promises and election epochs on disk never go back | Paxos.h `accepted_pn`; ElectionLogic.h `epoch` | [`promises`] |
//! | under one number one value is offered | Paxos made simple, P2 | [`ballots`] |
//! | what is committed is on the disks of a majority of the map before it | Paxos made simple, P2c | [`majority`] |
//! | an epoch has at most one leader, and its quorum is a majority | ElectionLogic.h: epoch parity | [`leaders`] |
//! | nothing that depends on a write leaves before it is durable | Paxos.cc: store before reply | [`durability`] |
//! | a majority has promised before a value is offered; a heartbeat's confirmation is a promise | Paxos.cc: collect, begin | [`phase_one`] |
//! | one vote per epoch, and a victory has the votes it says | ElectionLogic.h | [`votes`] |
//! | a read shows what was acknowledged before it, a store what it acknowledges | Paxos.h: is_readable; Raft 6.4 | [`fresh_reads`] |
//! | a process does not go by less than its disk | | [`memory`] |
//! | stores are equal at equal versions | Monitor.cc: scrub | [`digests`] |
//! | who is not in the map has no vote | PaxosService over MonMap ranks | [`learners`] |
//! | who was told to stay out has none either | Elector::stop, Monitor::exited_quorum | [`exits`] |
//! | no more is trimmed than the configuration allows | Paxos.cc: `paxos_min` | [`trims`] |
//! | a store that is half synced takes part in nothing, and a sync keeps what was accepted | Monitor.cc: `mon_sync/in_sync` | [`syncs`] |
//! | what is asked for once is done once | PaxosService.h: pending is proposed once; MForward `tid` | [`applied_once`] |
//! | a value moves a service by one version, whole | PaxosService.h: `encode_pending` | [`service_versions`] |
//! | a change of the monmap keeps enough members, and happens in the epoch that was meant | Raft, 4.1; MonmapMonitor | [`map_changes`] |
//! | what services hold decoded is what the store holds | PaxosService.h: `update_from_paxos` | [`decoded`] |
//! | watchers inside of a process are told every version once, as it was chosen | KVMonitor: `check_sub` | [`watchers`] |
//! | a half-synced store serves nobody | Monitor.cc: `STATE_SYNCHRONIZING` | [`served`] |
//!
//! The last six look at the whole monitor only, and so do the checks of what each client is told
//! ([`crate::guests`]).
//!
//! What clients are told is checked by [`crate::history`], and that a calm cluster comes to rest by
//! [`crate::World::settle_down`].

pub mod agreement;
pub mod applied_once;
pub mod ballots;
pub mod book;
pub mod decoded;
pub mod digests;
mod disks;
pub mod durability;
pub mod exits;
pub mod fresh_reads;
pub mod leaders;
pub mod learners;
pub mod majority;
pub mod map_changes;
pub mod memory;
pub mod no_gaps;
pub mod phase_one;
pub mod promises;
pub mod served;
pub mod service_versions;
pub mod syncs;
pub mod trims;
pub mod votes;
pub mod watchers;

use std::fmt;

use mon_core::config::Config;
use mon_core::consensus::Consensus;
use mon_core::effect::KvChange;
use mon_core::services::Services;
use mon_store::MemoryStore;
use mon_types::kv::Transaction;
use mon_types::message::Envelope;

use crate::node::Node;
use crate::process::{Process, Request};
use book::{Book, Page};
pub use disks::{Disk, Disks, Facts};

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which property.
    pub invariant: &'static str,
    /// How it was broken.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}

/// The machine to which something happened.
#[derive(Debug)]
pub struct Subject<'a> {
    /// Which.
    pub node: usize,
    /// Its process's agreeing half, while it runs.
    pub consensus: Option<&'a Consensus>,
    /// The half that gives values their meaning, where there is one.
    pub services: Option<&'a Services>,
    /// Its disk as its process sees it.
    pub store: &'a MemoryStore,
    /// The facts on all disks.
    pub disks: &'a Disks,
}

impl Subject<'_> {
    /// The subject's own disk.
    #[must_use]
    pub fn disk(&self) -> Disk {
        self.disks.of(self.node)
    }
}

/// What a look finds.
pub type Finding = Result<(), String>;

/// A property. Every method is a moment at which it may be looked at.
pub trait Invariant: fmt::Debug {
    /// Its name in reports.
    fn name(&self) -> &'static str;

    /// A process has started.
    ///
    /// # Errors
    /// How the property is broken; so for the others.
    fn started(&mut self, _at: &Subject<'_>) -> Finding {
        Ok(())
    }

    /// A write has reached the store; `before` is what the disk held before it.
    ///
    /// # Errors
    /// How the property is broken.
    fn wrote(&mut self, _at: &Subject<'_>, _before: &Disk) -> Finding {
        Ok(())
    }

    /// A message leaves the process.
    ///
    /// # Errors
    /// How the property is broken.
    fn sent(&mut self, _at: &Subject<'_>, _message: &Envelope) -> Finding {
        Ok(())
    }

    /// A reply to a client leaves the process.
    ///
    /// # Errors
    /// How the property is broken.
    fn replied(&mut self, _at: &Subject<'_>, _message: &Envelope) -> Finding {
        Ok(())
    }

    /// A value was chosen; `book` is everything before it.
    ///
    /// # Errors
    /// How the property is broken.
    fn chosen(&mut self, _book: &Book, _page: &Page) -> Finding {
        Ok(())
    }

    /// The same, with whom it is for.
    ///
    /// # Errors
    /// How the property is broken.
    fn sent_to(&mut self, _at: &Subject<'_>, _to: usize, _message: &Envelope) -> Finding {
        Ok(())
    }

    /// A process tells watchers inside of it of changed keys.
    ///
    /// # Errors
    /// How the property is broken.
    fn told_watchers(&mut self, _at: &Subject<'_>, _book: &Book, _changes: &[KvChange]) -> Finding {
        Ok(())
    }

    /// A request has reached a process.
    fn asked(&mut self, _at: &Subject<'_>, _id: u64, _request: &Request) {}

    /// The answer to a request leaves a process, with 0 for success.
    ///
    /// # Errors
    /// How the property is broken.
    fn answered(&mut self, _at: &Subject<'_>, _id: u64, _code: i32) -> Finding {
        Ok(())
    }

    /// A process has dealt with an event.
    ///
    /// # Errors
    /// How the property is broken.
    fn after_event(&mut self, _at: &Subject<'_>) -> Finding {
        Ok(())
    }

    /// A machine has got a new disk.
    fn replaced(&mut self, _node: usize) {}

    /// A process has ended; `before` is what its disk held until then.
    ///
    /// # Errors
    /// How the property is broken.
    fn ended(&mut self, _at: &Subject<'_>, _before: &Disk) -> Finding {
        Ok(())
    }
}

/// All of them, with the state that they share.
#[derive(Debug)]
pub struct Invariants {
    list: Vec<Box<dyn Invariant>>,
    disks: Disks,
    book: Book,
}

impl Invariants {
    /// Every invariant there is; those of the services only where there are some, and without what does not hold
    /// beside stock monitors.
    #[must_use]
    pub fn all(services: bool, config: &Config) -> Self {
        let stock = config.stock_rule;
        let mut list: Vec<Box<dyn Invariant>> = vec![
            Box::<durability::Durability>::default(),
            Box::<promises::Promises>::default(),
            Box::<ballots::Ballots>::default(),
            Box::<phase_one::PhaseOne>::default(),
            Box::<memory::Memory>::default(),
            Box::<agreement::Agreement>::default(),
            Box::<no_gaps::NoGaps>::default(),
            Box::<majority::Majority>::default(),
            Box::<leaders::Leaders>::default(),
            Box::<learners::Learners>::default(),
            Box::<exits::Exits>::default(),
            Box::<syncs::Syncs>::default(),
            Box::<digests::Digests>::default(),
            Box::new(trims::Trims::new(config.paxos_min)),
        ];
        if services {
            list.extend([
                Box::<applied_once::AppliedOnce>::default() as Box<dyn Invariant>,
                Box::<service_versions::ServiceVersions>::default(),
                Box::<map_changes::MapChanges>::default(),
                Box::<decoded::Decoded>::default(),
                Box::<served::Served>::default(),
                Box::<watchers::Watchers>::default(),
            ]);
        }
        if !services {
            // A peon passes on answers of the leader to what its own store does not show yet.
            list.push(Box::<fresh_reads::FreshReads>::default());
        }
        if !stock {
            // Stock monitors acknowledge a better candidate in the same epoch.
            list.push(Box::<votes::Votes>::default());
        }
        if services && !stock {
            list.push(Box::<applied_once::Twice>::default());
        }
        Self { list, disks: Disks::default(), book: Book::default() }
    }

    /// What was chosen so far; empty where there are no services.
    #[must_use]
    pub fn book(&self) -> &Book {
        &self.book
    }

    fn each<P: Process>(
        &mut self,
        nodes: &[Node<P>],
        node: usize,
        mut look: impl FnMut(&mut dyn Invariant, &Subject<'_>) -> Finding,
    ) -> Result<(), Violation> {
        let consensus = nodes[node].core().map(Process::consensus);
        let services = nodes[node].core().and_then(Process::services);
        let at = Subject { node, consensus, services, store: &nodes[node].store, disks: &self.disks };
        for invariant in &mut self.list {
            if let Err(what) = look(invariant.as_mut(), &at) {
                let what = format!("{}: {what}", crate::node::name(node));
                return Err(Violation { invariant: invariant.name(), what });
            }
        }
        Ok(())
    }

    /// A process has started.
    ///
    /// # Errors
    /// The first property that does not hold; so for the others.
    pub fn started<P: Process>(&mut self, nodes: &[Node<P>], node: usize) -> Result<(), Violation> {
        self.disks.reload(node, &nodes[node].store);
        self.each(nodes, node, |invariant, at| invariant.started(at))
    }

    /// A machine has got a new disk.
    ///
    /// # Errors
    /// None.
    pub fn replaced<P: Process>(&mut self, nodes: &[Node<P>], node: usize) -> Result<(), Violation> {
        self.disks.replace(node, &nodes[node].store);
        self.list.iter_mut().for_each(|invariant| invariant.replaced(node));
        Ok(())
    }

    /// A write has reached the store.
    ///
    /// # Errors
    /// The first property that does not hold.
    pub fn wrote<P: Process>(
        &mut self,
        nodes: &[Node<P>],
        node: usize,
        transaction: &Transaction,
        sync: bool,
    ) -> Result<(), Violation> {
        let before = self.disks.of(node);
        self.disks.wrote(node, &nodes[node].store, transaction, sync);
        self.each(nodes, node, |invariant, at| invariant.wrote(at, &before))?;
        match P::SERVICES {
            true => self.turn_pages(nodes, node),
            false => Ok(()),
        }
    }

    /// Reads what a write has shown to be chosen.
    fn turn_pages<P: Process>(&mut self, nodes: &[Node<P>], node: usize) -> Result<(), Violation> {
        let seen = self.disks.of(node).seen;
        if seen.in_sync || seen.last <= self.book.last {
            return Ok(());
        }
        let pages = self
            .book
            .next_pages(&nodes[node].store, seen.last)
            .map_err(|what| Violation { invariant: "book", what })?;
        for page in pages {
            for invariant in &mut self.list {
                invariant
                    .chosen(&self.book, &page)
                    .map_err(|what| Violation { invariant: invariant.name(), what })?;
            }
            self.book.add(page);
        }
        Ok(())
    }

    /// A reply leaves a process.
    ///
    /// # Errors
    /// The first property that does not hold.
    pub fn replied<P: Process>(
        &mut self,
        nodes: &[Node<P>],
        node: usize,
        message: &Envelope,
    ) -> Result<(), Violation> {
        self.each(nodes, node, |invariant, at| invariant.replied(at, message))
    }

    /// A message leaves a process.
    ///
    /// # Errors
    /// The first property that does not hold.
    pub fn sent<P: Process>(
        &mut self,
        nodes: &[Node<P>],
        (node, to): (usize, usize),
        message: &Envelope,
    ) -> Result<(), Violation> {
        self.each(nodes, node, |invariant, at| {
            invariant.sent(at, message)?;
            invariant.sent_to(at, to, message)
        })
    }

    /// A process tells watchers inside of it of changed keys.
    ///
    /// # Errors
    /// The first property that does not hold.
    pub fn told_watchers<P: Process>(
        &mut self,
        nodes: &[Node<P>],
        node: usize,
        changes: &[KvChange],
    ) -> Result<(), Violation> {
        let book = std::mem::take(&mut self.book);
        let found = self.each(nodes, node, |invariant, at| invariant.told_watchers(at, &book, changes));
        self.book = book;
        found
    }

    /// A request has reached a process.
    ///
    /// # Errors
    /// None.
    pub fn asked<P: Process>(
        &mut self,
        nodes: &[Node<P>],
        node: usize,
        id: u64,
        request: &Request,
    ) -> Result<(), Violation> {
        self.each(nodes, node, |invariant, at| {
            invariant.asked(at, id, request);
            Ok(())
        })
    }

    /// The answer to a request leaves a process.
    ///
    /// # Errors
    /// The first property that does not hold.
    pub fn answered<P: Process>(
        &mut self,
        nodes: &[Node<P>],
        node: usize,
        id: u64,
        code: i32,
    ) -> Result<(), Violation> {
        self.each(nodes, node, |invariant, at| invariant.answered(at, id, code))
    }

    /// A process has dealt with an event.
    ///
    /// # Errors
    /// The first property that does not hold.
    pub fn after_event<P: Process>(&mut self, nodes: &[Node<P>], node: usize) -> Result<(), Violation> {
        self.each(nodes, node, |invariant, at| invariant.after_event(at))
    }

    /// A process has ended, perhaps with the power.
    ///
    /// # Errors
    /// The first property that does not hold.
    pub fn ended<P: Process>(
        &mut self,
        nodes: &[Node<P>],
        node: usize,
        power_cut: bool,
    ) -> Result<(), Violation> {
        let before = self.disks.of(node);
        if power_cut {
            self.disks.reload(node, &nodes[node].store);
        }
        self.each(nodes, node, |invariant, at| invariant.ended(at, &before))
    }
}
