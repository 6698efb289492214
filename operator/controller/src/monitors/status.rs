//! From a monitor's JSON to what the plan knows of it.

use std::collections::BTreeMap;

use moncluster_api::MemberName;
use moncluster_plan::{Answer, MapMember, MonState, Voter};
use serde::Deserialize;
use serde_json::Value;

/// `StatusView` of monitor/daemon/openapi.json.
#[derive(Debug, Deserialize)]
struct StatusView {
    name: MemberName,
    fsid: String,
    version: String,
    state: MonState,
    ready: bool,
    quorum: QuorumView,
    paxos: PaxosView,
    #[serde(default)]
    sync: Option<SyncView>,
    health: HealthView,
    disk: DiskView,
}

#[derive(Debug, Deserialize)]
struct QuorumView {
    #[serde(default)]
    leader: Option<MemberName>,
    names: Vec<MemberName>,
    election_epoch: u32,
    monmap_epoch: u32,
    members: Vec<MemberView>,
}

#[derive(Debug, Deserialize)]
struct MemberView {
    name: MemberName,
    #[serde(default)]
    rank: Option<u32>,
    in_quorum: bool,
    #[serde(default)]
    behind: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct PaxosView {
    first_committed: u64,
    last_committed: u64,
}

#[derive(Debug, Deserialize)]
struct SyncView {
    bytes: u64,
}

#[derive(Debug, Deserialize)]
struct HealthView {
    checks: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct DiskView {
    bytes_total: u64,
    bytes_available: u64,
    bytes_store: u64,
}

/// A status, if it is one of the monitor that was asked: a pod's address may be another's by now.
pub fn parse_status(asked: &MemberName, body: &Value) -> Option<Answer> {
    let view = StatusView::deserialize(body).ok().filter(|view| view.name == *asked)?;
    let member = |member: MemberView| MapMember {
        name: member.name,
        rank: member.rank,
        in_quorum: member.in_quorum,
        behind: member.behind,
    };
    Some(Answer {
        fsid: view.fsid,
        state: view.state,
        ready: view.ready,
        leader: view.quorum.leader,
        quorum: view.quorum.names,
        election_epoch: view.quorum.election_epoch,
        monmap_epoch: view.quorum.monmap_epoch,
        members: view.quorum.members.into_iter().map(member).collect(),
        first_committed: view.paxos.first_committed,
        last_committed: view.paxos.last_committed,
        sync_bytes: view.sync.map(|sync| sync.bytes),
        health_checks: view.health.checks,
        version: view.version,
        store_bytes: view.disk.bytes_store,
        disk_bytes_total: view.disk.bytes_total,
        disk_bytes_available: view.disk.bytes_available,
    })
}

/// Epoch, fsid and voters of what `GET /v1/monmap` says, which is Ceph's `mon dump`.
pub fn members_of_map(body: &Value) -> Option<(u32, String, Vec<Voter>)> {
    let epoch = u32::try_from(body.get("epoch")?.as_u64()?).ok()?;
    let fsid = body.get("fsid")?.as_str()?.to_owned();
    Some((epoch, fsid, members(body.get("mons")?)?))
}

/// Those that `GET /v1/learners` lists.
pub fn members(list: &Value) -> Option<Vec<Voter>> {
    list.as_array()?.iter().map(member).collect()
}

fn member(mon: &Value) -> Option<Voter> {
    let name = mon.get("name")?.as_str()?.parse().ok()?;
    let addrs = mon.pointer("/public_addrs/addrvec").and_then(Value::as_array);
    let is_v2 = |addr: &&Value| addr.get("type").and_then(Value::as_str) == Some("v2");
    let v2 = addrs.and_then(|addrs| addrs.iter().find(is_v2)).and_then(|addr| addr.get("addr"));
    let address = v2.or_else(|| mon.get("addr"))?.as_str()?;
    Some(Voter { name, address: address.split('/').next().unwrap_or_default().to_owned() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn maps_and_learners_as_the_monitor_prints_them() {
        let addrs = json!({"addrvec": [
            {"type": "v1", "addr": "10.0.0.1:6789", "nonce": 0},
            {"type": "v2", "addr": "10.0.0.1:3300", "nonce": 0},
        ]});
        let map = json!({"epoch": 3, "fsid": "f", "mons": [{"rank": 0, "name": "a", "public_addrs": addrs}]});
        let (epoch, fsid, voters) = members_of_map(&map).unwrap();
        assert_eq!((epoch, fsid.as_str()), (3, "f"));
        assert_eq!(voters[0].address, "10.0.0.1:3300");
        assert!(members_of_map(&json!({"epoch": 3})).is_none());
        assert_eq!(members(&json!([])), Some(Vec::new()));
    }

    #[test]
    fn another_monitors_status_is_none_of_the_asked_one() {
        let status = json!({
            "name": "b", "fsid": "f", "release": 20, "version": "1", "state": "peon", "ready": true,
            "quorum": {"names": ["a", "b"], "election_epoch": 2, "monmap_epoch": 1, "members": [
                {"name": "a", "rank": 0, "addrs": "v2:10.0.0.1:3300/0", "in_quorum": true},
            ]},
            "paxos": {"first_committed": 1, "last_committed": 9},
            "health": {"status": "HEALTH_OK", "checks": {}}, "sessions": 0,
            "disk": {"bytes_total": 2, "bytes_available": 1, "bytes_store": 1},
        });
        assert!(parse_status(&"a".parse().unwrap(), &status).is_none());
        let answer = parse_status(&"b".parse().unwrap(), &status).unwrap();
        assert_eq!((answer.state, answer.last_committed), (MonState::Peon, 9));
    }
}
