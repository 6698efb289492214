//! Two processes with one session between them, over links that deliver bytes piecemeal and break.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mon_types::addr::{AddrVec, EntityAddr};
use mon_types::entity::EntityType;
use mon_types::message::RawMessage;
use mon_wire::auth::{AuthMethod, Mode};
use mon_wire::{
    Connection, Event, GlobalSeq, Identity, Incoming, Limits, Policy, Secret, Session, SessionEvent, Side,
};

pub(crate) fn address(node: usize) -> EntityAddr {
    EntityAddr::msgr2(([127, 0, 0, 1], 3300 + node as u16).into())
}

pub(crate) fn message(number: u64) -> RawMessage {
    RawMessage {
        tid: number,
        kind: 66,
        priority: 196,
        version: 4,
        compat: 3,
        front: Bytes::copy_from_slice(&[number as u8; 70][..number as usize % 70]),
        middle: Bytes::new(),
        data: Bytes::copy_from_slice(&number.to_le_bytes()[..(number % 2) as usize * 8]),
    }
}

/// What stands at one end of a link.
enum End {
    /// Not yet the session's.
    Handshake(Box<Connection>),
    Attached,
    /// Closed here; what arrives is thrown away.
    Gone,
}

struct Link {
    /// Whose call it is.
    connector: usize,
    ends: [End; 2],
    /// Bytes on their way to each node.
    inbound: [VecDeque<u8>; 2],
    /// No more bytes will be added for this node.
    closed: [bool; 2],
}

pub(crate) struct Node {
    pub(crate) session: Session,
    /// The session's link.
    attached: Option<usize>,
    /// The link of our own call while it is made.
    calling: Option<usize>,
    pub(crate) received: Vec<u64>,
    pub(crate) opened: Vec<bool>,
    pub(crate) closed: Vec<String>,
    identity: Arc<Identity>,
    global_seq: GlobalSeq,
}

pub(crate) struct Pair {
    pub(crate) nodes: [Node; 2],
    links: Vec<Link>,
    pub(crate) now: Duration,
    mode: Mode,
    cookie: u64,
}

fn identity(node: usize) -> Arc<Identity> {
    Arc::new(Identity {
        kind: EntityType::Mon,
        addrs: AddrVec(vec![address(node)]),
        number: Some(node as i64),
        features_supported: 0x3f01_cfbd_fffd_ffff,
        features_required: 1 << 21 | 1 << 59,
    })
}

fn node(number: usize, global_seq: u64) -> Node {
    let (identity, global_seq) = (identity(number), GlobalSeq::starting_at(global_seq));
    let limits = Arc::new(Limits::peer());
    let peer = AddrVec(vec![address(1 - number)]);
    let session = Session::new(Policy::Peer, identity.clone(), peer, limits, global_seq.clone());
    Node {
        session,
        attached: None,
        calling: None,
        received: Vec::new(),
        opened: Vec::new(),
        closed: Vec::new(),
        identity,
        global_seq,
    }
}

impl Pair {
    pub(crate) fn new(mode: Mode) -> Self {
        Self { nodes: [node(0, 1), node(1, 1)], links: Vec::new(), now: Duration::ZERO, mode, cookie: 100 }
    }

    /// Kills a process and starts it anew: its session is forgotten, its sockets close.
    pub(crate) fn restart(&mut self, number: usize) {
        for link in 0..self.links.len() {
            self.close_end(link, number);
        }
        let old = &self.nodes[number];
        let (identity, global_seq) = (old.identity.clone(), old.global_seq.clone());
        let fresh = node(number, 0);
        let received = std::mem::take(&mut self.nodes[number].received);
        self.nodes[number] =
            Node { received, global_seq: global_seq.clone(), identity: identity.clone(), ..fresh };
        let peer = AddrVec(vec![address(1 - number)]);
        self.nodes[number].session =
            Session::new(Policy::Peer, identity, peer, Arc::new(Limits::peer()), global_seq);
    }

    pub(crate) fn links_open(&self) -> Vec<usize> {
        (0..self.links.len()).filter(|&l| !(self.links[l].closed[0] && self.links[l].closed[1])).collect()
    }

    pub(crate) fn inbound_len(&self, link: usize, node: usize) -> usize {
        self.links[link].inbound[node].len()
    }

    /// The bytes on their way to a node.
    #[allow(dead_code, reason = "for the adversary in fuzz/targets")]
    pub(crate) fn inbound(&mut self, link: usize, node: usize) -> &mut VecDeque<u8> {
        &mut self.links[link].inbound[node]
    }

    /// Breaks a link: of the bytes on their way only some arrive.
    pub(crate) fn cut(&mut self, link: usize, arrive: [usize; 2]) {
        let link = &mut self.links[link];
        for (inbound, arrive) in link.inbound.iter_mut().zip(arrive) {
            inbound.truncate(arrive);
        }
        link.closed = [true; 2];
    }

    fn close_end(&mut self, link: usize, node: usize) {
        let link = &mut self.links[link];
        link.ends[node] = End::Gone;
        link.inbound[node].clear();
        link.closed[node] = true;
        link.closed[1 - node] = true;
    }

    /// Makes calls, writes what sessions want to write, until nothing changes without delivery or time.
    pub(crate) fn settle(&mut self) {
        for node in 0..2 {
            if self.nodes[node].session.poll_dial(self.now) {
                let limits = Arc::new(Limits::peer());
                let make = |side, other| {
                    let remote = address(other);
                    End::Handshake(Box::new(Connection::new(
                        side,
                        EntityType::Mon,
                        remote,
                        limits.clone(),
                        self.now,
                    )))
                };
                let mut ends = [make(Side::Connector, 1 - node), make(Side::Acceptor, node)];
                if node == 1 {
                    ends.reverse();
                }
                let link = Link {
                    connector: node,
                    ends,
                    inbound: [VecDeque::new(), VecDeque::new()],
                    closed: [false; 2],
                };
                self.nodes[node].calling = Some(self.links.len());
                self.links.push(link);
            }
        }
        for link in 0..self.links.len() {
            for node in 0..2 {
                self.drive(link, node);
            }
        }
    }

    /// Delivers up to `count` bytes to a node, or the end of the link when there are none left.
    pub(crate) fn deliver(&mut self, link: usize, node: usize, count: usize) {
        let l = &mut self.links[link];
        let count = count.min(l.inbound[node].len());
        let bytes: Vec<u8> = l.inbound[node].drain(..count).collect();
        let ended = l.closed[node] && l.inbound[node].is_empty();
        match &mut l.ends[node] {
            End::Gone => return,
            End::Attached => self.nodes[node].session.handle_bytes(self.now, &bytes),
            End::Handshake(connection) => {
                if connection.handle_bytes(self.now, &bytes).is_err() {
                    self.handshake_failed(link, node);
                    return;
                }
            }
        }
        self.drive(link, node);
        if ended {
            match self.links[link].ends[node] {
                End::Gone => {}
                End::Attached => self.nodes[node].session.handle_lost(self.now, "cut"),
                End::Handshake(_) => self.handshake_failed(link, node),
            }
            self.drive(link, node);
            self.close_end(link, node);
        }
    }

    /// Moves time to the next moment that anybody waits for.
    pub(crate) fn wait(&mut self) {
        let next = self.nodes.iter().filter_map(|n| n.session.poll_timeout()).min();
        self.now = self.now.max(next.unwrap_or_default());
        for node in &mut self.nodes {
            node.session.handle_timeout(self.now);
        }
        self.settle();
    }

    /// Delivers everything and lets time pass until both sides have nothing queued.
    pub(crate) fn finish(&mut self) {
        for _ in 0..10_000 {
            self.settle();
            let mut idle = true;
            for link in 0..self.links.len() {
                for node in 0..2 {
                    let l = &self.links[link];
                    if matches!(l.ends[node], End::Gone) || (l.inbound[node].is_empty() && !l.closed[node]) {
                        continue;
                    }
                    idle = false;
                    self.deliver(link, node, usize::MAX);
                }
            }
            if idle && self.nodes.iter().all(|n| n.session.queued().0 == 0) {
                return;
            }
            if idle {
                self.wait();
            }
        }
        panic!("no end: {:?} and {:?}", self.nodes[0].session, self.nodes[1].session);
    }

    fn handshake_failed(&mut self, link: usize, node: usize) {
        self.close_end(link, node);
        if self.nodes[node].calling == Some(link) {
            self.nodes[node].calling = None;
            self.nodes[node].session.handle_dial_failed(self.now);
        }
    }

    fn next_cookie(&mut self) -> u64 {
        self.cookie += 1;
        self.cookie
    }

    /// Lets one end act on what it has received.
    fn drive(&mut self, link: usize, node: usize) {
        match std::mem::replace(&mut self.links[link].ends[node], End::Gone) {
            End::Gone => {}
            End::Attached => {
                self.links[link].ends[node] = End::Attached;
                self.drive_session(link, node);
            }
            End::Handshake(connection) => self.drive_handshake(link, node, connection),
        }
    }

    fn drive_session(&mut self, link: usize, number: usize) {
        let node = &mut self.nodes[number];
        while let Some(event) = node.session.poll_event(self.now) {
            match event {
                SessionEvent::Opened(peer) => node.opened.push(peer.resumed),
                SessionEvent::Message(raw) => {
                    assert_eq!(raw, message(raw.tid), "message changed on the way");
                    node.received.push(raw.tid);
                }
                SessionEvent::Alive => {}
                SessionEvent::Down(error) | SessionEvent::Closed(error) => {
                    node.closed.push(error.to_string())
                }
            }
        }
        while let Some(bytes) = node.session.poll_transmit(self.now) {
            if !self.links[link].closed[1 - number] {
                self.links[link].inbound[1 - number].extend(bytes);
            }
        }
        if !node.session.is_attached() && node.attached == Some(link) {
            node.attached = None;
            self.close_end(link, number);
        }
    }

    fn drive_handshake(&mut self, link: usize, node: usize, mut connection: Box<Connection>) {
        let connector = self.links[link].connector == node;
        if connector && self.nodes[node].calling != Some(link) {
            return self.close_end(link, node); // given up because an incoming connection was attached
        }
        loop {
            let step = step(&mut connection, self.mode);
            self.transmit(link, node, &mut connection);
            match step {
                Step::Idle => break,
                Step::Failed => return self.handshake_failed(link, node),
                Step::Authenticated if connector => {
                    let cookie = self.next_cookie();
                    self.nodes[node].calling = None;
                    if self.nodes[node].session.attach_outgoing(*connection, cookie) {
                        self.attach(link, node);
                    } else {
                        self.close_end(link, node);
                    }
                    return;
                }
                Step::Authenticated => {}
                Step::Ident(frame) => {
                    let cookie = self.next_cookie();
                    match self.nodes[node].session.attach_incoming(*connection, &frame, cookie).unwrap() {
                        Incoming::Attached => {
                            if let Some(old) = self.nodes[node].attached.take() {
                                self.close_end(old, node);
                            }
                            if let Some(call) = self.nodes[node].calling.take() {
                                self.close_end(call, node);
                            }
                            return self.attach(link, node);
                        }
                        Incoming::Answered(back) => connection = back,
                        Incoming::Refused(mut back, _) => {
                            self.transmit(link, node, &mut back);
                            return self.close_end(link, node);
                        }
                    }
                }
            }
        }
        self.links[link].ends[node] = End::Handshake(connection);
    }

    fn transmit(&mut self, link: usize, node: usize, connection: &mut Connection) {
        while let Some(bytes) = connection.poll_transmit() {
            if !self.links[link].closed[1 - node] {
                self.links[link].inbound[1 - node].extend(bytes);
            }
        }
    }

    fn attach(&mut self, link: usize, node: usize) {
        self.nodes[node].attached = Some(link);
        self.links[link].ends[node] = End::Attached;
        self.drive_session(link, node);
    }
}

pub(crate) enum Step {
    Idle,
    Failed,
    Authenticated,
    Ident(mon_wire::SessionFrame),
}

pub(crate) fn keys(mode: Mode) -> (Secret, Secret) {
    let secret = if mode == Mode::Secure { (0..64).collect() } else { Vec::new() };
    (Secret::new(vec![0x11; 16]), Secret::new(secret))
}

/// One step of a handshake whose method is a fixed exchange of words.
pub(crate) fn step(connection: &mut Connection, mode: Mode) -> Step {
    let (session_key, connection_secret) = keys(mode);
    let Ok(event) = connection.poll_event() else { return Step::Failed };
    let result = match event {
        None => return Step::Idle,
        Some(Event::Hello(_)) => {
            connection.auth_request(AuthMethod::CEPHX, &[mode], Bytes::from_static(b"ask"))
        }
        Some(Event::AuthRequest(request)) => {
            assert_eq!(request.payload, "ask");
            connection.auth_reply_more(b"prove it")
        }
        Some(Event::AuthReplyMore(payload)) => {
            assert_eq!(payload, "prove it");
            connection.auth_request_more(b"proof")
        }
        Some(Event::AuthRequestMore(payload)) => {
            assert_eq!(payload, "proof");
            connection.auth_done(77, mode, Bytes::from_static(b"welcome"), &session_key, &connection_secret)
        }
        Some(Event::AuthDone(done)) => {
            assert_eq!((done.global_id, done.payload), (77, Bytes::from_static(b"welcome")));
            connection.auth_complete(&session_key, &connection_secret)
        }
        Some(Event::AuthBadMethod(_)) => return Step::Failed,
        Some(Event::Authenticated) => return Step::Authenticated,
        Some(Event::Frame(frame)) => return Step::Ident(frame),
        Some(Event::Alive) => Ok(()),
    };
    match result {
        Ok(()) => step(connection, mode),
        Err(_) => Step::Failed,
    }
}

impl Pair {
    /// Lets all calls of a node fail for so long.
    pub(crate) fn cannot_call(&mut self, node: usize, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            let node = &mut self.nodes[node];
            if node.session.poll_dial(self.now) {
                node.session.handle_dial_failed(self.now);
            }
            self.now = node.session.poll_timeout().unwrap().max(self.now);
        }
    }
}
