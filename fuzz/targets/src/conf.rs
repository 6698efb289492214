//! What the daemon is told, read by its own code: `ceph.conf`, its YAML file, and the command line of `ceph-mon`.

use std::io::Write;

#[allow(dead_code, unreachable_pub, reason = "the daemon and the client use more of it")]
#[path = "../../../monitor/client/src/ceph_conf.rs"]
pub(crate) mod ceph_conf;

use ceph_conf::{CephConf, normal_name};

use crate::args::{self, Job};
use crate::config::options::{Options, Who};
use crate::config::table::TABLE;
use crate::config::yaml::YamlConf;

pub(crate) fn ceph_conf(input: &[u8]) {
    let file = file_with(input);
    let Ok(conf) = CephConf::read(file.path()) else { return };
    for setting in conf.section("global").iter().chain(conf.section("mon")) {
        assert_eq!(normal_name(&setting.key), setting.key, "a name is normal once it was made so");
    }
    let mut options = Options::new(who());
    options.set_from_ceph_conf(&conf, file.path());
    read_all(&options);
}

pub(crate) fn yaml(input: &[u8]) {
    let file = file_with(input);
    let Ok(conf) = YamlConf::read(file.path()) else { return };
    let _names = (conf.name_key("name"), conf.name_key("cluster"));
    let mut options = Options::new(who());
    if conf.set(&mut options).is_ok() {
        assert_eq!(options.unknown().next(), None, "an option that does not exist is an error");
    }
    read_all(&options);
}

/// Arguments, one a line.
pub(crate) fn command_line(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(Job::Do { options, .. }) = args::ceph_mon::parse(text.lines().map(String::from), |_| None) {
        read_all(&options);
    }
}

/// Reads every option as what it should be: a value or a reason.
fn read_all(options: &Options) {
    for spec in TABLE {
        let _text = (options.text(spec.name), options.path(spec.name), options.is_given(spec.name));
        let _values = (options.boolean(spec.name), options.integer::<u64>(spec.name));
        let _more = (options.number(spec.name), options.size(spec.name), options.duration(spec.name));
    }
    assert_eq!(options.in_effect().count(), TABLE.len(), "every option has a value in effect");
}

fn who() -> Who {
    Who { id: "a".into(), cluster: "ceph".into() }
}

fn file_with(input: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a place for a file");
    file.write_all(input).expect("room for a file");
    file
}
