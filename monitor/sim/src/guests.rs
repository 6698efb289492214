//! Guests: clients with a session to one monitor at a time. They log in, ask, subscribe, lose their connection, and
//! come back through another monitor, with the same numbers where it is the protocol's promise that this is safe.
//! What each is told is checked at once: that answers fit questions and come once ([`answer`]), that streams have no
//! gaps ([`stream`]), that nobody gets more than its caps allow ([`badge`]).

pub mod answer;
pub mod badge;
pub mod deed;
pub mod stream;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use mon_core::event::{ClientInfo, SessionId};
use mon_types::addr::AddrVec;
use mon_types::entity::{EntityName, EntityType};
use mon_types::features::Features;
use mon_types::id::GlobalId;
use mon_types::message::Message;
use mon_types::release::Release;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::history::{Key, Value};
use badge::Badge;
use deed::Deed;
use stream::Stream;

/// All guests, and what they know together.
#[derive(Debug, Default)]
pub struct Guests {
    /// Each by itself.
    pub list: Vec<Guest>,
    /// Whose session it is.
    by_session: BTreeMap<SessionId, usize>,
    next_session: u64,
    next_tid: u64,
    /// The highest epoch of the monmap that anybody was told.
    pub map_told: u64,
    /// The keys that entities were told to have.
    pub keys: BTreeMap<String, String>,
    /// Global ids that were handed out.
    pub global_ids: BTreeSet<GlobalId>,
    /// Config values that nobody had the right to write.
    pub forbidden: BTreeSet<Value>,
    /// How many answers were checked.
    pub answered: u64,
}

/// One client.
#[derive(Debug)]
pub struct Guest {
    /// What it may do.
    pub badge: Badge,
    /// Its number.
    pub number: usize,
    /// Its id in the cluster, once it has one.
    pub global_id: Option<GlobalId>,
    /// Its session.
    pub link: Option<Link>,
    /// What it waits for, by its numbers.
    pub open: BTreeMap<u64, Asked>,
    /// What it asks again in its next session.
    pub again: VecDeque<Asked>,
    /// What it subscribed to.
    pub streams: BTreeMap<String, Stream>,
    /// What it last saw of registers, with their revisions.
    pub seen: BTreeMap<Key, (Option<Value>, u64)>,
    /// How many log entries it has made.
    pub logged: u64,
    /// The last epoch of the monmap that it was told.
    pub epoch: u64,
    /// Rises with each plan for what it does next, so that earlier plans are recognised.
    pub turn: u64,
}

/// A session, from the guest's side.
#[derive(Debug, Clone)]
pub struct Link {
    /// Its number.
    pub session: SessionId,
    /// The monitor's machine.
    pub node: usize,
    /// The process's life there.
    pub life: u64,
    /// When it was made.
    pub since: Duration,
    /// When the last word from here arrives there.
    pub arrival_there: Duration,
    /// When the last word from there arrives here.
    pub arrival_here: Duration,
}

/// Something that was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The guest's number for it.
    pub tid: u64,
    /// What it is about.
    pub deed: Deed,
    /// As it was sent.
    pub message: Message,
    /// When it was first asked.
    pub invoked: Duration,
    /// When it was last sent.
    pub sent: Duration,
    /// Whether it was sent more than once.
    pub again: bool,
    /// The version of the key/value service when it was first asked.
    pub kv_version: u64,
    /// The highest epoch of the monmap that anybody had been told by then.
    pub map_told: u64,
}

impl Guests {
    /// So many, each with a badge by lot.
    pub fn new(count: usize, rng: &mut ChaCha8Rng) -> Self {
        let mut guests = Self::default();
        for number in 0..count {
            // The first may do everything, so that all kinds of deeds happen in every run.
            let badge =
                if number == 0 { Badge::Admin } else { Badge::ALL[rng.random_range(0..Badge::ALL.len())] };
            guests.list.push(Guest {
                badge,
                number,
                global_id: None,
                link: None,
                open: BTreeMap::new(),
                again: VecDeque::new(),
                streams: BTreeMap::new(),
                seen: BTreeMap::new(),
                logged: 0,
                epoch: 0,
                turn: 0,
            });
        }
        guests
    }

    /// Who has a session, if it is still somebody's.
    #[must_use]
    pub fn owner(&self, session: SessionId) -> Option<usize> {
        self.by_session.get(&session).copied()
    }

    /// Makes a session's number.
    pub fn open(&mut self, guest: usize, node: usize, life: u64, now: Duration) -> SessionId {
        self.next_session += 1;
        let session = SessionId(self.next_session);
        self.by_session.insert(session, guest);
        self.list[guest].link =
            Some(Link { session, node, life, since: now, arrival_there: now, arrival_here: now });
        session
    }

    /// Ends a guest's session from its side. What it may ask again, it will; what it may not stays open for good and
    /// is returned.
    pub fn close(&mut self, guest: usize) -> Vec<Asked> {
        let this = &mut self.list[guest];
        if let Some(link) = this.link.take() {
            self.by_session.remove(&link.session);
        }
        let mut lost = Vec::new();
        for (_, mut asked) in std::mem::take(&mut this.open) {
            if asked.deed.is_repeatable() && this.badge.permits(&asked.deed) {
                asked.again = true;
                this.again.push_back(asked);
            } else {
                lost.push(asked);
            }
        }
        lost
    }

    /// A number for a question, used by nobody else.
    pub fn tid(&mut self) -> u64 {
        self.next_tid += 1;
        self.next_tid
    }
}

impl Guest {
    /// Its name.
    #[must_use]
    pub fn entity(&self) -> EntityName {
        EntityName::new(EntityType::Client, format!("guest{}", self.number))
    }

    /// What the handshake would have established.
    #[must_use]
    pub fn info(&self) -> ClientInfo {
        let socket: std::net::SocketAddr = ([10, 1, 0, self.number as u8], 40_000).into();
        ClientInfo {
            entity: self.entity(),
            global_id: self.global_id.unwrap_or(GlobalId(0)),
            caps: self.badge.caps(),
            addrs: AddrVec::msgr2(socket),
            socket: Some(socket),
            features: Features::all(Release::Tentacle).0,
            release: Release::Tentacle as u8,
            used_pending_key: None,
        }
    }
}
