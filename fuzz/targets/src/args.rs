//! The command line of `ceph-mon`, read by the daemon's own code. What is here stands in for the parts of the daemon
//! around it, which would bring all of it along.

use std::path::PathBuf;

use crate::config::options::{Options, Source, Who};

#[allow(dead_code, reason = "the daemon uses more of it")]
#[path = "../../../monitor/daemon/src/args/ceph_mon.rs"]
pub(crate) mod ceph_mon;

/// What the command line asks for.
#[derive(Debug)]
#[allow(dead_code, reason = "what is done about it is the daemon's")]
pub(crate) enum Job {
    Do { action: Action, options: Box<Options> },
    Help,
    Version,
}

/// What to do with a data directory.
#[derive(Debug)]
#[allow(dead_code, reason = "what is done about it is the daemon's")]
pub(crate) enum Action {
    Run { foreground: bool },
    Mkfs { monmap: Option<PathBuf> },
    ExtractMonmap(PathBuf),
    InjectMonmap(PathBuf),
}

/// Where values come from; files are not read.
#[derive(Debug)]
#[allow(dead_code, reason = "files are not read here")]
pub(crate) struct Sources {
    pub(crate) id: String,
    pub(crate) cluster: String,
    pub(crate) ceph_conf: Option<PathBuf>,
    pub(crate) search_ceph_conf: bool,
    pub(crate) yaml: Option<crate::config::yaml::YamlConf>,
    pub(crate) options: Vec<(String, String)>,
    pub(crate) defaults: Vec<(String, String)>,
}

impl Sources {
    pub(crate) fn gather(
        self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Options, crate::exit::Failed> {
        let mut options = Options::new(Who { id: self.id, cluster: self.cluster });
        for (name, value) in self.defaults {
            options.set(&name, value, Source::DefaultFlag);
        }
        options.set_from_environment(variable);
        for (name, value) in self.options {
            options.set(&name, value, Source::CommandLine);
        }
        Ok(options)
    }
}
