//! The scenarios. In each, clients write and read all the time, and what they saw is checked at the end.

mod api;
mod change;
mod drain;
mod identity;
mod install;
mod lost;
mod node;
mod operator;
mod partition;
mod pod;
mod scale;

pub(crate) use pod::delete_and_wait;

use crate::runner::Run;

/// A scenario.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it does.
    pub(crate) run: Run,
    /// Whether it kills, cuts off or drains nodes.
    pub(crate) needs_nodes: bool,
    /// Whether it runs the stock command line.
    pub(crate) needs_stock: bool,
}

const fn on_nodes(name: &'static str, run: Run) -> Scenario {
    Scenario { name, run, needs_nodes: true, needs_stock: false }
}

/// All of them. The first ones build what the others use, and the last one takes it down.
pub(crate) const ALL: [Scenario; 24] = [
    on_nodes("lab::a_node_dies_and_returns", node::dies_and_returns),
    on_nodes("api::good_and_bad_objects", api::good_and_bad_objects),
    Scenario {
        name: "install::chart_sample_and_ceph_s",
        run: install::chart_sample_and_ceph_s,
        needs_nodes: true,
        needs_stock: true,
    },
    on_nodes("pod::peon_deleted", pod::peon_deleted),
    on_nodes("pod::leader_deleted", pod::leader_deleted),
    on_nodes("pod::container_killed", pod::container_killed),
    on_nodes("scale::three_five_three", scale::three_five_three),
    on_nodes("scale::from_one", scale::from_one),
    on_nodes("node::deleted", node::deleted),
    on_nodes("node::dead", node::dead),
    on_nodes("node::disk_wiped", node::disk_wiped),
    on_nodes("drain::every_node", drain::every_node),
    on_nodes("change::rolled", change::rolled),
    on_nodes("partition::member", partition::member),
    on_nodes("partition::operator", partition::operator),
    on_nodes("operator::footprint", operator::footprint),
    on_nodes("operator::down_for_a_healing", operator::down_for_a_healing),
    on_nodes("operator::killed_during_scaling", operator::killed_during_scaling),
    on_nodes("operator::killed_during_a_replacement", operator::killed_during_a_replacement),
    on_nodes("operator::killed_during_a_change", operator::killed_during_a_change),
    on_nodes("lost::two_of_three", lost::two_of_three),
    on_nodes("identity::deleted_and_adopted", identity::deleted_and_adopted),
    on_nodes("identity::deleted_for_good", identity::deleted_for_good),
    on_nodes("install::upgrade_and_uninstall", install::upgrade_and_uninstall),
];
