//! Members as tables.

use moncluster_api::MemberStatus;

use super::Table;
use crate::screen::Screen;

/// What fits beside everything else.
pub(super) fn short(screen: &Screen) -> String {
    let mut table = Table::new(&["MEMBER", "STATE", "QUORUM", "NODE", "POD", "VERSION"]);
    for member in &screen.status.members {
        table.row([
            format!("mon.{}", member.name),
            member.state.to_string(),
            standing(screen, member),
            or_dash(member.node_name.as_ref()),
            pod(screen, member),
            or_dash(member.version.as_ref()),
        ]);
    }
    table.text()
}

/// Everything that is known.
pub(crate) fn members(screen: &Screen) -> String {
    let header = [
        "MEMBER", "RANK", "STATE", "QUORUM", "ADDRESS", "NODE", "DOMAIN", "POD", "VOLUME", "PAXOS", "STORE",
        "FREE",
    ];
    let mut table = Table::new(&header);
    for member in &screen.status.members {
        table.row([
            format!("mon.{}", member.name),
            member.rank.map_or_else(|| "-".into(), |rank| rank.to_string()),
            member.state.to_string(),
            standing(screen, member),
            or_dash(member.address.as_ref()),
            or_dash(member.node_name.as_ref()),
            or_dash(member.topology.as_ref()),
            pod(screen, member),
            or_dash(member.pvc_name.as_ref()),
            member.paxos.map_or_else(|| "-".into(), |paxos| paxos.last_committed.to_string()),
            member.store_bytes.map_or_else(|| "-".into(), bytes),
            member.disk_free_percent.map_or_else(|| "-".into(), |percent| format!("{percent}%")),
        ]);
    }
    table.text()
}

fn standing(screen: &Screen, member: &MemberStatus) -> String {
    if member.fenced {
        return "fenced".into();
    }
    match (member.in_quorum_since, member.out_since, member.out_cause) {
        (Some(since), _, _) => format!("in for {}", screen.ago(since)),
        (None, Some(since), Some(cause)) => format!("out for {}: {cause}", screen.ago(since)),
        (None, Some(since), None) => format!("out for {}", screen.ago(since)),
        (None, None, _) if member.rank.is_none() => "no vote".into(),
        (None, None, _) => "unknown".into(),
    }
}

fn pod(screen: &Screen, member: &MemberStatus) -> String {
    let pod = screen.pods.iter().find(|pod| pod.member == member.name.as_str());
    match pod {
        None => "-".into(),
        Some(pod) if pod.restarts > 0 => format!("{} ({} restarts)", pod.state, pod.restarts),
        Some(pod) => pod.state.clone(),
    }
}

fn or_dash(text: Option<&String>) -> String {
    text.cloned().unwrap_or_else(|| "-".into())
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{}K", bytes / 1024),
        1_048_576..1_073_741_824 => format!("{}M", bytes / 1_048_576),
        _ => format!("{}G", bytes / 1_073_741_824),
    }
}
