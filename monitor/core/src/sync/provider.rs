//! The side of a sync that has it: any monitor whose own store is whole.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use mon_types::addr::AddrVec;
use mon_types::encode::Encode;
use mon_types::id::{Epoch, Version};
use mon_types::kv::{KvRead, StoreError, Transaction};

use super::prefixes::PREFIXES;
use super::requester::Kind;
use crate::bug::{self, Bug};
use crate::config::Config;
use crate::paxos::{Paxos, log};

/// The syncs that we serve.
#[derive(Debug, Clone, Default)]
pub(crate) struct Provider {
    sessions: BTreeMap<u64, Session>,
    count: u64,
}

#[derive(Debug, Clone)]
struct Session {
    peer: AddrVec,
    kind: Kind,
    /// The last value sent.
    sent: Version,
    /// Where the copying of keys goes on: an index into the prefixes, and the first key.
    cursor: Option<(usize, String)>,
    deadline: Duration,
}

/// One chunk.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    pub(super) reached: Version,
    pub(super) last: bool,
    pub(super) bytes: Bytes,
}

/// What a peer asks for.
#[derive(Debug)]
pub(super) struct Wish<'a> {
    pub(super) peer: &'a AddrVec,
    pub(super) kind: Kind,
    /// The last value that it has.
    pub(super) have: Version,
}

/// At most this many peers at a time.
const SESSIONS_MAX: usize = 16;

impl Provider {
    /// Serves nobody any longer.
    pub(super) fn close_all(&mut self) {
        self.sessions.clear();
    }

    /// Begins to serve a peer. None when it asks for values that we no longer keep.
    pub(super) fn open(
        &mut self,
        config: &Config,
        now: Duration,
        epoch: Epoch,
        wish: &Wish<'_>,
        paxos: &Paxos,
    ) -> Option<(u64, Version)> {
        let Wish { peer, kind, have } = *wish;
        self.sessions.retain(|_, session| session.deadline > now && session.peer != *peer);
        if self.sessions.len() >= SESSIONS_MAX
            || (kind == Kind::Recent && have.next() < paxos.first_committed())
        {
            return None;
        }
        self.count += 1;
        let cookie = (u64::from(epoch.0) << 24) + self.count;
        let sent = match kind {
            // What the store view shows; later values are sent one by one and applied again at the end.
            Kind::Full if bug::is_on(Bug::ProviderAheadOfStore) => paxos.last_committed(),
            Kind::Full => paxos.applied(),
            Kind::Recent => have,
        };
        let cursor = (kind == Kind::Full).then(|| (0, String::new()));
        let deadline = now + config.sync_timeout * 2;
        self.sessions.insert(cookie, Session { peer: peer.clone(), kind, sent, cursor, deadline });
        Some((cookie, sent))
    }

    /// The next chunk. None when the session is gone, or what it needs is.
    pub(super) fn chunk(
        &mut self,
        config: &Config,
        now: Duration,
        cookie: u64,
        paxos: &Paxos,
        store: &dyn KvRead,
    ) -> Result<Option<Chunk>, StoreError> {
        let Some(session) = self.sessions.get_mut(&cookie) else { return Ok(None) };
        if session.deadline <= now || session.sent.next() < paxos.first_committed() {
            self.sessions.remove(&cookie);
            return Ok(None);
        }
        session.deadline = now + config.sync_timeout * 2;
        let mut budget = Budget { bytes: config.sync_payload_bytes_max, keys: config.sync_payload_keys_max };
        let mut copy = Transaction::new();
        if bug::is_on(Bug::ProviderMovesOn) && session.kind == Kind::Full {
            session.sent = paxos.last_committed();
        }
        if session.sent < paxos.last_committed() {
            for (version, value) in paxos.values(store, session.sent.next(), budget.bytes)? {
                if !budget.take(value.len()) {
                    break;
                }
                copy.put_version(log::PREFIX, version, value);
                session.sent = version;
            }
        }
        session.copy_keys(&mut copy, &mut budget, store)?;
        let last = session.cursor.is_none() && session.sent >= paxos.last_committed();
        let chunk = Chunk { reached: session.sent, last, bytes: copy.to_bytes() };
        if last {
            self.sessions.remove(&cookie);
        }
        Ok(Some(chunk))
    }
}

#[derive(Debug, Clone)]
struct Budget {
    bytes: usize,
    keys: usize,
}

impl Budget {
    /// Whether something more fits; the first thing always did, by the limits' being above 0.
    fn take(&mut self, bytes: usize) -> bool {
        if self.bytes == 0 || self.keys == 0 {
            return false;
        }
        self.bytes = self.bytes.saturating_sub(bytes);
        self.keys -= 1;
        true
    }
}

impl Session {
    fn copy_keys(
        &mut self,
        copy: &mut Transaction,
        budget: &mut Budget,
        store: &dyn KvRead,
    ) -> Result<(), StoreError> {
        const PAGE: usize = 64;
        debug_assert!(self.kind == Kind::Full || self.cursor.is_none());
        while let Some((index, from)) = self.cursor.take() {
            let Some(prefix) = PREFIXES.get(index) else { return Ok(()) };
            let page = store.scan(prefix, &from, PAGE)?;
            let full = page.len() == PAGE;
            let mut next = from;
            for (key, value) in page {
                if !budget.take(prefix.len() + key.len() + value.len()) {
                    self.cursor = Some((index, key));
                    return Ok(());
                }
                // The key right after this one.
                next = format!("{key}\0");
                copy.put(prefix, key, value);
            }
            self.cursor = Some(if full { (index, next) } else { (index + 1, String::new()) });
        }
        Ok(())
    }
}
