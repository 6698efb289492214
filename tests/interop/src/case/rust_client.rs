//! The independent Rust client of Ceph (crate `rados`) connects and runs commands. It knows AES keys only.

use std::process::Command;

use anyhow::Result;

use crate::case::trio;
use crate::runner::{Skip, World};
use crate::said::Said;

/// Its own library's connection, authentication, monmap and commands.
pub(crate) fn commands(world: &World) -> Result<()> {
    let Some(program) = &world.rados_client else {
        return Err(Skip("tests/rados-client was not built".to_owned()).into());
    };
    let cluster = trio(world)?;
    let mut client = Command::new("timeout");
    client.args(["-k", "5", "60"]).arg(program).arg(cluster.path("admin.keyring")).arg(&cluster.fsid);
    client.args(cluster.mons.iter().map(|mon| format!("v2:127.0.0.1:{}", mon.port)));
    Said::run(&mut client, "")?.says("ok")?.ok().map(drop)
}
