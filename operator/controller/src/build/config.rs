//! What monitors are told: one file for all, and one that is each member's own.

use std::net::IpAddr;

use moncluster_api::{LogLevel, MemberName};
use moncluster_plan::Role;
use serde_json::{Value, json};

use super::pod::{RUN, SECRETS, STATE};
use super::{Scene, labels};

/// The ConfigMap of all monitors: options of the spec, and where the others are.
pub fn mon_config(scene: &Scene<'_>) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": labels::head(scene, &scene.cluster.names().mon_config(), None, true),
        "data": {"ceph.conf": ceph_conf(scene)},
    })
}

fn ceph_conf(scene: &Scene<'_>) -> String {
    let mut text = String::from("[global]\n");
    if !scene.voters.is_empty() {
        text.push_str(&format!("mon host = {}\n", scene.mon_host()));
    }
    text.push_str("\n[mon]\n");
    text.push_str(&options(scene));
    text
}

/// Those of the spec; they reach a monitor when it starts, so a change of them is a change of its revision.
pub(super) fn options(scene: &Scene<'_>) -> String {
    let level = match scene.cluster.spec().log_level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let mut text = format!("mon log level = {level}\n");
    for (name, value) in &scene.cluster.spec().config {
        // Lines would be other options.
        let value = value.replace(['\n', '\r'], " ");
        text.push_str(&format!("{} = {value}\n", name.replace('_', " ")));
    }
    text
}

/// The ConfigMap of one member, owned by its Service. Running pods see its changes: that is how a monitor that
/// has got its vote loses the permission to begin with an empty store.
pub fn member_config(
    scene: &Scene<'_>,
    member: &MemberName,
    role: Role,
    fsid: &str,
    address: &str,
    service_uid: &str,
) -> Value {
    let name = scene.cluster.names().member(member);
    let mut head = labels::head(scene, &name, Some(member), false);
    head["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "Service", "name": name, "uid": service_uid}]);
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": head,
        "data": {"mon.yaml": mon_yaml(scene, member, role, fsid, address)},
    })
}

fn mon_yaml(scene: &Scene<'_>, member: &MemberName, role: Role, fsid: &str, address: &str) -> String {
    let is_v6 = address
        .rsplit_once(':')
        .is_some_and(|(ip, _)| ip.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()));
    let any = if is_v6 { "[::]" } else { "0.0.0.0" };
    let mut mon = json!({
        "data": format!("{STATE}/mon"),
        // Who votes is decided by the monmap alone: a monitor that was taken out must not ask to be let in again.
        "learner": role != Role::Bootstrap,
        "mkfs_if_empty": role != Role::Voter,
        "http_listen": format!("{any}:{}", scene.cluster.spec().admin.port),
        "http_tls_cert": format!("{SECRETS}/tls.crt"),
        "http_tls_key": format!("{SECRETS}/tls.key"),
        "http_token_file": format!("{SECRETS}/token"),
        "cluster_log_to_file": false,
        "cluster_log_to_stderr": false,
        "log_format": "json",
    });
    match role {
        // It is alone: nobody else is told to it.
        Role::Bootstrap => mon["host"] = "".into(),
        Role::Learner => mon["host"] = scene.mon_host().into(),
        Role::Voter => {}
    }
    let config = json!({
        "name": member,
        "fsid": fsid,
        "public_addrv": format!("[v2:{address}]"),
        // The address is the Service's, on which no process can listen.
        "public_bind_addr": format!("v2:{any}:{}", scene.cluster.network().msgr2_port),
        "keyring": format!("{SECRETS}/keyring"),
        "run_dir": RUN,
        "log_to_file": false,
        "log_to_stderr": true,
        "mon": mon,
    });
    // Plain values under text keys can always be written.
    serde_yaml::to_string(&config).unwrap_or_default()
}
