//! Who is connected: handshakes under way, client sessions, sessions with monitors.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use mon_core::event::SessionId;
use mon_types::message::Envelope;
use mon_wire::SessionKey;
use tokio::sync::{mpsc, oneshot};

use super::peer::PeerCommand;

/// What the engine tells a client's task. Dropping the sender closes the session.
pub(super) type ClientSender = mpsc::Sender<Envelope>;

/// The task of a monitor's session.
#[derive(Debug, Clone)]
pub(super) struct PeerEntry {
    /// Tells one task from an earlier one for the same monitor.
    pub(super) generation: u64,
    pub(super) commands: mpsc::UnboundedSender<PeerCommand>,
}

/// How many connections there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Accepted and not yet authenticated.
    pub(crate) handshakes: usize,
    /// Client sessions.
    pub(crate) clients: usize,
    /// Monitors that a session is kept with, connected or not.
    pub(crate) peers: usize,
}

/// The tables. Locks are held for a lookup only.
pub(super) struct Registry {
    last: AtomicU64,
    handshakes_max: usize,
    /// By age. Dropping the sender ends the handshake.
    handshakes: Mutex<BTreeMap<u64, oneshot::Sender<()>>>,
    clients: Mutex<HashMap<SessionId, ClientSender>>,
    peers: Mutex<BTreeMap<SessionKey, PeerEntry>>,
}

/// Insertions and removals leave the tables whole even if a holder panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registry {
    pub(super) fn new(handshakes_max: usize) -> Self {
        Self {
            last: AtomicU64::new(0),
            handshakes_max,
            handshakes: Mutex::default(),
            clients: Mutex::default(),
            peers: Mutex::default(),
        }
    }

    /// A number that nothing else in this process has had.
    pub(super) fn next_id(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Enters a handshake, and ends the oldest when there are too many. The receiver ends when this one is to.
    pub(super) fn add_handshake(&self) -> (u64, oneshot::Receiver<()>) {
        let (sender, crowded) = oneshot::channel();
        let mut handshakes = lock(&self.handshakes);
        let id = self.next_id();
        handshakes.insert(id, sender);
        if handshakes.len() > self.handshakes_max {
            handshakes.pop_first();
        }
        (id, crowded)
    }

    /// A handshake has ended.
    pub(super) fn remove_handshake(&self, id: u64) {
        lock(&self.handshakes).remove(&id);
    }

    /// Enters a client session, unless there are too many.
    pub(super) fn add_client(&self, sessions_max: usize, sender: ClientSender) -> Option<SessionId> {
        let mut clients = lock(&self.clients);
        if clients.len() >= sessions_max {
            return None;
        }
        let session = SessionId(self.next_id());
        clients.insert(session, sender);
        Some(session)
    }

    /// Passes a message on to a client's task, if it is still there.
    pub(super) fn reply(&self, session: SessionId, message: Envelope) {
        let mut clients = lock(&self.clients);
        if let Some(sender) = clients.get(&session)
            && let Err(mpsc::error::TrySendError::Full(_)) = sender.try_send(message)
        {
            // It asks for more than it takes. (A task that just ended loses the message with the session.)
            clients.remove(&session);
        }
    }

    /// Forgets a client; its task ends when it notices.
    pub(super) fn close_client(&self, session: SessionId) {
        lock(&self.clients).remove(&session);
    }

    /// The table of monitors.
    pub(super) fn peers(&self) -> MutexGuard<'_, BTreeMap<SessionKey, PeerEntry>> {
        lock(&self.peers)
    }

    /// Ends everything.
    pub(super) fn clear(&self) {
        lock(&self.handshakes).clear();
        lock(&self.clients).clear();
        self.peers().clear();
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            handshakes: lock(&self.handshakes).len(),
            clients: lock(&self.clients).len(),
            peers: self.peers().len(),
        }
    }
}
