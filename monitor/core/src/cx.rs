//! What every part of the core gets with an event: the time, the store, and where effects go.

use mon_types::kv::KvRead;

use crate::effect::Effects;
use crate::now::Now;

/// The surroundings of one event.
pub struct Cx<'a> {
    /// Both clocks as of the event.
    pub now: Now,
    /// The store as of the event; see [`KvRead`] for which writes it shows.
    pub store: &'a dyn KvRead,
    /// Where effects go.
    pub out: &'a mut Effects,
}

impl std::fmt::Debug for Cx<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cx").field("now", &self.now).field("out", &self.out).finish_non_exhaustive()
    }
}
