//! Who may what.

use std::fs;

use anyhow::{Result, ensure};

use crate::case::trio;
use crate::runner::World;

const EACCES: i32 = 13;

/// Caps decide every command.
pub(crate) fn caps_are_enforced(world: &World) -> Result<()> {
    let cluster = trio(world)?;
    let made = |name: &str, caps: &[&str]| -> Result<Vec<String>> {
        let entity = format!("client.{name}");
        let keyring = cluster.ceph(&[&["auth", "get-or-create", &entity], caps].concat())?.ok()?;
        fs::write(cluster.path(&format!("{name}.keyring")), keyring)?;
        let path = cluster.inside(&format!("{name}.keyring")).display().to_string();
        Ok(vec!["--connect-timeout".into(), "20".into(), "-n".into(), entity, "-k".into(), path])
    };
    let reader = made("reader", &["mon", "allow r"])?;
    let reader: Vec<&str> = reader.iter().map(String::as_str).collect();
    cluster.ceph_with(&reader, &["-s"])?.ok()?;
    cluster.ceph_with(&reader, &["config-key", "set", "a", "b"])?.refused(EACCES)?;
    cluster.ceph_with(&reader, &["config-key", "get", "a"])?.refused(EACCES)?;
    cluster.ceph_with(&reader, &["auth", "ls"])?.refused(EACCES)?;
    cluster.ceph_with(&reader, &["mon", "rm", "c"])?.refused(EACCES)?;
    let keys = made("keys", &["mon", "allow command \"config-key get\" with key prefix mine/"])?;
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    cluster.ceph(&["config-key", "set", "mine/a", "1"])?.ok()?;
    cluster.ceph(&["config-key", "set", "other/a", "2"])?.ok()?;
    // The CLI itself needs to list the commands, which every session may.
    cluster.ceph_with(&keys, &["config-key", "get", "mine/a"])?.says("1")?.ok()?;
    cluster.ceph_with(&keys, &["config-key", "get", "other/a"])?.refused(EACCES)?;
    let none = made("none", &["osd", "allow r"])?;
    let none: Vec<&str> = none.iter().map(String::as_str).collect();
    let said = cluster.ceph_with(&none, &["-s"])?;
    ensure!(said.code != 0, "without mon caps nothing is served: {said}");
    // Nothing of all this was done.
    cluster.ceph(&["config-key", "exists", "a"])?.refused(2)?;
    Ok(())
}

/// A client with another cluster's key is refused clearly and soon; one with another fsid learns this cluster's.
pub(crate) fn wrong_key_and_fsid(world: &World) -> Result<()> {
    let cluster = trio(world)?;
    let path = cluster.inside("wrong.keyring").display().to_string();
    let mut tool = cluster.stock.tool("ceph-authtool");
    tool.args(["--create-keyring", "--gen-key", "-n", "client.admin"]).arg(&path);
    crate::said::Said::run(&mut tool, "")?.ok()?;
    let said = cluster.ceph_with(&["--connect-timeout", "20", "-k", &path], &["-s"])?;
    ensure!(said.code != 0, "a wrong key must be refused: {said}");
    let text = format!("{}{}", said.out, said.err).to_lowercase();
    ensure!(text.contains("denied") || text.contains("errno 13"), "the refusal must be clear: {said}");
    // A client takes the cluster's id over from the first map that it gets, and so do its commands: whoever has the
    // keys and the addresses is served, by stock as well (seen with 16, 18 and 20), and is told where it is.
    let conf = fs::read_to_string(cluster.path("ceph.conf"))?
        .replace(&cluster.fsid, "00000000-0000-4000-8000-000000000001");
    fs::write(cluster.path("other.conf"), conf)?;
    let other = cluster.inside("other.conf").display().to_string();
    let mut ceph = cluster.stock.tool("ceph");
    ceph.args(["-c", &other, "--connect-timeout", "20", "fsid"]);
    let said = crate::said::Said::run(&mut ceph, "")?.ok()?;
    ensure!(said.trim() == cluster.fsid, "of cluster {}: {said}", cluster.fsid);
    Ok(())
}
