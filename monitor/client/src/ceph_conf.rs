//! `ceph.conf`: the INI dialect that all Ceph programs read.
//!
//! ```text
//! [global]                      ; comments start with ; or #
//! mon host = [v2:10.0.0.1:3300], \
//!            [v2:10.0.0.2:3300]
//! [mon.a]
//! mon-data = "/srv/mon a"       # "mon data", mon-data and mon_data are the same
//! ```
//!
//! A file that cannot be understood is refused with the line: a monitor must not start with half of its
//! settings because a file was cut off.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A file in sections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CephConf {
    sections: BTreeMap<String, Vec<Setting>>,
}

/// One `key = value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// With underscores.
    pub key: String,
    /// Without quotes.
    pub value: String,
    /// From 1.
    pub line: usize,
}

/// Why a file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadConf {
    /// It cannot be read at all.
    #[error("cannot read {}: {why}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// A line is not what the format has.
    #[error("{}, line {line}: {what}", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        what: Problem,
    },
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// `[` without `]`.
    #[error("a section name must end with ']'; is the file cut off?")]
    OpenSection,
    /// Text behind `]`.
    #[error("text after the section name")]
    AfterSection,
    /// Neither a section nor an option.
    #[error("expected 'option = value'; is the file cut off?")]
    NoEquals,
    /// Nothing before `=`.
    #[error("no option name before '='")]
    NoKey,
    /// A quote without its end.
    #[error("a quote is not closed; is the file cut off?")]
    OpenQuote,
    /// An option before the first section.
    #[error("an option outside of a section: put [global] above it")]
    NoSection,
    /// A continuation without a line.
    #[error("the file ends where '\\' announces another line; is it cut off?")]
    OpenLine,
    /// Bytes that are no text.
    #[error("not UTF-8 text")]
    NotText,
}

impl CephConf {
    /// Reads a file.
    ///
    /// # Errors
    /// [`BadConf`] says which line is wrong, and how.
    pub fn read(path: &Path) -> Result<Self, BadConf> {
        let bytes = std::fs::read(path)
            .map_err(|error| BadConf::Unreadable { path: path.into(), why: error.to_string() })?;
        Self::parse(&bytes).map_err(|(line, what)| BadConf::Line { path: path.into(), line, what })
    }

    /// The settings of a section, in order; later ones win.
    #[must_use]
    pub fn section(&self, name: &str) -> &[Setting] {
        self.sections.get(name).map_or(&[], Vec::as_slice)
    }

    fn parse(bytes: &[u8]) -> Result<Self, (usize, Problem)> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = &bytes[..error.valid_up_to()];
            (before.iter().filter(|byte| **byte == b'\n').count() + 1, Problem::NotText)
        })?;
        if let Some(at) = text.find('\0') {
            return Err((text[..at].lines().count().max(1), Problem::NotText));
        }
        let mut conf = Self::default();
        let mut section: Option<String> = None;
        for (line, logical) in logical_lines(text)? {
            let at = |problem| (line, problem);
            let stripped = without_comment(&logical).map_err(at)?;
            let content = stripped.trim();
            if content.is_empty() {
                continue;
            }
            if let Some(rest) = content.strip_prefix('[') {
                let (name, after) = rest.split_once(']').ok_or_else(|| at(Problem::OpenSection))?;
                if !after.trim().is_empty() {
                    return Err(at(Problem::AfterSection));
                }
                section = Some(name.trim().into());
                continue;
            }
            let (key, value) = content.split_once('=').ok_or_else(|| at(Problem::NoEquals))?;
            let key = normal_name(key);
            if key.is_empty() {
                return Err(at(Problem::NoKey));
            }
            let section = section.as_ref().ok_or_else(|| at(Problem::NoSection))?;
            let setting = Setting { key, value: unquoted(value.trim()), line };
            conf.sections.entry(section.clone()).or_default().push(setting);
        }
        Ok(conf)
    }
}

/// An option's name as we compare it: spaces and dashes are underscores, several spaces are one.
#[must_use]
pub fn normal_name(raw: &str) -> String {
    raw.split_whitespace().collect::<Vec<_>>().join("_").replace('-', "_")
}

/// Joins lines that end in a backslash; gives the number of the first line of each.
fn logical_lines(text: &str) -> Result<Vec<(usize, String)>, (usize, Problem)> {
    let mut out: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    let mut last = 0;
    for (index, line) in text.lines().enumerate() {
        last = index + 1;
        let continues = line.strip_suffix('\\');
        let part = continues.unwrap_or(line);
        match out.last_mut() {
            Some((_, so_far)) if open => so_far.push_str(part),
            Some(_) | None => out.push((last, part.into())),
        }
        open = continues.is_some();
    }
    if open { Err((last, Problem::OpenLine)) } else { Ok(out) }
}

/// Cuts a comment off; marks inside quotes or after a backslash belong to the value.
fn without_comment(line: &str) -> Result<String, Problem> {
    let mut out = String::new();
    let mut quote = None;
    let mut characters = line.chars().peekable();
    let mut in_value = false;
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.peek().is_some_and(|next| matches!(next, '#' | ';')) => {
                out.extend(characters.next());
                continue;
            }
            '#' | ';' if quote.is_none() => break,
            '=' => in_value = true,
            // A quote counts where a value starts; an apostrophe inside of one is just that.
            '"' | '\'' if quote.is_none() && in_value && out.trim_end().ends_with('=') => {
                quote = Some(character)
            }
            _ if quote == Some(character) => quote = None,
            _ => {}
        }
        out.push(character);
    }
    if quote.is_some() { Err(Problem::OpenQuote) } else { Ok(out) }
}

fn unquoted(value: &str) -> String {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner.into();
        }
    }
    value.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(text: &str, section: &str) -> Vec<(String, String)> {
        let conf = CephConf::parse(text.as_bytes()).unwrap();
        conf.section(section).iter().map(|s| (s.key.clone(), s.value.clone())).collect()
    }

    fn problem(text: &str) -> (usize, Problem) {
        CephConf::parse(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn the_dialect() {
        let text = "; top\n[global]\nmon  host = a, \\\n  b ; end\nfsid=x\n\n[ mon ]\n\tmon-data = \"/srv/a; b\" # c\n\
                    [global]\nfsid = y\nnote = it's \\# 1\nempty =\n";
        assert_eq!(
            pairs(text, "global"),
            [("mon_host", "a,   b"), ("fsid", "x"), ("fsid", "y"), ("note", "it's # 1"), ("empty", "")]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
        );
        assert_eq!(pairs(text, "mon"), [("mon_data".to_owned(), "/srv/a; b".to_owned())]);
        assert_eq!(pairs(text, "osd"), []);
        assert_eq!(pairs("", "global"), []);
    }

    #[test]
    fn what_is_wrong_is_said_with_the_line() {
        assert_eq!(problem("[global]\nfsid = x\n[mo"), (3, Problem::OpenSection));
        assert_eq!(problem("[global]\nmon hos"), (2, Problem::NoEquals));
        assert_eq!(problem("[global]\n= x"), (2, Problem::NoKey));
        assert_eq!(problem("fsid = x"), (1, Problem::NoSection));
        assert_eq!(problem("[global]\nmon host = a \\\n b \\"), (3, Problem::OpenLine));
        assert_eq!(problem("[global]\na = \"x"), (2, Problem::OpenQuote));
        assert_eq!(problem("[global] x"), (1, Problem::AfterSection));
        assert_eq!(problem("[global]\na = \0"), (2, Problem::NotText));
        assert_eq!(CephConf::parse(b"[global]\na = \xff").unwrap_err(), (2, Problem::NotText));
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_file_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = CephConf::parse(&bytes);
        }

        #[test]
        fn any_text_of_its_characters_too(text in "[\\[\\]a-z =#;\"'\\\\\n]{0,80}") {
            let _ = CephConf::parse(text.as_bytes());
        }
    }
}
