//! An image of one layer as an OCI layout that is a docker archive, too: both describe the same two blobs.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::tar::Tar;

/// What goes into an image.
#[derive(Debug)]
pub(crate) struct Image {
    /// Its name with a tag.
    pub(crate) name: String,
    /// Its files, as a tar archive.
    pub(crate) layer: Vec<u8>,
    /// What runs when nothing is named.
    pub(crate) entrypoint: Vec<String>,
    /// As whom.
    pub(crate) user: String,
    /// Labels, sorted.
    pub(crate) labels: Vec<(&'static str, String)>,
    /// When, as RFC 3339.
    pub(crate) created: String,
}

impl Image {
    /// Writes the archive; its size in bytes.
    pub(crate) fn write(self, out: &Path) -> Result<u64> {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let layer = digest(&self.layer);
        let labels: serde_json::Map<String, Value> =
            self.labels.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let config = json!({
            "created": self.created,
            "architecture": architecture,
            "os": "linux",
            "config": {
                "User": self.user,
                "Env": ["PATH=/usr/bin"],
                "Entrypoint": self.entrypoint,
                "WorkingDir": "/",
                "Labels": labels,
            },
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{layer}")]},
            "history": [{"created": self.created, "created_by": "cargo xtask image"}],
        })
        .to_string();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": describe("application/vnd.oci.image.config.v1+json", config.as_bytes()),
            "layers": [describe("application/vnd.oci.image.layer.v1.tar", &self.layer)],
        })
        .to_string();
        let tag = self.name.rsplit_once(':').map_or("latest", |(_, tag)| tag);
        let mut entry = describe("application/vnd.oci.image.manifest.v1+json", manifest.as_bytes());
        entry["annotations"] =
            json!({"io.containerd.image.name": self.name, "org.opencontainers.image.ref.name": tag});
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [entry],
        });
        let blob = |bytes: &[u8]| format!("blobs/sha256/{}", digest(bytes));
        let docker = json!([{
            "Config": blob(config.as_bytes()), "RepoTags": [self.name], "Layers": [blob(&self.layer)],
        }]);

        let mut tar = Tar::default();
        tar.folder("blobs");
        tar.folder("blobs/sha256");
        for bytes in [config.as_bytes(), manifest.as_bytes(), &self.layer] {
            tar.file(&blob(bytes), bytes, 0o644);
        }
        tar.file("index.json", index.to_string().as_bytes(), 0o644);
        tar.file("manifest.json", docker.to_string().as_bytes(), 0o644);
        tar.file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#, 0o644);
        let bytes = tar.finish();
        fs::write(out, &bytes).with_context(|| format!("cannot write {}", out.display()))?;
        Ok(bytes.len() as u64)
    }
}

fn describe(kind: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": kind, "digest": format!("sha256:{}", digest(bytes)), "size": bytes.len()})
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
