//! One simulated machine: its disk, its clocks, and the monitor's process while it runs.

use std::collections::VecDeque;
use std::time::Duration;

use mon_core::effect::WriteId;
use mon_core::event::Event;
use mon_core::gate::Gate;
use mon_core::identity::Identity;
use mon_core::now::Now;
use mon_store::MemoryStore;
use mon_types::addr::AddrVec;
use mon_types::features::{Features, MonFeatures};
use mon_types::id::Fsid;
use mon_types::kv::Transaction;
use mon_types::release::Release;
use mon_types::time::UTime;

/// Where simulated wall clocks start: some day in 2026.
const WALL_START: Duration = Duration::from_secs(1_790_000_000);

/// See the module documentation.
#[derive(Debug)]
pub struct Node<P> {
    /// Who it is.
    pub identity: Identity,
    /// What its disk holds, as a process on it sees it.
    pub store: MemoryStore,
    /// Its clocks.
    pub clock: Clock,
    /// The process; none while it is down.
    pub process: Option<Running<P>>,
    /// Rises with every start and end, so that what was meant for an earlier process is recognised.
    pub life: u64,
    /// Whether the process is stopped. What comes meanwhile waits.
    pub paused: bool,
    /// Whether it follows without a vote while the map does not hold it.
    pub learner: bool,
    /// Whether it was told to stay out of the quorum.
    pub exited: bool,
    /// When the latest order of an administrator arrives: the next one is given after its answer.
    pub orders_until: Duration,
    /// Gone for good: a lost disk, or a member that was removed.
    pub gone: bool,
    /// A disk that is slow until then.
    pub slow_until: Duration,
    /// Whether the next write fails.
    pub write_fails: bool,
    /// How long the process may not be started again.
    pub down_until: Duration,
}

/// What dies with the process.
#[derive(Debug)]
pub struct Running<P> {
    /// The core.
    pub core: P,
    /// What waits for writes.
    pub gate: Gate,
    /// Writes on their way to the disk, with when they are there.
    pub writes: VecDeque<Write>,
    /// What came while the process was stopped.
    pub inbox: VecDeque<Event>,
    /// The earliest wake-up that is on the agenda.
    pub wake: Option<Duration>,
}

/// A write on its way.
#[derive(Debug)]
pub struct Write {
    /// When it is done.
    pub at: Duration,
    /// Its number.
    pub id: WriteId,
    /// What it changes.
    pub transaction: Transaction,
    /// Whether it is durable then.
    pub sync: bool,
}

/// A machine's clocks against the world's time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    /// What the monotonic clock showed at the world's start, in nanoseconds.
    pub offset_ns: u64,
    /// By how much it runs fast.
    pub drift_ppm: i64,
    /// How far the wall clock is off, in milliseconds.
    pub wall_ms: i64,
}

impl Clock {
    /// What the machine reads at a moment.
    #[must_use]
    pub fn at(self, time: Duration) -> Now {
        let wall_ms = (WALL_START + time).as_millis() as i64 + self.wall_ms;
        Now {
            mono: self.mono(time),
            wall: UTime::from_duration(Duration::from_millis(wall_ms.max(0) as u64)),
        }
    }

    fn mono(self, time: Duration) -> Duration {
        let ns = time.as_nanos() as u64;
        let drift = (ns as i128 * i128::from(self.drift_ppm) / 1_000_000) as i64;
        Duration::from_nanos(self.offset_ns + ns.saturating_add_signed(drift))
    }

    /// The first moment at which the machine reads this or later.
    #[must_use]
    pub fn when(self, mono: Duration) -> Duration {
        let ns = (mono.as_nanos() as u64).saturating_sub(self.offset_ns);
        let world = (u128::from(ns) * 1_000_000 / (1_000_000 + self.drift_ppm) as u128) as u64;
        let mut at = Duration::from_nanos(world);
        while self.mono(at) < mono {
            at += Duration::from_nanos(1);
        }
        at
    }
}

impl<P> Node<P> {
    /// A machine that is off.
    #[must_use]
    pub fn new(index: usize, clock: Clock) -> Self {
        Self {
            identity: identity(index),
            store: MemoryStore::new(),
            clock,
            process: None,
            life: 0,
            paused: false,
            learner: false,
            exited: false,
            orders_until: Duration::ZERO,
            gone: false,
            slow_until: Duration::ZERO,
            write_fails: false,
            down_until: Duration::ZERO,
        }
    }

    /// Whether the process is there and not stopped.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.process.is_some() && !self.paused
    }

    /// The core, while the process is there.
    #[must_use]
    pub fn core(&self) -> Option<&P> {
        self.process.as_ref().map(|process| &process.core)
    }
}

impl<P> Running<P> {
    /// A process that has just started.
    pub fn new(core: P) -> Self {
        Self { core, gate: Gate::default(), writes: VecDeque::new(), inbox: VecDeque::new(), wake: None }
    }
}

/// Where a machine is.
#[must_use]
pub fn addrs(index: usize) -> AddrVec {
    AddrVec::msgr2(([10, 0, 0, index as u8 + 1], 3300).into())
}

/// A machine's monitor by name.
#[must_use]
pub fn name(index: usize) -> String {
    match u8::try_from(index) {
        Ok(index @ 0..26) => char::from(b'a' + index).to_string(),
        _ => format!("m{index}"),
    }
}

/// The machine of a monitor by name; no machine's number where there is none.
#[must_use]
pub fn index_of(wanted: &str) -> usize {
    match wanted.as_bytes() {
        [letter @ b'a'..=b'z'] => usize::from(letter - b'a'),
        _ => wanted.strip_prefix('m').and_then(|number| number.parse().ok()).unwrap_or(usize::MAX),
    }
}

/// The machine with these addresses.
#[must_use]
pub fn index_of_addrs(wanted: &AddrVec) -> Option<usize> {
    (0..26).find(|index| addrs(*index) == *wanted)
}

/// The one cluster of every world.
#[must_use]
pub fn fsid() -> Fsid {
    Fsid(uuid::Uuid::from_u128(0x5eed_0000_0000_4000_8000_0000_0000_0001))
}

/// Who the monitor of a machine is.
#[must_use]
pub fn identity(index: usize) -> Identity {
    Identity {
        name: name(index),
        addrs: addrs(index),
        fsid: fsid(),
        release: Release::Tentacle,
        features: Features::all(Release::Tentacle),
        mon_features: MonFeatures::all(Release::Tentacle),
        metadata: [("hostname".to_owned(), name(index))].into(),
        command_table: bytes::Bytes::from_static(b"table"),
        extra_probe_peers: Vec::new(),
    }
}
