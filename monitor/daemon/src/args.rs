//! The command lines: `mon COMMAND ...`, and that of `ceph-mon` for whoever calls us by that name.

pub(crate) mod ceph_mon;

use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, FromArgMatches, Parser, Subcommand};

use crate::bench::BenchArgs;
use crate::config::ceph_conf::CephConf;
use crate::config::options::{Options, Source, Who};
use crate::config::table::{Kind, Spec, TABLE};
use crate::config::yaml::YamlConf;
use crate::ctl::Ctl;
use crate::exit::Failed;

/// What the command line of `ceph-mon` asks for.
#[derive(Debug)]
pub(crate) enum Job {
    Do { action: Action, options: Box<Options> },
    Help,
    Version,
}

/// What to do with a monitor's data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Run the monitor.
    Run { foreground: bool },
    /// Make the data directory.
    Mkfs { monmap: Option<PathBuf> },
    /// Write the newest monmap of the store to a file.
    ExtractMonmap(PathBuf),
    /// Make the monmap in a file the newest of the store.
    InjectMonmap(PathBuf),
}

/// The command line of `mon`.
#[derive(Debug, Parser)]
#[command(
    name = "mon",
    version,
    about = "A Ceph monitor, and what it takes to try, watch and measure one",
    propagate_version = true,
    max_term_width = 110,
    after_help = "Examples:\n  \
        mon dev up --dir /tmp/cluster                   three monitors in one folder; says what to try next\n  \
        mon status                                      what a monitor of this machine is doing\n  \
        mon member list -o json                         who the monitors are, for programs\n  \
        mon run --name a --config /etc/moncluster.yaml  one monitor, in the foreground\n\n\
        Called as ceph-mon, or `mon ceph-mon ...`, it takes the command line of ceph-mon."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a monitor
    #[command(after_help = "Examples:\n  \
        mon run --name a --ceph-conf /etc/ceph/ceph.conf\n  \
        MON_NAME=a mon run --config mon.yaml --log-to-stderr true")]
    Run {
        #[command(flatten)]
        monitor: MonitorArgs,
        /// Detach once the monitor is listening
        #[arg(long)]
        background: bool,
    },
    /// Make the data directory of a new monitor
    #[command(after_help = "Example:\n  \
        mon mkfs --name a --ceph-conf /etc/ceph/ceph.conf --keyring mon.keyring --monmap monmap")]
    Mkfs {
        #[command(flatten)]
        monitor: MonitorArgs,
        /// File with the monmap (from `ceph mon getmap`, monmaptool or extract-monmap); without one it is
        /// made from mon_host and mon_initial_members
        #[arg(long, value_name = "FILE")]
        monmap: Option<PathBuf>,
    },
    /// Write the newest monmap of a stopped monitor to a file
    ExtractMonmap {
        #[command(flatten)]
        monitor: MonitorArgs,
        /// File to write
        file: PathBuf,
    },
    /// Put a monmap into the store of a stopped monitor
    InjectMonmap {
        #[command(flatten)]
        monitor: MonitorArgs,
        /// File to read
        file: PathBuf,
    },
    #[command(flatten)]
    Ctl(Ctl),
    /// Measure a cluster, beside stock Ceph if wanted
    Bench(BenchArgs),
    /// Run a cluster of monitors in one folder of this host
    Dev(crate::dev::DevArgs),
    /// Take the command line of ceph-mon
    #[command(name = "ceph-mon", disable_help_flag = true, disable_version_flag = true)]
    CephMon {
        /// Arguments of ceph-mon
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

/// Which monitor, and its options.
#[derive(Debug, Args)]
pub(crate) struct MonitorArgs {
    /// Name of the monitor, without `mon.`
    #[arg(long, short = 'n', env = "MON_NAME", value_name = "NAME")]
    name: Option<String>,
    /// YAML configuration
    #[arg(long, short = 'c', env = "MON_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Also read this ceph.conf; the YAML file goes over it
    #[arg(long, env = "MON_CEPH_CONF", value_name = "FILE")]
    ceph_conf: Option<PathBuf>,
    /// Name of the cluster in paths
    #[arg(long, env = "MON_CLUSTER", value_name = "NAME")]
    cluster: Option<String>,
    #[command(flatten)]
    options: OptionFlags,
}

/// A flag for every option of the table, each with its environment variable.
#[derive(Debug, Clone, Default)]
struct OptionFlags(Vec<(String, String, ValueSource)>);

/// Where the values of options come from.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    pub(crate) id: String,
    pub(crate) cluster: String,
    /// Must be readable if given.
    pub(crate) ceph_conf: Option<PathBuf>,
    /// Whether to look in the usual places when none is given.
    pub(crate) search_ceph_conf: bool,
    pub(crate) yaml: Option<YamlConf>,
    /// From the command line.
    pub(crate) options: Vec<(String, String)>,
    /// From `--default-NAME`.
    pub(crate) defaults: Vec<(String, String)>,
}

impl Sources {
    /// Reads the files and puts everything together.
    pub(crate) fn gather(self, variable: impl Fn(&str) -> Option<String>) -> Result<Options, Failed> {
        let mut options = Options::new(Who { id: self.id, cluster: self.cluster });
        for (name, value) in self.defaults {
            options.set(&name, value, Source::DefaultFlag);
        }
        let found = || usual_ceph_conf(&options.who().cluster, &variable);
        let path = self.ceph_conf.or_else(|| if self.search_ceph_conf { found() } else { None });
        if let Some(path) = path {
            options.set_from_ceph_conf(&CephConf::read(&path)?, &path);
        }
        if let Some(yaml) = self.yaml {
            yaml.set(&mut options)?;
        }
        options.set_from_environment(variable);
        for (name, value) in self.options {
            options.set(&name, value, Source::CommandLine);
        }
        Ok(options)
    }
}

/// Where Ceph programs look for their file.
fn usual_ceph_conf(cluster: &str, variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let file = format!("{cluster}.conf");
    let home = variable("HOME").map(|home| Path::new(&home).join(".ceph"));
    let folders = [Some(PathBuf::from("/etc/ceph")), home, Some(PathBuf::from("."))];
    folders.into_iter().flatten().map(|folder| folder.join(&file)).find(|path| path.exists())
}

impl MonitorArgs {
    /// The options, with those of the configuration files.
    pub(crate) fn options(self) -> Result<Options, Failed> {
        let yaml = self.config.as_deref().map(YamlConf::read).transpose()?;
        let from_yaml = |key| yaml.as_ref().and_then(|yaml: &YamlConf| yaml.name_key(key)).map(str::to_owned);
        let Some(id) = self.name.or_else(|| from_yaml("name")) else {
            let message = "which monitor? give its name with --name NAME, or as 'name' in the configuration";
            return Err(Failed::new(crate::exit::Exit::Usage, message));
        };
        let cluster = self.cluster.or_else(|| from_yaml("cluster")).unwrap_or_else(|| "ceph".into());
        let (command_line, environment): (Vec<_>, Vec<_>) =
            self.options.0.into_iter().partition(|(_, _, source)| *source == ValueSource::CommandLine);
        let sources = Sources {
            id,
            cluster,
            ceph_conf: self.ceph_conf,
            search_ceph_conf: false,
            yaml,
            options: command_line.into_iter().map(|(name, value, _)| (name, value)).collect(),
            defaults: Vec::new(),
        };
        sources.gather(|variable| {
            let of_variable = |(name, ..): &&(String, String, ValueSource)| {
                Spec::named(name).is_some_and(|spec| spec.env() == variable)
            };
            environment.iter().find(of_variable).map(|(_, value, _)| value.clone())
        })
    }
}

impl Args for OptionFlags {
    fn augment_args(command: clap::Command) -> clap::Command {
        TABLE.iter().fold(command, |command, spec| command.arg(flag(spec)))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for OptionFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = TABLE.iter().filter_map(|spec| {
            let value = matches.get_one::<String>(spec.name)?;
            Some((spec.name.to_owned(), value.clone(), matches.value_source(spec.name)?))
        });
        Ok(Self(given.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn flag(spec: &'static Spec) -> Arg {
    let default = match spec.default {
        "" => String::new(),
        default => format!(" [default: {default}]"),
    };
    let arg = Arg::new(spec.name)
        .long(spec.flag())
        .env(spec.env())
        .help(format!("{}{default}", spec.meaning()))
        .help_heading(spec.group.heading())
        .hide_env(true)
        .hide_short_help(!spec.is_common());
    let arg = if !spec.from_ceph || spec.flag() == spec.name {
        arg
    } else {
        arg.alias(spec.name.replace('_', "-"))
    };
    match spec.kind {
        Kind::Bool => arg
            .value_name("BOOL")
            .num_args(0..=1)
            .default_missing_value("true")
            .hide_possible_values(true)
            .value_parser(PossibleValuesParser::new(["true", "false", "yes", "no", "on", "off", "1", "0"])),
        Kind::Path => arg.value_name("PATH"),
        Kind::Size => arg.value_name("SIZE"),
        Kind::Duration => arg.value_name("DURATION"),
        Kind::Integer | Kind::Number => arg.value_name("N"),
        Kind::Text => arg.value_name("VALUE"),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn options(line: &str) -> Options {
        match Cli::try_parse_from(line.split(' ')).unwrap().command {
            Command::Run { monitor, .. } => monitor.options().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_go_over_yaml_and_ceph_conf() {
        let folder = tempfile::tempdir().unwrap();
        let (yaml, conf) = (folder.path().join("m.yaml"), folder.path().join("ceph.conf"));
        std::fs::write(&yaml, "name: x\nmon:\n  data: /from/yaml\n  lease: 2\n").unwrap();
        std::fs::write(&conf, "[mon.x]\nmon data = /from/conf\nkeyring = /from/conf\npaxos min = 9\n")
            .unwrap();
        let line =
            format!("mon run -c {} --ceph-conf {} --lease 3 --learner", yaml.display(), conf.display());
        let options = options(&line);
        assert_eq!(options.who().id, "x");
        assert_eq!(options.text("mon_lease"), Some("3".into()));
        assert_eq!(options.text("mon_data"), Some("/from/yaml".into()));
        assert_eq!(options.text("keyring"), Some("/from/conf".into()));
        assert_eq!(options.integer::<u8>("paxos_min"), Ok(9));
        assert_eq!(options.boolean("mon_learner"), Ok(true));
    }

    #[test]
    fn the_arguments_of_ceph_mon_pass_through() {
        let cli = Cli::try_parse_from(["mon", "ceph-mon", "--id", "a", "--help", "-f"]).unwrap();
        let Command::CephMon { arguments } = cli.command else { panic!() };
        assert_eq!(arguments, ["--id", "a", "--help", "-f"]);
    }

    #[test]
    fn the_documentation_lists_every_option() {
        let mut table = String::new();
        let mut group = None;
        for spec in TABLE {
            if group != Some(spec.group) {
                group = Some(spec.group);
                table.push_str(&format!("### {}\n", spec.group.heading()));
                table.push_str("| option | default | flag | variable | meaning |\n|---|---|---|---|---|\n");
            }
            let star = if spec.from_ceph { "" } else { " *" };
            let default = if spec.default.is_empty() { String::new() } else { format!("`{}`", spec.default) };
            let (flag, env) = (spec.flag(), spec.env());
            table.push_str(&format!(
                "| `{}`{star} | {default} | `--{flag}` | `{env}` | {} |\n",
                spec.name,
                spec.meaning()
            ));
        }
        crate::docs::check("configuration.md", &table);
    }
}
