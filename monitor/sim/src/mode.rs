//! What runs in the world: how much of the monitor, and over what.

use mon_core::monitor::Monitor;

use crate::minimize;
use crate::plan::Plan;
use crate::register::Registers;
use crate::run::{self, Report};

/// See the module documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// The agreeing half alone, with registers for services.
    Consensus,
    /// The whole monitor, with sessions of clients.
    Monitor,
    /// One of both, over the sessions and frames that monitors have between each other.
    Wire,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Consensus, Self::Monitor, Self::Wire];

    /// As the command line names it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Consensus => "consensus",
            Self::Monitor => "monitor",
            Self::Wire => "wire",
        }
    }

    /// The plan of a seed in this mode.
    #[must_use]
    pub fn plan(self, seed: u64, events: u64) -> Plan {
        let plan = Plan::from_seed(seed, events);
        match self {
            Self::Consensus => plan,
            Self::Monitor => plan.with_guests(),
            Self::Wire => plan.with_frames(),
        }
    }

    /// How many events are worth while when a planted bug is looked for.
    #[must_use]
    pub fn events_per_bug(self) -> u64 {
        match self {
            Self::Consensus => u64::MAX,
            Self::Monitor | Self::Wire => 3_000,
        }
    }

    /// Runs a plan.
    #[must_use]
    pub fn run(self, plan: Plan, readable: bool) -> Report {
        match plan.guests {
            0 => run::run::<Registers>(plan, readable),
            _ => run::run::<Monitor>(plan, readable),
        }
    }

    /// Shrinks the faults of a plan that fails.
    #[must_use]
    pub fn minimize(self, plan: &Plan, failed: &Report) -> (Plan, Report) {
        match plan.guests {
            0 => minimize::minimize::<Registers>(plan, failed),
            _ => minimize::minimize::<Monitor>(plan, failed),
        }
    }
}

impl std::str::FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|mode| mode.word() == text);
        known.ok_or_else(|| format!("'{text}' is no mode: use consensus, monitor or wire"))
    }
}
