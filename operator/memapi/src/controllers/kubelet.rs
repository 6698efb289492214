//! Kubelets: start the monitors of their pods, tell whether they are ready, end them.

use serde_json::{Value, json};

use crate::kind::{CONFIG_MAPS, PODS, PVCS, SECRETS};
use crate::object::{Key, Look, array, is_deleted, set, set_condition, text, uid};
use crate::quorum::Started;
use crate::store::Store;
use crate::world::{State, millis};

/// From its start to its first answer.
const START_MS: u64 = 1000;
/// A container that ended is started again after this.
const BACKOFF_MS: u64 = 10_000;

pub(super) fn step(state: &mut State) {
    let pods: Vec<_> = state.store.list(PODS).map(|(key, pod)| (key.clone(), pod.clone())).collect();
    let present: Vec<String> = pods.iter().map(|(_, pod)| uid(pod).to_owned()).collect();
    state.quorum.processes.retain(|pod, _| present.contains(pod));
    for (key, pod) in pods {
        let node = text(&pod, "/spec/nodeName").to_owned();
        if node.is_empty() || state.store.get(&key).is_none() {
            continue;
        }
        if !state.node_is_up(&node) {
            state.quorum.processes.remove(uid(&pod));
        } else if state.cut_off.contains(&node) {
            // It goes on with what it has, and nobody hears of it.
        } else if is_deleted(&pod) {
            state.quorum.processes.remove(uid(&pod));
            state.store.remove(PODS, &key);
        } else {
            run(state, &key, &pod);
        }
    }
}

fn run(state: &mut State, key: &Key, pod: &Value) {
    let now = state.store.now.clone();
    let pod_uid = uid(pod).to_owned();
    if let Some(process) = state.quorum.processes.get(&pod_uid) {
        let ready = state.quorum.is_in_quorum(&process.name, &pod_uid);
        if text(pod, "/status/phase") == "Running"
            && (crate::object::condition(pod, "Ready") == "True") == ready
        {
            return;
        }
        state.store.update(PODS, key, |pod| {
            set(pod, &["status", "phase"], "Running");
            set_condition(pod, "Ready", if ready { "True" } else { "False" }, &now);
            let count = pod.look("/status/containerStatuses/0/restartCount").cloned().unwrap_or_else(|| json!(0));
            let last = pod.look("/status/containerStatuses/0/lastState").cloned().unwrap_or_else(|| json!({}));
            set(pod, &["status", "containerStatuses"], json!([{
                "name": "mon", "ready": ready, "started": true, "restartCount": count, "image": "", "imageID": "",
                "state": {"running": {"startedAt": now}}, "lastState": last,
            }]));
        });
        return;
    }
    let last_end = millis(text(pod, "/status/containerStatuses/0/lastState/terminated/finishedAt"));
    if last_end > 0 && state.store.now_ms < last_end + BACKOFF_MS {
        return;
    }
    if text(pod, "/status/podIP").is_empty() {
        let address = state.address("10.244");
        state.store.update(PODS, key, |pod| {
            set(pod, &["status", "podIP"], address.as_str());
            set(pod, &["status", "podIPs"], json!([{"ip": address}]));
            set(pod, &["status", "startTime"], now.as_str());
        });
        return;
    }
    if state.store.now_ms < millis(text(pod, "/status/startTime")) + START_MS {
        return;
    }
    let Some((config, claim)) = mounts(state, pod) else { return };
    let address = text(pod, "/status/podIP").to_owned();
    let node = text(pod, "/spec/nodeName").to_owned();
    let now_ms = state.store.now_ms;
    match state.quorum.start(&pod_uid, &config, &claim, &address, &node, now_ms) {
        Started::Runs(violations) => state.violations.extend(violations),
        Started::Ends(code) => state.store.update(PODS, key, |pod| {
            set(pod, &["status", "phase"], "Running");
            set_condition(pod, "Ready", "False", &now);
            let count = pod.look("/status/containerStatuses/0/restartCount").and_then(Value::as_u64).unwrap_or(0);
            set(pod, &["status", "containerStatuses"], json!([{
                "name": "mon", "ready": false, "started": false, "restartCount": count + 1, "image": "", "imageID": "",
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": ""}},
                "lastState": {"terminated": {"exitCode": code, "reason": "Error", "finishedAt": now, "startedAt": now}},
            }]));
        }),
    }
}

/// The monitor's configuration and the uid of its claim; none while something is missing.
fn mounts(state: &State, pod: &Value) -> Option<(Value, String)> {
    let namespace = text(pod, "/metadata/namespace");
    let (mut config, mut claim_uid) = (None, None);
    for volume in array(pod, "/spec/volumes") {
        let claim = text(volume, "/persistentVolumeClaim/claimName");
        let map = text(volume, "/configMap/name");
        let secret = text(volume, "/secret/secretName");
        if !claim.is_empty() {
            let found = state.store.get(&Store::key(PVCS, namespace, claim))?;
            if text(found, "/status/phase") != "Bound" {
                return None;
            }
            claim_uid = Some(uid(found).to_owned());
        } else if !map.is_empty() {
            let found = state.store.get(&Store::key(CONFIG_MAPS, namespace, map))?;
            let yaml = text(found, "/data/mon.yaml");
            if !yaml.is_empty() {
                config = Some(serde_yaml::from_str(yaml).unwrap_or_default());
            }
        } else if !secret.is_empty() {
            state.store.get(&Store::key(SECRETS, namespace, secret))?;
        }
        for source in array(volume, "/projected/sources") {
            let secret = text(source, "/secret/name");
            if !secret.is_empty() {
                state.store.get(&Store::key(SECRETS, namespace, secret))?;
            }
        }
    }
    Some((config?, claim_uid?))
}
