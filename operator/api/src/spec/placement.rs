//! Where monitors may run.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Affinity, Toleration, TopologySpreadConstraint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounded;

/// Where monitors may run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PlacementSpec {
    /// The label of nodes that tells failure domains apart.
    #[schemars(length(min = 1, max = 253))]
    pub topology_key: String,
    /// Whether two monitors may share a failure domain.
    pub anti_affinity: AntiAffinity,
    /// Labels that a node must have.
    #[schemars(schema_with = "bounded::labels")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that monitors tolerate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub tolerations: Vec<Toleration>,
    /// Further affinity, beside the one that `antiAffinity` makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// Further spread.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
    /// Priority class.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,
}

/// Whether two monitors may share a failure domain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AntiAffinity {
    /// Never.
    #[default]
    Required,
    /// Where nothing else is free.
    Preferred,
}

impl Default for PlacementSpec {
    fn default() -> Self {
        Self {
            topology_key: "kubernetes.io/hostname".into(),
            anti_affinity: AntiAffinity::Required,
            node_selector: BTreeMap::new(),
            tolerations: Vec::new(),
            affinity: None,
            topology_spread_constraints: Vec::new(),
            priority_class_name: None,
        }
    }
}
