//! The commands that a monitor of a release knows, as data.
//!
//! Three things are made of it: the answer to `get_command_descriptions`, by which the stock CLI reads its
//! command line; the table that a leader hands to its quorum in the VICTORY message; and the check of what a
//! client sends. The signatures are those of stock monitors (data/commands-*.txt), ours follow them
//! (data/commands-own.txt), the help texts are our own (data/help.txt).

use std::collections::BTreeMap;
use std::sync::OnceLock;

use bytes::Bytes;
use mon_types::encode::{Decode, DecodeError, Encode, Reader, envelope};
use mon_types::release::Release;
use serde_json::{Map, Value, json};

use crate::command::arguments::{Arguments, CommandError};
use crate::command::signature::Signature;

/// A command that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandDesc {
    /// Its words and parameters.
    pub signature: Signature,
    /// Parameters that are accepted and checked but not shown, so that a stock command keeps its stock shape.
    pub hidden: Signature,
    /// The service whose caps it needs.
    pub module: String,
    /// The permissions that it needs: letters of `rwx`.
    pub perm: String,
    /// How it is treated.
    pub flags: Flags,
    /// One line for people.
    pub help: String,
}

/// How a command is treated: Ceph's `MonCommand::FLAG_*` bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(pub u64);

impl Flags {
    /// Served by the monitor that gets it, never forwarded to the leader.
    pub const NOFORWARD: Self = Self(1);
    /// No longer does anything.
    pub const OBSOLETE: Self = Self(2);
    /// Has a newer name.
    pub const DEPRECATED: Self = Self(4);
    /// Served by the manager.
    pub const MGR: Self = Self(8);
    /// Repeated by the CLI at an interval.
    pub const POLL: Self = Self(16);
    /// Not listed in help.
    pub const HIDDEN: Self = Self(32);
    /// For `ceph tell` only.
    pub const TELL: Self = Self(33);

    /// Whether all bits of `other` are set.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    fn parse(text: &str) -> Option<Self> {
        text.split(',').try_fold(Self(0), |flags, word| {
            let flag = match word {
                "-" => Self(0),
                "obsolete" => Self::OBSOLETE,
                "deprecated" => Self::DEPRECATED,
                "mgr" => Self::MGR,
                "poll" => Self::POLL,
                "hidden" => Self::HIDDEN,
                "tell" => Self::TELL,
                _ => return None,
            };
            Some(Self(flags.0 | flag.0))
        })
    }
}

/// All commands of a release, with ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    commands: Vec<CommandDesc>,
    by_prefix: BTreeMap<String, Vec<usize>>,
}

impl Table {
    /// The commands of a stock monitor of that release, and ours. (17 and 19 were not captured: they get the
    /// table of the release before.)
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "the data is part of the program; the tests read all three tables"
    )]
    pub fn for_release(release: Release) -> &'static Self {
        // Read once in a process: the simulator starts thousands of monitors in one.
        static TABLES: [OnceLock<Table>; 3] = [const { OnceLock::new() }; 3];
        let (table, stock) = match release {
            Release::Pacific | Release::Quincy => (&TABLES[0], include_str!("../../data/commands-16.txt")),
            Release::Reef | Release::Squid => (&TABLES[1], include_str!("../../data/commands-18.txt")),
            Release::Tentacle => (&TABLES[2], include_str!("../../data/commands-20.txt")),
        };
        table.get_or_init(|| {
            let files = [stock, include_str!("../../data/commands-own.txt")];
            Self::parse(&files, include_str!("../../data/help.txt")).expect("command data is well formed")
        })
    }

    /// Reads the table that a leader shared. Stock tables hold no manager commands, and their help is dropped:
    /// a peon checks and routes by it, people read our own.
    ///
    /// # Errors
    /// When the bytes are not a command table.
    pub fn from_sharing(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let commands = input.envelope("MonCommand list", 2, |_, body| {
            let count = usize::from(u16::decode(body)?);
            let mut commands = (0..count)
                .map(|_| {
                    let [text, _help, module, perm, _availability] = [0; 5].map(|_| String::decode(body));
                    let text = text?;
                    // Commands that we cannot read were never ours to check: they keep their name alone.
                    let signature = Signature::parse(&text).unwrap_or_else(|| Signature {
                        words: text
                            .split(' ')
                            .take_while(|word| !word.contains('='))
                            .map(Into::into)
                            .collect(),
                        params: Vec::new(),
                        text,
                    });
                    Ok(CommandDesc {
                        hidden: Signature { params: Vec::new(), ..signature.clone() },
                        help: String::new(),
                        signature,
                        module: module?,
                        perm: perm?,
                        flags: Flags::default(),
                    })
                })
                .collect::<Result<Vec<_>, DecodeError>>()?;
            for command in &mut commands {
                command.flags = Flags(u64::decode(body)?);
            }
            Ok(commands)
        })?;
        Ok(Self::index(commands))
    }

    fn parse(files: &[&str], help: &str) -> Option<Self> {
        let help: BTreeMap<&str, &str> =
            lines(help).map(|line| line.split_once(": ")).collect::<Option<_>>()?;
        let mut commands: Vec<CommandDesc> = Vec::new();
        for line in files.iter().flat_map(|file| lines(file)) {
            let mut fields = line.splitn(4, ' ');
            let (module, perm, flags) = (fields.next()?, fields.next()?, Flags::parse(fields.next()?)?);
            let signature = Signature::parse(fields.next()?)?;
            let prefix = signature.prefix();
            // In our own file, a line for a stock command adds to its parameters. (Stock itself has "osd crush
            // set" twice, with different modules of the CLI in mind; those stay two.)
            if let Some(known) = commands
                .iter_mut()
                .find(|known| known.hidden.words.is_empty() && known.signature.prefix() == prefix)
                && signature.params.iter().any(|param| param.name == "operation_id")
            {
                known.hidden = signature;
                continue;
            }
            let text = help.get(prefix.as_str()).map_or_else(
                || {
                    let server = if flags.contains(Flags::MGR) {
                        "served by ceph-mgr"
                    } else {
                        "not served by this monitor yet"
                    };
                    format!("{prefix}: {server}")
                },
                |text| (*text).to_owned(),
            );
            commands.push(CommandDesc {
                hidden: Signature { text: String::new(), words: Vec::new(), params: Vec::new() },
                module: module.to_owned(),
                perm: perm.to_owned(),
                flags,
                help: text,
                signature,
            });
        }
        Some(Self::index(commands))
    }

    fn index(commands: Vec<CommandDesc>) -> Self {
        let mut by_prefix: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (position, command) in commands.iter().enumerate() {
            by_prefix.entry(command.signature.prefix()).or_default().push(position);
        }
        Self { commands, by_prefix }
    }

    /// All commands, in the order in which they are shown.
    #[must_use]
    pub fn commands(&self) -> &[CommandDesc] {
        &self.commands
    }

    /// The first command of that name.
    #[must_use]
    pub fn find(&self, prefix: &str) -> Option<&CommandDesc> {
        self.by_prefix.get(prefix)?.first().and_then(|position| self.commands.get(*position))
    }

    /// Reads a command as clients send it, a JSON object with a `prefix`, and checks its arguments.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence for people; the result code is almost always EINVAL.
    pub fn validate(&self, command: &str) -> Result<(&CommandDesc, Arguments), CommandError> {
        let object = match serde_json::from_str(command) {
            Ok(Value::Object(object)) => object,
            Ok(_) => return Err(CommandError::Malformed("not an object".to_owned())),
            Err(error) => return Err(CommandError::Malformed(error.to_string())),
        };
        let Some(Value::String(prefix)) = object.get("prefix") else {
            return Err(CommandError::Malformed("no prefix".to_owned()));
        };
        let mut refusal = CommandError::Unknown(prefix.clone());
        for position in self.by_prefix.get(prefix).into_iter().flatten() {
            let Some(desc) = self.commands.get(*position) else { continue };
            match Arguments::check(desc, &object) {
                Ok(arguments) => return Ok((desc, arguments)),
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    /// The answer to `get_command_descriptions`: the commands that `wanted` accepts.
    pub fn descriptions_json(&self, wanted: impl Fn(&CommandDesc) -> bool) -> String {
        let all = self.commands.iter().filter(|command| wanted(command)).enumerate();
        Value::Object(all.map(|(index, command)| (format!("cmd{index:03}"), command.description())).collect())
            .to_string()
    }

    /// What a leader hands to its quorum in VICTORY: `ENCODE(2,1) { u16 n, n * {signature, help, module, perm,
    /// "cli,rest"}, n * u64 flags }`. Manager commands are not part of it.
    #[must_use]
    pub fn sharing(&self) -> Bytes {
        let shared: Vec<_> = self.commands.iter().filter(|c| !c.flags.contains(Flags::MGR)).collect();
        let mut out = Vec::new();
        envelope(&mut out, 2, 1, |body| {
            u16::try_from(shared.len()).unwrap_or(u16::MAX).encode(body);
            for command in &shared {
                for text in [
                    &command.signature.text,
                    &command.help,
                    &command.module,
                    &command.perm,
                    &"cli,rest".to_owned(),
                ] {
                    text.encode(body);
                }
            }
            shared.iter().for_each(|command| command.flags.0.encode(body));
        });
        out.into()
    }
}

impl CommandDesc {
    fn description(&self) -> Value {
        let words = self.signature.words.iter().map(|word| json!(word));
        let params = self.signature.params.iter().map(|param| {
            let attributes = param.attributes.iter().map(|(key, value)| (key.clone(), json!(value)));
            Value::Object(attributes.collect::<Map<_, _>>())
        });
        json!({
            "sig": words.chain(params).collect::<Vec<_>>(),
            "help": self.help,
            "module": self.module,
            "perm": self.perm,
            "flags": self.flags.0,
        })
    }
}

/// The lines of a data file that say something.
fn lines(file: &str) -> impl Iterator<Item = &str> {
    file.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELEASES: [(Release, &str); 3] = [
        (Release::Pacific, include_str!("../../testdata/descriptions-16.json")),
        (Release::Reef, include_str!("../../testdata/descriptions-18.json")),
        (Release::Tentacle, include_str!("../../testdata/descriptions-20.json")),
    ];

    /// What live monitors of the three releases list (captured; help left out) must be what we list, in order,
    /// followed by our own.
    #[test]
    fn descriptions_are_those_of_stock() {
        for (release, stock) in RELEASES {
            let stock: Vec<Map<String, Value>> = serde_json::from_str(stock).unwrap();
            let ours = Table::for_release(release).descriptions_json(|_| true);
            let ours: Map<String, Value> = serde_json::from_str(&ours).unwrap();
            for (ours, stock) in ours.values().zip(&stock) {
                let mut ours = ours.as_object().unwrap().clone();
                assert!(ours.remove("help").is_some());
                assert_eq!(ours, *stock, "{release:?}");
            }
            assert!(ours.len() > stock.len(), "ours are missing in {release:?}");
        }
    }

    #[test]
    fn sharing_reads_back_as_the_same_table() {
        for (release, _) in RELEASES {
            let table = Table::for_release(release);
            let read = Table::from_sharing(&table.sharing()).unwrap();
            let key = |c: &CommandDesc| (c.signature.clone(), c.module.clone(), c.perm.clone(), c.flags);
            let local: Vec<_> =
                table.commands().iter().filter(|c| !c.flags.contains(Flags::MGR)).map(key).collect();
            assert_eq!(read.commands().iter().map(key).collect::<Vec<_>>(), local);
        }
    }

    #[test]
    fn a_truncated_table_is_an_error_at_every_byte() {
        let bytes = Table::for_release(Release::Reef).sharing();
        for length in (0..bytes.len()).step_by(97).chain(0..64) {
            assert!(Table::from_sharing(&bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn commands_of_every_release_have_the_right_module_and_permission() {
        for (release, _) in RELEASES {
            let table = Table::for_release(release);
            let set = table.find("config-key set").unwrap();
            assert_eq!((set.module.as_str(), set.perm.as_str()), ("config-key", "rw"));
            assert!(table.find("mon_status").unwrap().flags.contains(Flags::TELL));
            assert!(table.find("mon replace").is_some(), "our own");
            assert_eq!(
                table.find("osd pool create").unwrap().help,
                "osd pool create: not served by this monitor yet"
            );
            assert!(!table.find("status").unwrap().help.contains("not served"));
        }
        assert!(Table::for_release(Release::Tentacle).find("mon set").is_some());
        assert!(Table::for_release(Release::Reef).find("mon set").is_none());
    }

    #[test]
    fn every_help_text_belongs_to_a_command() {
        let tables = RELEASES.map(|(release, _)| Table::for_release(release));
        for line in lines(include_str!("../../data/help.txt")) {
            let (prefix, _) = line.split_once(": ").unwrap();
            assert!(tables.iter().any(|table| table.find(prefix).is_some()), "{prefix}");
        }
    }
}
