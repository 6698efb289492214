//! The cluster log: entries, the summary, and the log service's values.
//!
//! ```text
//! LogEntry:    ENCODE(5,5){ EntityName | entity_name_t | addrvec | utime stamp | u64 seq | u16 priority
//!            | string message | string channel }
//! logm/N:      u8 1 | entries to the end      (16)
//!              u8 2 | u32 n | n entries | map<string channel, u64 pruned_to>
//!                                              (17 and newer; each is also at logm/<channel>/<%08x>)
//! LogSummary:  ENCODE(3 or 4, 3){ u64 version | u64 seq | map<string channel, list<u64, LogEntry>>
//!            | v4: map<string channel, u64 begin, u64 end> | ENCODE(1,1){ list<LogEntryKey> } }
//! LogEntryKey: entity_name_t | utime stamp | u64 seq
//! ```

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::addr::AddrVec;
use crate::encode::{Decode, DecodeError, Encode, Reader, envelope};
use crate::entity::{EntityInstanceName, EntityName};
use crate::tail::Tail;
use crate::time::UTime;

/// One line of the cluster log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Who wrote it, by name.
    pub name: EntityName,
    /// Who wrote it, by number.
    pub rank: EntityInstanceName,
    /// From where.
    pub addrs: AddrVec,
    /// When.
    pub stamp: UTime,
    /// The writer's own count of its entries.
    pub seq: u64,
    /// How grave.
    pub priority: Priority,
    /// What.
    pub message: String,
    /// Where to: `cluster`, `audit`, or a name of the writer's choice.
    pub channel: String,
    /// What a newer release has appended.
    pub tail: Tail,
}

/// `clog_type`: a number as peers send it.
#[derive(
    Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Priority(pub u16);

/// What tells entries apart: the log service drops one whose key it has just seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct LogEntryKey {
    /// Who wrote it.
    pub rank: EntityInstanceName,
    /// When.
    pub stamp: UTime,
    /// The writer's count.
    pub seq: u64,
}

/// The value of `logm/N`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogIncremental {
    /// As 16 writes it.
    Embedded(Vec<LogEntry>),
    /// As 17 and newer write it, where each entry also has a key of its own.
    Keyed {
        /// The entries; each takes the next number of its channel.
        entries: Vec<LogEntry>,
        /// By channel, the first number that is kept from this version on.
        pruned_to: BTreeMap<String, u64>,
    },
}

/// The value of `logm/full_N`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogSummary {
    /// The log service's version.
    pub version: u64,
    /// How many entries there ever were; 0 once entries have keys of their own.
    pub seq: u64,
    /// The last entries of each channel with their number; empty once entries have keys of their own.
    pub tails: BTreeMap<String, Vec<(u64, LogEntry)>>,
    /// The counters of 17 and newer; none in the shape of 16.
    pub counters: Option<LogCounters>,
    /// What a newer release has appended.
    pub tail: Tail,
}

/// Which entries have keys of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogCounters {
    /// By channel, the first number that is kept and the next that will be used.
    pub channels: BTreeMap<String, (u64, u64)>,
    /// The keys of the newest entries, oldest first.
    pub recent: Vec<LogEntryKey>,
}

/// The channel of events.
pub const CHANNEL_CLUSTER: &str = "cluster";
/// The channel of commands.
pub const CHANNEL_AUDIT: &str = "audit";

impl LogEntry {
    /// Its key.
    #[must_use]
    pub fn key(&self) -> LogEntryKey {
        LogEntryKey { rank: self.rank, stamp: self.stamp, seq: self.seq }
    }
}

impl LogIncremental {
    /// The entries, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[LogEntry] {
        match self {
            Self::Embedded(entries) | Self::Keyed { entries, .. } => entries,
        }
    }
}

impl LogCounters {
    /// The key below prefix `logm` that an entry with this number has.
    #[must_use]
    pub fn entry_key(channel: &str, number: u64) -> String {
        format!("{channel}/{number:08x}")
    }
}

impl Priority {
    /// Details.
    pub const DEBUG: Self = Self(0);
    /// What everybody may see.
    pub const INFO: Self = Self(1);
    /// Security.
    pub const SECURITY: Self = Self(2);
    /// Something to look at.
    pub const WARN: Self = Self(3);
    /// Something broken.
    pub const ERROR: Self = Self(4);

    /// The letters in log lines and JSON.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::DEBUG => "[DBG]",
            Self::INFO => "[INF]",
            Self::SECURITY => "[SEC]",
            Self::WARN => "[WRN]",
            Self::ERROR => "[ERR]",
            _ => "[???]",
        }
    }

    /// Reads the word in a `log last` argument or in the name of a `log-...` subscription.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "debug" => Self::DEBUG,
            "info" => Self::INFO,
            "sec" => Self::SECURITY,
            "warn" => Self::WARN,
            "error" => Self::ERROR,
            _ => return None,
        })
    }
}

impl fmt::Debug for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Priority({})", self.0)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}

const ENTRY_VERSION: u8 = 5;

impl Encode for LogEntry {
    fn encode(&self, out: &mut Vec<u8>) {
        envelope(out, self.tail.version(ENTRY_VERSION), 5, |out| {
            self.name.encode(out);
            self.rank.encode(out);
            self.addrs.encode(out);
            self.stamp.encode(out);
            self.seq.encode(out);
            self.priority.encode(out);
            self.message.encode(out);
            self.channel.encode(out);
            self.tail.append(out);
        });
    }
}

impl Decode for LogEntry {
    /// Takes v5 and newer, which every release since Nautilus writes.
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.envelope("LogEntry", ENTRY_VERSION, |version, input| {
            if version < ENTRY_VERSION {
                return Err(DecodeError::Invalid { what: "LogEntry version", value: version.into() });
            }
            Ok(Self {
                name: Decode::decode(input)?,
                rank: Decode::decode(input)?,
                addrs: Decode::decode(input)?,
                stamp: Decode::decode(input)?,
                seq: Decode::decode(input)?,
                priority: Decode::decode(input)?,
                message: Decode::decode(input)?,
                channel: Decode::decode(input)?,
                tail: Tail::take(version, ENTRY_VERSION, input),
            })
        })
    }
    const SIZE_MIN: usize = 54;
}

impl Encode for LogIncremental {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Embedded(entries) => {
                out.push(1);
                entries.iter().for_each(|entry| entry.encode(out));
            }
            Self::Keyed { entries, pruned_to } => {
                out.push(2);
                entries.encode(out);
                pruned_to.encode(out);
            }
        }
    }
}

impl Decode for LogIncremental {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if input.version_byte("logm value", 2)? >= 2 {
            return Ok(Self::Keyed { entries: Decode::decode(input)?, pruned_to: Decode::decode(input)? });
        }
        let mut entries = Vec::new();
        while input.remaining() > 0 {
            entries.push(LogEntry::decode(input)?);
        }
        Ok(Self::Embedded(entries))
    }
}

const SUMMARY_VERSION: u8 = 4;

impl Encode for LogSummary {
    fn encode(&self, out: &mut Vec<u8>) {
        let version = self.tail.version(if self.counters.is_some() { SUMMARY_VERSION } else { 3 });
        envelope(out, version, 3, |out| {
            self.version.encode(out);
            self.seq.encode(out);
            self.tails.encode(out);
            if let Some(counters) = &self.counters {
                counters.channels.encode(out);
                envelope(out, 1, 1, |out| counters.recent.encode(out));
            }
            self.tail.append(out);
        });
    }
}

impl Decode for LogSummary {
    /// Takes v3 and newer.
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.envelope("LogSummary", SUMMARY_VERSION, |version, input| {
            if version < 3 {
                return Err(DecodeError::Invalid { what: "LogSummary version", value: version.into() });
            }
            let mut summary = Self {
                version: Decode::decode(input)?,
                seq: Decode::decode(input)?,
                tails: Decode::decode(input)?,
                ..Self::default()
            };
            if version >= 4 {
                let channels = Decode::decode(input)?;
                let recent = input.envelope("LogSummary keys", 1, |_, input| Decode::decode(input))?;
                summary.counters = Some(LogCounters { channels, recent });
            }
            summary.tail = Tail::take(version, SUMMARY_VERSION, input);
            Ok(summary)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_keys_sort_by_number_in_the_store() {
        assert_eq!(LogCounters::entry_key("audit", 0x1f), "audit/0000001f");
        assert!(LogCounters::entry_key("audit", 15) < LogCounters::entry_key("audit", 16));
    }

    #[test]
    fn priorities_have_words_and_tags() {
        assert_eq!(Priority::from_word("warn"), Some(Priority::WARN));
        assert_eq!(Priority::from_word("fatal"), None);
        assert_eq!((Priority::ERROR.tag(), Priority(0xffff).tag()), ("[ERR]", "[???]"));
    }
}
