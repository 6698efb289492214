//! The core's inbox: three queues, so that clients can never delay the quorum.
//!
//! What the process itself reports (finished writes, timers, admin requests) comes first, then other monitors,
//! then clients. Peers and clients wait when their queue is full, in events or in bytes, which makes a flood slow
//! down its own connections and nobody else's.

use std::sync::Arc;

use mon_core::event::Event;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Where connection tasks and the store writer put events.
#[derive(Debug, Clone)]
pub(crate) struct EventSender {
    internal: mpsc::UnboundedSender<Event>,
    peers: Lane,
    clients: Lane,
}

/// A queue that is bounded in events and in bytes.
#[derive(Debug, Clone)]
struct Lane {
    events: mpsc::Sender<Weighed>,
    /// One permit for each byte of messages that may wait.
    room: Arc<Semaphore>,
}

/// Where the engine takes them.
#[derive(Debug)]
pub(crate) struct EventReceiver {
    internal: mpsc::UnboundedReceiver<Event>,
    peers: mpsc::Receiver<Weighed>,
    clients: mpsc::Receiver<Weighed>,
}

/// An event, and its part of the bytes that may wait.
type Weighed = (Event, Option<OwnedSemaphorePermit>);

/// Bytes of messages that may wait in a queue; one message may exceed it.
const QUEUE_BYTES_MAX: u32 = 64 << 20;

/// The engine is gone: the process is ending.
#[derive(Debug, thiserror::Error)]
#[error("the monitor is stopping")]
pub(crate) struct Stopping;

/// A new inbox that holds so many waiting events of peers and of clients.
pub(crate) fn channel(peers_max: usize, clients_max: usize) -> (EventSender, EventReceiver) {
    let (internal_tx, internal) = mpsc::unbounded_channel();
    let (peers_tx, peers) = Lane::new(peers_max);
    let (clients_tx, clients) = Lane::new(clients_max);
    (
        EventSender { internal: internal_tx, peers: peers_tx, clients: clients_tx },
        EventReceiver { internal, peers, clients },
    )
}

impl Lane {
    fn new(events_max: usize) -> (Self, mpsc::Receiver<Weighed>) {
        let (events, receiver) = mpsc::channel(events_max);
        (Self { events, room: Arc::new(Semaphore::new(QUEUE_BYTES_MAX as usize)) }, receiver)
    }

    async fn put(&self, event: Event) -> Result<(), Stopping> {
        self.events.send((event, None)).await.map_err(|_| Stopping)
    }

    /// Waits until there is room for so many bytes as well.
    async fn put_message(&self, event: Event, bytes: usize) -> Result<(), Stopping> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(QUEUE_BYTES_MAX);
        let permit = self.room.clone().acquire_many_owned(bytes).await.map_err(|_| Stopping)?;
        self.events.send((event, Some(permit))).await.map_err(|_| Stopping)
    }
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
        self.peers.put(event).await
    }

    /// As [`EventSender::peer`], for a message of so many bytes: waits until there is room for them.
    ///
    /// # Errors
    /// When the engine has ended.
    pub(crate) async fn peer_message(&self, event: Event, bytes: usize) -> Result<(), Stopping> {
        self.peers.put_message(event, bytes).await
    }

    /// Delivers an event of a client, waiting while the queue is full.
    ///
    /// # Errors
    /// When the engine has ended.
    pub(crate) async fn client(&self, event: Event) -> Result<(), Stopping> {
        self.clients.put(event).await
    }

    /// As [`EventSender::client`], for a message of so many bytes: waits until there is room for them.
    ///
    /// # Errors
    /// When the engine has ended.
    pub(crate) async fn client_message(&self, event: Event, bytes: usize) -> Result<(), Stopping> {
        self.clients.put_message(event, bytes).await
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
            // The permit goes back here: the core bounds what it takes over.
            Some((event, _permit)) = self.peers.recv() => Some(event),
            () = expiry => None,
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
    async fn messages_wait_for_room_in_bytes() {
        let (sender, mut receiver) = channel(100, 100);
        let half = QUEUE_BYTES_MAX as usize / 2;
        let alive = || Event::ClientAlive { session: SessionId(1) };
        let down = || Event::PeerDown { peer: Default::default() };
        sender.client_message(alive(), half).await.unwrap();
        // Larger than everything that may wait: it goes alone.
        let mut huge = Box::pin(sender.client_message(alive(), usize::MAX));
        assert!(poll_once(&mut huge).await.is_none(), "there is no room");
        // Peers have room of their own, and as much of it.
        sender.peer_message(down(), half).await.unwrap();
        let mut huge_peer = Box::pin(sender.peer_message(down(), usize::MAX));
        assert!(poll_once(&mut huge_peer).await.is_none(), "there is no room");
        assert!(matches!(receiver.next(None).await, Some(Event::PeerDown { .. })));
        assert!(poll_once(&mut huge_peer).await.is_some());
        assert!(poll_once(&mut huge).await.is_none(), "a peer's room is no client's");
        assert!(matches!(receiver.next(None).await, Some(Event::PeerDown { .. })));
        assert!(matches!(receiver.next(None).await, Some(Event::ClientAlive { .. })));
        assert!(poll_once(&mut huge).await.is_some());
        let mut small = Box::pin(sender.client_message(alive(), 1));
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
