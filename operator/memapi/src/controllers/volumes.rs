//! Volumes: made on the node of the first pod that uses a claim, gone with the claim.

use serde_json::{Value, json};

use crate::kind::{PODS, PVCS, PVS};
use crate::object::{Look, array, finalizers, is_deleted, set, text, uid};
use crate::store::Store;
use crate::world::State;

const PROTECTION: &str = "kubernetes.io/pvc-protection";

pub(super) fn step(state: &mut State) {
    bind(state);
    release(state);
}

fn bind(state: &mut State) {
    let claims: Vec<_> = state.store.list(PVCS).map(|(key, claim)| (key.clone(), claim.clone())).collect();
    for (key, claim) in claims {
        if text(&claim, "/status/phase") == "Bound" {
            let volume = text(&claim, "/spec/volumeName").to_owned();
            if state.store.get(&Store::key(PVS, "", &volume)).is_none() {
                state.store.update(PVCS, &key, |claim| set(claim, &["status", "phase"], "Lost"));
            }
            continue;
        }
        if text(&claim, "/status/phase") == "Lost" {
            continue;
        }
        let user = state.store.list(PODS).map(|(_, pod)| pod).find(|pod| uses(pod, &claim)).cloned();
        let Some(node) =
            user.map(|pod| text(&pod, "/spec/nodeName").to_owned()).filter(|node| !node.is_empty())
        else {
            continue;
        };
        let name = format!("pv-{}", uid(&claim));
        let affinity = json!({"required": {"nodeSelectorTerms": [{"matchExpressions": [
            {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]},
        ]}]}});
        let volume = json!({
            "metadata": {"labels": {"kubernetes.io/hostname": node}},
            "spec": {
                "claimRef": {"namespace": key.namespace, "name": key.name, "uid": uid(&claim)},
                "nodeAffinity": affinity,
                "persistentVolumeReclaimPolicy": "Delete",
            },
            "status": {"phase": "Bound"},
        });
        state.store.create(PVS, &Store::key(PVS, "", &name), volume).unwrap();
        state.store.update(PVCS, &key, |claim| {
            set(claim, &["spec", "volumeName"], name.as_str());
            set(claim, &["status", "phase"], "Bound");
            let asked = claim.look("/spec/resources/requests").cloned().unwrap_or_default();
            set(claim, &["status", "capacity"], asked);
        });
    }
}

/// Claims that are to be deleted go when nobody uses them, and the volume with them.
fn release(state: &mut State) {
    let claims: Vec<_> = state
        .store
        .list(PVCS)
        .filter(|(_, claim)| is_deleted(claim) && finalizers(claim).contains(&PROTECTION))
        .map(|(key, claim)| (key.clone(), claim.clone()))
        .collect();
    for (key, claim) in claims {
        if state.store.list(PODS).any(|(_, pod)| uses(pod, &claim)) {
            continue;
        }
        state.store.update(PVCS, &key, |claim| {
            if let Some(list) = claim.pointer_mut("/metadata/finalizers").and_then(Value::as_array_mut) {
                list.retain(|it| it.as_str() != Some(PROTECTION));
            }
        });
        let volume = text(&claim, "/spec/volumeName").to_owned();
        if !volume.is_empty() && state.store.get(&key).is_none() {
            state.store.remove(PVS, &Store::key(PVS, "", &volume));
            state.quorum.forget_disk(uid(&claim));
        }
    }
}

fn uses(pod: &Value, claim: &Value) -> bool {
    text(pod, "/metadata/namespace") == text(claim, "/metadata/namespace")
        && array(pod, "/spec/volumes")
            .iter()
            .any(|volume| text(volume, "/persistentVolumeClaim/claimName") == text(claim, "/metadata/name"))
}
