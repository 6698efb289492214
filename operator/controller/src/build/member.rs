//! The objects of one member: Service, claim, StatefulSet.

use moncluster_api::{IpFamily, MemberName, label};
use moncluster_plan::Role;
use serde_json::{Value, json};

use super::{Scene, labels, pod};

/// A member's Service. Its address is the member's identity, so it outlives the MonCluster.
///
/// It leads to the pod whether that is ready or not: monitors must find each other before they can be. A fenced
/// member's Service selects nothing.
pub fn service(scene: &Scene<'_>, member: &MemberName, cluster_ip: Option<&str>, fenced: bool) -> Value {
    let mut selector = labels::match_labels(scene, Some(member));
    if fenced {
        selector["moncluster.io/fenced"] = "true".into();
    }
    let network = scene.cluster.network();
    let mut spec = json!({
        "type": "ClusterIP",
        "publishNotReadyAddresses": true,
        "selector": selector,
        "ports": [
            {"name": "msgr2", "port": network.msgr2_port, "targetPort": "msgr2", "protocol": "TCP"},
            {"name": "http", "port": scene.cluster.spec().admin.port, "targetPort": "http", "protocol": "TCP"},
        ],
    });
    match network.ip_family {
        IpFamily::Auto => {}
        IpFamily::IPv4 => spec["ipFamilies"] = json!(["IPv4"]),
        IpFamily::IPv6 => spec["ipFamilies"] = json!(["IPv6"]),
    }
    if let Some(address) = cluster_ip {
        spec["clusterIP"] = address.into();
    }
    let name = scene.cluster.names().member(member);
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": labels::head(scene, &name, Some(member), false),
        "spec": spec,
    })
}

/// A member's claim. It says what it takes to adopt it, should the MonCluster be lost.
pub fn claim(scene: &Scene<'_>, member: &MemberName, fsid: &str, address: &str) -> Value {
    let template = &scene.cluster.spec().storage.volume_claim_template;
    let name = scene.cluster.names().claim(member);
    let mut head = labels::head(scene, &name, Some(member), false);
    head["annotations"] = json!({ label::FSID: fsid, label::ADDRESS: address });
    let mut spec = json!({
        "accessModes": template.access_modes,
        "resources": {"requests": {"storage": template.resources.requests.storage}},
    });
    if let Some(class) = &template.storage_class_name {
        spec["storageClassName"] = class.as_str().into();
    }
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": head, "spec": spec})
}

/// A member's StatefulSet of one replica: at most one pod of an identity, made again without us. What it says is for
/// the next pod.
pub fn stateful_set(scene: &Scene<'_>, member: &MemberName, role: Role, fsid: &str, address: &str) -> Value {
    let revision = super::revision(scene, member, fsid, address);
    let names = scene.cluster.names();
    let mut head = labels::head(scene, &names.member(member), Some(member), true);
    head["labels"][label::ROLE] = role.as_str().into();
    head["annotations"] = json!({ label::REVISION: revision });
    json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": head,
        "spec": {
            "replicas": 1,
            "serviceName": names.client_service(),
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "OnDelete"},
            "revisionHistoryLimit": 2,
            "selector": {"matchLabels": labels::match_labels(scene, Some(member))},
            "template": pod::template(scene, member, role, &revision),
        },
    })
}
