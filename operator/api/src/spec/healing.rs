//! What the operator does about members that are out of quorum, and when.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Span;

/// What the operator does about members that are out of quorum, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HealingSpec {
    /// Who heals.
    pub mode: HealingMode,
    /// How often every member is asked for its status.
    pub probe_interval: Span,
    /// How long a member may be out of quorum before another takes its place.
    pub replace_after: ReplaceAfter,
    /// How many replacements may start within an hour.
    #[schemars(range(min = 0, max = 10))]
    pub max_replacements_per_hour: u32,
}

/// Who heals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HealingMode {
    /// The operator.
    #[default]
    Automatic,
    /// People: the operator says what it would do, as events, and changes nothing.
    ObserveOnly,
    /// People: the operator reports status, and changes nothing.
    Disabled,
}

/// How long a member may be out of quorum before another takes its place, by cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplaceAfter {
    /// Its node is not ready, or it runs and nobody reaches it. 0s: never.
    pub node_unreachable: Span,
    /// Its pod fails or does not start. 0s: never.
    pub pod_failing: Span,
    /// Its node is cordoned. 0s: never.
    pub drained: Span,
    /// Its node is deleted or has the taint `node.kubernetes.io/out-of-service`. 0s: at once.
    pub node_deleted: Span,
    /// Its volume is lost, or its store cannot be trusted. 0s: at once.
    pub volume_lost: Span,
}

impl Default for HealingSpec {
    fn default() -> Self {
        Self {
            mode: HealingMode::Automatic,
            probe_interval: Span::seconds(5),
            replace_after: ReplaceAfter::default(),
            max_replacements_per_hour: 3,
        }
    }
}

impl Default for ReplaceAfter {
    fn default() -> Self {
        Self {
            node_unreachable: Span::minutes(5),
            pod_failing: Span::minutes(10),
            drained: Span::minutes(20),
            node_deleted: Span::seconds(0),
            volume_lost: Span::seconds(0),
        }
    }
}
