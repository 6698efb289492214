//! Nodes as facts: whether a monitor may run there, and which a volume is tied to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{
    Node, NodeSelectorRequirement, NodeSelectorTerm, PersistentVolume, Taint, Toleration,
};
use kube::api::Api;
use moncluster_api::{PlacementSpec, ValidatedCluster};
use moncluster_plan::{NodeFact, PodFact};

use crate::error::{Error, api_error};
use crate::worker::Worker;
use moncluster_api::MemberName;

const HOSTNAME: &str = "kubernetes.io/hostname";
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";
/// Taints that say how a node is, which the facts say otherwise.
const OF_STATE: [&str; 4] = [
    "node.kubernetes.io/unschedulable",
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    OUT_OF_SERVICE,
];

impl Worker {
    /// Every node. One that a member's pod is on and the watch does not show is asked for: that it is gone is reason
    /// enough to replace the member.
    pub(super) async fn nodes(
        &self,
        cluster: &ValidatedCluster,
        pods: &BTreeMap<MemberName, PodFact>,
    ) -> Result<BTreeMap<String, NodeFact>, Error> {
        for node in pods.values().filter_map(|pod| pod.node.as_ref()) {
            if self.tools.watches.nodes.get("", node).is_none() {
                let api: Api<Node> = Api::all(self.tools.client.clone());
                let found = api.get_opt(node).await.map_err(api_error(format!("cannot read node {node}")))?;
                if let Some(found) = found {
                    self.tools.watches.nodes.wrote(found);
                }
            }
        }
        let placement = &cluster.spec().placement;
        let all = self.tools.watches.nodes.filter(|_| true);
        Ok(all.iter().filter_map(|node| Some((node.metadata.name.clone()?, fact(node, placement)))).collect())
    }
}

fn fact(node: &Node, placement: &PlacementSpec) -> NodeFact {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions.and_then(|all| all.iter().find(|condition| condition.type_ == "Ready"));
    let spec = node.spec.as_ref();
    let taints = spec.and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    NodeFact {
        ready: ready.is_some_and(|condition| condition.status == "True"),
        cordoned: spec.and_then(|spec| spec.unschedulable).unwrap_or(false),
        out_of_service: taints.iter().any(|taint| taint.key == OUT_OF_SERVICE),
        deleting: node.metadata.deletion_timestamp.is_some(),
        fits: fits(node, taints, placement),
        topology: labels(node).get(&placement.topology_key).cloned(),
    }
}

fn fits(node: &Node, taints: &[Taint], placement: &PlacementSpec) -> bool {
    let labels = labels(node);
    let selected = placement.node_selector.iter().all(|(key, value)| labels.get(key) == Some(value));
    let repelled = taints.iter().any(|taint| {
        let hard = taint.effect == "NoSchedule" || taint.effect == "NoExecute";
        hard && !OF_STATE.contains(&taint.key.as_str())
            && !placement.tolerations.iter().any(|it| tolerates(it, taint))
    });
    let required = placement
        .affinity
        .as_ref()
        .and_then(|affinity| affinity.node_affinity.as_ref())
        .and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
    let attracted =
        required.is_none_or(|required| required.node_selector_terms.iter().any(|term| matches(term, node)));
    selected && !repelled && attracted
}

fn labels(node: &Node) -> BTreeMap<String, String> {
    node.metadata.labels.clone().unwrap_or_default()
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let any_effect =
        toleration.effect.as_ref().is_none_or(|effect| effect.is_empty() || *effect == taint.effect);
    let key = toleration.key.as_deref().unwrap_or_default();
    let fits = match toleration.operator.as_deref() {
        Some("Exists") => key.is_empty() || key == taint.key,
        _ => {
            key == taint.key
                && toleration.value.as_deref().unwrap_or_default()
                    == taint.value.as_deref().unwrap_or_default()
        }
    };
    any_effect && fits
}

fn matches(term: &NodeSelectorTerm, node: &Node) -> bool {
    let labels = labels(node);
    let of_label = |requirement: &NodeSelectorRequirement| holds(requirement, labels.get(&requirement.key));
    let name = node.metadata.name.as_ref();
    let of_field = |requirement: &NodeSelectorRequirement| {
        holds(requirement, name.filter(|_| requirement.key == "metadata.name"))
    };
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let fields = term.match_fields.as_deref().unwrap_or_default();
    // A term without any requirement matches nothing.
    (!expressions.is_empty() || !fields.is_empty())
        && expressions.iter().all(of_label)
        && fields.iter().all(of_field)
}

fn holds(requirement: &NodeSelectorRequirement, value: Option<&String>) -> bool {
    let values = requirement.values.as_deref().unwrap_or_default();
    let number = |text: &String| text.parse::<i64>().ok();
    match requirement.operator.as_str() {
        "In" => value.is_some_and(|value| values.contains(value)),
        "NotIn" => value.is_none_or(|value| !values.contains(value)),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => value.and_then(number) > values.first().and_then(number) && value.is_some(),
        "Lt" => value
            .and_then(number)
            .is_some_and(|value| values.first().and_then(number).is_some_and(|it| value < it)),
        _ => false,
    }
}

/// The nodes that a volume is tied to, whether they exist or not; none when it can be anywhere.
pub(super) fn nodes_of_volume(volume: &PersistentVolume, nodes: &[Arc<Node>]) -> Option<Vec<String>> {
    let terms = &volume.spec.as_ref()?.node_affinity.as_ref()?.required.as_ref()?.node_selector_terms;
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut by_host = false;
    for requirement in terms.iter().flat_map(|term| term.match_expressions.iter().flatten()) {
        if requirement.key == HOSTNAME && requirement.operator == "In" {
            by_host = true;
            for host in requirement.values.iter().flatten() {
                // Nodes are called as their hosts are, unless their label says otherwise.
                let named = nodes.iter().find(|node| labels(node).get(HOSTNAME) == Some(host));
                names.insert(
                    named.and_then(|node| node.metadata.name.clone()).unwrap_or_else(|| host.clone()),
                );
            }
        }
    }
    if !by_host {
        let fitting = nodes.iter().filter(|node| terms.iter().any(|term| matches(term, node)));
        names.extend(fitting.filter_map(|node| node.metadata.name.clone()));
        if names.len() == nodes.len() {
            return None;
        }
    }
    Some(names.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn node(name: &str, labels: Value, taints: Value) -> Node {
        let node = json!({"metadata": {"name": name, "labels": labels}, "spec": {"taints": taints}});
        serde_json::from_value(node).unwrap()
    }

    fn check(placement: Value, labels: Value, taints: Value) -> bool {
        let placement: PlacementSpec = serde_json::from_value(placement).unwrap();
        fact(&node("n", labels, taints), &placement).fits
    }

    #[test]
    fn where_a_monitor_may_run() {
        assert!(check(json!({}), json!({}), json!([])));
        assert!(!check(json!({"nodeSelector": {"a": "b"}}), json!({}), json!([])));
        assert!(check(json!({"nodeSelector": {"a": "b"}}), json!({"a": "b"}), json!([])));
        let taint = json!([{"key": "k", "value": "v", "effect": "NoSchedule"}]);
        assert!(!check(json!({}), json!({}), taint.clone()));
        assert!(check(json!({"tolerations": [{"key": "k", "value": "v"}]}), json!({}), taint.clone()));
        assert!(check(json!({"tolerations": [{"operator": "Exists"}]}), json!({}), taint));
        let unreachable = json!([{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}]);
        assert!(check(json!({}), json!({}), unreachable));
        let affinity = json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "z", "operator": "In", "values": ["1", "2"]}]}],
        }}}});
        assert!(check(affinity.clone(), json!({"z": "2"}), json!([])));
        assert!(!check(affinity, json!({"z": "3"}), json!([])));
    }

    #[test]
    fn where_a_volume_is() {
        let volume = |key: &str, value: &str| -> PersistentVolume {
            serde_json::from_value(json!({"spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": key, "operator": "In", "values": [value]}]},
            ]}}}}))
            .unwrap()
        };
        let nodes = [
            Arc::new(node("one", json!({HOSTNAME: "host1", "zone": "x"}), json!([]))),
            Arc::new(node("two", json!({HOSTNAME: "host2", "zone": "y"}), json!([]))),
        ];
        assert_eq!(nodes_of_volume(&volume(HOSTNAME, "host2"), &nodes), Some(vec!["two".into()]));
        assert_eq!(nodes_of_volume(&volume(HOSTNAME, "gone"), &nodes), Some(vec!["gone".into()]));
        assert_eq!(nodes_of_volume(&volume("zone", "x"), &nodes), Some(vec!["one".into()]));
        assert_eq!(nodes_of_volume(&PersistentVolume::default(), &nodes), None);
    }
}
