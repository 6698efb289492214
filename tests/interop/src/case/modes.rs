//! Both wire modes and both key types.

use anyhow::{Result, ensure};

use crate::case::{OURS, plan, trio};
use crate::cluster::{Cluster, Plan};
use crate::runner::World;

/// The client insists on one mode; both work.
pub(crate) fn crc_and_secure(world: &World) -> Result<()> {
    let cluster = trio(world)?;
    for mode in ["crc", "secure"] {
        let options = ["--ms-mon-client-mode", mode, "--ms-client-mode", mode];
        let key = format!("mode/{mode}");
        cluster.ceph_with(&options, &["config-key", "set", &key, mode])?.ok()?;
        cluster.ceph_with(&options, &["config-key", "get", &key])?.says(mode)?;
        cluster.ceph_with(&options, &["-s"])?.says("quorum a,b,c")?;
        cluster.ceph_with(&options, &["tell", "mon.b", "version"])?.ok()?;
    }
    Ok(())
}

/// A cluster of either key type, with an entity of each where the policy allows it.
pub(crate) fn key_types(world: &World) -> Result<()> {
    for key_type in ["aes", "aes256k"] {
        let cluster = Cluster::up(
            &world.binary,
            &world.stock,
            world.keep,
            Plan { key_type, ..plan(OURS, &world.stock) },
        )?;
        cluster.ceph(&["-s"])?.says("quorum a,b,c")?;
        let keyring = cluster.ceph(&["auth", "get-or-create", "client.k", "mon", "allow r"])?.ok()?;
        std::fs::write(cluster.path("k.keyring"), &keyring)?;
        let path = cluster.inside("k.keyring").display().to_string();
        let said = cluster.ceph_with(&["-n", "client.k", "-k", &path], &["fsid"])?;
        ensure!(said.out.contains(&cluster.fsid), "client.k with its key in a cluster of {key_type}: {said}");
    }
    Ok(())
}
