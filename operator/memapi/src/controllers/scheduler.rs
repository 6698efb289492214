//! Chooses nodes for pods: one that takes pods, holds the pod's volume, and no other monitor.

use serde_json::Value;

use crate::kind::{NODES, PODS, PVCS, PVS};
use crate::object::{Look, array, is_deleted, label, set, text};
use crate::store::Store;
use crate::world::State;

pub(super) fn step(state: &mut State) {
    let waiting = |pod: &Value| text(pod, "/spec/nodeName").is_empty() && !is_deleted(pod);
    let keys: Vec<_> =
        state.store.list(PODS).filter(|(_, pod)| waiting(pod)).map(|(key, _)| key.clone()).collect();
    for key in keys {
        let pod = state.store.get(&key).unwrap().clone();
        let now = state.store.now.clone();
        match choose(state, &pod) {
            Some(node) => state.store.update(PODS, &key, |pod| {
                set(pod, &["spec", "nodeName"], node.as_str());
                crate::object::set_condition(pod, "PodScheduled", "True", &now);
            }),
            None => state.store.update(PODS, &key, |pod| {
                crate::object::set_condition(pod, "PodScheduled", "False", &now);
                if let Some(conditions) = pod.pointer_mut("/status/conditions").and_then(Value::as_array_mut)
                {
                    for condition in conditions.iter_mut().filter(|it| text(it, "/type") == "PodScheduled") {
                        set(condition, &["reason"], "Unschedulable");
                    }
                }
            }),
        }
        // A pod that never ran leaves at once when it is deleted.
    }
    let gone = |pod: &Value| text(pod, "/spec/nodeName").is_empty() && is_deleted(pod);
    let gone: Vec<_> =
        state.store.list(PODS).filter(|(_, pod)| gone(pod)).map(|(key, _)| key.clone()).collect();
    for key in gone {
        state.store.remove(PODS, &key);
    }
}

fn choose(state: &State, pod: &Value) -> Option<String> {
    let home = match home_of_volumes(state, pod) {
        Volumes::Missing => return None,
        Volumes::Anywhere => None,
        Volumes::On(node) => Some(node),
    };
    let mut fitting: Vec<_> = state
        .store
        .list(NODES)
        .filter(|(key, node)| {
            let closed = node.look("/spec/unschedulable").and_then(Value::as_bool) == Some(true);
            let tainted =
                array(node, "/spec/taints").iter().any(|taint| text(taint, "/effect").starts_with("No"));
            let home_fits = home.as_ref().is_none_or(|home| *home == key.name);
            !closed && !tainted && home_fits && selected(pod, node)
        })
        .map(|(key, _)| (neighbours(state, pod, &key.name), key.name.clone()))
        .collect();
    if is_exclusive(pod) {
        fitting.retain(|(count, _)| *count == 0);
    }
    fitting.sort();
    fitting.into_iter().next().map(|(_, name)| name)
}

enum Volumes {
    Missing,
    Anywhere,
    On(String),
}

fn home_of_volumes(state: &State, pod: &Value) -> Volumes {
    let mut home = Volumes::Anywhere;
    for volume in array(pod, "/spec/volumes") {
        let claim = text(volume, "/persistentVolumeClaim/claimName");
        if claim.is_empty() {
            continue;
        }
        let claim = state.store.get(&Store::key(PVCS, text(pod, "/metadata/namespace"), claim));
        let Some(claim) = claim.filter(|claim| !is_deleted(claim)) else { return Volumes::Missing };
        let name = text(claim, "/spec/volumeName");
        if name.is_empty() {
            continue;
        }
        // A claim whose volume is gone cannot be used any more.
        let Some(volume) = state.store.get(&Store::key(PVS, "", name)) else { return Volumes::Missing };
        home = Volumes::On(label(volume, "kubernetes.io/hostname").to_owned());
    }
    home
}

fn selected(pod: &Value, node: &Value) -> bool {
    let wanted = pod.look("/spec/nodeSelector").and_then(Value::as_object);
    wanted.is_none_or(|wanted| wanted.iter().all(|(key, value)| value.as_str() == Some(label(node, key))))
}

fn is_exclusive(pod: &Value) -> bool {
    !array(pod, "/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution").is_empty()
}

/// How many other pods of the same cluster there are.
fn neighbours(state: &State, pod: &Value, node: &str) -> usize {
    let cluster = label(pod, "moncluster.io/cluster");
    let same = |other: &Value| {
        text(other, "/spec/nodeName") == node
            && label(other, "moncluster.io/cluster") == cluster
            && text(other, "/metadata/name") != text(pod, "/metadata/name")
    };
    state.store.list(PODS).filter(|(_, other)| same(other)).count()
}
