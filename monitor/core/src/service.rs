//! The framework of the services, Ceph's `PaxosService`.
//!
//! A service owns a store prefix with numbered versions. It keeps what is committed, collects pending
//! changes on the leader, and encodes them for the next Paxos value:
//!
//! ```text
//!   refresh <- store            every commit, everywhere
//!   query(command)              committed state, anywhere, once the read is confirmed
//!   prepare(command)            leader: onto the pending state, which later operations of the round see
//!   encode_pending -> value     takes the pending state; a value that is lost is prepared again
//! ```

pub(crate) mod auth;
pub(crate) mod config;
pub(crate) mod health;
pub(crate) mod kv;
pub(crate) mod log;
pub(crate) mod missing;
pub(crate) mod monmap;

use std::collections::BTreeMap;

use bytes::Bytes;
use mon_types::encode::Decode;
use mon_types::id::Version;
use mon_types::kv::{KvRead, StoreError, Transaction};
use mon_types::monmap::MonMap;
use rand_chacha::ChaCha20Rng;

use crate::effect::{Effects, Halt};
use crate::identity::Identity;
use crate::now::Now;
use crate::quorum::QuorumView;
use crate::settings::Settings;

/// What every service may look at.
pub(crate) struct Around<'a> {
    pub(crate) now: Now,
    pub(crate) store: &'a dyn KvRead,
    pub(crate) identity: &'a Identity,
    pub(crate) settings: &'a Settings,
    /// The committed map.
    pub(crate) monmap: &'a MonMap,
    pub(crate) quorum: Option<&'a QuorumView>,
    /// How many committed values each learner that follows us lacks, by name. On the leader.
    pub(crate) followers: &'a BTreeMap<String, u64>,
}

/// What preparing may use besides.
pub(crate) struct Preparing<'a> {
    pub(crate) around: Around<'a>,
    pub(crate) rng: &'a mut ChaCha20Rng,
}

/// Whether a command only looks or may change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Answered anywhere from committed state.
    Read,
    /// Answered by the leader.
    Write,
}

/// What all services do alike.
pub(crate) trait Service {
    /// Its store prefix.
    const PREFIX: &'static str;

    /// Takes over what was committed; `true` when something was.
    fn refresh(&mut self, store: &dyn KvRead, out: &mut Effects) -> Result<bool, Halt>;

    /// Whether something waits to be committed. On the leader alone.
    fn has_pending(&self) -> bool;

    /// Moves what is pending into the value.
    fn encode_pending(&mut self, around: &Around<'_>, value: &mut Transaction) -> Result<(), Halt>;

    /// Forgets what is pending, because we do not lead (any more).
    fn drop_pending(&mut self);
}

/// The versions of a service that the store holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) first: Version,
    pub(crate) last: Version,
}

pub(crate) const FIRST_COMMITTED: &str = "first_committed";
pub(crate) const LAST_COMMITTED: &str = "last_committed";

impl Versions {
    /// As stored.
    pub(crate) fn read(store: &dyn KvRead, prefix: &str) -> Result<Self, StoreError> {
        Ok(Self {
            first: store.read_version(prefix, FIRST_COMMITTED)?,
            last: store.read_version(prefix, LAST_COMMITTED)?,
        })
    }

    /// Adds the counters of the version after the last to a value, and removes versions so that `keep`
    /// stay, once `slack` more have gathered.
    pub(crate) fn advance(self, prefix: &str, value: &mut Transaction, keep: u64, slack: u64) -> Version {
        let next = self.last.next();
        value.put_u64(prefix, LAST_COMMITTED, next.0);
        if self.last.0 == 0 {
            value.put_u64(prefix, FIRST_COMMITTED, next.0);
        } else if next.0 - self.first.0 > keep + slack {
            let first = next.0 - keep;
            for version in self.first.0..first {
                value.erase(prefix, version.to_string());
            }
            value.put_u64(prefix, FIRST_COMMITTED, first);
        }
        next
    }
}

/// Reads a stored value that must be there.
pub(crate) fn stored<T: Decode>(store: &dyn KvRead, prefix: &str, key: &str) -> Result<T, Halt> {
    match stored_optional(store, prefix, key)? {
        Some(value) => Ok(value),
        None => {
            Err(StoreError::Damaged { what: format!("{prefix}/{key}"), why: "it is missing".into() }.into())
        }
    }
}

/// Reads a stored value.
pub(crate) fn stored_optional<T: Decode>(
    store: &dyn KvRead,
    prefix: &str,
    key: &str,
) -> Result<Option<T>, Halt> {
    let Some(bytes): Option<Bytes> = store.read(prefix, key)? else { return Ok(None) };
    match T::from_bytes(&bytes) {
        Ok(value) => Ok(Some(value)),
        Err(error) => Err(StoreError::undecodable(prefix, key, &error).into()),
    }
}
