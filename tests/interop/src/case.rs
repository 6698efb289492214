//! The tests.

mod access;
mod cli;
mod hostile;
mod modes;
mod peon;
mod power;
mod refusals;
mod rust_client;
mod shapes;
mod store;
mod watch;

use crate::cluster::{Kind, Plan};
use crate::runner::{Case, World};
use crate::stock::Stock;

const EACH: &[u8] = &[16, 18, 20];
/// For what does not depend on the client's release.
const ONE: &[u8] = &[18];

/// All of them, the quick ones first.
pub(crate) const ALL: [Case; 24] = [
    Case { name: "cli::exit_codes", releases: EACH, run: cli::exit_codes },
    Case { name: "cli::the_command", releases: EACH, run: cli::the_command },
    Case { name: "cli::membership", releases: EACH, run: cli::membership },
    Case { name: "cli::tell_ping_daemon", releases: EACH, run: cli::tell_ping_daemon },
    Case { name: "shapes::json", releases: EACH, run: shapes::json },
    Case { name: "watch::log_lines", releases: EACH, run: watch::log_lines },
    Case { name: "modes::crc_and_secure", releases: EACH, run: modes::crc_and_secure },
    Case { name: "modes::key_types", releases: &[20], run: modes::key_types },
    Case { name: "rust_client::commands", releases: &[16, 18], run: rust_client::commands },
    Case { name: "access::caps_are_enforced", releases: EACH, run: access::caps_are_enforced },
    Case { name: "access::wrong_key_and_fsid", releases: EACH, run: access::wrong_key_and_fsid },
    Case { name: "store::tools_read_ours", releases: EACH, run: store::tools_read_ours },
    Case {
        name: "store::stock_mkfs_runs_under_ours",
        releases: EACH,
        run: store::stock_mkfs_runs_under_ours,
    },
    Case { name: "store::stock_takes_over_ours", releases: EACH, run: store::stock_takes_over_ours },
    Case { name: "peon::votes_and_forwards", releases: EACH, run: peon::votes_and_forwards },
    Case { name: "peon::syncs", releases: EACH, run: peon::syncs },
    Case { name: "peon::survives_the_leader", releases: EACH, run: peon::survives_the_leader },
    Case { name: "power::cut_of_all", releases: ONE, run: power::cut_of_all },
    Case { name: "power::leader_killed", releases: ONE, run: power::leader_killed },
    Case { name: "refusals::configuration", releases: ONE, run: refusals::configuration },
    Case { name: "refusals::damaged_store", releases: ONE, run: refusals::damaged_store },
    Case { name: "refusals::disk", releases: ONE, run: refusals::disk },
    Case { name: "hostile::random_bytes", releases: ONE, run: hostile::random_bytes },
    Case { name: "hostile::half_open", releases: ONE, run: hostile::half_open },
];

/// Three of ours.
pub(crate) const OURS: &[(&str, Kind)] = &[("a", Kind::Ours), ("b", Kind::Ours), ("c", Kind::Ours)];
/// Three stock ones.
const STOCK: &[(&str, Kind)] = &[("a", Kind::Stock), ("b", Kind::Stock), ("c", Kind::Stock)];

/// A plan with the keys that the release makes by itself.
pub(crate) fn plan<'a>(mons: &'a [(&'a str, Kind)], stock: &Stock) -> Plan<'a> {
    Plan { mons, key_type: if stock.release >= 20 { "aes256k" } else { "aes" }, settings: "" }
}

/// Three of ours in quorum.
fn trio(world: &World) -> anyhow::Result<crate::cluster::Cluster> {
    crate::cluster::Cluster::up(&world.binary, &world.stock, world.keep, plan(OURS, &world.stock))
}
