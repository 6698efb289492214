//! What clients of the cluster read: where the monitors are.

use serde_json::{Value, json};

use super::{Scene, labels};

/// The Service that leads to the members in quorum.
pub fn client_service(scene: &Scene<'_>) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": labels::head(scene, &scene.cluster.names().client_service(), None, true),
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            "selector": labels::match_labels(scene, None),
            "ports": [
                {"name": "msgr2", "port": scene.cluster.network().msgr2_port, "targetPort": "msgr2", "protocol": "TCP"},
                {"name": "http", "port": scene.cluster.spec().admin.port, "targetPort": "http", "protocol": "TCP"},
            ],
        },
    })
}

/// The ConfigMap for clients; none before somebody votes. `data`, `maxMonId`, `mapping` and
/// `csi-cluster-config-json` are what consumers of Rook's `rook-ceph-mon-endpoints` look for.
pub fn client_config(scene: &Scene<'_>) -> Option<Value> {
    let fsid = scene.fsid.filter(|_| !scene.voters.is_empty())?;
    let mon_host = scene.mon_host();
    let endpoints: Vec<_> = scene.voters.iter().map(|(name, address)| format!("{name}={address}")).collect();
    let last = scene.voters.keys().filter_map(moncluster_api::MemberName::index).max().unwrap_or(0);
    let csi = json!([{
        "clusterID": scene.cluster.namespace(),
        "monitors": scene.voters.values().collect::<Vec<_>>(),
        "namespace": scene.cluster.namespace(),
    }]);
    Some(json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": labels::head(scene, &scene.cluster.names().client_config(), None, true),
        "data": {
            "fsid": fsid,
            "mon_host": mon_host,
            "ceph.conf": format!("[global]\nfsid = {fsid}\nmon host = {mon_host}\n"),
            "data": endpoints.join(","),
            "maxMonId": last.to_string(),
            "mapping": "{\"node\":{}}",
            "csi-cluster-config-json": csi.to_string(),
        },
    }))
}
