//! The core's inbox: three queues, so that clients can never delay the quorum.
//!
//! What the process itself reports (finished writes, timers, admin requests) comes first, then other monitors,
//! then clients. Peers and clients wait when their queue is full, which makes a flood slow down its own
//! connections and nobody else's. What clients say is bounded in bytes, too.

use std::sync::Arc;

use mon_core::event::Event;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Where connection tasks and the store writer put events.
#[derive(Debug, Clone)]
pub(crate) struct EventSender {
    internal: mpsc::UnboundedSender<Event>,
    peers: mpsc::Sender<Event>,
    clients: mpsc::Sender<Weighed>,
    /// One permit for each byte of clients' messages that may wait.
    client_bytes: Arc<Semaphore>,
}

/// Where the engine takes them.
#[derive(Debug)]
pub(crate) struct EventReceiver {
    internal: mpsc::UnboundedReceiver<Event>,
    peers: mpsc::Receiver<Event>,
    clients: mpsc::Receiver<Weighed>,
}

/// An event, and its part of the bytes that may wait.
type Weighed = (Event, Option<OwnedSemaphorePermit>);

/// Bytes of clients' messages that may wait; one message may exceed it.
const CLIENT_BYTES_MAX: u32 = 64 << 20;

/// The engine is gone: the process is ending.
#[derive(Debug, thiserror::Error)]
#[error("the monitor is stopping")]
pub(crate) struct Stopping;

/// A new inbox that holds so many waiting events of peers and of clients.
pub(crate) fn channel(peers_max: usize, clients_max: usize) -> (EventSender, EventReceiver) {
    let (internal_tx, internal) = mpsc::unbounded_channel();
    let (peers_tx, peers) = mpsc::channel(peers_max);
    let (clients_tx, clients) = mpsc::channel(clients_max);
    (
        EventSender {
            internal: internal_tx,
            peers: peers_tx,
            clients: clients_tx,
            client_bytes: Arc::new(Semaphore::new(CLIENT_BYTES_MAX as usize)),
        },
        EventReceiver { internal, peers, clients },
    )
}

impl EventSender {
    /// Reports something of the process's own. Bounded by what the core itself started.
    ///
    /// # Errors
    /// When the engine has ended.
    pub(crate) fn internal(&self, event: Event) -> Result<(), Stopping> {
        self.internal.send(event).map_err(|_| Stopping)
    }

    /// Delivers an event of another monitor, waiting while the queue is full.
    ///
    /// # Errors
    /// When the engine has ended.
    pub(crate) async fn peer(&self, event: Event) -> Result<(), Stopping> {
        self.peers.send(event).await.map_err(|_| Stopping)
    }

    /// Delivers an event of a client, waiting while the queue is full.
    ///
    /// # Errors
    /// When the engine has ended.
    pub(crate) async fn client(&self, event: Event) -> Result<(), Stopping> {
        self.clients.send((event, None)).await.map_err(|_| Stopping)
    }

    /// As [`EventSender::client`], for a message of so many bytes: waits until there is room for them.
    ///
    /// # Errors
    /// When the engine has ended.
    pub(crate) async fn client_message(&self, event: Event, bytes: usize) -> Result<(), Stopping> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(CLIENT_BYTES_MAX);
        let permit = self.client_bytes.clone().acquire_many_owned(bytes).await.map_err(|_| Stopping)?;
        self.clients.send((event, Some(permit))).await.map_err(|_| Stopping)
    }
}

impl EventReceiver {
    /// The next event in order of precedence; none when the deadline comes first.
    pub(crate) async fn next(&mut self, deadline: Option<tokio::time::Instant>) -> Option<Event> {
        let expiry = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Some(event) = self.internal.recv() => Some(event),
            Some(event) = self.peers.recv() => Some(event),
            () = expiry => None,
            // The permit goes back here: the core bounds what it takes over.
            Some((event, _permit)) = self.clients.recv() => Some(event),
        }
    }
}

#[cfg(test)]
mod tests {
    use mon_core::effect::WriteId;
    use mon_core::event::SessionId;

    use super::*;

    #[tokio::test]
    async fn own_reports_come_before_peers_and_peers_before_clients() {
        let (sender, mut receiver) = channel(4, 4);
        sender.client(Event::ClientClosed { session: SessionId(1) }).await.unwrap();
        sender.peer(Event::PeerDown { peer: Default::default() }).await.unwrap();
        sender.internal(Event::Persisted(WriteId(7))).unwrap();
        assert!(matches!(receiver.next(None).await, Some(Event::Persisted(WriteId(7)))));
        assert!(matches!(receiver.next(None).await, Some(Event::PeerDown { .. })));
        assert!(matches!(receiver.next(None).await, Some(Event::ClientClosed { .. })));
    }

    #[tokio::test]
    async fn messages_of_clients_wait_for_room_in_bytes() {
        let (sender, mut receiver) = channel(4, 100);
        let event = || Event::ClientAlive { session: SessionId(1) };
        let half = CLIENT_BYTES_MAX as usize / 2;
        sender.client_message(event(), half).await.unwrap();
        // Larger than everything that may wait: it goes alone.
        let mut huge = Box::pin(sender.client_message(event(), usize::MAX));
        assert!(poll_once(&mut huge).await.is_none(), "there is no room");
        assert!(receiver.next(None).await.is_some());
        assert!(poll_once(&mut huge).await.is_some());
        let mut small = Box::pin(sender.client_message(event(), 1));
        assert!(poll_once(&mut small).await.is_none());
    }

    /// What a future gives if it is asked just once.
    async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|cx| match std::pin::Pin::new(&mut *future).poll(cx) {
            std::task::Poll::Ready(value) => std::task::Poll::Ready(Some(value)),
            std::task::Poll::Pending => std::task::Poll::Ready(None),
        })
        .await
    }
}
