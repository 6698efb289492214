//! What a run of the whole monitor dwells on. Some mistakes need one kind of event many times in a row, which a swarm
//! over everything brings about too seldom: a third of the runs dwell on one such kind.

use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::fault::{Class, Menu};
use crate::plan::Plan;

/// See the module documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    /// On nothing.
    None,
    /// On changes of the members, several ordered at once.
    Members,
    /// On operations with ids that are asked for again.
    Retries,
    /// On registers that many swap at once, through slow disks, so that one value holds many operations.
    Swaps,
    /// On leases: leaders are stopped for longer than a lease while wall clocks jump.
    Leases,
    /// On stores that are slowly filled by a sync, and cut short in it, while guests come and go.
    Syncs,
    /// On global ids: small blocks, many logins, and disks that lose what was not synced.
    Ids,
}

impl Focus {
    const ALL: [Self; 6] = [Self::Members, Self::Retries, Self::Swaps, Self::Leases, Self::Syncs, Self::Ids];

    /// By lot.
    pub fn choose(rng: &mut ChaCha8Rng) -> Self {
        match rng.random_bool(0.35) {
            true => Self::ALL[rng.random_range(0..Self::ALL.len())],
            false => Self::None,
        }
    }

    /// How likely a guest hangs up at its turn, by which it asks again in its next session.
    #[must_use]
    pub fn haste(self) -> f64 {
        match self {
            Self::Retries | Self::Syncs | Self::Ids => 0.2,
            Self::None | Self::Members | Self::Swaps | Self::Leases => 0.04,
        }
    }

    /// How likely a guest that comes needs a new global id.
    #[must_use]
    pub fn newcomers(self) -> f64 {
        match self {
            Self::Ids => 0.9,
            Self::None | Self::Members | Self::Retries | Self::Swaps | Self::Leases | Self::Syncs => 0.2,
        }
    }

    /// Of what a guest may ask for (see [`crate::guests::deed::choose`]), the part that it does, of hundred.
    #[must_use]
    pub fn deeds(self) -> std::ops::Range<u32> {
        match self {
            // Registers and nothing else, fewer plain reads.
            Self::Swaps => 0..46,
            // Learners, and little else.
            Self::Retries => 72..90,
            // Writes and reads, so that reads of what is past show.
            Self::Leases => 0..60,
            Self::None | Self::Members | Self::Syncs | Self::Ids => 0..100,
        }
    }

    /// Makes a plan dwell on it.
    pub(crate) fn shape(self, plan: &mut Plan, rng: &mut ChaCha8Rng) {
        let mut dwell = |weights: &[(Class, u32)], gap_ms: u64| {
            plan.menu.weights.extend(weights.iter().copied());
            plan.menu.gap = Duration::from_millis(gap_ms);
        };
        match self {
            Self::None => {}
            Self::Members => {
                dwell(&[(Class::Membership, 20), (Class::Replace, 10)], 300);
                plan.voters = plan.voters.max(3);
                plan.spares = 3;
            }
            Self::Retries => {
                plan.menu.gap = plan.menu.gap.max(Duration::from_millis(300));
                plan.guests = 8;
            }
            Self::Swaps => {
                plan.menu.gap = plan.menu.gap.max(Duration::from_millis(1_000));
                plan.weather.sync = (5_000, 40_000);
                plan.config.services.value_operations_max = 64;
                plan.guests = 8;
                plan.keys = 1;
                plan.rest = Duration::from_millis(20);
            }
            Self::Leases => {
                plan.menu = Menu {
                    weights: [(Class::PauseLeader, 1), (Class::WallJump, 3)].into(),
                    gap: Duration::from_secs(4),
                    length_min: Duration::from_secs(14),
                    length_max: Duration::from_secs(26),
                };
                plan.config.stock_rule = true;
                plan.drift_ppm = 0;
                plan.voters = 3;
                plan.spares = 0;
                plan.guests = 8;
                plan.keys = 1;
            }
            Self::Syncs => {
                dwell(&[(Class::SyncForce, 30), (Class::Kill, 10), (Class::DiskLost, 5)], 300);
                plan.voters = plan.voters.max(3);
                plan.config.sync_payload_keys_max = rng.random_range(1..4);
                plan.weather.delay = (1_000, 30_000);
                plan.guests = 8;
            }
            Self::Ids => {
                dwell(&[(Class::PowerCut, 20), (Class::Blackout, 10)], 300);
                plan.config.services.global_id_block = rng.random_range(2..12);
                plan.guests = 8;
                plan.rest = Duration::from_millis(20);
            }
        }
    }
}
