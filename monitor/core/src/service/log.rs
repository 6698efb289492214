//! The log service, Ceph's `LogMonitor`: the cluster log.
//!
//! ```text
//! logm/N                      the entries of version N
//! logm/<channel>/<%08x>       each entry on its own, once the monmap's oldest release is 17
//! logm/full_N                 the summary as of N, every few versions; logm/full_latest names the newest
//! ```
//! The summary holds the last entries of each channel (16) or only counters (17 and newer). It is never
//! rewritten with each version. What the monitor itself has to say about commands waits for the next change
//! that somebody else makes, so that an idle cluster commits nothing.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;

use mon_types::addr::AddrVec;
use mon_types::encode::Encode;
use mon_types::entity::{EntityInstanceName, EntityName, EntityType};
use mon_types::id::{Fsid, Rank, Version};
use mon_types::kv::{KvRead, Transaction};
use mon_types::log::{CHANNEL_CLUSTER, LogCounters, LogEntry, LogIncremental, LogSummary, Priority};
use mon_types::message::paxos_service::PaxosServiceMessage;
use mon_types::message::{MLog, MLogAck, Message};
use mon_types::time::UTime;
use serde_json::{Value, json};

use super::monmap::render::addrvec;
use super::{Around, Kind, Service, Versions, stored, stored_optional};
use crate::command::format;
use crate::effect::{CommandReply, Effect, Effects, Halt};
use crate::operation::{Answer, Command, Errno, Prepared, Requester};
use crate::stamp;

#[derive(Debug, Default)]
pub(crate) struct LogService {
    versions: Versions,
    full: Version,
    loaded: bool,
    summary: LogSummary,
    /// The newest entries of all channels, for subscribers and duplicates.
    recent: VecDeque<LogEntry>,
    pending: Vec<LogEntry>,
    /// What waits for another change to ride along with.
    lazy: VecDeque<LogEntry>,
    /// Counts what this process has written itself.
    seq: u64,
}

impl LogService {
    /// How it treats a command; none when it has no such command.
    pub(crate) fn kind(prefix: &str) -> Option<Kind> {
        match prefix {
            "log last" => Some(Kind::Read),
            "log" => Some(Kind::Write),
            _ => None,
        }
    }

    pub(crate) fn version(&self) -> Version {
        self.versions.last
    }

    pub(crate) fn query(&self, around: &Around<'_>, command: &Command) -> Result<CommandReply, Halt> {
        let count =
            command.arguments.int("num").and_then(|num| usize::try_from(num).ok()).unwrap_or(LAST_DEFAULT);
        let word = command.arguments.text("level").unwrap_or("info");
        let Some(level) = Priority::from_word(word) else {
            return Ok(CommandReply::refused(Errno::EINVAL, format!("'{word}' is no level of the log")));
        };
        let channel = command.arguments.text("channel").unwrap_or(CHANNEL_CLUSTER);
        let entries = self.last(around.store, count, level, channel)?;
        let text = || {
            let mut out = String::new();
            for entry in &entries {
                // Writing to a string cannot fail.
                let _ = writeln!(out, "{}", line(entry));
            }
            out
        };
        let list = || entries.iter().map(entry_json).collect();
        Ok(CommandReply::output(format::text_or_json(command.arguments.format(), text, list)))
    }

    /// The newest entries of a channel (`*`: of all) from a level on, oldest first.
    fn last(
        &self,
        store: &dyn KvRead,
        count: usize,
        level: Priority,
        channel: &str,
    ) -> Result<Vec<LogEntry>, Halt> {
        let wanted = |name: &str| channel == "*" || channel == name;
        let mut entries: Vec<LogEntry> = Vec::new();
        for (_, tail) in self.summary.tails.iter().filter(|(name, _)| wanted(name)) {
            entries
                .extend(tail.iter().map(|(_, entry)| entry.clone()).filter(|entry| entry.priority >= level));
        }
        let channels = self.summary.counters.iter().flat_map(|counters| &counters.channels);
        for (name, (begin, end)) in channels.filter(|(name, _)| wanted(name)) {
            let mut found = Vec::new();
            for number in (*begin..*end).rev().take(READ_BACK_MAX) {
                let key = LogCounters::entry_key(name, number);
                let Some(entry) = stored_optional::<LogEntry>(store, Self::PREFIX, &key)? else { break };
                if entry.priority >= level {
                    found.push(entry);
                    if found.len() >= count {
                        break;
                    }
                }
            }
            entries.extend(found.into_iter().rev());
        }
        entries.sort_by_key(|entry| entry.stamp);
        let surplus = entries.len().saturating_sub(count);
        Ok(entries.split_off(surplus))
    }

    /// `log TEXT`: an entry in a client's name.
    pub(crate) fn prepare(
        &mut self,
        around: &Around<'_>,
        requester: &Requester,
        command: &Command,
    ) -> Prepared {
        let text = command.arguments.texts("logtext").join(" ");
        self.pending.push(LogEntry {
            name: requester.entity.clone(),
            rank: EntityInstanceName { kind: requester.entity.kind as u8, number: -1 },
            addrs: requester.addrs.clone(),
            stamp: around.now.wall,
            seq: 0,
            priority: Priority::INFO,
            message: text,
            channel: CHANNEL_CLUSTER.into(),
            ..blank()
        });
        Prepared::changed(CommandReply::default())
    }

    /// Entries from a daemon's or client's own log.
    pub(crate) fn prepare_entries(&mut self, fsid: Fsid, message: &MLog) -> Prepared {
        let Some(last) = message.entries.last() else {
            return Prepared { changed: false, answer: Answer::Nothing };
        };
        let ack = MLogAck { fsid, last: Version(last.seq), channel: last.channel.clone() };
        let before = self.pending.len();
        for entry in &message.entries {
            let same = |known: &LogEntry| known.key() == entry.key() && known.channel == entry.channel;
            // After a start the entries of before the full value are known by it alone.
            let keys = self.summary.counters.iter().flat_map(|counters| &counters.recent);
            let known = keys.into_iter().any(|key| *key == entry.key())
                || self.summary.tails.get(&entry.channel).is_some_and(|t| t.iter().any(|(_, e)| same(e)));
            if !known && !self.recent.iter().chain(&self.pending).any(same) {
                self.pending.push(entry.clone());
            }
        }
        Prepared { changed: self.pending.len() > before, answer: Answer::Message(Box::new(ack.into())) }
    }

    /// Adds an entry of our own to what is committed next.
    pub(crate) fn write(&mut self, around: &Around<'_>, priority: Priority, channel: &str, text: String) {
        let entry = self.own_entry(around, priority, channel, text);
        self.pending.push(entry);
    }

    /// Adds an entry of our own that is committed whenever something else is.
    pub(crate) fn write_lazily(
        &mut self,
        around: &Around<'_>,
        priority: Priority,
        channel: &str,
        text: String,
    ) {
        let entry = self.own_entry(around, priority, channel, text);
        if self.lazy.len() >= LAZY_MAX {
            self.lazy.pop_front();
        }
        self.lazy.push_back(entry);
    }

    /// Whether entries wait for a ride.
    pub(crate) fn has_riders(&self) -> bool {
        !self.lazy.is_empty()
    }

    fn own_entry(
        &mut self,
        around: &Around<'_>,
        priority: Priority,
        channel: &str,
        text: String,
    ) -> LogEntry {
        self.seq += 1;
        let rank = around.monmap.rank_of(&around.identity.name).unwrap_or(Rank(0));
        LogEntry {
            name: EntityName::new(EntityType::Mon, around.identity.name.clone()),
            rank: EntityInstanceName { kind: EntityType::Mon as u8, number: rank.0.into() },
            addrs: around.identity.addrs.clone(),
            stamp: around.now.wall,
            seq: self.seq,
            priority,
            message: text,
            channel: channel.into(),
            ..blank()
        }
    }

    /// What a `log-LEVEL` subscriber who has everything before `next` must be sent.
    pub(crate) fn update(
        &self,
        store: &dyn KvRead,
        fsid: Fsid,
        level: Priority,
        next: Version,
    ) -> Result<Option<Message>, Halt> {
        let last = self.versions.last;
        if next > last {
            return Ok(None);
        }
        let entries: Vec<LogEntry> = if next.0 == 0 {
            // The first time, the newest entry shows that the subscription works.
            self.recent.iter().rev().find(|entry| entry.priority >= level).cloned().into_iter().collect()
        } else {
            let mut entries = Vec::new();
            for version in next.max(self.versions.first).0..=last.0 {
                let value: LogIncremental = stored(store, Self::PREFIX, &version.to_string())?;
                entries.extend(value.entries().iter().filter(|entry| entry.priority >= level).cloned());
            }
            entries
        };
        let log = MLog { paxos: PaxosServiceMessage::at(last), fsid, entries };
        Ok((!log.entries.is_empty()).then(|| log.into()))
    }

    fn apply(&mut self, value: LogIncremental) -> Vec<LogEntry> {
        let entries = match value {
            LogIncremental::Embedded(entries) => {
                for entry in &entries {
                    let tail = self.summary.tails.entry(entry.channel.clone()).or_default();
                    self.summary.seq += 1;
                    tail.push((self.summary.seq, entry.clone()));
                    if tail.len() > TAIL_MAX {
                        tail.remove(0);
                    }
                }
                entries
            }
            LogIncremental::Keyed { entries, pruned_to } => {
                let counters = self.summary.counters.get_or_insert_default();
                for (channel, begin) in pruned_to {
                    counters.channels.entry(channel).or_default().0 = begin;
                }
                for entry in &entries {
                    counters.channels.entry(entry.channel.clone()).or_default().1 += 1;
                    counters.recent.push(entry.key());
                }
                let surplus = counters.recent.len().saturating_sub(TAIL_MAX);
                counters.recent.drain(..surplus);
                entries
            }
        };
        for entry in &entries {
            self.recent.push_back(entry.clone());
        }
        let surplus = self.recent.len().saturating_sub(2 * TAIL_MAX);
        self.recent.drain(..surplus);
        entries
    }

    fn load(&mut self, store: &dyn KvRead, full: Version) -> Result<Version, Halt> {
        self.recent.clear();
        if full.0 == 0 {
            self.summary = LogSummary::default();
            return Ok(Version(0));
        }
        self.summary = stored(store, Self::PREFIX, &format!("full_{full}"))?;
        Ok(full)
    }
}

impl Service for LogService {
    const PREFIX: &'static str = "logm";

    fn refresh(&mut self, store: &dyn KvRead, out: &mut Effects) -> Result<bool, Halt> {
        let versions = Versions::read(store, Self::PREFIX)?;
        if versions == self.versions {
            self.loaded = true;
            return Ok(false);
        }
        let full = store.read_version(Self::PREFIX, KEY_FULL_LATEST)?;
        let behind = self.versions.last;
        let gapless = self.loaded && behind <= versions.last && behind.next() >= versions.first;
        let from = if gapless { behind } else { self.load(store, full)? };
        let mut fresh = Vec::new();
        for version in from.next().max(versions.first).0..=versions.last.0 {
            let value: LogIncremental = stored(store, Self::PREFIX, &version.to_string())?;
            fresh.extend(self.apply(value));
        }
        if gapless && !fresh.is_empty() {
            out.push(Effect::ClusterLog(fresh));
        }
        self.summary.version = versions.last.0;
        self.full = full;
        self.versions = versions;
        self.loaded = true;
        Ok(true)
    }

    fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    fn encode_pending(&mut self, around: &Around<'_>, value: &mut Transaction) -> Result<(), Halt> {
        let mut entries: Vec<LogEntry> = self.lazy.drain(..).collect();
        entries.append(&mut self.pending);
        let counted = around.monmap.min_mon_release.0 >= 17;
        let last = self.versions.last;
        if last.0 - self.full.0 >= FULL_INTERVAL {
            let mut full = self.summary.clone();
            if counted {
                full.counters.get_or_insert_default();
            }
            value.put(Self::PREFIX, format!("full_{last}"), full.to_bytes());
            value.put_u64(Self::PREFIX, KEY_FULL_LATEST, last.0);
        }
        let next = last.next();
        let incremental = if counted {
            let mut channels = self.summary.counters.clone().unwrap_or_default().channels;
            for entry in &entries {
                let (_, end) = channels.entry(entry.channel.clone()).or_default();
                value.put(Self::PREFIX, LogCounters::entry_key(&entry.channel, *end), entry.to_bytes());
                *end += 1;
            }
            let pruned_to = prune(&channels, around.settings.log_entries_max, value);
            LogIncremental::Keyed { entries, pruned_to }
        } else {
            LogIncremental::Embedded(entries)
        };
        value.put_version(Self::PREFIX, next, incremental.to_bytes());
        value.put_u64(Self::PREFIX, super::LAST_COMMITTED, next.0);
        let first = self.versions.first;
        if last.0 == 0 {
            value.put_u64(Self::PREFIX, super::FIRST_COMMITTED, next.0);
        } else if next.0 - first.0 > VERSIONS_KEPT + FULL_INTERVAL && self.full > first {
            let to = self.full.0.min(next.0 - VERSIONS_KEPT);
            for version in first.0..to {
                value.erase(Self::PREFIX, version.to_string());
                value.erase(Self::PREFIX, format!("full_{version}"));
            }
            value.put_u64(Self::PREFIX, super::FIRST_COMMITTED, to);
        }
        Ok(())
    }

    fn drop_pending(&mut self) {
        self.pending.clear();
    }
}

/// Removes the oldest entries of channels that have too many, a batch at a time.
fn prune(
    channels: &BTreeMap<String, (u64, u64)>,
    keep: u64,
    value: &mut Transaction,
) -> BTreeMap<String, u64> {
    let mut pruned_to = BTreeMap::new();
    for (channel, (begin, end)) in
        channels.iter().filter(|(_, (begin, end))| end - begin > keep + PRUNE_BATCH)
    {
        let first = (end - keep).min(begin + 2 * PRUNE_BATCH);
        for number in *begin..first {
            value.erase(LogService::PREFIX, LogCounters::entry_key(channel, number));
        }
        pruned_to.insert(channel.clone(), first);
    }
    pruned_to
}

fn blank() -> LogEntry {
    LogEntry {
        name: EntityName::mon(),
        rank: EntityInstanceName { kind: EntityType::Mon as u8, number: -1 },
        addrs: AddrVec::default(),
        stamp: UTime::default(),
        seq: 0,
        priority: Priority::INFO,
        message: String::new(),
        channel: String::new(),
        tail: mon_types::tail::Tail::default(),
    }
}

/// An entry as a line of the log.
fn line(entry: &LogEntry) -> String {
    let LogEntry { name, rank, seq, channel, priority, message, .. } = entry;
    format!("{} {name} ({rank}) {seq} : {channel} {priority} {message}", stamp::text(entry.stamp))
}

fn entry_json(entry: &LogEntry) -> Value {
    json!({
        "name": entry.name.to_string(),
        "rank": entry.rank.to_string(),
        "addrs": addrvec(&entry.addrs),
        "stamp": stamp::text(entry.stamp),
        "seq": entry.seq,
        "channel": entry.channel,
        "priority": entry.priority.tag(),
        "message": entry.message,
    })
}

/// Surplus entries of a channel that are removed together.
const PRUNE_BATCH: u64 = 256;
const KEY_FULL_LATEST: &str = "full_latest";
/// Versions between full values (`mon_log_full_interval`: 50).
const FULL_INTERVAL: u64 = 50;
/// Versions that are kept (`mon_max_log_epochs`: 500).
const VERSIONS_KEPT: u64 = 500;
/// Entries per channel in a summary of 16, and keys that duplicates are looked for among
/// (`mon_log_max_summary`: 50).
const TAIL_MAX: usize = 50;
/// Entries of our own that may wait for a ride.
const LAZY_MAX: usize = 1000;
/// Entries that `log last` shows when not told how many.
const LAST_DEFAULT: usize = 20;
/// Entries that `log last` looks at for enough of a level.
const READ_BACK_MAX: usize = 10_000;
