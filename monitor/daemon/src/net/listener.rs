//! Accepts connections and sends each through its handshake, so many at a time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mon_types::addr::EntityAddr;
use mon_types::entity::EntityType;
use mon_wire::{Connection, SessionFrame, Side};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tracing::{debug, warn};

use super::handshake::{self, Established, HandshakeError};
use super::socket::Socket;
use super::{Shared, client, peer};

/// Connections that the kernel holds for us until we accept them.
const BACKLOG: u32 = 1024;

/// How long to rest when accepting fails (out of file descriptors, most likely).
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Binds an address. A restarted monitor must get its address back at once, hence `SO_REUSEADDR`.
pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves a listening socket for ever.
pub(super) async fn run(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => {
                // The newest connection may push out the oldest that is still in its handshake: a flood of
                // idle ones cannot keep out those that get on with it.
                let (id, crowded) = shared.registry.add_handshake();
                tokio::spawn(serve(stream, remote, id, crowded, shared.clone()));
            }
            Err(error) => {
                warn!("cannot accept connections: {error}");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

async fn serve(
    stream: TcpStream,
    remote: SocketAddr,
    id: u64,
    crowded: oneshot::Receiver<()>,
    shared: Arc<Shared>,
) {
    let established = tokio::select! {
        established = handshake(stream, remote, &shared) => established,
        _ = crowded => Err(HandshakeError::Crowded),
    };
    shared.registry.remove_handshake(id);
    match established {
        Ok((established, socket, ident)) if established.authenticated.is_monitor => {
            peer::incoming(&shared, established.connection, socket, ident).await;
        }
        Ok((established, socket, ident)) => client::serve(&shared, established, socket, &ident, remote).await,
        Err(error) => debug!("connection from {remote}: {error}"),
    }
}

async fn handshake(
    stream: TcpStream,
    remote: SocketAddr,
    shared: &Shared,
) -> Result<(Established, Socket, SessionFrame), HandshakeError> {
    let limits = shared.config.client_limits.clone();
    let age_max = limits.handshake_age_max;
    let mut socket = Socket::new(stream)?;
    let now = shared.clock.now().mono;
    let remote = EntityAddr::msgr2(remote);
    let connection = Connection::new(Side::Acceptor, EntityType::Mon, remote, limits, now);
    let whole = async {
        let mut established = handshake::accept(connection, &mut socket, shared).await?;
        let ident = handshake::next_frame(&mut established.connection, &mut socket, shared).await?;
        Ok::<_, HandshakeError>((established, ident))
    };
    let (established, ident) =
        tokio::time::timeout(age_max, whole).await.map_err(|_| HandshakeError::TooSlow)??;
    Ok((established, socket, ident))
}
