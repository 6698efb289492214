//! The network: listens, authenticates, keeps sessions, and moves messages between them and the core.
//!
//! ```text
//!   listener --> handshake (one task each) --+--> client task: one per client session
//!                                            +--> peer task:   one per monitor, outlives its connections,
//!                                                              connects by itself
//!   connection tasks --- events (decoded) ---> the core's inbox (peers and clients have queues of their own)
//!   NetHandle <--- sends, replies --- the engine; never waits
//! ```
//! Every byte and every decoding error of a peer stays in its own task.

mod budget;
mod client;
mod config;
mod dial;
mod handshake;
mod listener;
mod peer;
mod registry;
mod socket;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use mon_cephx::server::AuthView;
use mon_core::event::SessionId;
use mon_types::addr::AddrVec;
use mon_types::entity::EntityType;
use mon_types::id::Rank;
use mon_types::message::Envelope;
use mon_wire::{GlobalSeq, Identity};
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::queue::EventSender;
use crate::requests::Requests;
use budget::Budget;
pub(crate) use config::NetConfig;
pub(crate) use registry::Counts;
use registry::Registry;

/// What all tasks of the network share.
pub(crate) struct Shared {
    config: NetConfig,
    auth: Arc<ArcSwap<AuthView>>,
    events: EventSender,
    requests: Requests,
    clock: Clock,
    global_seq: GlobalSeq,
    /// As we show ourselves; changes with our rank.
    identity: ArcSwap<Identity>,
    registry: Registry,
    budget: Budget,
}

/// The engine's side of the network. No call waits or fails: what cannot be delivered is the session's loss,
/// and the core learns of it by an event.
#[derive(Clone)]
pub(crate) struct NetHandle {
    shared: Arc<Shared>,
    listeners: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

/// Binds the configured addresses and starts to serve.
///
/// # Errors
/// When an address cannot be bound; the text names it.
pub(crate) async fn start(
    config: NetConfig,
    auth: Arc<ArcSwap<AuthView>>,
    events: EventSender,
    requests: Requests,
    clock: Clock,
) -> io::Result<NetHandle> {
    let mut listeners = Vec::new();
    for address in &config.bind {
        let listener = listener::bind(*address).map_err(|error| {
            let text = format!(
                "cannot listen on {address}: {error}; stop the process that has the port, or correct the address in \
                 the monmap or public_bind_addr"
            );
            io::Error::new(error.kind(), text)
        })?;
        listeners.push(listener);
    }
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let shared = Arc::new(Shared {
        identity: ArcSwap::from_pointee(identity(&config, None)),
        registry: Registry::new(config.client_limits.unauthenticated_max),
        budget: Budget::new(config.client_bytes_max, config.client_limits.sessions_max),
        global_seq: GlobalSeq::starting_at(wall.as_secs() * 1000 + u64::from(wall.subsec_millis())),
        config,
        auth,
        events,
        requests,
        clock,
    });
    let tasks = listeners.into_iter().map(|listener| tokio::spawn(listener::run(listener, shared.clone())));
    let listeners = Arc::new(Mutex::new(tasks.collect()));
    Ok(NetHandle { shared, listeners })
}

fn identity(config: &NetConfig, rank: Option<Rank>) -> Identity {
    Identity {
        kind: EntityType::Mon,
        addrs: config.addrs.clone(),
        number: Some(rank.map_or(-1, |rank| i64::from(rank.0))),
        features_supported: config.features.0,
        features_required: 0,
    }
}

/// Waits for a monotonic time; for ever without one.
async fn sleep_until(clock: &Clock, mono: Option<Duration>) {
    match mono {
        Some(mono) => tokio::time::sleep_until(clock.instant(mono)).await,
        None => std::future::pending().await,
    }
}

impl NetHandle {
    /// Sends to a monitor, connecting if need be.
    pub(crate) fn send(&self, to: &AddrVec, message: Envelope) {
        peer::send(&self.shared, to, message);
    }

    /// Sends to a client session.
    pub(crate) fn reply(&self, session: SessionId, message: Envelope) {
        self.shared.registry.reply(session, message);
    }

    /// Closes a client session.
    pub(crate) fn close(&self, session: SessionId) {
        self.shared.registry.close_client(session);
    }

    /// Keeps sessions with exactly these monitors, as this rank; with `reset` they are all made anew.
    pub(crate) fn set_peers(&self, rank: Option<Rank>, peers: Vec<AddrVec>, reset: bool) {
        self.shared.identity.store(Arc::new(identity(&self.shared.config, rank)));
        peer::set(&self.shared, &peers, reset);
    }

    /// Forgets a peer's session with what is queued in it.
    pub(crate) fn drop_peer(&self, peer: &AddrVec) {
        peer::drop_session(&self.shared, peer);
    }

    /// Stops listening and closes all sessions. When it returns the addresses are free again.
    pub(crate) async fn stop(&self) {
        let listeners = std::mem::take(&mut *self.listeners.lock().unwrap_or_else(PoisonError::into_inner));
        for listener in listeners {
            listener.abort();
            let _aborted = listener.await;
        }
        self.shared.registry.clear();
    }

    /// How many connections there are, by kind.
    pub(crate) fn counts(&self) -> Counts {
        self.shared.registry.counts()
    }
}

#[cfg(test)]
mod tests;
