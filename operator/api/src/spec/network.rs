//! Addresses, ports and keys.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The monitors' addresses. Each member's is that of a Service of its own and never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NetworkSpec {
    /// Port of the msgr2 protocol.
    #[schemars(range(min = 1024, max = 65535))]
    pub msgr2_port: u16,
    /// IP family of the members' Services.
    pub ip_family: IpFamily,
}

/// IP family of the members' Services.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum IpFamily {
    /// Whatever the Kubernetes cluster prefers.
    #[default]
    Auto,
    /// IPv4.
    IPv4,
    /// IPv6.
    IPv6,
}

/// The monitors' HTTP endpoint: probes, metrics and what the operator uses. Always with TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AdminSpec {
    /// Its port.
    #[schemars(range(min = 1024, max = 65535))]
    pub port: u16,
}

/// Keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AuthSpec {
    /// A Secret whose entry `keyring` holds the key of `mon.`; without it, one is made once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyring_secret_ref: Option<SecretRef>,
}

/// A Secret of the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

impl Default for NetworkSpec {
    fn default() -> Self {
        Self { msgr2_port: 3300, ip_family: IpFamily::Auto }
    }
}

impl Default for AdminSpec {
    fn default() -> Self {
        Self { port: 7480 }
    }
}
