//! What can go wrong, and the menu from which a run takes some of it.
//!
//! Faults are numbered. Each is drawn from the run's seed and its own number alone, with the time since the one
//! before it, so that leaving one out changes no other: that is what makes shrinking a failed run possible.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A process is killed and started again later. Writes that it had queued may or may not reach the disk.
    Kill,
    /// A machine loses power: un-synced writes may be lost, in order.
    PowerCut,
    /// All machines lose power at once.
    Blackout,
    /// A process is stopped and runs on later.
    Pause,
    /// A leader, if there is one, is stopped and runs on later.
    PauseLeader,
    /// A leader, if there is one, is killed.
    KillLeader,
    /// A leader is killed, or cut off from some, in the midst of a proposal.
    Ambush,
    /// Nothing passes from one machine to another; the other way works.
    CutOneWay,
    /// Nothing passes between two machines.
    CutLink,
    /// One machine is cut off from all others.
    Isolate,
    /// The machines are split in two sides.
    Partition,
    /// A link is slow for a while.
    Clog,
    /// A session is made anew, and what was under way in it is lost.
    Reset,
    /// A connection closes although both processes live.
    FalseDown,
    /// A disk takes long for a while.
    SlowDisk,
    /// A disk refuses a write: the process stops, as it must, and is started again later.
    WriteError,
    /// A machine is gone for good, and another takes its place in the monmap.
    DiskLost,
    /// A wall clock jumps.
    WallJump,
    /// A member is added to the monmap, or removed.
    Membership,
    /// A member is replaced by another in one step.
    Replace,
    /// A machine begins to follow as a learner, or ends.
    Learner,
    /// The leader hands over.
    StepDown,
    /// A process is asked to end, and started again later.
    Terminate,
    /// A member leaves the quorum for a while.
    QuorumExit,
    /// A member is told to take everything from the others at its next start, and is started anew.
    SyncForce,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 25] = [
        Self::Kill,
        Self::PowerCut,
        Self::Blackout,
        Self::Pause,
        Self::PauseLeader,
        Self::KillLeader,
        Self::Ambush,
        Self::CutOneWay,
        Self::CutLink,
        Self::Isolate,
        Self::Partition,
        Self::Clog,
        Self::Reset,
        Self::FalseDown,
        Self::SlowDisk,
        Self::WriteError,
        Self::DiskLost,
        Self::WallJump,
        Self::Membership,
        Self::Replace,
        Self::Learner,
        Self::StepDown,
        Self::Terminate,
        Self::QuorumExit,
        Self::SyncForce,
    ];
}

/// What a run may suffer, and how often.
#[derive(Debug, Clone)]
pub struct Menu {
    /// The kinds that are on, with their weights.
    pub weights: BTreeMap<Class, u32>,
    /// The mean time from one fault to the next.
    pub gap: Duration,
    /// The shortest time that a fault lasts.
    pub length_min: Duration,
    /// The longest time that a fault lasts.
    pub length_max: Duration,
}

/// One fault, as drawn.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Its number in the run.
    pub number: u64,
    /// How long after the one before.
    pub gap: Duration,
    /// The kind.
    pub class: Class,
    /// How long it lasts.
    pub length: Duration,
    /// Where the details come from.
    pub rng: ChaCha8Rng,
}

impl Menu {
    /// Nothing goes wrong.
    #[must_use]
    pub fn none() -> Self {
        Self {
            weights: BTreeMap::new(),
            gap: Duration::MAX,
            length_min: Duration::ZERO,
            length_max: Duration::ZERO,
        }
    }

    /// A random part of all kinds, with random strengths.
    pub fn choose(rng: &mut ChaCha8Rng) -> Self {
        let chance = [0.15, 0.3, 0.5, 0.8][rng.random_range(0..4)];
        let mut weights = BTreeMap::new();
        for class in Class::ALL {
            if rng.random_bool(chance) {
                weights.insert(class, rng.random_range(1..10));
            }
        }
        // From a few per second to one in some seconds; from instants to long enough for syncs.
        let gap = Duration::from_millis([30, 100, 300, 1000, 3000][rng.random_range(0..5)]);
        let length_max = Duration::from_millis([100, 1_000, 4_000, 15_000][rng.random_range(0..4)]);
        Self { weights, gap, length_min: Duration::ZERO, length_max }
    }

    /// The fault of this number; none when nothing is on the menu.
    #[must_use]
    pub fn draw(&self, seed: u64, number: u64) -> Option<Fault> {
        let total: u32 = self.weights.values().sum();
        if total == 0 {
            return None;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed.rotate_left(32) ^ number ^ 0x0066_6175_6c74);
        let gap = self.gap.mul_f64(rng.random_range(0.0..2.0));
        let mut ticket = rng.random_range(0..total);
        let class = self.weights.iter().find_map(|(class, weight)| {
            if ticket < *weight {
                return Some(*class);
            }
            ticket -= weight;
            None
        })?;
        // Short ones are as interesting as long ones: even on a logarithmic scale.
        let share = 10f64.powf(rng.random_range(-3.0..0.0));
        let length = self.length_min + (self.length_max - self.length_min).mul_f64(share);
        Some(Fault { number, gap, class, length, rng })
    }
}
