//! A client's session: its messages to the core, the core's replies to it.

use std::net::SocketAddr;
use std::sync::Arc;

use mon_cephx::server::Authenticated;
use mon_core::event::{ClientInfo, Event, SessionId};
use mon_types::addr::AddrVec;
use mon_types::caps::MonCap;
use mon_types::features::Features;
use mon_types::message::Envelope;
use mon_wire::{Identity, Incoming, Policy, Session, SessionEvent, SessionFrame};
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use super::handshake::Established;
use super::socket::{Socket, Turn};
use super::{Shared, sleep_until};
use crate::queue::Stopping;

/// Replies that are taken over from the engine at a time.
const BATCH: usize = 256;

struct Client<'a> {
    shared: &'a Shared,
    id: SessionId,
    session: Session,
    authenticated: Box<Authenticated>,
    remote: SocketAddr,
    opened: bool,
}

/// Serves an authenticated client until its session ends.
pub(super) async fn serve(
    shared: &Arc<Shared>,
    established: Established,
    mut socket: Socket,
    ident: &SessionFrame,
    remote: SocketAddr,
) {
    let limits = shared.config.client_limits.clone();
    let identity = Identity {
        features_required: Features::REQUIRED_OF_CLIENTS.0,
        ..Identity::clone(&shared.identity.load())
    };
    let global_seq = shared.global_seq.clone();
    let mut session =
        Session::new(Policy::Server, Arc::new(identity), AddrVec::default(), limits, global_seq);
    match session.attach_incoming(established.connection, ident, 0) {
        Ok(Incoming::Attached) => {}
        Ok(Incoming::Refused(mut connection, error)) => {
            info!("client {} from {remote} refused: {error}", established.authenticated.entity);
            if let Some(answer) = connection.poll_transmit() {
                socket.write_last(&answer);
            }
            return;
        }
        Ok(Incoming::Answered(_)) | Err(_) => return,
    }
    let (sender, replies) = mpsc::channel(shared.config.client_limits.queue_messages_max);
    let Some(id) = shared.registry.add_client(shared.config.client_limits.sessions_max, sender) else {
        warn!("client from {remote} refused: the most sessions allowed are open");
        return;
    };
    let authenticated = established.authenticated;
    let mut client = Client { shared, id, session, authenticated, remote, opened: false };
    // An error means that the engine has ended; then nobody needs to know more.
    let _stopping = client.run(&mut socket, replies).await;
    shared.registry.close_client(id);
    if client.opened {
        let _stopping = shared.events.client(Event::ClientClosed { session: id }).await;
    }
}

impl Client<'_> {
    async fn run(
        &mut self,
        socket: &mut Socket,
        mut replies: mpsc::Receiver<Envelope>,
    ) -> Result<(), Stopping> {
        let mut batch = Vec::with_capacity(BATCH);
        let mut share = self.shared.budget.share();
        loop {
            let now = self.shared.clock.now().mono;
            while let Some(event) = self.session.poll_event(now) {
                self.deliver(event).await?;
            }
            let kept = self.session.queued().1 + self.session.incomplete_bytes() + socket.unwritten_bytes();
            if let Err(error) = share.set(kept) {
                info!("closing client {} from {}: {error}", self.authenticated.entity, self.remote);
                return Ok(());
            }
            if socket.is_written()
                && let Some(bytes) = self.session.poll_transmit(now)
            {
                socket.write(bytes);
            }
            if !self.session.is_attached() {
                return Ok(());
            }
            tokio::select! {
                turn = socket.turn() => match turn {
                    Ok(Turn::Received(bytes)) => self.session.handle_bytes(self.shared.clock.now().mono, &bytes),
                    Ok(Turn::Wrote) => {}
                    Err(error) => self.session.handle_lost(now, error.to_string()),
                },
                count = replies.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        // The engine closed the session; what it said before still goes out.
                        socket.finish(&mut self.session, now).await;
                        return Ok(());
                    }
                    for reply in batch.drain(..) {
                        if let Err(error) = self.session.send(now, reply.to_raw()) {
                            info!("closing client {} from {}: {error}", self.authenticated.entity, self.remote);
                            return Ok(());
                        }
                    }
                }
                () = sleep_until(&self.shared.clock, self.session.poll_timeout()) => {
                    self.session.handle_timeout(self.shared.clock.now().mono);
                }
            }
        }
    }

    async fn deliver(&mut self, event: SessionEvent) -> Result<(), Stopping> {
        let session = self.id;
        let event = match event {
            SessionEvent::Opened(peer) => {
                self.opened = true;
                Event::ClientOpened { session, client: self.info(peer.addrs, peer.features) }
            }
            SessionEvent::Message(raw) => match Envelope::decode(&raw) {
                Ok(message) => {
                    let event = Event::ClientMessage { session, message };
                    return self.shared.events.client_message(event, raw.payload_len()).await;
                }
                Err(error) => {
                    let Authenticated { entity, .. } = &*self.authenticated;
                    info!("closing client {entity} from {}: message {}: {error}", self.remote, raw.kind);
                    self.session.close();
                    return Ok(());
                }
            },
            SessionEvent::Alive => Event::ClientAlive { session },
            SessionEvent::Down(error) | SessionEvent::Closed(error) => {
                debug!("client {} from {}: {error}", self.authenticated.entity, self.remote);
                return Ok(());
            }
        };
        self.shared.events.client(event).await
    }

    fn info(&self, addrs: AddrVec, features: u64) -> ClientInfo {
        let Authenticated { entity, global_id, caps, used_pending_key, .. } = &*self.authenticated;
        let caps = caps.parse().unwrap_or_else(|error| {
            warn!("{entity} has mon caps that cannot be read, it may do nothing: {error}");
            MonCap::default()
        });
        ClientInfo {
            entity: entity.clone(),
            global_id: *global_id,
            caps,
            addrs,
            socket: Some(self.remote),
            features,
            used_pending_key: used_pending_key.clone(),
            release: Features(features).release().map_or(0, |release| release as u8),
        }
    }
}
