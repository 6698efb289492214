//! Sessions: what outlives a connection between two monitors, and what a client's connection carries.
//!
//! ```text
//!            poll_dial          attach_outgoing              SERVER_IDENT, RECONNECT_OK
//!   Idle ----------------> Dialing ------------> Identifying --------------------------> Open
//!    ^  ^                     |                      |  RESET, RETRY, RETRY_GLOBAL:        |
//!    |  +-- dial failed ------+                      |  say it again, differently          |
//!    |                                               | WAIT: Waiting for the peer's call   |
//!    +------------------- connection lost -----------+-------------------------------------+
//!   any state of a peer session -- attach_incoming, if the rules let the call win --> Open
//! ```
//! A lossless session numbers its messages, keeps them until acknowledged, and after a reconnect sends
//! again what the other side did not get; the receiver drops what it already has. Two cookies, one made by
//! each side, tell whether both still mean the same session. How we call is in `session/outgoing.rs`, how calls
//! are taken and who wins when they cross in `session/incoming.rs`. Source: msgr2 protocol, "Message flow
//! handshake"; stock behaviour observed.

mod error;
mod identity;
mod incoming;
mod outgoing;
mod queue;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mon_types::addr::AddrVec;
use mon_types::message::RawMessage;

use crate::bug;
use crate::connection::{Connection, ConnectionError, Event};
use crate::limits::Limits;
use crate::session_frame::SessionFrame;
use queue::Queue;

pub use error::SessionError;
pub use identity::{GlobalSeq, Identity, OpenedPeer, SessionKey};
pub use incoming::Incoming;

/// About how many bytes [`Session::poll_transmit`] encodes at a time.
pub const TRANSMIT_BYTES: usize = 64 << 10;

/// Largest message that is sent: what all segments together can have with 32-bit lengths, and sense.
const MESSAGE_BYTES_MAX: usize = 1 << 30;

/// What kind of session it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Between monitors: lossless, either side connects.
    Peer,
    /// We are a client of a monitor: lossy, ends with its connection.
    Client,
    /// We serve a client: lossy, ends with its connection.
    Server,
}

/// What happened in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// It stands.
    Opened(OpenedPeer),
    /// A message, once and in order.
    Message(RawMessage),
    /// A sign of life (keepalive).
    Alive,
    /// Peer session: the connection is gone; the session goes on with another.
    Down(ConnectionError),
    /// Lossy session: over.
    Closed(ConnectionError),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No connection; call at this time, if any.
    Idle { dial_at: Option<Duration> },
    /// The driver is connecting and authenticating.
    Dialing,
    /// Our ident is out.
    Identifying,
    /// The peer said that it is calling us; call it again at this time.
    Waiting { until: Duration },
    /// Messages flow.
    Open,
    /// Lossy only: over.
    Closed,
}

/// A session. See the crate's documentation for how to drive it.
pub struct Session {
    policy: Policy,
    identity: Arc<Identity>,
    limits: Arc<Limits>,
    global_seq: GlobalSeq,
    /// The peer's addresses as known or as it showed them.
    peer: AddrVec,
    state: State,
    connection: Option<Connection>,
    events: VecDeque<SessionEvent>,
    queue: Queue,
    in_seq: u64,
    ack_due: bool,
    client_cookie: u64,
    /// The client cookie for when the peer has lost the session.
    cookie_spare: u64,
    server_cookie: u64,
    peer_global_seq: u64,
    connect_seq: u64,
    /// The session was open since the last call of ours: the next one counts as a reconnect.
    was_open: bool,
    /// Call even when there is nothing to send.
    persistent: bool,
    backoff: Duration,
    /// Since when the session has had no working connection.
    broken_since: Option<Duration>,
    features: u64,
    peer_number: i64,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { policy, peer, state, in_seq, connect_seq, .. } = self;
        write!(f, "Session({policy:?} with {peer}, {state:?}, in_seq {in_seq}, connect_seq {connect_seq})")
    }
}

impl Session {
    /// A session without a connection. `peer` holds the addresses to reach a monitor at; for
    /// [`Policy::Server`] it may be empty, the ident fills it.
    #[must_use]
    pub fn new(
        policy: Policy,
        identity: Arc<Identity>,
        peer: AddrVec,
        limits: Arc<Limits>,
        global_seq: GlobalSeq,
    ) -> Self {
        Self {
            policy,
            identity,
            backoff: limits.backoff_min,
            limits,
            global_seq,
            peer,
            state: if policy == Policy::Client { State::Dialing } else { State::Idle { dial_at: None } },
            connection: None,
            events: VecDeque::new(),
            queue: Queue::default(),
            in_seq: 0,
            ack_due: false,
            client_cookie: 0,
            cookie_spare: 0,
            server_cookie: 0,
            peer_global_seq: 0,
            connect_seq: 0,
            was_open: false,
            persistent: false,
            broken_since: None,
            features: 0,
            peer_number: -1,
        }
    }

    /// Peer sessions: whether to stay connected even when there is nothing to send.
    pub fn set_persistent(&mut self, now: Duration, persistent: bool) {
        self.persistent = persistent;
        if persistent && self.state == (State::Idle { dial_at: None }) {
            self.state = State::Idle { dial_at: Some(now) };
        }
    }

    /// Whether messages flow now.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whether a connection is attached. When a call makes this false, close the socket.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        self.connection.is_some()
    }

    /// The peer's addresses.
    #[must_use]
    pub fn peer(&self) -> &AddrVec {
        &self.peer
    }

    /// Messages and bytes that wait to be sent or acknowledged.
    #[must_use]
    pub fn queued(&self) -> (usize, usize) {
        (self.queue.len(), self.queue.bytes())
    }

    /// How many bytes were received that are no whole frame yet.
    #[must_use]
    pub fn incomplete_bytes(&self) -> usize {
        self.connection.as_ref().map_or(0, Connection::incomplete_bytes)
    }

    /// Queues a message.
    ///
    /// # Errors
    /// The queue is full or the message too large; it was not taken. Close the session then: a gap would break
    /// its promise.
    pub fn send(&mut self, now: Duration, message: RawMessage) -> Result<(), SessionError> {
        let payload = message.payload_len();
        if payload > MESSAGE_BYTES_MAX {
            return Err(SessionError::MessageTooLarge(payload));
        }
        let (messages, bytes) = self.queued();
        if messages >= self.limits.queue_messages_max || bytes >= self.limits.queue_bytes_max {
            return Err(SessionError::QueueFull { messages, bytes });
        }
        self.queue.push(message);
        self.trim_unopened();
        if self.policy == Policy::Peer && self.state == (State::Idle { dial_at: None }) {
            self.state = State::Idle { dial_at: Some(now) };
        }
        Ok(())
    }

    /// Peer sessions: whether to connect now. Answer with [`Self::attach_outgoing`] or
    /// [`Self::handle_dial_failed`]; when an incoming connection was attached meanwhile, drop the attempt.
    pub fn poll_dial(&mut self, now: Duration) -> bool {
        match self.state {
            State::Idle { dial_at: Some(at) } | State::Waiting { until: at } if at <= now => {
                self.state = State::Dialing;
                if std::mem::take(&mut self.was_open) {
                    self.connect_seq += 1;
                }
                true
            }
            _ => false,
        }
    }

    /// Whether an attempt that [`Self::poll_dial`] asked for is still wanted.
    #[must_use]
    pub fn is_dialing(&self) -> bool {
        self.state == State::Dialing
    }

    /// The attempt failed before it was authenticated.
    pub fn handle_dial_failed(&mut self, now: Duration) {
        if self.state == State::Dialing {
            self.back_off(now);
            self.forget_if_old(now);
        }
    }

    /// Takes received bytes of the attached connection; then [`Self::poll_event`] until `None`.
    pub fn handle_bytes(&mut self, now: Duration, bytes: &[u8]) {
        let Some(connection) = &mut self.connection else { return };
        if let Err(error) = connection.handle_bytes(now, bytes) {
            self.fail(Some(now), error);
        }
    }

    /// The attached connection's socket ended.
    pub fn handle_lost(&mut self, now: Duration, reason: impl Into<String>) {
        if self.connection.is_some() {
            self.fail(Some(now), ConnectionError::Socket(reason.into()));
        }
    }

    /// Closes the connection on purpose; a lossy session is over.
    pub fn close(&mut self) {
        self.connection = None;
        self.state = State::Closed;
    }

    /// When [`Self::handle_timeout`] or [`Self::poll_dial`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        match self.state {
            State::Idle { dial_at } => dial_at,
            State::Waiting { until } => Some(until),
            State::Dialing | State::Closed => None,
            State::Identifying | State::Open => self.connection.as_ref().and_then(Connection::poll_timeout),
        }
    }

    /// Does what is due by now.
    pub fn handle_timeout(&mut self, now: Duration) {
        let Some(connection) = &mut self.connection else { return };
        if let Err(error) = connection.handle_timeout(now) {
            self.fail(Some(now), error);
        }
    }

    /// The next event.
    pub fn poll_event(&mut self, now: Duration) -> Option<SessionEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let polled = self.connection.as_mut()?.poll_event();
            let result = match polled {
                Ok(None) => return None,
                Ok(Some(Event::Frame(frame))) => self.handle_frame(now, frame),
                Ok(Some(Event::Alive)) => {
                    self.events.push_back(SessionEvent::Alive);
                    Ok(())
                }
                Ok(Some(
                    Event::Hello(_)
                    | Event::AuthRequest(_)
                    | Event::AuthRequestMore(_)
                    | Event::AuthReplyMore(_)
                    | Event::AuthBadMethod(_)
                    | Event::AuthDone(_)
                    | Event::Authenticated,
                )) => Err(ConnectionError::OutOfTurn),
                Err(error) => Err(error),
            };
            if let Err(error) = result {
                self.fail(Some(now), error);
            }
        }
    }

    /// Bytes to write to the attached connection's socket, some 64 KiB at a time; call again when they are
    /// written. What is not asked for stays in the queue and counts against its limits.
    pub fn poll_transmit(&mut self, now: Duration) -> Option<Bytes> {
        if self.state == State::Open
            && let Err(error) = self.fill()
        {
            self.fail(Some(now), error);
        }
        self.connection.as_mut()?.poll_transmit()
    }

    fn fill(&mut self) -> Result<(), ConnectionError> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let keep = self.policy == Policy::Peer;
        while connection.out_len() < TRANSMIT_BYTES {
            let Some((seq, message)) = self.queue.next(keep) else { break };
            connection.send_message(seq, self.in_seq, &message)?;
            self.ack_due = false;
        }
        if std::mem::take(&mut self.ack_due) {
            connection.send(&SessionFrame::Ack { seq: self.in_seq })?;
        }
        Ok(())
    }

    fn handle_frame(&mut self, now: Duration, frame: SessionFrame) -> Result<(), ConnectionError> {
        match (self.state, frame) {
            (State::Open, SessionFrame::Message { seq, ack_seq, message }) => {
                self.queue.acknowledge(ack_seq);
                if seq > self.in_seq || self.policy != Policy::Peer {
                    self.in_seq = seq;
                    self.events.push_back(SessionEvent::Message(message));
                }
                self.ack_due = self.policy == Policy::Peer;
                Ok(())
            }
            (State::Open, SessionFrame::Ack { seq }) => {
                self.queue.acknowledge(seq);
                Ok(())
            }
            (State::Identifying, SessionFrame::ServerIdent(ident)) => self.handle_server_ident(ident),
            (State::Identifying, SessionFrame::ReconnectOk { msg_seq }) if self.server_cookie != 0 => {
                self.queue.acknowledge_requeued(msg_seq);
                self.open(true);
                Ok(())
            }
            (State::Identifying, SessionFrame::MissingFeatures(features)) => {
                Err(SessionError::WeLack(features).into())
            }
            (State::Identifying, SessionFrame::Wait) => {
                self.connection = None;
                self.state = State::Waiting { until: now + self.limits.backoff_max };
                Ok(())
            }
            (State::Identifying, SessionFrame::Reset { full }) if self.server_cookie != 0 => {
                self.reset(full);
                self.identify_again(0)
            }
            (State::Identifying, SessionFrame::Retry { connect_seq }) if self.server_cookie != 0 => {
                self.connect_seq = connect_seq.saturating_add(1);
                self.identify_again(0)
            }
            (State::Identifying, SessionFrame::RetryGlobal { global_seq }) if self.server_cookie != 0 => {
                self.identify_again(global_seq)
            }
            (_, frame) => Err(SessionError::Unexpected(name(&frame)).into()),
        }
    }

    /// The peer has lost the session (`full`), or never had it stand (then it knows our cookie all the same).
    fn reset(&mut self, full: bool) {
        if full {
            self.queue.forget_sent();
            // The spare may be the old one itself, when the session is given up by us: then the next attempt
            // brings another.
            self.client_cookie = if self.client_cookie == self.cookie_spare { 0 } else { self.cookie_spare };
            self.peer_global_seq = 0;
        }
        self.server_cookie = 0;
        self.connect_seq = 0;
        self.in_seq = 0;
        self.ack_due = false;
        self.was_open = false;
    }

    fn open(&mut self, resumed: bool) {
        self.state = State::Open;
        self.broken_since = None;
        self.backoff = self.limits.backoff_min;
        self.was_open = true;
        if let Some(connection) = &mut self.connection {
            connection.set_established();
        }
        self.events.push_back(SessionEvent::Opened(OpenedPeer {
            addrs: self.peer.clone(),
            number: self.peer_number,
            features: self.features,
            resumed,
        }));
    }

    /// As long as no session stands, nothing was promised: only the newest messages are kept.
    fn trim_unopened(&mut self) {
        if self.policy != Policy::Peer || self.state == State::Open || self.server_cookie != 0 {
            return;
        }
        while self.queue.len() > self.limits.unopened_messages_max {
            self.queue.drop_oldest();
        }
    }

    /// A session that has been broken for too long is given up.
    fn forget_if_old(&mut self, now: Duration) {
        let Some(since) = self.broken_since else { return };
        if self.server_cookie != 0 && now >= since + self.limits.broken_age_max {
            self.reset(true);
            self.trim_unopened();
        }
    }

    /// Drops the connection. Without a time the wait before the next call counts from the start of the
    /// clock, that is: call at once.
    fn fail(&mut self, now: Option<Duration>, error: ConnectionError) {
        self.connection = None;
        self.queue.requeue();
        self.ack_due = false;
        if bug::replays() {
            self.in_seq = 0;
        }
        if self.policy != Policy::Peer {
            self.state = State::Closed;
            self.events.push_back(SessionEvent::Closed(error));
            return;
        }
        let now = now.unwrap_or_default();
        if self.state == State::Open {
            self.broken_since = Some(now);
            let wanted = self.persistent || self.queue.has_unsent();
            self.state = State::Idle { dial_at: wanted.then_some(now) };
        } else {
            self.back_off(now);
            self.forget_if_old(now);
        }
        self.events.push_back(SessionEvent::Down(error));
    }

    fn back_off(&mut self, now: Duration) {
        let wanted = self.persistent || self.queue.has_unsent();
        self.state = State::Idle { dial_at: wanted.then_some(now + self.backoff) };
        self.backoff = (self.backoff * 2).min(self.limits.backoff_max);
    }
}

fn name(frame: &SessionFrame) -> &'static str {
    match frame {
        SessionFrame::ClientIdent(_) => "ClientIdent",
        SessionFrame::ServerIdent(_) => "ServerIdent",
        SessionFrame::MissingFeatures(_) => "MissingFeatures",
        SessionFrame::Reconnect(_) => "Reconnect",
        SessionFrame::Reset { .. } => "Reset",
        SessionFrame::Retry { .. } => "Retry",
        SessionFrame::RetryGlobal { .. } => "RetryGlobal",
        SessionFrame::ReconnectOk { .. } => "ReconnectOk",
        SessionFrame::Wait => "Wait",
        SessionFrame::Message { .. } => "Message",
        SessionFrame::Ack { .. } => "Ack",
    }
}
