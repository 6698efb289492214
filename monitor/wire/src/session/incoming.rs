//! Calls from outside: which of two crossing calls goes first, and whether both sides still mean the same
//! session.
//!
//! The rules are stock's, because both sides must come to the same end. Of two calls that cross, the one
//! from the lower address wins; the other is told to WAIT. Two deliberate differences, invisible to a stock
//! peer: WAIT is only said while an ident of ours is really on its way (stock says it also when none is, and
//! then both wait); and it is also said when the peer's ident carries the cookie that we know, where stock
//! lets both calls replace each other.

use mon_types::addr::AddrVec;

use super::{Policy, Session, SessionError, SessionEvent, SessionKey, State};
use crate::connection::{Connection, ConnectionError};
use crate::ident::{ClientIdent, FLAG_LOSSY, Reconnect, ServerIdent};
use crate::session_frame::SessionFrame;

/// What became of an incoming connection.
#[derive(Debug)]
#[must_use]
pub enum Incoming {
    /// It is the session's connection now; close the socket of an earlier one, give up a call of ours.
    Attached,
    /// The peer was answered something else; write it, and go on polling the connection.
    Answered(Box<Connection>),
    /// Refused: close it. When there is an answer it should be written first, as far as that goes.
    Refused(Box<Connection>, SessionError),
}

enum Verdict {
    Attach { reset: bool },
    Answer(SessionFrame),
    Refuse(SessionError),
    RefuseWith(SessionFrame, SessionError),
}

impl Session {
    /// Judges an authenticated incoming connection by the ident frame that it brought. `cookie` is a random
    /// number.
    ///
    /// # Errors
    /// The connection cannot be used further (a cipher failure).
    pub fn attach_incoming(
        &mut self,
        mut connection: Connection,
        ident: &SessionFrame,
        cookie: u64,
    ) -> Result<Incoming, ConnectionError> {
        let verdict = match ident {
            SessionFrame::ClientIdent(ident) => self.judge_ident(ident),
            SessionFrame::Reconnect(reconnect) => self.judge_reconnect(reconnect),
            other => Verdict::Refuse(SessionError::Unexpected(super::name(other))),
        };
        match verdict {
            Verdict::Answer(frame) => {
                connection.send(&frame)?;
                Ok(Incoming::Answered(Box::new(connection)))
            }
            Verdict::Refuse(error) => Ok(Incoming::Refused(Box::new(connection), error)),
            Verdict::RefuseWith(frame, error) => {
                connection.send(&frame)?;
                Ok(Incoming::Refused(Box::new(connection), error))
            }
            Verdict::Attach { reset } => {
                // A peer that goes on with the session merely changed connections; one that opens a new session
                // has lost the old one.
                let goes_on = matches!(ident, SessionFrame::Reconnect(_));
                if self.connection.take().is_some() && self.state == State::Open && !goes_on {
                    self.events.push_back(SessionEvent::Down(SessionError::Replaced.into()));
                }
                self.queue.requeue();
                if reset {
                    self.reset(true);
                }
                let accepted = match ident {
                    SessionFrame::ClientIdent(ident) => self.accept_ident(&mut connection, ident, cookie),
                    SessionFrame::Reconnect(reconnect) => self.accept_reconnect(&mut connection, reconnect),
                    _ => Ok(()),
                };
                if let Err(error) = accepted {
                    self.fail(None, error.clone());
                    return Err(error);
                }
                self.connection = Some(connection);
                self.open(goes_on);
                Ok(Incoming::Attached)
            }
        }
    }

    fn judge_ident(&self, ident: &ClientIdent) -> Verdict {
        let lacking = self.identity.features_required & !ident.features_supported;
        if lacking != 0 {
            return Verdict::RefuseWith(
                SessionFrame::MissingFeatures(lacking),
                SessionError::PeerLacks(lacking),
            );
        }
        let lacking = ident.features_required & !self.identity.features_supported;
        if lacking != 0 {
            return Verdict::Refuse(SessionError::WeLack(lacking));
        }
        if self.policy != Policy::Peer {
            // A client may reach us by a name or a translated address; whom it means is not our business.
            return Verdict::Attach { reset: false };
        }
        if SessionKey::of(&ident.addrs).is_none() {
            return Verdict::Refuse(SessionError::NoAddress);
        }
        if !self.identity.addrs.0.iter().any(|addr| addr.socket == ident.target.socket) {
            return Verdict::Refuse(SessionError::NotUs(ident.target));
        }
        if self.peer_global_seq > ident.global_seq {
            return Verdict::Refuse(SessionError::Stale(ident.global_seq, self.peer_global_seq));
        }
        let stood = self.client_cookie != 0 && self.server_cookie != 0;
        if stood && self.client_cookie != ident.cookie {
            // The peer has forgotten the session, most likely it was restarted.
            return Verdict::Attach { reset: true };
        }
        self.race(&ident.addrs)
    }

    fn judge_reconnect(&self, reconnect: &Reconnect) -> Verdict {
        if self.policy != Policy::Peer || self.client_cookie == 0 {
            return Verdict::Answer(SessionFrame::Reset { full: true });
        }
        if self.client_cookie != reconnect.client_cookie {
            return Verdict::Answer(SessionFrame::Reset { full: true });
        }
        if self.server_cookie == 0 {
            // The SERVER_IDENT to our call was lost: the session stands on their side only.
            return Verdict::Answer(SessionFrame::Reset { full: false });
        }
        if self.server_cookie != reconnect.server_cookie {
            return Verdict::Answer(SessionFrame::Reset { full: true });
        }
        if self.peer_global_seq > reconnect.global_seq {
            return Verdict::Answer(SessionFrame::RetryGlobal { global_seq: self.peer_global_seq });
        }
        if self.connect_seq > reconnect.connect_seq {
            return Verdict::Answer(SessionFrame::Retry { connect_seq: self.connect_seq });
        }
        if self.connect_seq == reconnect.connect_seq {
            return self.race(&reconnect.addrs);
        }
        Verdict::Attach { reset: false }
    }

    /// Both sides may be calling: the lower address goes first.
    fn race(&self, peer: &AddrVec) -> Verdict {
        if self.state == State::Identifying && order(peer) > order(&self.identity.addrs) {
            return Verdict::Answer(SessionFrame::Wait);
        }
        Verdict::Attach { reset: false }
    }

    fn accept_ident(
        &mut self,
        connection: &mut Connection,
        ident: &ClientIdent,
        cookie: u64,
    ) -> Result<(), ConnectionError> {
        let lossless = self.policy == Policy::Peer;
        self.peer = ident.addrs.clone();
        self.peer_number = ident.number;
        self.peer_global_seq = ident.global_seq;
        self.features = ident.features_supported & self.identity.features_supported;
        self.client_cookie = ident.cookie;
        self.server_cookie = if lossless { cookie.max(1) } else { 0 };
        self.connect_seq = 0;
        self.in_seq = 0;
        connection.send(&SessionFrame::ServerIdent(ServerIdent {
            addrs: self.identity.addrs.clone(),
            number: self.identity.number.unwrap_or(-1),
            global_seq: self.global_seq.next_above(0),
            features_supported: self.identity.features_supported,
            features_required: self.identity.features_required,
            flags: if lossless { 0 } else { FLAG_LOSSY },
            cookie: self.server_cookie,
        }))
    }

    fn accept_reconnect(
        &mut self,
        connection: &mut Connection,
        reconnect: &Reconnect,
    ) -> Result<(), ConnectionError> {
        self.peer_global_seq = reconnect.global_seq;
        self.connect_seq = reconnect.connect_seq;
        self.queue.acknowledge_requeued(reconnect.msg_seq);
        connection.send(&SessionFrame::ReconnectOk { msg_seq: self.in_seq })
    }
}

/// The order of `entity_addr_t` on both sides: by type, nonce, then the bytes of the socket
/// address (family, port, ..).
fn order(addrs: &AddrVec) -> Option<(u32, u32, Vec<u8>)> {
    let addr = SessionKey::of(addrs)?.addr();
    let mut bytes = Vec::new();
    match addr.socket? {
        std::net::SocketAddr::V4(v4) => {
            bytes.extend_from_slice(&[2]);
            bytes.extend_from_slice(&v4.port().to_be_bytes());
            bytes.extend_from_slice(&v4.ip().octets());
        }
        std::net::SocketAddr::V6(v6) => {
            bytes.extend_from_slice(&[10]);
            bytes.extend_from_slice(&v6.port().to_be_bytes());
            bytes.extend_from_slice(&v6.flowinfo().to_be_bytes());
            bytes.extend_from_slice(&v6.ip().octets());
        }
    }
    Some((addr.kind as u32, addr.nonce, bytes))
}
