//! The store as the core sees it: keys, `MonitorDBStore::Transaction` and a read-only view.
//!
//! ```text
//! Transaction: ENCODE(2,1){ list<Op> | u64 bytes | u64 keys }
//! Op:          ENCODE(2,1){ u8 type | string prefix | string key | bl value | string endkey }
//! ```
//!
//! A Paxos value is such a transaction in bytes, so its encoding must be exactly Ceph's.

use bytes::Bytes;

use crate::encode::{Decode, DecodeError, Encode, Reader, envelope};
use crate::id::Version;

/// One change to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Sets a key.
    Put {
        /// The prefix (a service's name, mostly).
        prefix: String,
        /// The key inside the prefix.
        key: String,
        /// What it holds from then on.
        value: Bytes,
    },
    /// Removes a key; removing an absent one is not an error.
    Erase {
        /// The prefix.
        prefix: String,
        /// The key.
        key: String,
    },
    /// Asks the store to compact a prefix, or a range of it; a hint without meaning for the content.
    Compact {
        /// The prefix.
        prefix: String,
        /// First and last key, none for the whole prefix.
        range: Option<(String, String)>,
    },
    /// Removes all keys in `start..end`.
    EraseRange {
        /// The prefix.
        prefix: String,
        /// First key to go.
        start: String,
        /// First key to stay.
        end: String,
    },
}

/// Changes that reach the store together or not at all, applied in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    ops: Vec<Op>,
    /// Ceph's accounting of the encoded size and of the keys touched; kept as read, because a value that
    /// was accepted must be stored and passed on byte for byte.
    bytes: u64,
    keys: u64,
}

/// What an empty transaction takes in bytes: envelope, op count, the two counters.
const EMPTY_BYTES: u64 = 6 + 4 + 8 + 8;

impl Default for Transaction {
    fn default() -> Self {
        Self { ops: Vec::new(), bytes: EMPTY_BYTES, keys: 0 }
    }
}

impl Transaction {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// The changes, in order.
    #[must_use]
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// The size in bytes that is accounted for it; equals the encoded size unless it was appended to.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds a change.
    pub fn push(&mut self, op: Op) {
        if !matches!(op, Op::Compact { .. }) {
            self.keys += 1;
            self.bytes += op.size_bytes();
        }
        self.ops.push(op);
    }

    /// Adds a put.
    pub fn put(&mut self, prefix: &str, key: impl Into<String>, value: impl Into<Bytes>) {
        self.push(Op::Put { prefix: prefix.into(), key: key.into(), value: value.into() });
    }

    /// Adds a put of a raw little-endian integer, the form of all counters in the store.
    pub fn put_u64(&mut self, prefix: &str, key: impl Into<String>, value: u64) {
        self.put(prefix, key, value.to_le_bytes().to_vec());
    }

    /// Adds a put of a value under its version number in decimal.
    pub fn put_version(&mut self, prefix: &str, version: Version, value: impl Into<Bytes>) {
        self.put(prefix, version.to_string(), value);
    }

    /// Adds an erase.
    pub fn erase(&mut self, prefix: &str, key: impl Into<String>) {
        self.push(Op::Erase { prefix: prefix.into(), key: key.into() });
    }

    /// Adds an erase of `start..end`.
    pub fn erase_range(&mut self, prefix: &str, start: impl Into<String>, end: impl Into<String>) {
        self.push(Op::EraseRange { prefix: prefix.into(), start: start.into(), end: end.into() });
    }

    /// Moves another transaction's changes to the end of this one.
    pub fn append(&mut self, mut other: Self) {
        self.bytes += other.bytes;
        self.keys += other.keys;
        self.ops.append(&mut other.ops);
    }
}

/// A read-only view of the store. It shows writes once they were reported as persisted, and may show
/// them a little earlier: the core never concludes from the view that its own write is done.
pub trait KvRead {
    /// The value of a key.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot tell; the process must then stop rather than guess.
    fn read(&self, prefix: &str, key: &str) -> Result<Option<Bytes>, StoreError>;

    /// Up to `limit` keys of a prefix with their values, in key order, from `start` on (inclusive).
    ///
    /// # Errors
    /// As [`KvRead::read`].
    fn scan(&self, prefix: &str, start: &str, limit: usize) -> Result<Vec<(String, Bytes)>, StoreError>;

    /// A counter; absent reads as `None`.
    ///
    /// # Errors
    /// As [`KvRead::read`], and when the value is not eight bytes.
    fn read_u64(&self, prefix: &str, key: &str) -> Result<Option<u64>, StoreError> {
        let Some(bytes) = self.read(prefix, key)? else { return Ok(None) };
        match <[u8; 8]>::try_from(bytes.as_ref()) {
            Ok(raw) => Ok(Some(u64::from_le_bytes(raw))),
            Err(_) => Err(StoreError::Damaged {
                what: format!("{prefix}/{key}"),
                why: format!("{} bytes where a counter has 8", bytes.len()),
            }),
        }
    }

    /// A counter that starts at 0.
    ///
    /// # Errors
    /// As [`KvRead::read_u64`].
    fn read_version(&self, prefix: &str, key: &str) -> Result<Version, StoreError> {
        Ok(Version(self.read_u64(prefix, key)?.unwrap_or(0)))
    }
}

/// Why the store has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Content that contradicts itself or does not decode.
    #[error(
        "store is damaged at {what}: {why}; move the data directory away, make a new one with mkfs, and let the \
         monitor sync from its peers, one monitor at a time"
    )]
    Damaged {
        /// The key, or the file.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// The backend failed.
    #[error("store failed: {0}")]
    Backend(String),
}

impl StoreError {
    /// A stored value that does not decode.
    #[must_use]
    pub fn undecodable(prefix: &str, key: &str, error: &DecodeError) -> Self {
        Self::Damaged { what: format!("{prefix}/{key}"), why: error.to_string() }
    }
}

const OP_PUT: u8 = 1;
const OP_ERASE: u8 = 2;
const OP_COMPACT: u8 = 3;
const OP_ERASE_RANGE: u8 = 4;

impl Op {
    /// Encoded size of an op without its strings: envelope, type, four lengths.
    const FIXED_BYTES: usize = 6 + 1 + 4 * 4;

    fn size_bytes(&self) -> u64 {
        let strings = match self {
            Self::Put { prefix, key, value } => prefix.len() + key.len() + value.len(),
            Self::Erase { prefix, key } => prefix.len() + key.len(),
            Self::Compact { prefix, range: None } => prefix.len(),
            Self::Compact { prefix, range: Some((start, end)) } | Self::EraseRange { prefix, start, end } => {
                prefix.len() + start.len() + end.len()
            }
        };
        (Self::FIXED_BYTES + strings) as u64
    }

    fn prefix_and_key(&self) -> (&str, &str) {
        match self {
            Self::Put { prefix, key, .. } | Self::Erase { prefix, key } => (prefix, key),
            Self::Compact { prefix, range } => (prefix, range.as_ref().map_or("", |(start, _)| start)),
            Self::EraseRange { prefix, start, .. } => (prefix, start),
        }
    }
}

impl Encode for Op {
    fn encode(&self, out: &mut Vec<u8>) {
        let empty = Bytes::new();
        let (prefix, key) = self.prefix_and_key();
        let (code, value, end) = match self {
            Self::Put { value, .. } => (OP_PUT, value, ""),
            Self::Erase { .. } => (OP_ERASE, &empty, ""),
            Self::Compact { range, .. } => (OP_COMPACT, &empty, range.as_ref().map_or("", |(_, end)| end)),
            Self::EraseRange { end, .. } => (OP_ERASE_RANGE, &empty, end.as_str()),
        };
        envelope(out, 2, 1, |out| {
            code.encode(out);
            prefix.encode(out);
            key.encode(out);
            value.encode(out);
            end.encode(out);
        });
    }
}

impl Decode for Op {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.envelope("transaction op", 2, |_, input| {
            let code = u8::decode(input)?;
            let prefix = String::decode(input)?;
            let key = String::decode(input)?;
            let value = Bytes::decode(input)?;
            let end = String::decode(input)?;
            Ok(match code {
                OP_PUT => Self::Put { prefix, key, value },
                OP_ERASE => Self::Erase { prefix, key },
                OP_COMPACT if key.is_empty() && end.is_empty() => Self::Compact { prefix, range: None },
                OP_COMPACT => Self::Compact { prefix, range: Some((key, end)) },
                OP_ERASE_RANGE => Self::EraseRange { prefix, start: key, end },
                _ => return Err(DecodeError::Invalid { what: "transaction op", value: code.into() }),
            })
        })
    }
    const SIZE_MIN: usize = 23;
}

impl Encode for Transaction {
    fn encode(&self, out: &mut Vec<u8>) {
        envelope(out, 2, 1, |out| {
            self.ops.encode(out);
            self.bytes.encode(out);
            self.keys.encode(out);
        });
    }
}

impl Decode for Transaction {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.envelope("transaction", 2, |version, input| {
            let ops = Vec::decode(input)?;
            let (bytes, keys) = if version >= 2 { Decode::decode(input)? } else { (0, 0) };
            Ok(Self { ops, bytes, keys })
        })
    }
}
