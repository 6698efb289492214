//! What people ask for. Every field has a default, so `spec: {}` is three monitors.
//!
//! Rules that compare fields, or the new object with the old one, are CEL and run in the API server, also for
//! `kubectl scale`. Each says what to do. Everything is bounded, or the API server would refuse the rules as
//! too costly.

mod disruption;
mod healing;
mod image;
mod network;
mod placement;
mod pod;
mod storage;
mod update;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::disruption::{DisruptionSpec, DrainPolicy, PdbMode};
pub use self::healing::{HealingMode, HealingSpec, ReplaceAfter};
pub use self::image::{ImageSpec, PullPolicy};
pub use self::network::{AdminSpec, AuthSpec, IpFamily, NetworkSpec, SecretRef};
pub use self::placement::{AntiAffinity, PlacementSpec};
pub use self::pod::{LogLevel, PodTemplate};
pub use self::storage::{
    ClaimResources, ClaimTemplate, Portability, Retention, StorageRequests, StorageSpec, VolumeFate,
};
pub use self::update::{UpdateSpec, UpdateStrategy};

use crate::status::MonClusterStatus;

/// What a cluster of Ceph monitors should be.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "moncluster.io",
    version = "v1alpha1",
    kind = "MonCluster",
    namespaced,
    shortname = "moncl",
    shortname = "mons",
    category = "ceph",
    category = "storage",
    status = "MonClusterStatus",
    derive = "PartialEq",
    doc = "A cluster of Ceph monitors, healed and scaled by the moncluster operator.",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".spec.replicas"),
    printcolumn(name = "Quorum", type_ = "string", json_path = ".status.quorum.summary"),
    printcolumn(name = "Leader", type_ = "string", json_path = ".status.quorum.leader"),
    printcolumn(
        name = "Tolerates",
        type_ = "integer",
        json_path = ".status.quorum.faultTolerance",
        description = "how many more members may fail now"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Status",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version.current"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Monmap",
        type_ = "integer",
        json_path = ".status.quorum.monmapEpoch",
        description = "epoch of the committed monmap",
        priority = 1
    ),
    printcolumn(
        name = "Operation",
        type_ = "string",
        json_path = ".status.operation.summary",
        priority = 1
    ),
    printcolumn(name = "FSID", type_ = "string", json_path = ".status.fsid", priority = 1),
    validation = Rule::new(
        "size(self.metadata.name) <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')"
    ).message("names of Services are made of it: choose a name of at most 40 lowercase letters, digits and dashes that starts with a letter")
)]
#[x_kube(
    validation = Rule::new("self.allowEvenReplicas || self.replicas % 2 == 1")
        .message("an even number of monitors survives no more failures than one monitor fewer: choose an odd number, or set allowEvenReplicas: true"),
    validation = Rule::new("self.replicas > 1 || oldSelf.replicas <= 1 || self.allowSingle")
        .message("a single monitor survives no failure: to scale down to 1, set allowSingle: true first"),
    validation = Rule::new("self.network.msgr2Port == oldSelf.network.msgr2Port")
        .message("network.msgr2Port is part of the members' addresses and cannot be changed: make a new cluster"),
    validation = Rule::new("self.network.ipFamily == oldSelf.network.ipFamily")
        .message("network.ipFamily is part of the members' addresses and cannot be changed: make a new cluster"),
    validation = Rule::new("has(self.auth.keyringSecretRef) == has(oldSelf.auth.keyringSecretRef) && (!has(self.auth.keyringSecretRef) || self.auth.keyringSecretRef.name == oldSelf.auth.keyringSecretRef.name)")
        .message("auth.keyringSecretRef holds the cluster's identity and cannot be changed: make a new cluster"),
    validation = Rule::new("quantity(self.storage.volumeClaimTemplate.resources.requests.storage).compareTo(quantity(oldSelf.storage.volumeClaimTemplate.resources.requests.storage)) >= 0")
        .message("volumes cannot shrink: give storage at least the size it had"),
    validation = Rule::new("quantity(self.storage.volumeClaimTemplate.resources.requests.storage).compareTo(quantity('1Gi')) >= 0")
        .message("a monitor's store needs room for compaction: give storage at least 1Gi"),
    validation = Rule::new("!has(self.image) || !has(self.image.tag) || !has(self.image.digest)")
        .message("image.tag and image.digest exclude each other: give one of them"),
    validation = Rule::new("self.admin.port != self.network.msgr2Port")
        .message("admin.port and network.msgr2Port are on the same address: choose different ports"),
    validation = Rule::new("duration(self.healing.probeInterval) >= duration('1s') && duration(self.healing.probeInterval) <= duration('1m')")
        .message("healing.probeInterval is too short or too long: choose 1s to 1m"),
    validation = Rule::new("self.healing.replaceAfter.nodeUnreachable == '0s' || (duration(self.healing.replaceAfter.nodeUnreachable) >= duration('1m') && duration(self.healing.replaceAfter.nodeUnreachable) <= duration('24h'))")
        .message("healing.replaceAfter.nodeUnreachable: choose 1m to 24h, or 0s for never"),
    validation = Rule::new("self.healing.replaceAfter.podFailing == '0s' || (duration(self.healing.replaceAfter.podFailing) >= duration('1m') && duration(self.healing.replaceAfter.podFailing) <= duration('24h'))")
        .message("healing.replaceAfter.podFailing: choose 1m to 24h, or 0s for never"),
    validation = Rule::new("self.healing.replaceAfter.drained == '0s' || (duration(self.healing.replaceAfter.drained) >= duration('1m') && duration(self.healing.replaceAfter.drained) <= duration('24h'))")
        .message("healing.replaceAfter.drained: choose 1m to 24h, or 0s for never"),
    validation = Rule::new("duration(self.healing.replaceAfter.nodeDeleted) <= duration('24h') && duration(self.healing.replaceAfter.volumeLost) <= duration('24h')")
        .message("healing.replaceAfter.nodeDeleted and .volumeLost: choose 0s (at once) to 24h"),
    validation = Rule::new("duration(self.storage.retention.failedMember) <= duration('720h')")
        .message("storage.retention.failedMember: choose 0s to 720h"),
    validation = Rule::new("duration(self.update.minInQuorum) <= duration('10m') && duration(self.update.stallTimeout) >= duration('1m') && duration(self.update.stallTimeout) <= duration('24h')")
        .message("update: choose minInQuorum up to 10m, and stallTimeout from 1m to 24h"),
    validation = Rule::new("self.config.all(name, !(name in ['fsid', 'mon_data', 'keyring', 'mon_host', 'mon_initial_members', 'public_addr', 'public_addrv', 'public_bind_addr', 'mon_learner', 'mon_http_listen', 'mon_http_tls_cert', 'mon_http_tls_key', 'mon_http_token_file', 'setuser', 'setgroup', 'run_dir', 'admin_socket', 'pid_file']))")
        .message("config sets an option that the operator sets itself: remove fsid, addresses, paths, users and mon_http_* from it"),
    validation = Rule::new("self.config.all(name, name.matches('^[a-z][a-z0-9_]{0,63}$'))")
        .message("config: write names of options with lowercase letters, digits and underscores, as in mon_lease"),
)]
#[serde(rename_all = "camelCase")]
pub struct MonClusterSpec {
    /// How many monitors vote.
    #[serde(default = "defaults::replicas")]
    #[schemars(range(min = 1, max = 9))]
    pub replicas: u32,
    /// Allow an even number of monitors.
    #[serde(default)]
    pub allow_even_replicas: bool,
    /// Allow to scale down to a single monitor.
    #[serde(default)]
    pub allow_single: bool,
    /// The monitors' image; without it, the image that the operator was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageSpec>,
    /// The monitors' volumes.
    #[serde(default)]
    pub storage: StorageSpec,
    /// Where monitors may run.
    #[serde(default)]
    pub placement: PlacementSpec,
    /// The monitors' addresses.
    #[serde(default)]
    pub network: NetworkSpec,
    /// The monitors' HTTP endpoint.
    #[serde(default)]
    pub admin: AdminSpec,
    /// Keys.
    #[serde(default)]
    pub auth: AuthSpec,
    /// What the operator does about members that are out of quorum, and when.
    #[serde(default)]
    pub healing: HealingSpec,
    /// Drains and evictions.
    #[serde(default)]
    pub disruption: DisruptionSpec,
    /// How changes reach running monitors.
    #[serde(default)]
    pub update: UpdateSpec,
    /// Options of the monitor, by name, as docs/configuration.md lists them.
    #[serde(default)]
    #[schemars(schema_with = "bounded::config")]
    pub config: BTreeMap<String, String>,
    /// CPU and memory of a monitor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// What is added to the monitors' pods.
    #[serde(default)]
    pub pod_template: PodTemplate,
    /// How much monitors log.
    #[serde(default)]
    pub log_level: LogLevel,
    /// Observe and report, change nothing.
    #[serde(default)]
    pub paused: bool,
    /// What happens to volumes, addresses and keys when the MonCluster is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// What happens to volumes, addresses and keys when the MonCluster is deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// They stay; a MonCluster of the same name adopts them.
    #[default]
    Retain,
    /// They are deleted, and the data with them.
    Delete,
}

impl Default for MonClusterSpec {
    fn default() -> Self {
        Self {
            replicas: defaults::replicas(),
            allow_even_replicas: false,
            allow_single: false,
            image: None,
            storage: StorageSpec::default(),
            placement: PlacementSpec::default(),
            network: NetworkSpec::default(),
            admin: AdminSpec::default(),
            auth: AuthSpec::default(),
            healing: HealingSpec::default(),
            disruption: DisruptionSpec::default(),
            update: UpdateSpec::default(),
            config: BTreeMap::new(),
            resources: None,
            pod_template: PodTemplate::default(),
            log_level: LogLevel::default(),
            paused: false,
            deletion_policy: DeletionPolicy::default(),
        }
    }
}

mod defaults {
    pub(super) const fn replicas() -> u32 {
        3
    }
}

/// Schemas of maps, which have no bounds of their own.
mod bounded {
    use schemars::{Schema, SchemaGenerator, json_schema};

    pub(super) fn config(_: &mut SchemaGenerator) -> Schema {
        map(64, 1024)
    }

    pub(super) fn labels(_: &mut SchemaGenerator) -> Schema {
        map(32, 253)
    }

    pub(super) fn annotations(_: &mut SchemaGenerator) -> Schema {
        map(32, 4096)
    }

    fn map(properties_max: u32, length_max: u32) -> Schema {
        json_schema!({
            "type": "object",
            "maxProperties": properties_max,
            "additionalProperties": { "type": "string", "maxLength": length_max },
        })
    }
}
