//! Store sync: a monitor that is too far behind copies from one that is not.

mod marks;
mod order;
mod prefixes;
mod provider;
mod requester;

use std::time::Duration;

use mon_types::addr::AddrVec;
use mon_types::encode::Encode;
use mon_types::message::{MMonSync, SyncOp};

use crate::bug::{self, Bug};
use crate::consensus::{Consensus, Outcome, Role};
use crate::cx::Cx;
use crate::effect::{Halt, Level, WriteId};

pub(crate) use marks::SyncMarks;
pub(crate) use order::SyncOrder;
pub(crate) use provider::Provider;
pub(crate) use requester::{Kind, Requester};

use marks::Kept;
use provider::Wish;
use requester::Stage;

impl Consensus {
    /// Begins to copy from a peer.
    pub(crate) fn start_sync(&mut self, cx: &mut Cx<'_>, provider: &AddrVec, kind: Kind) -> Result<(), Halt> {
        cx.out.log(
            Level::Info,
            format!("{kind:?} sync from {provider}, we have {}", self.paxos.last_committed()),
        );
        self.leave(cx);
        self.elector.withdraw();
        self.role = Role::Synchronizing;
        // From here on we may be half synced at any moment, which makes us no source for anybody.
        self.provider.close_all();
        let op = match kind {
            Kind::Full => SyncOp::CookieFull,
            Kind::Recent => SyncOp::CookieRecent,
        };
        if kind == Kind::Full && bug::is_on(Bug::WipeBeforeConsent) {
            self.wipe(cx)?;
        }
        let mut ask = MMonSync::new(op, 0);
        ask.last_committed = self.paxos.last_committed();
        self.sync = Some(Requester {
            provider: provider.clone(),
            kind,
            stage: Stage::Asking,
            start: self.paxos.last_committed(),
            reached: self.paxos.last_committed(),
            wiped: bug::is_on(Bug::WipeBeforeConsent),
            deadline: cx.now.mono + self.config.sync_timeout,
        });
        cx.out.send(provider, ask, None);
        Ok(())
    }

    /// Makes room for a copy. Not before its first part is here: a store that is whole must not be given up for a
    /// provider that may be about to give up its own for us.
    fn wipe(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        let mut write = requester::wipe();
        let last = self.paxos.last_committed();
        let value = self.paxos.values(cx.store, last, usize::MAX)?.remove(&last);
        let kept = Kept { last, value, accepted: self.paxos.uncommitted() };
        write.append(self.paxos.wipe());
        self.marks.begin(&mut write, self.members.monmap().to_bytes(), kept);
        cx.out.persist(write, true);
        Ok(())
    }

    pub(crate) fn handle_sync(&mut self, cx: &mut Cx<'_>, from: &AddrVec, m: MMonSync) -> Result<(), Halt> {
        match m.op {
            SyncOp::CookieFull => self.open_provider(cx, from, Kind::Full, &m),
            SyncOp::CookieRecent => self.open_provider(cx, from, Kind::Recent, &m),
            SyncOp::GetChunk => self.provide_chunk(cx, from, m.cookie),
            SyncOp::Cookie | SyncOp::Chunk | SyncOp::LastChunk | SyncOp::NoCookie => {
                self.take_chunk(cx, from, &m)
            }
        }
    }

    /// Who leaves never fills its store anew, whatever it was told, and may have what nobody else has.
    fn may_provide(&self) -> bool {
        let order_is_void = self.leaving.is_some() && !self.marks.is_half_filled();
        self.role != Role::Synchronizing && (!self.marks.must_sync() || order_is_void)
    }

    fn open_provider(&mut self, cx: &mut Cx<'_>, to: &AddrVec, kind: Kind, m: &MMonSync) -> Result<(), Halt> {
        let whole = self.may_provide();
        let epoch = self.elector.epoch();
        let wish = Wish { peer: to, kind, have: m.last_committed };
        let opened =
            whole.then(|| self.provider.open(&self.config, cx.now.mono, epoch, &wish, &self.paxos)).flatten();
        let answer = match opened {
            Some((cookie, start)) => {
                let mut answer = MMonSync::new(SyncOp::Cookie, cookie);
                answer.last_committed = start;
                answer
            }
            None => MMonSync::new(SyncOp::NoCookie, m.cookie),
        };
        cx.out.send(to, answer, None);
        Ok(())
    }

    fn provide_chunk(&mut self, cx: &mut Cx<'_>, to: &AddrVec, cookie: u64) -> Result<(), Halt> {
        let whole = self.may_provide();
        let chunk = match whole {
            true => self.provider.chunk(&self.config, cx.now.mono, cookie, &self.paxos, cx.store)?,
            false => None,
        };
        let answer = match chunk {
            Some(chunk) => {
                let op = if chunk.last { SyncOp::LastChunk } else { SyncOp::Chunk };
                let mut answer = MMonSync::new(op, cookie);
                answer.last_committed = chunk.reached;
                answer.chunk = chunk.bytes;
                answer
            }
            None => MMonSync::new(SyncOp::NoCookie, cookie),
        };
        cx.out.send(to, answer, None);
        Ok(())
    }

    /// The provider's answers.
    fn take_chunk(&mut self, cx: &mut Cx<'_>, from: &AddrVec, m: &MMonSync) -> Result<(), Halt> {
        let Some(sync) = self.sync.as_mut().filter(|sync| sync.provider == *from) else { return Ok(()) };
        sync.deadline = cx.now.mono + self.config.sync_timeout;
        match (m.op, sync.stage) {
            (SyncOp::NoCookie, _) => {
                self.order.refused(from, cx.now.mono);
                return self.bootstrap(cx, "the provider gave up the sync");
            }
            (SyncOp::Cookie, Stage::Asking) => {
                sync.stage = Stage::Copying { cookie: m.cookie };
                sync.start = m.last_committed;
                self.order.consented(from);
                cx.out.send(from, MMonSync::new(SyncOp::GetChunk, m.cookie), None);
            }
            (SyncOp::Chunk | SyncOp::LastChunk, Stage::Copying { cookie }) if cookie == m.cookie => {
                sync.reached = m.last_committed;
                return match sync.kind {
                    Kind::Full => self.take_copies(cx, from, m),
                    Kind::Recent => self.take_values(cx, from, m),
                };
            }
            _ => {}
        }
        Ok(())
    }

    fn take_copies(&mut self, cx: &mut Cx<'_>, from: &AddrVec, m: &MMonSync) -> Result<(), Halt> {
        let copies = match requester::copies(&m.chunk) {
            Ok(copies) => copies,
            Err(error) => return self.bootstrap(cx, &format!("a sync chunk does not decode: {error}")),
        };
        let wiped = self.sync.as_mut().is_some_and(|sync| std::mem::replace(&mut sync.wiped, true));
        if !wiped {
            self.wipe(cx)?;
        }
        // Not synced: until the end mark, a crash makes all of it worthless anyway.
        let write = cx.out.persist(copies, false);
        if m.op == SyncOp::LastChunk {
            if let Some(sync) = &mut self.sync {
                sync.stage = Stage::Finishing { write };
            }
        } else {
            cx.out.send(from, MMonSync::new(SyncOp::GetChunk, m.cookie), Some(write));
        }
        Ok(())
    }

    fn take_values(&mut self, cx: &mut Cx<'_>, from: &AddrVec, m: &MMonSync) -> Result<(), Halt> {
        let values = match requester::values(&m.chunk) {
            Ok(values) => values,
            Err(error) => return self.bootstrap(cx, &format!("a sync chunk does not decode: {error}")),
        };
        self.paxos.learn(cx, &values)?;
        if m.op == SyncOp::LastChunk {
            return self.bootstrap(cx, "the sync is done");
        }
        cx.out.send(from, MMonSync::new(SyncOp::GetChunk, m.cookie), None);
        Ok(())
    }

    /// The last steps of a full sync wait for the disk.
    pub(crate) fn sync_persisted(&mut self, cx: &mut Cx<'_>, id: WriteId) -> Result<(), Halt> {
        if self.order.is_dropped(id) {
            self.marks.forced = false;
            return self.bootstrap(cx, "the order to sync is dropped");
        }
        let Some(sync) = &mut self.sync else { return Ok(()) };
        match sync.stage {
            Stage::Finishing { write } if id >= write => {
                let Some(mut complete) = requester::completion(cx.store, sync.start, sync.reached)? else {
                    return self.bootstrap(cx, "the copy lacks a value");
                };
                self.marks.end(&mut complete, sync.reached)?;
                sync.stage = Stage::Ending { write: cx.out.persist(complete, true) };
                Ok(())
            }
            Stage::Ending { write } if id >= write => {
                self.sync = None;
                self.paxos.reload(cx.store)?;
                cx.out.log(Level::Info, format!("synced up to {}", self.paxos.last_committed()));
                self.outcomes.push(Outcome::StoreReplaced);
                self.bootstrap(cx, "the sync is done")
            }
            Stage::Asking | Stage::Copying { .. } | Stage::Finishing { .. } | Stage::Ending { .. } => Ok(()),
        }
    }

    /// Its session was made anew: what we asked may be lost. Starting over is cheap and always right.
    pub(crate) fn sync_peer_connected(&mut self, cx: &mut Cx<'_>, peer: &AddrVec) -> Result<(), Halt> {
        let waits = self.sync.as_ref().is_some_and(|sync| {
            sync.provider == *peer && matches!(sync.stage, Stage::Asking | Stage::Copying { .. })
        });
        if waits { self.bootstrap(cx, "the provider's session was reset") } else { Ok(()) }
    }

    /// The provider's process is gone, which matters only while it has something to send.
    pub(crate) fn sync_provider_lost(&mut self, cx: &mut Cx<'_>, peer: &AddrVec) -> Result<(), Halt> {
        match &self.sync {
            Some(sync) if sync.provider == *peer && !sync.has_all() => {
                self.bootstrap(cx, "the sync's provider is gone")
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether a copy becomes whole with a write that is on its way: what we hold in memory is from before it.
    pub(crate) fn is_sync_ending(&self) -> bool {
        self.sync.as_ref().is_some_and(|sync| matches!(sync.stage, Stage::Ending { .. }))
    }

    pub(crate) fn tick_sync(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        match &self.sync {
            Some(sync) if !sync.has_all() && cx.now.mono >= sync.deadline => {
                self.bootstrap(cx, "the provider is silent")
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(crate) fn sync_deadline(&self) -> Option<Duration> {
        self.sync.as_ref().filter(|sync| !sync.has_all()).map(|sync| sync.deadline)
    }
}
