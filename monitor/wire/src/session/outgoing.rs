//! Our calls: we identify, and say it again differently as long as the peer tells us to.

use mon_types::addr::EntityAddr;

use super::{Policy, Session, SessionError, SessionKey, State};
use crate::connection::{Connection, ConnectionError};
use crate::ident::{ClientIdent, FLAG_LOSSY, Reconnect, ServerIdent};
use crate::session_frame::SessionFrame;

impl Session {
    /// Attaches a connection that we made and authenticated, and identifies. `cookie` is a random number.
    /// False: no longer wanted, drop it.
    pub fn attach_outgoing(&mut self, mut connection: Connection, cookie: u64) -> bool {
        if self.state != State::Dialing {
            return false;
        }
        let target = self.target(&connection);
        self.cookie_spare = cookie.max(1);
        if self.client_cookie == 0 {
            self.client_cookie = self.cookie_spare;
        }
        let result = self.identify(&mut connection, target, 0);
        self.connection = Some(connection);
        self.state = State::Identifying;
        if let Err(error) = result {
            self.fail(None, error);
        }
        true
    }

    pub(super) fn handle_server_ident(&mut self, ident: ServerIdent) -> Result<(), ConnectionError> {
        if self.server_cookie != 0 {
            return Err(SessionError::Unexpected("ServerIdent").into());
        }
        self.check_features(ident.features_supported)?;
        let lacking = ident.features_required & !self.identity.features_supported;
        if lacking != 0 {
            return Err(SessionError::WeLack(lacking).into());
        }
        if self.policy == Policy::Peer {
            self.server_cookie = ident.cookie;
        }
        if !ident.addrs.is_blank() && SessionKey::of(&ident.addrs).is_some() {
            self.peer = ident.addrs;
        }
        self.peer_global_seq = ident.global_seq;
        self.features = ident.features_supported & self.identity.features_supported;
        self.peer_number = ident.number;
        self.open(false);
        Ok(())
    }

    pub(super) fn check_features(&self, supported: u64) -> Result<(), SessionError> {
        match self.identity.features_required & !supported {
            0 => Ok(()),
            lacking => Err(SessionError::PeerLacks(lacking)),
        }
    }

    /// CLIENT_IDENT or SESSION_RECONNECT, by whether the session has stood before.
    fn identify(
        &mut self,
        connection: &mut Connection,
        target: EntityAddr,
        global_seq_floor: u64,
    ) -> Result<(), ConnectionError> {
        let global_seq = self.global_seq.next_above(global_seq_floor);
        let addrs = self.identity.addrs.clone();
        let frame = if self.server_cookie != 0 {
            SessionFrame::Reconnect(Reconnect {
                addrs,
                client_cookie: self.client_cookie,
                server_cookie: self.server_cookie,
                global_seq,
                connect_seq: self.connect_seq,
                msg_seq: self.in_seq,
            })
        } else {
            SessionFrame::ClientIdent(ClientIdent {
                addrs,
                target,
                number: self.identity.number.unwrap_or_else(|| connection.global_id() as i64),
                global_seq,
                features_supported: self.identity.features_supported,
                features_required: self.identity.features_required,
                flags: if self.policy == Policy::Peer { 0 } else { FLAG_LOSSY },
                cookie: self.client_cookie,
            })
        };
        connection.send(&frame)
    }

    pub(super) fn identify_again(&mut self, global_seq_floor: u64) -> Result<(), ConnectionError> {
        let Some(mut connection) = self.connection.take() else { return Ok(()) };
        let target = self.target(&connection);
        let result = self.identify(&mut connection, target, global_seq_floor);
        self.connection = Some(connection);
        result
    }

    fn target(&self, connection: &Connection) -> EntityAddr {
        SessionKey::of(&self.peer).map_or_else(|| connection.remote(), |key| key.addr())
    }
}
