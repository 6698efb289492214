//! How changes reach running monitors.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Span;

/// How changes of image, options and the like reach running monitors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateSpec {
    /// Who restarts pods.
    pub strategy: UpdateStrategy,
    /// How long a member must have been in quorum before the next one is touched.
    pub min_in_quorum: Span,
    /// After how long without success a restart is given up.
    pub stall_timeout: Span,
}

/// Who restarts pods that are not as the spec says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UpdateStrategy {
    /// The operator: one at a time, peons first, the leader last and after it has handed over.
    #[default]
    QuorumAware,
    /// Whoever deletes a pod.
    OnDelete,
}

impl Default for UpdateSpec {
    fn default() -> Self {
        Self {
            strategy: UpdateStrategy::QuorumAware,
            min_in_quorum: Span::seconds(10),
            stall_timeout: Span::minutes(10),
        }
    }
}
