//! The YAML configuration of `mon run` and `mon mkfs`: the same options, as a mapping.
//!
//! ```yaml
//! fsid: 0f6b4a3e-1a0f-4a3c-9d8e-3b6d2a1c5e7f
//! mon:                         # nested names are joined: mon_data, mon_host
//!   data: /srv/mon
//!   host: [10.0.0.1, 10.0.0.2]
//! mon_http_listen: 0.0.0.0:9283
//! ```
//!
//! An option that does not exist is an error here: the file was written for this program.

use std::path::{Path, PathBuf};

use serde_yaml::Value;

use crate::config::ceph_conf::normal_name;
use crate::config::options::{Options, Source};

/// Why a file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", .path.display())]
pub(crate) struct BadYaml {
    pub(crate) path: PathBuf,
    pub(crate) why: String,
}

/// Keys that say who we are; they are read before the options are.
const NAME_KEYS: [&str; 2] = ["name", "cluster"];

/// A file's content.
#[derive(Debug, Clone, Default)]
pub(crate) struct YamlConf {
    path: PathBuf,
    values: Vec<(String, String)>,
}

impl YamlConf {
    pub(crate) fn read(path: &Path) -> Result<Self, BadYaml> {
        let bad = |why: String| BadYaml { path: path.into(), why };
        let text = std::fs::read_to_string(path).map_err(|error| bad(format!("cannot be read: {error}")))?;
        let root: Value = serde_yaml::from_str(&text).map_err(|error| bad(error.to_string()))?;
        let mut values = Vec::new();
        match root {
            Value::Null => {}
            Value::Mapping(_) => flatten("", &root, &mut values).map_err(bad)?,
            _ => return Err(bad("expected a mapping of options to values".into())),
        }
        Ok(Self { path: path.into(), values })
    }

    /// What `name` or `cluster` say.
    pub(crate) fn name_key(&self, key: &str) -> Option<&str> {
        self.values.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Gives the options their values.
    pub(crate) fn set(&self, options: &mut Options) -> Result<(), BadYaml> {
        for (name, value) in self.values.iter().filter(|(name, _)| !NAME_KEYS.contains(&name.as_str())) {
            if !options.set(name, value.clone(), Source::Yaml(self.path.clone())) {
                let why = format!("there is no option '{name}'; docs/configuration.md lists them");
                return Err(BadYaml { path: self.path.clone(), why });
            }
        }
        Ok(())
    }
}

fn flatten(above: &str, value: &Value, out: &mut Vec<(String, String)>) -> Result<(), String> {
    match value {
        Value::Mapping(mapping) => {
            for (key, inner) in mapping {
                let key = key.as_str().ok_or_else(|| format!("a key under '{above}' is not text"))?;
                let name = normal_name(key);
                let joined = if above.is_empty() { name } else { format!("{above}_{name}") };
                flatten(&joined, inner, out)?;
            }
            Ok(())
        }
        Value::Sequence(items) => {
            let texts: Result<Vec<_>, _> = items.iter().map(|item| scalar(above, item)).collect();
            out.push((above.into(), texts?.join(",")));
            Ok(())
        }
        _ => {
            out.push((above.into(), scalar(above, value)?));
            Ok(())
        }
    }
}

fn scalar(name: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::Null => Ok(String::new()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Number(value) => Ok(value.to_string()),
        Value::String(value) => Ok(value.clone()),
        Value::Sequence(_) | Value::Mapping(_) | Value::Tagged(_) => {
            Err(format!("'{name}' must be a plain value or a list of such"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::Who;

    fn read(text: &str) -> Result<Options, BadYaml> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let mut options = Options::new(Who { id: "a".into(), cluster: "ceph".into() });
        YamlConf::read(file.path())?.set(&mut options)?;
        Ok(options)
    }

    #[test]
    fn nested_flat_and_lists() {
        let options = read(
            "name: a\nfsid: 1234\nmon:\n  data: /srv/mon\n  host:\n  - 10.0.0.1\n  - 10.0.0.2\nmon-lease: 2.5\nlog_to_file: no\n",
        )
        .unwrap();
        assert_eq!(options.text("fsid"), Some("1234".into()));
        assert_eq!(options.text("mon_data"), Some("/srv/mon".into()));
        assert_eq!(options.text("mon_host"), Some("10.0.0.1,10.0.0.2".into()));
        assert_eq!(options.number("mon_lease"), Ok(2.5));
        assert_eq!(options.boolean("log_to_file"), Ok(false));
        assert!(read("").is_ok());
    }

    #[test]
    fn mistakes_are_named() {
        let why = |text| read(text).unwrap_err().why;
        assert!(why("mon: [").contains("line "), "{}", why("mon: ["));
        assert!(why("a: b: c").contains("line 1"), "{}", why("a: b: c"));
        assert!(why("- a").contains("expected a mapping"));
        assert!(why("mon_leese: 1").contains("no option 'mon_leese'"));
        assert!(why("fsid: [[1]]").contains("'fsid' must be"));
    }
}
