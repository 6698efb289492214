//! A connection and whatever arrives on it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mon_types::addr::EntityAddr;
use mon_types::entity::EntityType;
use mon_wire::auth::{AuthMethod, Mode};
use mon_wire::{Connection, Event, Limits, Side};

use crate::session::pair::keys;

const NOW: Duration = Duration::from_secs(100);

/// The banner, with which every connection begins: marker, length, features supported and required.
const BANNER: &[u8] = b"ceph v2\n\x10\0\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// The first byte chooses side, mode, whether the banner is put in front, and the size of the pieces.
pub(crate) fn handshake(input: &[u8]) {
    let Some((first, rest)) = input.split_first() else { return };
    let side = if first & 1 == 0 { Side::Acceptor } else { Side::Connector };
    let mode = if first & 2 == 0 { Mode::Crc } else { Mode::Secure };
    let remote = EntityAddr::default();
    let limits = Arc::new(Limits::client());
    let mut connection = Connection::new(side, EntityType::Client, remote, limits, NOW);
    let mut bytes = if first & 4 == 0 { BANNER.to_vec() } else { Vec::new() };
    bytes.extend_from_slice(rest);
    let (session_key, connection_secret) = keys(mode);
    let piece = usize::from(first >> 3) * 7 + 1;
    for piece in bytes.chunks(piece) {
        if connection.handle_bytes(NOW, piece).is_err() {
            return;
        }
        loop {
            let event = match connection.poll_event() {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(_) => return,
            };
            let ask = Bytes::from_static(b"ask");
            let answered = match event {
                Event::Hello(_) => connection.auth_request(AuthMethod::CEPHX, &[mode], ask),
                Event::AuthRequest(_) => connection.auth_reply_more(b"prove it"),
                Event::AuthReplyMore(_) => connection.auth_request_more(b"proof"),
                Event::AuthRequestMore(_) => {
                    connection.auth_done(77, mode, ask, &session_key, &connection_secret)
                }
                Event::AuthDone(_) => connection.auth_complete(&session_key, &connection_secret),
                Event::AuthBadMethod(_) | Event::Authenticated | Event::Frame(_) | Event::Alive => Ok(()),
            };
            if answered.is_err() {
                return;
            }
        }
        while connection.poll_transmit().is_some() {}
    }
}
