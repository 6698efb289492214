//! The monitors' volumes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Span;

/// The monitors' volumes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StorageSpec {
    /// What the claims of new members look like.
    pub volume_claim_template: ClaimTemplate,
    /// Whether a volume can follow its pod to another node.
    pub portability: Portability,
    /// What becomes of volumes whose member is gone.
    pub retention: Retention,
}

/// What the claims of new members look like. Only the size reaches claims that exist.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClaimTemplate {
    /// StorageClass; without it, the cluster's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,
    /// Access modes.
    #[schemars(length(min = 1, max = 4), inner(length(max = 32)))]
    pub access_modes: Vec<String>,
    /// Size.
    pub resources: ClaimResources,
}

/// As in a PersistentVolumeClaim.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClaimResources {
    /// As in a PersistentVolumeClaim.
    pub requests: StorageRequests,
}

/// As in a PersistentVolumeClaim.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StorageRequests {
    /// Size of a volume; it may grow.
    #[schemars(
        length(min = 1, max = 20),
        regex(pattern = r"^[0-9]{1,12}(\.[0-9]{1,3})?(Ki|Mi|Gi|Ti|k|M|G|T)?$")
    )]
    pub storage: String,
}

/// Whether a volume can follow its pod to another node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Portability {
    /// As the PersistentVolume's node affinity says.
    #[default]
    Auto,
    /// It can.
    Portable,
    /// It cannot.
    NodeLocal,
}

/// What becomes of volumes whose member is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Retention {
    /// After scaling down.
    pub when_scaled_down: VolumeFate,
    /// How long the volume of a member that was replaced is kept.
    pub failed_member: Span,
}

/// What becomes of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum VolumeFate {
    /// Deleted once the quorum is full without it.
    Delete,
    /// Kept for as long as `failedMember` says.
    Retain,
}

impl Default for StorageSpec {
    fn default() -> Self {
        Self {
            volume_claim_template: ClaimTemplate::default(),
            portability: Portability::Auto,
            retention: Retention::default(),
        }
    }
}

impl Default for ClaimTemplate {
    fn default() -> Self {
        Self {
            storage_class_name: None,
            access_modes: vec!["ReadWriteOnce".into()],
            resources: ClaimResources::default(),
        }
    }
}

impl Default for StorageRequests {
    fn default() -> Self {
        Self { storage: "10Gi".into() }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self { when_scaled_down: VolumeFate::Delete, failed_member: Span::minutes(24 * 60) }
    }
}
