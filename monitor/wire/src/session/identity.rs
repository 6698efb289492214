//! Who is at the two ends of a session.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mon_types::addr::{AddrType, AddrVec, EntityAddr};
use mon_types::entity::EntityType;

/// What we tell about ourselves when a session opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// What we are.
    pub kind: EntityType,
    /// Our addresses.
    pub addrs: AddrVec,
    /// Our rank; for a client none: the global id that authentication gives.
    pub number: Option<i64>,
    /// Features that we have.
    pub features_supported: u64,
    /// Features that the other side must have.
    pub features_required: u64,
}

/// The attempt counter that all sessions of a process share. Start it at the wall clock's milliseconds, so that
/// a restarted process does not look like a stale attempt of the one before.
#[derive(Debug, Clone)]
pub struct GlobalSeq(Arc<AtomicU64>);

impl GlobalSeq {
    /// Counts from here.
    #[must_use]
    pub fn starting_at(first: u64) -> Self {
        Self(Arc::new(AtomicU64::new(first)))
    }

    /// The next number, above all earlier ones and above `floor`.
    pub(super) fn next_above(&self, floor: u64) -> u64 {
        // Saturating: a peer may claim the highest number, and then the session cannot be had with it.
        let next = |last: u64| last.max(floor).saturating_add(1);
        let last = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
        next(last.unwrap_or_else(|last| last))
    }
}

/// How a peer's session is found: by its msgr2 address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(EntityAddr);

impl SessionKey {
    /// The key for a peer with these addresses; none when there is no msgr2 address among them.
    #[must_use]
    pub fn of(addrs: &AddrVec) -> Option<Self> {
        addrs.0.iter().find(|addr| addr.kind == AddrType::Msgr2 && addr.socket.is_some()).copied().map(Self)
    }

    /// The address.
    #[must_use]
    pub fn addr(&self) -> EntityAddr {
        self.0
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who a session is with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedPeer {
    /// The addresses that it shows.
    pub addrs: AddrVec,
    /// Its rank or global id, as it says.
    pub number: i64,
    /// The features that both sides have.
    pub features: u64,
    /// Whether this goes on with a session, nothing being lost, or is a new one.
    pub resumed: bool,
}
