//! Labels, owners and heads of objects.

use kube::Resource;
use moncluster_api::{MemberName, label};
use serde_json::{Map, Value, json};

use super::Scene;

/// Name, labels and, for what goes with the MonCluster, its owner reference.
pub(super) fn head(scene: &Scene<'_>, name: &str, member: Option<&MemberName>, goes_along: bool) -> Value {
    let mut head = json!({
        "name": name,
        "namespace": scene.cluster.namespace(),
        "labels": labels(scene, member),
    });
    if goes_along {
        head["ownerReferences"] = json!([owner(scene)]);
    }
    head
}

/// The labels of everything that is ours.
pub(super) fn labels(scene: &Scene<'_>, member: Option<&MemberName>) -> Map<String, Value> {
    let mut labels = Map::new();
    let mut put = |key: &str, value: &str| labels.insert(key.into(), value.into());
    put("app.kubernetes.io/name", "moncluster");
    put("app.kubernetes.io/component", "monitor");
    put("app.kubernetes.io/instance", scene.cluster.name());
    put("app.kubernetes.io/managed-by", label::FIELD_OWNER);
    put(label::CLUSTER, scene.cluster.name());
    if let Some(member) = member {
        put(label::MEMBER, member.as_str());
    }
    labels
}

/// What selects the pods of a cluster.
pub fn selector(cluster: &str) -> String {
    format!("{}={cluster},app.kubernetes.io/component=monitor", label::CLUSTER)
}

/// The same, for `matchLabels`.
pub(super) fn match_labels(scene: &Scene<'_>, member: Option<&MemberName>) -> Value {
    let mut labels =
        json!({ label::CLUSTER: scene.cluster.name(), "app.kubernetes.io/component": "monitor" });
    if let Some(member) = member {
        labels[label::MEMBER] = member.as_str().into();
    }
    labels
}

fn owner(scene: &Scene<'_>) -> Value {
    let uid = scene.object.metadata.uid.clone().unwrap_or_default();
    json!({
        "apiVersion": moncluster_api::MonCluster::api_version(&()),
        "kind": moncluster_api::MonCluster::kind(&()),
        "name": scene.cluster.name(),
        "uid": uid,
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

/// Whether an object says that it is this cluster's.
pub fn owned_by_cluster(object: &kube::api::ObjectMeta, cluster: &str) -> bool {
    let value = object.labels.as_ref().and_then(|labels| labels.get(label::CLUSTER));
    value.is_some_and(|value| value == cluster)
}
