mod stock;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use bytes::Bytes;
use mon_cephx::client::ClientHandshake;
use mon_cephx::rotating::rotate;
use mon_cephx::server::TicketTtl;
use mon_core::event::Event;
use mon_types::auth::{EntityAuth, RotatingSecrets};
use mon_types::crypto_key::{CryptoKey, CryptoKind};
use mon_types::encode::Encode;
use mon_types::entity::EntityName;
use mon_types::features::Features;
use mon_types::id::GlobalId;
use mon_types::message::{MMonGetMap, MMonMap, MPing, Message};
use mon_types::release::Release;
use mon_types::time::UTime;
use mon_wire::auth::{AuthMethod, Mode};
use mon_wire::{Connection, ConnectionError, Limits, Policy, Secret, Session, SessionEvent, Side};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::queue::{EventReceiver, channel};
use socket::{Socket, Turn};

const WAIT_MAX: Duration = Duration::from_secs(20);

/// A monitor without a core: what would reach the core is looked at by the test.
struct Mon {
    net: NetHandle,
    addrs: AddrVec,
    events: EventReceiver,
    requests: Requests,
}

fn key(fill: u8) -> CryptoKey {
    CryptoKey::aes(UTime::default(), [fill; 16])
}

fn entity(fill: u8) -> EntityAuth {
    let caps = BTreeMap::from([("mon".to_owned(), "allow *".to_bytes())]);
    EntityAuth { key: key(fill), caps, pending_key: None }
}

fn view() -> AuthView {
    let wall = Clock::new().now().wall;
    let services = [EntityType::Auth, EntityType::Mon, EntityType::Osd, EntityType::Mgr, EntityType::Mds];
    let rotating = services.map(|service| {
        let mut secrets = RotatingSecrets::default();
        rotate(&mut secrets, CryptoKind::Aes, Duration::from_secs(3600), wall, &mut rand::rng());
        (service, secrets)
    });
    AuthView {
        ready: true,
        entities: Arc::new(BTreeMap::from([("client.admin".parse().unwrap(), entity(1))])),
        rotating: Arc::new(BTreeMap::from(rotating)),
        mon: entity(9),
        allowed_ciphers: BTreeSet::from([CryptoKind::Aes, CryptoKind::Aes256k]),
        service_cipher: CryptoKind::Aes,
        allow_none: false,
        allow_insecure_reclaim: false,
        ttl: TicketTtl::default(),
    }
}

fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn limits() -> Limits {
    Limits { unauthenticated_max: 20, ..Limits::client() }
}

async fn mon_at(address: SocketAddr) -> Mon {
    let features = Features::all(Release::Tentacle);
    let addrs = AddrVec::msgr2(address);
    let config = NetConfig {
        client_limits: Arc::new(limits()),
        ..NetConfig::new(addrs.clone(), vec![address], features)
    };
    start_mon(config, view()).await
}

async fn start_mon(config: NetConfig, view: AuthView) -> Mon {
    let addrs = config.addrs.clone();
    let (sender, events) = channel(64, 64);
    let requests = Requests::new(sender.clone());
    let auth = Arc::new(ArcSwap::from_pointee(view));
    let net = start(config, auth, sender, requests.clone(), Clock::new()).await.unwrap();
    Mon { net, addrs, events, requests }
}

async fn mon() -> Mon {
    mon_at(free_address()).await
}

impl Mon {
    /// The next event that the test is about; global ids are handed out on the way.
    async fn next(&mut self) -> Event {
        loop {
            let event =
                tokio::time::timeout(WAIT_MAX, self.events.next(None)).await.expect("an event in time");
            match event.unwrap() {
                Event::GlobalIdWanted { request } => {
                    self.requests.answer_global_id(request, Some(GlobalId(4100)))
                }
                event => return event,
            }
        }
    }

    /// The next event that `wanted` takes; others are passed over.
    async fn until<T>(&mut self, wanted: impl Fn(Event) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.next().await) {
                return found;
            }
        }
    }

    async fn peer_message(&mut self) -> (AddrVec, String) {
        self.until(|event| match event {
            Event::PeerMessage { peer, message: Envelope { message: Message::Ping(ping), .. } } => {
                Some((peer, ping.report.unwrap_or_default()))
            }
            _ => None,
        })
        .await
    }

    async fn peer_connected(&mut self) -> AddrVec {
        self.until(|event| match event {
            Event::PeerConnected { peer, .. } => Some(peer),
            _ => None,
        })
        .await
    }

    async fn peer_down(&mut self) -> AddrVec {
        self.until(|event| match event {
            Event::PeerDown { peer } => Some(peer),
            _ => None,
        })
        .await
    }
}

fn ping(text: &str) -> Envelope {
    MPing { report: Some(text.into()) }.into()
}

/// A client as librados is one.
struct Client {
    session: Session,
    socket: Socket,
    clock: Clock,
}

impl Client {
    async fn connect(to: &AddrVec, key: CryptoKey, modes: &[Mode]) -> Result<Self, i32> {
        let address = to.msgr2_socket().unwrap();
        let clock = Clock::new();
        let mut socket = Socket::new(TcpStream::connect(address).await.unwrap()).unwrap();
        let limits = Arc::new(Limits::client());
        let remote = mon_types::addr::EntityAddr::msgr2(address);
        let mut connection =
            Connection::new(Side::Connector, EntityType::Client, remote, limits.clone(), clock.now().mono);
        let handshake = ClientHandshake::new("client.admin".parse().unwrap(), key);
        loop {
            while let Some(event) = connection.poll_event().unwrap() {
                use mon_wire::Event as E;
                match event {
                    E::Hello(_) => {
                        connection.auth_request(AuthMethod::CEPHX, modes, handshake.request()).unwrap()
                    }
                    E::AuthReplyMore(payload) => {
                        let answer = handshake.answer(&payload, &mut rand::rng()).unwrap();
                        connection.auth_request_more(&answer).unwrap();
                    }
                    E::AuthBadMethod(refusal) => return Err(refusal.result),
                    E::AuthDone(done) => {
                        let session = handshake.finish(GlobalId(done.global_id), &done.payload).unwrap();
                        let session_key = Secret::from(session.auth.session_key.secret());
                        let secret = Secret::from(session.connection_secret.as_slice());
                        connection.auth_complete(&session_key, &secret).unwrap();
                    }
                    E::Authenticated => {
                        let identity = Identity {
                            kind: EntityType::Client,
                            addrs: AddrVec(vec![]),
                            number: None,
                            features_supported: Features::all(Release::Pacific).0,
                            features_required: 0,
                        };
                        let seq = GlobalSeq::starting_at(1);
                        let mut session =
                            Session::new(Policy::Client, identity.into(), to.clone(), limits, seq);
                        assert!(session.attach_outgoing(connection, 5));
                        let mut client = Self { session, socket, clock };
                        assert!(matches!(client.next().await, SessionEvent::Opened(_)));
                        return Ok(client);
                    }
                    other => panic!("unexpected {other:?}"),
                }
            }
            while !socket.is_written() {
                socket.turn().await.unwrap();
            }
            match connection.poll_transmit() {
                Some(bytes) => socket.write(bytes),
                None => match socket.turn().await.unwrap() {
                    Turn::Received(bytes) => connection.handle_bytes(clock.now().mono, &bytes).unwrap(),
                    Turn::Wrote => {}
                },
            }
        }
    }

    async fn next(&mut self) -> SessionEvent {
        loop {
            let now = self.clock.now().mono;
            if let Some(event) = self.session.poll_event(now) {
                return event;
            }
            if self.socket.is_written()
                && let Some(bytes) = self.session.poll_transmit(now)
            {
                self.socket.write(bytes);
            }
            match tokio::time::timeout(WAIT_MAX, self.socket.turn()).await.expect("bytes in time") {
                Ok(Turn::Received(bytes)) => self.session.handle_bytes(now, &bytes),
                Ok(Turn::Wrote) => {}
                Err(error) => self.session.handle_lost(now, error.to_string()),
            }
        }
    }
}

#[tokio::test]
async fn monitors_connect_talk_and_notice_each_other_s_end() {
    let (mut a, mut b) = (mon().await, mon().await);
    a.net.set_peers(Some(Rank(0)), vec![b.addrs.clone()], false);
    b.net.set_peers(Some(Rank(1)), vec![a.addrs.clone()], false);
    assert_eq!(a.peer_connected().await, b.addrs);
    assert_eq!(b.peer_connected().await, a.addrs);
    for number in 0..50 {
        a.net.send(&b.addrs, ping(&format!("a{number}")));
        b.net.send(&a.addrs, ping(&format!("b{number}")));
    }
    for number in 0..50 {
        assert_eq!(b.peer_message().await, (a.addrs.clone(), format!("a{number}")));
        assert_eq!(a.peer_message().await, (b.addrs.clone(), format!("b{number}")));
    }
    b.net.set_peers(Some(Rank(1)), vec![], false);
    assert_eq!(a.peer_down().await, b.addrs);
}

#[tokio::test]
async fn a_message_to_a_monitor_that_comes_later_waits_for_it() {
    let address = free_address();
    let mut a = mon().await;
    let addrs = AddrVec::msgr2(address);
    a.net.set_peers(Some(Rank(0)), vec![addrs.clone()], false);
    a.net.send(&addrs, ping("early"));
    assert_eq!(a.peer_down().await, addrs, "a refused connection is reported");
    let mut b = mon_at(address).await;
    assert_eq!(b.peer_message().await, (a.addrs.clone(), "early".into()));
}

#[tokio::test]
async fn a_changed_rank_makes_sessions_anew() {
    let (mut a, mut b) = (mon().await, mon().await);
    a.net.set_peers(Some(Rank(0)), vec![b.addrs.clone()], false);
    b.peer_connected().await;
    b.net.send(&a.addrs, ping("before"));
    a.peer_message().await;
    a.net.set_peers(Some(Rank(1)), vec![b.addrs.clone()], true);
    assert_eq!(b.peer_connected().await, a.addrs);
    b.net.send(&a.addrs, ping("after"));
    assert_eq!(a.peer_message().await.1, "after");
}

#[tokio::test]
async fn a_client_asks_and_is_answered_in_both_modes() {
    let mut mon = mon().await;
    for mode in [Mode::Crc, Mode::Secure] {
        let addrs = mon.addrs.clone();
        let served = async {
            let Event::ClientOpened { session, client } = mon.next().await else { panic!("opened first") };
            assert_eq!(client.entity, "client.admin".parse::<EntityName>().unwrap());
            assert_eq!((client.global_id, client.release), (GlobalId(4100), 16));
            let Event::ClientMessage { session: from, message } = mon.next().await else {
                panic!("then asked")
            };
            assert_eq!((from, &message.message), (session, &Message::MonGetMap(MMonGetMap {})));
            mon.net.reply(session, MMonMap { monmap: Bytes::from_static(b"map") }.into());
            let Event::ClientClosed { session: closed } = mon.next().await else { panic!("then closed") };
            assert_eq!(closed, session);
        };
        let asking = async {
            let mut client = Client::connect(&addrs, key(1), &[mode]).await.ok().unwrap();
            let now = client.clock.now().mono;
            client.session.send(now, Envelope::from(MMonGetMap {}).to_raw()).unwrap();
            let SessionEvent::Message(answer) = client.next().await else { panic!("an answer") };
            let expected = Message::MonMap(MMonMap { monmap: Bytes::from_static(b"map") });
            assert_eq!(Envelope::decode(&answer).unwrap().message, expected);
        };
        tokio::join!(served, asking);
    }
}

#[tokio::test]
async fn a_closed_session_ends_the_client_s_connection() {
    let mut mon = mon().await;
    let addrs = mon.addrs.clone();
    let (mut client, session) = tokio::join!(
        async { Client::connect(&addrs, key(1), &[Mode::Secure]).await.ok().unwrap() },
        mon.until(|event| match event {
            Event::ClientOpened { session, .. } => Some(session),
            _ => None,
        })
    );
    mon.net.close(session);
    while !matches!(client.next().await, SessionEvent::Closed(ConnectionError::Socket(_))) {}
    assert_eq!(mon.net.counts().clients, 0);
}

#[tokio::test]
async fn a_wrong_key_is_refused() {
    let mut mon = mon().await;
    let addrs = mon.addrs.clone();
    tokio::select! {
        refused = Client::connect(&addrs, key(2), &[Mode::Secure]) => assert_eq!(refused.err(), Some(-13)),
        _ = mon.next() => panic!("nothing may reach the core"),
    }
}

#[tokio::test]
async fn idle_strangers_do_not_keep_others_out() {
    let mut mon = mon().await;
    let address = mon.addrs.msgr2_socket().unwrap();
    let mut strangers = Vec::new();
    for _ in 0..100 {
        strangers.push(TcpStream::connect(address).await.unwrap());
    }
    let addrs = mon.addrs.clone();
    let (client, _) = tokio::join!(Client::connect(&addrs, key(1), &[Mode::Crc]), mon.next());
    assert!(client.is_ok());
    assert!(mon.net.counts().handshakes <= limits().unauthenticated_max);
}

#[tokio::test]
async fn garbage_ends_its_connection_only() {
    let mut mon = mon().await;
    let address = mon.addrs.msgr2_socket().unwrap();
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"ceph v2\n\xff\xff", b"ceph v027"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        let mut rest = Vec::new();
        // Our banner, then the end: reset or closed.
        let _end =
            tokio::time::timeout(WAIT_MAX, stream.read_to_end(&mut rest)).await.expect("closed in time");
    }
    let addrs = mon.addrs.clone();
    let (client, _) = tokio::join!(Client::connect(&addrs, key(1), &[Mode::Crc]), mon.next());
    assert!(client.is_ok());
}

/// Three clients ask for more than they read. Each stays below its own limit, together they do not.
#[tokio::test]
async fn clients_that_do_not_read_are_closed_when_all_keep_too_much() {
    let address = free_address();
    let config = NetConfig {
        client_limits: Arc::new(Limits { sessions_max: 64, ..limits() }),
        client_bytes_max: 8 << 20,
        ..NetConfig::new(AddrVec::msgr2(address), vec![address], Features::all(Release::Tentacle))
    };
    let mut mon = start_mon(config, view()).await;
    let addrs = mon.addrs.clone();
    let mut clients = Vec::new();
    for _ in 0..4 {
        let (client, session) = tokio::join!(
            async { Client::connect(&addrs, key(1), &[Mode::Crc]).await.ok().unwrap() },
            mon.until(|event| match event {
                Event::ClientOpened { session, .. } => Some(session),
                _ => None,
            })
        );
        clients.push((client, session));
    }
    let (mut reader, reading) = clients.pop().unwrap();
    // More than the kernel's buffers take, too.
    let map = Bytes::from(vec![7; 1 << 20]);
    for _ in 0..12 {
        for (_, session) in &clients {
            mon.net.reply(*session, MMonMap { monmap: map.clone() }.into());
        }
    }
    let closed = mon
        .until(|event| match event {
            Event::ClientClosed { session } => Some(session),
            _ => None,
        })
        .await;
    assert_ne!(closed, reading);
    mon.net.reply(reading, MMonMap { monmap: Bytes::from_static(b"map") }.into());
    let SessionEvent::Message(_) = reader.next().await else { panic!("who reads is served") };
}
