//! The monitors' pods: without any right, on a read-only root, told everything by files that may change under them.

use moncluster_api::{AntiAffinity, MemberName, PullPolicy, label};
use moncluster_plan::Role;
use serde_json::{Map, Value, json};

use super::{Scene, labels};

/// User and group of the monitor: Ceph's, as in the image.
const USER: u32 = 167;
pub(super) const STATE: &str = "/var/lib/ceph";
pub(super) const SECRETS: &str = "/etc/moncluster/secret";
pub(super) const RUN: &str = "/run/ceph";
const MEMBER_CONFIG: &str = "/etc/moncluster/member";
const CLUSTER_CONFIG: &str = "/etc/moncluster/cluster";

/// The template of a member's pod. `role` is a label only: what the member may do at its start is in its file.
pub(super) fn template(scene: &Scene<'_>, member: &MemberName, role: Role, revision: &str) -> Value {
    let spec = scene.cluster.spec();
    let mut all: Map<String, Value> =
        spec.pod_template.labels.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
    all.extend(labels::labels(scene, Some(member)));
    all.insert(label::ROLE.into(), role.as_str().into());
    all.insert(label::REVISION.into(), revision.into());
    json!({
        "metadata": {"labels": all, "annotations": spec.pod_template.annotations},
        "spec": pod(scene, member),
    })
}

/// The pod's spec, which is the same for every role.
pub(super) fn pod(scene: &Scene<'_>, member: &MemberName) -> Value {
    let spec = scene.cluster.spec();
    let mut pod = json!({
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        // A leader hands over when it is asked to end, and flushes what it holds.
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container(scene, member)],
        "volumes": volumes(scene, member),
        "affinity": affinity(scene),
        "nodeSelector": spec.placement.node_selector,
        "tolerations": spec.placement.tolerations,
        "topologySpreadConstraints": spec.placement.topology_spread_constraints,
    });
    if let Some(class) = &spec.placement.priority_class_name {
        pod["priorityClassName"] = class.as_str().into();
    }
    if let Some(image) = &spec.image {
        pod["imagePullSecrets"] = json!(image.pull_secrets);
    }
    pod
}

fn container(scene: &Scene<'_>, member: &MemberName) -> Value {
    let spec = scene.cluster.spec();
    let policy = match spec.image.as_ref().map_or(PullPolicy::IfNotPresent, |image| image.pull_policy) {
        PullPolicy::IfNotPresent => "IfNotPresent",
        PullPolicy::Always => "Always",
        PullPolicy::Never => "Never",
    };
    let probe = |path: &str, period: u32, timeout: u32, failures: u32| {
        json!({
            "httpGet": {"path": path, "port": "http", "scheme": "HTTPS"},
            "periodSeconds": period, "timeoutSeconds": timeout, "failureThreshold": failures,
        })
    };
    let mut container = json!({
        "name": "mon",
        "image": scene.image(),
        "imagePullPolicy": policy,
        "command": ["/usr/bin/mon"],
        "args": [
            "run",
            format!("--name={member}"),
            format!("--config={MEMBER_CONFIG}/mon.yaml"),
            format!("--ceph-conf={CLUSTER_CONFIG}/ceph.conf"),
        ],
        // The root is read-only, and a store that is only looked at logs to a folder for a moment.
        "env": [{"name": "TMPDIR", "value": RUN}],
        "ports": [
            {"name": "msgr2", "containerPort": scene.cluster.network().msgr2_port, "protocol": "TCP"},
            {"name": "http", "containerPort": spec.admin.port, "protocol": "TCP"},
        ],
        // A store may take long to open after a power cut; a sync begins after that.
        "startupProbe": probe("/startupz", 1, 5, 1800),
        // The monitor itself waits 20 s for its core before it says that it is not alive.
        "livenessProbe": probe("/livez", 10, 25, 3),
        "readinessProbe": probe("/readyz", 1, 5, 2),
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "data", "mountPath": STATE},
            {"name": "member", "mountPath": MEMBER_CONFIG, "readOnly": true},
            {"name": "cluster", "mountPath": CLUSTER_CONFIG, "readOnly": true},
            {"name": "secret", "mountPath": SECRETS, "readOnly": true},
            {"name": "run", "mountPath": RUN},
        ],
    });
    if let Some(resources) = &spec.resources {
        container["resources"] = json!(resources);
    }
    container
}

fn volumes(scene: &Scene<'_>, member: &MemberName) -> Value {
    let names = scene.cluster.names();
    let keyring = scene
        .cluster
        .spec()
        .auth
        .keyring_secret_ref
        .as_ref()
        .map_or_else(|| names.mon_keyring(), |it| it.name.clone());
    let only = |name: &str, keys: &[&str]| {
        let items: Vec<_> = keys.iter().map(|key| json!({"key": key, "path": key})).collect();
        json!({"secret": {"name": name, "items": items}})
    };
    json!([
        {"name": "data", "persistentVolumeClaim": {"claimName": names.claim(member)}},
        {"name": "member", "configMap": {"name": names.member(member)}},
        {"name": "cluster", "configMap": {"name": names.mon_config()}},
        {"name": "secret", "projected": {"defaultMode": 0o440, "sources": [
            only(&keyring, &["keyring"]),
            only(&names.token(), &["token"]),
            // Not the authority's key, which only the operator has a use for.
            only(&names.tls(), &["tls.crt", "tls.key"]),
        ]}},
        {"name": "run", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
    ])
}

fn affinity(scene: &Scene<'_>) -> Value {
    let placement = &scene.cluster.spec().placement;
    let term = json!({
        "topologyKey": placement.topology_key,
        "labelSelector": {"matchLabels": labels::match_labels(scene, None)},
    });
    let mut affinity = placement.affinity.as_ref().map_or_else(|| json!({}), |given| json!(given));
    let (kind, item) = match placement.anti_affinity {
        AntiAffinity::Required => ("requiredDuringSchedulingIgnoredDuringExecution", term),
        AntiAffinity::Preferred => (
            "preferredDuringSchedulingIgnoredDuringExecution",
            json!({"weight": 100, "podAffinityTerm": term}),
        ),
    };
    let terms = &mut affinity["podAntiAffinity"][kind];
    match terms.as_array_mut() {
        Some(given) => given.push(item),
        None => *terms = json!([item]),
    }
    affinity
}
