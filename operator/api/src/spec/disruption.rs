//! Drains and evictions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Drains and evictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DisruptionSpec {
    /// Whether there is a PodDisruptionBudget.
    pub pdb: PdbMode,
    /// How many members may be evicted at a time; a majority stays in any case.
    #[schemars(range(min = 1, max = 4))]
    pub max_unavailable: u32,
    /// What happens when the node of a member is cordoned and its volume cannot leave it.
    pub drain: DrainPolicy,
}

/// Whether there is a PodDisruptionBudget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PdbMode {
    /// There is.
    #[default]
    Auto,
    /// There is none.
    Disabled,
}

/// What happens when the node of a member is cordoned and its volume cannot leave it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DrainPolicy {
    /// Nothing: the budget lets nodes be drained one after the other, and the member comes back with its node.
    #[default]
    Wait,
    /// Another member takes its place before the node is drained, where there is a spare node.
    MakeBeforeBreak,
}

impl Default for DisruptionSpec {
    fn default() -> Self {
        Self { pdb: PdbMode::Auto, max_unavailable: 1, drain: DrainPolicy::Wait }
    }
}
