//! The cluster's certificates, and a kubeconfig for each of its programs. Made anew for every lab.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use serde_json::json;

use super::network::{SERVER, address};
use super::node_name;

/// Writes `ca.crt`, `NAME.crt`, `NAME.key` and `NAME.kubeconfig` for everybody, and the key that signs the tokens of
/// service accounts.
pub(super) fn make(folder: &Path, nodes: usize) -> Result<()> {
    fs::create_dir_all(folder)?;
    let authority = Authority::new(folder)?;
    authority.issue(
        "apiserver",
        "kube-apiserver",
        None,
        &[SERVER, "127.0.0.1", "10.96.0.1", "kubernetes.default.svc"],
    )?;
    let clients = [
        ("admin", "admin", Some("system:masters")),
        ("manager", "system:kube-controller-manager", None),
        ("scheduler", "system:kube-scheduler", None),
        ("proxy", "system:kube-proxy", None),
    ];
    for (name, subject, group) in clients {
        authority.issue(name, subject, group, &[])?;
        kubeconfig(folder, name)?;
    }
    for number in 1..=nodes {
        let name = node_name(number);
        authority.issue(
            &name,
            &format!("system:node:{name}"),
            Some("system:nodes"),
            &[&name, &address(number)],
        )?;
        kubeconfig(folder, &name)?;
    }
    let tokens = KeyPair::generate()?;
    fs::write(folder.join("tokens.key"), tokens.serialize_pem())?;
    fs::write(folder.join("tokens.pub"), tokens.public_key_pem())?;
    Ok(())
}

struct Authority<'a> {
    folder: &'a Path,
    issuer: Issuer<'static, KeyPair>,
}

impl<'a> Authority<'a> {
    fn new(folder: &'a Path) -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut wanted = CertificateParams::default();
        wanted.distinguished_name.push(DnType::CommonName, "moncluster-lab");
        wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        wanted.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        fs::write(folder.join("ca.crt"), wanted.self_signed(&key)?.pem())?;
        Ok(Self { folder, issuer: Issuer::new(wanted, key) })
    }

    fn issue(&self, name: &str, subject: &str, group: Option<&str>, hosts: &[&str]) -> Result<()> {
        let key = KeyPair::generate()?;
        let mut wanted = CertificateParams::default();
        wanted.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(group) = group {
            wanted.distinguished_name.push(DnType::OrganizationName, group);
        }
        wanted.distinguished_name.push(DnType::CommonName, subject);
        wanted.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        for host in hosts {
            wanted.subject_alt_names.push(match host.parse::<IpAddr>() {
                Ok(ip) => SanType::IpAddress(ip),
                Err(_) => SanType::DnsName((*host).try_into()?),
            });
        }
        let certificate =
            wanted.signed_by(&key, &self.issuer).with_context(|| format!("no certificate for {name}"))?;
        fs::write(self.folder.join(format!("{name}.crt")), certificate.pem())?;
        fs::write(self.folder.join(format!("{name}.key")), key.serialize_pem())?;
        Ok(())
    }
}

/// JSON is YAML, too.
fn kubeconfig(folder: &Path, name: &str) -> Result<()> {
    let file = |ending: &str| folder.join(ending);
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": {
            "server": format!("https://{SERVER}:6443"), "certificate-authority": file("ca.crt"),
        }}],
        "users": [{"name": name, "user": {
            "client-certificate": file(&format!("{name}.crt")), "client-key": file(&format!("{name}.key")),
        }}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": name}}],
        "current-context": "lab",
    });
    fs::write(file(&format!("{name}.kubeconfig")), serde_json::to_vec_pretty(&config)?)?;
    Ok(())
}
