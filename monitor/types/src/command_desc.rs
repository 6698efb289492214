//! The command table that an election's winner sends in VICTORY, so that the whole quorum knows the same
//! commands.
//!
//! ```text
//! ENCODE(2,1){ u16 n | n * { string signature | string help | string module | string permissions
//!            | string availability } | v2: n * u64 flags }
//! ```

use crate::encode::{Decode, DecodeError, Encode, Reader, envelope};

/// The commands of a monitor. Stock peers insist on at least one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandTable(pub Vec<CommandDesc>);

/// One command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandDesc {
    /// Prefix and arguments in Ceph's notation, such as `config-key get name=key,type=CephString`.
    pub signature: String,
    /// One line for people.
    pub help: String,
    /// The service whose capabilities count.
    pub module: String,
    /// What it needs, such as `rw`.
    pub permissions: String,
    /// Where it can be called; `cli,rest`.
    pub availability: String,
    /// A sum of the `FLAG_` constants.
    pub flags: u64,
}

impl CommandDesc {
    /// Runs on the monitor that got it, never on the leader.
    pub const FLAG_NOFORWARD: u64 = 1;
    /// Gone; answers with an error.
    pub const FLAG_OBSOLETE: u64 = 2;
    /// Works, but something else is meant to be used.
    pub const FLAG_DEPRECATED: u64 = 4;
    /// Served by the manager.
    pub const FLAG_MGR: u64 = 8;
    /// Asks others and answers later.
    pub const FLAG_POLL: u64 = 16;
    /// Not shown in help.
    pub const FLAG_HIDDEN: u64 = 32;

    /// Whether all of `flags` are set.
    #[must_use]
    pub fn has(&self, flags: u64) -> bool {
        self.flags & flags == flags
    }

    /// The words before the first argument.
    #[must_use]
    pub fn prefix(&self) -> String {
        let words = self.signature.split_whitespace().take_while(|word| !word.contains('='));
        words.collect::<Vec<_>>().join(" ")
    }
}

impl Encode for CommandTable {
    /// Writes the first 65,535 commands: the count has 16 bits, and a decoded table cannot be longer.
    fn encode(&self, out: &mut Vec<u8>) {
        let count = self.0.len().min(u16::MAX.into());
        envelope(out, 2, 1, |out| {
            (count as u16).encode(out);
            for command in &self.0[..count] {
                command.signature.encode(out);
                command.help.encode(out);
                command.module.encode(out);
                command.permissions.encode(out);
                command.availability.encode(out);
            }
            for command in &self.0[..count] {
                command.flags.encode(out);
            }
        });
    }
}

impl Decode for CommandTable {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.envelope("command table", 2, |version, input| {
            let count = u16::decode(input)?;
            let describe = |_| {
                Ok(CommandDesc {
                    signature: Decode::decode(input)?,
                    help: Decode::decode(input)?,
                    module: Decode::decode(input)?,
                    permissions: Decode::decode(input)?,
                    availability: Decode::decode(input)?,
                    flags: 0,
                })
            };
            let mut commands = (0..count).map(describe).collect::<Result<Vec<_>, _>>()?;
            if version >= 2 {
                for command in &mut commands {
                    command.flags = Decode::decode(input)?;
                }
            }
            Ok(Self(commands))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_ends_at_the_first_argument() {
        let command = CommandDesc {
            signature: "config-key get name=key,type=CephString".into(),
            flags: CommandDesc::FLAG_HIDDEN | CommandDesc::FLAG_NOFORWARD,
            ..CommandDesc::default()
        };
        assert_eq!(command.prefix(), "config-key get");
        assert!(command.has(33) && !command.has(CommandDesc::FLAG_MGR));
    }
}
