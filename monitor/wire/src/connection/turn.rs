//! What the application says when it has the turn in the authentication exchange.

use bytes::Bytes;

#[cfg(doc)]
use super::Event;
use super::{Connection, Phase, Side};
use crate::auth::{AuthBadMethod, AuthDone, AuthMethod, AuthRequest, Mode};
use crate::connection::ConnectionError;
use crate::crypto::{self, CipherPair, Secret};
use crate::tag::Tag;

impl Connection {
    /// Connector, after [`Event::Hello`] or [`Event::AuthBadMethod`]: asks for a method, offering modes
    /// best first.
    ///
    /// # Errors
    /// Out of turn.
    pub fn auth_request(
        &mut self,
        method: AuthMethod,
        modes: &[Mode],
        payload: Bytes,
    ) -> Result<(), ConnectionError> {
        self.take_turn(Side::Connector, Phase::Auth)?;
        self.modes_offered = modes.iter().map(|&mode| mode as u32).collect();
        let preferred_modes = self.modes_offered.clone();
        self.write(Tag::AuthRequest, &AuthRequest { method, preferred_modes, payload })
    }

    /// Connector, after [`Event::AuthReplyMore`].
    ///
    /// # Errors
    /// Out of turn.
    pub fn auth_request_more(&mut self, payload: &[u8]) -> Result<(), ConnectionError> {
        self.take_turn(Side::Connector, Phase::Auth)?;
        self.write(Tag::AuthRequestMore, &payload)
    }

    /// Connector, after [`Event::AuthDone`]: the acceptor has proven itself; these are the keys that the
    /// method agreed on (none under `AUTH_NONE`; no connection secret in crc mode).
    ///
    /// # Errors
    /// Out of turn, or a secret that secure mode cannot use.
    pub fn auth_complete(
        &mut self,
        session_key: &Secret,
        connection_secret: &Secret,
    ) -> Result<(), ConnectionError> {
        self.take_turn(Side::Connector, Phase::Signature)?;
        self.begin_mode(session_key, connection_secret)
    }

    /// Acceptor: asks for more.
    ///
    /// # Errors
    /// Out of turn.
    pub fn auth_reply_more(&mut self, payload: &[u8]) -> Result<(), ConnectionError> {
        self.take_turn(Side::Acceptor, Phase::Auth)?;
        self.write(Tag::AuthReplyMore, &payload)
    }

    /// Acceptor: refuses. The connector may ask again.
    ///
    /// # Errors
    /// Out of turn.
    pub fn auth_bad_method(&mut self, refusal: &AuthBadMethod) -> Result<(), ConnectionError> {
        self.take_turn(Side::Acceptor, Phase::Auth)?;
        self.first_request_seen = false;
        self.write(Tag::AuthBadMethod, refusal)
    }

    /// Acceptor: agrees, with the method's last words and the keys it agreed on.
    ///
    /// # Errors
    /// Out of turn, or a secret that secure mode cannot use.
    pub fn auth_done(
        &mut self,
        global_id: u64,
        mode: Mode,
        payload: Bytes,
        session_key: &Secret,
        connection_secret: &Secret,
    ) -> Result<(), ConnectionError> {
        self.take_turn(Side::Acceptor, Phase::Signature)?;
        self.global_id = global_id;
        self.mode = Some(mode);
        self.write(Tag::AuthDone, &AuthDone { global_id, mode: mode as u32, payload })?;
        self.begin_mode(session_key, connection_secret)
    }

    fn take_turn(&mut self, side: Side, next: Phase) -> Result<(), ConnectionError> {
        if self.phase != Phase::Application || self.side != side {
            return Err(ConnectionError::OutOfTurn);
        }
        self.phase = next;
        Ok(())
    }

    /// Ends the transcript, switches to the agreed mode and signs.
    fn begin_mode(
        &mut self,
        session_key: &Secret,
        connection_secret: &Secret,
    ) -> Result<(), ConnectionError> {
        let transcript = self.transcript.take().unwrap_or_default();
        if self.mode == Some(Mode::Secure) {
            let ciphers = CipherPair::new(connection_secret, self.side == Side::Connector)?;
            self.reader.secure(ciphers.rx);
            self.writer.secure(ciphers.tx);
        }
        self.signature_due = crypto::signature(session_key, &transcript.sent);
        let ours = crypto::signature(session_key, &transcript.received);
        Ok(self.writer.write(Tag::AuthSignature, [&ours, &[], &[], &[]], &mut self.out)?)
    }
}
