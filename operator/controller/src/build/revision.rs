//! Which pods are as the spec says.

use moncluster_api::MemberName;
use sha2::{Digest, Sha256};

use super::{Scene, config, pod};

/// A short hash of everything that only a new pod gets: its spec, labels and annotations of the spec, and the options
/// that a monitor reads at its start. Not of its role, of certificates and of who else is a member.
pub fn revision(scene: &Scene<'_>, member: &MemberName, fsid: &str, address: &str) -> String {
    let template = &scene.cluster.spec().pod_template;
    let mut hash = Sha256::new();
    hash.update(pod::pod(scene, member).to_string());
    hash.update(serde_json::json!([template.labels, template.annotations]).to_string());
    hash.update(config::options(scene));
    hash.update(fsid);
    hash.update(address);
    hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
