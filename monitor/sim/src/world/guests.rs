//! Guests' words to processes and back. Between a guest and its monitor is a connection that keeps order and ends
//! with either side; faults of the network between monitors do not touch it, guests hang up by themselves.

use std::time::Duration;

use mon_core::effect::Effect;
use mon_core::event::{Event, RequestId, SessionId};
use mon_types::id::{GlobalId, Version};
use mon_types::message::{Envelope, MMonSubscribe, Message, SubscribeItem};
use rand::RngExt;

use super::{Happening, World};
use crate::guests::deed::{Deed, choose};
use crate::guests::stream::Stream;
use crate::guests::{Asked, Guests};
use crate::history::{Action, Operation, Outcome};
use crate::node::name;
use crate::process::Process;

/// The numbers of requests for global ids begin here; below are those of the world.
const GLOBAL_IDS: u64 = 1 << 40;
/// The numbers of guests in the history begin here; below are those of clients without sessions.
const IN_HISTORY: usize = 1000;
/// How many answers a guest waits for at once.
const OPEN_MAX: usize = 4;
/// How long a guest waits for an answer before it looks for another monitor, at most. A monitor closes sessions
/// whose questions it cannot pass on after 5 s.
const PATIENCE: Duration = Duration::from_secs(12);
/// What guests subscribe to for one time, again and again.
const ONCE: &str = "kv:r/2";
/// Within so much time a calm cluster has answered everything.
const CALM_PATIENCE: Duration = Duration::from_secs(25);

/// What reaches a guest.
#[derive(Debug)]
pub(super) enum Word {
    Message(Box<Envelope>),
    GlobalId(Option<GlobalId>),
    Closed,
}

impl<P: Process> World<P> {
    pub(super) fn invite_guests(&mut self) {
        self.guests = Guests::new(self.plan.guests, &mut self.rng);
        for guest in 0..self.plan.guests {
            let after = self.micros((0, 2_000_000));
            self.next_turn(guest, after);
        }
    }

    fn next_turn(&mut self, guest: usize, after: Duration) {
        let this = &mut self.guests.list[guest];
        this.turn += 1;
        let turn = this.turn;
        self.plan_for(self.now + after, Happening::Guest { guest, turn });
    }

    /// A guest does its next thing.
    pub(super) fn guest_turn(&mut self, guest: usize, turn: u64) {
        if self.guests.list[guest].turn != turn {
            return;
        }
        let rest = self.plan.rest.as_micros() as u64;
        let pause = self.micros((1_000, rest.max(2_000)));
        let this = &self.guests.list[guest];
        let Some(link) = this.link.clone() else {
            self.log_in(guest);
            return self.next_turn(guest, pause + Duration::from_millis(50));
        };
        if this.global_id.is_none() {
            // It waits for its handshake to end, but not for long.
            match self.now > link.since + Duration::from_secs(6) {
                true => self.hang_up(guest),
                false => return self.next_turn(guest, Duration::from_millis(500)),
            }
            return self.next_turn(guest, pause);
        }
        let waited = this.open.values().map(|asked| asked.sent).min();
        if self.calm {
            if waited.is_some_and(|since| self.now > since + CALM_PATIENCE) {
                let asked = format!("{:?}", this.open.values().next().map(|asked| &asked.deed));
                return self.violate("liveness: answers", format!("guest {guest} has no answer to {asked}"));
            }
            return self.next_turn(guest, Duration::from_millis(500));
        }
        let hasty = self.rng.random_bool(self.plan.focus.haste());
        if hasty || waited.is_some_and(|since| self.now > since + PATIENCE) {
            self.hang_up(guest);
        } else if self.guests.list[guest].open.len() < OPEN_MAX {
            match self.rng.random_range(0..12) {
                0 => self.subscribe_some(guest),
                _ => self.ask_something(guest),
            }
        }
        self.next_turn(guest, pause);
    }

    /// A guest opens a session with some monitor; the first time, and now and then, it needs a new global id.
    fn log_in(&mut self, guest: usize) {
        let node = self.rng.random_range(0..self.nodes.len());
        if self.nodes[node].process.is_none() {
            return;
        }
        let (life, now) = (self.nodes[node].life, self.now);
        let session = self.guests.open(guest, node, life, now);
        if self.rng.random_bool(self.plan.focus.newcomers()) {
            self.guests.list[guest].global_id = None;
        }
        match self.guests.list[guest].global_id {
            Some(_) => self.enter(guest),
            None => {
                let request = RequestId(GLOBAL_IDS + session.0);
                self.say(guest, Event::GlobalIdWanted { request });
            }
        }
    }

    /// The handshake is over: old questions first, and streams where they were.
    fn enter(&mut self, guest: usize) {
        let this = &self.guests.list[guest];
        let Some(session) = this.link.as_ref().map(|link| link.session) else { return };
        let client = this.info();
        self.say(guest, Event::ClientOpened { session, client });
        if !self.guests.list[guest].streams.is_empty() {
            self.subscribe(guest, None);
        }
        while let Some(asked) = self.guests.list[guest].again.pop_front() {
            self.send_question(guest, asked);
        }
    }

    /// A guest ends its session, without waiting for what is under way.
    pub(super) fn hang_up(&mut self, guest: usize) {
        if let Some(session) = self.guests.list[guest].link.as_ref().map(|link| link.session) {
            self.say(guest, Event::ClientClosed { session });
        }
        self.unlink(guest);
    }

    fn unlink(&mut self, guest: usize) {
        for asked in self.guests.close(guest) {
            self.remember(guest, &asked, Outcome::Unknown);
        }
    }

    fn remember(&mut self, guest: usize, asked: &Asked, outcome: Outcome) {
        let Some((key, action)) = asked.deed.on_register() else { return };
        if !self.guests.list[guest].badge.permits(&asked.deed) {
            return;
        }
        let (client, invoked, returned) = (IN_HISTORY + guest, asked.invoked, self.now);
        self.clients.history.push(Operation { client, key, action, invoked, returned, outcome });
    }

    fn ask_something(&mut self, guest: usize) {
        let value = self.clients.fresh();
        let epoch = self.invariants.book().map_epoch();
        let (keys, ticket) = (self.plan.keys, self.rng.random_range(self.plan.focus.deeds()));
        let this = &mut self.guests.list[guest];
        let (deed, message) = choose(this, ticket, keys, value, epoch, &mut self.rng);
        let permitted = self.guests.list[guest].badge.permits(&deed);
        if let (false, Deed::Kv { action: Action::Write(value) | Action::Swap(_, value), .. }) =
            (permitted, &deed)
        {
            self.guests.forbidden.insert(*value);
        }
        let asked = Asked {
            tid: self.guests.tid(),
            deed,
            message,
            invoked: self.now,
            sent: self.now,
            again: false,
            kv_version: self.invariants.book().kv_last(),
            map_told: self.guests.map_told,
        };
        self.send_question(guest, asked);
    }

    fn send_question(&mut self, guest: usize, mut asked: Asked) {
        let this = &mut self.guests.list[guest];
        let Some(session) = this.link.as_ref().map(|link| link.session) else { return };
        asked.sent = self.now;
        let message = Envelope { tid: asked.tid, message: asked.message.clone() };
        // Log entries without the right to write them are passed over in silence.
        if asked.deed != Deed::Log || this.badge.permits(&asked.deed) {
            this.open.insert(asked.tid, asked);
        }
        self.say(guest, Event::ClientMessage { session, message });
    }

    fn subscribe_some(&mut self, guest: usize) {
        let name = ["monmap", "kv:", "kv:r", "kv:r/1", "log-info", ONCE][self.rng.random_range(0..6)];
        let this = &mut self.guests.list[guest];
        if name != "kv:" || this.badge != crate::guests::badge::Badge::OneKey {
            // What is subscribed to already goes on: asked for again it would begin where it was by our last word.
            if this.streams.get(name).is_none_or(|stream| stream.over) {
                this.streams.insert(name.into(), Stream { once: name == ONCE, ..Stream::default() });
                self.subscribe(guest, Some(name));
            }
        }
    }

    /// Says for one stream or all from where on they go.
    fn subscribe(&mut self, guest: usize, only: Option<&str>) {
        let this = &self.guests.list[guest];
        let Some(session) = this.link.as_ref().map(|link| link.session) else { return };
        let item =
            |stream: &Stream| SubscribeItem { start: Version(stream.next), flags: u8::from(stream.once) };
        let streams = this.streams.iter().filter(|(_, stream)| !stream.over);
        let streams = streams.filter(|(name, _)| only.is_none_or(|only| only == *name));
        let what = streams.map(|(name, stream)| (name.clone(), item(stream))).collect();
        let message = MMonSubscribe { what, hostname: String::new() };
        self.say(guest, Event::ClientMessage { session, message: message.into() });
    }

    fn say(&mut self, guest: usize, event: Event) {
        let delay = self.micros(self.plan.weather.delay);
        let Some(link) = &mut self.guests.list[guest].link else { return };
        link.arrival_there = link.arrival_there.max(self.now + delay);
        let (node, life, at) = (link.node, link.life, link.arrival_there);
        self.plan_for(at, Happening::Session { node, life, event: Box::new(event) });
    }

    /// What a process wants a session to have.
    pub(super) fn reply(&mut self, node: usize, effect: Effect) {
        let (session, word) = match effect {
            Effect::Reply { session, message, .. } => {
                self.check(|invariants, nodes| invariants.replied(nodes, node, &message));
                (session, Word::Message(Box::new(message)))
            }
            Effect::CloseSession { session } => (session, Word::Closed),
            Effect::GlobalId { request, id } => {
                (SessionId(request.0.saturating_sub(GLOBAL_IDS)), Word::GlobalId(id))
            }
            _ => return,
        };
        let Some(guest) = self.guests.owner(session) else { return };
        if let Word::Message(envelope) = &word
            && let Message::MonCommandAck(ack) = &envelope.message
            && let Err(what) = self.guests.judge_leaving(
                guest,
                envelope.tid,
                ack,
                (node, !self.plan.config.stock_rule),
                self.invariants.book(),
            )
        {
            self.violate("acknowledged", format!("{}: {what}", name(node)));
        }
        self.tell_guest(guest, session, word);
    }

    fn tell_guest(&mut self, guest: usize, session: SessionId, word: Word) {
        let delay = self.micros(self.plan.weather.delay);
        let Some(link) = &mut self.guests.list[guest].link else { return };
        link.arrival_here = link.arrival_here.max(self.now + delay);
        let at = link.arrival_here;
        self.plan_for(at, Happening::ToGuest { guest, session, word: Box::new(word) });
    }

    /// A process has ended, and with it its connections.
    pub(super) fn guests_lose(&mut self, node: usize) {
        for guest in 0..self.guests.list.len() {
            let link = self.guests.list[guest].link.as_ref().filter(|link| link.node == node);
            if let Some(session) = link.map(|link| link.session) {
                self.tell_guest(guest, session, Word::Closed);
            }
        }
    }

    pub(super) fn reaches_guest(&mut self, guest: usize, session: SessionId, word: Word) {
        if self.guests.owner(session) != Some(guest) {
            return;
        }
        match word {
            Word::Closed => self.unlink(guest),
            Word::GlobalId(None) => self.hang_up(guest),
            Word::GlobalId(Some(id)) => {
                if !self.guests.global_ids.insert(id) {
                    return self.violate("global ids", format!("{id:?} is handed out twice"));
                }
                self.guests.list[guest].global_id = Some(id);
                self.enter(guest);
            }
            Word::Message(envelope) => {
                self.trace.mix(envelope.tid);
                self.trace.line(self.now, || {
                    let text: String = format!("{envelope:?}").chars().take(300).collect();
                    format!("guest {guest} <- {text}")
                });
                if let Err((property, what)) = self.take_word(guest, *envelope) {
                    let (badge, property) = (self.guests.list[guest].badge, property);
                    self.violate(property, format!("guest {guest}, {badge:?}: {what}"));
                }
            }
        }
    }

    fn take_word(&mut self, guest: usize, envelope: Envelope) -> Result<(), (&'static str, String)> {
        let Envelope { tid, message } = envelope;
        match message {
            Message::MonCommandAck(ack) => {
                let (asked, meaning) =
                    self.guests.take_ack(guest, tid, &ack).map_err(|what| ("answers", what))?;
                if let Some(outcome) = meaning {
                    self.remember(guest, &asked, outcome);
                }
                Ok(())
            }
            Message::MonGetVersionReply(reply) => {
                let book = self.invariants.book();
                self.guests.take_version(guest, &reply, book).map_err(|what| ("versions", what))
            }
            Message::LogAck(_) => {
                let book = self.invariants.book();
                self.guests.take_log_ack(guest, tid, book).map_err(|what| ("answers", what))
            }
            Message::KvData(_) | Message::MonMap(_) | Message::Log(_) => {
                self.take_stream(guest, &message).map_err(|what| ("streams", what))
            }
            other => Err(("answers", format!("{} was not asked for", other.name()))),
        }
    }

    fn take_stream(&mut self, guest: usize, message: &Message) -> Result<(), String> {
        let book = self.invariants.book();
        let this = &mut self.guests.list[guest];
        let badge = this.badge;
        let name = match message {
            Message::KvData(told) => format!("kv:{}", told.prefix),
            Message::MonMap(_) => "monmap".into(),
            _ => "log-info".into(),
        };
        let Some(stream) = this.streams.get_mut(&name).filter(|_| badge.may_follow(&name)) else {
            return Err(format!("{name} was not subscribed to, or is not permitted"));
        };
        if stream.over {
            return Err(format!("{name} was asked for one time, and comes again"));
        }
        stream.over = stream.once;
        match message {
            Message::KvData(told) => stream.take_kv(told, badge, book),
            Message::Log(told) => stream.take_log(told, book),
            Message::MonMap(told) => {
                let epoch = stream.take_map(told, book)?;
                self.guests.map_told = self.guests.map_told.max(epoch);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What guests still lack in a calm cluster.
    pub(super) fn guests_lack(&self) -> Option<String> {
        let book = self.invariants.book();
        for guest in &self.guests.list {
            let number = guest.number;
            if guest.link.is_none() || guest.global_id.is_none() {
                return Some(format!("guest {number} has no session"));
            }
            if let Some(asked) = guest.open.values().next() {
                return Some(format!("guest {number} has no answer to {:?}", asked.deed));
            }
            let lacks = |(name, stream): &(&String, &Stream)| {
                guest.badge.may_follow(name) && stream.lacks(name, guest.badge, book)
            };
            if let Some((name, stream)) = guest.streams.iter().find(lacks) {
                return Some(format!("guest {number} has {name} before {} only", stream.next));
            }
        }
        None
    }

    /// Whether anything was written that nobody had the right to write.
    pub(super) fn trespass(&self) -> Option<String> {
        let values = self.invariants.book().kv.values().flatten();
        values.into_iter().find_map(|(key, value)| {
            let number: u64 = std::str::from_utf8(value.as_ref()?).ok()?.parse().ok()?;
            let forbidden = self.guests.forbidden.contains(&crate::history::Value(number));
            forbidden.then(|| format!("{key} was set to {number} without the right to"))
        })
    }
}
