//! The command line of `ceph-mon`, as Rook, cephadm and people write it.
//!
//! Every option of the table can be given as `--name value`, `--name=value` or, for yes and no, `--name` and
//! `--no-name`; dashes and underscores are the same. `--default-name=value` gives a value that anything else
//! goes over. The variable `CEPH_ARGS` comes before the arguments.

use std::collections::VecDeque;
use std::path::PathBuf;

use crate::args::{Action, Job, Sources};
use crate::config::ceph_conf::normal_name;
use crate::config::table::{Kind, Spec, is_without_effect};
use crate::exit::{Exit, Failed};

/// What `--help` prints.
pub(crate) const HELP: &str = "\
usage: ceph-mon --id NAME [--mkfs | --extract-monmap FILE | --inject-monmap FILE] [options]

  -i, --id NAME             the monitor, without 'mon.'
  -n, --name mon.NAME       the same
  -c, --conf FILE           ceph.conf (default: $CEPH_CONF, /etc/ceph/CLUSTER.conf, ...)
      --cluster NAME        name of the cluster in paths (default: ceph)
  -f, --foreground          do not detach
  -d                        the same, and log to standard error
  -m, --mon-host ADDRS      addresses of the monitors
  -k, --keyring FILE        keyring with the key of mon.
      --mkfs                make the data directory
      --monmap FILE         for mkfs: the monmap
      --extract-monmap FILE write the newest monmap of the store to a file
      --inject-monmap FILE  make the monmap in a file the newest of the store
      --OPTION=VALUE        any option of docs/configuration.md
      --default-OPTION=VALUE
                            the same, below ceph.conf";

/// What the arguments say, before configuration files are read.
#[derive(Debug, Default)]
struct Given {
    id: Option<String>,
    cluster: Option<String>,
    conf: Option<PathBuf>,
    foreground: bool,
    mkfs: bool,
    monmap: Option<PathBuf>,
    extract: Option<PathBuf>,
    inject: Option<PathBuf>,
    help: bool,
    version: bool,
    options: Vec<(String, String)>,
    defaults: Vec<(String, String)>,
}

/// Reads the arguments after the program's name; `variable` reads the environment.
pub(crate) fn parse(
    arguments: impl IntoIterator<Item = String>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Job, Failed> {
    let from_environment = variable("CEPH_ARGS").unwrap_or_default();
    let from_environment = from_environment.split_whitespace().map(str::to_owned);
    let given = read(from_environment.chain(arguments).collect())?;
    if given.help {
        return Ok(Job::Help);
    }
    if given.version {
        return Ok(Job::Version);
    }
    let Some(id) = given.id else { return Err(usage("which monitor? give its name with --id NAME")) };
    let action = match (given.mkfs, given.extract, given.inject) {
        (true, None, None) => Action::Mkfs { monmap: given.monmap },
        (false, Some(path), None) => Action::ExtractMonmap(path),
        (false, None, Some(path)) => Action::InjectMonmap(path),
        (false, None, None) => Action::Run { foreground: given.foreground },
        _ => return Err(usage("only one of --mkfs, --extract-monmap and --inject-monmap at a time")),
    };
    let sources = Sources {
        id,
        cluster: given.cluster.unwrap_or_else(|| "ceph".into()),
        ceph_conf: given.conf.or_else(|| variable("CEPH_CONF").map(PathBuf::from)),
        search_ceph_conf: true,
        yaml: None,
        options: given.options,
        defaults: given.defaults,
    };
    let options = sources.gather(variable)?;
    Ok(Job::Do { action, options: Box::new(options) })
}

fn usage(message: impl std::fmt::Display) -> Failed {
    Failed::new(Exit::Usage, message)
}

fn read(mut arguments: VecDeque<String>) -> Result<Given, Failed> {
    let mut given = Given::default();
    while let Some(argument) = arguments.pop_front() {
        if let Some(long) = argument.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (normal_name(name), Some(value.to_owned())),
                None => (normal_name(long), None),
            };
            read_long(&mut given, name, value, &mut arguments)?;
        } else if let Some(short) = argument.strip_prefix('-') {
            read_short(&mut given, short, &mut arguments)?;
        } else {
            return Err(usage(format!("'{argument}' is not an option; the name is given with --id")));
        }
    }
    Ok(given)
}

/// `-iNAME` and `-i NAME` are the same.
fn read_short(given: &mut Given, short: &str, arguments: &mut VecDeque<String>) -> Result<(), Failed> {
    let mut letters = short.chars();
    let letter = letters.next().unwrap_or(' ');
    let attached = Some(letters.as_str()).filter(|rest| !rest.is_empty()).map(str::to_owned);
    let long = match letter {
        'i' => "id",
        'n' => "name",
        'c' => "conf",
        'm' => "mon_host",
        'k' => "keyring",
        'f' => "foreground",
        'd' => {
            given.options.push(("log_to_stderr".into(), "true".into()));
            given.options.push(("log_to_file".into(), "false".into()));
            "foreground"
        }
        'h' => "help",
        'v' => "version",
        _ => return Err(usage(format!("there is no option -{short}"))),
    };
    read_long(given, long.into(), attached, arguments)
}

fn read_long(
    given: &mut Given,
    name: String,
    value: Option<String>,
    arguments: &mut VecDeque<String>,
) -> Result<(), Failed> {
    let mut wanted = |value: Option<String>| {
        value.or_else(|| arguments.pop_front()).ok_or_else(|| usage(format!("--{name} needs a value")))
    };
    match name.as_str() {
        "id" => given.id = Some(wanted(value)?),
        "name" => {
            let full = wanted(value)?;
            let id =
                full.strip_prefix("mon.").ok_or_else(|| usage(format!("--name {full}: expected mon.ID")))?;
            given.id = Some(id.into());
        }
        "cluster" => given.cluster = Some(wanted(value)?),
        "conf" => given.conf = Some(wanted(value)?.into()),
        "foreground" => given.foreground = true,
        "mkfs" => given.mkfs = true,
        "monmap" => given.monmap = Some(wanted(value)?.into()),
        "extract_monmap" => given.extract = Some(wanted(value)?.into()),
        "inject_monmap" => given.inject = Some(wanted(value)?.into()),
        "set_crush_location" => {
            let location = wanted(value)?;
            given.options.push(("crush_location".into(), location));
        }
        "help" => given.help = true,
        "version" => given.version = true,
        // Accepted for compatibility: they ask for what happens anyway, or confirm it.
        "osdmap" => drop(wanted(value)?),
        "yes_i_really_mean_it" | "compact" | "nodaemon" => {}
        _ => {
            let (list, option) = match name.strip_prefix("default_") {
                Some(option) => (&mut given.defaults, option),
                None => (&mut given.options, name.as_str()),
            };
            list.push(read_option(option, value, arguments)?);
        }
    }
    Ok(())
}

fn read_option(
    name: &str,
    value: Option<String>,
    arguments: &mut VecDeque<String>,
) -> Result<(String, String), Failed> {
    if let Some(value) = value {
        return Ok((name.into(), value));
    }
    match Spec::named(name) {
        Some(Spec { kind: Kind::Bool, .. }) => return Ok((name.into(), "true".into())),
        Some(_) => {
            let value = arguments.pop_front().ok_or_else(|| usage(format!("--{name} needs a value")))?;
            return Ok((name.into(), value));
        }
        None => {}
    }
    let negated = name.strip_prefix("no_").filter(|positive| {
        Spec::named(positive).is_some_and(|spec| spec.kind == Kind::Bool) || is_without_effect(positive)
    });
    if let Some(positive) = negated {
        return Ok((positive.into(), "false".into()));
    }
    // An option that we do not know has a value if what follows does not look like an option.
    let follows = arguments.front().is_some_and(|next| !next.starts_with('-'));
    let value = if follows { arguments.pop_front() } else { None };
    Ok((name.into(), value.unwrap_or_else(|| "true".into())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn job(line: &str) -> Result<Job, Failed> {
        parse(line.split(' ').filter(|part| !part.is_empty()).map(str::to_owned), |_| None)
    }

    fn settings(line: &str) -> (Action, Settings) {
        match job(line).unwrap() {
            Job::Do { action, options } => (action, Settings::from_options(&options, true).unwrap()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn as_rook_writes_it() {
        let common = "--fsid=0f6b4a3e-1a0f-4a3c-9d8e-3b6d2a1c5e7f --keyring=/etc/ceph/keyring-store/keyring \
            --default-log-to-stderr=true --default-err-to-stderr=true --default-mon-cluster-log-to-stderr=true \
            --default-log-stderr-prefix=debug  --default-log-to-file=false --default-mon-cluster-log-to-file=false \
            --mon-host=[v2:10.0.0.1:3300,v1:10.0.0.1:6789],[v2:10.0.0.2:3300,v1:10.0.0.2:6789] \
            --mon-initial-members=a,b --id=a --setuser=ceph --setgroup=ceph -c /dev/null";
        let (action, read) = settings(&format!("{common} --public-addr=10.0.0.1 --mkfs"));
        assert_eq!(action, Action::Mkfs { monmap: None });
        assert_eq!(read.name, "a");
        assert_eq!(read.mon_host.len(), 2);
        assert_eq!(read.mon_initial_members, ["a", "b"]);
        assert_eq!(read.log.file, None);
        assert!(read.log.to_stderr && read.log.cluster_to_stderr);
        assert_eq!(read.process.user.as_deref(), Some("ceph"));
        assert_eq!(read.warnings, Vec::<String>::new());

        let run = "--foreground --public-addr=10.0.0.1 --setuser-match-path=/var/lib/ceph/mon/ceph-a/store.db \
                   --public-bind-addr=10.1.0.1 --set-crush-location=datacenter=a";
        let (action, read) = settings(&format!("{common} {run}"));
        assert_eq!(action, Action::Run { foreground: true });
        assert_eq!(read.bind_addr, Some("10.1.0.1:3300".parse().unwrap()));
        assert_eq!(read.crush_location, [("datacenter".to_owned(), "a".to_owned())]);
    }

    #[test]
    fn as_cephadm_writes_it() {
        let (action, read) = settings(
            "-n mon.host1 -f --setuser ceph --setgroup ceph --default-log-to-file=false \
             --default-log-to-journald=true --default-log-to-stderr=false --default-mon-cluster-log-to-file=false \
             --default-mon-cluster-log-to-journald=true --no-err-to-stderr -c/dev/null",
        );
        assert_eq!(action, Action::Run { foreground: true });
        assert_eq!((read.name.as_str(), read.warnings.len()), ("host1", 0));
        let (action, _) = settings(
            "--mkfs -i host1 --fsid 0f6b4a3e-1a0f-4a3c-9d8e-3b6d2a1c5e7f -c /dev/null --monmap /tmp/monmap --keyring /tmp/keyring --setuser ceph --setgroup ceph",
        );
        assert_eq!(action, Action::Mkfs { monmap: Some("/tmp/monmap".into()) });
    }

    #[test]
    fn unknown_options_warn_and_take_their_value() {
        let (_, read) = settings("-i a -c /dev/null --mon-max-pg-per-osd 300 --mystery --id b --mon_lease 3");
        assert_eq!(read.name, "b");
        assert_eq!(read.warnings, ["these options have no effect here: mon_max_pg_per_osd, mystery"]);
    }

    #[test]
    fn mistakes() {
        let exit = |line| job(line).unwrap_err().exit;
        assert_eq!(exit(""), Exit::Usage);
        assert_eq!(exit("-i"), Exit::Usage);
        assert_eq!(exit("-i a stray"), Exit::Usage);
        assert_eq!(exit("-i a -z"), Exit::Usage);
        assert_eq!(exit("-i a --mkfs --extract-monmap m"), Exit::Usage);
        assert_eq!(exit("-n osd.1"), Exit::Usage);
        assert_eq!(exit("-i a -c /nowhere/ceph.conf"), Exit::Configuration);
        assert!(matches!(job("--version"), Ok(Job::Version)));
        assert!(matches!(job("-h"), Ok(Job::Help)));
    }

    #[test]
    fn ceph_args_come_first() {
        let variable =
            |name: &str| (name == "CEPH_ARGS").then(|| "--id z -c /dev/null --mon-lease 4".to_owned());
        let Job::Do { options, .. } = parse(["--mon-lease=6".to_owned()], variable).unwrap() else {
            panic!()
        };
        assert_eq!(options.who().id, "z");
        assert_eq!(options.text("mon_lease"), Some("6".into()));
    }
}
