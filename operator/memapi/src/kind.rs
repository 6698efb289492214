//! The kinds of objects that there are.

/// A kind and where it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) kind: &'static str,
    /// Whether status is written apart from the rest.
    pub(crate) has_status: bool,
}

const fn kind(
    group: &'static str,
    version: &'static str,
    plural: &'static str,
    kind: &'static str,
    has_status: bool,
) -> Kind {
    Kind { group, version, plural, kind, has_status }
}

pub(crate) const PODS: Kind = kind("", "v1", "pods", "Pod", true);
pub(crate) const SERVICES: Kind = kind("", "v1", "services", "Service", true);
pub(crate) const PVCS: Kind = kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", true);
pub(crate) const PVS: Kind = kind("", "v1", "persistentvolumes", "PersistentVolume", true);
pub(crate) const NODES: Kind = kind("", "v1", "nodes", "Node", true);
pub(crate) const CONFIG_MAPS: Kind = kind("", "v1", "configmaps", "ConfigMap", false);
pub(crate) const SECRETS: Kind = kind("", "v1", "secrets", "Secret", false);
pub(crate) const STATEFUL_SETS: Kind = kind("apps", "v1", "statefulsets", "StatefulSet", true);
pub(crate) const PDBS: Kind = kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", true);
pub(crate) const CLUSTERS: Kind = kind("moncluster.io", "v1alpha1", "monclusters", "MonCluster", true);

/// All of them.
pub(crate) const KINDS: &[Kind] = &[
    PODS,
    SERVICES,
    PVCS,
    PVS,
    NODES,
    CONFIG_MAPS,
    SECRETS,
    STATEFUL_SETS,
    PDBS,
    CLUSTERS,
    kind("", "v1", "events", "Event", false),
    kind("", "v1", "namespaces", "Namespace", true),
    kind("", "v1", "serviceaccounts", "ServiceAccount", false),
    kind("events.k8s.io", "v1", "events", "Event", false),
    kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", false),
    kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", false),
    kind("coordination.k8s.io", "v1", "leases", "Lease", false),
    kind("storage.k8s.io", "v1", "storageclasses", "StorageClass", false),
];

impl Kind {
    /// What is at a path of the API.
    pub(crate) fn find(group: &str, version: &str, plural: &str) -> Option<Self> {
        let is = |kind: &&Self| kind.group == group && kind.version == version && kind.plural == plural;
        KINDS.iter().find(is).copied()
    }

    pub(crate) fn api_version(&self) -> String {
        match self.group {
            "" => self.version.into(),
            group => format!("{group}/{}", self.version),
        }
    }
}
