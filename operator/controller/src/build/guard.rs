//! What keeps others from harm: the disruption budget and the network policy.

use moncluster_api::PdbMode;
use serde_json::{Value, json};

use super::{Scene, labels};

/// The disruption budget; none where the spec wants none. It is static between changes of the map, so it holds
/// without us.
pub fn disruption_budget(scene: &Scene<'_>) -> Option<Value> {
    let disruption = scene.cluster.disruption();
    if disruption.pdb == PdbMode::Disabled {
        return None;
    }
    // Nine at most.
    let voters = u32::try_from(scene.voters.len()).unwrap_or(u32::MAX);
    let budget =
        moncluster_api::disruption_budget(voters, scene.cluster.replicas(), disruption.max_unavailable);
    Some(json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": labels::head(scene, &scene.cluster.names().budget(), None, true),
        "spec": {
            "maxUnavailable": budget,
            // One that is not in quorum is of no use where it is.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": labels::match_labels(scene, None)},
        },
    }))
}

/// The network policy: Ceph's port for everybody who has a key, the HTTP endpoint for operator, members and
/// Prometheus. Kubelets are always let through.
pub fn network_policy(scene: &Scene<'_>) -> Value {
    let from_pods = |key: &str, value: &str| json!({"namespaceSelector": {}, "podSelector": {"matchLabels": {key: value}}});
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": labels::head(scene, &scene.cluster.names().network_policy(), None, true),
        "spec": {
            "podSelector": {"matchLabels": labels::match_labels(scene, None)},
            "policyTypes": ["Ingress"],
            "ingress": [
                {"ports": [{"port": scene.cluster.network().msgr2_port, "protocol": "TCP"}]},
                {
                    "ports": [{"port": scene.cluster.spec().admin.port, "protocol": "TCP"}],
                    "from": [
                        {"podSelector": {"matchLabels": labels::match_labels(scene, None)}},
                        from_pods("app.kubernetes.io/component", "operator"),
                        from_pods("app.kubernetes.io/name", "prometheus"),
                    ],
                },
            ],
        },
    })
}
