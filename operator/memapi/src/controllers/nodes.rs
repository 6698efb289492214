//! Nodes that no longer report, and the pods on nodes that are gone.

use serde_json::{Value, json};

use crate::kind::{NODES, PODS};
use crate::object::{array, at, is_deleted, label, set, set_condition, text};
use crate::world::{State, millis};

/// After this long without a report a node counts as unreachable.
const GRACE_MS: u64 = 40_000;
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
/// How long pods stay on an unreachable node that do not say.
const TOLERATION_S: u64 = 300;

pub(super) fn step(state: &mut State) {
    let now = state.store.now.clone();
    let nodes: Vec<_> = state.store.list(NODES).map(|(key, node)| (key.clone(), node.clone())).collect();
    for (key, node) in &nodes {
        let down = state.dead.get(&key.name).copied();
        let gone = down.is_some_and(|since| state.store.now_ms >= since + GRACE_MS);
        let gone = gone || state.cut_off.contains(&key.name);
        let is_tainted = array(node, "/spec/taints").iter().any(|taint| text(taint, "/key") == UNREACHABLE);
        if gone == is_tainted {
            continue;
        }
        state.store.update(NODES, key, |node| {
            set_condition(node, "Ready", if gone { "Unknown" } else { "True" }, &now);
            let taints = at(node, &["spec", "taints"]);
            let mut list = taints.as_array().cloned().unwrap_or_default();
            list.retain(|taint| text(taint, "/key") != UNREACHABLE);
            if gone {
                list.push(json!({"key": UNREACHABLE, "effect": "NoExecute", "timeAdded": now}));
            }
            *taints = Value::Array(list);
        });
    }
    evict(state);
}

fn evict(state: &mut State) {
    let pods: Vec<_> = state.store.list(PODS).map(|(key, pod)| (key.clone(), pod.clone())).collect();
    for (key, pod) in pods {
        let node_name = text(&pod, "/spec/nodeName").to_owned();
        if node_name.is_empty() {
            continue;
        }
        let node =
            state.store.list(NODES).find(|(key, _)| key.name == node_name).map(|(_, node)| node.clone());
        let Some(node) = node else {
            // The garbage collector of pods.
            state.store.remove(PODS, &key);
            continue;
        };
        let taint =
            array(&node, "/spec/taints").iter().find(|taint| text(taint, "/key") == UNREACHABLE).cloned();
        let Some(taint) = taint else { continue };
        let now = state.store.now.clone();
        state.store.update(PODS, &key, |pod| set_condition(pod, "Ready", "False", &now));
        let tolerated = array(&pod, "/spec/tolerations").iter().find(|it| text(it, "/key") == UNREACHABLE);
        let seconds =
            tolerated.map_or(Some(TOLERATION_S), |it| it.get("tolerationSeconds").and_then(Value::as_u64));
        let due = seconds.map(|seconds| millis(text(&taint, "/timeAdded")) + seconds * 1000);
        if due.is_some_and(|due| state.store.now_ms >= due) && !is_deleted(&pod) {
            state.store.update(PODS, &key, |pod| set(pod, &["metadata", "deletionTimestamp"], now.as_str()));
        }
    }
    // Labels are what the scheduler goes by; a node without its own name would never be chosen.
    debug_assert!(
        state.store.list(NODES).all(|(key, node)| label(node, "kubernetes.io/hostname") == key.name)
    );
}
