//! What is added to the monitors' pods.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounded;

/// What is added to the monitors' pods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PodTemplate {
    /// Labels; the operator's own go before them.
    #[schemars(schema_with = "bounded::labels")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[schemars(schema_with = "bounded::annotations")]
    pub annotations: BTreeMap<String, String>,
}

/// How much monitors log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LogLevel {
    /// What went wrong.
    Error,
    /// And what may.
    Warn,
    /// And what changes.
    #[default]
    Info,
    /// And why.
    Debug,
    /// Everything.
    Trace,
}
