//! StatefulSets of one replica with the strategy OnDelete: one pod, made again when it has gone.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Value, json};

use crate::kind::{PODS, STATEFUL_SETS};
use crate::object::{Key, Look, condition, is_deleted, label, set, text, uid};
use crate::store::Store;
use crate::world::State;

pub(super) fn step(state: &mut State) {
    let sets: Vec<_> = state.store.list(STATEFUL_SETS).map(|(key, set)| (key.clone(), set.clone())).collect();
    for (key, owner) in sets {
        if is_deleted(&owner) {
            continue;
        }
        let pod_key = Store::key(PODS, &key.namespace, &format!("{}-0", key.name));
        let replicas = owner.look("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
        match state.store.get(&pod_key) {
            None if replicas > 0 => make_pod(state, &owner, &pod_key),
            Some(pod) if replicas == 0 && !is_deleted(pod) => {
                // It is there.
                let _ = state.store.delete(PODS, &pod_key, &Value::Null);
            }
            Some(_) | None => {}
        }
        show(state, &key, &pod_key);
    }
}

fn make_pod(state: &mut State, owner: &Value, key: &Key) {
    let template = owner.look("/spec/template").cloned().unwrap_or_default();
    let mut pod = json!({"metadata": template.get("metadata"), "spec": template.get("spec")});
    set(&mut pod, &["metadata", "labels", "controller-revision-hash"], revision(owner));
    set(&mut pod, &["metadata", "labels", "statefulset.kubernetes.io/pod-name"], key.name.as_str());
    let reference = json!([{
        "apiVersion": "apps/v1", "kind": "StatefulSet", "name": text(owner, "/metadata/name"), "uid": uid(owner),
        "controller": true, "blockOwnerDeletion": true,
    }]);
    set(&mut pod, &["metadata", "ownerReferences"], reference);
    set(&mut pod, &["status", "phase"], "Pending");
    state.store.create(PODS, key, pod).unwrap();
}

fn show(state: &mut State, key: &Key, pod_key: &Key) {
    let (Some(owner), pod) = (state.store.get(key).cloned(), state.store.get(pod_key).cloned()) else {
        return;
    };
    let generation = owner.look("/metadata/generation").cloned().unwrap_or_default();
    let is_known = owner.look("/status/observedGeneration") == Some(&generation);
    let newest = if is_known { text(&owner, "/status/updateRevision").to_owned() } else { revision(&owner) };
    let ready = pod.as_ref().is_some_and(|pod| condition(pod, "Ready") == "True");
    let is_new = pod.as_ref().is_some_and(|pod| label(pod, "controller-revision-hash") == newest);
    let counts = [("replicas", pod.is_some()), ("readyReplicas", ready), ("updatedReplicas", is_new)];
    let status = owner.get("status").cloned().unwrap_or_default();
    let same =
        |(field, holds): &(&str, bool)| status.get(*field).and_then(Value::as_u64) == Some(u64::from(*holds));
    if is_known && counts.iter().all(same) {
        return;
    }
    state.store.update(STATEFUL_SETS, key, |owner| {
        set(owner, &["status", "observedGeneration"], generation);
        set(owner, &["status", "updateRevision"], newest);
        for (field, holds) in counts {
            set(owner, &["status", field], u64::from(holds));
        }
    });
}

fn revision(owner: &Value) -> String {
    let mut hasher = DefaultHasher::new();
    owner.look("/spec/template").map(Value::to_string).hash(&mut hasher);
    format!("{}-{:010x}", text(owner, "/metadata/name"), hasher.finish() & 0xff_ffff_ffff)
}
