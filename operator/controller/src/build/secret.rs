//! Secrets: what goes into them, and what is read from them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Scene, labels};
use crate::keyring;
use crate::tls::Certificates;

/// The certificates of a cluster, as its Secret holds them.
pub type CertificateSecret = Option<Certificates>;

/// When a new certificate is due, and a new authority: annotations, so that nobody has to read certificates.
const RENEW: &str = "moncluster.io/renew-after";
const RENEW_AUTHORITY: &str = "moncluster.io/renew-authority-after";

/// The Secret with the keys that new monitors begin with. It is the cluster's identity, so it outlives the
/// MonCluster.
pub fn mon_keyring(scene: &Scene<'_>, now: Timestamp) -> Value {
    let (mon, admin) = (keyring::new_key(now), keyring::new_key(now));
    secret(
        scene,
        &scene.cluster.names().mon_keyring(),
        false,
        &[("keyring", &keyring::monitors(&mon, &admin))],
    )
}

/// The Secret with the token of the HTTP endpoints.
pub fn token(scene: &Scene<'_>) -> Value {
    secret(scene, &scene.cluster.names().token(), true, &[("token", &keyring::new_token())])
}

/// The Secret with authority and certificate of the HTTP endpoints.
pub fn tls(scene: &Scene<'_>, certificates: &Certificates) -> Value {
    let Certificates { authorities, authority_key, authority_until, certificate, key, until } = certificates;
    let content: [(&str, &str); 4] =
        [("ca.crt", authorities), ("ca.key", authority_key), ("tls.crt", certificate), ("tls.key", key)];
    let mut secret = secret(scene, &scene.cluster.names().tls(), true, &content);
    secret["metadata"]["annotations"] =
        json!({ RENEW: until.to_string(), RENEW_AUTHORITY: authority_until.to_string() });
    secret
}

/// The Secret for clients, from the key of client.admin; with the entries that consumers of Rook look for.
pub fn client_keyring(scene: &Scene<'_>, key: &str) -> Value {
    let content: [(&str, &str); 7] = [
        ("keyring", &keyring::administrator(key)),
        ("userID", "admin"),
        ("userKey", key),
        ("ceph-username", "client.admin"),
        ("ceph-secret", key),
        ("fsid", scene.fsid.unwrap_or_default()),
        ("cluster-name", "ceph"),
    ];
    secret(scene, &scene.cluster.names().client_keyring(), true, &content)
}

fn secret(scene: &Scene<'_>, name: &str, goes_along: bool, content: &[(&str, &str)]) -> Value {
    use base64::Engine;
    let encoded: BTreeMap<_, _> = content
        .iter()
        .map(|(key, value)| (*key, base64::engine::general_purpose::STANDARD.encode(value)))
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": labels::head(scene, name, None, goes_along),
        "data": encoded,
    })
}

/// Names that the certificate is for. The first is the one that the operator asks for.
pub fn tls_names(cluster: &str, namespace: &str) -> Vec<String> {
    let service = moncluster_api::ObjectNames { cluster }.client_service();
    let base = format!("{service}.{namespace}.svc");
    vec![base.clone(), format!("{base}.cluster.local"), format!("*.{namespace}.svc"), "localhost".into()]
}

/// The certificates that a Secret holds; none where something is missing.
pub fn read_certificates(secret: &Secret) -> CertificateSecret {
    let annotation = |name: &str| secret.metadata.annotations.as_ref()?.get(name)?.parse::<Timestamp>().ok();
    Some(Certificates {
        authorities: entry(secret, "ca.crt")?.to_string(),
        authority_key: entry(secret, "ca.key")?,
        authority_until: annotation(RENEW_AUTHORITY)?,
        certificate: entry(secret, "tls.crt")?.to_string(),
        key: entry(secret, "tls.key")?,
        until: annotation(RENEW)?,
    })
}

/// The keyring that a Secret holds.
pub fn keyring_of(secret: &Secret) -> Option<Zeroizing<String>> {
    entry(secret, "keyring").filter(|text| text.contains("[mon.]"))
}

/// The token that a Secret holds.
pub fn token_of(secret: &Secret) -> Option<Zeroizing<String>> {
    entry(secret, "token").filter(|token| token.len() >= 16)
}

fn entry(secret: &Secret, key: &str) -> Option<Zeroizing<String>> {
    let bytes = &secret.data.as_ref()?.get(key)?.0;
    Some(Zeroizing::new(std::str::from_utf8(bytes).ok()?.to_owned()))
}
