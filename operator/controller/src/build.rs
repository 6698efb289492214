//! What objects look like: a pure function of the spec and of the few words in an action.
//!
//! Everything is JSON for server-side apply, which holds exactly the fields that are ours. [`differs`] compares it
//! with what is there, where the API server and others may have filled in more.

mod client;
mod config;
mod guard;
mod labels;
mod member;
mod pod;
mod revision;
mod secret;

pub use client::{client_config, client_service};
pub use config::{member_config, mon_config};
pub use guard::{disruption_budget, network_policy};
pub use labels::{owned_by_cluster, selector};
pub use member::{claim, service, stateful_set};
pub use revision::revision;
pub use secret::{
    CertificateSecret, client_keyring, keyring_of, mon_keyring, read_certificates, tls, tls_names, token,
    token_of,
};

use std::collections::BTreeMap;

use moncluster_api::{MemberName, MonCluster, ValidatedCluster};
use serde_json::Value;

/// What builders know.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The cluster.
    pub cluster: &'a ValidatedCluster,
    /// Its object, for owner references.
    pub object: &'a MonCluster,
    /// The image where the spec names none.
    pub default_image: &'a str,
    /// The cluster's id, once it has one.
    pub fsid: Option<&'a str>,
    /// Addresses of those who vote, `IP:PORT`, by name.
    pub voters: &'a BTreeMap<MemberName, String>,
}

impl Scene<'_> {
    /// The image that monitors run.
    pub fn image(&self) -> String {
        self.cluster
            .spec()
            .image
            .as_ref()
            .map_or_else(|| self.default_image.to_owned(), |image| image.reference())
    }

    /// `mon_host`, as Ceph's programs read it.
    pub fn mon_host(&self) -> String {
        let hosts: Vec<_> = self.voters.values().map(|address| format!("[v2:{address}]")).collect();
        hosts.join(",")
    }
}

/// Whether an object lacks something that it should have. What others added does not count, except where a
/// stranger's entry would have an effect: data, selectors and rules.
pub fn differs(wanted: &Value, present: &Value) -> bool {
    lacks("", wanted, present)
}

fn lacks(field: &str, wanted: &Value, present: &Value) -> bool {
    match (wanted, present) {
        (Value::Object(wanted), Value::Object(present)) => {
            let exact = matches!(field, "data" | "matchLabels" | "selector");
            (exact && wanted.len() != present.len())
                || wanted.iter().any(|(key, value)| present.get(key).is_none_or(|it| lacks(key, value, it)))
        }
        (Value::Array(wanted), Value::Array(present)) => {
            let more_allowed = matches!(field, "ownerReferences" | "finalizers");
            if more_allowed {
                return wanted.iter().any(|item| present.iter().all(|it| lacks("", item, it)));
            }
            wanted.len() != present.len() || wanted.iter().zip(present).any(|(item, it)| lacks("", item, it))
        }
        (wanted, present) => wanted != present,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_others_fill_in_is_no_difference() {
        let wanted = json!({"spec": {"ports": [{"port": 1}], "selector": {"a": "b"}}});
        let present =
            json!({"spec": {"ports": [{"port": 1, "protocol": "TCP"}], "selector": {"a": "b"}, "type": "x"}});
        assert!(!differs(&wanted, &present));
        for (pointer, value) in [
            ("/spec/ports/0/port", json!(2)),
            ("/spec/ports", json!([])),
            ("/spec/selector", json!({"a": "b", "c": "d"})),
            ("/spec", json!(null)),
        ] {
            let mut other = present.clone();
            *other.pointer_mut(pointer).unwrap() = value;
            assert!(differs(&wanted, &other), "{pointer}");
        }
    }
}
