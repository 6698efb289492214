//! `ceph.conf`, read by the daemon's own code.

use std::io::Write;

#[allow(dead_code, unreachable_pub, reason = "the daemon and the client use more of it")]
#[path = "../../../monitor/client/src/ceph_conf.rs"]
mod ceph_conf;

use ceph_conf::{CephConf, normal_name};

pub(crate) fn ceph_conf(input: &[u8]) {
    let mut file = tempfile::NamedTempFile::new().expect("a place for a file");
    file.write_all(input).expect("room for a file");
    let Ok(conf) = CephConf::read(file.path()) else { return };
    for setting in conf.section("global").iter().chain(conf.section("mon")) {
        assert_eq!(normal_name(&setting.key), setting.key, "a name is normal once it was made so");
    }
}
