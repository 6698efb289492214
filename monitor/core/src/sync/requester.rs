//! The side of a sync that lacks something.
//!
//! ```text
//! full:    cookie --> chunk: mark, wipe, copy --> chunk, ... last --> apply the values since, unmark --> probe again
//! recent:  cookie --> values, values, ... last ----------------------------------------------> probe again
//! ```
//!
//! A full sync copies keys while the provider goes on, so what was copied may be newer in one place than in
//! another; applying all values since the start makes it whole. The store says that it is worthless until
//! then, so a crash anywhere ends in another full sync.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use mon_types::addr::AddrVec;
use mon_types::encode::{Decode, DecodeError};
use mon_types::id::Version;
use mon_types::kv::{KvRead, Op, StoreError, Transaction};

use super::prefixes::{KEY_END, PREFIXES};
use crate::bug::{self, Bug};
use crate::effect::WriteId;
use crate::paxos::log;

/// How much is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Everything.
    Full,
    /// The values that we lack.
    Recent,
}

/// A sync under way.
#[derive(Debug, Clone)]
pub(crate) struct Requester {
    pub(super) provider: AddrVec,
    pub(super) kind: Kind,
    pub(super) stage: Stage,
    /// Full: where the provider was when it began to copy.
    pub(super) start: Version,
    pub(super) reached: Version,
    /// Full: whether our store has made room.
    pub(super) wiped: bool,
    pub(super) deadline: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Asked the provider to begin.
    Asking,
    /// Chunks come.
    Copying { cookie: u64 },
    /// The last chunk is on its way into the store.
    Finishing { write: WriteId },
    /// So is the end mark.
    Ending { write: WriteId },
}

impl Requester {
    pub(crate) fn provider(&self) -> &AddrVec {
        &self.provider
    }

    /// Whether the provider has sent everything; the rest is our own disk's.
    pub(super) fn has_all(&self) -> bool {
        matches!(self.stage, Stage::Finishing { .. } | Stage::Ending { .. })
    }

    pub(crate) fn reached(&self) -> Version {
        self.reached
    }
}

/// The erasure of everything that a sync copies.
pub(super) fn wipe() -> Transaction {
    let mut wipe = Transaction::new();
    for prefix in PREFIXES {
        wipe.erase_range(prefix, "", KEY_END);
    }
    wipe
}

/// What a chunk of a full sync puts: nothing but copies, and nothing of what is ours alone.
pub(super) fn copies(chunk: &[u8]) -> Result<Transaction, DecodeError> {
    let mut copies = Transaction::new();
    for op in Transaction::from_bytes(chunk)?.ops() {
        match op {
            Op::Put { prefix, key, .. } => {
                let known = PREFIXES.contains(&prefix.as_str());
                if known && !(prefix == log::PREFIX && log::is_private(key)) {
                    copies.push(op.clone());
                }
            }
            Op::Erase { .. } | Op::Compact { .. } | Op::EraseRange { .. } => {}
        }
    }
    Ok(copies)
}

/// The values in a chunk of a recent sync.
pub(super) fn values(chunk: &[u8]) -> Result<BTreeMap<Version, Bytes>, DecodeError> {
    let mut values = BTreeMap::new();
    for op in Transaction::from_bytes(chunk)?.ops() {
        match op {
            Op::Put { prefix, key, value } if prefix == log::PREFIX => {
                if let Ok(version) = key.parse() {
                    values.insert(Version(version), value.clone());
                }
            }
            Op::Put { .. } | Op::Erase { .. } | Op::Compact { .. } | Op::EraseRange { .. } => {}
        }
    }
    Ok(values)
}

/// The write that makes a copied store whole: the changes of all values since the copying began. None when
/// the copy lacks one of them.
pub(super) fn completion(
    store: &dyn KvRead,
    start: Version,
    last: Version,
) -> Result<Option<Transaction>, StoreError> {
    let mut write = Transaction::new();
    let start = if bug::is_on(Bug::SyncWithoutReplay) { last } else { start };
    for n in start.0 + 1..=last.0 {
        let key = n.to_string();
        let Some(value) = store.read(log::PREFIX, &key)? else { return Ok(None) };
        let changes = Transaction::from_bytes(&value)
            .map_err(|error| StoreError::undecodable(log::PREFIX, &key, &error))?;
        write.append(changes);
    }
    // What the provider had accepted but not committed is its promise, not ours.
    let mut beyond = last.next();
    while store.read(log::PREFIX, &beyond.to_string())?.is_some() {
        write.erase(log::PREFIX, beyond.to_string());
        beyond = beyond.next();
    }
    log::put_last_committed(&mut write, last);
    Ok(Some(write))
}
