//! The daemon's options, by its own code.
#![allow(dead_code, reason = "the daemon uses more of it")]

pub(crate) use crate::conf::ceph_conf;

#[path = "../../../monitor/daemon/src/config/options.rs"]
pub(crate) mod options;
#[path = "../../../monitor/daemon/src/config/table.rs"]
pub(crate) mod table;
#[path = "../../../monitor/daemon/src/config/yaml.rs"]
pub(crate) mod yaml;
