//! Option values from several sources, the higher over the lower, and reading them as what they should be.
//!
//! ```text
//! lowest   built-in default
//!          --default-NAME=VALUE (command line of ceph-mon)
//!          ceph.conf: [global], [mon], [mon.ID]
//!          YAML file
//!          environment: MON_NAME
//! highest  command line
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::ceph_conf::{CephConf, normal_name};
#[cfg(test)]
use crate::config::table::Kind;
use crate::config::table::{Spec, TABLE, is_without_effect};

/// Where a value comes from; later variants go over earlier ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    Default,
    DefaultFlag,
    CephConf { section: u8, path: PathBuf, line: usize },
    Yaml(PathBuf),
    Environment(String),
    CommandLine,
}

/// A value that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{option} = '{value}' ({origin}): {why}")]
pub(crate) struct BadValue {
    pub(crate) option: String,
    pub(crate) value: String,
    pub(crate) origin: String,
    pub(crate) why: String,
}

/// Who we are, as far as it takes to read options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Who {
    /// The name without `mon.`.
    pub(crate) id: String,
    /// The cluster's name in paths, mostly `ceph`.
    pub(crate) cluster: String,
}

/// An option as it is in effect.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) spec: &'static Spec,
    pub(crate) value: String,
    pub(crate) default: String,
    /// Ceph's word for where the value comes from, unless it is a default.
    pub(crate) source: Option<&'static str>,
}

impl Shown {
    pub(crate) fn is_changed(&self) -> bool {
        self.value != self.default
    }
}

/// The options as given, and what was given but is not known.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    who: Who,
    values: BTreeMap<&'static str, (Source, String)>,
    unknown: BTreeSet<String>,
}

impl Options {
    /// Nothing given.
    pub(crate) fn new(who: Who) -> Self {
        Self { who, values: BTreeMap::new(), unknown: BTreeSet::new() }
    }

    pub(crate) fn who(&self) -> &Who {
        &self.who
    }

    /// Gives an option a value, unless a higher source has. Whether the option is known (or known to be of
    /// no importance); if not, it is remembered for a warning.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>, source: Source) -> bool {
        let name = normal_name(name);
        let Some(spec) = Spec::named(&name) else {
            return is_without_effect(&name) || {
                self.unknown.insert(name);
                false
            };
        };
        let free = self.values.get(spec.name).is_none_or(|(holder, _)| *holder <= source);
        if free {
            self.values.insert(spec.name, (source, value.into()));
        }
        true
    }

    /// Takes what a ceph.conf says to this monitor.
    pub(crate) fn set_from_ceph_conf(&mut self, conf: &CephConf, path: &Path) {
        let sections = ["global".to_owned(), "mon".to_owned(), format!("mon.{}", self.who.id)];
        for (rank, section) in (0..).zip(&sections) {
            for setting in conf.section(section) {
                let source = Source::CephConf { section: rank, path: path.into(), line: setting.line };
                self.set(&setting.key, setting.value.clone(), source);
            }
        }
    }

    /// Takes the variables of the environment that name options.
    pub(crate) fn set_from_environment(&mut self, variable: impl Fn(&str) -> Option<String>) {
        for spec in TABLE {
            let name = spec.env();
            if let Some(value) = variable(&name) {
                self.set(spec.name, value, Source::Environment(name));
            }
        }
    }

    /// Names that no one here knows, for a warning.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = &str> {
        self.unknown.iter().map(String::as_str)
    }

    /// Whether it was given at all.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The value in text with its metavariables replaced; none when it is empty.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let text = self.expand(&self.raw(name).1, 0);
        (!text.is_empty()).then_some(text)
    }

    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    pub(crate) fn boolean(&self, name: &str) -> Result<bool, BadValue> {
        self.parse(name, parse_bool)
    }

    pub(crate) fn integer<T: std::str::FromStr + PartialOrd>(&self, name: &str) -> Result<T, BadValue> {
        self.at_least(name, |text| text.parse().map_err(|_| "not a whole number in range"))
    }

    pub(crate) fn number(&self, name: &str) -> Result<f64, BadValue> {
        self.at_least(name, parse_number)
    }

    pub(crate) fn size(&self, name: &str) -> Result<usize, BadValue> {
        self.at_least(name, parse_size)
    }

    pub(crate) fn duration(&self, name: &str) -> Result<Duration, BadValue> {
        self.at_least(name, parse_duration)
    }

    /// As [`Options::parse`], for values of which the table may name the least.
    fn at_least<T: PartialOrd>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Result<T, BadValue> {
        let value = self.parse(name, &parse)?;
        match Spec::named(name).and_then(|spec| spec.least) {
            Some(least) if parse(least).is_ok_and(|least| value < least) => {
                Err(self.bad(name, format!("must be at least {least}")))
            }
            Some(_) | None => Ok(value),
        }
    }

    /// Reads an option by a function whose error says what is wrong.
    pub(crate) fn parse<T, E: fmt::Display>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, BadValue> {
        let text = self.text(name).unwrap_or_default();
        parse(&text).map_err(|why| self.bad(name, why))
    }

    /// As [`Options::parse`], where an empty value means none.
    pub(crate) fn parse_optional<T, E: fmt::Display>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, BadValue> {
        let Some(text) = self.text(name) else { return Ok(None) };
        parse(&text).map(Some).map_err(|why| self.bad(name, why))
    }

    /// The complaint about an option's value.
    pub(crate) fn bad(&self, name: &str, why: impl fmt::Display) -> BadValue {
        let (source, value) = self.raw(name);
        BadValue { option: name.into(), value, origin: source.to_string(), why: why.to_string() }
    }

    /// All options with their values in effect.
    pub(crate) fn in_effect(&self) -> impl Iterator<Item = Shown> + '_ {
        TABLE.iter().map(|spec| Shown {
            spec,
            value: self.text(spec.name).unwrap_or_default(),
            default: self.expand(spec.default, 0),
            source: self.values.get(spec.name).and_then(|(source, _)| source.word()),
        })
    }

    fn raw(&self, name: &str) -> (Source, String) {
        match self.values.get(name) {
            Some((source, value)) => (source.clone(), value.clone()),
            None => (Source::Default, Spec::named(name).map_or("", |spec| spec.default).into()),
        }
    }

    /// Replaces `$name` and `${name}`. What is not known stays as it is, as in Ceph.
    fn expand(&self, text: &str, depth: u8) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            let (name, behind) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
                Some(braced) => braced,
                None => {
                    let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
                    after.split_at(end.unwrap_or(after.len()))
                }
            };
            match self.metavariable(name, depth) {
                Some(value) => {
                    out.push_str(&value);
                    rest = behind;
                }
                None => {
                    out.push('$');
                    rest = after;
                }
            }
        }
        out.push_str(rest);
        out
    }

    fn metavariable(&self, name: &str, depth: u8) -> Option<String> {
        Some(match name {
            "cluster" => self.who.cluster.clone(),
            "type" => "mon".into(),
            "id" => self.who.id.clone(),
            "name" => format!("mon.{}", self.who.id),
            "host" => short_host_name(),
            "pid" => std::process::id().to_string(),
            // Another option; a circle of them ends here.
            option if depth < 8 && Spec::named(option).is_some() => {
                self.expand(&self.raw(option).1, depth + 1)
            }
            _ => return None,
        })
    }
}

impl Source {
    /// The word for it in `config diff`.
    fn word(&self) -> Option<&'static str> {
        match self {
            Self::Default | Self::DefaultFlag => None,
            Self::CephConf { .. } | Self::Yaml(_) => Some("file"),
            Self::Environment(_) => Some("env"),
            Self::CommandLine => Some("cmdline"),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::DefaultFlag => f.write_str("a --default flag"),
            Self::CephConf { path, line, .. } => write!(f, "{}, line {line}", path.display()),
            Self::Yaml(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "variable {name}"),
            Self::CommandLine => f.write_str("command line"),
        }
    }
}

/// The host's name up to the first dot.
pub(crate) fn short_host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    name.split('.').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
fn check_kind(kind: Kind, text: &str) -> Result<(), String> {
    match kind {
        Kind::Text | Kind::Path => Ok(()),
        Kind::Bool => parse_bool(text).map(drop).map_err(str::to_owned),
        Kind::Integer => text.parse::<u64>().map(drop).map_err(|_| "not a whole number".into()),
        Kind::Number => parse_number(text).map(drop).map_err(str::to_owned),
        Kind::Size => parse_size(text).map(drop).map_err(str::to_owned),
        Kind::Duration => parse_duration(text).map(drop).map_err(str::to_owned),
    }
}

fn parse_bool(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("use true or false"),
    }
}

fn parse_number(text: &str) -> Result<f64, &'static str> {
    let number: f64 = text.parse().map_err(|_| "not a number")?;
    if number.is_finite() && number >= 0.0 { Ok(number) } else { Err("not a number that is 0 or more") }
}

fn parse_size(text: &str) -> Result<usize, &'static str> {
    const WRONG: &str = "not a size: use bytes, or a number with K, M or G";
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "ki" | "kib" => 10,
        "m" | "mi" | "mib" => 20,
        "g" | "gi" | "gib" => 30,
        _ => return Err(WRONG),
    };
    let number: usize = digits.trim().parse().map_err(|_| WRONG)?;
    number.checked_mul(1 << shift).ok_or("too large")
}

fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    const WRONG: &str = "not a duration: use seconds, or a number with a unit such as 500ms or 2m";
    match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|_| WRONG),
        Err(_) => humantime::parse_duration(text).map_err(|_| WRONG),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options::new(Who { id: "a".into(), cluster: "ceph".into() })
    }

    fn conf(text: &str) -> CephConf {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        CephConf::read(file.path()).unwrap()
    }

    #[test]
    fn sources_go_over_each_other() {
        let mut options = options();
        options.set("mon-lease", "9", Source::CommandLine);
        options.set("mon lease", "1", Source::DefaultFlag);
        options.set("mon_election_timeout", "7", Source::DefaultFlag);
        options.set("keyring", "/default", Source::DefaultFlag);
        let text = "[mon.a]\nmon lease = 3\nkeyring=/of-a\n[mon]\nkeyring = /of-mons\npaxos min = 7\n\
                    [mon.b]\npaxos_min = 9\n[global]\npaxos_min = 8\n";
        options.set_from_ceph_conf(&conf(text), Path::new("c"));
        options.set_from_environment(|name| (name == "MON_PAXOS_TRIM_MIN").then(|| "11".to_owned()));
        assert_eq!(options.duration("mon_lease"), Ok(Duration::from_secs(9)));
        assert_eq!(options.duration("mon_election_timeout"), Ok(Duration::from_secs(7)));
        assert_eq!(options.path("keyring"), Some("/of-a".into()));
        assert_eq!(options.integer::<u64>("paxos_min"), Ok(7));
        assert_eq!(options.integer::<u64>("paxos_trim_min"), Ok(11));
    }

    #[test]
    fn metavariables() {
        let mut options = options();
        let host = short_host_name();
        assert_eq!(options.path("keyring"), Some("/var/lib/ceph/mon/ceph-a/keyring".into()));
        assert_eq!(options.path("admin_socket"), Some("/var/run/ceph/ceph-mon.a.asok".into()));
        options.set("mon_data", "/${type}/$host/$nothing/$", Source::CommandLine);
        assert_eq!(options.path("mon_data"), Some(format!("/mon/{host}/$nothing/$").into()));
        options.set("log_file", "$log_file", Source::CommandLine);
        assert!(options.path("log_file").is_some(), "a circle ends");
    }

    #[test]
    fn unknown_options_are_remembered_and_unimportant_ones_are_not() {
        let mut options = options();
        assert!(!options.set("mon max pg", "1", Source::CommandLine));
        assert!(options.set("osd pool default size", "3", Source::CommandLine));
        assert_eq!(options.unknown().collect::<Vec<_>>(), ["mon_max_pg"]);
    }

    #[test]
    fn bad_values_say_where_they_are() {
        let mut options = options();
        options.set_from_ceph_conf(&conf("[global]\n\nmon lease = soon\n"), Path::new("/etc/ceph/ceph.conf"));
        let error = options.duration("mon_lease").unwrap_err().to_string();
        assert!(
            error.starts_with("mon_lease = 'soon' (/etc/ceph/ceph.conf, line 3): not a duration"),
            "{error}"
        );
    }

    #[test]
    fn the_least_values_are_values_and_zero_is_none_of_them() {
        for spec in TABLE {
            let Some(least) = spec.least else { continue };
            let read = |value: &str| {
                let mut options = options();
                options.set(spec.name, value, Source::CommandLine);
                match spec.kind {
                    Kind::Integer => options.integer::<u64>(spec.name).map(drop),
                    Kind::Number => options.number(spec.name).map(drop),
                    Kind::Size => options.size(spec.name).map(drop),
                    Kind::Duration => options.duration(spec.name).map(drop),
                    Kind::Text | Kind::Path | Kind::Bool => panic!("{} has no least value", spec.name),
                }
            };
            assert_eq!((read(least), read(spec.default)), (Ok(()), Ok(())), "{}", spec.name);
            let error = read("0").unwrap_err().to_string();
            let wanted = format!("{} = '0' (command line): must be at least {least}", spec.name);
            assert_eq!(error, wanted);
        }
    }

    #[test]
    fn units() {
        assert_eq!(parse_size("64K"), Ok(65536));
        assert_eq!(parse_size("1 MiB"), Ok(1 << 20));
        assert!(parse_size("x").is_err() && parse_size("1T").is_err() && parse_size("99999999999G").is_err());
        assert_eq!(parse_duration("0.25"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert!(parse_duration("-1").is_err() && parse_duration("nan").is_err());
        assert!(
            TABLE.iter().all(|spec| spec.default.is_empty() || check_kind(spec.kind, spec.default).is_ok())
        );
    }
}
