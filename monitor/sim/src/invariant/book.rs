//! The book of chosen values: every value that any disk showed as committed, read once, in order, for what it does
//! to the services. What clients are told is compared with it, and it is kept apart from the services' own idea.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use mon_store::MemoryStore;
use mon_types::encode::Decode;
use mon_types::id::Version;
use mon_types::kv::{KvRead, Op, Transaction};
use mon_types::kv_delta::KvDelta;
use mon_types::log::{LogEntry, LogIncremental};
use mon_types::monmap::MonMap;

/// What a version of the key/value service changed.
pub type Delta = BTreeMap<String, Option<Bytes>>;

/// Everything that was chosen so far.
#[derive(Debug, Default)]
pub struct Book {
    /// The newest value that was read.
    pub last: Version,
    /// Versions of the key/value service.
    pub kv: BTreeMap<u64, Delta>,
    /// Whose operations each of these versions can hold, by name: the monitor that offered the value, and those that
    /// had forwarded what it holds.
    pub hands: BTreeMap<u64, BTreeSet<String>>,
    /// Monmaps by epoch.
    pub maps: BTreeMap<u64, MonMap>,
    /// Versions of the cluster log.
    pub log: BTreeMap<u64, Vec<LogEntry>>,
    /// Membership operations that were done, by their ids.
    pub operations: BTreeSet<String>,
    /// Results of forwarded operations, by their keys.
    pub done: BTreeSet<String>,
    /// The version that each service has.
    pub services: BTreeMap<&'static str, u64>,
    /// Config keys that were set to the same value twice.
    pub twice: BTreeSet<String>,
    set: BTreeSet<(String, Bytes)>,
}

/// One chosen value, read.
#[derive(Debug, Default)]
pub struct Page {
    /// The value's number.
    pub version: Version,
    /// The version of each service that it names as the last.
    pub services: BTreeMap<&'static str, u64>,
    /// What it changes of the key/value service.
    pub kv: Vec<(u64, Delta)>,
    /// The monmap that it puts into force.
    pub maps: Vec<MonMap>,
    /// What it adds to the cluster log.
    pub log: Vec<(u64, Vec<LogEntry>)>,
    /// Ids of membership operations whose results it keeps.
    pub operations: Vec<String>,
    /// Forwarded operations whose results it keeps.
    pub done: Vec<String>,
    /// Who offered it, and who had forwarded what it holds.
    pub hands: BTreeSet<String>,
    /// The config keys that it writes or removes, apart from what its delta says.
    pub touched: BTreeSet<String>,
}

/// Services with versions of their own.
pub const SERVICES: [&str; 5] = ["auth", "health", "kv", "logm", "monmap"];

impl Book {
    /// Reads the values up to a version that a store has committed and nobody has shown before.
    ///
    /// # Errors
    /// A value that cannot be read, or is not there.
    pub fn next_pages(&self, store: &MemoryStore, last: Version) -> Result<Vec<Page>, String> {
        let mut pages = Vec::new();
        for version in self.last.0 + 1..=last.0 {
            let bytes = store.read("paxos", &version.to_string()).map_err(|error| error.to_string())?;
            let Some(bytes) = bytes else {
                return Err(format!("nobody has shown value {version}, and its first owner lacks it"));
            };
            let value = Transaction::from_bytes(&bytes).map_err(|error| error.to_string())?;
            pages.push(Page::read(Version(version), &value)?);
        }
        Ok(pages)
    }

    /// Adds a page.
    pub fn add(&mut self, page: Page) {
        self.last = page.version;
        for (key, value) in page.kv.iter().flat_map(|(_, delta)| delta) {
            if let Some(value) = value
                && !self.set.insert((key.clone(), value.clone()))
            {
                self.twice.insert(key.clone());
            }
        }
        self.hands.extend(page.kv.iter().map(|(version, _)| (*version, page.hands.clone())));
        self.kv.extend(page.kv);
        self.maps.extend(page.maps.into_iter().map(|map| (u64::from(map.epoch.0), map)));
        self.log.extend(page.log);
        self.operations.extend(page.operations);
        self.done.extend(page.done);
        self.services.extend(page.services);
    }

    /// The newest version of the key/value service.
    #[must_use]
    pub fn kv_last(&self) -> u64 {
        self.kv.last_key_value().map_or(0, |(version, _)| *version)
    }

    /// The newest monmap.
    #[must_use]
    pub fn map(&self) -> Option<&MonMap> {
        self.maps.last_key_value().map(|(_, map)| map)
    }

    /// The newest monmap's epoch.
    #[must_use]
    pub fn map_epoch(&self) -> u64 {
        self.maps.last_key_value().map_or(0, |(epoch, _)| *epoch)
    }

    /// All config keys as of a version of the key/value service.
    #[must_use]
    pub fn kv_at(&self, version: u64) -> BTreeMap<String, Bytes> {
        let mut state = BTreeMap::new();
        for (key, value) in self.kv.range(..=version).flat_map(|(_, delta)| delta) {
            match value {
                Some(value) => state.insert(key.clone(), value.clone()),
                None => state.remove(key),
            };
        }
        state
    }
}

impl Page {
    fn read(version: Version, value: &Transaction) -> Result<Self, String> {
        let mut page = Self { version, ..Self::default() };
        for op in value.ops() {
            match op {
                Op::Put { prefix, key, value } => page.take(prefix, key, value)?,
                Op::Erase { prefix, key } if prefix == "mon_config_key" => {
                    page.touched.insert(key.clone());
                }
                Op::Erase { .. } | Op::EraseRange { .. } | Op::Compact { .. } => {}
            }
        }
        Ok(page)
    }

    fn take(&mut self, prefix: &str, key: &str, value: &Bytes) -> Result<(), String> {
        let bad = |error: mon_types::encode::DecodeError| format!("{prefix}/{key} does not decode: {error}");
        let number = key.parse::<u64>();
        match (prefix, &number) {
            ("kv", Ok(number)) => self.kv.push((*number, KvDelta::from_bytes(value).map_err(bad)?.0)),
            ("monmap", Ok(_)) => self.maps.push(MonMap::from_bytes(value).map_err(bad)?),
            ("logm", Ok(number)) => {
                let entries = LogIncremental::from_bytes(value).map_err(bad)?.entries().to_vec();
                self.log.push((*number, entries));
            }
            ("mon_config_key", _) => {
                self.touched.insert(key.into());
            }
            ("moncluster", _) => {
                if let Some(id) = key.strip_prefix("op/") {
                    self.operations.push(id.into());
                } else if let Some(id) = key.strip_prefix("done/") {
                    self.hands.extend(id.split_once('/').map(|(peon, _)| peon.to_owned()));
                    self.done.push(id.into());
                } else if let Some(leader) = key.strip_prefix("proposal/") {
                    self.hands.insert(leader.into());
                }
            }
            _ => {}
        }
        if key == "last_committed"
            && let Some(service) = SERVICES.into_iter().find(|service| *service == prefix)
        {
            let bytes = value.as_ref().try_into().map_err(|_| format!("{prefix}/{key} is no number"))?;
            self.services.insert(service, u64::from_le_bytes(bytes));
        }
        Ok(())
    }
}
