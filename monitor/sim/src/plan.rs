//! Everything about a run that is chosen before it: sizes, speeds, limits, clients and the menu of faults. All of it
//! is drawn from the seed, so that runs differ in kind and not only in luck.

use std::collections::BTreeSet;
use std::time::Duration;

use mon_core::config::Config;
use mon_types::monmap::ElectionStrategy;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::fault::{Class, Menu};
use crate::focus::Focus;
pub use mon_wire::auth::Mode as Frames;

/// A range of durations in microseconds, ends included.
pub type Micros = (u64, u64);

/// How slow things are.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// One-way delay between machines.
    pub delay: Micros,
    /// A synced write.
    pub sync: Micros,
    /// A write that is not synced.
    pub write: Micros,
}

impl Weather {
    /// A good local network and a good disk.
    pub const FAIR: Self = Self { delay: (50, 500), sync: (100, 1000), write: (5, 50) };
}

/// A run as planned.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where all of it comes from.
    pub seed: u64,
    /// How many machines are in the first monmap.
    pub voters: usize,
    /// How many more there are, to be added, to replace others, or to follow as learners.
    pub spares: usize,
    /// How the monitors are configured.
    pub config: Config,
    /// How leaders are chosen.
    pub strategy: ElectionStrategy,
    /// How slow network and disks are.
    pub weather: Weather,
    /// Whether messages between monitors pass through sessions and frames, and through which.
    pub frames: Option<Frames>,
    /// Whether messages cross the network as bytes rather than as values.
    pub as_bytes: bool,
    /// By how many parts per million clocks run fast or slow, at most.
    pub drift_ppm: i64,
    /// How many clients there are.
    pub clients: usize,
    /// How many registers they share.
    pub keys: u64,
    /// How many clients with sessions there are; only the whole monitor has use for them.
    pub guests: usize,
    /// What it dwells on; only the whole monitor has use for it.
    pub focus: Focus,
    /// How long a client rests between two operations, at most.
    pub rest: Duration,
    /// What may go wrong.
    pub menu: Menu,
    /// How many events the first phase has.
    pub events: u64,
    /// Faults, by number, that are left out: how a failing run is shrunk.
    pub skipped: BTreeSet<u64>,
    /// Only faults with lower numbers happen.
    pub faults_max: u64,
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn from_seed(seed: u64, events: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x706c_616e);
        let voters = [1, 2, 3, 3, 3, 3, 3, 4, 5, 5, 5, 7][rng.random_range(0..12)];
        let slow_net = rng.random_bool(0.4);
        let slow_disk = rng.random_bool(0.3);
        let delay = if slow_net {
            let least = rng.random_range(0..30_000);
            (least, least + rng.random_range(1_000..100_000))
        } else {
            Weather::FAIR.delay
        };
        let sync = if slow_disk { (500, rng.random_range(5_000..200_000)) } else { Weather::FAIR.sync };
        let strategies =
            [ElectionStrategy::Classic, ElectionStrategy::Disallow, ElectionStrategy::Connectivity];
        let mut config = config(&mut rng);
        let mut menu = Menu::choose(&mut rng);
        let mut drift_ppm = if rng.random_bool(0.5) { 0 } else { rng.random_range(1..1_000) };
        config.stock_rule = rng.random_bool(0.12);
        if config.stock_rule {
            // Leases rest on clocks that run alike, and on nothing being under way for longer than a lease.
            drift_ppm = 0;
            menu.length_max = menu.length_max.min(Duration::from_secs(4));
        }
        Self {
            seed,
            voters,
            spares: rng.random_range(0..3),
            config,
            strategy: strategies[rng.random_range(0..3)],
            weather: Weather { delay, sync, write: Weather::FAIR.write },
            frames: None,
            as_bytes: rng.random_bool(0.15),
            drift_ppm,
            clients: rng.random_range(1..7),
            keys: rng.random_range(1..6),
            guests: 0,
            focus: Focus::None,
            rest: Duration::from_millis(rng.random_range(10..400)),
            menu,
            events,
            skipped: BTreeSet::new(),
            faults_max: u64::MAX,
        }
    }

    /// The same with sessions of clients.
    #[must_use]
    pub fn with_guests(mut self) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ 0x6775_6573_7473);
        self.guests = rng.random_range(2..8);
        let services = &mut self.config.services;
        services.tick_interval = Duration::from_millis(rng.random_range(500..5_000));
        if rng.random_bool(0.5) {
            // Small values, so that what one round brings needs several.
            services.value_operations_max = rng.random_range(1..6);
        }
        // Every monitor keeps to the rules that hold beside stock monitors: leases, everybody must accept.
        self.config.stock_rule = rng.random_bool(0.2);
        self.focus = Focus::choose(&mut rng);
        self.focus.shape(&mut self, &mut rng);
        self
    }
}

impl Plan {
    /// The same with sessions and frames between monitors, as the daemon has them; in one run of four for the whole
    /// monitor.
    #[must_use]
    pub fn with_frames(self) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ 0x0066_7261_6d65);
        let mut plan = if rng.random_bool(0.25) { self.with_guests() } else { self };
        plan.frames = Some(if rng.random_bool(0.5) { Frames::Crc } else { Frames::Secure });
        // Connections that break in the midst of things are what this is about.
        plan.menu.weights.extend([(Class::Reset, 10), (Class::FalseDown, 5)]);
        plan
    }
}

/// Small limits in most runs, so that trimming and full syncs happen all the time.
fn config(rng: &mut ChaCha8Rng) -> Config {
    let mut config = Config::default();
    if rng.random_bool(0.7) {
        config.paxos_min = rng.random_range(2..20);
        config.paxos_trim_min = rng.random_range(1..10);
        config.paxos_trim_max = rng.random_range(5..20);
        config.paxos_max_join_drift = rng.random_range(1..10);
    }
    if rng.random_bool(0.6) {
        config.sync_payload_keys_max = rng.random_range(1..8);
        config.sync_payload_bytes_max = rng.random_range(16..2000);
        config.share_bytes_max = rng.random_range(16..2000);
    }
    if rng.random_bool(0.5) {
        config.sync_timeout = Duration::from_secs(rng.random_range(2..10));
    }
    config
}
