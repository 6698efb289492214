//! A spec that was checked: what the plan takes. Parse once, trust afterwards.

use std::fmt;

use crate::{
    AntiAffinity, DeletionPolicy, DisruptionSpec, HealingSpec, MonCluster, MonClusterSpec, NetworkSpec,
    ObjectNames, Retention, Span, UpdateSpec,
};

/// A MonCluster whose spec holds together.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidatedCluster {
    name: String,
    namespace: String,
    generation: i64,
    spec: MonClusterSpec,
    storage_bytes: u64,
}

/// Why a spec cannot be worked with; each line says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid(pub Vec<String>);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for Invalid {}

impl TryFrom<&MonCluster> for ValidatedCluster {
    type Error = Invalid;

    fn try_from(cluster: &MonCluster) -> Result<Self, Self::Error> {
        let spec = &cluster.spec;
        let mut wrong = Vec::new();
        let mut require = |holds: bool, text: &str| {
            if !holds {
                wrong.push(text.to_owned());
            }
        };
        let name = cluster.metadata.name.clone().unwrap_or_default();
        let namespace = cluster.metadata.namespace.clone().unwrap_or_default();
        require(
            is_short_label(&name),
            "metadata.name: choose at most 40 lowercase letters, digits and dashes",
        );
        require(!namespace.is_empty(), "metadata.namespace is missing");
        require((1..=9).contains(&spec.replicas), "replicas: choose 1 to 9");
        require(
            spec.allow_even_replicas || spec.replicas % 2 == 1,
            "replicas: choose an odd number, or set allowEvenReplicas",
        );
        require(
            spec.admin.port != spec.network.msgr2_port,
            "admin.port: choose another than network.msgr2Port",
        );
        require(
            (1..=4).contains(&spec.disruption.max_unavailable),
            "disruption.maxUnavailable: choose 1 to 4",
        );
        let probe = spec.healing.probe_interval;
        require(
            Span::seconds(1) <= probe && probe <= Span::minutes(1),
            "healing.probeInterval: choose 1s to 1m",
        );
        let after = spec.healing.replace_after;
        for (name, span) in [
            ("nodeUnreachable", after.node_unreachable),
            ("podFailing", after.pod_failing),
            ("drained", after.drained),
        ] {
            let fits = span.is_zero() || (Span::minutes(1) <= span && span <= DAY);
            require(fits, &format!("healing.replaceAfter.{name}: choose 1m to 24h, or 0s for never"));
        }
        require(
            after.node_deleted <= DAY && after.volume_lost <= DAY,
            "healing.replaceAfter.nodeDeleted and .volumeLost: choose 0s to 24h",
        );
        let kept = spec.storage.retention.failed_member;
        require(kept <= Span::minutes(720 * 60), "storage.retention.failedMember: choose 0s to 720h");
        let stall = spec.update.stall_timeout;
        require(Span::minutes(1) <= stall && stall <= DAY, "update.stallTimeout: choose 1m to 24h");
        require(spec.update.min_in_quorum <= Span::minutes(10), "update.minInQuorum: choose up to 10m");
        let size = bytes(&spec.storage.volume_claim_template.resources.requests.storage);
        require(size.is_some_and(|size| size >= 1 << 30), "storage: give at least 1Gi");
        for name in spec.config.keys().filter(|name| OURS.contains(&name.as_str())) {
            require(false, &format!("config.{name}: the operator sets it itself, remove it"));
        }
        for name in spec.config.keys().filter(|name| !is_option(name)) {
            require(false, &format!("config.{name}: write names of options like mon_lease"));
        }
        if let Some(image) = &spec.image {
            require(image.tag.is_none() || image.digest.is_none(), "image: give tag or digest, not both");
        }
        match wrong.is_empty() {
            true => Ok(Self {
                name,
                namespace,
                generation: cluster.metadata.generation.unwrap_or(0),
                spec: spec.clone(),
                storage_bytes: size.unwrap_or(0),
            }),
            false => Err(Invalid(wrong)),
        }
    }
}

impl ValidatedCluster {
    /// The MonCluster's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The generation of the spec.
    pub const fn generation(&self) -> i64 {
        self.generation
    }

    /// Names of its objects.
    pub fn names(&self) -> ObjectNames<'_> {
        ObjectNames { cluster: &self.name }
    }

    /// The spec as it was written, for what only becomes part of an object.
    pub const fn spec(&self) -> &MonClusterSpec {
        &self.spec
    }

    /// How many monitors are to vote: 1 to 9.
    pub const fn replicas(&self) -> u32 {
        self.spec.replicas
    }

    /// Healing.
    pub const fn healing(&self) -> &HealingSpec {
        &self.spec.healing
    }

    /// Updates.
    pub const fn update(&self) -> &UpdateSpec {
        &self.spec.update
    }

    /// Drains.
    pub const fn disruption(&self) -> &DisruptionSpec {
        &self.spec.disruption
    }

    /// Addresses.
    pub const fn network(&self) -> &NetworkSpec {
        &self.spec.network
    }

    /// What becomes of volumes.
    pub const fn retention(&self) -> &Retention {
        &self.spec.storage.retention
    }

    /// Size of a volume in bytes.
    pub const fn storage_bytes(&self) -> u64 {
        self.storage_bytes
    }

    /// Whether two members may not share a failure domain.
    pub fn spread_required(&self) -> bool {
        self.spec.placement.anti_affinity == AntiAffinity::Required
    }

    /// Whether volumes, addresses and keys go with the MonCluster.
    pub fn deletes_data(&self) -> bool {
        self.spec.deletion_policy == DeletionPolicy::Delete
    }
}

fn is_short_label(name: &str) -> bool {
    let fits = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-';
    let bytes = name.as_bytes();
    bytes.len() <= 40
        && bytes.first().is_some_and(u8::is_ascii_lowercase)
        && bytes.last() != Some(&b'-')
        && bytes.iter().all(|letter| fits(*letter))
}

/// As the schema's rule has it: `^[a-z][a-z0-9_]{0,63}$`.
fn is_option(name: &str) -> bool {
    let fits = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'_';
    name.len() <= 64 && name.as_bytes().first().is_some_and(u8::is_ascii_lowercase) && name.bytes().all(fits)
}

/// A quantity of the form that the schema allows, in bytes.
fn bytes(quantity: &str) -> Option<u64> {
    let digits_end = quantity.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(quantity.len());
    let (number, unit) = quantity.split_at(digits_end);
    let scale: u64 = match unit {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut size = whole.parse::<u64>().ok()?.checked_mul(scale)?;
    if !fraction.is_empty() {
        let digits = u32::try_from(fraction.len()).ok().filter(|digits| *digits <= 3)?;
        size = size.checked_add(fraction.parse::<u64>().ok()?.checked_mul(scale)? / 10u64.pow(digits))?;
    }
    Some(size)
}

/// Options that the operator sets itself, because the cluster's identity or its own way to the monitors hangs on
/// them; the schema's rule has the same list.
const OURS: [&str; 18] = [
    "fsid",
    "mon_data",
    "keyring",
    "mon_host",
    "mon_initial_members",
    "public_addr",
    "public_addrv",
    "public_bind_addr",
    "mon_learner",
    "mon_http_listen",
    "mon_http_tls_cert",
    "mon_http_tls_key",
    "mon_http_token_file",
    "setuser",
    "setgroup",
    "run_dir",
    "admin_socket",
    "pid_file",
];

const DAY: Span = Span::minutes(24 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(edit: impl FnOnce(&mut MonClusterSpec)) -> MonCluster {
        let mut cluster = MonCluster::new("a", MonClusterSpec::default());
        cluster.metadata.namespace = Some("ceph".into());
        edit(&mut cluster.spec);
        cluster
    }

    #[test]
    fn an_empty_spec_is_three_monitors() {
        let empty: MonClusterSpec = serde_json::from_str("{}").unwrap();
        assert_eq!(empty, MonClusterSpec::default());
        let valid = ValidatedCluster::try_from(&cluster(|_| ())).unwrap();
        assert_eq!((valid.replicas(), valid.storage_bytes()), (3, 10 << 30));
    }

    #[test]
    fn everything_that_is_wrong_is_named() {
        let wrong = cluster(|spec| {
            spec.replicas = 4;
            spec.healing.replace_after.node_unreachable = Span::seconds(5);
            spec.config.insert("fsid".into(), "x".into());
            spec.storage.volume_claim_template.resources.requests.storage = "10Mi".into();
        });
        let Invalid(lines) = ValidatedCluster::try_from(&wrong).unwrap_err();
        assert_eq!(lines.len(), 4, "{lines:?}");
    }

    #[test]
    fn quantities() {
        for (text, size) in [("10Gi", 10 << 30), ("1.5Ki", 1536), ("2G", 2_000_000_000), ("7", 7)] {
            assert_eq!(bytes(text), Some(size), "{text}");
        }
        for text in ["", "x", "1Ei", "99999999999999Ti"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }
}
