//! Subscriptions as a guest sees them, over all its sessions: in order, nothing twice, nothing left out, nothing that
//! was not chosen, nothing that its caps forbid; resumed where it was, through whatever monitor.

use std::collections::BTreeMap;

use bytes::Bytes;
use mon_types::encode::Decode;
use mon_types::log::{LogEntry, Priority};
use mon_types::message::{MKVData, MLog, MMonMap};
use mon_types::monmap::MonMap;

use super::badge::Badge;
use crate::invariant::book::Book;

/// The log service keeps so many versions for those who were away (`mon_max_log_epochs`: 500).
const LOG_KEPT: u64 = 500;

/// A subscription's state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stream {
    /// The first version that the guest does not have.
    pub next: u64,
    /// Whether it was asked for one time only.
    pub once: bool,
    /// Whether that one time was.
    pub over: bool,
}

impl Stream {
    /// Config keys have come.
    ///
    /// # Errors
    /// How they break what a stream promises; so for the others.
    pub fn take_kv(&mut self, told: &MKVData, badge: Badge, book: &Book) -> Result<(), String> {
        let version = told.version.0;
        if let Some(key) = told.data.keys().find(|key| !badge.may_see(key)) {
            return Err(format!("{badge:?} is told of key {key}"));
        }
        if version < self.next {
            return Err(format!("version {version} after it has everything before {}", self.next));
        }
        let wanted = |key: &str| key.starts_with(&told.prefix) && badge.may_see(key);
        if !told.incremental {
            let full: BTreeMap<String, Option<Bytes>> = book
                .kv_at(version)
                .into_iter()
                .filter(|(key, _)| wanted(key))
                .map(|(key, value)| (key, Some(value)))
                .collect();
            if !book.kv.contains_key(&version) || full != told.data {
                return Err(format!("as of version {version}, {:?} instead of {full:?}", told.data));
            }
            self.next = version + 1;
            return Ok(());
        }
        let changes = |version: u64| -> BTreeMap<String, Option<Bytes>> {
            let delta = book.kv.get(&version).into_iter().flatten();
            delta.filter(|(key, _)| wanted(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        if let Some(missed) = (self.next..version).find(|missed| !changes(*missed).is_empty()) {
            return Err(format!("version {version} before {missed}"));
        }
        if changes(version) != told.data {
            return Err(format!("in version {version}, {:?} instead of {:?}", told.data, changes(version)));
        }
        self.next = version + 1;
        Ok(())
    }

    /// A monmap has come.
    ///
    /// # Errors
    /// As above.
    pub fn take_map(&mut self, told: &MMonMap, book: &Book) -> Result<u64, String> {
        let map = MonMap::from_bytes(&told.monmap).map_err(|error| error.to_string())?;
        let epoch = u64::from(map.epoch.0);
        if epoch < self.next {
            return Err(format!("monmap {epoch} after it has everything before {}", self.next));
        }
        if book.maps.get(&epoch) != Some(&map) {
            return Err(format!("monmap {epoch} is not the one that was chosen"));
        }
        self.next = epoch + 1;
        Ok(epoch)
    }

    /// Log entries have come.
    ///
    /// # Errors
    /// As above.
    pub fn take_log(&mut self, told: &MLog, book: &Book) -> Result<(), String> {
        let version = told.paxos.version.0;
        if version < self.next || told.entries.is_empty() {
            return Err(format!("log version {version} after it has everything before {}", self.next));
        }
        let loud = |entry: &&LogEntry| entry.priority >= Priority::INFO;
        let said = |entry: &LogEntry| (entry.key(), entry.message.clone());
        let told: Vec<_> = told.entries.iter().map(said).collect();
        let range = book.log.range(self.next.max(1)..=version);
        let chosen: Vec<_> = range.flat_map(|(_, entries)| entries.iter().filter(loud).map(said)).collect();
        // The first time one entry shows that it works, or what comes next.
        let whole = self.next > 0 && version - self.next < LOG_KEPT;
        if !chosen.ends_with(&told) || (chosen.len() > told.len() && whole) {
            let (next, told, chosen) = (self.next, told.len(), chosen.len());
            return Err(format!("log {next}..{version} is told with {told} entries, of {chosen}"));
        }
        self.next = version + 1;
        Ok(())
    }

    /// Whether something that was chosen has not come yet.
    #[must_use]
    pub fn lacks(&self, name: &str, badge: Badge, book: &Book) -> bool {
        if self.over {
            return false;
        }
        if let Some(prefix) = name.strip_prefix("kv:") {
            let wanted = |key: &str| key.starts_with(prefix) && badge.may_see(key);
            return book.kv.range(self.next..).any(|(_, delta)| delta.keys().any(|key| wanted(key)));
        }
        if name == "monmap" {
            return book.map_epoch() >= self.next;
        }
        let loud = |entry: &LogEntry| entry.priority >= Priority::INFO;
        book.log.range(self.next..).any(|(_, entries)| entries.iter().any(loud))
    }
}
