//! The network of the wire mode: sessions between monitors as the daemon has them, over byte streams that are cut to
//! pieces, stall, and break. [`crate::world`] moves the bytes; here is what it moves them through.
//!
//! ```text
//!   core a -- Effect::Send --> Session(a, b) -- frames --> Line -- chunks, late, cut short --> Session(b, a) --> core b
//! ```
//!
//! Every message carries a number in its data part, which the receiver takes off again: what one process hears of
//! another is what that one said, in order, once, and without a gap unless a session was made anew in between.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mon_types::entity::EntityType;
use mon_types::features::Features;
use mon_types::message::RawMessage;
use mon_wire::auth::{AuthMethod, Mode};
use mon_wire::{
    Connection, ConnectionError, Event, GlobalSeq, Identity, Limits, Policy, Secret, Session, SessionFrame,
    Side,
};

use crate::net::Link;
use crate::node;

/// What travels on a line.
#[derive(Debug, Clone)]
pub enum Chunk {
    /// Some bytes.
    Bytes(Bytes),
    /// The other side has closed.
    End,
}

/// What stands at one end of a line.
#[derive(Debug)]
pub enum End {
    /// A connection that is no session's yet.
    Handshake(Box<Connection>),
    /// The session of this end's process with the other.
    Attached,
    /// Closed here.
    Gone,
}

/// A connection as the network sees it: two streams of bytes.
#[derive(Debug)]
pub struct Line {
    /// Who called, and who was called.
    pub nodes: [usize; 2],
    /// What stands at each end.
    pub ends: [End; 2],
    /// When the last chunk for each end arrives.
    pub arrival: [Duration; 2],
    /// What is under way to each end, in order. What is on the agenda is only when the next of it arrives.
    pub flow: [VecDeque<Chunk>; 2],
    /// How many arrivals a cut keeps from each end.
    pub held: [u32; 2],
    /// How many arrivals wait for a process that is stopped.
    pub waiting: [u32; 2],
    /// Whether it is broken: nothing more gets onto it.
    pub broken: bool,
}

/// A process's session with another.
#[derive(Debug)]
pub struct Peer {
    /// The session.
    pub session: Session,
    /// The line that it has.
    pub line: Option<u64>,
    /// The call that it makes: the number of the attempt, which is the line's once there is one.
    pub call: Option<u64>,
    /// Whether the process wants to stay connected.
    pub kept: bool,
    /// Calls that failed since it last stood.
    pub failures: u32,
    /// The earliest timer on the agenda, in the world's time.
    pub timer: Option<Duration>,
}

/// What a process has heard of another.
#[derive(Debug, Default)]
struct Heard {
    last: u64,
    stands: bool,
}

/// See the module documentation.
#[derive(Debug)]
pub struct Wire {
    /// Whether frames are encrypted.
    pub mode: Mode,
    /// Sessions, by whose they are and with whom.
    pub peers: BTreeMap<Link, Peer>,
    /// Lines, by number.
    pub lines: BTreeMap<u64, Line>,
    next: u64,
    global_seqs: BTreeMap<usize, GlobalSeq>,
    said: BTreeMap<Link, u64>,
    heard: BTreeMap<Link, Heard>,
}

impl Wire {
    /// A network without sessions.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            peers: BTreeMap::new(),
            lines: BTreeMap::new(),
            next: 0,
            global_seqs: BTreeMap::new(),
            said: BTreeMap::new(),
            heard: BTreeMap::new(),
        }
    }

    /// A number for an attempt or a line.
    pub fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// A process's session with another; `wall_ms` is what the process read on its wall clock when it first asks.
    pub fn peer(&mut self, node: usize, peer: usize, wall_ms: u64) -> &mut Peer {
        let global_seq =
            self.global_seqs.entry(node).or_insert_with(|| GlobalSeq::starting_at(wall_ms)).clone();
        self.peers.entry((node, peer)).or_insert_with(|| {
            let identity = Identity {
                kind: EntityType::Mon,
                addrs: node::addrs(node),
                number: Some(node as i64),
                features_supported: node::identity(node).features.0,
                features_required: Features::REQUIRED_OF_MONS.0,
            };
            let (to, limits) = (node::addrs(peer), Arc::new(Limits::peer()));
            Peer {
                session: Session::new(Policy::Peer, Arc::new(identity), to, limits, global_seq),
                line: None,
                call: None,
                kept: false,
                failures: 0,
                timer: None,
            }
        })
    }

    /// A line on which two processes have just met.
    pub fn connect(&mut self, number: u64, from: usize, to: usize, now: [Duration; 2], at: Duration) {
        let end = |side, remote, now| {
            let remote = node::addrs(remote).0.first().copied().unwrap_or_default();
            let limits = Arc::new(Limits::peer());
            End::Handshake(Box::new(Connection::new(side, EntityType::Mon, remote, limits, now)))
        };
        let line = Line {
            nodes: [from, to],
            ends: [end(Side::Connector, to, now[0]), end(Side::Acceptor, from, now[1])],
            arrival: [at; 2],
            flow: [VecDeque::new(), VecDeque::new()],
            held: [0; 2],
            waiting: [0; 2],
            broken: false,
        };
        self.lines.insert(number, line);
    }

    /// Whether both have a line with the other that serves their sessions.
    #[must_use]
    pub fn is_up(&self, a: usize, b: usize) -> bool {
        let stands = |line: &Line| !line.broken && line.ends.iter().all(|end| matches!(end, End::Attached));
        self.between(a, b).iter().any(|number| self.lines.get(number).is_some_and(stands))
    }

    /// The lines between two.
    #[must_use]
    pub fn between(&self, a: usize, b: usize) -> Vec<u64> {
        let lines = self.lines.iter();
        lines.filter(|(_, l)| l.nodes == [a, b] || l.nodes == [b, a]).map(|(number, _)| *number).collect()
    }

    /// Puts its number on a message.
    pub fn stamp(&mut self, link: Link, mut raw: RawMessage) -> RawMessage {
        let number = self.said.entry(link).or_default();
        *number += 1;
        let mut data = BytesMut::from(&raw.data[..]);
        data.extend_from_slice(&number.to_le_bytes());
        raw.data = data.freeze();
        raw
    }

    /// A session stands; `resumed` when it goes on with what was.
    pub fn opened(&mut self, link: Link, resumed: bool) {
        self.heard.entry(link).or_default().stands &= resumed;
    }

    /// Takes the number off a message that came over `link` and looks at it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn take_stamp(&mut self, link: Link, mut raw: RawMessage) -> Result<RawMessage, String> {
        let split = raw.data.len().checked_sub(8).ok_or("a message lost its end")?;
        let number = raw.data.split_off(split);
        let number = u64::from_le_bytes(number[..].try_into().map_err(|_| "a message lost its end")?);
        let heard = self.heard.entry(link).or_default();
        let last = std::mem::replace(&mut heard.last, number);
        if number <= last {
            return Err(format!("message {number} comes after {last}"));
        }
        if std::mem::replace(&mut heard.stands, true) && number != last + 1 {
            return Err(format!("message {number} comes after {last} in one session"));
        }
        Ok(raw)
    }

    /// A process is gone with all that it knew.
    pub fn forget(&mut self, node: usize) {
        self.peers.retain(|(whose, _), _| *whose != node);
        self.heard.retain(|(_, whose), _| *whose != node);
        self.global_seqs.remove(&node);
    }
}

/// What a step of a handshake has come to.
#[derive(Debug)]
pub enum Step {
    /// It waits for the other side.
    Idle,
    /// It has failed.
    Failed,
    /// Both sides have proven themselves.
    Authenticated,
    /// The caller says which session it means.
    Ident(SessionFrame),
}

/// One step of a handshake in which each side trusts the other: what proofs say is the affair of `monitor/cephx`.
pub fn step(connection: &mut Connection, mode: Mode) -> Step {
    loop {
        let Ok(event) = connection.poll_event() else { return Step::Failed };
        let answered = match event {
            None => return Step::Idle,
            Some(Event::Authenticated) => return Step::Authenticated,
            Some(Event::Frame(frame)) => return Step::Ident(frame),
            Some(event) => answer(connection, mode, event),
        };
        if answered.is_err() {
            return Step::Failed;
        }
    }
}

fn answer(connection: &mut Connection, mode: Mode, event: Event) -> Result<(), ConnectionError> {
    let session_key = Secret::new(vec![0x11; 16]);
    let secret = Secret::new(if mode == Mode::Secure { (0..64).collect() } else { Vec::new() });
    match event {
        Event::Hello(_) => connection.auth_request(AuthMethod::CEPHX, &[mode], Bytes::from_static(b"hello")),
        Event::AuthRequest(_) => {
            connection.auth_done(1, mode, Bytes::from_static(b"welcome"), &session_key, &secret)
        }
        Event::AuthDone(_) => connection.auth_complete(&session_key, &secret),
        Event::AuthRequestMore(_) | Event::AuthReplyMore(_) | Event::AuthBadMethod(_) => {
            Err(ConnectionError::OutOfTurn)
        }
        Event::Alive | Event::Authenticated | Event::Frame(_) => Ok(()),
    }
}
