//! Sessions with clients, OSDs, MDSs and mgrs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mon_types::id::Version;

use crate::event::SessionId;
use crate::operation::Requester;

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) requester: Arc<Requester>,
    /// What it subscribed to, by name.
    pub(crate) subscriptions: BTreeMap<String, Subscription>,
    /// Operations that it waits for.
    pub(crate) operations: usize,
    /// Monotonic time of its last sign of life.
    pub(crate) alive: Duration,
    /// The host that it named.
    pub(crate) hostname: String,
}

/// What a session wants next of one subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subscription {
    /// The first version that it does not have.
    pub(crate) next: Version,
    /// Ends with the first answer.
    pub(crate) onetime: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    by_id: BTreeMap<SessionId, Session>,
}

impl Sessions {
    pub(crate) fn open(&mut self, id: SessionId, requester: Requester, now: Duration) {
        let session = Session {
            requester: Arc::new(requester),
            subscriptions: BTreeMap::new(),
            operations: 0,
            alive: now,
            hostname: String::new(),
        };
        self.by_id.insert(id, session);
    }

    pub(crate) fn close(&mut self, id: SessionId) -> Option<Session> {
        self.by_id.remove(&id)
    }

    pub(crate) fn find(&self, id: SessionId) -> Option<&Session> {
        self.by_id.get(&id)
    }

    pub(crate) fn find_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.by_id.get_mut(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (SessionId, &Session)> {
        self.by_id.iter().map(|(id, session)| (*id, session))
    }

    pub(crate) fn count(&self) -> usize {
        self.by_id.len()
    }

    /// Those without a sign of life for `timeout`.
    pub(crate) fn silent(&self, now: Duration, timeout: Duration) -> Vec<SessionId> {
        let late = |session: &Session| now.saturating_sub(session.alive) > timeout;
        self.iter().filter(|(_, session)| late(session)).map(|(id, _)| id).collect()
    }

    pub(crate) fn ids(&self) -> Vec<SessionId> {
        self.by_id.keys().copied().collect()
    }
}
