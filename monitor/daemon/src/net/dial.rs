//! Calls another monitor: connects and proves that we have the `mon.` key.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mon_cephx::authorizer::Authorizer;
use mon_types::addr::EntityAddr;
use mon_types::entity::EntityType;
use mon_wire::auth::AuthMethod;
use mon_wire::{Connection, ConnectionError, Event, Secret, Side};
use tokio::net::TcpStream;

use super::Shared;
use super::handshake::{self, HandshakeError};
use super::socket::Socket;

/// How long connecting and authenticating may take. Monitors are near each other; a longer wait only hides
/// that one is gone.
const DIAL_MAX: Duration = Duration::from_secs(2);

/// Connects and authenticates.
pub(super) async fn dial(
    shared: Arc<Shared>,
    to: SocketAddr,
) -> Result<(Connection, Socket), HandshakeError> {
    tokio::time::timeout(DIAL_MAX, connect(&shared, to)).await.map_err(|_| HandshakeError::TooSlow)?
}

async fn connect(shared: &Shared, to: SocketAddr) -> Result<(Connection, Socket), HandshakeError> {
    let mut socket = Socket::new(TcpStream::connect(to).await?)?;
    let limits = shared.config.peer_limits.clone();
    let now = shared.clock.now();
    let remote = EntityAddr::msgr2(to);
    let mut connection = Connection::new(Side::Connector, EntityType::Mon, remote, limits, now.mono);
    let view = shared.auth.load_full();
    let authorizer = Authorizer::for_monitor(&view.mon.key, view.ttl.service, now.wall, &mut rand::rng())?;
    loop {
        match handshake::next_event(&mut connection, &mut socket, shared).await? {
            Event::Hello(_) => {
                let payload = authorizer.request(&mut rand::rng())?;
                connection.auth_request(AuthMethod::CEPHX, &shared.config.cluster_modes, payload)?;
            }
            Event::AuthReplyMore(challenge) => {
                let answer = authorizer.answer(&challenge, &mut rand::rng())?;
                connection.auth_request_more(&answer)?;
            }
            Event::AuthBadMethod(refusal) => return Err(HandshakeError::RefusedUs(refusal.result)),
            Event::AuthDone(done) => {
                let secret = Secret::from(authorizer.verify(&done.payload)?.as_slice());
                let session_key = Secret::from(authorizer.session_key().secret());
                connection.auth_complete(&session_key, &secret)?;
            }
            Event::Authenticated => return Ok((connection, socket)),
            Event::Alive => {}
            Event::AuthRequest(_) | Event::AuthRequestMore(_) | Event::Frame(_) => {
                return Err(ConnectionError::OutOfTurn.into());
            }
        }
    }
}
