//! The tests.

mod access;
mod cli;
mod hostile;
mod leader;
mod mixed;
mod modes;
mod peon;
mod power;
mod refusals;
mod rust_client;
mod shapes;
mod store;
mod sync;
mod watch;

use anyhow::Result;
use serde_json::Value;

use crate::cluster::{Answer, Cluster, Kind, Plan};
use crate::runner::{Case, World};
use crate::stock::Stock;

const EACH: &[u8] = &[16, 18, 20];
/// For what does not depend on the client's release.
const ONE: &[u8] = &[18];

/// All of them, those that wait the longest first.
pub(crate) const ALL: [Case; 30] = [
    case("cli::exit_codes", EACH, cli::exit_codes),
    case("leader::changes_membership", EACH, leader::changes_membership),
    case("leader::dies_and_returns", EACH, leader::dies_and_returns),
    case("leader::serves_stock_peons", EACH, leader::serves_stock_peons),
    case("sync::ours_from_stock", EACH, sync::ours_from_stock),
    case("sync::stock_from_ours", EACH, sync::stock_from_ours),
    case("peon::survives_the_leader", EACH, peon::survives_the_leader),
    case("peon::catches_up", EACH, peon::catches_up),
    case("peon::votes_and_forwards", EACH, peon::votes_and_forwards),
    case("store::stock_takes_over_ours", EACH, store::stock_takes_over_ours),
    case("store::stock_mkfs_runs_under_ours", EACH, store::stock_mkfs_runs_under_ours),
    case("store::tools_read_ours", EACH, store::tools_read_ours),
    case("shapes::json", EACH, shapes::json),
    case("cli::the_command", EACH, cli::the_command),
    case("cli::membership", EACH, cli::membership),
    case("cli::tell_ping_daemon", EACH, cli::tell_ping_daemon),
    case("watch::log_lines", EACH, watch::log_lines),
    case("modes::crc_and_secure", EACH, modes::crc_and_secure),
    case("modes::key_types", &[20], modes::key_types),
    case("rust_client::commands", &[16, 18], rust_client::commands),
    case("access::caps_are_enforced", EACH, access::caps_are_enforced),
    case("access::wrong_key_and_fsid", EACH, access::wrong_key_and_fsid),
    case("power::cut_of_all", ONE, power::cut_of_all),
    case("refusals::configuration", ONE, refusals::configuration),
    case("refusals::monitor_of_another_cluster", EACH, refusals::monitor_of_another_cluster),
    case("refusals::damaged_store", ONE, refusals::damaged_store),
    case("refusals::disk", ONE, refusals::disk),
    alone("power::leader_killed", ONE, power::leader_killed),
    alone("hostile::random_bytes", ONE, hostile::random_bytes),
    alone("hostile::half_open", ONE, hostile::half_open),
];

const fn case(name: &'static str, releases: &'static [u8], run: fn(&World) -> Result<()>) -> Case {
    Case { name, releases, alone: false, run }
}

/// For what measures times or memory, or looks for elections without a reason.
const fn alone(name: &'static str, releases: &'static [u8], run: fn(&World) -> Result<()>) -> Case {
    Case { name, releases, alone: true, run }
}

/// Three of ours.
pub(crate) const OURS: &[(&str, Kind)] = &[("a", Kind::Ours), ("b", Kind::Ours), ("c", Kind::Ours)];
/// Three stock ones.
const STOCK: &[(&str, Kind)] = &[("a", Kind::Stock), ("b", Kind::Stock), ("c", Kind::Stock)];

/// A plan with the keys that the release makes by itself.
pub(crate) fn plan<'a>(mons: &'a [(&'a str, Kind)], stock: &Stock) -> Plan<'a> {
    Plan { mons, key_type: if stock.release >= 20 { "aes256k" } else { "aes" }, settings: "" }
}

/// Three of ours in quorum.
fn trio(world: &World) -> Result<Cluster> {
    Cluster::up(&world.binary, &world.stock, world.keep, plan(OURS, &world.stock))
}

/// Three of ours, and three stock ones. Stock takes its time over the election: ours does not wait for it.
fn both_trios(world: &World) -> Result<(Cluster, Cluster)> {
    let stock = Cluster::begin(&world.binary, &world.stock, world.keep, plan(STOCK, &world.stock))?;
    let ours = trio(world)?;
    stock.wait_for_quorum(&["a", "b", "c"])?;
    Ok((ours, stock))
}

/// The answers of two clusters to the same commands.
fn ask_both(ours: &Cluster, stock: &Cluster, commands: &[Value]) -> Result<(Vec<Answer>, Vec<Answer>)> {
    std::thread::scope(|scope| {
        let stock = scope.spawn(|| stock.rados(commands));
        let ours = ours.rados(commands)?;
        Ok((ours, stock.join().map_err(|_| anyhow::anyhow!("a panic while stock was asked"))??))
    })
}
